/* Classification: one label of several for a text or a pair of texts. Softmax cross-entropy on the pooled head. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "task/metric_classify.h"
#include "task/tasks.h"

enum { MAX_LABELS = 100000 };

/* ---- the labels of a table ---- */

static int all_numbers(const char *const *names, int n) {
    double value;
    for (int i = 0; i < n; i++)
        if (!at_parse_double(names[i], &value)) return 0;
    return 1;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int by_number(const void *a, const void *b) {
    double x = strtod(*(const char *const *)a, NULL), y = strtod(*(const char *const *)b, NULL);
    return x != y ? (x > y) - (x < y) : by_text(a, b);
}

static at_status label_is_there(const at_table *t, int row, int column, at_error *err) {
    if (at_table_cell(t, row, column).len) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "%s:%u: the label (column '%s') is empty; fill it in or remove the row", t->path,
                   t->line[row], t->column[column]);
}

/* The different values of a column, sorted by name, or by value where all are numbers. Sorting pointers to all cells
 * keeps this simple; a million rows take a second. */
static at_status collect_labels(const at_table *t, int column, at_arena *arena, at_labels *labels, at_error *err) {
    const char **all = malloc((size_t)(t->n_rows ? t->n_rows : 1) * sizeof *all);
    if (!all) return at_fail_memory(err, (size_t)t->n_rows * sizeof *all);
    at_status st = AT_OK;
    for (int r = 0; r < t->n_rows && !st; r++) {
        st = label_is_there(t, r, column, err);
        all[r] = at_table_cell(t, r, column).text;
    }
    int n = 0;
    if (!st) {
        qsort(all, (size_t)t->n_rows, sizeof *all, by_text);
        for (int r = 0; r < t->n_rows; r++)
            if (!n || strcmp(all[n - 1], all[r])) all[n++] = all[r];
        qsort(all, (size_t)n, sizeof *all, all_numbers(all, n) ? by_number : by_text);
        labels->name = AT_NEW_ARRAY(arena, const char *, n);
        labels->n = n;
        for (int i = 0; i < n && labels->name; i++)
            if (!(labels->name[i] = at_strdup(arena, all[i]))) labels->name = NULL;
        if (!labels->name) st = at_fail_memory(err, (size_t)n * sizeof *all);
    }
    free(all);
    return st;
}

/* The names of a model's labels outlive that model: a training closes it to open it again with another head. */
static at_status check_labels(const at_table *t, int column, const at_labels *labels, at_error *err) {
    const char *name = t->column[column];
    if (labels->n == 1)
        return at_fail(err, AT_BAD_DATA, "%s: every row has the label '%s' (column '%s'); a classifier needs at least two",
                       t->path, labels->name[0], name);
    if (t->n_rows <= labels->n)
        return at_fail(err, AT_BAD_DATA, "%s: %d examples for %d different labels (column '%s'); at least two of each are needed",
                       t->path, t->n_rows, labels->n, name);
    if (labels->n > MAX_LABELS || (labels->n > 50 && labels->n * 2 > t->n_rows))
        return at_fail(err, AT_BAD_DATA, "%s: column '%s' has %d different values in %d rows: it does not look like a label. "
                       "Name the right one with --label-column", t->path, name, labels->n, t->n_rows);
    return AT_OK;
}

static at_status classify_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_found_columns found;
    AT_TRY(at_columns_find(t, wanted, !known, &s->arena, &found, &s->why, err));
    if (!t->n_rows) return at_fail(err, AT_BAD_DATA, "%s: no examples", t->path);
    s->columns = (at_columns){at_strdup(&s->arena, t->column[found.text]),
                              found.text2 < 0 ? NULL : at_strdup(&s->arena, t->column[found.text2]),
                              found.label < 0 ? NULL : at_strdup(&s->arena, t->column[found.label])};
    if (known) return AT_OK;
    AT_TRY(collect_labels(t, found.label, &s->arena, &s->labels, err));
    s->n_out = s->labels.n;
    return check_labels(t, found.label, &s->labels, err);
}

/* ---- examples ---- */

typedef struct named_id {
    const char *name;
    int32_t id;
} named_id;

static int by_name(const void *a, const void *b) {
    return strcmp(((const named_id *)a)->name, ((const named_id *)b)->name);
}

static named_id *index_labels(const at_labels *labels, at_arena *arena) {
    named_id *index = AT_NEW_ARRAY(arena, named_id, labels->n);
    for (int i = 0; index && i < labels->n; i++) index[i] = (named_id){labels->name[i], i};
    if (index) qsort(index, (size_t)labels->n, sizeof *index, by_name);
    return index;
}

static at_status unknown_label(const at_task_state *s, const at_table *t, int row, const char *text, at_error *err) {
    const char *near = at_nearest(text, s->labels.name, s->labels.n);
    char list[400];
    size_t used = 0;
    for (int i = 0; i < s->labels.n && used < sizeof list - 60; i++) {
        int n = snprintf(list + used, sizeof list - used, "%s%.48s", i ? ", " : "", s->labels.name[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return at_fail(err, AT_BAD_DATA, "%s:%u: label '%.80s' is not one of %s%s.%s%s%s", t->path, t->line[row], text, list,
                   used >= sizeof list - 60 ? ", ..." : "", near ? " Did you mean '" : "", near ? near : "",
                   near ? "'?" : "");
}

/* A model whose labels nobody named (LABEL_0 ...) takes data labelled 0, 1, ... */
static int32_t as_generic(const at_labels *labels, const char *text) {
    long long id;
    char name[32];
    if (!at_parse_int(text, &id) || id < 0 || id >= labels->n) return -1;
    snprintf(name, sizeof name, "LABEL_%lld", id);
    return strcmp(labels->name[id], name) ? -1 : (int32_t)id;
}

static at_status fill_labels(const at_task_state *s, const at_table *t, int column, at_dataset *d, at_error *err) {
    named_id *index = index_labels(&s->labels, &d->arena);
    d->label = AT_NEW_ARRAY(&d->arena, int32_t, d->n);
    if (!d->label || !index) return at_fail_memory(err, (size_t)d->n * sizeof *d->label);
    for (int r = 0; r < d->n; r++) {
        AT_TRY(label_is_there(t, r, column, err));
        named_id wanted = {at_table_cell(t, r, column).text, 0};
        named_id *hit = bsearch(&wanted, index, (size_t)s->labels.n, sizeof *index, by_name);
        d->label[r] = hit ? hit->id : as_generic(&s->labels, wanted.name);
        if (d->label[r] < 0) return unknown_label(s, t, r, wanted.name, err);
    }
    return AT_OK;
}

static int is_blank(at_cell cell) {
    for (uint32_t i = 0; i < cell.len; i++)
        if ((unsigned char)cell.text[i] > ' ') return 0;
    return 1;
}

static at_status texts_are_there(const at_table *t, int column, at_error *err) {
    for (int r = 0; column >= 0 && r < t->n_rows; r++)
        if (is_blank(at_table_cell(t, r, column)))
            return at_fail(err, AT_BAD_DATA, "%s:%u: the text (column '%s') is empty; fill it in or remove the row",
                           t->path, t->line[r], t->column[column]);
    return AT_OK;
}

static at_status classify_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens,
                                 int need_labels, at_pool *pool, at_dataset **dataset, at_error *err) {
    at_found_columns found;
    at_arena scratch = {0};
    at_columns wanted = s->columns;
    if (!need_labels && wanted.label && at_table_column(t, wanted.label) < 0) wanted.label = NULL;
    at_status st = at_columns_find(t, &wanted, need_labels, &scratch, &found, NULL, err);
    at_arena_free(&scratch);
    if (st) return st;
    if (need_labels) {
        AT_TRY(texts_are_there(t, found.text, err));
        AT_TRY(texts_are_there(t, found.text2, err));
    }
    AT_TRY(at_dataset_encode(t, found.text, found.text2, tokenizer, max_tokens, pool, dataset, err));
    if (!need_labels) return AT_OK;
    st = fill_labels(s, t, found.label, *dataset, err);
    if (st) {
        at_dataset_close(*dataset);
        *dataset = NULL;
    }
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
    *score = (at_score){0};
    at_status st = at_metrics_classify(logits, d->label, d->n, s->labels.n, &arena, &m, err);
    if (!st) {
        score->values = at_metrics_classify_json(&m, s->labels.name);
        score->loss = m.loss;
        st = score->values ? at_score_choose(s, "accuracy", SMALLER, score, err) : at_fail_memory(err, 0);
    }
    at_arena_free(&arena);
    return st;
}

static int classify_rank(const at_task_state *s, const float *logits, float *numbers) {
    int n = s->labels.n, best = 0;
    double sum = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    for (int i = 0; i < n; i++) sum += exp((double)logits[i] - (double)logits[best]);
    for (int i = 0; i < n; i++) numbers[i] = (float)(exp((double)logits[i] - (double)logits[best]) / sum);
    return best;
}

static json_t *classify_answer(const at_task_state *s, const at_answered *row) {
    const float *logits = row->logits;
    int n = s->labels.n, best = 0;
    double sum = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    for (int i = 0; i < n; i++) sum += exp((double)logits[i] - (double)logits[best]);
    json_t *probabilities = json_object();
    for (int i = 0; i < n; i++)
        json_object_set_new(probabilities, s->labels.name[i],
                            json_real(exp((double)logits[i] - (double)logits[best]) / sum));
    return json_pack("{s:s, s:f, s:o}", "label", s->labels.name[best], "score", 1 / sum, "probabilities", probabilities);
}

static int classify_mistaken(const at_task_state *s, const at_answered *row, at_arena *arena, at_mistake *mistake) {
    int n = s->labels.n, best = 0, right = row->data->label ? row->data->label[row->output] : -1;
    double sum = 0;
    for (int i = 1; i < n; i++)
        if (row->logits[i] > row->logits[best]) best = i;
    if (right < 0 || right == best) return 0;
    for (int i = 0; i < n; i++) sum += exp((double)row->logits[i] - (double)row->logits[best]);
    *mistake = (at_mistake){1 / sum, at_strdup(arena, s->labels.name[right]), at_strdup(arena, s->labels.name[best])};
    return 1;
}

static const at_head_kind HEADS[] = {AT_HEAD_POOLER, AT_HEAD_MEAN, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {
    {"label", AT_FIELD_TEXT, NULL}, {"score", AT_FIELD_NUMBER, NULL}, {"probabilities", AT_FIELD_LABELS, "probability_"}, {NULL, AT_FIELD_END, NULL}};
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
    .names_labels = 1,
    .fields = FIELDS,
    .card_metrics = CARD,
    .bind = classify_bind,
    .encode = classify_encode,
    .loss = classify_loss,
    .weight = classify_weight,
    .score = classify_score,
    .answer = classify_answer,
    .rank = classify_rank,
    .mistaken = classify_mistaken,
};
