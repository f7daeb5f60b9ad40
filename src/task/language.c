/* Language: a decoder goes on learning the next word, from texts alone: fits it to a domain, a style, a language (Gururangan et al. 2020).
 *
 * A text is a sequence of its own: texts lie packed behind each other and do not see each other. The token that ends a text, where the
 * tokenizer has one, stands behind it and is learned too. A text longer than the limit becomes windows that share tokens (--stride, at
 * least one): every token but a text's first is predicted exactly once. The model answers at each place with what score needs
 * (at_vocabulary_answers). */
#include <math.h>
#include <string.h>

#include "task/lint.h"
#include "task/tasks.h"
#include "train/dataset_build.h"

/* ---- columns ---- */

static at_status find_text(const at_table *t, const at_columns *wanted, at_arena *arena, int *column, at_error *err) {
    at_columns texts = {wanted ? wanted->text : NULL, NULL, NULL};
    at_found_columns found;
    if (wanted && wanted->text2) return at_fail(err, AT_USAGE, "--text2-column: the task language reads one text a row");
    AT_TRY(at_columns_find(t, &texts, 0, arena, &found, NULL, err));
    *column = found.text;
    return AT_OK;
}

static at_status language_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    int column;
    (void)known;
    AT_TRY(find_text(t, wanted, &s->arena, &column, err));
    if (!t->n_rows) return at_fail(err, AT_BAD_DATA, "%s: no examples", t->path);
    s->columns = (at_columns){at_strdup(&s->arena, t->column[column]), NULL, NULL};
    s->why = at_format(&s->arena, "texts from column '%s'", t->column[column]);
    s->n_out = AT_VOCABULARY_ANSWERS;
    return s->columns.text && s->why ? AT_OK : at_fail_memory(err, 0);
}

/* ---- examples ---- */

/* What becomes one example: tokens from .. from + n - 1 of a text; of these the first `seen` were predicted before. */
typedef struct window {
    uint32_t row;
    int from, n, seen;
} window;

typedef struct cutting {
    const at_dataset *plain;
    int limit, shared;
    int32_t end;         /* -1: none is put behind a text */
    window *window;      /* [n] */
    int n;
    int32_t *ids;        /* [longest + 1] of one text */
    uint8_t *types;
    at_dataset *d;
} cutting;

/* Tokens of a text, with its end. */
static int text_length(const cutting *c, int row) {
    const at_dataset *p = c->plain;
    int n = at_dataset_length(p, row), ends = n && p->ids[p->token_at[row + 1] - 1] == c->end;
    return n + (c->end >= 0 && !ends);
}

/* Cuts a text; at NULL counts its windows. */
static int cut_text(const cutting *c, int row, window *at) {
    int n = text_length(c, row), windows = 0;
    for (int from = 0;; from += c->limit - c->shared, windows++) {
        int len = n - from < c->limit ? n - from : c->limit;
        if (at) at[windows] = (window){(uint32_t)row, from, len, from ? c->shared : 1};
        if (from + len == n) return windows + 1;
    }
}

static at_status cut_texts(cutting *c, at_arena *scratch, at_error *err) {
    size_t longest = (size_t)c->plain->longest + 1;
    for (int i = 0; i < c->plain->n; i++) c->n += cut_text(c, i, NULL);
    c->window = AT_NEW_ARRAY(scratch, window, c->n);
    c->ids = AT_NEW_ARRAY(scratch, int32_t, longest);
    c->types = AT_NEW_ARRAY(scratch, uint8_t, longest);
    if (!c->window || !c->ids || !c->types) return at_fail_memory(err, (size_t)c->n * sizeof *c->window + longest * 5);
    for (int i = 0, at = 0; i < c->plain->n; i++) at += cut_text(c, i, c->window + at);
    return at_dataset_new(c->plain->path, c->n, &c->d, err);
}

/* A place a token to predict; a text of one token has a place without a label, so that none is without any. */
static int n_places(const window *w) { return w->n > w->seen ? w->n - w->seen : 1; }

static at_status place_outputs(cutting *c, at_error *err) {
    at_dataset *d = c->d;
    d->row = AT_NEW_ARRAY(&d->arena, uint32_t, d->n);
    d->place_at = AT_NEW_ARRAY(&d->arena, uint64_t, d->n + 1);
    if (!d->row || !d->place_at) return at_fail_memory(err, (size_t)d->n * 12);
    for (int i = 0; i < d->n; i++) {
        d->row[i] = c->window[i].row;
        d->line[i] = c->plain->line[d->row[i]];
        d->place_at[i + 1] = d->place_at[i] + (uint64_t)n_places(&c->window[i]);
        d->token_at[i + 1] = d->token_at[i] + (uint64_t)c->window[i].n;
    }
    d->place = AT_NEW_ARRAY(&d->arena, uint32_t, d->place_at[d->n]);
    d->label = AT_NEW_ARRAY(&d->arena, int32_t, d->place_at[d->n]);
    return d->place && d->label ? AT_OK : at_fail_memory(err, d->place_at[d->n] * 8);
}

static at_status put_window(const cutting *c, int i, at_error *err) {
    const window *w = &c->window[i];
    const at_dataset *p = c->plain;
    at_dataset *d = c->d;
    uint64_t begin = p->token_at[w->row];
    int inside = at_dataset_length(p, (int)w->row) - w->from, own = w->n < inside ? w->n : inside;
    memcpy(c->ids, p->ids + begin + (uint64_t)w->from, (size_t)own * sizeof *c->ids);
    memcpy(c->types, p->types + begin + (uint64_t)w->from, (size_t)own);
    if (own < w->n) {
        c->ids[own] = c->end;
        c->types[own] = own ? c->types[own - 1] : 0;
    }
    size_t at = at_dataset_output_at(d, i);
    d->place[at] = 0;
    d->label[at] = -1;
    for (int k = w->seen; k < w->n; k++, at++) {
        d->place[at] = (uint32_t)(k - 1);
        d->label[at] = c->ids[k];
    }
    return at_dataset_add_tokens(d, c->ids, c->types, (size_t)w->n, err);
}

static at_status fill(cutting *c, at_error *err) {
    at_arena scratch = {0};
    at_status st = cut_texts(c, &scratch, err);
    if (!st) st = place_outputs(c, err);
    for (int i = 0; i < c->n && !st; i++) st = put_window(c, i, err);
    at_arena_free(&scratch);
    if (st) return st;
    c->d->max_tokens = c->limit;
    return at_dataset_seal(c->d, err);
}

static at_status language_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels,
                                 at_pool *pool, at_dataset **dataset, at_error *err) {
    at_dataset *plain = NULL;
    at_arena scratch = {0};
    int column, shared = s->stride > 0 ? s->stride : 1;
    (void)need_labels; /* the texts are the labels */
    *dataset = NULL;
    if (max_tokens < 2 || shared >= max_tokens)
        return at_fail(err, AT_USAGE, "windows of %d tokens that share %d do not go on; --stride has to be less than --max-length", max_tokens,
                       shared);
    at_status st = find_text(t, &s->columns, &scratch, &column, err);
    if (!st) st = at_dataset_encode(t, column, -1, tokenizer, 0, pool, &plain, err);
    cutting c = {.plain = plain, .limit = max_tokens, .shared = shared, .end = at_tokenizer_special(tokenizer, "eos")};
    if (!st) st = fill(&c, err);
    at_dataset_close(plain);
    at_arena_free(&scratch);
    if (st) at_dataset_close(c.d);
    else *dataset = c.d;
    return st;
}

/* ---- loss and score ---- */

static at_tensor *language_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *features, const at_batch *batch,
                                const at_dataset *d, double norm) {
    const at_classifier c = at_head_classifier(model);
    (void)s, (void)d;
    return at_op_vocabulary_cross_entropy(tape, features, &c, batch->label, norm);
}

static double language_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    (void)s;
    return d->label[output] >= 0;
}

typedef struct sums {
    double loss, right, n;
} sums;

static sums add_up(const at_dataset *d, const float *logits, size_t first, size_t n) {
    sums all = {0};
    for (size_t i = 0; i < n; i++) {
        const float *answer = logits + i * AT_VOCABULARY_ANSWERS;
        if (d->label[first + i] < 0) continue;
        all.loss += (double)answer[0];
        all.right += (int32_t)answer[1] == d->label[first + i];
        all.n++;
    }
    return all;
}

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static at_status language_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    static const char *const SMALLER[] = {"loss", "perplexity", NULL};
    sums all = add_up(d, logits, 0, at_dataset_outputs(d));
    *score = (at_score){0};
    if (!(all.n > 0)) return at_fail(err, AT_BAD_DATA, "%s: none of its texts has a second token that could be predicted", d->path);
    score->loss = all.loss / all.n;
    score->values = json_pack("{s:f, s:o, s:f, s:I, s:i}", "loss", score->loss, "perplexity", number(exp(score->loss)), "token_accuracy",
                              all.right / all.n, "tokens", (json_int_t)all.n, "examples", d->n);
    return score->values ? at_score_choose(s, "loss", SMALLER, score, err) : at_fail_memory(err, 0);
}

static json_t *language_answer(const at_task_state *s, const at_answered *row) {
    sums all = add_up(row->data, row->logits, row->output, row->n);
    double loss = all.n > 0 ? all.loss / all.n : 0;
    (void)s;
    return json_pack("{s:o, s:o, s:I}", "loss", number(loss), "perplexity", number(exp(loss)), "tokens", (json_int_t)all.n);
}

static at_status language_lint(const at_task_state *s, at_lint *lint, at_error *err) {
    (void)s;
    AT_TRY(at_lint_texts(lint, err));
    return at_lint_encoding(lint, err);
}

static const at_head_kind HEADS[] = {AT_HEAD_LM, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {
    {"loss", AT_FIELD_NUMBER, NULL}, {"perplexity", AT_FIELD_NUMBER, NULL}, {"tokens", AT_FIELD_NUMBER, NULL}, {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"loss", "perplexity", "token_accuracy", NULL};

const at_task at_task_language = {
    .name = "language",
    .summary = "the next word of plain texts: a decoder goes on learning from a domain's texts",
    .noun = "language model",
    .pipeline = "text-generation",
    .heads = HEADS,
    .plain_texts = 1,
    .in_windows = 1,
    .full_only = 1,
    .fields = FIELDS,
    .card_metrics = CARD,
    .bind = language_bind,
    .encode = language_encode,
    .loss = language_loss,
    .weight = language_weight,
    .score = language_score,
    .answer = language_answer,
    .lint = language_lint,
};
