/* Texts that are longer than the model reads, cut in other ways than a tokenizer cuts; and examples on their way into a dataset. */
#ifndef AT_TRAIN_LONG_TEXT_H
#define AT_TRAIN_LONG_TEXT_H

#include "train/dataset.h"

/* "truncate-tail" ...; "auto" for AT_LONG_AUTO. */
const char *at_long_name(at_long how);
at_long at_long_find(const char *name); /* AT_LONG_AUTO where there is none of this name, or it is NULL */
/* What became of the texts that are too long, as words behind "12 of 500 texts are longer than 256 tokens": " and lose their end". */
const char *at_long_words(at_long how);

/* Examples, one's tokens after the other's. Zero-initialise. */
typedef struct at_examples {
    int32_t *ids;
    uint8_t *types;
    size_t n_tokens, cap_tokens;
    int32_t *length;       /* [n] tokens */
    uint32_t *row;         /* [n] row of the table */
    int n, cap;
} at_examples;
at_status at_examples_add(at_examples *x, int row, const int32_t *ids, const uint8_t *types, int n, at_error *err);
at_status at_examples_note(at_examples *x, const at_examples *from, at_error *err); /* lengths and rows alone */
void at_examples_free(at_examples *x);

typedef struct at_text_pair {
    const char *first, *second; /* second NULL: a text alone */
    size_t first_len, second_len;
} at_text_pair;

/* Buffers that are kept between texts. Zero-initialise. */
typedef struct at_long_text {
    at_encoding whole, bare;
    int32_t *ids;
    uint8_t *types;
    int cap;
} at_long_text;

/* Adds the examples of a text, or a pair, that has more than max_tokens tokens; `how` is none of AUTO and ERROR. *n_cut: tokens that are in
 * no example. */
at_status at_long_text_cut(at_long_text *l, const at_tokenizer *tokenizer, const at_text_pair *text, int max_tokens, at_long how, int row,
                           at_examples *to, int *n_cut, at_error *err);
void at_long_text_free(at_long_text *l);

#endif
