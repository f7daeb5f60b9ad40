/* The model card: README.md of a finished model folder. YAML front matter as the Hugging Face hub reads it, then what the model is, what it
 * was trained on and how, how good it is and how far to trust that, and how to use it.
 *
 * Only plain values, so that a card can be written by whoever knows them. What is unknown is NULL, 0 or NaN, and is left out. */
#ifndef AT_REPORT_MODEL_CARD_H
#define AT_REPORT_MODEL_CARD_H

#include <math.h>

#include "base/arena.h"

typedef enum at_card_library {
    AT_CARD_TRANSFORMERS,         /* opens as AutoModelForSequenceClassification */
    AT_CARD_SENTENCE_TRANSFORMERS,/* Transformer, Pooling, Dense: encode() gives the logits */
    AT_CARD_EMBEDDINGS            /* Transformer, Pooling[, Normalize]: encode() gives vectors */
} at_card_library;

typedef enum at_card_judging {
    AT_CARD_JUDGED_FILE,  /* an evaluation file, by which the best state was chosen, but where `averaged` */
    AT_CARD_JUDGED_SPLIT, /* a part cut off the training file, likewise */
    AT_CARD_JUDGED_FOLDS  /* out-of-fold: every row by a model that had not seen it */
} at_card_judging;

typedef struct at_card_label {
    const char *name;
    long n_train;         /* rows of the training data */
} at_card_label;

typedef struct at_card_setting {
    const char *name, *value;
} at_card_setting;

typedef struct at_card_metric {
    const char *name;     /* "accuracy" */
    double value, low, high; /* 95% interval, NaN where none was computed */
} at_card_metric;

/* Metrics on one set of data. */
typedef struct at_card_result {
    const char *file;     /* path; only its last part is written */
    long n;               /* rows judged; 0: there is no such result */
    const at_card_metric *metric;
    int n_metrics;
} at_card_result;

typedef struct at_card {
    const char *folder;   /* where the model lies; its last part is the title */
    const char *base;     /* as the user named it: "org/name", a folder, or a folder in the hub's cache */
    const char *family;   /* "bert" */
    long n_parameters;
    int max_tokens;
    const char *longer;   /* what becomes of longer texts, as half a sentence; NULL: their end is cut off */
    const char *head;     /* "pooler" "mean" */
    at_card_library library;
    int pairs;            /* it reads pairs of texts */
    const char *noun;     /* "classifier" (also where NULL) */
    const char *pipeline, *pipeline_arguments; /* of transformers; NULL: text-classification */
    const char *use;      /* lines of Python in the place of a pipeline, or NULL */
    const char *example;  /* arguments of `attune predict`, or NULL: a text, or a pair */
    const char *command;      /* of attune, that answers: "predict", "generate" */
    const char *text;         /* what stands for a new text; NULL: "a new text" */
    const char *labels_note; /* a sentence under the labels, or NULL */
    const at_card_label *label;
    int n_labels;
    const char *train_file;
    long n_train;
    const char *method;   /* "two-step" */
    int averaged;         /* the weights are the mean of the last ones of the training */
    const char *kept;     /* a sentence about what was kept, or NULL */
    const at_card_setting *setting;
    int n_settings;
    at_card_judging judging;
    at_card_result eval;  /* what the choices were made by */
    at_card_result test;  /* what nothing was chosen by */
    const char *const *note; /* sentences worth knowing, such as warnings of the training */
    int n_notes;
} at_card;

/* The text of the card in the arena, NUL-terminated; AT_NO_MEMORY is the only failure. */
at_status at_model_card(const at_card *card, at_arena *arena, char **text, at_error *err);

/* The hub's name of a model: itself where it is one ("org/name"), the name that a folder of the hub's cache stands for, else NULL. */
const char *at_card_hub_name(const char *base, at_arena *arena);

#endif
