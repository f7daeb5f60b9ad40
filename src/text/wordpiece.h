/* WordPiece (Schuster and Nakajima 2012; BERT): a word becomes the longest token that begins it, then the longest
 * continuation of what is left, and so on; where nothing fits, the whole word is the unknown token. */
#ifndef AT_TEXT_WORDPIECE_H
#define AT_TEXT_WORDPIECE_H

#include "text/tokens.h"
#include "text/trie.h"

/* Above so many bytes of a token the tables, which look up every length, are too slow, and a trie is walked. */
#define AT_WORDPIECE_LONG 256

typedef struct at_wordpiece {
    const at_vocab *vocab; /* indexed with the continuing prefix */
    int32_t unknown;
    int64_t max_chars; /* a longer word is unknown */
    const at_trie *trie;    /* of all tokens, where one is long; else NULL */
    uint32_t behind_prefix; /* its node, 0 where the prefix is empty; UINT32_MAX: no token has the prefix */
} at_wordpiece;

/* Fills `trie`, where it is needed. Memory from the arena. */
at_status at_wordpiece_init(at_arena *arena, at_wordpiece *model, const char *prefix, at_error *err);

/* The tokens of word[0..len) (UTF-8, n_chars code points, len > 0, AT_VOCAB_PAD readable bytes behind) in out, which has
 * room for len; the number of tokens, at least 1. */
int at_wordpiece_split(const at_wordpiece *model, const char *word, int len, int n_chars, at_piece *out);

#endif
