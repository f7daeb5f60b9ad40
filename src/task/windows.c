#include "task/windows.h"

#include <stdlib.h>
#include <string.h>

#include "train/dataset_build.h"

typedef struct window {
    int row, first, end;      /* words that are read */
    int answers, answers_end; /* words that are answered */
} window;

/* Growing arrays of int32 on the heap. */
typedef struct numbers {
    int32_t *of;
    size_t n, cap;
} numbers;

typedef struct encoder {
    const at_tokenizer *tokenizer;
    at_encoding e;
    numbers pieces;           /* of all words of all rows, one after the other */
    size_t *piece_at;         /* [words + 1] */
    size_t *word_at;          /* [rows + 1] */
    int32_t before[16], after[16]; /* the template's tokens */
    int n_before, n_after, room;   /* pieces that a window takes */
    int spaced;               /* words are encoded with a space before them, as byte-level tokenizers want it */
    int32_t unknown;
    window *windows;
    int n_windows, cap_windows;
} encoder;

static at_status push(numbers *p, const int32_t *from, size_t n, at_error *err) {
    if (!p->of || p->n + n > p->cap) {
        size_t cap = 2 * (p->n + n) + 1024;
        int32_t *more = realloc(p->of, cap * sizeof *more);
        if (!more) return at_fail_memory(err, cap * sizeof *more);
        p->of = more;
        p->cap = cap;
    }
    memcpy(p->of + p->n, from, n * sizeof *from);
    p->n += n;
    return AT_OK;
}

/* ---- the template ---- */

static at_status read_template(encoder *x, at_error *err) {
    static const at_encode_options WHOLE = {0}, BARE = {.no_special = 1};
    int32_t plain[8];
    int n;
    AT_TRY(at_encode(x->tokenizer, "a", 1, NULL, 0, &WHOLE, &x->e, err));
    for (int i = 0, seen = 0; i < x->e.n; i++) {
        seen |= !x->e.special[i];
        if (!x->e.special[i]) continue;
        if (seen && x->n_after < 16) x->after[x->n_after++] = x->e.ids[i];
        if (!seen && x->n_before < 16) x->before[x->n_before++] = x->e.ids[i];
    }
    AT_TRY(at_encode(x->tokenizer, "a", 1, NULL, 0, &BARE, &x->e, err));
    n = x->e.n < 8 ? x->e.n : 8;
    memcpy(plain, x->e.ids, (size_t)n * sizeof *plain);
    AT_TRY(at_encode(x->tokenizer, " a", 2, NULL, 0, &BARE, &x->e, err));
    x->spaced = x->e.n != n || memcmp(plain, x->e.ids, (size_t)n * sizeof *plain) != 0;
    static const char *const ROLES[] = {"unk", "mask", "pad"};
    for (int i = 0; i < 3 && x->unknown < 0; i++) x->unknown = at_tokenizer_special(x->tokenizer, ROLES[i]);
    if (x->unknown < 0) x->unknown = 0;
    return AT_OK;
}

/* ---- pieces ---- */

static at_status add_word(encoder *x, const at_word *w, at_arena *scratch, at_error *err) {
    static const at_encode_options BARE = {.no_special = 1};
    const char *text = w->text;
    size_t len = w->len;
    if (x->spaced) {
        text = at_format(scratch, " %.*s", (int)w->len, w->text);
        if (!text) return at_fail_memory(err, len);
        len++;
    }
    AT_TRY(at_encode(x->tokenizer, text, len, NULL, 0, &BARE, &x->e, err));
    if (!x->e.n) return push(&x->pieces, &x->unknown, 1, err); /* nothing that the tokenizer keeps: it is answered all the same */
    int n = x->room > 0 && x->e.n > x->room ? x->room : x->e.n;
    return push(&x->pieces, x->e.ids, (size_t)n, err);
}

static at_status add_rows(encoder *x, const at_table *t, const at_sentence *s, int n, at_error *err) {
    at_arena scratch = {0};
    at_status st = AT_OK;
    size_t word = 0;
    for (int r = 0; r < n && !st; r++) {
        at_mark mark = at_arena_mark(&scratch);
        for (int i = 0; i < s[r].n && !st; i++) {
            st = add_word(x, &s[r].word[i], &scratch, err);
            if (st == AT_BAD_DATA) at_fail_prefix(err, "%s:%u", t->path, (unsigned)s[r].word[i].line);
            x->piece_at[++word] = x->pieces.n;
        }
        x->word_at[r + 1] = word;
        at_arena_rewind(&scratch, mark);
    }
    at_arena_free(&scratch);
    return st;
}

/* ---- windows ---- */

static at_status add_window(encoder *x, window w, at_error *err) {
    if (x->n_windows == x->cap_windows) {
        int cap = 2 * x->cap_windows + 256;
        window *more = realloc(x->windows, (size_t)cap * sizeof *more);
        if (!more) return at_fail_memory(err, (size_t)cap * sizeof *more);
        x->windows = more;
        x->cap_windows = cap;
    }
    x->windows[x->n_windows++] = w;
    return AT_OK;
}

static size_t length(const encoder *x, size_t base, int first, int end) {
    return x->piece_at[base + (size_t)end] - x->piece_at[base + (size_t)first];
}

/* The first word of the window behind one that ends at `end`: a quarter of a window overlaps, and at least one new word fits. */
static int next_first(const encoder *x, size_t base, int first, int end) {
    int at = end;
    size_t room = (size_t)x->room, next = length(x, base, end, end + 1);
    while (at > first + 1 && length(x, base, at - 1, end) <= room / 4 && length(x, base, at - 1, end) + next <= room) at--;
    return at;
}

/* Pieces between a word and the nearer edge of a window; an edge of the text is no edge. */
static size_t context(const encoder *x, size_t base, const window *w, int n, int word) {
    size_t left = w->first ? length(x, base, w->first, word) : SIZE_MAX, right = w->end < n ? length(x, base, word + 1, w->end) : SIZE_MAX;
    return left < right ? left : right;
}

/* Windows of a row from the `begin`-th on: each word goes to the one where its context is largest. */
static void deal_words(encoder *x, size_t base, int n, int begin) {
    int k = begin;
    for (int i = begin; i < x->n_windows; i++) x->windows[i].answers = x->windows[i].answers_end = -1;
    for (int word = 0; word < n; word++) {
        while (k + 1 < x->n_windows && x->windows[k + 1].first <= word &&
               (word >= x->windows[k].end || context(x, base, &x->windows[k + 1], n, word) > context(x, base, &x->windows[k], n, word)))
            k++;
        if (x->windows[k].answers < 0) x->windows[k].answers = word;
        x->windows[k].answers_end = word + 1;
    }
}

static at_status cut_row(encoder *x, int row, at_error *err) {
    size_t base = x->word_at[row];
    int n = (int)(x->word_at[row + 1] - base), begin = x->n_windows, first = 0;
    for (;;) {
        int end = first;
        while (end < n && (x->room <= 0 || length(x, base, first, end + 1) <= (size_t)x->room)) end++;
        AT_TRY(add_window(x, (window){row, first, end, 0, 0}, err));
        if (end >= n) break;
        first = next_first(x, base, first, end);
    }
    if (n) deal_words(x, base, n, begin);
    int kept = begin; /* without those that answer nothing */
    for (int i = begin; i < x->n_windows; i++)
        if (!n || x->windows[i].answers >= 0) x->windows[kept++] = x->windows[i];
    x->n_windows = kept;
    return AT_OK;
}

/* ---- the dataset ---- */

static int window_tokens(const encoder *x, const window *w) {
    return x->n_before + x->n_after + (int)length(x, x->word_at[w->row], w->first, w->end);
}

static at_status allocate(encoder *x, const at_table *t, at_dataset *d, at_error *err) {
    uint64_t tokens = 0, outputs = 0;
    d->row = AT_NEW_ARRAY(&d->arena, uint32_t, d->n);
    d->place_at = AT_NEW_ARRAY(&d->arena, uint64_t, d->n + 1);
    if (!d->row || !d->place_at) return at_fail_memory(err, (size_t)d->n * 12);
    for (int i = 0; i < d->n; i++) {
        const window *w = &x->windows[i];
        int answers = w->answers_end - w->answers;
        d->row[i] = (uint32_t)w->row;
        d->line[i] = t->line[w->row];
        d->token_at[i + 1] = tokens += (uint64_t)(window_tokens(x, w) ? window_tokens(x, w) : 1);
        d->place_at[i + 1] = outputs += (uint64_t)(answers ? answers : 1);
    }
    d->place = AT_NEW_ARRAY(&d->arena, uint32_t, outputs);
    return d->place ? AT_OK : at_fail_memory(err, outputs * 4);
}

static at_status add_window_tokens(encoder *x, const window *w, at_dataset *d, int i, at_error *err) {
    size_t base = x->word_at[w->row], from = x->piece_at[base + (size_t)w->first], n = length(x, base, w->first, w->end),
           at = d->place_at[i];
    numbers ids = {0};
    at_status st = push(&ids, x->before, (size_t)x->n_before, err);
    if (!st) st = push(&ids, x->pieces.of + (n ? from : 0), n, err);
    if (!st) st = push(&ids, x->after, (size_t)x->n_after, err);
    if (!st && !ids.n) st = push(&ids, &x->unknown, 1, err);
    uint8_t *types = calloc(ids.n + 1, 1);
    if (!st && !types) st = at_fail_memory(err, ids.n);
    if (!st) st = at_dataset_add_tokens(d, ids.of, types, ids.n, err);
    for (int word = w->answers; word < w->answers_end; word++)
        d->place[at++] = (uint32_t)((size_t)x->n_before + x->piece_at[base + (size_t)word] - from);
    free(ids.of);
    free(types);
    return st;
}

static at_status encode(encoder *x, const at_table *t, const at_sentence *s, int n, int max_tokens, at_dataset **out, at_error *err) {
    size_t words = 0;
    for (int r = 0; r < n; r++) words += (size_t)s[r].n;
    x->piece_at = calloc(words + 1, sizeof *x->piece_at);
    x->word_at = calloc((size_t)n + 1, sizeof *x->word_at);
    if (!x->piece_at || !x->word_at) return at_fail_memory(err, words * sizeof *x->piece_at);
    AT_TRY(read_template(x, err));
    if (max_tokens > 0) x->room = max_tokens - x->n_before - x->n_after;
    if (max_tokens > 0 && x->room < 1)
        return at_fail(err, AT_USAGE, "a limit of %d tokens leaves no room for the text; it must be at least %d", max_tokens,
                       x->n_before + x->n_after + 1);
    AT_TRY(push(&x->pieces, &x->unknown, 0, err));
    AT_TRY(add_rows(x, t, s, n, err));
    for (int r = 0; r < n; r++) AT_TRY(cut_row(x, r, err));
    at_status st = at_dataset_new(t->path, x->n_windows, out, err);
    if (st) return st;
    (*out)->max_tokens = max_tokens;
    AT_TRY(allocate(x, t, *out, err));
    for (int i = 0; i < x->n_windows; i++) AT_TRY(add_window_tokens(x, &x->windows[i], *out, i, err));
    return at_dataset_seal(*out, err);
}

at_status at_windows_encode(const at_table *t, const at_sentence *s, int n, const at_tokenizer *tokenizer, int max_tokens,
                            at_dataset **dataset, at_error *err) {
    encoder x = {.tokenizer = tokenizer, .unknown = -1};
    *dataset = NULL;
    at_status st = encode(&x, t, s, n, max_tokens, dataset, err);
    if (st) at_dataset_close(*dataset);
    if (st) *dataset = NULL;
    at_encoding_free(&x.e);
    free(x.pieces.of);
    free(x.piece_at);
    free(x.word_at);
    free(x.windows);
    return st;
}
