/* Byte pair encoding (Sennrich et al. 2016), as the `tokenizers` library does it: a word begins as the tokens of its characters; of all
 * neighbours that a merge joins, the pair of the lowest rank, and of these the leftmost, is joined, until none is left. */
#ifndef AT_TEXT_BPE_H
#define AT_TEXT_BPE_H

#include "text/tokens.h"

typedef struct at_merge {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: empty */
    uint32_t rank;
    int32_t id; /* of what they become */
} at_merge;

typedef struct at_bpe {
    const at_vocab *vocab;
    at_merge *slot; /* open addressing */
    uint32_t mask;
    uint64_t stamp;        /* tells this tokenizer's cached words from another's */
    int32_t unknown;       /* -1: none */
    int names_unknown;     /* an unknown token is named; with unknown < 0 it is not in the vocabulary */
    const char *prefix;    /* before every character of a word but the first; "" none */
    const char *suffix;    /* after the last character of a word; "" none */
    int fuse_unk, byte_fallback, ignore_merges;
    int32_t byte_id[256];  /* "<0x00>" and on, for byte_fallback; -1: none */
    int32_t alphabet[256]; /* the token of each byte's character (bytelevel.h); -1: none */
    int32_t ascii[128];    /* the token of each character alone; -1: none */
    int breaks_at_meta;    /* no token has U+2581 after another character: a word may be cut there without changing anything */
} at_bpe;

/* Room for n merges; `bpe`'s flags, vocab and texts are set by the caller. */
at_status at_bpe_init(at_arena *arena, at_bpe *bpe, size_t n_merges, at_error *err);
/* The later of two equal pairs wins. */
void at_bpe_add(at_bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id);

typedef struct at_symbol {
    int32_t id, len; /* bytes; 0: joined to the one before */
    int32_t before, after;
    uint32_t rank;   /* of the merge with the next one */
    int32_t merged;  /* what that would be */
} at_symbol;

typedef struct at_candidate {
    uint32_t rank;
    int32_t at, id;
} at_candidate;

enum { AT_CACHED_BYTES = 24, AT_CACHED_PIECES = 8, AT_CACHE_SIZE = 4096 };

/* A word that was split before. */
typedef struct at_cached {
    uint64_t stamp; /* of its tokenizer and what its bytes are; 0: empty */
    uint8_t len, n;
    uint8_t end[AT_CACHED_PIECES];
    char bytes[AT_CACHED_BYTES];
    int32_t id[AT_CACHED_PIECES];
} at_cached;

typedef struct at_bpe_work {
    at_symbol *symbol;
    int symbol_cap;
    at_candidate *heap;
    int n_heap, heap_cap;
    at_cached *cache; /* AT_CACHE_SIZE, made when first needed */
} at_bpe_work;
void at_bpe_work_free(at_bpe_work *work);

at_status at_bpe_split(const at_bpe *bpe, at_bpe_work *work, at_word *word, int *n, at_error *err);

/* The same for a word of raw bytes, where the vocabulary has every character of the byte-level alphabet. AT_VOCAB_PAD bytes after it must
 * be readable; `piece` has room for len. */
at_status at_bpe_split_bytes(const at_bpe *bpe, at_bpe_work *work, const char *bytes, int len, at_piece *piece, int *n, at_error *err);

#endif
