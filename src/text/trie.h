/* A trie of some tokens of a vocabulary, byte by byte; its edges lie in one table with open addressing. A node has a greater number than the one before it. */
#ifndef AT_TEXT_TRIE_H
#define AT_TEXT_TRIE_H

#include "text/vocab.h"

/* An edge, by (node, byte). */
typedef struct at_edge {
    uint32_t key; /* node << 8 | byte; UINT32_MAX: empty */
    uint32_t node;
} at_edge;

typedef struct at_trie {
    at_edge *edge;
    uint32_t mask, n_nodes;
    int32_t *id;         /* by node: the token that ends there, or -1 */
    uint32_t first[256]; /* the node of each first byte; 0: none */
} at_trie;

/* Of all tokens; `skip`, where not NULL, says by id which are left out. Memory from the arena. AT_BAD_MODEL where they are too many bytes. */
at_status at_trie_init(at_arena *arena, at_trie *trie, const at_vocab *vocab, const uint8_t *skip, at_error *err);

static inline uint32_t at_trie_slot(uint32_t key, uint32_t mask) { return (uint32_t)((key * (uint64_t)0x9E3779B97F4A7C15u) >> 32) & mask; }

/* The node that follows, or 0. */
static inline uint32_t at_trie_follow(const at_trie *trie, uint32_t node, unsigned char byte) {
    uint32_t key = node << 8 | byte;
    for (uint32_t i = at_trie_slot(key, trie->mask);; i = (i + 1) & trie->mask) {
        if (trie->edge[i].key == key) return trie->edge[i].node;
        if (trie->edge[i].key == UINT32_MAX) return 0;
    }
}

/* For every node the longest proper end of its text that the trie has too: all tokens that end at each place of a text are then found in one walk (Aho and
 * Corasick 1975), however long they are. */
typedef struct at_trie_links {
    uint32_t *fail; /* by node: the node of that end; 0: the root */
    uint32_t *next; /* by node: the longest proper end that is a token; 0: none */
} at_trie_links;

/* Memory from the arena. AT_BAD_MODEL where more than `most` tokens end at one place of some text. */
at_status at_trie_link(at_arena *arena, const at_trie *trie, int most, at_trie_links *links, at_error *err);

/* The node after one more byte of a text: of the longest end of it that the trie has. */
static inline uint32_t at_trie_step(const at_trie *trie, const at_trie_links *links, uint32_t node, unsigned char byte) {
    while (node) {
        uint32_t next = at_trie_follow(trie, node, byte);
        if (next) return next;
        node = links->fail[node];
    }
    return trie->first[byte];
}

/* Bytes of the longest token that the text begins with, and which it is; 0: none. */
size_t at_trie_longest(const at_trie *trie, const char *text, size_t len, int32_t *id);

#endif
