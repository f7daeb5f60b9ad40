/* Which tokens are hidden, and what stands in their place (Devlin et al. 2018): 15% of the tokens of a sequence, at least one; of these 80%
 * become the mask token, 10% a token drawn from the vocabulary, 10% stay. How many depends on the sequence alone, which ones on the key. */
#ifndef AT_TASK_MASKING_H
#define AT_TASK_MASKING_H

#include "text/tokenizer.h"

typedef struct at_masking {
    const at_tokenizer *tokenizer;
    int32_t mask_id;
    int vocab;
    uint8_t *kind;          /* [vocab] bits of at_token_kind */
} at_masking;

typedef enum at_token_kind {
    AT_TOKEN_SPECIAL = 1 /* never hidden */,
    AT_TOKEN_INSIDE = 2 /* goes on with the word before it */,
    AT_TOKEN_AROUND = 4 /* stands before and behind a text */
} at_token_kind;

/* Memory from the arena. AT_BAD_MODEL where the tokenizer has no mask token. */
at_status at_masking_open(at_masking *m, const at_tokenizer *tokenizer, at_arena *arena, at_error *err);

/* How many tokens of a sequence are hidden; 0: it has none that may be. */
int at_masking_count(const at_masking *m, const int32_t *ids, int len);
/* Hides n = at_masking_count(...) tokens of ids in place: place[i] ascending, label[i] what stood there. whole_word: the pieces of a word
 * together; one is cut only where the number could not be met otherwise. key: of this sequence. */
void at_masking_draw(const at_masking *m, uint64_t key, int whole_word, int32_t *ids, int len, int32_t *place, int32_t *label, int n);

#endif
