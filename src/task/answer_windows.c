/* Question and context to a dataset: [CLS] question [SEP] context [SEP], the context in overlapping windows, an output at every token. */
#include <stdlib.h>
#include <string.h>

#include "base/room.h"
#include "task/answer.h"
#include "task/window_list.h"
#include "train/dataset_build.h"

enum { MOST_SPECIAL = 16, USUAL_STRIDE = 128 };

/* Tokens of texts, one text's after the other's. */
typedef struct pieces {
    int32_t *id, *start, *end;
    size_t n, cap;
} pieces;

typedef struct run {
    size_t at;
    int n;
} run;

typedef struct encoder {
    const at_table *table;
    const at_answer_columns *columns;
    const at_tokenizer *tokenizer;
    at_arena memory;          /* mapped: a long document takes little private memory */
    at_encoding e;
    pieces pieces;
    run *question, *context;  /* [rows] */
    int32_t special[3][MOST_SPECIAL]; /* before, between, behind */
    uint8_t special_type[3][MOST_SPECIAL], type[2];
    int n_special[3];
    int max_tokens, stride, n_cut;
    uint64_t n_cut_tokens;
    at_window_list windows;   /* of tokens of the context */
    int32_t *ids;             /* of one window */
    uint8_t *types;
} encoder;

/* ---- texts ---- */

static at_status reserve(encoder *x, size_t n, at_error *err) {
    pieces *p = &x->pieces;
    if (p->n + n <= p->cap) return AT_OK;
    size_t cap = 2 * (p->n + n) + 4096;
    int32_t **const all[] = {&p->id, &p->start, &p->end};
    for (int i = 0; i < 3; i++) {
        int32_t *more = at_alloc_raw(&x->memory, cap, sizeof *more);
        if (!more) return at_fail_memory(err, cap * sizeof *more);
        at_arena_copy(&x->memory, more, *all[i], p->n * sizeof *more);
        *all[i] = more;
    }
    p->cap = cap;
    return AT_OK;
}

static at_status add_text(encoder *x, int row, at_cell text, int most, run *r, at_error *err) {
    static const at_encode_options BARE = {.no_special = 1};
    if (at_encode(x->tokenizer, text.text ? text.text : "", text.len, NULL, 0, &BARE, &x->e, err))
        return at_fail_prefix(err, "%s:%u", x->table->path, (unsigned)x->table->line[row]);
    int n = most && x->e.n > most ? most : x->e.n;
    AT_TRY(reserve(x, (size_t)n, err));
    *r = (run){x->pieces.n, n};
    if (n) {
        at_arena_copy(&x->memory, x->pieces.id + r->at, x->e.ids, (size_t)n * sizeof(int32_t));
        at_arena_copy(&x->memory, x->pieces.start + r->at, x->e.start, (size_t)n * sizeof(int32_t));
        at_arena_copy(&x->memory, x->pieces.end + r->at, x->e.end, (size_t)n * sizeof(int32_t));
    }
    x->pieces.n += (size_t)n;
    x->n_cut += n < x->e.n;
    x->n_cut_tokens += (uint64_t)(x->e.n - n);
    return AT_OK;
}

static int same_text(at_cell a, at_cell b) { return a.len == b.len && (a.text == b.text || !memcmp(a.text, b.text, a.len)); }

/* Questions to one text usually follow each other: it is tokenised once. */
static at_status add_row(encoder *x, int row, at_error *err) {
    const at_table *t = x->table;
    int specials = x->n_special[0] + x->n_special[1] + x->n_special[2], most = x->max_tokens ? (x->max_tokens - specials) / 2 : 0;
    at_cell context = at_table_cell(t, row, x->columns->context);
    AT_TRY(add_text(x, row, at_table_cell(t, row, x->columns->question), most, &x->question[row], err));
    if (row && context.len && same_text(context, at_table_cell(t, row - 1, x->columns->context))) {
        x->context[row] = x->context[row - 1];
        return AT_OK;
    }
    return add_text(x, row, context, 0, &x->context[row], err);
}

/* ---- the template ---- */

/* What the tokenizer puts around a pair of texts: "a" and "a". */
static at_status read_template(encoder *x, at_error *err) {
    static const at_encode_options WHOLE = {0}, BARE = {.no_special = 1};
    AT_TRY(at_encode(x->tokenizer, "a", 1, NULL, 0, &BARE, &x->e, err));
    int n = x->e.n, seen = 0;
    AT_TRY(at_encode(x->tokenizer, "a", 1, "a", 1, &WHOLE, &x->e, err));
    for (int i = 0; i < x->e.n; i++) {
        int part = seen < n ? 0 : seen < 2 * n ? 1 : 2;
        if (!x->e.special[i]) x->type[seen++ >= n] = x->e.types[i];
        else if (x->n_special[part] < MOST_SPECIAL) {
            x->special[part][x->n_special[part]] = x->e.ids[i];
            x->special_type[part][x->n_special[part]++] = x->e.types[i];
        }
    }
    int least = x->n_special[0] + x->n_special[1] + x->n_special[2] + 4;
    if (x->max_tokens && x->max_tokens < least)
        return at_fail(err, AT_USAGE, "a limit of %d tokens leaves no room for question and text; it must be at least %d", x->max_tokens,
                       least);
    return AT_OK;
}

/* ---- windows ---- */

static int window_tokens(const encoder *x, const at_window *w) {
    return x->n_special[0] + x->question[w->row].n + x->n_special[1] + w->end - w->first + x->n_special[2];
}

static at_status cut_row(encoder *x, int row, at_error *err) {
    int n = x->context[row].n, first = 0, room = n;
    if (x->max_tokens) room = x->max_tokens - window_tokens(x, &(at_window){.row = row});
    int overlap = x->stride < room / 2 ? x->stride : room / 2;
    for (;;) {
        int end = n - first > room ? first + room : n;
        AT_TRY(at_window_list_add(&x->windows, (at_window){.row = row, .first = first, .end = end}, err));
        if (end >= n) return AT_OK;
        first = end - overlap;
    }
}

/* Tokens between one and the nearer edge of its window; an edge of the text is no edge. */
static int context_of(const at_window *w, int n, int token) {
    int left = w->first ? token - w->first : INT32_MAX, right = w->end < n ? w->end - 1 - token : INT32_MAX;
    return left < right ? left : right;
}

/* Whether no other window of the row has more context for the token; the first of equals has it. */
static int is_best(const encoder *x, int i, int token) {
    const at_window *w = &x->windows.of[i];
    int n = x->context[w->row].n, mine = context_of(w, n, token);
    for (int k = i - 1; k >= 0 && x->windows.of[k].row == w->row && x->windows.of[k].end > token; k--)
        if (context_of(&x->windows.of[k], n, token) >= mine) return 0;
    for (int k = i + 1; k < x->windows.n && x->windows.of[k].row == w->row && x->windows.of[k].first <= token; k++)
        if (context_of(&x->windows.of[k], n, token) > mine) return 0;
    return 1;
}

/* ---- the dataset ---- */

static at_status allocate(encoder *x, at_dataset *d, int labelled, at_error *err) {
    uint64_t tokens = 0;
    int longest = 0;
    d->row = AT_NEW_ARRAY(&d->arena, uint32_t, d->n);
    if (!d->row) return at_fail_memory(err, (size_t)d->n * 4);
    for (int i = 0; i < d->n; i++) {
        int n = window_tokens(x, &x->windows.of[i]);
        if (n > longest) longest = n;
        d->row[i] = (uint32_t)x->windows.of[i].row;
        d->line[i] = x->table->line[x->windows.of[i].row];
        d->token_at[i + 1] = tokens += (uint64_t)(n ? n : 1);
    }
    d->place_at = d->token_at; /* an output a token */
    d->place = at_alloc_raw(&d->arena, tokens, sizeof *d->place);
    d->span = at_alloc_raw(&d->arena, 2 * tokens, sizeof *d->span);
    d->label = labelled ? AT_NEW_ARRAY(&d->arena, int32_t, tokens) : NULL;
    x->ids = malloc(((size_t)longest + 1) * sizeof *x->ids);
    x->types = malloc((size_t)longest + 1);
    return d->place && d->span && (d->label || !labelled) && x->ids && x->types ? AT_OK : at_fail_memory(err, tokens * 16);
}

static int put_special(encoder *x, int part, int at) {
    for (int k = 0; k < x->n_special[part]; k++, at++) {
        x->ids[at] = x->special[part][k];
        x->types[at] = x->special_type[part][k];
    }
    return at;
}

static int put_text(encoder *x, const run *r, int first, int end, int type, int at) {
    if (end > first) memcpy(x->ids + at, x->pieces.id + r->at + first, (size_t)(end - first) * sizeof *x->ids);
    memset(x->types + at, type, (size_t)(end - first));
    return at + end - first;
}

static at_status add_tokens(encoder *x, at_dataset *d, int i, at_error *err) {
    const at_window *w = &x->windows.of[i];
    const run *context = &x->context[w->row];
    size_t base = d->token_at[i];
    int at = put_text(x, &x->question[w->row], 0, x->question[w->row].n, x->type[0], put_special(x, 0, 0));
    int from = put_special(x, 1, at), n = put_special(x, 2, put_text(x, context, w->first, w->end, x->type[1], from));
    if (!n) x->ids[n] = 0, x->types[n++] = 0; /* a tokenizer without special tokens, and nothing to read */
    for (int k = 0; k < n; k++) {
        int token = k - from + w->first, inside = k >= from && token < w->end;
        int32_t start = inside ? x->pieces.start[context->at + (size_t)token] : -1;
        d->place[base + (size_t)k] = (uint32_t)k;
        d->span[2 * (base + (size_t)k)] = inside && !is_best(x, i, token) ? -2 - start : start;
        d->span[2 * (base + (size_t)k) + 1] = inside ? x->pieces.end[context->at + (size_t)token] : -1;
    }
    return at_dataset_add_tokens(d, x->ids, x->types, (size_t)n, err);
}

/* Where begin and end of the answer stand in a window, as run_qa has it: the tokens around its characters, or the first token where the
 * answer is not whole in this window. */
static void put_label(const encoder *x, at_dataset *d, int i, const at_gold *gold, int characters) {
    const at_window *w = &x->windows.of[i];
    const int32_t *start = x->pieces.start + x->context[w->row].at, *end = x->pieces.end + x->context[w->row].at;
    int from = x->n_special[0] + x->question[w->row].n + x->n_special[1] - w->first, first = w->first, last = w->end - 1;
    int32_t *label = d->label + d->token_at[i];
    label[0] = AT_SPAN_FIRST;
    if (gold && last >= first && start[first] <= gold->start && end[last] >= gold->start + characters) {
        while (first < last && start[first + 1] <= gold->start) first++;
        while (last > first && end[last - 1] >= gold->start + characters) last--;
        label[from + first] |= AT_SPAN_BEGIN;
        label[from + last] |= AT_SPAN_END;
    } else label[0] |= AT_SPAN_BEGIN | AT_SPAN_END;
}

static int count_characters(const at_gold *gold) {
    int n = 0;
    for (size_t i = 0; i < gold->len; i++) n += ((unsigned char)gold->text[i] & 0xC0) != 0x80;
    return n;
}

static at_status put_labels(const encoder *x, at_dataset *d, at_error *err) {
    at_arena scratch = {0};
    at_status st = AT_OK;
    for (at_row_outputs r = {0}; !st && at_dataset_next_row(d, &r);) {
        at_mark mark = at_arena_mark(&scratch);
        at_gold *gold;
        int n;
        st = at_answer_gold(x->table, (int)r.row, x->columns, &scratch, &gold, &n, err);
        if (!st && n) st = at_answer_place(x->table, (int)r.row, x->columns, gold, err); /* the first one is learned */
        for (int k = 0; !st && k < r.n_examples; k++) put_label(x, d, r.example + k, n ? gold : NULL, n ? count_characters(gold) : 0);
        at_arena_rewind(&scratch, mark);
    }
    at_arena_free(&scratch);
    return st;
}

static at_status encode(encoder *x, int labelled, at_dataset **out, at_error *err) {
    const at_table *t = x->table;
    x->question = calloc((size_t)t->n_rows + 1, sizeof *x->question);
    x->context = calloc((size_t)t->n_rows + 1, sizeof *x->context);
    if (!x->question || !x->context) return at_fail_memory(err, (size_t)t->n_rows * sizeof(run));
    AT_TRY(read_template(x, err));
    if (!x->stride) x->stride = x->max_tokens && x->max_tokens / 3 < USUAL_STRIDE ? x->max_tokens / 3 : USUAL_STRIDE;
    AT_TRY(reserve(x, 1, err));
    for (int r = 0; r < t->n_rows; r++) AT_TRY(add_row(x, r, err));
    at_encoding_free(&x->e); /* as large as the longest text */
    for (int r = 0; r < t->n_rows; r++) AT_TRY(cut_row(x, r, err));
    AT_TRY(at_dataset_new(t->path, x->windows.n, out, err));
    at_dataset *d = *out;
    d->table = t;
    d->max_tokens = x->max_tokens;
    d->n_cut_examples = x->n_cut;
    d->n_cut_tokens = x->n_cut_tokens;
    AT_TRY(allocate(x, d, labelled, err));
    for (int i = 0; i < d->n; i++) {
        AT_TRY(add_tokens(x, d, i, err));
        at_arena_pass(&x->memory, (size_t)i, AT_IDLE_WINDOWS);
        at_arena_pass(&d->arena, (size_t)i, AT_IDLE_WINDOWS);
    }
    if (labelled) AT_TRY(put_labels(x, d, err));
    return at_dataset_seal(d, err);
}

at_status at_answer_encode(const at_task_state *s, const at_table *t, const at_answer_columns *c, const at_tokenizer *tokenizer,
                           int max_tokens, int labelled, at_dataset **dataset, at_error *err) {
    encoder x = {.table = t, .columns = c, .tokenizer = tokenizer, .memory = {.mapped = 1}, .max_tokens = max_tokens,
                 .stride = s->stride};
    *dataset = NULL;
    at_status st = encode(&x, labelled, dataset, err);
    if (st) at_dataset_close(*dataset);
    if (st) *dataset = NULL;
    at_encoding_free(&x.e);
    at_arena_free(&x.memory);
    free(x.question);
    free(x.context);
    at_room_free(x.windows.of);
    free(x.ids);
    free(x.types);
    return st;
}
