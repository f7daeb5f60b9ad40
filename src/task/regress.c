/* Regression: a number for a text or a pair of texts. Squared error on the pooled head.
 *
 * What is trained are targets of mean 0 and deviation 1 (where a head has no bias: divided by their root mean square alone); what is
 * saved answers in the user's unit, mean and deviation being part of the classifier's weight and bias (convert_head), so that every program gets the same numbers. A finished model therefore has 0 and 1. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task/judge.h"
#include "task/lint.h"
#include "task/metric_regress.h"
#include "task/tasks.h"
#include "task/texts.h"

enum { MANY_VALUES = 50, FEW_ROWS = 20 };

typedef struct scale {
    double mean, deviation;
} scale;

static const scale *scale_of(const at_task_state *s) { return s->data; }

static double in_unit(const at_task_state *s, double x) { return scale_of(s)->mean + scale_of(s)->deviation * x; }

/* ---- the numbers of a table ---- */

/* Of a number, by which two answers of a model can be told apart with some digits left. */
static const double CLOSEST = 1e-6;

static at_status measure(at_task_state *s, const at_table *t, int column, at_error *err) {
    double sum = 0, squares = 0, value, n = t->n_rows;
    for (int r = 0; r < t->n_rows; r++) {
        AT_TRY(at_column_number(t, r, column, &value, err));
        sum += value;
    }
    double mean = sum / n;
    for (int r = 0; r < t->n_rows; r++) {
        AT_TRY(at_column_number(t, r, column, &value, err));
        squares += (value - mean) * (value - mean);
    }
    if (!(squares > 0))
        return at_fail(err, AT_BAD_DATA, "%s: every row has the number %g (column '%s'); there is nothing to learn", t->path, mean,
                       t->column[column]);
    if (sqrt(squares / n) < CLOSEST * fabs(mean))
        return at_fail(err, AT_BAD_DATA, "%s: the numbers of column '%s' lie within %.3g of %.9g, closer together than a model's answers (32-bit numbers) can tell "
                       "apart; subtract %.9g from all of them", t->path, t->column[column], sqrt(squares / n), mean, mean);
    if (s->unbiased) squares += n * mean * mean, mean = 0;
    *(scale *)s->data = (scale){mean, sqrt(squares / n)};
    return AT_OK;
}

static at_status regress_adopt(at_task_state *s, const at_model *model, at_error *err) {
    (void)model;
    if (s->data) return AT_OK; /* a training's own scale is that of its data */
    scale *one = AT_NEW(&s->arena, scale);
    if (!one) return at_fail_memory(err, sizeof *one);
    *one = (scale){0, 1};
    s->data = one;
    return AT_OK;
}

static at_status regress_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_found_columns found;
    AT_TRY(at_texts_bind(s, t, wanted, !known, &found, err));
    if (known) return AT_OK;
    s->n_out = 1;
    s->labels = (at_labels){AT_NEW_ARRAY(&s->arena, const char *, 1), 1};
    s->data = AT_NEW(&s->arena, scale);
    if (!s->labels.name || !s->data || !s->columns.label) return at_fail_memory(err, sizeof(scale));
    s->labels.name[0] = s->columns.label;
    return measure(s, t, found.label, err);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Numbers with decimals, or whole numbers of which most are there once: no labels. A few rows without a number (empty, "nan") make no classes of the
 * others: reading them says where they are. */
static int regress_recognise(const at_table *t, const at_columns *wanted, at_arena *arena, const char **why) {
    at_found_columns found;
    int decimals = 0, different = 0, n = 0;
    double *all = AT_NEW_ARRAY(arena, double, t->n_rows);
    if (!all || at_columns_find(t, wanted, 1, arena, &found, why, NULL)) return 0;
    for (int r = 0; r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, found.label);
        if (at_cell_no_number(cell)) continue;
        if (!at_parse_double(cell.text, &all[n])) return 0;
        decimals |= all[n] != floor(all[n]);
        n++;
    }
    if (n * 2 < t->n_rows || !n) return 0;
    qsort(all, (size_t)n, sizeof *all, by_value);
    for (int i = 0; i < n; i++) different += !i || all[i] != all[i - 1];
    if (!decimals && ((different <= MANY_VALUES && n < FEW_ROWS) || different * 2 <= n)) return 0;
    *why = at_format(arena, "column '%s' holds %s", t->column[found.label], decimals ? "numbers with decimals" : "many different numbers");
    return different > 1;
}

/* ---- examples ---- */

static at_status fill_targets(const at_task_state *s, const at_table *t, int column, at_dataset *d, at_error *err) {
    const scale *unit = scale_of(s);
    d->target_width = 1;
    d->target = AT_NEW_ARRAY(&d->arena, float, d->n);
    if (!d->target) return at_fail_memory(err, (size_t)d->n * sizeof *d->target);
    for (int i = 0; i < d->n; i++) {
        double value;
        AT_TRY(at_column_number(t, at_texts_row(d, i), column, &value, err));
        d->target[i] = (float)((value - unit->mean) / unit->deviation);
    }
    return AT_OK;
}

static at_status regress_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels,
                                at_pool *pool, at_dataset **dataset, at_error *err) {
    at_found_columns found;
    AT_TRY(at_texts_encode(s, t, tokenizer, max_tokens, need_labels, pool, &found, dataset, err));
    at_status st = AT_OK;
    if (need_labels && found.label < 0) st = at_fail(err, AT_USAGE, "%s: no column holds the number; name it with --label-column", t->path);
    else if (need_labels) st = fill_targets(s, t, found.label, *dataset, err);
    if (!st) return AT_OK;
    at_dataset_close(*dataset);
    *dataset = NULL;
    return st;
}

/* ---- loss, score, answer ---- */

static at_tensor *regress_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *logits, const at_batch *batch,
                               const at_dataset *d, double norm) {
    (void)s, (void)model;
    at_real *target = at_alloc_raw(tape->objects, (size_t)batch->n_outputs, sizeof *target);
    if (!target) return at_tape_fail(tape, AT_NO_MEMORY, "not enough memory for the targets of a chunk");
    for (int i = 0; i < batch->n_outputs; i++) target[i] = (at_real)d->target[batch->output[i]];
    return at_op_mse(tape, logits, target, norm);
}

static double regress_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    (void)s, (void)d, (void)output;
    return 1;
}

static const char *const SMALLER[] = {"loss", "mse", "rmse", "mae", NULL};

static at_status regress_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    at_arena arena = {0};
    at_regress_metrics m;
    at_pooled rows;
    double *truth = AT_NEW_ARRAY(&arena, double, d->n), *answer = AT_NEW_ARRAY(&arena, double, d->n);
    *score = (at_score){0};
    at_status st = truth && answer ? at_texts_pool(d, logits, 1, &arena, &rows, err) : at_fail_memory(err, (size_t)d->n * 16);
    for (int i = 0; !st && i < rows.n; i++) {
        truth[i] = in_unit(s, (double)d->target[rows.output[i]]);
        answer[i] = in_unit(s, (double)rows.logits[i]);
    }
    if (!st) st = at_metrics_regress(truth, answer, rows.n, &m, err);
    if (!st) {
        score->loss = m.mse / (scale_of(s)->deviation * scale_of(s)->deviation);
        score->values = at_metrics_regress_json(&m);
        if (!score->values) st = at_fail_memory(err, 0);
        else json_object_set_new(score->values, "loss", isfinite(score->loss) ? json_real(score->loss) : json_null());
    }
    if (!st) st = at_score_choose(s, "pearson", SMALLER, score, err);
    at_arena_free(&arena);
    return st;
}

static at_status regress_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers,
                               const char *column, at_score *score, at_error *err) {
    at_arena arena = {0};
    at_regress_metrics m;
    int right_column, answer_column, n = right->n_rows;
    double *truth = AT_NEW_ARRAY(&arena, double, n), *answer = AT_NEW_ARRAY(&arena, double, n);
    *score = (at_score){0};
    at_status st = truth && answer ? AT_OK : at_fail_memory(err, (size_t)n * 16);
    if (!st) st = at_judge_columns(right, wanted, answers, column, NULL, &right_column, &answer_column, err);
    for (int r = 0; r < n && !st; r++) {
        st = at_column_number(right, r, right_column, &truth[r], err);
        if (!st) st = at_column_number(answers, r, answer_column, &answer[r], err);
    }
    if (!st) st = at_metrics_regress(truth, answer, n, &m, err);
    if (!st) {
        score->loss = m.mse;
        score->values = at_metrics_regress_json(&m);
        st = score->values ? at_score_choose(s, "pearson", SMALLER, score, err) : at_fail_memory(err, 0);
    }
    at_arena_free(&arena);
    return st;
}

static void scale_weight(at_model *m, const at_weight *w, double factor) {
    at_real *values = at_weight_values(&m->params, w);
    for (size_t i = 0; i < w->size; i++) values[i] = (at_real)((double)values[i] * factor);
}

static void regress_convert_head(const at_task_state *s, at_model *m, int back) {
    const scale *unit = scale_of(s);
    scale_weight(m, m->head.classifier, back ? 1 / unit->deviation : unit->deviation);
    if (!m->head.classifier_bias) return; /* the mean is 0 then */
    at_real *bias = at_weight_values(&m->params, m->head.classifier_bias);
    bias[0] = (at_real)(back ? ((double)bias[0] - unit->mean) / unit->deviation : (double)bias[0] * unit->deviation + unit->mean);
}

/* What the windows of a row say. */
static double answer_of(const at_task_state *s, const at_answered *row) {
    double sum = 0;
    for (size_t i = 0; i < row->n; i++) sum += (double)row->logits[i];
    return in_unit(s, row->n > 1 ? sum / (double)row->n : sum);
}

static json_t *regress_answer(const at_task_state *s, const at_answered *row) {
    return json_pack("{s:f}", "prediction", answer_of(s, row));
}

static int regress_rank(const at_task_state *s, const float *logits, float *numbers) {
    numbers[0] = (float)in_unit(s, (double)logits[0]);
    return 0;
}

static int regress_mistaken(const at_task_state *s, const at_answered *row, at_arena *arena, at_mistake *mistake) {
    if (!row->data->target) return 0;
    double right = in_unit(s, (double)row->data->target[row->output]), answer = answer_of(s, row);
    *mistake = (at_mistake){fabs(right - answer), at_format(arena, "%.6g", right), at_format(arena, "%.4g", answer)};
    return right != answer;
}

/* ---- data lint ---- */

static at_status regress_lint(const at_task_state *s, at_lint *lint, at_error *err) {
    (void)s;
    AT_TRY(at_lint_texts(lint, err));
    AT_TRY(at_lint_near(lint, err));
    for (int i = 0; i < lint->n_splits; i++) at_lint_numbers(lint, &lint->split[i]);
    return at_lint_encoding(lint, err);
}

static const at_head_kind HEADS[] = {AT_HEAD_POOLER, AT_HEAD_MEAN, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {{"prediction", AT_FIELD_NUMBER, NULL}, {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"pearson", "spearman", "mse", "mae", NULL};

const at_task at_task_regress = {
    .name = "regress",
    .summary = "a number for a text or a pair of texts",
    .noun = "regression model",
    .pipeline = "text-classification",
    .pipeline_arguments = "function_to_apply=\"none\"",
    .problem_type = "regression",
    .steps_share = 2, /* a scale is learnt later than a label */
    .heads = HEADS,
    .fields = FIELDS,
    .card_metrics = CARD,
    .recognise = regress_recognise,
    .bind = regress_bind,
    .adopt = regress_adopt,
    .encode = regress_encode,
    .loss = regress_loss,
    .weight = regress_weight,
    .score = regress_score,
    .judge = regress_judge,
    .convert_head = regress_convert_head,
    .answer = regress_answer,
    .rank = regress_rank,
    .mistakes = "Largest errors",
    .mistaken = regress_mistaken,
    .lint = regress_lint,
};
