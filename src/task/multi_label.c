/* Several labels at once: any number of them for a text or a pair of texts. Binary cross-entropy of each label on the pooled head.
 *
 * The labels of a row stand in several columns of 0 and 1, in a list (JSONL), or in one cell with something between them. A label is
 * answered from its threshold on: 0.5, or what was best on data that was not trained on (tune), kept in config.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task/label_parts.h"
#include "task/labels.h"
#include "task/metric_multi.h"
#include "task/multi_label.h"
#include "task/tasks.h"
#include "task/texts.h"

enum { FEWEST_POSITIVES = 5 };

/* ---- binding ---- */

static at_status collect(at_task_state *s, const at_table *t, int column, at_error *err) {
    at_parts row = {.arena = &s->arena, .names = &s->label_names}, all = {.arena = &s->arena};
    for (int r = 0; r < t->n_rows; r++) {
        AT_TRY(at_parts_read(&row, t, r, column, at_multi_of(s)->separator, err));
        for (int i = 0; i < row.n; i++) at_parts_add(&all, row.name[i], strlen(row.name[i]));
    }
    if (all.failed) return at_fail_memory(err, 0);
    at_labels there;
    AT_TRY(at_labels_collect(all.name, (size_t)all.n, &s->arena, &there, err));
    if (!s->label_names.n || !there.n) {
        s->labels = there;
        return AT_OK;
    }
    s->labels = s->label_names; /* all of them, in their order */
    return at_labels_append(&s->labels, there.name, there.n, &s->arena, err);
}

static at_status set_thresholds(at_task_state *s, at_error *err) {
    at_multi *m = at_multi_of(s);
    const json_t *saved = json_object_get(s->own, "thresholds");
    m->threshold = AT_NEW_ARRAY(&s->arena, double, s->labels.n);
    if (!m->threshold) return at_fail_memory(err, (size_t)s->labels.n * sizeof(double));
    for (int i = 0; i < s->labels.n; i++) {
        const json_t *value = json_object_get(saved, s->labels.name[i]);
        double threshold = json_is_number(value) ? json_number_value(value) : 0.5;
        m->threshold[i] = threshold >= 0 && threshold <= 1 ? threshold : 0.5;
    }
    return AT_OK;
}

static at_status multi_adopt(at_task_state *s, const at_model *model, at_error *err) {
    (void)model;
    if (!s->data && !(s->data = AT_NEW(&s->arena, at_multi))) return at_fail_memory(err, sizeof(at_multi));
    return set_thresholds(s, err);
}

at_status at_multi_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_found_columns texts;
    at_columns only_texts = at_multi_texts_only(wanted);
    if (!s->data && !(s->data = AT_NEW(&s->arena, at_multi))) return at_fail_memory(err, sizeof(at_multi));
    AT_TRY(at_texts_bind(s, t, &only_texts, 0, &texts, err));
    AT_TRY(at_multi_choose_form(s, t, wanted, &texts, known, err));
    if (known) return AT_OK;
    if (at_multi_of(s)->by_columns && s->label_names.n)
        return at_fail(err, AT_USAGE, "--label-names: the labels are columns of 0 and 1, whose names they have");
    if (!at_multi_of(s)->by_columns) AT_TRY(collect(s, t, at_table_column(t, s->columns.label), err));
    if (!s->labels.n) return at_fail(err, AT_BAD_DATA, "%s: no row has a label (column '%s')", t->path, s->columns.label);
    s->n_out = s->labels.n;
    return set_thresholds(s, err);
}

/* ---- examples ---- */

static at_status multi_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels,
                              at_pool *pool, at_dataset **dataset, at_error *err) {
    at_found_columns found;
    at_task_state form = *s;
    form.arena = (at_arena){0};
    *dataset = NULL;
    at_status st = need_labels ? at_multi_form_of(s, t, &form, err) : AT_OK;
    if (!st) st = at_texts_encode(&form, t, tokenizer, max_tokens, need_labels, pool, &found, dataset, err);
    if (!st && need_labels) st = at_multi_fill(&form, t, *dataset, err);
    at_arena_free(&form.arena);
    if (!st) return AT_OK;
    at_dataset_close(*dataset);
    *dataset = NULL;
    return st;
}

/* ---- loss, score, thresholds ---- */

static at_tensor *multi_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *logits, const at_batch *batch,
                             const at_dataset *d, double norm) {
    (void)model;
    size_t k = (size_t)s->labels.n;
    at_real *target = at_alloc_raw(tape->objects, (size_t)batch->n_outputs * k, sizeof *target);
    if (!target) return at_tape_fail(tape, AT_NO_MEMORY, "not enough memory for the targets of a chunk");
    for (size_t i = 0; i < (size_t)batch->n_outputs; i++)
        for (size_t c = 0; c < k; c++) target[i * k + c] = (at_real)d->target[(size_t)batch->output[i] * k + c];
    return at_op_binary_cross_entropy(tape, logits, target, s->class_weight, norm);
}

/* PyTorch's mean over rows and labels. */
static double multi_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    (void)d, (void)output;
    return s->labels.n;
}

/* PyTorch's pos_weight: rows without a label by rows with it. */
static at_status multi_balance(const at_task_state *s, const at_dataset *d, at_real *weight, at_error *err) {
    (void)err;
    size_t k = (size_t)s->labels.n, n = at_dataset_outputs(d);
    for (size_t c = 0; c < k; c++) {
        double with = 0;
        for (size_t i = 0; i < n; i++) with += d->target[i * k + c] > 0.5f;
        weight[c] = (at_real)(with > 0 && with < (double)n ? ((double)n - with) / with : 1);
    }
    return AT_OK;
}

/* Rows: what their windows say, and what is right [rows.n, labels.n]. */
static at_status pool_rows(const at_task_state *s, const at_dataset *d, const float *logits, at_arena *arena, at_pooled *rows,
                           const float **truth, at_error *err) {
    size_t k = (size_t)s->labels.n;
    *truth = d->target;
    AT_TRY(at_texts_pool(d, logits, k, arena, rows, err));
    if (!d->row) return AT_OK;
    float *own = AT_NEW_ARRAY(arena, float, (size_t)rows->n * k);
    if (!own) return at_fail_memory(err, (size_t)rows->n * k * sizeof *own);
    for (size_t i = 0; i < (size_t)rows->n; i++) memcpy(own + i * k, d->target + rows->output[i] * k, k * sizeof *own);
    *truth = own;
    return AT_OK;
}

static at_status multi_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    static const char *const SMALLER[] = {"loss", "hamming_loss", NULL};
    at_arena arena = {0};
    at_multi_metrics m;
    at_pooled rows;
    const float *truth;
    *score = (at_score){0};
    at_status st = pool_rows(s, d, logits, &arena, &rows, &truth, err);
    if (!st) st = at_metrics_multi(rows.logits, truth, at_multi_of(s)->threshold, rows.n, s->labels.n, &arena, &m, err);
    if (!st) {
        score->values = at_metrics_multi_json(&m, s->labels.name);
        score->loss = m.loss;
        st = score->values ? at_score_choose(s, "f1_micro", SMALLER, score, err) : at_fail_memory(err, 0);
    }
    at_arena_free(&arena);
    return st;
}

static at_status multi_tune(at_task_state *s, const at_dataset *d, const float *logits, at_error *err) {
    at_multi *m = at_multi_of(s);
    json_t *saved = json_object();
    at_arena arena = {0};
    at_pooled rows;
    const float *truth;
    at_status st = saved ? pool_rows(s, d, logits, &arena, &rows, &truth, err) : at_fail_memory(err, 0);
    for (int c = 0; c < s->labels.n && !st; c++) {
        st = at_threshold_best(rows.logits + c, truth + c, rows.n, s->labels.n, FEWEST_POSITIVES, &m->threshold[c], err);
        if (!st) json_object_set_new(saved, s->labels.name[c], json_real(m->threshold[c]));
    }
    if (!s->own) s->own = json_object();
    if (!st && s->own) json_object_set(s->own, "thresholds", saved);
    json_decref(saved);
    at_arena_free(&arena);
    return st;
}

/* ---- answers ---- */

static json_t *multi_answer(const at_task_state *s, const at_answered *row) {
    at_arena arena = {0};
    json_t *labels = json_array(), *probabilities = json_object();
    const float *logits = at_texts_mean(row->logits, row->n, (size_t)s->labels.n, &arena);
    for (int c = 0; logits && c < s->labels.n; c++) {
        double p = at_sigmoid((double)logits[c]);
        json_object_set_new(probabilities, s->labels.name[c], json_real(p));
        if (p >= at_multi_of(s)->threshold[c]) json_array_append_new(labels, json_string(s->labels.name[c]));
    }
    int failed = !logits;
    at_arena_free(&arena);
    json_t *answer = json_pack("{s:o, s:o}", "labels", labels, "probabilities", probabilities);
    if (!failed) return answer;
    json_decref(answer);
    return NULL;
}

static int multi_rank(const at_task_state *s, const float *logits, float *numbers) {
    int best = 0;
    for (int c = 0; c < s->labels.n; c++) {
        numbers[c] = (float)at_sigmoid((double)logits[c]);
        if (numbers[c] > numbers[best]) best = c;
    }
    return best;
}

static int multi_mistaken(const at_task_state *s, const at_answered *row, at_arena *arena, at_mistake *mistake) {
    at_str right = {.arena = arena}, answer = {.arena = arena};
    int wrong = 0;
    double surest = 0;
    if (!row->data->target) return 0;
    const float *logits = at_texts_mean(row->logits, row->n, (size_t)s->labels.n, arena);
    *mistake = (at_mistake){0};
    if (!logits) return 1; /* no memory: nothing in words */
    for (int c = 0; c < s->labels.n; c++) {
        double p = at_sigmoid((double)logits[c]);
        int truth = row->data->target[row->output * (size_t)s->labels.n + (size_t)c] > 0.5f, yes = p >= at_multi_of(s)->threshold[c];
        if (truth) at_str_addf(&right, "%s%s", right.len ? "+" : "", s->labels.name[c]);
        if (yes) at_str_addf(&answer, "%s%s", answer.len ? "+" : "", s->labels.name[c]);
        if (truth != yes && fabs(p - truth) > surest) surest = fabs(p - truth);
        wrong |= truth != yes;
    }
    if (!wrong) return 0;
    *mistake = (at_mistake){surest, right.failed ? NULL : right.text ? right.text : at_strdup(arena, "none"),
                            answer.failed ? NULL : answer.text ? answer.text : at_strdup(arena, "none")};
    return 1;
}

static const at_head_kind HEADS[] = {AT_HEAD_POOLER, AT_HEAD_MEAN, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {
    {"labels", AT_FIELD_LIST, NULL}, {"probabilities", AT_FIELD_LABELS, "probability_"}, {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"f1_micro", "f1_macro", "subset_accuracy", "ranking_precision", NULL};

const at_task at_task_multi_label = {
    .name = "multi-label",
    .summary = "any number of labels for a text or a pair of texts",
    .noun = "multi-label classifier",
    .pipeline = "text-classification",
    .pipeline_arguments = "top_k=None",
    .labels_note = "Any number of these can be answered, also none. attune answers a label from its own threshold on (config.json: "
                   "attune); transformers gives "
                   "probabilities.",
    .problem_type = "multi_label_classification",
    .heads = HEADS,
    .names_labels = 1,
    .label_forms = 1,
    .fields = FIELDS,
    .card_metrics = CARD,
    .recognise = at_multi_recognise,
    .bind = at_multi_bind,
    .adopt = multi_adopt,
    .encode = multi_encode,
    .loss = multi_loss,
    .weight = multi_weight,
    .balance = multi_balance,
    .score = multi_score,
    .judge = at_multi_judge,
    .tune = multi_tune,
    .answer = multi_answer,
    .rank = multi_rank,
    .mistaken = multi_mistaken,
    .lint = at_multi_lint,
};
