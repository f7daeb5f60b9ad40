/* Unigram language model (Kudo 2018), as the `tokenizers` library does it: of all ways to write a word as tokens the one of the highest sum
 * of scores (Viterbi). A character that begins no token of its own length counts as unknown, 10 below the lowest score. Neighbouring
 * unknowns become one token, or, with byte_fallback, their bytes. */
#ifndef AT_TEXT_UNIGRAM_H
#define AT_TEXT_UNIGRAM_H

#include "text/tokens.h"
#include "text/trie.h"

typedef struct at_unigram {
    const at_vocab *vocab;
    const double *score;   /* by id */
    at_trie trie;          /* of the tokens that a text may become */
    at_trie_links *links;  /* of the trie, where tokens are long; else NULL */
    double unknown_score;
    int32_t unknown;       /* -1: none */
    int byte_fallback;
    int single;            /* sums in single precision, as SentencePiece itself; unknown text is never looked up again */
    int32_t byte_id[256];  /* "<0x00>" and on; -1: none */
} at_unigram;

/* vocab (indexed), score, unknown and byte_fallback are set by the caller. `skip`, where not NULL, says by id which tokens no text
 * becomes. */
at_status at_unigram_init(at_arena *arena, at_unigram *u, const uint8_t *skip, at_error *err);

typedef struct at_best {
    double score;
    int32_t from, id; /* from -1: not reached */
} at_best;

typedef struct at_unigram_work {
    at_best *best;
    int cap;
} at_unigram_work;
void at_unigram_work_free(at_unigram_work *work);

at_status at_unigram_split(const at_unigram *u, at_unigram_work *work, at_word *word, int *n, at_error *err);

#endif
