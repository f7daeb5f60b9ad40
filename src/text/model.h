/* Models: a word -> tokens. Each is a name and a function that splits a word; its numbers lie in the union. */
#ifndef AT_TEXT_MODEL_H
#define AT_TEXT_MODEL_H

#include "text/bpe.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

/* What one thread needs to split words. Zero-initialise. */
typedef struct at_model_work {
    at_bpe_work bpe;
    at_unigram_work unigram;
} at_model_work;
void at_model_work_free(at_model_work *work);

typedef struct at_model at_model;
typedef struct at_model_type {
    const char *name;
    /* The tokens of word->bytes[0..len) (UTF-8, not empty) in word->piece, which has room for len; *n may be 0. */
    at_status (*split)(const at_model *model, at_model_work *work, at_word *word, int *n, at_error *err);
} at_model_type;

struct at_model {
    const at_model_type *type;
    int32_t unknown; /* -1: none */
    const at_trie *whole; /* tokens that are found before the model is asked, the longest, from left to right; NULL: none */
    union {
        at_wordpiece wordpiece;
        at_bpe bpe;
        at_unigram unigram;
        const at_vocab *wordlevel;
    } as;
};

/* The tokens of a word, as at_model_type.split has them. */
at_status at_model_split(const at_model *model, at_model_work *work, at_word *word, int *n, at_error *err);

extern const at_model_type at_model_wordpiece, at_model_bpe, at_model_unigram, at_model_wordlevel;

#endif
