/* What a person reads of a finished training: plain words about what looks wrong, and the model card. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "infer/predict.h"
#include "report/model_card.h"
#include "run/train_run.h"
#include "task/diagnose.h"

enum { TRAIN_SAMPLE = 500 }; /* training examples whose answers are compared with the labels */

/* ---- diagnosis ---- */

/* The share of right answers on the training data, where the task has one. */
static at_status train_score(at_train_run *run, double *score, at_error *err) {
    at_arena scratch = {0};
    at_dataset *part = NULL;
    at_score judged = {0};
    const at_dataset *d = run->train;
    int whole_rows = d->draw == AT_DRAW_ROWS, n = at_dataset_units(d), step = (n + TRAIN_SAMPLE - 1) / TRAIN_SAMPLE, kept = 0;
    uint32_t *index = AT_NEW_ARRAY(&scratch, uint32_t, d->n);
    at_status st = index ? AT_OK : at_fail_memory(err, (size_t)n * sizeof *index);
    for (int i = 0, unit = 0; i < d->n && !st; i++) {
        unit += i && (!whole_rows || d->row[i] != d->row[i - 1]);
        if (unit % step == 0) index[kept++] = (uint32_t)i;
    }
    if (!st) st = at_dataset_subset(run->train, index, kept, &part, err);
    if (!st) st = at_train_judge(run, part, &judged, err);
    const json_t *accuracy = json_object_get(judged.values, "accuracy");
    if (!st && accuracy) *score = json_real_value(accuracy);
    at_score_free(&judged);
    at_dataset_close(part);
    at_arena_free(&scratch);
    return st;
}

/* The losses of the steps as the history has them. */
static int losses_of(const at_train_run *run, double *loss, int most) {
    size_t i;
    json_t *entry;
    int n = 0;
    json_array_foreach(run->result.history, i, entry) {
        const json_t *value = json_object_get(entry, "loss");
        if (value && n < most) loss[n++] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    return n;
}

at_status at_train_diagnose(at_train_run *run, at_error *err) {
    double loss[1000];
    int n;
    at_symptom symptom[AT_SYMPTOMS];
    at_evidence e = AT_EVIDENCE_INIT;
    const at_score *judged = run->tuned ? &run->step2 : &run->step1;
    AT_TRY(train_score(run, &e.train_score, err));
    e.values = judged->values;
    if (run->state.task->names_labels && !run->all->target) { /* one label of several: there is such a thing as guessing */
        e.label = run->state.labels.name;
        e.n_labels = run->state.labels.n;
    }
    e.n_train = run->train->n;
    e.loss = loss;
    e.n_losses = losses_of(run, loss, 1000);
    if (run->tuned) {
        e.train_loss = run->result.train_loss;
        e.learning_rate = run->hyper.learning_rate;
    }
    AT_TRY(at_diagnose(&e, &run->arena, symptom, &n, err));
    int pays = run->tuned && run->step1.values && run->step2.main > run->step1.main;
    for (int i = 0; i < n; i++) {
        /* Few examples are always learned by heart; where that helped on unseen data it is no trouble. */
        if (pays && !strcmp(symptom[i].kind, "overfitted")) continue;
        json_array_append_new(run->notes, json_string(symptom[i].text));
        at_tell_warning(run->listener, "%s", symptom[i].text);
    }
    return AT_OK;
}

/* ---- the card ---- */

enum { MAX_SETTINGS = 12, MAX_METRICS = 4 };

typedef struct card_parts {
    at_card_setting setting[MAX_SETTINGS];
    at_card_metric eval[MAX_METRICS], test[MAX_METRICS];
    const char *note[64];
} card_parts;

static int metrics_of(const at_task *task, const at_score *score, at_card_metric *metric) {
    const char *const *names = task->card_metrics;
    int n = 0;
    for (int i = 0; names[i] && n < MAX_METRICS; i++) {
        const json_t *value = json_object_get(score->values, names[i]);
        char interval[64];
        snprintf(interval, sizeof interval, "%s_interval", names[i]);
        const json_t *ends = json_object_get(score->values, interval);
        if (!json_is_number(value)) continue;
        metric[n++] = (at_card_metric){names[i], json_number_value(value), ends ? json_number_value(json_array_get(ends, 0)) : NAN,
                                       ends ? json_number_value(json_array_get(ends, 1)) : NAN};
    }
    return n;
}

static long judged_rows(const at_score *score) { return (long)json_integer_value(json_object_get(score->values, "examples")); }

static int settings_of(at_train_run *run, at_card_setting *s) {
    const at_hyper *h = &run->hyper;
    at_arena *a = &run->arena;
    int n = 0;
    if (run->head_choice.n_folds) s[n++] = (at_card_setting){"penalty of the head", at_format(a, "%.3g", run->head_choice.penalty)};
    if (run->tuned) {
        s[n++] = (at_card_setting){"learning_rate", at_format(a, "%.3g", h->learning_rate)};
        s[n++] = (at_card_setting){"layer_decay", at_format(a, "%.3g", h->layer_decay)};
        s[n++] = (at_card_setting){"batch_size", at_format(a, "%d", h->batch_size)};
        s[n++] = (at_card_setting){"epochs", at_format(a, "%.3g", at_train_epochs_done(run))};
        s[n++] = (at_card_setting){"steps", at_format(a, "%d", run->result.steps)};
        s[n++] = (at_card_setting){"weight_decay", at_format(a, "%.3g", h->weight_decay)};
        if (h->average > 0) s[n++] = (at_card_setting){"average", at_format(a, "%.3g", h->average)};
        s[n++] = (at_card_setting){"warmup_ratio", at_format(a, "%.3g", h->warmup_ratio)};
    }
    s[n++] = (at_card_setting){"seed", at_format(a, "%llu", (unsigned long long)h->seed)};
    return n;
}

static at_card_label *labels_of(at_train_run *run) {
    const at_dataset *d = run->all;
    int k = run->state.labels.n;
    at_card_label *labels = AT_NEW_ARRAY(&run->arena, at_card_label, k);
    for (int c = 0; labels && c < k; c++) labels[c].name = run->state.labels.name[c];
    for (size_t i = 0; labels && i < at_dataset_outputs(d); i++) {
        if (d->row && !d->place_at && i && d->row[i] == d->row[i - 1]) continue; /* a further window of the same row */
        if (d->label && d->label[i] >= 0 && d->label[i] < k) labels[d->label[i]].n_train++;
        for (int c = 0; d->target && d->target_width == k && c < k; c++) labels[c].n_train += d->target[i * (size_t)k + (size_t)c] > 0.5f;
    }
    return labels;
}

static int notes_of(const at_train_run *run, const char **note) {
    int n = 0;
    size_t i;
    json_t *text;
    json_array_foreach(run->notes, i, text) if (n < 64) note[n++] = json_string_value(text);
    return n;
}

static long parameters_of(const at_model *m) {
    long sum = 0;
    for (int i = 0; i < m->params.n; i++) sum += (long)m->params.weights[i].out * m->params.weights[i].in;
    return sum;
}

static const char *longer_texts(const at_train_run *run) {
    if (run->state.task->in_windows) return "attune reads longer texts in overlapping windows, nothing is cut off";
    switch (run->state.long_texts) {
    case AT_LONG_HEAD: return "of longer texts attune reads the end";
    case AT_LONG_MIDDLE: return "of longer texts attune reads beginning and end";
    case AT_LONG_WINDOW: return "attune reads longer texts in overlapping windows and takes the mean of their logits; other programs read the beginning";
    case AT_LONG_ERROR: return "attune refuses longer texts; other programs read the beginning";
    default: return NULL;
    }
}

at_status at_train_card(at_train_run *run, at_error *err) {
    static const at_card_judging JUDGED[] = {AT_CARD_JUDGED_FILE, AT_CARD_JUDGED_SPLIT, AT_CARD_JUDGED_FOLDS};
    card_parts parts;
    const at_score *judged = run->tuned ? &run->step2 : &run->step1;
    at_card_library library = run->head == AT_HEAD_EMBED ? AT_CARD_EMBEDDINGS : run->head == AT_HEAD_MEAN ? AT_CARD_SENTENCE_TRANSFORMERS : AT_CARD_TRANSFORMERS;
    at_card card = {.folder = run->folder.path,
                    .base = at_options_text(run->options, "model", NULL),
                    .family = run->model->arch.family,
                    .n_parameters = parameters_of(run->model),
                    .max_tokens = run->max_tokens,
                    .longer = longer_texts(run),
                    .head = at_head_name(run->head),
                    .library = library,
                    .pairs = run->state.columns.text2 != NULL && run->head != AT_HEAD_EMBED,
                    .label = labels_of(run),
                    .n_labels = run->state.task->names_labels ? run->state.labels.n : 0,
                    .noun = run->state.task->noun,
                    .pipeline = run->state.task->pipeline,
                    .pipeline_arguments = run->state.task->pipeline_arguments,
                    .use = run->state.task->use,
                    .example = run->state.task->example,
                    .command = at_train_next_command(run),
                    .text = at_train_new_text(run),
                    .labels_note = run->state.task->labels_note,
                    .train_file = at_options_text(run->options, "train", NULL),
                    .n_train = at_dataset_units(run->train),
                    .method = run->method == AT_METHOD_FULL ? "full" : at_options_text(run->options, "method", "two-step"),
                    .kept = run->tuned || !run->step2.values
                                ? NULL
                                : "Fine-tuning the whole model was not better on unseen data: the body is the "
                                  "pre-trained one, only the head is new.",
                    .averaged = run->tuned && run->hyper.average > 0,
                    .setting = parts.setting,
                    .judging = JUDGED[run->recipe.judging],
                    .note = parts.note};
    card.n_settings = settings_of(run, parts.setting);
    card.n_notes = notes_of(run, parts.note);
    if (judged->values)
        card.eval = (at_card_result){run->eval_table ? run->eval_table->path : run->train_table->path,
                                     judged_rows(judged), parts.eval, metrics_of(run->state.task, judged, parts.eval)};
    if (run->test_score.values)
        card.test = (at_card_result){run->test_table->path, judged_rows(&run->test_score), parts.test,
                                     metrics_of(run->state.task, &run->test_score, parts.test)};
    char *text, *path = at_path_join(&run->arena, run->folder.path, "README.md");
    AT_TRY(at_model_card(&card, &run->arena, &text, err));
    return path ? at_file_write(path, text, strlen(text), err) : at_fail_memory(err, 0);
}
