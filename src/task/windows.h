/* Sentences of words to a dataset whose outputs are words: each word's first piece. A sentence that is longer than the model reads becomes
 * overlapping windows; every word is answered once, in the window where it has most context on its nearer side. */
#ifndef AT_TASK_WINDOWS_H
#define AT_TASK_WINDOWS_H

#include "task/sentence.h"

/* `words`: what the sentences lie in; it is idle (room.h) while it is read. A row without words has one output that stands at the first token, so that every row has one. */
at_status at_windows_encode(const at_table *table, const at_sentence *sentence, int n, const at_arena *words, const at_tokenizer *tokenizer,
                            int max_tokens, at_dataset **dataset, at_error *err);

#endif
