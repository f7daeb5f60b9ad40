/* attune score: answers that any program gave, judged by the right ones. Rows are brought together by an id that both files have, else by
 * their order; then the task judges them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/table_ids.h"
#include "run/score_text.h"
#include "run/session.h"
#include "task/columns.h"

typedef struct judging {
    const at_options *options;
    const at_listener *listener;
    at_arena arena;
    at_table *right, *read; /* read: as they stand in their file */
    at_table answers;       /* in the order of the right ones */
    at_columns wanted;
    at_task_state state;
    at_score score;
} judging;

/* ---- rows that belong together ---- */

/* Sorted by id; the second of two rows with one id into *twice, else -1. */
static at_id_row *index_of(const at_table *t, int column, at_arena *arena, int *twice) {
    at_id_row *all = AT_NEW_ARRAY(arena, at_id_row, t->n_rows);
    *twice = -1;
    if (!all) return NULL;
    for (int r = 0; r < t->n_rows; r++) all[r] = (at_id_row){at_table_cell(t, r, column), r};
    if (t->n_rows) qsort(all, (size_t)t->n_rows, sizeof *all, at_id_row_order);
    for (int i = 1; i < t->n_rows && *twice < 0; i++)
        if (!at_id_order(&all[i - 1], &all[i])) *twice = i;
    return all;
}

static at_id_row *find(const at_id_row *all, int n, at_cell id) {
    at_id_row wanted = {id, 0};
    return bsearch(&wanted, all, (size_t)n, sizeof *all, at_id_order);
}

static at_status match_ids(const judging *j, int right_column, int column, int *row, at_arena *arena, int *matched, at_error *err) {
    const at_table *t = j->right, *other = j->read;
    int twice_right, twice;
    at_id_row *right = index_of(t, right_column, arena, &twice_right), *answers = index_of(other, column, arena, &twice);
    *matched = twice_right < 0;
    if (!right || !answers) return at_fail_memory(err, 0);
    if (!*matched) return AT_OK; /* no ids, whatever the column is called */
    if (twice >= 0)
        return at_fail(err, AT_BAD_DATA, "%s:%u: the id '%.80s' is that of line %u, too", other->path,
                       (unsigned)other->line[answers[twice].row], answers[twice].id.text, (unsigned)other->line[answers[twice - 1].row]);
    for (int r = 0; r < t->n_rows; r++) {
        at_cell id = at_table_cell(t, r, right_column);
        const at_id_row *found = find(answers, other->n_rows, id);
        if (!found)
            return at_fail(err, AT_BAD_DATA, "%s: there is no answer for the id '%.80s' of %s:%u", other->path, id.text ? id.text : "",
                           t->path, (unsigned)t->line[r]);
        row[r] = found->row;
    }
    for (int r = 0; r < other->n_rows && other->n_rows > t->n_rows; r++)
        if (!find(right, t->n_rows, at_table_cell(other, r, column)))
            return at_fail(err, AT_BAD_DATA, "%s:%u: %s has no row with the id '%.80s'", other->path, (unsigned)other->line[r], t->path,
                           at_table_cell(other, r, column).text);
    return AT_OK;
}

/* The answers' rows in the order of the right ones: the cells are the same, the rows are others. */
static at_status reorder(judging *j, const int *row, at_error *err) {
    const at_table *t = j->read;
    size_t width = (size_t)t->n_columns, n = (size_t)j->right->n_rows;
    at_table *to = &j->answers;
    to->n_rows = (int)n;
    to->cells = AT_NEW_ARRAY(&j->arena, at_cell, n * width);
    to->line = AT_NEW_ARRAY(&j->arena, uint32_t, n);
    to->is_json = t->is_json ? AT_NEW_ARRAY(&j->arena, unsigned char, n * width) : NULL;
    if (!to->cells || !to->line || (t->is_json && !to->is_json)) return at_fail_memory(err, n * width * sizeof(at_cell));
    for (size_t r = 0; r < n; r++) {
        size_t from = (size_t)row[r];
        memcpy(to->cells + r * width, t->cells + from * width, width * sizeof(at_cell));
        if (to->is_json) memcpy(to->is_json + r * width, t->is_json + from * width, width);
        to->line[r] = t->line[from];
    }
    return AT_OK;
}

/* Where both files have a text, it must be the same. */
static at_status compare_texts(const judging *j, const char *name, at_error *err) {
    enum { SHOWN = 60 };
    const at_table *t = j->right, *other = &j->answers;
    int a = name ? at_table_column(t, name) : -1, b = name ? at_table_column(other, name) : -1;
    if (a < 0 || b < 0) return AT_OK;
    for (int r = 0; r < t->n_rows && r < other->n_rows; r++) {
        at_cell x = at_table_cell(t, r, a), y = at_table_cell(other, r, b);
        if (x.len == y.len && (!x.len || !memcmp(x.text, y.text, x.len))) continue;
        at_arena scratch = {0};
        char *here = at_shortened(&scratch, y.text ? y.text : "", y.len, SHOWN),
             *there = at_shortened(&scratch, x.text ? x.text : "", x.len, SHOWN);
        at_fail(err, AT_BAD_DATA, "%s:%u: the %s is '%s', but in %s:%u it is '%s'; the rows do not match", other->path,
                (unsigned)other->line[r], name, here ? here : "", t->path, (unsigned)t->line[r], there ? there : "");
        at_arena_free(&scratch);
        return AT_BAD_DATA;
    }
    return AT_OK;
}

static int is_text(const judging *j, const char *name) {
    const char *answers = at_options_text(j->options, "pred_column", NULL);
    if (answers && !strcmp(answers, name)) return 0;
    if ((j->wanted.text && !strcmp(j->wanted.text, name)) || (j->wanted.text2 && !strcmp(j->wanted.text2, name))) return 1;
    return at_columns_is_text(name);
}

/* Texts are compared before rows are counted: the first that differs is where a row is missing. */
static at_status compare_rows(judging *j, at_error *err) {
    const char *const *name = j->right->column;
    for (int c = 0; c < j->right->n_columns && j->right->n_columns > 1 && j->answers.n_columns > 1; c++)
        if (is_text(j, name[c])) AT_TRY(compare_texts(j, name[c], err));
    if (j->right->n_rows == j->answers.n_rows) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "%s: %d rows, but %s has %d; each needs its answer, in the same order or with the same id",
                   j->read->path, j->answers.n_rows, j->right->path, j->right->n_rows);
}

static at_status match(judging *j, at_error *err) {
    int right = at_table_column(j->right, "id"), column = at_table_column(j->read, "id"), matched = 0;
    int *row = AT_NEW_ARRAY(&j->arena, int, j->right->n_rows);
    if (!row) return at_fail_memory(err, 0);
    j->answers = *j->read;
    if (right >= 0 && column >= 0) AT_TRY(match_ids(j, right, column, row, &j->arena, &matched, err));
    if (matched) AT_TRY(reorder(j, row, err));
    return compare_rows(j, err);
}

/* ---- the order ---- */

static at_status open_all(judging *j, at_error *err) {
    const at_options *o = j->options;
    const char *right = at_options_text(o, "gold", NULL), *answers = at_options_text(o, "pred", NULL), *why;
    const char *name = at_options_text(o, "task", NULL);
    at_table_options options = at_settings_table(o);
    if (!right || !answers)
        return at_fail(err, AT_USAGE, "%s is missing: attune score --gold FILE --pred FILE",
                       right ? "the file of the answers to judge" : "the file of the right answers");
    AT_TRY(at_table_read(right, &options, &j->right, err));
    options.by_id = 1;
    AT_TRY(at_table_read(answers, &options, &j->read, err));
    j->wanted = at_settings_columns(o);
    at_settings_task(o, &j->state);
    j->state.main_metric = at_options_text(o, "metric_for_best_model", NULL);
    j->state.task = name ? at_task_find(name) : NULL;
    if (!j->state.task) AT_TRY(at_task_recognise(j->right, &j->wanted, &j->arena, &j->state.task, &why, err));
    AT_TRY(at_settings_label_names(o, &j->state, err));
    if (!j->state.task->judge) return at_fail(err, AT_USAGE, "--task %s: there are no answers of this task to judge; attune eval judges its models",
                                                j->state.task->name);
    at_tell(j->listener, "task", json_pack("{s:s}", "task", j->state.task->name), "%s: %d rows; %s: %d answers; task %s.", right,
            j->right->n_rows, answers, j->read->n_rows, j->state.task->name);
    return match(j, err);
}

static at_status tell_score(judging *j, at_error *err) {
    const at_score *s = &j->score;
    char *metrics = at_score_metrics_text(&j->arena, s), *confusion = at_score_confusion_text(&j->arena, s, &j->state.labels);
    if (!metrics) return at_fail_memory(err, 0);
    at_tell_text(j->listener, "eval",
                 json_pack("{s:s, s:s, s:s, s:o, s:O}", "data", j->right->path, "answers", j->read->path, "metric", s->main_name, "main",
                           at_json_number(s->main), "values", s->values),
                 metrics);
    if (confusion) at_tell(j->listener, "table", NULL, "\n%s", confusion);
    at_tell(j->listener, "done", json_pack("{s:s, s:o}", "metric", s->main_name, "main", at_json_number(s->main)), NULL);
    double least = at_options_real(j->options, "min_score", -INFINITY);
    if (s->main < least) return at_fail(err, AT_BELOW, "%s %.4f is below --min-score %.4f", s->main_name, s->main, least);
    return AT_OK;
}

at_status at_judge(const at_options *options, const at_listener *listener, at_error *err) {
    judging j = {.options = options, .listener = listener};
    const char *column = at_options_text(options, "pred_column", NULL);
    at_status st = open_all(&j, err);
    if (!st) st = j.state.task->judge(&j.state, j.right, &j.wanted, &j.answers, column, &j.score, err);
    if (!st && j.state.why) at_tell_note(listener, "%s", j.state.why); /* how the task read the answers, where that is not as they stand */
    if (!st) st = tell_score(&j, err);
    at_score_free(&j.score);
    at_task_close(&j.state);
    at_table_close(j.right);
    at_table_close(j.read);
    at_arena_free(&j.arena);
    return st;
}
