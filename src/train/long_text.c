#include "train/long_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static const char *const NAMES[] = {"auto", "truncate-tail", "truncate-head", "middle", "window", "error", NULL};

const char *at_long_name(at_long how) { return NAMES[how]; }

at_long at_long_find(const char *name) {
    for (int i = 0; name && NAMES[i]; i++)
        if (!strcmp(name, NAMES[i])) return (at_long)i;
    return AT_LONG_AUTO;
}

const char *at_long_words(at_long how) {
    switch (how) {
    case AT_LONG_HEAD: return " and lose their beginning";
    case AT_LONG_MIDDLE: return " and lose their middle";
    case AT_LONG_WINDOW: return "; they are read in windows, only the shorter text of a pair is cut"; /* nothing else is lost */
    default: return " and lose their end";
    }
}

/* ---- examples ---- */

static at_status reserve_tokens(at_examples *x, size_t n, at_error *err) {
    if (n <= x->cap_tokens) return AT_OK;
    size_t cap = 2 * n + 1024;
    int32_t *ids = realloc(x->ids, cap * sizeof *ids);
    if (ids) x->ids = ids;
    uint8_t *types = ids ? realloc(x->types, cap) : NULL;
    if (!types) return at_fail_memory(err, cap * 5);
    x->types = types;
    x->cap_tokens = cap;
    return AT_OK;
}

static at_status reserve_examples(at_examples *x, int n, at_error *err) {
    if (n <= x->cap) return AT_OK;
    size_t cap = 2 * (size_t)n + 128;
    int32_t *length = realloc(x->length, cap * sizeof *length);
    if (length) x->length = length;
    uint32_t *row = length && cap < INT32_MAX ? realloc(x->row, cap * sizeof *row) : NULL;
    if (!row) return at_fail_memory(err, cap * 8);
    x->row = row;
    x->cap = (int)cap;
    return AT_OK;
}

at_status at_examples_add(at_examples *x, int row, const int32_t *ids, const uint8_t *types, int n, at_error *err) {
    AT_TRY(reserve_tokens(x, x->n_tokens + (size_t)n, err));
    AT_TRY(reserve_examples(x, x->n + 1, err));
    memcpy(x->ids + x->n_tokens, ids, (size_t)n * sizeof *ids);
    memcpy(x->types + x->n_tokens, types, (size_t)n);
    x->n_tokens += (size_t)n;
    x->length[x->n] = n;
    x->row[x->n++] = (uint32_t)row;
    return AT_OK;
}

at_status at_examples_note(at_examples *x, const at_examples *from, at_error *err) {
    if (!from->n) return AT_OK;
    AT_TRY(reserve_examples(x, x->n + from->n, err));
    memcpy(x->length + x->n, from->length, (size_t)from->n * sizeof *x->length);
    memcpy(x->row + x->n, from->row, (size_t)from->n * sizeof *x->row);
    x->n += from->n;
    return AT_OK;
}

void at_examples_free(at_examples *x) {
    free(x->ids);
    free(x->types);
    free(x->length);
    free(x->row);
    *x = (at_examples){0};
}

/* ---- cutting ---- */

/* Tokens of a text that stay: [start, head_end) and [tail, end). */
typedef struct kept {
    int start, head_end, tail, end;
} kept;

/* The example that has these tokens of the two texts, and what the template puts around them. */
static at_status add(at_long_text *l, int n_first, const kept part[2], int row, at_examples *to, at_error *err) {
    const at_encoding *e = &l->whole;
    int n = 0;
    for (int i = 0, at = 0; i < e->n; i++) {
        if (!e->special[i]) {
            int second = at >= n_first, token = at++ - (second ? n_first : 0);
            const kept *p = &part[second];
            if (token < p->start || token >= p->end || (token >= p->head_end && token < p->tail)) continue;
        }
        l->ids[n] = e->ids[i];
        l->types[n++] = e->types[i];
    }
    return at_examples_add(to, row, l->ids, l->types, n, err);
}

static kept keep(int n, int most, at_long how) {
    int head = how == AT_LONG_HEAD ? 0 : how == AT_LONG_MIDDLE ? most - most / 2 : most;
    return (kept){0, head, n - (most - head), n};
}

/* As the tokenizers' longest_first: the shorter is cut only where both have to be. */
static void share(int room, const int n[2], int most[2]) {
    int longer = n[0] > n[1] ? 0 : 1, shorter = 1 - longer;
    most[shorter] = n[shorter] < room / 2 ? n[shorter] : room / 2;
    most[longer] = room - most[shorter] < n[longer] ? room - most[shorter] : n[longer];
}

/* Windows over the longer text, the other (or what there is room for of it) in each. */
static at_status add_windows(at_long_text *l, const int n[2], int room, int row, at_examples *to, int *n_cut, at_error *err) {
    int longer = n[0] > n[1] ? 0 : 1, shorter = 1 - longer, beside = n[shorter] < room / 2 ? n[shorter] : room / 2, span = room - beside;
    kept part[2];
    *n_cut = n[shorter] - beside;
    part[shorter] = keep(n[shorter], beside, AT_LONG_TAIL);
    for (int first = 0;;) {
        int end = n[longer] - first > span ? first + span : n[longer];
        part[longer] = (kept){first, end, end, end};
        AT_TRY(add(l, n[0], part, row, to, err));
        if (end >= n[longer]) return AT_OK;
        first = end - span / 4;
    }
}

static at_status reserve(at_long_text *l, at_error *err) {
    if (l->whole.n <= l->cap) return AT_OK;
    free(l->ids);
    free(l->types);
    l->cap = 2 * l->whole.n;
    l->ids = malloc((size_t)l->cap * sizeof *l->ids);
    l->types = malloc((size_t)l->cap);
    if (l->ids && l->types) return AT_OK;
    l->cap = 0;
    return at_fail_memory(err, (size_t)l->whole.n * 10);
}

at_status at_long_text_cut(at_long_text *l, const at_tokenizer *tokenizer, const at_text_pair *t, int max_tokens, at_long how, int row,
                           at_examples *to, int *n_cut, at_error *err) {
    static const at_encode_options WHOLE = {0}, BARE = {.no_special = 1};
    int n[2], most[2], special = 0;
    AT_TRY(at_encode(tokenizer, t->first, t->first_len, NULL, 0, &BARE, &l->bare, err));
    AT_TRY(at_encode(tokenizer, t->first, t->first_len, t->second, t->second_len, &WHOLE, &l->whole, err));
    AT_TRY(reserve(l, err));
    for (int i = 0; i < l->whole.n; i++) special += l->whole.special[i];
    n[0] = l->bare.n;
    n[1] = l->whole.n - special - n[0];
    int room = max_tokens - special;
    if (how == AT_LONG_WINDOW) return add_windows(l, n, room, row, to, n_cut, err);
    share(room, n, most);
    *n_cut = n[0] + n[1] - most[0] - most[1];
    kept part[2] = {keep(n[0], most[0], how), keep(n[1], most[1], how)};
    return add(l, n[0], part, row, to, err);
}

void at_long_text_free(at_long_text *l) {
    at_encoding_free(&l->whole);
    at_encoding_free(&l->bare);
    free(l->ids);
    free(l->types);
    *l = (at_long_text){0};
}
