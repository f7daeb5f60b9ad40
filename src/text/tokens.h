/* The tokens of one text, before the template: ids, offsets in characters of the original text, word numbers. */
#ifndef AT_TEXT_TOKENS_H
#define AT_TEXT_TOKENS_H

#include "text/vocab.h"

/* One token of a word: bytes [begin, end) of the word. */
typedef struct at_piece {
    int32_t id, begin, end;
} at_piece;

/* Zero-initialise; grows and is reused. */
typedef struct at_tokens {
    int32_t *id, *start, *end, *word;
    int32_t *lead, *trail; /* white space that the token's text begins and ends with; only where `counts_space` */
    int counts_space;
    int n, cap, size; /* cap: for now; size: that there is memory for */
    int n_words;
} at_tokens;

/* One word on its way into the model: its UTF-8, and for each byte the original range of its character. */
typedef struct at_word {
    char *bytes;
    int32_t *start, *end;
    at_piece *piece;
    int len, n_chars, cap; /* cap bytes fit, with AT_VOCAB_PAD behind */
} at_word;

void at_tokens_free(at_tokens *tokens);
void at_word_free(at_word *word);
at_status at_tokens_grow(at_tokens *tokens, int room, at_error *err);
at_status at_word_grow(at_word *word, int room, at_error *err);

/* Room for `room` more. */
static inline at_status at_tokens_reserve(at_tokens *tokens, int room, at_error *err) {
    return tokens->cap - tokens->n >= room ? AT_OK : at_tokens_grow(tokens, room, err);
}

static inline at_status at_word_reserve(at_word *word, int room, at_error *err) {
    return word->cap - word->len >= room ? AT_OK : at_word_grow(word, room, err);
}

static inline void at_tokens_put(at_tokens *tokens, int32_t id, int32_t start, int32_t end, int word) {
    int i = tokens->n++;
    tokens->id[i] = id;
    tokens->start[i] = start;
    tokens->end[i] = end;
    tokens->word[i] = word;
}

/* Of the token put last. */
static inline void at_tokens_put_space(at_tokens *tokens, int32_t lead, int32_t trail) {
    tokens->lead[tokens->n - 1] = lead;
    tokens->trail[tokens->n - 1] = trail;
}

#endif
