/* A task is data: a struct of functions. The trainer, the predictor and the commands know no task by name; src/task/ has one file a task
 * and the registry (at_task_find, at_task_recognise, at_task_of_model).
 *
 * Words: a row is a row of the user's table; it becomes one example (sequence of tokens) or several (windows); a model answers at the
 * outputs of the dataset (dataset.h). Logits are [outputs, n_out]. */
#ifndef AT_TRAIN_TASK_H
#define AT_TRAIN_TASK_H

#include "base/json.h"
#include "base/str.h"
#include "model/model.h"
#include "train/dataset.h"

typedef struct at_task at_task;
struct at_lint;
struct at_mending;

/* Which columns to read; NULL names are recognised. `label` may name several, separated by commas, where a task takes so many. */
typedef struct at_columns {
    const char *text, *text2, *label;
} at_columns;

/* A task bound to a user's data: which columns, which labels. Zero-initialise; at_task_close frees it. */
typedef struct at_task_state {
    const at_task *task;
    at_arena arena;
    at_columns columns;        /* names found */
    const char *why;           /* one sentence: how task and columns were recognised */
    at_labels labels;          /* names of the outputs' columns, in id order */
    int n_out;                 /* columns of the logits; the number of labels where these are classes; 0 after bind: as wide as the body */
    at_real *class_weight;     /* [labels.n] or NULL */
    double label_smoothing;
    const char *main_metric;   /* what selection looks at: a number of at_score.values; NULL: the task's own choice */
    /* What a person may say about the reading of the data; NULL: recognised or the task's own choice. */
    const char *label_separator; /* between labels that stand in one cell */
    at_labels label_names;       /* what whole numbers among the labels of the data are called, from 0 on; n 0: what they are */
    const char *scheme;          /* of tags: "iob2" ... */
    int whole_word;              /* hidden tokens: all pieces of a word together */
    int unbiased;                /* a head may have no bias: answers of mean 0 are what it can learn; set before bind */
    uint64_t seed;               /* of what is drawn once, for evaluation */
    int start_id;                /* of a decoder beside an encoder: what it begins with; set before bind, and by at_task_adopt */
    const char *loss;            /* of embeddings: "cosent" ... */
    const char *negative;        /* of embeddings: column of the text that is not like the first */
    at_long long_texts;          /* of tasks whose `in_windows` is 0 */
    int stride;                  /* tokens that two windows of a long text share; 0: the task's own choice */
    json_t *own;               /* object: what else the task has to know of a finished model, kept in config.json under "attune"; or NULL */
    void *data;                /* the task's, in the arena */
} at_task_state;

/* Results of one evaluation. Numbers by name, in a JSON object that is ready for all_results.json (without prefix):
 * accuracy, f1, ... and arrays (confusion_matrix) and objects of objects of numbers, one row a name (per_class). `main`
 * is the number that selection uses, larger is better (losses are negated there). */
typedef struct at_score {
    json_t *values;            /* owned */
    const char *main_name;     /* "accuracy" */
    double main, loss;         /* main: larger is better; equal mains are told apart by the smaller loss */
    double low, high;          /* 95% interval of main; NaN where none is computed */
} at_score;

/* The keys of an answer, in the order in which they are written. */
typedef enum at_answer_kind {
    AT_FIELD_END,
    AT_FIELD_TEXT, AT_FIELD_NUMBER,
    AT_FIELD_LABELS, /* an object with a number for every label: a column each where a table is flat */
    AT_FIELD_LIST    /* of texts or objects: texts joined by the label separator, else JSON, where a table is flat */
} at_answer_kind;
typedef struct at_answer_field {
    const char *name;          /* "probabilities"; of a label's own column: `one` and the label's name behind it */
    at_answer_kind kind;
    const char *one;           /* "probability_" */
} at_answer_field;

/* A text that a model wrote. */
typedef struct at_written {
    const char *text;
    size_t len;
    int tokens;
} at_written;

/* The answer to one row of a table, to be put into words: all a task can know. */
typedef struct at_answered {
    const at_table *table;
    int row;
    const float *logits;       /* [n, n_out]: the row's outputs; NULL of a task that writes */
    size_t n;
    const at_dataset *data;    /* what was encoded, and the row's first output in it */
    size_t output;
    const at_written *written; /* of a task that writes (score_written), else NULL */
} at_answered;

typedef enum at_answer_format {
    AT_ANSWER_AUTO, AT_ANSWER_TEXT, AT_ANSWER_JSONL, AT_ANSWER_CSV, AT_ANSWER_TSV, AT_ANSWER_CONLL, AT_ANSWER_SPANS, AT_ANSWER_HTML
} at_answer_format;
typedef enum at_answer_part { AT_ANSWER_BEGIN, AT_ANSWER_ROW, AT_ANSWER_FINISH } at_answer_part;

/* An output that is wrong, or the farthest from right, for the list of mistakes. */
typedef struct at_mistake {
    double confidence;         /* the larger, the more worth a look */
    char *right, *answer;      /* in words, in the arena given */
} at_mistake;

struct at_task {
    const char *name;          /* "classify" */
    const char *summary;       /* one line for --help */
    const char *noun;          /* "classifier": what a model of it is */
    const char *pipeline;      /* of transformers: "text-classification", and the arguments it wants: "top_k=None" */
    const char *pipeline_arguments;
    const char *use;           /* lines of Python that use it, where transformers has no pipeline for it; FOLDER is the folder's name */
    const char *example;       /* what stands behind `attune predict --model FOLDER`; NULL: a text, or a pair */
    const char *labels_note;   /* a sentence under the labels in a model card, or NULL */
    const char *problem_type;  /* as config.json has it; NULL: none is written */
    const at_head_kind *heads; /* that it can have, the usual one first; AT_HEAD_NONE ends them */
    int plain_texts;           /* its data are texts alone: a .txt has one a line */
    int full_only;             /* what is trained is the body itself: there is no first step with a head alone */
    int two_stacks;            /* 1: a model of an encoder and a decoder beside it writes what the second text is; no other task has a second text to write */
    int whole;                 /* 1: the outputs of an example are one choice: its loss needs all of them together */
    double rate_share;         /* of the learning rate that the recipe chooses for a new head's task; 0: all of it */
    double steps_share;        /* of the fewest steps that the recipe gives small data; 0: once as many */
    int fewest_epochs;         /* that the recipe gives, but to large data; 0: three */
    int averages;              /* 1: of many examples the recipe keeps the mean of the last weights */
    int coupled;               /* 1: its loss is one of the whole step: `loss` is called once, with the logits of all sequences of the step in its
                                  order (lanes.h), one output a sequence; the norm is that of the step */
    int in_windows;            /* 1: long texts become windows by the task's own rule: nothing is ever cut */
    int names_labels;          /* the labels are classes that the data name */
    int label_forms;           /* labels may stand in another column, and another form, in each file; its lint finds them */
    int smooths;            /* the loss spreads its target over all labels (state.label_smoothing) */
    const at_answer_field *fields;
    const char *unanswered;    /* said of rows whose first field is a list with nothing in it: what they lack. NULL: nothing is said */
    const char *const *card_metrics; /* numbers of a score that a model card shows; NULL ends them */
    /* 1 where the table looks like data of this task; *why in the arena. NULL: only where it is asked for. */
    int (*recognise)(const at_table *table, const at_columns *wanted, at_arena *arena, const char **why);
    /* Finds columns, and in the training data labels. `known` 1: those of a model are in the state already (adopt). */
    at_status (*bind)(at_task_state *state, const at_table *table, const at_columns *wanted, int known, at_error *err);
    /* What a finished model knows: labels, n_out, own. NULL: the labels of config.json are all. */
    at_status (*adopt)(at_task_state *state, const at_model *model, at_error *err);
    /* Tokenises a table and fills what is to be predicted. need_labels 0: unlabelled rows are fine (prediction). */
    at_status (*encode)(const at_task_state *state, const at_table *table, const at_tokenizer *tokenizer, int max_tokens,
                        int need_labels, at_pool *pool, at_dataset **dataset, at_error *err);
    /* Adds the loss of one chunk: a scalar already divided by norm. What ops read (targets) must come from
     * tape->objects, which is real memory in a dry run too. */
    at_tensor *(*loss)(const at_task_state *state, at_tape *tape, const at_model *model, at_tensor *logits, const at_batch *batch,
                       const at_dataset *dataset, double norm);
    /* Draws anew what changes from step to step (which tokens are hidden): writes ids, places and labels of a chunk, whose numbers do not
     * change. `key` is that of the step; a sequence is named by batch->seq_id. Any thread. NULL: nothing does. */
    void (*redraw)(const at_task_state *state, const at_dataset *dataset, uint64_t key, at_batch *batch);
    /* What an output counts in a loss: losses are divided by the sum (at_task_norm). 0: not labelled. */
    double (*weight)(const at_task_state *state, const at_dataset *dataset, size_t output);
    /* What --class-weights balanced means, [labels.n]. NULL: labels have no weights. */
    at_status (*balance)(const at_task_state *state, const at_dataset *dataset, at_real *weight, at_error *err);
    /* Judges the logits of a whole dataset. */
    at_status (*score)(const at_task_state *state, const at_dataset *dataset, const float *logits, at_score *score, at_error *err);
    /* Its answers are texts that the model writes: judges those, one an example, and adds to what `score` found. NULL: its answers are made
     * of logits. */
    at_status (*score_written)(const at_task_state *state, const at_dataset *dataset, const at_written *written, at_score *score,
                               at_error *err);
    /* Judges what any program answered, without a model: row r of `answers` is to row r of `right`. `wanted` names columns of the right
     * answers, `column` that of the others (NULL: by usual names). Fills state->labels, and state->why with what the user should know of how answers were read (NULL: nothing). NULL: there is nothing to judge. */
    at_status (*judge)(at_task_state *state, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                       at_score *score, at_error *err);
    /* Chooses what is left to choose (thresholds) by logits of data that was not trained on, into the state. NULL: nothing. */
    at_status (*tune)(at_task_state *state, const at_dataset *dataset, const float *logits, at_error *err);
    /* Turns the head from what is trained into what is saved, or (back 1) the other way, where these differ. NULL: they do not. */
    void (*convert_head)(const at_task_state *state, at_model *model, int back);
    /* What the logits of a row say, with the keys of `fields`. NULL: no memory. */
    json_t *(*answer)(const at_task_state *state, const at_answered *row);
    /* In its place where an answer is as long as a document, so that no tree of it is built: a form of the task's own in the arena, and a field
     * of it (all are lists) as JSON; `separator` not NULL: for a table that is flat, texts joined by it. NULL: `answer`. */
    at_status (*open_answer)(const at_task_state *state, const at_answered *row, at_arena *arena, const void **answer, at_error *err);
    void (*put_list)(const at_task_state *state, const void *answer, int field, const char *separator, at_str *to);
    /* 1: this field is not written, for the input has it already. NULL: all are. */
    int (*leaves_out)(const at_task_state *state, const at_table *input, int field);
    /* A sentence in the arena on what is done to the labels of a table before anything is judged by them; NULL: they are taken as they stand. */
    at_status (*remark)(const at_task_state *state, const at_table *table, at_arena *arena, const char **sentence, at_error *err);
    /* One output as the public header has it: numbers [n_out] (probabilities, or the value); the best one's index. NULL: there is no
     * such form. */
    int (*rank)(const at_task_state *state, const float *logits, float *numbers);
    /* Whether a labelled row was answered wrongly. *mistake is filled where it was. NULL: mistakes are not listed. */
    const char *mistakes;      /* heading of the list; NULL: "Most confident mistakes" */
    int (*mistaken)(const at_task_state *state, const at_answered *row, at_arena *arena, at_mistake *mistake);
    /* Formats of answers beyond those that every task has; bits 1 << format. AT_ANSWER_TEXT among them: its own line for a person. */
    unsigned formats;
    at_answer_format (*usual_format)(const at_table *input); /* for AUTO without a telling file name; NULL: that of the table */
    /* answer: of `open_answer`, else of `answer`; NULL for begin and finish. */
    at_status (*write)(const at_task_state *state, at_answer_format format, at_answer_part part, const at_table *table, int row,
                       const void *answer, at_str *to, at_error *err);
    /* Data lint of its own, in place of the passes over texts and labels. NULL: those. */
    at_status (*lint)(const at_task_state *state, struct at_lint *lint, at_error *err);
    /* What can be mended in the data without judgement (task/mend.h), beyond repeated rows. NULL: texts and labels. */
    at_status (*mend)(const at_task_state *state, struct at_mending *mending, at_error *err);
};

const at_task *at_task_find(const char *name);
/* The task of a finished model by what its config says of itself, its head and its problem_type; NULL: none that is known. */
const at_task *at_task_of_model(const at_model *model);
const at_task *at_task_of_stacks(int two); /* the first that is for such models */
const char *const *at_task_names(void); /* NULL-terminated */
/* The task that the table's columns suggest; *why in the arena. */
at_status at_task_recognise(const at_table *table, const at_columns *wanted, at_arena *arena, const at_task **task,
                            const char **why, at_error *err);
void at_score_free(at_score *score);

/* The state of a finished model: its task, labels and own settings. AT_BAD_MODEL where there is none that is known. */
at_status at_task_open(at_task_state *state, const at_model *model, at_error *err);
/* Takes over what a finished model of the state's task knows. */
at_status at_task_adopt(at_task_state *state, const at_model *model, at_error *err);
void at_task_close(at_task_state *state);
int at_task_has_head(const at_task *task, at_head_kind kind);

/* What the losses of these examples are divided by. */
double at_task_norm(const at_task_state *state, const at_dataset *dataset, const uint32_t *example, int n);
/* Puts main_metric (or `usual`) of score->values into main, low and high; AT_USAGE with the names that there are. A name of `smaller` is
 * better the smaller it is. */
at_status at_score_choose(const at_task_state *state, const char *usual, const char *const *smaller, at_score *score, at_error *err);

#endif
