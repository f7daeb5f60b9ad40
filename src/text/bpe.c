#include "text/bpe.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/room.h"
#include "base/str.h"
#include "text/bytelevel.h"
#include "text/spec.h"

#define NO_RANK UINT32_MAX
#define SHORT_WORD 40 /* symbols; longer words use the heap */
#define META "\xe2\x96\x81"

void at_bpe_work_free(at_bpe_work *work) {
    at_room_free(work->symbol);
    at_room_free(work->heap);
    free(work->cache);
    *work = (at_bpe_work){0};
}

static int has_meta_within(const char *text, size_t len) {
    int other = 0;
    for (size_t i = 0; i < len;) {
        int meta = len - i >= 3 && !memcmp(text + i, META, 3);
        if (meta && other) return 1;
        other |= !meta;
        i += meta ? 3 : 1;
    }
    return 0;
}

static void find_special_ids(at_bpe *bpe) {
    const at_vocab *vocab = bpe->vocab;
    for (uint32_t b = 0; b < 256; b++) {
        char text[8];
        int len = snprintf(text, sizeof text, "<0x%02X>", b);
        bpe->byte_id[b] = at_vocab_id(vocab, text, (size_t)len);
        len = at_utf8_encode(at_byte_to_char(b), text);
        bpe->alphabet[b] = at_vocab_id(vocab, text, (size_t)len);
        if (b < 128) bpe->ascii[b] = at_vocab_id(vocab, (char[]){(char)b}, 1);
    }
    bpe->breaks_at_meta = !bpe->ignore_merges && !*bpe->prefix && !*bpe->suffix;
    for (int32_t id = 0; id < vocab->size && bpe->breaks_at_meta; id++) {
        const char *text = at_vocab_text(vocab, id);
        if (text && has_meta_within(text, vocab->len[id])) bpe->breaks_at_meta = 0;
    }
    if (at_vocab_id(vocab, META, 3) < 0 || bpe->unknown < 0) bpe->breaks_at_meta = 0; /* what is dropped moves what follows */
}

at_status at_bpe_init(at_arena *arena, at_bpe *bpe, size_t n_merges, at_error *err) {
    size_t slots = 16;
    if (n_merges > (size_t)8 * AT_VOCAB_MAX) return at_fail(err, AT_BAD_MODEL, "%zu merges are too many", n_merges);
    while (slots < n_merges + n_merges / 2) slots *= 2;
    bpe->slot = at_alloc_raw(arena, slots, sizeof *bpe->slot);
    if (!bpe->slot) return at_fail_memory(err, slots * sizeof *bpe->slot);
    memset(bpe->slot, 0xff, slots * sizeof *bpe->slot);
    bpe->mask = (uint32_t)slots - 1;
    find_special_ids(bpe);
    return AT_OK;
}

static inline uint64_t pair_of(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 32 | (uint32_t)right; }

static inline uint32_t slot_of(uint64_t pair, uint32_t mask) { return (uint32_t)(pair * 0x9E3779B97F4A7C15u >> 32) & mask; }

static inline const at_merge *find(const at_bpe *bpe, int32_t left, int32_t right) {
    uint64_t pair = pair_of(left, right);
    for (uint32_t i = slot_of(pair, bpe->mask);; i = (i + 1) & bpe->mask) {
        const at_merge *merge = &bpe->slot[i];
        if (merge->pair == pair) return merge;
        if (merge->pair == UINT64_MAX) return NULL;
    }
}

void at_bpe_add(at_bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id) {
    uint64_t pair = pair_of(left, right);
    uint32_t i = slot_of(pair, bpe->mask);
    while (bpe->slot[i].pair != UINT64_MAX && bpe->slot[i].pair != pair) i = (i + 1) & bpe->mask;
    bpe->slot[i] = (at_merge){pair, rank, id};
}

static at_status reserve(at_bpe_work *work, int n, at_error *err) {
    if (n <= work->symbol_cap) return AT_OK;
    size_t cap = (size_t)n + (size_t)n / 2 + 64;
    at_symbol *symbol = at_room_resize(work->symbol, cap * sizeof *symbol);
    if (!symbol) return at_fail_memory(err, cap * sizeof *symbol);
    work->symbol = symbol;
    work->symbol_cap = (int)cap;
    return AT_OK;
}

static inline void ask(const at_bpe *bpe, at_symbol *left, const at_symbol *right) {
    const at_merge *merge = find(bpe, left->id, right->id);
    left->rank = merge ? merge->rank : NO_RANK;
    left->merged = merge ? merge->id : -1;
}

/* Joins by looking through all pairs for the lowest rank. The new number of symbols. */
static int merge_short(const at_bpe *bpe, at_symbol *s, int n) {
    for (int i = 0; i + 1 < n; i++) ask(bpe, &s[i], &s[i + 1]);
    if (n) s[n - 1].rank = NO_RANK;
    for (;;) {
        int best = 0;
        for (int i = 1; i < n; i++)
            if (s[i].rank < s[best].rank) best = i;
        if (n < 2 || s[best].rank == NO_RANK) return n;
        s[best].id = s[best].merged;
        s[best].len += s[best + 1].len;
        n--;
        memmove(s + best + 1, s + best + 2, (size_t)(n - best - 1) * sizeof *s);
        if (best + 1 < n) ask(bpe, &s[best], &s[best + 1]);
        else s[best].rank = NO_RANK;
        if (best) ask(bpe, &s[best - 1], &s[best]);
    }
}

static inline int before(at_candidate a, at_candidate b) { return a.rank != b.rank ? a.rank < b.rank : a.at < b.at; }

/* There is room: a word of n symbols has n - 1 pairs at first and two more for each of at most n - 1 merges. */
static void push(at_bpe_work *work, at_candidate c) {
    int i = work->n_heap++;
    for (; i > 0 && before(c, work->heap[(i - 1) / 2]); i = (i - 1) / 2) work->heap[i] = work->heap[(i - 1) / 2];
    work->heap[i] = c;
}

static at_candidate pop(at_bpe_work *work) {
    at_candidate top = work->heap[0], last = work->heap[--work->n_heap];
    int i = 0, n = work->n_heap;
    for (int child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(work->heap[child + 1], work->heap[child])) child++;
        if (!before(work->heap[child], last)) break;
        work->heap[i] = work->heap[child];
    }
    work->heap[i] = last;
    return top;
}

static void propose(const at_bpe *bpe, at_bpe_work *work, int left, int right) {
    const at_merge *merge = find(bpe, work->symbol[left].id, work->symbol[right].id);
    if (merge) push(work, (at_candidate){merge->rank, left, merge->id});
}

static at_status merge_long(const at_bpe *bpe, at_bpe_work *work, int *n, at_error *err) {
    at_symbol *s = work->symbol;
    size_t room = 3 * (size_t)*n;
    if (room > INT32_MAX / 2) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    if ((size_t)work->heap_cap < room) {
        at_candidate *heap = at_room_resize(work->heap, room * sizeof *heap);
        if (!heap) return at_fail_memory(err, room * sizeof *heap);
        work->heap = heap;
        work->heap_cap = (int)room;
    }
    work->n_heap = 0;
    for (int i = 0; i < *n; i++) s[i].before = i - 1, s[i].after = i + 1 < *n ? i + 1 : -1;
    for (int i = 0; i + 1 < *n; i++) propose(bpe, work, i, i + 1);
    while (work->n_heap) {
        at_candidate top = pop(work);
        at_symbol *left = &s[top.at];
        if (!left->len || left->after < 0) continue;
        const at_merge *merge = find(bpe, left->id, s[left->after].id);
        if (!merge || merge->id != top.id) continue; /* one of the two has changed */
        at_symbol *right = &s[left->after];
        left->id = top.id;
        left->len += right->len;
        right->len = 0;
        left->after = right->after;
        if (left->after >= 0) s[left->after].before = top.at;
        if (left->before >= 0) propose(bpe, work, left->before, top.at);
        if (left->after >= 0) propose(bpe, work, top.at, left->after);
    }
    int kept = 0;
    for (int i = 0; i < *n; i++)
        if (s[i].len) s[kept++] = s[i];
    *n = kept;
    return AT_OK;
}

static at_status merge_all(const at_bpe *bpe, at_bpe_work *work, int *n, at_error *err) {
    if (*n > SHORT_WORD) return merge_long(bpe, work, n, err);
    *n = merge_short(bpe, work->symbol, *n);
    return AT_OK;
}

static void put_symbol(at_bpe_work *work, int *n, int32_t id, int len) { work->symbol[(*n)++] = (at_symbol){.id = id, .len = len}; }

/* The state of the loop over a word's characters. */
typedef struct at_reading {
    const at_bpe *bpe;
    at_bpe_work *work;
    int n;
    int unknown_len; /* bytes of the unknown token that is waiting; 0: none */
} at_reading;

static void put_unknown(at_reading *r) {
    if (r->unknown_len) put_symbol(r->work, &r->n, r->bpe->unknown, r->unknown_len);
    r->unknown_len = 0;
}

/* A character that is no token. One that falls back to bytes leaves a waiting unknown token waiting, as in the library. */
static at_status read_stranger(at_reading *r, const char *text, int len, int own_len, at_error *err) {
    const at_bpe *bpe = r->bpe;
    int known = bpe->byte_fallback;
    for (int i = 0; i < len && known; i++) known = bpe->byte_id[(unsigned char)text[i]] >= 0;
    if (known) {
        for (int i = 0; i < len; i++) put_symbol(r->work, &r->n, bpe->byte_id[(unsigned char)text[i]], 1);
        return AT_OK;
    }
    if (!bpe->names_unknown) return AT_OK;
    if (bpe->unknown < 0)
        return at_fail(err, AT_BAD_DATA, "a character is not in the tokenizer's vocabulary, which lacks its unknown token");
    if (!bpe->fuse_unk) put_unknown(r);
    r->unknown_len += own_len;
    return AT_OK;
}

/* A character with what stands before and after it in the vocabulary. */
static int decorate(const at_bpe *bpe, char *out, int continues, const char *character, int size, int ends) {
    size_t n_prefix = continues ? strlen(bpe->prefix) : 0, n_suffix = ends ? strlen(bpe->suffix) : 0;
    memcpy(out, bpe->prefix, n_prefix);
    memcpy(out + n_prefix, character, (size_t)size);
    memcpy(out + n_prefix + size, bpe->suffix, n_suffix);
    return (int)(n_prefix + n_suffix) + size;
}

static at_status read_characters(const at_bpe *bpe, at_bpe_work *work, const char *bytes, int bytes_len, int *n, at_error *err) {
    at_reading r = {bpe, work, 0, 0};
    int plain = !*bpe->prefix && !*bpe->suffix;
    char text[2 * AT_TOKEN_BYTES + 4 + AT_VOCAB_PAD];
    for (int i = 0, next; i < bytes_len; i = next) {
        next = i + 1;
        while (next < bytes_len && ((unsigned char)bytes[next] & 0xc0) == 0x80) next++;
        const char *key = bytes + i;
        int len = next - i;
        if (!plain) {
            len = decorate(bpe, text, i > 0, bytes + i, len, next == bytes_len);
            key = text;
        }
        int32_t id = len == 1 ? bpe->ascii[(unsigned char)key[0] & 0x7f] : at_vocab_find(bpe->vocab, &bpe->vocab->whole, key, (size_t)len);
        if (id < 0) {
            AT_TRY(read_stranger(&r, key, len, next - i, err));
            continue;
        }
        put_unknown(&r);
        put_symbol(work, &r.n, id, next - i);
    }
    put_unknown(&r);
    *n = r.n;
    return AT_OK;
}

/* What the bytes of a cached word are. */
enum { TEXT = 1, RAW = 2 };

/* Where a word would be kept; NULL: nowhere. */
static at_cached *cached(at_bpe_work *work, const char *bytes, int len, uint64_t kind) {
    if (len > AT_CACHED_BYTES) return NULL;
    if (!work->cache && !(work->cache = calloc(AT_CACHE_SIZE, sizeof *work->cache))) return NULL;
    return &work->cache[(at_vocab_hash(bytes, (size_t)len) ^ kind) % AT_CACHE_SIZE];
}

static int take_cached(const at_bpe *bpe, const at_cached *c, uint64_t kind, const char *bytes, int len, at_piece *piece) {
    if (!c || c->stamp != bpe->stamp + kind || c->len != len || memcmp(c->bytes, bytes, (size_t)len)) return -1;
    int begin = 0;
    for (int i = 0; i < c->n; i++) {
        piece[i] = (at_piece){c->id[i], begin, c->end[i]};
        begin = c->end[i];
    }
    return c->n;
}

static void give(const at_bpe *bpe, const at_bpe_work *work, at_cached *c, uint64_t kind, const char *bytes, int len, at_piece *piece,
                 int n) {
    int begin = 0;
    for (int i = 0; i < n; i++) {
        piece[i] = (at_piece){work->symbol[i].id, begin, begin + work->symbol[i].len};
        begin += work->symbol[i].len;
    }
    if (!c || n > AT_CACHED_PIECES) return;
    *c = (at_cached){.stamp = bpe->stamp + kind, .len = (uint8_t)len, .n = (uint8_t)n};
    memcpy(c->bytes, bytes, (size_t)len);
    for (int i = 0; i < n; i++) {
        c->id[i] = piece[i].id;
        c->end[i] = (uint8_t)piece[i].end;
    }
}

static at_status split_part(const at_bpe *bpe, at_bpe_work *work, const char *bytes, int len, at_piece *piece, int *n, at_error *err) {
    at_cached *c = cached(work, bytes, len, TEXT);
    if ((*n = take_cached(bpe, c, TEXT, bytes, len, piece)) >= 0) return AT_OK;
    AT_TRY(reserve(work, len, err));
    AT_TRY(read_characters(bpe, work, bytes, len, n, err));
    AT_TRY(merge_all(bpe, work, n, err));
    give(bpe, work, c, TEXT, bytes, len, piece, *n);
    return AT_OK;
}

/* The next place where a META begins after another character, or len. */
static int next_break(const char *bytes, int len, int at) {
    while (at + 3 <= len && !memcmp(bytes + at, META, 3)) at += 3;
    while (at < len) {
        const char *found = memchr(bytes + at, META[0], (size_t)(len - at));
        if (!found) return len;
        at = (int)(found - bytes);
        if (at + 3 <= len && !memcmp(found, META, 3)) return at;
        at++;
    }
    return len;
}

at_status at_bpe_split(const at_bpe *bpe, at_bpe_work *work, at_word *word, int *n, at_error *err) {
    if (bpe->ignore_merges) {
        int32_t id = at_vocab_find(bpe->vocab, &bpe->vocab->whole, word->bytes, (size_t)word->len);
        if (id >= 0) {
            word->piece[0] = (at_piece){id, 0, word->len};
            *n = 1;
            return AT_OK;
        }
    }
    if (!bpe->breaks_at_meta) return split_part(bpe, work, word->bytes, word->len, word->piece, n, err);
    *n = 0;
    for (int begin = 0, end, n_part; begin < word->len; begin = end, *n += n_part) {
        end = next_break(word->bytes, word->len, begin);
        AT_TRY(split_part(bpe, work, word->bytes + begin, end - begin, word->piece + *n, &n_part, err));
        for (int i = *n; i < *n + n_part; i++) {
            word->piece[i].begin += begin;
            word->piece[i].end += begin;
        }
    }
    return AT_OK;
}

/* The token that a whole word of raw bytes is, or -1. */
static int32_t whole_word(const at_bpe *bpe, const char *bytes, int len) {
    char text[AT_TOKEN_BYTES + 4 + AT_VOCAB_PAD];
    int n = 0;
    for (int i = 0; i < len && n <= AT_TOKEN_BYTES; i++) n += at_utf8_encode(at_byte_to_char((unsigned char)bytes[i]), text + n);
    return n <= AT_TOKEN_BYTES ? at_vocab_id(bpe->vocab, text, (size_t)n) : -1;
}

at_status at_bpe_split_bytes(const at_bpe *bpe, at_bpe_work *work, const char *bytes, int len, at_piece *piece, int *n, at_error *err) {
    at_cached *c = cached(work, bytes, len, RAW);
    if ((*n = take_cached(bpe, c, RAW, bytes, len, piece)) >= 0) return AT_OK;
    AT_TRY(reserve(work, len, err));
    int32_t whole = bpe->ignore_merges ? whole_word(bpe, bytes, len) : -1;
    *n = 0;
    if (whole >= 0) put_symbol(work, n, whole, len);
    else {
        for (int i = 0; i < len; i++) put_symbol(work, n, bpe->alphabet[(unsigned char)bytes[i]], 1);
        AT_TRY(merge_all(bpe, work, n, err));
    }
    give(bpe, work, c, RAW, bytes, len, piece, *n);
    return AT_OK;
}
