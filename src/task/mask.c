/* Masked language: the body learns to find hidden words again, from texts alone, before it learns a task on few labels (Gururangan et al.
 * 2020, "Don't stop pretraining").
 *
 * A dataset holds its texts with the tokens hidden that the seed says, for evaluation; a training step shows them again and draws others
 * (redraw). The classes are the words of the tokenizer: the model answers with the few that score needs (at_tied_answers). */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "task/lint.h"
#include "task/masking.h"
#include "task/tasks.h"
#include "train/dataset_build.h"

static at_masking *masking_of(const at_task_state *s) { return s->data; }

/* ---- columns and settings ---- */

static at_status find_texts(const at_table *t, const at_columns *wanted, at_arena *arena, at_found_columns *found, at_error *err) {
    at_columns texts = {wanted ? wanted->text : NULL, wanted ? wanted->text2 : NULL, NULL};
    return at_columns_find(t, &texts, 0, arena, found, NULL, err);
}

static at_status remember(at_task_state *s, at_error *err) {
    json_decref(s->own);
    s->own = json_pack("{s:I, s:b}", "seed", (json_int_t)s->seed, "whole_word", s->whole_word);
    return s->own ? AT_OK : at_fail_memory(err, 0);
}

static at_status mask_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_found_columns found;
    AT_TRY(find_texts(t, wanted, &s->arena, &found, err));
    if (!t->n_rows) return at_fail(err, AT_BAD_DATA, "%s: no examples", t->path);
    s->columns = (at_columns){at_strdup(&s->arena, t->column[found.text]),
                              found.text2 < 0 ? NULL : at_strdup(&s->arena, t->column[found.text2]), NULL};
    s->why = at_format(&s->arena, "texts from column '%s'%s%s%s", s->columns.text, s->columns.text2 ? " and '" : "",
                       s->columns.text2 ? s->columns.text2 : "", s->columns.text2 ? "'" : "");
    if (!s->data) s->data = AT_NEW(&s->arena, at_masking);
    if (!s->columns.text || !s->why || !s->data) return at_fail_memory(err, sizeof(at_masking));
    s->n_out = AT_MASK_ANSWERS;
    return known ? AT_OK : remember(s, err);
}

/* A training has its own settings already. */
static at_status mask_adopt(at_task_state *s, const at_model *model, at_error *err) {
    (void)model;
    if (s->data) return remember(s, err);
    const json_t *seed = json_object_get(s->own, "seed");
    s->seed = json_is_integer(seed) ? (uint64_t)json_integer_value(seed) : 42;
    s->whole_word = json_is_true(json_object_get(s->own, "whole_word"));
    s->data = AT_NEW(&s->arena, at_masking);
    return s->data ? AT_OK : at_fail_memory(err, sizeof(at_masking));
}

/* ---- examples ---- */

/* The mask tokens that a person wrote, for prediction. */
static int find_masks(const at_masking *m, const int32_t *ids, int len, int32_t *place) {
    int n = 0;
    for (int i = 0; i < len; i++) {
        if (ids[i] != m->mask_id) continue;
        if (place) place[n] = i;
        n++;
    }
    return n;
}

/* An example with nothing to hide has its first token as a place without a label, so that none is without any. */
static int count_places(const at_masking *m, const int32_t *ids, int len, int labelled) {
    int n = labelled ? at_masking_count(m, ids, len) : find_masks(m, ids, len, NULL);
    return n ? n : 1;
}

/* What becomes one example: a text with what stands around it, or a part of one that is too long. */
typedef struct part {
    uint32_t row;
    int before, after;   /* tokens around the text */
    uint64_t from;       /* of the plain data's tokens; `body` of them */
    int body;
} part;

typedef struct masked {
    const at_task_state *s;
    const at_dataset *plain;
    at_dataset *d;
    part *part;          /* [d->n] */
    int n_parts;
    int32_t *ids, *place, *label; /* [longest] of one example */
    uint8_t *types;
    int labelled;
} masked;

static int is_around(const at_masking *m, int32_t id) { return id >= 0 && id < m->vocab && m->kind[id] & AT_TOKEN_AROUND; }

/* Cuts row i into parts of at most `limit` tokens, each with the tokens around it; at NULL counts them. */
static int cut_row(const masked *w, int i, int limit, part *at) {
    const at_masking *m = masking_of(w->s);
    const int32_t *ids = w->plain->ids + w->plain->token_at[i];
    int len = at_dataset_length(w->plain, i), before = 0, after = 0, n = 0;
    while (before < len && is_around(m, ids[before])) before++;
    while (after < len - before && is_around(m, ids[len - 1 - after])) after++;
    int room = limit - before - after, text = len - before - after;
    if (len <= limit || room < 1) room = text ? text : 1;
    for (int k = 0; k < text || !n; k += room, n++)
        if (at)
            at[n] = (part){(uint32_t)i, before, after, w->plain->token_at[i] + (uint64_t)(before + k), text - k < room ? text - k : room};
    return n;
}

/* The tokens of an example before any is hidden; how many. */
static int put_together(const masked *w, const part *p) {
    const at_dataset *from = w->plain;
    uint64_t start = from->token_at[p->row], end = from->token_at[p->row + 1] - (uint64_t)p->after;
    const struct { uint64_t from; int n; } piece[3] = {{start, p->before}, {p->from, p->body}, {end, p->after}};
    int len = 0;
    for (int i = 0; i < 3; len += piece[i++].n) {
        memcpy(w->ids + len, from->ids + piece[i].from, (size_t)piece[i].n * sizeof *w->ids);
        memcpy(w->types + len, from->types + piece[i].from, (size_t)piece[i].n);
    }
    return len;
}

static at_status cut_rows(masked *w, int limit, at_arena *scratch, at_error *err) {
    size_t longest = (size_t)w->plain->longest;
    for (int i = 0; i < w->plain->n; i++) w->n_parts += cut_row(w, i, limit, NULL);
    w->part = AT_NEW_ARRAY(scratch, part, w->n_parts);
    w->ids = AT_NEW_ARRAY(scratch, int32_t, longest);
    w->place = AT_NEW_ARRAY(scratch, int32_t, longest);
    w->label = AT_NEW_ARRAY(scratch, int32_t, longest);
    w->types = AT_NEW_ARRAY(scratch, uint8_t, longest);
    if (!w->part || !w->ids || !w->place || !w->label || !w->types) return at_fail_memory(err, longest * 13);
    for (int i = 0, at = 0; i < w->plain->n; i++) at += cut_row(w, i, limit, w->part + at);
    return at_dataset_new(w->plain->path, w->n_parts, &w->d, err);
}

static at_status count_outputs(masked *w, at_error *err) {
    at_dataset *d = w->d;
    d->row = AT_NEW_ARRAY(&d->arena, uint32_t, d->n);
    d->place_at = AT_NEW_ARRAY(&d->arena, uint64_t, d->n + 1);
    if (!d->row || !d->place_at) return at_fail_memory(err, (size_t)d->n * 12);
    for (int i = 0; i < d->n; i++) {
        d->row[i] = w->part[i].row;
        d->place_at[i + 1] = d->place_at[i] + (uint64_t)count_places(masking_of(w->s), w->ids, put_together(w, &w->part[i]), w->labelled);
    }
    d->place = AT_NEW_ARRAY(&d->arena, uint32_t, d->place_at[d->n]);
    d->label = w->labelled ? AT_NEW_ARRAY(&d->arena, int32_t, d->place_at[d->n]) : NULL;
    return d->place && (d->label || !w->labelled) ? AT_OK : at_fail_memory(err, d->place_at[d->n] * 8);
}

static at_status mask_example(masked *w, int i, at_error *err) {
    at_dataset *d = w->d;
    int len = put_together(w, &w->part[i]), n = at_dataset_n_outputs(d, i);
    size_t at = at_dataset_output_at(d, i);
    w->place[0] = 0;
    w->label[0] = -1;
    if (w->labelled)
        at_masking_draw(masking_of(w->s), at_random_key(w->s->seed, AT_SITE_MASK, (uint64_t)i), w->s->whole_word, w->ids, len, w->place,
                        w->label, n);
    else find_masks(masking_of(w->s), w->ids, len, w->place);
    for (int k = 0; k < n; k++) {
        d->place[at + (size_t)k] = (uint32_t)w->place[k];
        if (d->label) d->label[at + (size_t)k] = w->label[k];
    }
    d->token_at[i + 1] = d->token_at[i] + (uint64_t)len;
    d->line[i] = w->plain->line[w->part[i].row];
    return at_dataset_add_tokens(d, w->ids, w->types, (size_t)len, err);
}

static at_status fill(masked *w, int limit, at_error *err) {
    at_arena scratch = {0};
    at_status st = cut_rows(w, limit, &scratch, err);
    if (!st) st = count_outputs(w, err);
    for (int i = 0; i < w->n_parts && !st; i++) st = mask_example(w, i, err);
    at_arena_free(&scratch);
    if (st) return st;
    w->d->max_tokens = limit;
    w->d->n_cut_examples = w->plain->n_cut_examples;
    w->d->n_cut_tokens = w->plain->n_cut_tokens;
    if (w->labelled) w->d->max_id = masking_of(w->s)->vocab - 1; /* any word may be drawn */
    return at_dataset_seal(w->d, err);
}

static at_status mask_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels,
                             at_pool *pool, at_dataset **dataset, at_error *err) {
    at_found_columns found;
    at_dataset *plain = NULL;
    at_arena scratch = {0};
    at_masking *m = masking_of(s);
    *dataset = NULL;
    if (m->tokenizer != tokenizer) AT_TRY(at_masking_open(m, tokenizer, &((at_task_state *)(uintptr_t)s)->arena, err)); /* once a state */
    at_status st = find_texts(t, &s->columns, &scratch, &found, err);
    if (!st)
        st = at_dataset_encode(t, found.text, found.text2, tokenizer, 0, pool, &plain, err); /* long ones become parts below */
    masked w = {.s = s, .plain = plain, .labelled = need_labels};
    if (!st) st = fill(&w, max_tokens, err);
    at_dataset_close(plain);
    at_arena_free(&scratch);
    if (st) at_dataset_close(w.d);
    else *dataset = w.d;
    return st;
}

/* The arrays of a chunk are the caller's own memory, const for everyone else. */
static void mask_redraw(const at_task_state *s, const at_dataset *d, uint64_t key, at_batch *b) {
    int32_t *ids = (int32_t *)(uintptr_t)b->ids, *place = (int32_t *)(uintptr_t)b->place, *label = (int32_t *)(uintptr_t)b->label;
    uint64_t *row = (uint64_t *)(uintptr_t)b->output_row;
    for (int q = 0, k = 0; q < b->n_seq; q++) {
        int start = b->cu_seqlens[q], len = b->cu_seqlens[q + 1] - start, n = at_dataset_n_outputs(d, b->example[q]), end = k + n;
        if (label[k] < 0) {
            k = end;
            continue;
        }
        for (int i = k; i < end; i++) ids[place[i]] = label[i];
        at_masking_draw(masking_of(s), at_random_row(key, b->seq_id[q]), s->whole_word, ids + start, len, place + k, label + k, n);
        for (; k < end; k++) {
            place[k] += start;
            row[k] = b->row_id[place[k]];
        }
    }
}

/* ---- loss and score ---- */

static at_tensor *mask_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *features, const at_batch *batch,
                            const at_dataset *d, double norm) {
    (void)s, (void)d;
    return at_op_tied_cross_entropy(tape, features, model->body.token, model->head.classifier_bias, batch->label, norm);
}

static double mask_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    (void)s;
    return d->label[output] >= 0;
}

/* Wilson's interval of a share. */
static json_t *interval(double right, double n) {
    const double z = 1.959963984540054;
    double p = right / n, middle = p + z * z / (2 * n), half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
    return json_pack("[f, f]", fmax(0, (middle - half) / scale), fmin(1, (middle + half) / scale));
}

static at_status mask_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    static const char *const SMALLER[] = {"loss", "perplexity", NULL};
    size_t outputs = at_dataset_outputs(d);
    double sum = 0, n = 0, right = 0;
    *score = (at_score){0};
    for (size_t i = 0; i < outputs; i++) {
        const float *answer = logits + i * AT_MASK_ANSWERS;
        if (d->label[i] < 0) continue;
        sum += (double)answer[0];
        right += (int32_t)answer[1] == d->label[i];
        n++;
    }
    if (!(n > 0)) return at_fail(err, AT_BAD_DATA, "%s: there is no word to hide in any of its texts", d->path);
    score->loss = sum / n;
    double perplexity = exp(score->loss);
    score->values = json_pack("{s:f, s:o, s:f, s:o, s:I, s:i}", "loss", score->loss, "perplexity",
                              isfinite(perplexity) ? json_real(perplexity) : json_null(), "masked_accuracy", right / n,
                              "masked_accuracy_interval", interval(right, n), "masked_tokens", (json_int_t)n, "examples", d->n);
    if (!score->values) return at_fail_memory(err, 0);
    return at_score_choose(s, "masked_accuracy", SMALLER, score, err);
}

/* ---- answers ---- */

static json_t *candidates(const at_masking *m, const float *answer) {
    json_t *list = json_array();
    for (int i = 0; i < AT_MASK_BEST; i++) {
        const char *token = at_tokenizer_token(m->tokenizer, (int32_t)answer[1 + i]);
        json_array_append_new(list,
                              json_pack("{s:s, s:f}", "token", token ? token : "", "probability", (double)answer[1 + AT_MASK_BEST + i]));
    }
    return list;
}

/* The token that an output of a dataset stands at. */
static int32_t token_at(const at_dataset *d, size_t output) {
    int low = 0, high = d->n; /* of examples: place_at[low] <= output < place_at[high] */
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (d->place_at[middle] <= output) low = middle;
        else high = middle;
    }
    return d->ids[d->token_at[low] + d->place[output]];
}

static json_t *mask_answer(const at_task_state *s, const at_answered *row) {
    const at_masking *m = masking_of(s);
    json_t *tokens = json_array(), *all = json_array();
    for (size_t i = 0; i < row->n; i++) {
        const float *answer = row->logits + i * AT_MASK_ANSWERS;
        const char *token = at_tokenizer_token(m->tokenizer, (int32_t)answer[1]);
        if (!row->data->label && token_at(row->data, row->output + i) != m->mask_id) continue; /* a text without a mask */
        json_array_append_new(tokens, json_string(token ? token : ""));
        json_array_append_new(all, candidates(m, answer));
    }
    return json_pack("{s:o, s:o}", "tokens", tokens, "candidates", all);
}

static at_status mask_lint(const at_task_state *s, at_lint *lint, at_error *err) {
    (void)s;
    AT_TRY(at_lint_texts(lint, err));
    return at_lint_encoding(lint, err);
}

static const at_head_kind HEADS[] = {AT_HEAD_MASK, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {{"tokens", AT_FIELD_LIST, NULL}, {"candidates", AT_FIELD_LIST, NULL}, {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"masked_accuracy", "loss", "perplexity", NULL};

const at_task at_task_mask = {
    .name = "mask",
    .summary = "hidden words of plain texts: fits a body to a domain before its task",
    .noun = "masked language model",
    .pipeline = "fill-mask",
    .heads = HEADS,
    .plain_texts = 1,
    .in_windows = 1,
    .full_only = 1,
    .fields = FIELDS,
    .unanswered = "without the mask token, which stands where a word is to be found",
    .card_metrics = CARD,
    .bind = mask_bind,
    .adopt = mask_adopt,
    .encode = mask_encode,
    .redraw = mask_redraw,
    .loss = mask_loss,
    .weight = mask_weight,
    .score = mask_score,
    .answer = mask_answer,
    .lint = mask_lint,
};
