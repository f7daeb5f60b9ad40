/* A vocabulary: token texts by id, and a hash table from text to id that looks up without copying or allocating.
 *
 * Built once by add .. add, index; read-only afterwards. A second table may hold the tokens that begin with a prefix
 * ("##") under what follows it, so that a word's continuation is looked up where it stands in the word. */
#ifndef AT_TEXT_VOCAB_H
#define AT_TEXT_VOCAB_H

#include <string.h>

#include "base/arena.h"

#define AT_VOCAB_PAD 8 /* readable bytes that must follow any text that is looked up */

typedef struct at_vocab_slot {
    uint32_t tag;
    int32_t id; /* -1: empty */
} at_vocab_slot;

typedef struct at_vocab_table {
    at_vocab_slot *slot;
    uint32_t mask;
    uint32_t skip;    /* leading bytes of each token that are not part of the key */
    uint32_t longest; /* key, in bytes */
} at_vocab_table;

typedef struct at_vocab {
    char *text;        /* every token, each with its NUL */
    uint32_t *offset;  /* by id: where in text; UINT32_MAX: no token has this id */
    uint32_t *len;     /* by id: bytes */
    int size;          /* highest id + 1 */
    int n;             /* tokens */
    uint32_t text_len; /* used by add */
    int keep_all;      /* every id keeps its text; set before indexing */
    at_vocab_table whole, continuing;
} at_vocab;

/* Room for ids below `size` and texts of text_bytes in all, NULs not counted. */
at_status at_vocab_init(at_arena *arena, at_vocab *vocab, int size, size_t text_bytes, at_error *err);
void at_vocab_add(at_vocab *vocab, int32_t id, const char *text, size_t len); /* replaces what had this id */
/* Builds the tables; prefix NULL: none but `whole`. Of several ids with one text the highest is found, and, unless keep_all, only it keeps
 * the text. */
at_status at_vocab_index(at_arena *arena, at_vocab *vocab, const char *prefix, at_error *err);

static inline const char *at_vocab_text(const at_vocab *vocab, int32_t id) {
    if (id < 0 || id >= vocab->size || vocab->offset[id] == UINT32_MAX) return NULL;
    return vocab->text + vocab->offset[id];
}

/* The id of any text, without the padding that at_vocab_find needs; -1 where there is none. */
int32_t at_vocab_id(const at_vocab *vocab, const char *text, size_t len);

static inline uint64_t at_vocab_load(const char *p, size_t n) { /* n <= 8, the rest zero */
    uint64_t x;
    memcpy(&x, p, 8);
    return n >= 8 ? x : x & (((uint64_t)1 << (8 * n)) - 1);
}

static inline uint64_t at_vocab_mix(uint64_t x) {
    __uint128_t product = (__uint128_t)(x ^ 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t at_vocab_hash(const char *p, size_t len) {
    uint64_t h = len * 0xA0761D6478BD642Fu;
    for (; len > 8; p += 8, len -= 8) h = at_vocab_mix(h ^ at_vocab_load(p, 8));
    return at_vocab_mix(h ^ at_vocab_load(p, len));
}

/* The id of key[0..len), or -1. AT_VOCAB_PAD bytes after it must be readable. */
static inline int32_t at_vocab_find(const at_vocab *vocab, const at_vocab_table *table, const char *key, size_t len) {
    uint64_t hash = at_vocab_hash(key, len);
    uint32_t tag = (uint32_t)(hash >> 32);
    for (uint32_t i = (uint32_t)hash & table->mask;; i = (i + 1) & table->mask) {
        at_vocab_slot slot = table->slot[i];
        if (slot.id < 0) return -1;
        if (slot.tag != tag || vocab->len[slot.id] - table->skip != len) continue;
        const char *text = vocab->text + vocab->offset[slot.id] + table->skip;
        if (len <= 8 ? at_vocab_load(text, len) == at_vocab_load(key, len) : !memcmp(text, key, len)) return slot.id;
    }
}

#endif
