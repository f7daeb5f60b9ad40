#include "text/unigram.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/room.h"
#include "text/spec.h"

#define UNKNOWN_PENALTY 10.0
#define MAX_NODES ((uint32_t)1 << 24)

void at_unigram_work_free(at_unigram_work *work) {
    at_room_free(work->best);
    *work = (at_unigram_work){0};
}

static inline uint32_t slot_of(uint32_t key, uint32_t mask) { return (uint32_t)((key * (uint64_t)0x9E3779B97F4A7C15u) >> 32) & mask; }

/* The node that follows, or 0. */
static inline uint32_t follow(const at_unigram *u, uint32_t node, unsigned char byte) {
    uint32_t key = node << 8 | byte;
    for (uint32_t i = slot_of(key, u->mask);; i = (i + 1) & u->mask) {
        if (u->edge[i].key == key) return u->edge[i].node;
        if (u->edge[i].key == UINT32_MAX) return 0;
    }
}

static uint32_t grow(at_unigram *u, uint32_t node, unsigned char byte) {
    uint32_t key = node << 8 | byte, i = slot_of(key, u->mask);
    while (u->edge[i].key != UINT32_MAX) i = (i + 1) & u->mask;
    u->edge[i] = (at_edge){key, u->n_nodes};
    return u->n_nodes++;
}

static void plant(at_unigram *u, int32_t id) {
    const char *text = at_vocab_text(u->vocab, id);
    uint32_t node = 0;
    for (uint32_t i = 0; i < u->vocab->len[id]; i++) {
        uint32_t next = follow(u, node, (unsigned char)text[i]);
        node = next ? next : grow(u, node, (unsigned char)text[i]);
    }
    if (node) u->id[node] = id; /* of several ids with one text the last counts */
}

/* From tables made for the most nodes that there could be to such as are needed; the old ones are freed. */
static at_status move_to_arena(at_arena *arena, at_unigram *u, size_t old_slots, at_error *err) {
    at_edge *old = u->edge;
    int32_t *old_id = u->id;
    size_t slots = 256;
    while (slots < 2 * (size_t)u->n_nodes) slots *= 2;
    u->edge = old && old_id ? at_alloc_raw(arena, slots, sizeof *u->edge) : NULL;
    u->id = u->edge ? at_alloc_raw(arena, u->n_nodes, sizeof *u->id) : NULL;
    if (u->id) {
        memset(u->edge, 0xff, slots * sizeof *u->edge);
        memcpy(u->id, old_id, u->n_nodes * sizeof *u->id);
        u->mask = (uint32_t)slots - 1;
        for (size_t i = 0; i < old_slots; i++) {
            if (old[i].key == UINT32_MAX) continue;
            uint32_t at = slot_of(old[i].key, u->mask);
            while (u->edge[at].key != UINT32_MAX) at = (at + 1) & u->mask;
            u->edge[at] = old[i];
        }
    }
    free(old);
    free(old_id);
    return u->id ? AT_OK : at_fail_memory(err, slots * sizeof *u->edge);
}

at_status at_unigram_init(at_arena *arena, at_unigram *u, const uint8_t *skip, at_error *err) {
    const at_vocab *vocab = u->vocab;
    double lowest = 0;
    size_t most = 1, slots = 256;
    int any = 0;
    for (int32_t id = 0; id < vocab->size; id++) {
        if (!at_vocab_text(vocab, id)) continue;
        if (!any || u->score[id] < lowest) lowest = u->score[id];
        any = 1;
        most += vocab->len[id];
    }
    if (most >= MAX_NODES) return at_fail(err, AT_BAD_MODEL, "a vocabulary of %zu bytes is too large", most);
    while (slots < 2 * most) slots *= 2;
    u->unknown_score = lowest - UNKNOWN_PENALTY;
    u->edge = malloc(slots * sizeof *u->edge);
    u->id = malloc(most * sizeof *u->id);
    u->n_nodes = 1;
    u->mask = (uint32_t)slots - 1;
    if (u->edge && u->id) {
        memset(u->edge, 0xff, slots * sizeof *u->edge);
        memset(u->id, 0xff, most * sizeof *u->id);
        for (int32_t id = 0; id < vocab->size; id++)
            if (at_vocab_text(vocab, id) && !(skip && skip[id])) plant(u, id);
    }
    AT_TRY(move_to_arena(arena, u, slots, err));
    for (uint32_t b = 0; b < 256; b++) {
        char text[8];
        int len = snprintf(text, sizeof text, "<0x%02X>", b);
        u->byte_id[b] = at_vocab_id(vocab, text, (size_t)len);
        u->first[b] = follow(u, 0, (unsigned char)b);
    }
    return AT_OK;
}

static inline void offer(const at_unigram *u, at_best *at, double score, int32_t from, int32_t id) {
    if (u->single) score = (double)(float)score;
    if (at->from >= 0 && !(score > at->score)) return;
    *at = (at_best){score, from, id};
}

static at_status fill(const at_unigram *u, at_best *best, const unsigned char *text, int len, at_error *err) {
    for (int i = 0; i <= len; i++) best[i] = (at_best){0, -1, -1};
    for (int begin = 0, next; begin < len; begin = next) {
        double till_here = best[begin].score;
        int has_single = 0;
        next = begin + 1;
        while (next < len && (text[next] & 0xc0) == 0x80) next++;
        uint32_t node = u->first[text[begin]];
        for (int i = begin + 1; node; i++) {
            int32_t id = u->id[node];
            if (id >= 0) {
                offer(u, &best[i], u->score[id] + till_here, begin, id);
                has_single |= i == next;
            }
            if (i == len) break;
            node = follow(u, node, text[i]);
        }
        if (has_single) continue;
        at_best *at = &best[next];
        double score = u->single ? (double)((float)u->unknown_score + (float)till_here) : u->unknown_score + till_here;
        if (at->from >= 0 && !(score > at->score)) continue;
        if (u->unknown < 0)
            return at_fail(err, AT_BAD_DATA, "a character is not in the tokenizer's vocabulary, which has no unknown token");
        *at = (at_best){score, begin, u->unknown};
    }
    return AT_OK;
}

/* The token of bytes [begin, end), or its bytes; backwards, into the end of the list. */
static void put(const at_unigram *u, const at_word *word, int begin, int end, int32_t id, int *at) {
    if (id == u->unknown) {
        id = u->single ? -1 : at_vocab_find(u->vocab, &u->vocab->whole, word->bytes + begin, (size_t)(end - begin));
        int known = id < 0 && u->byte_fallback;
        for (int i = begin; i < end && known; i++) known = u->byte_id[(unsigned char)word->bytes[i]] >= 0;
        if (known) {
            for (int i = end - 1; i >= begin; i--) word->piece[--*at] = (at_piece){u->byte_id[(unsigned char)word->bytes[i]], begin, end};
            return;
        }
        if (id < 0) id = u->unknown;
    }
    word->piece[--*at] = (at_piece){id, begin, end};
}

at_status at_unigram_split(const at_unigram *u, at_unigram_work *work, at_word *word, int *n, at_error *err) {
    int len = word->len, at = len;
    if (len + 1 > work->cap) {
        size_t cap = (size_t)len + (size_t)len / 2 + 256;
        at_best *best = at_room_resize(work->best, cap * sizeof *best);
        if (!best) return at_fail_memory(err, cap * sizeof *best);
        work->best = best;
        work->cap = (int)cap;
    }
    AT_TRY(fill(u, work->best, (const unsigned char *)word->bytes, len, err));
    for (int end = len, begin; end > 0; end = begin) {
        int32_t id = work->best[end].id;
        begin = work->best[end].from;
        while (id == u->unknown && begin > 0 && work->best[begin].id == u->unknown) begin = work->best[begin].from;
        put(u, word, begin, end, id, &at);
    }
    *n = len - at;
    memmove(word->piece, word->piece + at, (size_t)*n * sizeof *word->piece);
    return AT_OK;
}
