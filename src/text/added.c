#include "text/added.h"

#include <stdlib.h>
#include <string.h>

#include "base/room.h"
#include "base/str.h"
#include "text/unicode.h"

enum { FEW_TOKENS = 16, LONG_PATTERN = 128 /* bytes */ };

void at_added_splits_free(at_added_splits *splits) {
    at_room_free(splits->item);
    *splits = (at_added_splits){0};
}

static at_status normalise_pattern(at_arena *arena, at_added_token *token, at_chars *chars,
                                   const at_normalizers *normalizers, at_error *err) {
    AT_TRY(at_chars_decode(chars, token->content, strlen(token->content), 0, err));
    at_matcher matcher = {0};
    at_status st = at_normalize(normalizers, chars, &matcher, err);
    at_matcher_free(&matcher);
    AT_TRY(st);
    if (!chars->n)
        return at_fail(err, AT_BAD_MODEL, "the added token '%.80s' is nothing once it is normalised", token->content);
    char *pattern = at_alloc(arena, (size_t)chars->n, 4);
    if (!pattern) return at_fail_memory(err, (size_t)chars->n * 4);
    for (int i = 0; i < chars->n; i++)
        token->pattern_len += (size_t)at_utf8_encode(chars->item[i].cp, pattern + token->pattern_len);
    token->pattern = pattern;
    return AT_OK;
}

static at_status make_pattern(at_arena *arena, at_added_token *token, const at_normalizers *normalizers, at_error *err) {
    token->pattern_len = 0;
    if (token->normalized) {
        at_chars chars = {0};
        at_status st = normalise_pattern(arena, token, &chars, normalizers, err);
        at_chars_free(&chars);
        return st;
    }
    token->pattern = token->content;
    token->pattern_len = strlen(token->content);
    return AT_OK;
}

static int compare(const void *left, const void *right) {
    const at_added_token *a = *(const at_added_token *const *)left, *b = *(const at_added_token *const *)right;
    unsigned char first_a = (unsigned char)a->pattern[0], first_b = (unsigned char)b->pattern[0];
    if (first_a != first_b) return first_a < first_b ? -1 : 1;
    if (a->pattern_len != b->pattern_len) return a->pattern_len > b->pattern_len ? -1 : 1;
    int other = memcmp(a->pattern, b->pattern, a->pattern_len);
    if (other) return other;
    return a < b ? -1 : a > b; /* of equal patterns the first added wins */
}

/* Gone through one by one, a few thousand tokens that begin with "<" would cost a text of "<" seconds. */
static at_status plant_many(at_arena *arena, at_added_stage *stage, at_error *err) {
    at_vocab *vocab = AT_NEW(arena, at_vocab);
    size_t bytes = 0;
    if (!vocab || !(stage->many = AT_NEW(arena, at_trie))) return at_fail_memory(err, sizeof *vocab);
    for (int i = 0; i < stage->n; i++)
        if (stage->by_first[i]->pattern_len <= LONG_PATTERN) bytes += stage->by_first[i]->pattern_len;
    AT_TRY(at_vocab_init(arena, vocab, stage->n, bytes, err));
    for (int i = 0; i < stage->n; i++) {
        const at_added_token *token = stage->by_first[i];
        int first_of_text = !i || stage->by_first[i - 1]->pattern_len != token->pattern_len || memcmp(stage->by_first[i - 1]->pattern, token->pattern, token->pattern_len);
        if (token->pattern_len > LONG_PATTERN) stage->n_long[(unsigned char)token->pattern[0]]++;
        else if (first_of_text) at_vocab_add(vocab, i, token->pattern, token->pattern_len);
    }
    return at_trie_init(arena, stage->many, vocab, NULL, err);
}

static at_status make_stage(at_arena *arena, const at_added *added, int normalized, at_added_stage *stage,
                            at_error *err) {
    *stage = (at_added_stage){.only_first = -1};
    stage->by_first = AT_NEW_ARRAY(arena, const at_added_token *, added->n);
    if (!stage->by_first) return at_fail_memory(err, (size_t)added->n * sizeof *stage->by_first);
    for (int i = 0; i < added->n; i++)
        if (added->item[i].normalized == normalized) stage->by_first[stage->n++] = &added->item[i];
    if (!stage->n) return AT_OK;
    qsort(stage->by_first, (size_t)stage->n, sizeof *stage->by_first, compare);
    for (int i = 0; i < stage->n; i++) stage->from[(unsigned char)stage->by_first[i]->pattern[0] + 1]++;
    for (int b = 0; b < 256; b++) {
        if (stage->from[b + 1] == stage->n) stage->only_first = b;
        stage->from[b + 1] += stage->from[b];
    }
    return stage->n > FEW_TOKENS ? plant_many(arena, stage, err) : AT_OK;
}

at_status at_added_index(at_arena *arena, at_added *added, const at_normalizers *normalizers, at_error *err) {
    for (int i = 0; i < added->n; i++) AT_TRY(make_pattern(arena, &added->item[i], normalizers, err));
    AT_TRY(make_stage(arena, added, 0, &added->raw, err));
    return make_stage(arena, added, 1, &added->normalized, err);
}

/* The first byte at or after `at` that some token begins with, or len. */
static size_t candidate(const at_added_stage *stage, const char *text, size_t len, size_t at) {
    if (stage->only_first >= 0) {
        const char *found = memchr(text + at, stage->only_first, len - at);
        return found ? (size_t)(found - text) : len;
    }
    for (; at < len; at++) {
        unsigned char byte = (unsigned char)text[at];
        if (stage->from[byte] != stage->from[byte + 1]) return at;
    }
    return len;
}

static const at_added_token *match(const at_added_stage *stage, const char *text, size_t left) {
    unsigned char first = (unsigned char)text[0];
    int end = stage->many ? stage->from[first] + stage->n_long[first] : stage->from[first + 1];
    int32_t found = -1;
    for (int i = stage->from[first]; i < end; i++) {
        const at_added_token *token = stage->by_first[i];
        if (token->pattern_len <= left && !memcmp(token->pattern, text, token->pattern_len)) return token;
    }
    return stage->many && at_trie_longest(stage->many, text, left, &found) ? stage->by_first[found] : NULL;
}

/* Bytes of the character before (after) a place where it has the flag, else 0. */
static size_t before_is(const char *text, size_t at, int flag) {
    size_t begin = at;
    uint32_t cp;
    if (!at) return 0;
    do begin--;
    while (begin > 0 && at - begin < 4 && ((unsigned char)text[begin] & 0xc0) == 0x80);
    int size = at_utf8_decode((const unsigned char *)text + begin, at - begin, &cp);
    return size && at_cp_flags(cp) & flag ? at - begin : 0;
}

static size_t after_is(const char *text, size_t len, size_t at, int flag) {
    uint32_t cp;
    int size = at < len ? at_utf8_decode((const unsigned char *)text + at, len - at, &cp) : 0;
    return size && at_cp_flags(cp) & flag ? (size_t)size : 0;
}

static at_status push(at_added_splits *splits, const at_added_token *token, size_t begin, size_t end, at_error *err) {
    if (begin >= end) return AT_OK;
    if (splits->n == splits->cap) {
        int cap = splits->cap ? 2 * splits->cap : 16;
        at_added_split *item = at_room_resize(splits->item, (size_t)cap * sizeof *item);
        if (!item) return at_fail_memory(err, (size_t)cap * sizeof *item);
        splits->item = item;
        splits->cap = cap;
    }
    splits->item[splits->n++] = (at_added_split){token, begin, end};
    return AT_OK;
}

at_status at_added_find(const at_added_stage *stage, const char *text, size_t len, at_added_splits *splits,
                        at_error *err) {
    size_t done = 0, step; /* done: end of the last split */
    splits->n = 0;
    for (size_t at = 0; stage->n && (at = candidate(stage, text, len, at)) < len;) {
        const at_added_token *token = match(stage, text + at, len - at);
        if (!token) {
            at++;
            continue;
        }
        size_t begin = at, end = at + token->pattern_len;
        at = end;
        if (token->single_word && (before_is(text, begin, AT_CP_WORD) || after_is(text, len, end, AT_CP_WORD))) continue;
        if (token->lstrip) {
            while (begin > done && (step = before_is(text, begin, AT_CP_SPACE))) begin -= step;
            if (begin < done) begin = done;
        }
        if (token->rstrip)
            while ((step = after_is(text, len, end, AT_CP_SPACE))) end += step;
        AT_TRY(push(splits, NULL, done, begin, err));
        AT_TRY(push(splits, token, begin, end, err));
        done = end;
    }
    return push(splits, NULL, done, len, err);
}
