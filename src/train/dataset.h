/* A dataset: labelled examples, tokenised once, in flat arrays. The token arrays may be a private mapping of a cache file, so that
 * private memory does not grow with the data.
 *
 * An example is one sequence of tokens. A row of the user's file is one example, or, where it is too long and nothing may be lost,
 * several: overlapping windows that follow each other (`row`). A model answers once a sequence, or once at each of certain tokens
 * (`place`): the outputs, numbered through the dataset. What is to be predicted stands by output. */
#ifndef AT_TRAIN_DATASET_H
#define AT_TRAIN_DATASET_H

#include "base/thread.h"
#include "io/table.h"
#include "tensor/batch.h"
#include "text/tokenizer.h"

/* What a step draws, and its size counts. */
typedef enum at_draw {
    AT_DRAW_EXAMPLES,
    AT_DRAW_ROWS,             /* rows: the examples of one stay together, in their order */
    AT_DRAW_LABELS            /* examples, two of a label after each other wherever there are two */
} at_draw;

typedef struct at_dataset {
    at_arena arena;
    const char *path;         /* of the user's file, for messages */
    int n;                    /* examples: sequences */
    uint64_t *token_at;       /* [n + 1] */
    const int32_t *ids;       /* [token_at[n]] */
    const uint8_t *types;     /* [token_at[n]] */
    uint32_t *line;           /* [n] 1-based line of the user's file */
    uint32_t *row;            /* [n] row of the table, ascending; NULL: example i is row i */
    uint32_t *source;         /* [n] tokens of each example that an encoder reads; those behind them are its decoder's. NULL: there is none */
    uint64_t *place_at;       /* [n + 1] outputs before each example; NULL: one output an example */
    uint32_t *place;          /* [place_at[n]] token of its example, of the decoder's where there is one, that the output stands at, ascending */
    /* Where tokens stand, for tasks that answer with parts of a text; else NULL. [outputs, 2] characters begin and end of the text that is
     * answered from; begin -1: the token is not of it; begin -2 - b: begin is b, and another window has more context there. */
    int32_t *span;
    at_draw draw;
    const at_table *table;    /* the rows that a task judges by, or NULL; it must outlive the dataset */
    /* What is to be predicted; a task fills what it uses and leaves the rest NULL. */
    int32_t *label;           /* [outputs] class, or -1: not labelled */
    float *target;            /* [outputs, target_width]; NaN: not known */
    int target_width;
    /* What the limit did. */
    int max_tokens, n_cut_examples;
    uint64_t n_cut_tokens;
    int longest;              /* tokens of the longest example */
    int32_t max_id;           /* highest token id and type: checked against a model by at_dataset_fits */
    uint8_t max_type;
    void *map;                /* private: all arrays lie in a file that is mapped (dataset_file.h), or NULL */
    size_t map_bytes;
    struct at_spool *spool[2];/* private: where ids and types live (memory, or mapped from a file that has no name) */
} at_dataset;

/* What becomes of a text that is longer than the model reads. Of a pair the longer text is cut first, then both. */
typedef enum at_long {
    AT_LONG_AUTO,   /* as the model was trained, else TAIL */
    AT_LONG_TAIL,   /* its end is cut off */
    AT_LONG_HEAD,   /* its beginning is cut off */
    AT_LONG_MIDDLE, /* beginning and end stay, a half each */
    AT_LONG_WINDOW, /* nothing: the row becomes examples that overlap by a quarter, of a pair with the shorter text in each (of which half
                     * the room is kept where both are long) */
    AT_LONG_ERROR   /* AT_BAD_DATA with the line */
} at_long;

/* Encodes columns `first` and (or -1) `second` of the rows of a table in parallel; labels are left to the task. Every example keeps at
 * least one token. Above 128 KB the tokens go to an unlinked file in $TMPDIR (or /var/tmp) that is mapped; where that cannot be
 * written they stay in memory. */
at_status at_dataset_encode(const at_table *table, int first, int second, const at_tokenizer *tokenizer, int max_tokens,
                            at_pool *pool, at_dataset **dataset, at_error *err);
/* The same; at_dataset_encode is AT_LONG_TAIL. */
at_status at_dataset_encode_long(const at_table *table, int first, int second, const at_tokenizer *tokenizer, int max_tokens, at_long how,
                                 at_pool *pool, at_dataset **dataset, at_error *err);
/* The examples of `index` in that order, as a dataset of its own (tokens are copied). */
at_status at_dataset_subset(const at_dataset *from, const uint32_t *index, int n, at_dataset **dataset, at_error *err);
void at_dataset_close(at_dataset *dataset);
/* What of it lies in files need not be resident, for now (room.h); any thread may go on reading. */
void at_dataset_idle(const at_dataset *dataset);
static inline int at_dataset_length(const at_dataset *d, int example) {
    return (int)(d->token_at[example + 1] - d->token_at[example]);
}

/* Tokens of an example that a model of one stack, or an encoder, reads; and those of its decoder. */
static inline int at_dataset_source_length(const at_dataset *d, int example) {
    return d->source ? (int)d->source[example] : at_dataset_length(d, example);
}
static inline int at_dataset_decoder_length(const at_dataset *d, int example) {
    return at_dataset_length(d, example) - at_dataset_source_length(d, example);
}

/* Outputs before an example (of `n`: all of them), and those of one example. */
static inline size_t at_dataset_output_at(const at_dataset *d, int example) {
    return d->place_at ? (size_t)d->place_at[example] : (size_t)example;
}
static inline size_t at_dataset_outputs(const at_dataset *d) { return at_dataset_output_at(d, d->n); }
static inline int at_dataset_n_outputs(const at_dataset *d, int example) {
    return d->place_at ? (int)(d->place_at[example + 1] - d->place_at[example]) : 1;
}
int at_dataset_example_of(const at_dataset *d, size_t output); /* the example that an output is of */
/* The outputs of the examples of `index`, one example's after the other's, taken from (or put at) their places among all of `d`:
 * all [outputs of d, width], some [outputs of index, width]. */
void at_dataset_take_outputs(const at_dataset *d, const uint32_t *index, int n, size_t width, const float *all, float *some);
void at_dataset_put_outputs(const at_dataset *d, const uint32_t *index, int n, size_t width, const float *some, float *all);

int at_dataset_units(const at_dataset *d); /* how much there is to draw: rows (AT_DRAW_ROWS) or examples */

/* The examples and outputs of one row of the table: begin with {0}, call until it returns 0. */
typedef struct at_row_outputs {
    uint32_t row;
    int example, n_examples;  /* first of them */
    size_t output, n_outputs; /* first of them */
} at_row_outputs;
int at_dataset_next_row(const at_dataset *d, at_row_outputs *r);

/* XXH3 of tokens and what is to be predicted: what a checkpoint was trained on. */
uint64_t at_dataset_hash(const at_dataset *dataset);
/* AT_BAD_MODEL where an example has ids, types or lengths that a model of these sizes does not take. */
at_status at_dataset_fits(const at_dataset *dataset, int vocab_size, int type_vocab, int max_positions, at_error *err);

/* Packs the examples of `index` into one chunk, all arrays from the arena. seq_id NULL: 0, 1, ... */
at_status at_dataset_pack(const at_dataset *d, const uint32_t *index, const uint32_t *seq_id, int n, at_arena *arena,
                          at_batch *batch, at_error *err);
#endif
