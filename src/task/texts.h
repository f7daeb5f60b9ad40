/* What tasks over a text or a pair of texts share: their columns, and tokenising them. */
#ifndef AT_TASK_TEXTS_H
#define AT_TASK_TEXTS_H

#include "task/columns.h"

/* The names of the two texts that a finished model was trained on; NULL: on single texts, or it is not known. */
const char *const *at_texts_pair(const at_task_state *state, const char *pair[2]);
/* Finds the columns and puts their names into the state, with the sentence why. A model of pairs takes the columns that it was trained on;
 * AT_USAGE where there is one text. */
at_status at_texts_bind(at_task_state *state, const at_table *table, const at_columns *wanted, int need_label, at_found_columns *found,
                        at_error *err);
/* Finds the state's columns in a table and encodes its texts; need_labels: no text may be empty, and there must be a label column where
 * the state has one. */
at_status at_texts_encode(const at_task_state *state, const at_table *table, const at_tokenizer *tokenizer, int max_tokens,
                          int need_labels, at_pool *pool, at_found_columns *found, at_dataset **dataset, at_error *err);

/* The row of the table that an example is of. */
static inline int at_texts_row(const at_dataset *d, int example) { return d->row ? (int)d->row[example] : example; }

/* What the windows of a row say (--long window) is the mean of their logits. Rows in their order: logits [n, width], output [n] the first
 * of each row, where its label stands. In the arena, or what was given where no row has windows. */
typedef struct at_pooled {
    const float *logits;
    const size_t *output;
    int n;
} at_pooled;
at_status at_texts_pool(const at_dataset *dataset, const float *logits, size_t width, at_arena *arena, at_pooled *pooled, at_error *err);
/* Of one row: logits [n, width] to [width]; NULL: no memory. */
const float *at_texts_mean(const float *logits, size_t n, size_t width, at_arena *arena);

#endif
