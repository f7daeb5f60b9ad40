/* What tasks over a text or a pair of texts share: their columns, and tokenising them. */
#ifndef AT_TASK_TEXTS_H
#define AT_TASK_TEXTS_H

#include "task/columns.h"

/* Finds the columns and puts their names into the state, with the sentence why. */
at_status at_texts_bind(at_task_state *state, const at_table *table, const at_columns *wanted, int need_label, at_found_columns *found,
                        at_error *err);
/* Finds the state's columns in a table and encodes its texts; need_labels: no text may be empty, and there must be a label column where
 * the state has one. */
at_status at_texts_encode(const at_task_state *state, const at_table *table, const at_tokenizer *tokenizer, int max_tokens,
                          int need_labels, at_pool *pool, at_found_columns *found, at_dataset **dataset, at_error *err);

#endif
