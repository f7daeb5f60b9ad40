/* Several labels at once: any number of them for a text or a pair of texts. Binary cross-entropy of each label on the pooled head.
 *
 * The labels of a row stand in several columns of 0 and 1, in a list (JSONL), or in one cell with something between them. A label is
 * answered from its threshold on: 0.5, or what was best on data that was not trained on (tune), kept in config.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task/judge.h"
#include "task/label_parts.h"
#include "task/labels.h"
#include "task/lint.h"
#include "task/metric_multi.h"
#include "task/tasks.h"
#include "task/texts.h"

enum { FEWEST_POSITIVES = 5, MOST_COLUMNS = 1000 };

typedef struct multi {
    int by_columns;          /* labels are columns */
    const char *separator;   /* in one cell; NULL: a JSON list */
    double *threshold;       /* [labels.n] */
} multi;

static multi *multi_of(const at_task_state *s) { return s->data; }

/* ---- how the labels stand ---- */

/* 0 or 1; -1: neither. */
static int yes_or_no(at_cell cell) {
    static const char *const NO[] = {"0", "0.0", "false", "False", NULL}, *const YES[] = {"1", "1.0", "true", "True", NULL};
    if (!cell.len) return -1;
    return at_word_index(cell.text, NO) >= 0 ? 0 : at_word_index(cell.text, YES) >= 0 ? 1 : -1;
}

static int is_flags(const at_table *t, int column) {
    for (int r = 0; r < t->n_rows; r++)
        if (yes_or_no(at_table_cell(t, r, column)) < 0) return 0;
    return t->n_rows > 0;
}

static int is_list(const at_table *t, int column) {
    int lists = 0;
    for (int r = 0; r < t->n_rows; r++) lists += at_table_cell(t, r, column).len && at_table_cell(t, r, column).text[0] == '[';
    return 2 * lists > t->n_rows; /* one that is not is a mistake with a line of its own */
}

static int has_comma(const char *text) { return text && strchr(text, ',') != NULL; }

/* Columns of flags beside the text, as a list of names with commas; NULL: fewer than two. */
static const char *flag_columns(const at_table *t, const at_found_columns *found, at_arena *arena) {
    at_str list = {.arena = arena};
    int n = 0;
    for (int c = 0; c < t->n_columns; c++) {
        if (c == found->text || c == found->text2 || has_comma(t->column[c]) || !is_flags(t, c)) continue;
        at_str_addf(&list, "%s%s", n++ ? "," : "", t->column[c]);
    }
    return n > 1 && !list.failed ? list.text : NULL;
}

/* ---- recognising ---- */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int count_different(const char **all, int n) {
    int different = 0;
    if (n) qsort(all, (size_t)n, sizeof *all, by_text);
    for (int i = 0; i < n; i++) different += !i || strcmp(all[i], all[i - 1]) != 0;
    return different;
}

static int count_joined(const at_table *t, int column, const char *separator) {
    int joined = 0;
    for (int r = 0; r < t->n_rows; r++) {
        const char *text = at_table_cell(t, r, column).text;
        joined += text && strstr(text, separator);
    }
    return joined;
}

/* 1 where splitting the cells at the separator leaves fewer different names than there are different cells. */
static int joins_labels(const at_table *t, int column, const char *separator) {
    at_arena scratch = {.mapped = 1};
    at_parts all = {.arena = &scratch};
    if (count_joined(t, column, separator) <= 1) return 0;
    const char **cells = AT_NEW_ARRAY(&scratch, const char *, t->n_rows);
    for (int r = 0; cells && r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, column);
        cells[r] = cell.text ? cell.text : "";
        at_parts_split(&all, cell, separator);
    }
    int joins = cells && !all.failed && all.n && count_different(all.name, all.n) < count_different(cells, t->n_rows);
    at_arena_free(&scratch);
    return joins;
}

static const char *usual_separator(const at_table *t, int column) {
    static const char *const USUAL[] = {"|", ";", ",", NULL};
    if (t->format == AT_TABLE_FASTTEXT) return joins_labels(t, column, " ") ? " " : NULL;
    for (int i = 0; USUAL[i]; i++)
        if (joins_labels(t, column, USUAL[i])) return USUAL[i];
    return NULL;
}

static at_columns without_label(const at_columns *wanted) {
    at_columns texts = wanted ? *wanted : (at_columns){0};
    texts.label = NULL;
    return texts;
}

static int multi_recognise(const at_table *t, const at_columns *wanted, at_arena *arena, const char **why) {
    at_found_columns found;
    at_columns texts = without_label(wanted);
    const char *asked = wanted ? wanted->label : NULL, *separator;
    if (asked && has_comma(asked) && at_table_column(t, asked) < 0) {
        *why = at_format(arena, "several label columns");
        return 1;
    }
    if (at_columns_find(t, wanted, 1, arena, &found, why, NULL)) { /* no column has a label's usual name */
        const char *columns = asked || at_columns_find(t, &texts, 0, arena, &found, why, NULL) ? NULL : flag_columns(t, &found, arena);
        *why = columns ? at_format(arena, "the columns %.300s hold 0 and 1", columns) : NULL;
        return columns != NULL;
    }
    if (is_list(t, found.label)) *why = at_format(arena, "column '%s' holds lists", t->column[found.label]);
    else if ((separator = usual_separator(t, found.label))) *why = at_format(arena, "column '%s' holds labels with '%s' between them", t->column[found.label], separator);
    else return 0;
    return 1;
}

/* ---- binding ---- */

static at_status use_columns(at_task_state *s, const char *list, at_error *err) {
    at_parts p = {.arena = &s->arena};
    at_parts_split(&p, (at_cell){list, (uint32_t)strlen(list)}, ",");
    if (p.failed) return at_fail_memory(err, 0);
    if (p.n > MOST_COLUMNS) return at_fail(err, AT_USAGE, "%d label columns, more than %d", p.n, MOST_COLUMNS);
    if (!s->labels.n) s->labels = (at_labels){p.name, p.n};
    multi_of(s)->by_columns = 1;
    return AT_OK;
}

static at_status collect(at_task_state *s, const at_table *t, int column, at_error *err) {
    at_parts row = {.arena = &s->arena}, all = {.arena = &s->arena};
    for (int r = 0; r < t->n_rows; r++) {
        AT_TRY(at_parts_read(&row, t, r, column, multi_of(s)->separator, err));
        for (int i = 0; i < row.n; i++) at_parts_add(&all, row.name[i], strlen(row.name[i]));
    }
    if (all.failed) return at_fail_memory(err, 0);
    return at_labels_collect(all.name, (size_t)all.n, &s->arena, &s->labels, err);
}

static at_status set_thresholds(at_task_state *s, at_error *err) {
    multi *m = multi_of(s);
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
    if (!s->data && !(s->data = AT_NEW(&s->arena, multi))) return at_fail_memory(err, sizeof(multi));
    return set_thresholds(s, err);
}

static int has_all_labels(const at_task_state *s, const at_table *t) {
    for (int i = 0; i < s->labels.n; i++)
        if (at_table_column(t, s->labels.name[i]) < 0) return 0;
    return s->labels.n > 0;
}

/* The label columns that a table has, as a list; NULL: its labels stand otherwise. */
static const char *label_columns(at_task_state *s, const at_table *t, const at_columns *wanted, const at_found_columns *texts, int known) {
    at_found_columns found;
    const char *asked = wanted ? wanted->label : NULL, *why;
    if (asked) return at_table_column(t, asked) < 0 && has_comma(asked) ? asked : NULL;
    if (known) return has_all_labels(s, t) ? "of the model" : NULL;
    return at_columns_find(t, wanted, 1, &s->arena, &found, &why, NULL) ? flag_columns(t, texts, &s->arena) : NULL;
}

/* How the labels stand in this table: by columns, as a list, or with a separator. */
static at_status choose_form(at_task_state *s, const at_table *t, const at_columns *wanted, const at_found_columns *texts, int known, at_error *err) {
    at_found_columns found;
    const char *list = label_columns(s, t, wanted, texts, known), *why;
    multi *m = multi_of(s);
    m->by_columns = 0;
    if (list) {
        AT_TRY(use_columns(s, list, err));
        s->columns.label = NULL;
        s->why = at_format(&s->arena, "%s, labels from the columns %.300s", s->why, list);
        return s->why ? AT_OK : at_fail_memory(err, 0);
    }
    AT_TRY(at_columns_find(t, wanted, !known, &s->arena, &found, &why, err));
    s->why = why;
    s->columns.label = found.label < 0 ? NULL : at_strdup(&s->arena, t->column[found.label]);
    if (found.label < 0) return AT_OK;
    m->separator = s->label_separator ? s->label_separator : is_list(t, found.label) ? NULL : usual_separator(t, found.label);
    if (!m->separator && !is_list(t, found.label)) m->separator = t->format == AT_TABLE_FASTTEXT ? " " : "|";
    return AT_OK;
}

static at_status multi_bind(at_task_state *s, const at_table *t, const at_columns *wanted, int known, at_error *err) {
    at_found_columns texts;
    at_columns only_texts = without_label(wanted);
    if (!s->data && !(s->data = AT_NEW(&s->arena, multi))) return at_fail_memory(err, sizeof(multi));
    AT_TRY(at_texts_bind(s, t, &only_texts, 0, &texts, err));
    AT_TRY(choose_form(s, t, wanted, &texts, known, err));
    if (known) return AT_OK;
    if (!multi_of(s)->by_columns) AT_TRY(collect(s, t, at_table_column(t, s->columns.label), err));
    if (!s->labels.n) return at_fail(err, AT_BAD_DATA, "%s: no row has a label (column '%s')", t->path, s->columns.label);
    s->n_out = s->labels.n;
    return set_thresholds(s, err);
}

/* ---- examples ---- */

static at_status fill_from_columns(const at_task_state *s, const at_table *t, at_dataset *d, at_error *err) {
    size_t k = (size_t)s->labels.n;
    for (size_t c = 0; c < k; c++) {
        int column = at_table_column(t, s->labels.name[c]);
        if (column < 0) return at_fail(err, AT_BAD_DATA, "%s: there is no column '%s', a label of the training data", t->path, s->labels.name[c]);
        for (int i = 0; i < d->n; i++) {
            int r = at_texts_row(d, i);
            at_cell cell = at_table_cell(t, r, column);
            int value = yes_or_no(cell);
            if (value < 0)
                return at_fail(err, AT_BAD_DATA, "%s:%u: '%.40s' (column '%s') is neither 0 nor 1", t->path, (unsigned)t->line[r], cell.len ? cell.text : "",
                               t->column[column]);
            d->target[(size_t)i * k + c] = (float)value;
        }
    }
    return AT_OK;
}

static at_status fill_from_cells(const at_task_state *s, const at_table *t, at_dataset *d, at_error *err) {
    at_arena scratch = {0};
    at_parts p = {.arena = &scratch};
    int column = at_table_column(t, s->columns.label);
    at_label_index *index = at_label_index_make(&s->labels, &scratch);
    at_status st = index ? AT_OK : at_fail_memory(err, 0);
    for (int k = 0; k < d->n && !st; k++) {
        int r = at_texts_row(d, k);
        st = at_parts_read(&p, t, r, column, multi_of(s)->separator, err);
        for (int i = 0; i < p.n && !st; i++) {
            int32_t id = at_label_index_find(index, p.name[i]);
            if (id < 0) st = at_label_unknown(&s->labels, t->path, t->line[r], p.name[i], err);
            else d->target[(size_t)k * (size_t)s->labels.n + (size_t)id] = 1;
        }
    }
    at_arena_free(&scratch);
    return st;
}

static at_status fill_targets(const at_task_state *s, const at_table *t, at_dataset *d, at_error *err) {
    size_t cells = (size_t)d->n * (size_t)s->labels.n;
    d->target_width = s->labels.n;
    d->target = AT_NEW_ARRAY(&d->arena, float, cells);
    if (!d->target) return at_fail_memory(err, cells * sizeof *d->target);
    if (multi_of(s)->by_columns) return fill_from_columns(s, t, d, err);
    if (s->columns.label && at_table_column(t, s->columns.label) >= 0) return fill_from_cells(s, t, d, err);
    return at_fail(err, AT_USAGE, "%s: no column holds the labels; name it with --label-column", t->path);
}

static at_status multi_encode(const at_task_state *s, const at_table *t, const at_tokenizer *tokenizer, int max_tokens, int need_labels, at_pool *pool,
                              at_dataset **dataset, at_error *err) {
    at_found_columns found;
    AT_TRY(at_texts_encode(s, t, tokenizer, max_tokens, need_labels, pool, &found, dataset, err));
    at_status st = need_labels ? fill_targets(s, t, *dataset, err) : AT_OK;
    if (!st) return AT_OK;
    at_dataset_close(*dataset);
    *dataset = NULL;
    return st;
}

/* ---- loss, score, thresholds ---- */

static at_tensor *multi_loss(const at_task_state *s, at_tape *tape, const at_model *model, at_tensor *logits, const at_batch *batch, const at_dataset *d,
                             double norm) {
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
static at_status pool_rows(const at_task_state *s, const at_dataset *d, const float *logits, at_arena *arena, at_pooled *rows, const float **truth,
                           at_error *err) {
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
    if (!st) st = at_metrics_multi(rows.logits, truth, multi_of(s)->threshold, rows.n, s->labels.n, &arena, &m, err);
    if (!st) {
        score->values = at_metrics_multi_json(&m, s->labels.name);
        score->loss = m.loss;
        st = score->values ? at_score_choose(s, "f1_micro", SMALLER, score, err) : at_fail_memory(err, 0);
    }
    at_arena_free(&arena);
    return st;
}

static at_status multi_tune(at_task_state *s, const at_dataset *d, const float *logits, at_error *err) {
    multi *m = multi_of(s);
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

/* ---- judging what any program answered ---- */

typedef struct judged {
    at_task_state s;         /* how the answers stand */
    multi form;
    at_dataset right, answer;/* target alone */
    float *logits;           /* [rows, labels] of the answers: 1 or -1 */
    at_arena arena;
} judged;

static at_status read_form(at_task_state *s, const at_table *t, const at_columns *wanted, at_error *err) {
    at_found_columns texts = {-1, -1, -1};
    at_columns only_texts = without_label(wanted);
    if (!s->data && !(s->data = AT_NEW(&s->arena, multi))) return at_fail_memory(err, sizeof(multi));
    if (at_columns_find(t, &only_texts, 0, &s->arena, &texts, NULL, NULL)) texts = (at_found_columns){-1, -1, -1};
    s->why = "";
    return choose_form(s, t, wanted, &texts, 0, err);
}

/* The answers' own form: a cell of labels, or columns of 0 and 1 called as the labels. */
static at_status read_answer_form(judged *j, const at_task_state *right, const at_table *t, const char *column, at_error *err) {
    static const char *const USUAL[] = {"predicted_labels", "labels", NULL};
    int at;
    j->s = (at_task_state){.task = right->task, .labels = right->labels, .data = &j->form};
    int named = column || at_table_column(t, USUAL[0]) >= 0 || at_table_column(t, USUAL[1]) >= 0;
    if (!named && multi_of(right)->by_columns && has_all_labels(right, t)) {
        j->form.by_columns = 1;
        return AT_OK;
    }
    AT_TRY(at_judge_answer_column(t, column, USUAL, right->columns.label, &at, err));
    j->s.columns.label = t->column[at];
    if (right->label_separator) j->form.separator = right->label_separator;
    else if (!is_list(t, at)) j->form.separator = usual_separator(t, at);
    if (!j->form.separator && !is_list(t, at)) j->form.separator = ",";
    return AT_OK;
}

static at_status add_names(const at_task_state *s, const at_table *t, at_parts *all, at_error *err) {
    at_parts row = {.arena = all->arena};
    if (multi_of(s)->by_columns)
        for (int i = 0; i < s->labels.n; i++) at_parts_add(all, s->labels.name[i], strlen(s->labels.name[i]));
    else
        for (int r = 0, column = at_table_column(t, s->columns.label); r < t->n_rows; r++) {
            AT_TRY(at_parts_read(&row, t, r, column, multi_of(s)->separator, err));
            for (int i = 0; i < row.n; i++) at_parts_add(all, row.name[i], strlen(row.name[i]));
        }
    return AT_OK;
}

/* Labels of either side count: one that is only answered is wrong wherever it is. */
static at_status read_both(judged *j, at_task_state *s, const at_table *right, const at_table *answers, at_error *err) {
    at_parts all = {.arena = &j->arena};
    const char **probable;
    int n_probable;
    AT_TRY(at_judge_probable(answers, &j->arena, &probable, &n_probable, err));
    for (int i = 0; i < n_probable; i++) at_parts_add(&all, probable[i], strlen(probable[i]));
    AT_TRY(add_names(s, right, &all, err));
    AT_TRY(add_names(&j->s, answers, &all, err));
    if (all.failed) return at_fail_memory(err, 0);
    if (!all.n) return at_fail(err, AT_BAD_DATA, "%s: no row has a label", right->path);
    if (!multi_of(s)->by_columns || !j->form.by_columns) AT_TRY(at_labels_collect(all.name, (size_t)all.n, &s->arena, &s->labels, err));
    j->s.labels = s->labels;
    j->right.n = j->answer.n = right->n_rows;
    AT_TRY(fill_targets(s, right, &j->right, err));
    AT_TRY(fill_targets(&j->s, answers, &j->answer, err));
    size_t cells = (size_t)right->n_rows * (size_t)s->labels.n;
    j->logits = AT_NEW_ARRAY(&j->arena, float, cells);
    if (!j->logits) return at_fail_memory(err, cells * sizeof(float));
    for (size_t i = 0; i < cells; i++) j->logits[i] = j->answer.target[i] > 0.5f ? 1 : -1;
    return AT_OK;
}

/* Where the answers have probabilities, what is made of them; else NaN. */
static at_status from_probabilities(judged *j, const at_labels *labels, const at_table *answers, double *loss, double *ranking, at_error *err) {
    size_t k = (size_t)labels->n;
    double *p = AT_NEW_ARRAY(&j->arena, double, k), *half = AT_NEW_ARRAY(&j->arena, double, k);
    at_multi_metrics m;
    *loss = *ranking = NAN;
    if (!p || !half) return at_fail_memory(err, k * sizeof *p);
    for (int r = 0; r < answers->n_rows; r++) {
        if (!at_judge_probabilities(answers, r, labels, p)) return AT_OK;
        for (size_t c = 0; c < k; c++) {
            double x = fmin(fmax(p[c], 1e-12), 1 - 1e-12);
            j->logits[(size_t)r * k + c] = (float)log(x / (1 - x));
            half[c] = 0.5;
        }
    }
    AT_TRY(at_metrics_multi(j->logits, j->right.target, half, answers->n_rows, labels->n, &j->arena, &m, err));
    *loss = m.loss;
    *ranking = m.ranking_precision;
    return AT_OK;
}

static at_status judge(judged *j, at_task_state *s, const at_table *right, const at_table *answers, at_score *score, at_error *err) {
    static const char *const SMALLER[] = {"loss", "hamming_loss", NULL};
    at_multi_metrics m;
    double *half, ranking;
    AT_TRY(read_both(j, s, right, answers, err));
    half = AT_NEW_ARRAY(&j->arena, double, s->labels.n);
    for (int i = 0; half && i < s->labels.n; i++) half[i] = 0.5;
    if (!half) return at_fail_memory(err, 0);
    AT_TRY(at_metrics_multi(j->logits, j->right.target, half, right->n_rows, s->labels.n, &j->arena, &m, err));
    score->values = at_metrics_multi_json(&m, s->labels.name);
    if (!score->values) return at_fail_memory(err, 0);
    AT_TRY(from_probabilities(j, &s->labels, answers, &score->loss, &ranking, err));
    json_object_del(score->values, "loss");
    json_object_del(score->values, "ranking_precision");
    if (isfinite(score->loss)) json_object_set_new(score->values, "loss", json_real(score->loss));
    if (isfinite(ranking)) json_object_set_new(score->values, "ranking_precision", json_real(ranking));
    return at_score_choose(s, "f1_micro", SMALLER, score, err);
}

static at_status multi_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                             at_score *score, at_error *err) {
    judged j = {.form = {.by_columns = 0}};
    *score = (at_score){0};
    at_status st = read_form(s, right, wanted, err);
    if (!st) st = read_answer_form(&j, s, answers, column, err);
    if (!st) st = judge(&j, s, right, answers, score, err);
    at_arena_free(&j.right.arena);
    at_arena_free(&j.answer.arena);
    at_arena_free(&j.s.arena);
    at_arena_free(&j.arena);
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
        if (p >= multi_of(s)->threshold[c]) json_array_append_new(labels, json_string(s->labels.name[c]));
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
        int truth = row->data->target[row->output * (size_t)s->labels.n + (size_t)c] > 0.5f, yes = p >= multi_of(s)->threshold[c];
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

/* ---- data lint ---- */

static void look_at_columns(const at_task_state *s, at_lint *lint, const at_table *t) {
    for (int i = 0; i < s->labels.n; i++) {
        int column = at_table_column(t, s->labels.name[i]);
        if (column < 0) at_lint_add(lint, AT_LINT_BAD_LABEL, t->path, 0, "there is no column '%s', a label of the first file", s->labels.name[i]);
        for (int r = 0; column >= 0 && r < t->n_rows; r++)
            if (yes_or_no(at_table_cell(t, r, column)) < 0)
                at_lint_add(lint, AT_LINT_BAD_LABEL, t->path, t->line[r], "%s (column '%s') is neither 0 nor 1", at_lint_quote(lint, at_table_cell(t, r, column)),
                            t->column[column]);
    }
}

static void look_at_cells(const at_task_state *s, at_lint *lint, const at_table *t) {
    at_arena scratch = {0};
    at_parts p = {.arena = &scratch};
    at_label_index *index = at_label_index_make(&s->labels, &scratch);
    int column = s->columns.label ? at_table_column(t, s->columns.label) : -1;
    at_error err;
    for (int r = 0; column >= 0 && index && r < t->n_rows; r++) {
        at_status st = at_parts_read(&p, t, r, column, multi_of(s)->separator, &err);
        for (int i = 0; i < p.n && !st; i++)
            if (at_label_index_find(index, p.name[i]) < 0) st = at_label_unknown(&s->labels, t->path, t->line[r], p.name[i], &err);
        if (st) at_lint_sentence(lint, AT_LINT_BAD_LABEL, t->path, t->line[r], err.text);
    }
    lint->failed |= !index;
    at_arena_free(&scratch);
}

/* Rows of each label in the first file, and the first of them. */
static void look_for_rare(const at_task_state *s, at_lint *lint, const at_table *t) {
    at_dataset d = {.n = t->n_rows};
    size_t k = (size_t)s->labels.n;
    at_error why;
    if (!fill_targets(s, t, &d, &why)) /* what cannot be read is told already */
        for (size_t c = 0; c < k; c++) {
            int count = 0, first = -1;
            for (int r = 0; r < t->n_rows; r++) {
                if (d.target[(size_t)r * k + c] < 0.5f) continue;
                if (!count++) first = r;
            }
            if (count) at_lint_rare(lint, t->path, t->line[first], s->labels.name[c], count, "row");
        }
    at_arena_free(&d.arena);
}

static at_status multi_lint(const at_task_state *bound, at_lint *lint, at_error *err) {
    at_task_state s = {.task = bound->task, .label_separator = bound->label_separator};
    const at_lint_split *first = &lint->split[0];
    const char *const *name = first->table->column;
    at_columns wanted = {name[first->columns.text], first->columns.text2 < 0 ? NULL : name[first->columns.text2], bound->columns.label};
    at_error why;
    AT_TRY(at_lint_texts(lint, err));
    AT_TRY(at_lint_near(lint, err));
    if (multi_bind(&s, first->table, &wanted, 0, &why)) at_lint_sentence(lint, AT_LINT_BAD_LABEL, first->table->path, 0, why.text);
    else
        for (int i = 0; i < lint->n_splits; i++) {
            if (multi_of(&s)->by_columns) look_at_columns(&s, lint, lint->split[i].table);
            else look_at_cells(&s, lint, lint->split[i].table);
            if (!i) look_for_rare(&s, lint, first->table);
        }
    at_task_close(&s);
    return at_lint_encoding(lint, err);
}

static const at_head_kind HEADS[] = {AT_HEAD_POOLER, AT_HEAD_MEAN, AT_HEAD_NONE};
static const at_answer_field FIELDS[] = {{"labels", AT_FIELD_LIST, NULL}, {"probabilities", AT_FIELD_LABELS, "probability_"}, {NULL, AT_FIELD_END, NULL}};
static const char *const CARD[] = {"f1_micro", "f1_macro", "subset_accuracy", "ranking_precision", NULL};

const at_task at_task_multi_label = {
    .name = "multi-label",
    .summary = "any number of labels for a text or a pair of texts",
    .noun = "multi-label classifier",
    .pipeline = "text-classification",
    .pipeline_arguments = "top_k=None",
    .labels_note = "Any number of these can be answered, also none. attune answers a label from its own threshold on (config.json: attune); transformers gives "
                   "probabilities.",
    .problem_type = "multi_label_classification",
    .heads = HEADS,
    .names_labels = 1,
    .fields = FIELDS,
    .card_metrics = CARD,
    .recognise = multi_recognise,
    .bind = multi_bind,
    .adopt = multi_adopt,
    .encode = multi_encode,
    .loss = multi_loss,
    .weight = multi_weight,
    .balance = multi_balance,
    .score = multi_score,
    .judge = multi_judge,
    .tune = multi_tune,
    .answer = multi_answer,
    .rank = multi_rank,
    .mistaken = multi_mistaken,
    .lint = multi_lint,
};
