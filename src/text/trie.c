#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NODES ((uint32_t)1 << 24)

static uint32_t grow(at_trie *t, uint32_t node, unsigned char byte) {
    uint32_t key = node << 8 | byte, i = at_trie_slot(key, t->mask);
    while (t->edge[i].key != UINT32_MAX) i = (i + 1) & t->mask;
    t->edge[i] = (at_edge){key, t->n_nodes};
    return t->n_nodes++;
}

static void plant(at_trie *t, const at_vocab *vocab, int32_t id) {
    const char *text = at_vocab_text(vocab, id);
    uint32_t node = 0;
    for (uint32_t i = 0; i < vocab->len[id]; i++) {
        uint32_t next = at_trie_follow(t, node, (unsigned char)text[i]);
        node = next ? next : grow(t, node, (unsigned char)text[i]);
    }
    if (node) t->id[node] = id; /* of several ids with one text the last counts */
}

/* From tables made for the most nodes that there could be to such as are needed; the old ones are freed. */
static at_status move_to_arena(at_arena *arena, at_trie *t, size_t old_slots, at_error *err) {
    at_edge *old = t->edge;
    int32_t *old_id = t->id;
    size_t slots = 256;
    while (slots < 2 * (size_t)t->n_nodes) slots *= 2;
    t->edge = old && old_id ? at_alloc_raw(arena, slots, sizeof *t->edge) : NULL;
    t->id = t->edge ? at_alloc_raw(arena, t->n_nodes, sizeof *t->id) : NULL;
    if (t->id) {
        memset(t->edge, 0xff, slots * sizeof *t->edge);
        memcpy(t->id, old_id, t->n_nodes * sizeof *t->id);
        t->mask = (uint32_t)slots - 1;
        for (size_t i = 0; i < old_slots; i++) {
            if (old[i].key == UINT32_MAX) continue;
            uint32_t at = at_trie_slot(old[i].key, t->mask);
            while (t->edge[at].key != UINT32_MAX) at = (at + 1) & t->mask;
            t->edge[at] = old[i];
        }
    }
    free(old);
    free(old_id);
    return t->id ? AT_OK : at_fail_memory(err, slots * sizeof *t->edge);
}

static int is_in(const at_vocab *vocab, const uint8_t *skip, int32_t id) { return at_vocab_text(vocab, id) && !(skip && skip[id]); }

at_status at_trie_init(at_arena *arena, at_trie *trie, const at_vocab *vocab, const uint8_t *skip, at_error *err) {
    size_t most = 1, slots = 256;
    for (int32_t id = 0; id < vocab->size; id++)
        if (is_in(vocab, skip, id)) most += vocab->len[id];
    if (most >= MAX_NODES) return at_fail(err, AT_BAD_MODEL, "a vocabulary of %zu bytes is too large", most);
    while (slots < 2 * most) slots *= 2;
    trie->edge = malloc(slots * sizeof *trie->edge);
    trie->id = malloc(most * sizeof *trie->id);
    trie->n_nodes = 1;
    trie->mask = (uint32_t)slots - 1;
    if (trie->edge && trie->id) {
        memset(trie->edge, 0xff, slots * sizeof *trie->edge);
        memset(trie->id, 0xff, most * sizeof *trie->id);
        for (int32_t id = 0; id < vocab->size; id++)
            if (is_in(vocab, skip, id)) plant(trie, vocab, id);
    }
    AT_TRY(move_to_arena(arena, trie, slots, err));
    for (uint32_t b = 0; b < 256; b++) trie->first[b] = at_trie_follow(trie, 0, (unsigned char)b);
    return AT_OK;
}

size_t at_trie_longest(const at_trie *trie, const char *text, size_t len, int32_t *id) {
    size_t longest = 0;
    uint32_t node = len ? trie->first[(unsigned char)text[0]] : 0;
    for (size_t i = 1; node; i++) {
        if (trie->id[node] >= 0) {
            longest = i;
            *id = trie->id[node];
        }
        node = i < len ? at_trie_follow(trie, node, (unsigned char)text[i]) : 0;
    }
    return longest;
}
