#include "task/windows.h"

#include <string.h>

#include "base/room.h"
#include "task/window_list.h"
#include "train/dataset_build.h"

/* A growing array in the encoder's memory. */
typedef struct numbers {
    int32_t *of;
    size_t n, cap;
} numbers;

typedef struct encoder {
    const at_tokenizer *tokenizer;
    const at_arena *words;
    at_arena memory;          /* mapped: a long document takes no private memory */
    at_encoding e;
    numbers pieces;           /* of all words of all rows, one after the other */
    size_t *piece_at;         /* [words + 1] */
    size_t *word_at;          /* [rows + 1] */
    int32_t before[16], after[16]; /* the template's tokens */
    int n_before, n_after, room;   /* pieces that a window takes */
    int spaced;               /* words are encoded with a space before them, as byte-level tokenizers want it */
    int32_t unknown;
    at_window_list windows;
    numbers ids;              /* of one window */
    uint8_t *types;           /* [most tokens of a window + 1] zeros */
} encoder;

static at_status push(encoder *x, numbers *p, const int32_t *from, size_t n, at_error *err) {
    if (!p->of || p->n + n > p->cap) {
        size_t cap = 2 * (p->n + n) + 1024;
        int32_t *more = at_alloc_raw(&x->memory, cap, sizeof *more);
        if (!more) return at_fail_memory(err, cap * sizeof *more);
        at_arena_copy(&x->memory, more, p->of, p->n * sizeof *more);
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
    if (!x->e.n) return push(x, &x->pieces, &x->unknown, 1, err); /* nothing that the tokenizer keeps: it is answered all the same */
    int n = x->room > 0 && x->e.n > x->room ? x->room : x->e.n;
    return push(x, &x->pieces, x->e.ids, (size_t)n, err);
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
            at_arena_pass(&x->memory, word, AT_IDLE_WORDS);
            at_arena_pass(x->words, word, AT_IDLE_WORDS);
        }
        x->word_at[r + 1] = word;
        at_arena_rewind(&scratch, mark);
    }
    at_arena_free(&scratch);
    return st;
}

/* ---- windows ---- */

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
static size_t context(const encoder *x, size_t base, const at_window *w, int n, int word) {
    size_t left = w->first ? length(x, base, w->first, word) : SIZE_MAX, right = w->end < n ? length(x, base, word + 1, w->end) : SIZE_MAX;
    return left < right ? left : right;
}

/* Windows of a row from the `begin`-th on: each word goes to the one where its context is largest. */
static void deal_words(encoder *x, size_t base, int n, int begin) {
    int k = begin;
    for (int i = begin; i < x->windows.n; i++) x->windows.of[i].answers = x->windows.of[i].answers_end = -1;
    for (int word = 0; word < n; word++) {
        while (k + 1 < x->windows.n && x->windows.of[k + 1].first <= word &&
               (word >= x->windows.of[k].end || context(x, base, &x->windows.of[k + 1], n, word) > context(x, base, &x->windows.of[k], n, word)))
            k++;
        if (x->windows.of[k].answers < 0) x->windows.of[k].answers = word;
        x->windows.of[k].answers_end = word + 1;
    }
}

static at_status cut_row(encoder *x, int row, at_error *err) {
    size_t base = x->word_at[row];
    int n = (int)(x->word_at[row + 1] - base), begin = x->windows.n, first = 0;
    for (;;) {
        int end = first;
        while (end < n && (x->room <= 0 || length(x, base, first, end + 1) <= (size_t)x->room)) end++;
        AT_TRY(at_window_list_add(&x->windows, (at_window){row, first, end, 0, 0}, err));
        if (end >= n) break;
        first = next_first(x, base, first, end);
    }
    if (n) deal_words(x, base, n, begin);
    int kept = begin; /* without those that answer nothing */
    for (int i = begin; i < x->windows.n; i++)
        if (!n || x->windows.of[i].answers >= 0) x->windows.of[kept++] = x->windows.of[i];
    x->windows.n = kept;
    return AT_OK;
}

/* ---- the dataset ---- */

static int window_tokens(const encoder *x, const at_window *w) {
    return x->n_before + x->n_after + (int)length(x, x->word_at[w->row], w->first, w->end);
}

static at_status allocate(encoder *x, const at_table *t, at_dataset *d, at_error *err) {
    uint64_t tokens = 0, outputs = 0;
    d->row = AT_NEW_ARRAY(&d->arena, uint32_t, d->n);
    d->place_at = AT_NEW_ARRAY(&d->arena, uint64_t, d->n + 1);
    if (!d->row || !d->place_at) return at_fail_memory(err, (size_t)d->n * 12);
    for (int i = 0; i < d->n; i++) {
        const at_window *w = &x->windows.of[i];
        int answers = w->answers_end - w->answers;
        d->row[i] = (uint32_t)w->row;
        d->line[i] = t->line[w->row];
        d->token_at[i + 1] = tokens += (uint64_t)(window_tokens(x, w) ? window_tokens(x, w) : 1);
        d->place_at[i + 1] = outputs += (uint64_t)(answers ? answers : 1);
    }
    d->place = AT_NEW_ARRAY(&d->arena, uint32_t, outputs);
    return d->place ? AT_OK : at_fail_memory(err, outputs * 4);
}

static at_status add_window_tokens(encoder *x, const at_window *w, at_dataset *d, int i, at_error *err) {
    size_t base = x->word_at[w->row], from = x->piece_at[base + (size_t)w->first], n = length(x, base, w->first, w->end),
           at = d->place_at[i];
    x->ids.n = 0;
    AT_TRY(push(x, &x->ids, x->before, (size_t)x->n_before, err));
    AT_TRY(push(x, &x->ids, x->pieces.of + (n ? from : 0), n, err));
    AT_TRY(push(x, &x->ids, x->after, (size_t)x->n_after, err));
    if (!x->ids.n) AT_TRY(push(x, &x->ids, &x->unknown, 1, err));
    AT_TRY(at_dataset_add_tokens(d, x->ids.of, x->types, x->ids.n, err));
    for (int word = w->answers; word < w->answers_end; word++)
        d->place[at++] = (uint32_t)((size_t)x->n_before + x->piece_at[base + (size_t)word] - from);
    return AT_OK;
}

static at_status encode(encoder *x, const at_table *t, const at_sentence *s, int n, int max_tokens, at_dataset **out, at_error *err) {
    size_t words = 0;
    for (int r = 0; r < n; r++) words += (size_t)s[r].n;
    x->piece_at = AT_NEW_ARRAY(&x->memory, size_t, words + 1);
    x->word_at = AT_NEW_ARRAY(&x->memory, size_t, n + 1);
    if (!x->piece_at || !x->word_at) return at_fail_memory(err, words * sizeof *x->piece_at);
    AT_TRY(read_template(x, err));
    if (max_tokens > 0) x->room = max_tokens - x->n_before - x->n_after;
    if (max_tokens > 0 && x->room < 1)
        return at_fail(err, AT_USAGE, "a limit of %d tokens leaves no room for the text; it must be at least %d", max_tokens,
                       x->n_before + x->n_after + 1);
    AT_TRY(push(x, &x->pieces, &x->unknown, 0, err));
    AT_TRY(add_rows(x, t, s, n, err));
    for (int r = 0; r < n; r++) AT_TRY(cut_row(x, r, err));
    at_status st = at_dataset_new(t->path, x->windows.n, out, err);
    if (st) return st;
    (*out)->max_tokens = max_tokens;
    AT_TRY(allocate(x, t, *out, err));
    int longest = 0;
    for (int i = 0; i < (*out)->n; i++)
        if (at_dataset_length(*out, i) > longest) longest = at_dataset_length(*out, i);
    x->types = AT_NEW_ARRAY(&x->memory, uint8_t, longest + 1);
    if (!x->types) return at_fail_memory(err, (size_t)longest);
    for (int i = 0; i < x->windows.n; i++) {
        AT_TRY(add_window_tokens(x, &x->windows.of[i], *out, i, err));
        at_arena_pass(&x->memory, (size_t)i, AT_IDLE_WINDOWS);
        at_arena_pass(&(*out)->arena, (size_t)i, AT_IDLE_WINDOWS);
    }
    return at_dataset_seal(*out, err);
}

at_status at_windows_encode(const at_table *t, const at_sentence *s, int n, const at_arena *words, const at_tokenizer *tokenizer,
                            int max_tokens, at_dataset **dataset, at_error *err) {
    encoder x = {.tokenizer = tokenizer, .words = words, .memory = {.mapped = 1}, .unknown = -1};
    *dataset = NULL;
    at_status st = encode(&x, t, s, n, max_tokens, dataset, err);
    if (st) at_dataset_close(*dataset);
    if (st) *dataset = NULL;
    at_encoding_free(&x.e);
    at_room_free(x.windows.of);
    at_arena_free(&x.memory);
    return st;
}
