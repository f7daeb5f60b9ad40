/* Several labels that any program answered against the right ones. */
#include <math.h>
#include <string.h>

#include "task/judge.h"
#include "task/label_parts.h"
#include "task/labels.h"
#include "task/metric_multi.h"
#include "task/multi_label.h"

typedef struct judged {
    at_task_state s;         /* how the answers stand */
    at_multi form;
    at_dataset right, answer;/* target alone */
    float *logits;           /* [rows, labels] of the answers: 1 or -1 */
    at_arena arena;
} judged;

static at_status read_form(at_task_state *s, const at_table *t, const at_columns *wanted, at_error *err) {
    at_found_columns texts = {-1, -1, -1};
    at_columns only_texts = at_multi_texts_only(wanted);
    if (!s->data && !(s->data = AT_NEW(&s->arena, at_multi))) return at_fail_memory(err, sizeof(at_multi));
    if (at_columns_find(t, &only_texts, 0, &s->arena, &texts, NULL, NULL)) texts = (at_found_columns){-1, -1, -1};
    s->why = "";
    return at_multi_choose_form(s, t, wanted, &texts, 0, err);
}

/* Columns of 0 and 1 against labels that stand otherwise: each is a label, but for an id. */
static int read_flags(judged *j, const at_task_state *right, const at_table *t) {
    at_found_columns texts = {-1, -1, -1};
    at_columns only_texts = {right->columns.text, right->columns.text2, NULL};
    at_parts p = {.arena = &j->arena};
    if (!right->columns.text || at_table_column(t, right->columns.text) < 0) only_texts = (at_columns){0};
    if (at_columns_find(t, &only_texts, 0, &j->arena, &texts, NULL, NULL) || !at_columns_is_text(t->column[texts.text]))
        texts = (at_found_columns){-1, -1, -1};
    const char *list = at_multi_flag_columns(t, &texts, &j->arena);
    if (list) at_parts_split(&p, (at_cell){list, (uint32_t)strlen(list)}, ",");
    for (int i = 0; i < p.n; i++)
        if (strcmp(p.name[i], "id")) p.name[j->s.labels.n++] = p.name[i];
    j->s.labels.name = p.name;
    j->form.by_columns = j->s.labels.n > 0;
    return j->form.by_columns;
}

static at_status add_names(const at_task_state *s, const at_table *t, at_parts *all, at_error *err) {
    at_parts row = {.arena = all->arena, .names = &s->label_names};
    if (at_multi_of(s)->by_columns)
        for (int i = 0; i < s->labels.n; i++) at_parts_add(all, s->labels.name[i], strlen(s->labels.name[i]));
    else
        for (int r = 0, column = at_table_column(t, s->columns.label); r < t->n_rows; r++) {
            AT_TRY(at_parts_read(&row, t, r, column, at_multi_of(s)->separator, err));
            for (int i = 0; i < row.n; i++) at_parts_add(all, row.name[i], strlen(row.name[i]));
        }
    return AT_OK;
}

/* Each label of the right answers once. */
static at_status different_names(const at_task_state *right, const at_table *t, at_parts *names, at_error *err) {
    at_parts all = {.arena = names->arena};
    at_labels labels;
    AT_TRY(add_names(right, t, &all, err));
    if (all.failed) return at_fail_memory(err, 0);
    AT_TRY(at_labels_collect(all.name, (size_t)all.n, names->arena, &labels, err));
    names->name = labels.name;
    names->n = labels.n;
    return AT_OK;
}

/* How much of the cells is no label of the right answers where they are cut at this separator. */
static int count_unknown(const at_parts *right, const at_table *t, int column, const char *separator) {
    at_arena scratch = {0};
    at_parts row = {.arena = &scratch, .names = right->names};
    int unknown = 0;
    for (int r = 0; r < t->n_rows; r++) {
        if (at_parts_read(&row, t, r, column, separator, NULL)) continue;
        for (int i = 0; i < row.n; i++) {
            int k = 0;
            while (k < right->n && strcmp(right->name[k], row.name[i])) k++;
            unknown += k == right->n;
        }
    }
    at_arena_free(&scratch);
    return unknown;
}

/* The separator that leaves the fewest parts which are no right labels: what the user named may stand in the file of the right answers alone, and a label
 * may have a comma in it. NULL: lists. */
static const char *separator_of_answers(const at_parts *right, const char *asked, const at_table *t, int column) {
    const char *usual = at_multi_usual_separator(t, column), *best = NULL;
    const char *const candidate[] = {asked && at_multi_any_cell_has(t, column, asked) ? asked : NULL, usual, ",", "|", ";"};
    int fewest = 0;
    if (at_multi_is_list(t, column)) return NULL;
    for (int i = 0; i < 5 && (!best || fewest); i++) {
        int unknown = candidate[i] ? count_unknown(right, t, column, candidate[i]) : 0;
        if (!candidate[i] || (best && unknown >= fewest)) continue;
        best = candidate[i];
        fewest = unknown;
    }
    return best;
}

/* The answers' own form: a cell of labels, or columns of 0 and 1 called as the labels. */
static at_status read_answer_form(judged *j, const at_task_state *right, const at_table *gold, const at_table *t, const char *column, at_error *err) {
    static const char *const USUAL[] = {"predicted_labels", "labels", NULL};
    int at;
    j->s = (at_task_state){.task = right->task, .labels = right->labels, .data = &j->form};
    int named = column || at_table_column(t, USUAL[0]) >= 0 || at_table_column(t, USUAL[1]) >= 0;
    if (!named && at_multi_of(right)->by_columns && at_multi_has_columns(right, t)) {
        j->form.by_columns = 1;
        return AT_OK;
    }
    at_status st = at_judge_answer_column(t, column, USUAL, right->columns.label, &at, err);
    if (st == AT_USAGE && !column && !at_multi_of(right)->by_columns) {
        j->s.labels = (at_labels){NULL, 0};
        if (read_flags(j, right, t)) return AT_OK;
    }
    AT_TRY(st);
    j->s.columns.label = t->column[at];
    at_parts names = {.arena = &j->arena, .names = &right->label_names};
    AT_TRY(different_names(right, gold, &names, err));
    j->form.separator = separator_of_answers(&names, right->label_separator, t, at);
    return AT_OK;
}

static at_status check_columns(const at_labels *labels, const at_table *right, const at_table *answers, at_error *err) {
    for (int i = 0; i < labels->n; i++)
        if (at_table_column(answers, labels->name[i]) < 0)
            return at_fail(err, AT_BAD_DATA, "%s: there is no column '%s', a label of %s", answers->path, labels->name[i], right->path);
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
    if (!at_multi_of(s)->by_columns || !j->form.by_columns) AT_TRY(at_labels_collect(all.name, (size_t)all.n, &s->arena, &s->labels, err));
    j->s.labels = s->labels;
    if (j->form.by_columns) AT_TRY(check_columns(&s->labels, right, answers, err));
    j->right.n = j->answer.n = right->n_rows;
    AT_TRY(at_multi_fill(s, right, &j->right, err));
    AT_TRY(at_multi_fill(&j->s, answers, &j->answer, err));
    size_t cells = (size_t)right->n_rows * (size_t)s->labels.n;
    j->logits = AT_NEW_ARRAY(&j->arena, float, cells);
    if (!j->logits) return at_fail_memory(err, cells * sizeof(float));
    for (size_t i = 0; i < cells; i++) j->logits[i] = j->answer.target[i] > 0.5f ? 1 : -1;
    return AT_OK;
}

/* Where the answers have probabilities, what is made of them; else NaN. */
static at_status from_probabilities(judged *j, const at_labels *labels, const at_table *answers, double *loss, double *ranking,
                                    at_error *err) {
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

at_status at_multi_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                             at_score *score, at_error *err) {
    judged j = {.form = {.by_columns = 0}};
    *score = (at_score){0};
    at_status st = read_form(s, right, wanted, err);
    if (!st) st = read_answer_form(&j, s, right, answers, column, err);
    if (!st) st = judge(&j, s, right, answers, score, err);
    s->why = NULL; /* of the columns, which nobody need know who judges */
    at_arena_free(&j.right.arena);
    at_arena_free(&j.answer.arena);
    at_arena_free(&j.s.arena);
    at_arena_free(&j.arena);
    return st;
}
