/* Names of transformers' TrainingArguments that attune has no setting for: a person who brings them along is told what stands in their place,
 * instead of the setting that is spelled most like them. */
#include "run/settings.h"

#include <ctype.h>
#include <stddef.h>

typedef struct foreign {
    const char *name, *instead;
} foreign;

static const foreign FOREIGN[] = {
    {"bf16", "say --precision bf16"},
    {"fp16", "there is fp32 and --precision bf16"},
    {"save_steps", "checkpoints are written at evaluations and by time (--save-seconds)"},
    {"save_strategy", "checkpoints are written at evaluations and by time (--save-seconds)"},
    {"eval_strategy", "evaluations come at the end of every epoch, or every --eval-steps"},
    {"evaluation_strategy", "evaluations come at the end of every epoch, or every --eval-steps"},
    {"logging_strategy", "lines come every --logging-steps"},
    {"per_device_eval_batch_size", "evaluation chooses its batches itself; they change no number"},
    {"eval_accumulation_steps", "evaluation chooses its batches itself; they change no number"},
    {"auto_find_batch_size", "a batch takes no more memory than a few texts of it; what does not fit is told before step 1"},
    {"load_best_model_at_end", "the best evaluated state is kept, of many examples the mean of the last weights (--average)"},
    {"greater_is_better", "of every metric it is known (--metric-for-best-model)"},
    {"report_to", "curves are written with --tensorboard FOLDER"},
    {"resume_from_checkpoint", "the same command goes on by itself"},
    {"optim", "the optimiser is AdamW"},
    {"group_by_length", "texts are packed without padding, whatever their lengths"},
    {"length_column_name", "texts are packed without padding, whatever their lengths"},
    {"gradient_checkpointing", "activations are kept for a few texts at a time, whatever the batch"},
    {"data_seed", "--seed decides the order too"},
    {"full_determinism", "the same command always gives the same bits"},
    {"dataloader_num_workers", "--threads is all there is"},
    {"use_cpu", "the processor is all that is used"},
    {"no_cuda", "the processor is all that is used"},
    {"do_train", "attune train, eval and predict are commands of their own"},
    {"do_eval", "attune train, eval and predict are commands of their own"},
    {"do_predict", "attune train, eval and predict are commands of their own"},
    {"disable_tqdm", "the bar is for terminals; --quiet takes all of it away"},
};

static int same(const char *name, const char *word) {
    for (; *name && *word; name++, word++)
        if (*name != (*word == '-' ? '_' : (char)tolower((unsigned char)*word))) return 0;
    return !*name && !*word;
}

const char *at_setting_instead(const char *word) {
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++)
        if (same(FOREIGN[i].name, word)) return FOREIGN[i].instead;
    return NULL;
}
