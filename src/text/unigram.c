#include "text/unigram.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/room.h"
#include "text/spec.h"

#define UNKNOWN_PENALTY 10.0

enum {
    LONG_TOKEN = 128,  /* bytes: no more are tried from each character of a text */
    MOST_NESTED = 1024 /* long tokens that end at one place of a text; the longest known runs of spaces or dashes have a few dozen */
};

void at_unigram_work_free(at_unigram_work *work) {
    at_room_free(work->best);
    *work = (at_unigram_work){0};
}

at_status at_unigram_init(at_arena *arena, at_unigram *u, const uint8_t *skip, at_error *err) {
    const at_vocab *vocab = u->vocab;
    double lowest = 0;
    int any = 0;
    for (int32_t id = 0; id < vocab->size; id++) {
        if (!at_vocab_text(vocab, id)) continue;
        if (!any || u->score[id] < lowest) lowest = u->score[id];
        any = 1;
    }
    u->unknown_score = lowest - UNKNOWN_PENALTY;
    AT_TRY(at_trie_init(arena, &u->trie, vocab, skip, err));
    if (vocab->whole.longest > LONG_TOKEN) {
        if (!(u->links = AT_NEW(arena, at_trie_links))) return at_fail_memory(err, sizeof *u->links);
        AT_TRY(at_trie_link(arena, &u->trie, MOST_NESTED, u->links, err));
    }
    for (uint32_t b = 0; b < 256; b++) {
        char text[8];
        int len = snprintf(text, sizeof text, "<0x%02X>", b);
        u->byte_id[b] = at_vocab_id(vocab, text, (size_t)len);
    }
    return AT_OK;
}

static inline void offer(const at_unigram *u, at_best *at, double score, int32_t from, int32_t id) {
    if (u->single) score = (double)(float)score;
    if (at->from >= 0 && !(score > at->score)) return;
    *at = (at_best){score, from, id};
}

/* The character at bytes [begin, end) as an unknown token. */
static at_status offer_unknown(const at_unigram *u, at_best *best, int begin, int end, at_error *err) {
    double till_here = best[begin].score;
    at_best *at = &best[end];
    double score = u->single ? (double)((float)u->unknown_score + (float)till_here) : u->unknown_score + till_here;
    if (at->from >= 0 && !(score > at->score)) return AT_OK;
    if (u->unknown < 0)
        return at_fail(err, AT_BAD_DATA, "a character is not in the tokenizer's vocabulary, which has no unknown token");
    *at = (at_best){score, begin, u->unknown};
    return AT_OK;
}

static int character_ends(const unsigned char *text, int at, int len) { return at == len || (text[at] & 0xc0) != 0x80; }

static at_status fill(const at_unigram *u, at_best *best, const unsigned char *text, int len, at_error *err) {
    for (int begin = 0, next; begin < len; begin = next) {
        double till_here = best[begin].score;
        int has_single = 0;
        next = begin + 1;
        while (!character_ends(text, next, len)) next++;
        uint32_t node = u->trie.first[text[begin]];
        for (int i = begin + 1; node; i++) {
            int32_t id = u->trie.id[node];
            if (id >= 0) {
                offer(u, &best[i], u->score[id] + till_here, begin, id);
                has_single |= i == next;
            }
            if (i == len) break;
            node = at_trie_follow(&u->trie, node, text[i]);
        }
        if (!has_single) AT_TRY(offer_unknown(u, best, begin, next, err));
    }
    return AT_OK;
}

/* The same by where tokens end, in the same order: of those that end at one place the longest, which begins first, comes first. The work does not grow with
 * the length of tokens. */
static at_status fill_linked(const at_unigram *u, at_best *best, const unsigned char *text, int len, at_error *err) {
    uint32_t node = 0;
    for (int end = 1, begin = 0; end <= len; end++) {
        node = at_trie_step(&u->trie, u->links, node, text[end - 1]);
        if (!character_ends(text, end, len)) continue;
        int has_single = 0;
        for (uint32_t at = u->trie.id[node] >= 0 ? node : u->links->next[node]; at; at = u->links->next[at]) {
            int32_t id = u->trie.id[at];
            int from = end - (int)u->vocab->len[id];
            offer(u, &best[end], u->score[id] + best[from].score, from, id);
            has_single |= from == begin;
        }
        if (!has_single) AT_TRY(offer_unknown(u, best, begin, end, err));
        begin = end;
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
    for (int i = 0; i <= len; i++) work->best[i] = (at_best){0, -1, -1};
    AT_TRY((u->links ? fill_linked : fill)(u, work->best, (const unsigned char *)word->bytes, len, err));
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
