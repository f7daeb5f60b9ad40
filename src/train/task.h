/* A task is data: a struct of functions. The trainer, the predictor and the commands know no task by name; src/task/ has one file a task
 * and the registry (at_task_find, at_task_recognise). */
#ifndef AT_TRAIN_TASK_H
#define AT_TRAIN_TASK_H

#include "base/json.h"
#include "model/model.h"
#include "train/dataset.h"

typedef struct at_task at_task;

/* Which columns to read; NULL names are recognised. */
typedef struct at_columns {
    const char *text, *text2, *label;
} at_columns;

/* A task bound to a user's data: which columns, which labels. */
typedef struct at_task_state {
    const at_task *task;
    at_arena arena;
    at_columns columns;        /* names found */
    const char *why;           /* one sentence: how task and columns were recognised */
    at_labels labels;          /* names of the outputs, in id order */
    at_real *class_weight;     /* [labels.n] or NULL */
    double label_smoothing;
    const char *main_metric;   /* what selection looks at: a number of at_score.values; NULL: the task's own choice */
    const json_t *extra;       /* a task's own settings, saved with the model */
} at_task_state;

/* Results of one evaluation. Numbers by name, in a JSON object that is ready for all_results.json (without prefix): accuracy, f1, ... and
 * arrays (confusion_matrix, per_class). `main` is the number that selection uses, larger is better (losses are negated there). */
typedef struct at_score {
    json_t *values;            /* owned */
    const char *main_name;     /* "accuracy" */
    double main, loss;         /* main: larger is better; equal mains are told apart by the smaller loss */
    double low, high;          /* 95% interval of main; NaN where none is computed */
} at_score;

struct at_task {
    const char *name;          /* "classify" */
    const char *summary;       /* one line for --help */
    const char *problem_type;  /* as config.json has it */
    int single_row;            /* one output row a sequence (features can be cached) */
    /* Finds columns and labels in the training table. `known`: labels of a model that goes on training or is evaluated (NULL: new); they are copied. */
    at_status (*bind)(at_task_state *state, const at_table *table, const at_columns *wanted, const at_labels *known, at_error *err);
    /* Tokenises a table and fills what is to be predicted. need_labels 0: unlabelled rows are fine (prediction). */
    at_status (*encode)(const at_task_state *state, const at_table *table, const at_tokenizer *tokenizer, int max_tokens,
                        int need_labels, at_pool *pool, at_dataset **dataset, at_error *err);
    /* Adds the loss of one chunk: a scalar already divided by norm. What ops read (targets) must come from
     * tape->objects, which is real memory in a dry run too. */
    at_tensor *(*loss)(const at_task_state *state, at_tape *tape, at_tensor *logits, const at_batch *batch,
                       const at_dataset *dataset, double norm);
    /* What the losses of these examples are divided by. */
    double (*loss_norm)(const at_task_state *state, const at_dataset *dataset, const uint32_t *index, int n);
    /* Judges the logits [n, labels.n] of a whole dataset. */
    at_status (*score)(const at_task_state *state, const at_dataset *dataset, const float *logits, at_score *score, at_error *err);
    /* What one row of logits says, as JSON for predictions: {"label":..., "score":..., "probabilities":{...}}. */
    json_t *(*answer)(const at_task_state *state, const float *logits);
};

const at_task *at_task_find(const char *name);
/* The task of a finished model by its config's problem_type (NULL: single_label_classification), or NULL. */
const at_task *at_task_of_problem(const char *problem_type);
const char *const *at_task_names(void); /* NULL-terminated */
/* The task that the table's columns suggest; *why in the arena. */
at_status at_task_recognise(const at_table *table, const at_columns *wanted, at_arena *arena, const at_task **task,
                            const char **why, at_error *err);
void at_score_free(at_score *score);

#endif
