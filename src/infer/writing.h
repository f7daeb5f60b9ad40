/* How a model writes: which tokens end a text, and, of a decoder beside an encoder, what it begins with, how many beams there are and the
 * rest. From what was asked for, else generation_config.json, else config.json, else the tokenizer. */
#ifndef AT_INFER_WRITING_H
#define AT_INFER_WRITING_H

#include "infer/continue.h"
#include "infer/wishes.h"
#include "train/task.h"

enum { AT_MOST_ENDS = 64, AT_USUAL_NEW = 128 };

typedef struct at_writing {
    int32_t start;              /* the decoder's first token; -1: there is no encoder */
    int32_t end[AT_MOST_ENDS];
    int n_end;
    int32_t forced_first, forced_last; /* of a decoder beside an encoder; -1: free */
    int least_new, no_repeat, most_new; /* most_new: whatever the model's positions */
    at_beams beams;
} at_writing;

at_status at_writing_read(const at_model *model, const at_tokenizer *tokenizer, const at_writing_wishes *wishes, at_writing *writing,
                          at_error *err);
/* Into the options of a continuation, which point into `writing`; all but most_new. */
void at_writing_apply(const at_writing *writing, at_continuation_options *options);

/* Texts to texts, the most probable: to each example of `d` (its source) one, on the threads of the pool, each with a model's state of its
 * own. */
typedef struct at_write_setup {
    const at_model *model;      /* with an encoder, opened with AT_HEAD_LM */
    const at_tokenizer *tokenizer;
    const at_backend *backend;
    at_pool *pool;
    at_writing_wishes wishes;
    int (*progress)(void *context, int done); /* 1: ends with AT_STOPPED; may be NULL */
    void *context;
} at_write_setup;
/* written [d->n], texts in the arena. */
at_status at_write_all(const at_write_setup *setup, const at_dataset *d, at_arena *arena, at_written *written, at_error *err);

#endif
