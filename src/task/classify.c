/* Classification: one label of several for a text or a pair of texts. Softmax cross-entropy on the pooled head. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task/judge.h"
#include "task/labels.h"
#include "task/metric_classify.h"
#include "task/tasks.h"
#include "task/texts.h"

enum { MAX_LABELS = 100000 };

/* ---- the labels of a table ---- */

static at_status label_is_there(const at_table *t, int row, int column, at_error *err) {
    if (at_table_cell(t, row, column).len) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "%s:%u: the label (column '%s') is empty; fill it in or remove the row", t->path,
                   t->line[row], t->column[column]);
}

/* Sorting pointers to all cells keeps this simple; a million rows take a second. */
static at_status collect_labels(at_task_state *s, const at_table *t, int column, at_error *err) {
    at_labels there, names = s->label_names;
    const char **all = malloc((size_t)(t->n_rows ? t->n_rows : 1) * sizeof *all);
    if (!all) return at_fail_memory(err, (size_t)t->n_rows * sizeof *all);
    at_status st = AT_OK;
    for (int r = 0; r < t->n_rows && !st; r++) {
        st = label_is_there(t, r, column, err);
        if (!st) st = at_label_name(&names, t->path, t->line[r], at_table_cell(t, r, column).text, &all[r], err);
    }
    if (!st) st = at_labels_collect(all, (size_t)t->n_rows, &s->arena, &there, err);
    free(all);
    if (st) return st;
    s->labels = there;
    if (!names.n || there.n < 2) return AT_OK;
    s->labels = names; /* all of them, in their order */
    return at_labels_append(&s->labels, there.name, there.n, &s->arena, err);
}

static at_status check_labels(const at_table *t, int column, const at_labels *labels, at_error *err) {
    const char *name = t->column[column];
    if (labels->n == 1)
        return at_fail(err, AT_BAD_DATA, "%s: every row has the label '%s' (column '%s'); a classifier needs at least two",
                       t->path, labels->name[0], name);
    if (t->n_rows <= labels->n)
        return at_fail(err, AT_BAD_DATA, "%s: %d examples for %d different labels (column '%s'); at least two of each are needed%s",
                       t->path, t->n_rows, labels->n, name, at_labels_are_numbers(labels) ? ". Numbers that are amounts are learned by --task regress" : "");
    if (labels->n > MAX_LABELS || (labels->n > 50 && labels->n * 2 > t->n_rows))
        return at_fail(err, AT_BAD_DATA, "%s: column '%s' has %d different values in %d rows: it does not look like a label. "
                       "Name the right one with --label-column", t->path, name, labels->n, t->n_rows);
    return AT_OK;
}

static at_status classify_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_found_columns found;
    AT_TRY(at_texts_bind(s, t, wanted, !known, &found, err));
    if (known) return AT_OK;
    AT_TRY(collect_labels(s, t, found.label, err));
    s->n_out = s->labels.n;
    return check_labels(t, found.label, &s->labels, err);
}

/* ---- examples ---- */

static at_status fill_labels(const at_task_state *s, const at_table *t, int column, at_dataset *d, at_error *err) {
    at_label_index *index = at_label_index_make(&s->labels, &d->arena);
    d->label = AT_NEW_ARRAY(&d->arena, int32_t, d->n);
    if (!d->label || !index) return at_fail_memory(err, (size_t)d->n * sizeof *d->label);
    for (int i = 0; i < d->n; i++) {
        int r = at_texts_row(d, i);
        AT_TRY(label_is_there(t, r, column, err));
        const char *name;
        AT_TRY(at_label_name(&s->label_names, t->path, t->line[r], at_table_cell(t, r, column).text, &name, err));
        d->label[i] = at_label_index_find(index, name);
        if (d->label[i] < 0) return at_label_unknown(&s->labels, t->path, t->line[r], name, err);
    }
    return AT_OK;
}

static at_status classify_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens,
                                 int need_labels, at_pool *pool, at_dataset **dataset, at_error *err) {
    at_found_columns found;
    AT_TRY(at_texts_encode(s, t, tokenizer, max_tokens, need_labels, pool, &found, dataset, err));
    at_status st = AT_OK;
    if (need_labels && found.label < 0) st = at_fail(err, AT_USAGE, "%s: no column holds the label; name it with --label-column", t->path);
    else if (need_labels) st = fill_labels(s, t, found.label, *dataset, err);
    if (!st) return AT_OK;
    at_dataset_close(*dataset);
    *dataset = NULL;
    return st;
}

/* ---- loss, score, answer ---- */

static at_tensor *classify_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *logits, const at_batch *batch,
                                const at_dataset *d, double norm) {
    (void)model;
    int32_t *target = at_alloc_raw(tape->objects, (size_t)batch->n_outputs, sizeof *target); /* real memory, in a dry run too */
    if (!target) return at_tape_fail(tape, AT_NO_MEMORY, "not enough memory for the targets of a chunk");
    for (int i = 0; i < batch->n_outputs; i++) target[i] = d->label[batch->output[i]];
    return at_op_cross_entropy(tape, logits, target, s->class_weight, s->label_smoothing, norm);
}

/* PyTorch's weighted mean: the sum of the weights of the targets. */
static double classify_weight(const at_task_state *s, const at_dataset *d, size_t output) {
    int32_t label = d->label[output];
    return label < 0 ? 0 : s->class_weight ? (double)s->class_weight[label] : 1;
}

static at_status classify_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score,
                                at_error *err) {
    static const char *const SMALLER[] = {"loss", "error_rate", "expected_calibration_error", NULL};
    at_arena arena = {0};
    at_classify_metrics m;
    at_pooled rows;
    *score = (at_score){0};
    at_status st = at_texts_pool(d, logits, (size_t)s->labels.n, &arena, &rows, err);
    int32_t *label = st ? NULL : AT_NEW_ARRAY(&arena, int32_t, rows.n);
    if (!st && !label) st = at_fail_memory(err, (size_t)rows.n * sizeof *label);
    for (int i = 0; !st && i < rows.n; i++) label[i] = d->label[rows.output[i]];
    if (!st) st = at_metrics_classify(rows.logits, label, rows.n, s->labels.n, &arena, &m, err);
    if (!st) {
        score->values = at_metrics_classify_json(&m, s->labels.name);
        score->loss = m.loss;
        st = score->values ? at_score_choose(s, "accuracy", SMALLER, score, err) : at_fail_memory(err, 0);
    }
    at_arena_free(&arena);
    return st;
}

/* ---- judging what any program answered ---- */

/* Labels of either side count: one that is only answered is wrong wherever it is. label, answer [rows]. */
static at_status read_labels(at_task_state *s, const at_table *right, int right_column, const at_table *answers, int answer_column,
                             int32_t *label, int32_t *answer, at_arena *arena, at_error *err) {
    int n = right->n_rows, n_probable;
    const char **probable;
    AT_TRY(at_judge_probable(answers, arena, &probable, &n_probable, err));
    size_t count = 2 * (size_t)n + (size_t)n_probable;
    const char **all = AT_NEW_ARRAY(arena, const char *, count), **sorted = AT_NEW_ARRAY(arena, const char *, count);
    if (!all || !sorted) return at_fail_memory(err, (size_t)n * 4 * sizeof *all);
    for (int r = 0; r < n; r++) {
        AT_TRY(at_judge_label(right, r, right_column, "label", &all[2 * r], err));
        AT_TRY(at_judge_label(answers, r, answer_column, "answer", &all[2 * r + 1], err));
        AT_TRY(at_label_name(&s->label_names, right->path, right->line[r], all[2 * r], &all[2 * r], err));
        AT_TRY(at_label_name(&s->label_names, answers->path, answers->line[r], all[2 * r + 1], &all[2 * r + 1], err));
    }
    for (int i = 0; i < n_probable; i++) all[2 * n + i] = probable[i];
    memcpy(sorted, all, count * sizeof *all);
    AT_TRY(at_labels_collect(sorted, count, &s->arena, &s->labels, err));
    at_label_index *index = at_label_index_make(&s->labels, arena);
    if (!index) return at_fail_memory(err, 0);
    for (int r = 0; r < n; r++) {
        label[r] = at_label_index_find(index, all[2 * r]);
        answer[r] = at_label_index_find(index, all[2 * r + 1]);
    }
    return AT_OK;
}

/* Logits from the answers' probabilities; 0 where a row has none. */
static int take_probabilities(const at_table *answers, const at_labels *labels, float *logits, double *p) {
    for (int r = 0; r < answers->n_rows; r++) {
        if (!at_judge_probabilities(answers, r, labels, p)) return 0;
        for (int c = 0; c < labels->n; c++) logits[(size_t)r * (size_t)labels->n + (size_t)c] = (float)log(fmax(p[c], 1e-30));
    }
    return 1;
}

static at_status judge(at_task_state *s, const at_table *right, int right_column, const at_table *answers, int answer_column,
                       at_arena *arena, at_score *score, at_error *err) {
    static const char *const SMALLER[] = {"loss", "error_rate", "expected_calibration_error", NULL};
    at_classify_metrics m, likely;
    int n = right->n_rows;
    int32_t *label = AT_NEW_ARRAY(arena, int32_t, n), *answer = AT_NEW_ARRAY(arena, int32_t, n);
    if (!label || !answer) return at_fail_memory(err, (size_t)n * 8);
    AT_TRY(read_labels(s, right, right_column, answers, answer_column, label, answer, arena, err));
    size_t k = (size_t)s->labels.n;
    float *logits = AT_NEW_ARRAY(arena, float, (size_t)n * k);
    double *p = AT_NEW_ARRAY(arena, double, k);
    if (!logits || !p) return at_fail_memory(err, (size_t)n * k * sizeof *logits);
    for (int r = 0; r < n; r++) logits[(size_t)r * k + (size_t)answer[r]] = 1;
    AT_TRY(at_metrics_classify(logits, label, n, (int)k, arena, &m, err));
    int known = take_probabilities(answers, &s->labels, logits, p);
    if (known) AT_TRY(at_metrics_classify(logits, label, n, (int)k, arena, &likely, err));
    if (known) m.loss = likely.loss, m.calibration_error = likely.calibration_error;
    score->loss = m.loss;
    score->values = at_metrics_classify_json(&m, s->labels.name);
    if (!score->values) return at_fail_memory(err, 0);
    if (!known) json_object_del(score->values, "loss");
    if (!known) json_object_del(score->values, "expected_calibration_error");
    return at_score_choose(s, "accuracy", SMALLER, score, err);
}

static at_status classify_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers,
                                const char *column, at_score *score, at_error *err) {
    at_arena arena = {0};
    int right_column, answer_column;
    *score = (at_score){0};
    at_status st = at_judge_columns(right, wanted, answers, column, NULL, &right_column, &answer_column, err);
    if (!st) st = judge(s, right, right_column, answers, answer_column, &arena, score, err);
    at_arena_free(&arena);
    return st;
}

/* The most likely class, and what every probability is divided by. */
typedef struct softmax {
    const float *logits;
    int best;
    double sum;
} softmax;

static softmax softmax_of(const float *logits, int n) {
    softmax s = {logits, 0, 0};
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[s.best]) s.best = i;
    for (int i = 0; i < n; i++) s.sum += exp((double)logits[i] - (double)logits[s.best]);
    return s;
}

static double probability(const softmax *s, int i) { return exp((double)s->logits[i] - (double)s->logits[s->best]) / s->sum; }

static int classify_rank(const at_task_state *s, const float *logits, float *numbers) {
    softmax all = softmax_of(logits, s->labels.n);
    for (int i = 0; i < s->labels.n; i++) numbers[i] = (float)probability(&all, i);
    return all.best;
}

static json_t *classify_answer(const at_task_state *s, const at_answered *row) {
    at_arena arena = {0};
    const float *logits = at_texts_mean(row->logits, row->n, (size_t)s->labels.n, &arena);
    json_t *answer = NULL;
    if (logits) {
        softmax all = softmax_of(logits, s->labels.n);
        json_t *probabilities = json_object();
        for (int i = 0; i < s->labels.n; i++) json_object_set_new(probabilities, s->labels.name[i], json_real(probability(&all, i)));
        answer = json_pack("{s:s, s:f, s:o}", "label", s->labels.name[all.best], "score", probability(&all, all.best), "probabilities",
                           probabilities);
    }
    at_arena_free(&arena);
    return answer;
}

static int classify_mistaken(const at_task_state *s, const at_answered *row, at_arena *arena, at_mistake *mistake) {
    const float *logits = at_texts_mean(row->logits, row->n, (size_t)s->labels.n, arena);
    *mistake = (at_mistake){0};
    if (!logits) return 1; /* no memory: nothing in words */
    softmax all = softmax_of(logits, s->labels.n);
    int right = row->data->label ? row->data->label[row->output] : -1;
    if (right < 0 || right == all.best) return 0;
    *mistake =
        (at_mistake){probability(&all, all.best), at_strdup(arena, s->labels.name[right]), at_strdup(arena, s->labels.name[all.best])};
    return 1;
}

static const at_head_kind HEADS[] = {AT_HEAD_POOLER, AT_HEAD_MEAN, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {{"label", AT_FIELD_TEXT, NULL},
                                         {"score", AT_FIELD_NUMBER, NULL},
                                         {"probabilities", AT_FIELD_LABELS, "probability_"},
                                         {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"accuracy", "f1", "matthews_correlation", "loss", NULL};

const at_task at_task_classify = {
    .name = "classify",
    .summary = "one label of several for a text or a pair of texts",
    .noun = "classifier",
    .pipeline = "text-classification",
    .pipeline_arguments = "top_k=None",
    .labels_note = "The model always answers with one of these, also for texts that belong to none.",
    .problem_type = "single_label_classification",
    .heads = HEADS,
    .averages = 1,
    .names_labels = 1,
    .fields = FIELDS,
    .card_metrics = CARD,
    .smooths = 1,
    .bind = classify_bind,
    .encode = classify_encode,
    .loss = classify_loss,
    .balance = at_labels_balance,
    .weight = classify_weight,
    .score = classify_score,
    .judge = classify_judge,
    .answer = classify_answer,
    .rank = classify_rank,
    .mistaken = classify_mistaken,
};
