/* attune: fine-tunes pre-trained transformers for a person's own task.
 *
 * The only public header. Everything the program `attune` does is reachable from here.
 *
 * Conventions
 *   - A function that can fail returns an at_status and, where it fails, fills `err` (which may be
 *     NULL) with one sentence for the user: which file, which line or byte, what is wrong, what to do.
 *   - The library never ends the process, prints nothing by itself, keeps no global state and makes no
 *     network call unless a function's name says so.
 *   - Handles are opened and closed by functions of the same prefix; closing NULL is allowed.
 */
#ifndef ATTUNE_H
#define ATTUNE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AT_API __attribute__((visibility("default")))
#define AT_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
#else
#define AT_API
#define AT_PRINTF(fmt_at, args_at)
#endif

#define AT_VERSION_MAJOR 0
#define AT_VERSION_MINOR 1
#define AT_VERSION_PATCH 0

/* What became of a call; also the exit code of the program. */
typedef enum at_status {
    AT_OK = 0,
    AT_BUG = 1,        /* our mistake */
    AT_USAGE = 2,      /* an option or a configuration */
    AT_BAD_DATA = 3,   /* the user's data */
    AT_BAD_MODEL = 4,  /* a model, tokenizer or checkpoint */
    AT_DISK = 5,       /* reading or writing */
    AT_NETWORK = 6,
    AT_NO_MEMORY = 7,
    AT_DIVERGED = 8,   /* the training is not finite any more */
    AT_BELOW = 9,      /* the result is below the threshold asked for */
    AT_STOPPED = 75,   /* stopped and saved; the same call goes on */
    AT_ABORTED = 130
} at_status;

typedef struct at_error {
    at_status code;
    char text[1024]; /* one sentence, without "error:" and without a newline */
} at_error;

/* "0.1.0" */
AT_API const char *at_version(void);

/* ---- Settings --------------------------------------------------------------------------------------
 * Every setting of every command has a name, a type, a default and a sentence of help, in one table, from which the
 * program makes its parser, --help, the manual page and the completions. Names are TrainingArguments' where one exists;
 * '-' and '_' are equal. */
typedef enum at_setting_type {
    AT_SETTING_TEXT, AT_SETTING_INT, AT_SETTING_REAL, AT_SETTING_FLAG, AT_SETTING_CHOICE, AT_SETTING_PATH
} at_setting_type;

enum { /* commands, as bits */
    AT_CMD_TRAIN = 1, AT_CMD_EVAL = 2, AT_CMD_PREDICT = 4, AT_CMD_INFO = 8, AT_CMD_CHECK = 16, AT_CMD_FETCH = 32,
    AT_CMD_TOKENIZE = 64, AT_CMD_EXPORT = 128, AT_CMD_SCORE = 256,
    AT_CMD_GENERATE = 512, AT_CMD_EMBED = 1024, AT_CMD_SEARCH = 2048
};

typedef struct at_setting {
    const char *name;     /* "learning_rate" */
    const char *aliases;  /* other accepted names, separated by spaces, or NULL */
    at_setting_type type;
    const char *choices;  /* "two-step head full gradual", or NULL */
    const char *fallback; /* default as text; NULL: none; "auto": chosen from the data, with the reason printed */
    const char *group;    /* heading in --help */
    const char *value;    /* what to call the value in --help: "FILE" */
    const char *help;     /* one sentence */
    unsigned commands;    /* which commands take it */
    double low, high;     /* bounds of numbers; low == high: none */
} at_setting;

AT_API const at_setting *at_settings(int *n);

/* The word of `list` nearest to `word` by edits, or NULL where none is near: for "Did you mean '...'?". */
AT_API const char *at_nearest(const char *word, const char *const *list, int n);

typedef struct at_options at_options;
AT_API at_options *at_options_new(unsigned command); /* all at their defaults; NULL: no memory */
AT_API void at_options_free(at_options *options);
/* Sets a setting by name from text; unknown names and bad values get a sentence with a suggestion. A later call wins, and
 * a call wins over at_options_load. */
AT_API at_status at_options_set(at_options *options, const char *name, const char *value, at_error *err);
/* Reads a YAML file of `name: value` lines (lists become comma-separated text). */
AT_API at_status at_options_load(at_options *options, const char *path, at_error *err);
/* The value as text, or NULL where it has none. *given is 1 where the user gave it. */
AT_API const char *at_options_get(const at_options *options, const char *name, int *given);

/* ---- Listening -------------------------------------------------------------------------------------
 * Long calls tell what they do through one function. Every event has a kind (see docs/events.md), a line of plain words for a
 * person (may be NULL) and a JSON object for a program. Steps come as at_event_progress as well. */
typedef struct at_event_progress {
    int step, n_steps;
    double epoch, loss, learning_rate, tokens_per_second, seconds_left;
} at_event_progress;

typedef struct at_event {
    const char *kind; /* "plan" "note" "warning" "phase" "step" "eval" "table" "done" ... */
    const char *text;
    const char *json;
    const at_event_progress *progress; /* only for "step" */
} at_event;

typedef struct at_listener {
    void *context;
    void (*event)(void *context, const at_event *event); /* may be NULL */
    int (*stop)(void *context);                          /* asked often; 1: save and end with AT_STOPPED; may be NULL */
} at_listener;

/* ---- What a person does ---------------------------------------------------------------------------- */
/* Trains as the options say, writes the model folder `output`, resumes by itself where a run was interrupted. */
AT_API at_status at_train(const at_options *options, const at_listener *listener, at_error *err);
/* Evaluates a finished model on `data`; results as an "eval" event and, with `output`, in files. */
AT_API at_status at_evaluate(const at_options *options, const at_listener *listener, at_error *err);
/* Judges the answers that any program gave (`pred`) by the right ones (`gold`), without a model, as at_evaluate judges a model's; results as
 * an "eval" event. Rows that do not match are AT_BAD_DATA with both places. */
AT_API at_status at_judge(const at_options *options, const at_listener *listener, at_error *err);
/* What a model folder is. */
AT_API at_status at_info(const at_options *options, const at_listener *listener, at_error *err);
/* Data lint: each finding is a "finding" event; AT_BAD_DATA where one is an error. */
AT_API at_status at_check(const at_options *options, const at_listener *listener, at_error *err);
/* Brings a model into the local Hugging Face cache (the only call that uses the network) or imports it from an archive. */
AT_API at_status at_fetch(const at_options *options, const at_listener *listener, at_error *err);
/* What a model sees of the texts of a file (`input`) or, without one or with "-", of the lines of standard input: a "tokens" event for each
 * (ids, pieces, offsets), or with the flag `stats` one "stats" event: pieces a word, unknown share, lengths. */
AT_API at_status at_tokenize(const at_options *options, const at_listener *listener, at_error *err);
AT_API at_status at_tokenize_texts(const at_options *options, const char *const *texts, int n, const at_listener *listener, at_error *err);
/* Writes the model folder `model` as the file `output` in the format of another program (`to`), whole or not at all. */
AT_API at_status at_export(const at_options *options, const at_listener *listener, at_error *err);
/* A language model (a folder, or a GGUF file) continues a prompt: the file `input`, or all of standard input. The text as it grows comes in "text"
 * events, whole characters each, and a "generated" event ends it. */
AT_API at_status at_generate(const at_options *options, const at_listener *listener, at_error *err);
AT_API at_status at_generate_texts(const at_options *options, const char *const *texts, int n, const at_listener *listener, at_error *err);
/* Predicts for a file (`input`) or, without one or with "-", for the lines of standard input, each as it comes; into the file `output`
 * (whole or not at all) or, without it, one "prediction" event a row, whose text is the row in the chosen `format`. */
AT_API at_status at_predict_file(const at_options *options, const at_listener *listener, at_error *err);
/* The same for texts in memory (UTF-8); with the flag `pairs` each holds both texts, a tab between them. */
AT_API at_status at_predict_texts(const at_options *options, const char *const *texts, int n, const at_listener *listener,
                                  at_error *err);

/* Vectors for the texts of a file (`input`) or, without one or with "-", of the lines of standard input, into the file `output` (npy, JSONL, CSV;
 * whole or not at all) or, without it, one "vector" event a row. */
AT_API at_status at_embed_file(const at_options *options, const at_listener *listener, at_error *err);
AT_API at_status at_embed_texts(const at_options *options, const char *const *texts, int n, const at_listener *listener, at_error *err);
/* The texts of the file `corpus` that are nearest to `query` (a text, or a file of them) or to the lines of standard input: exact, by cosine. */
AT_API at_status at_search_file(const at_options *options, const at_listener *listener, at_error *err);
AT_API at_status at_search_texts(const at_options *options, const char *const *texts, int n, const at_listener *listener, at_error *err);

/* ---- Prediction inside a program ------------------------------------------------------------------- */
typedef struct at_predictor at_predictor;
typedef struct at_prediction {
    const char *label;          /* the most probable one, or what the number is called; owned by the predictor, valid until it is closed */
    int index;
    double score;               /* its probability, or the number itself */
    const float *probabilities; /* [at_predictor_labels()], in id order, valid until the next call on this predictor */
} at_prediction;
AT_API at_status at_predictor_open(const char *model_folder, int n_threads /* 0: all */, at_predictor **predictor, at_error *err);
AT_API void at_predictor_close(at_predictor *predictor);
AT_API int at_predictor_labels(const at_predictor *predictor, const char *const **names);
/* For models that give one answer a text (labels, a number); AT_USAGE for the others. n texts (UTF-8); seconds NULL, or the second texts of
 * pairs. predictions [n]. Not for two threads on one predictor at once. */
AT_API at_status at_predict(at_predictor *predictor, const char *const *texts, const char *const *seconds, int n,
                            at_prediction *predictions, at_error *err);

/* ---- Vectors inside a program: of any encoder, as sentence-transformers' encode() gives them. */
typedef struct at_embedder at_embedder;
AT_API at_status at_embedder_open(const char *model_folder, int n_threads /* 0: all */, at_embedder **embedder, at_error *err);
AT_API void at_embedder_close(at_embedder *embedder);
AT_API int at_embedder_width(const at_embedder *embedder); /* numbers of a vector */
/* texts [n] (UTF-8); vectors [n, width]. Not for two threads on one embedder at once. */
AT_API at_status at_embedder_vectors(at_embedder *embedder, const char *const *texts, int n, float *vectors, at_error *err);

#ifdef __cplusplus
}
#endif
#endif
