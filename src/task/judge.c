#include "task/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task/columns.h"

const char *const at_judge_names[] = {"prediction", "predicted", "predictions", "pred", "predicted_label", "answer", "output", NULL};

static char *list_of_columns(const at_table *table, at_arena *arena) {
    at_str list = {.arena = arena};
    for (int i = 0; i < table->n_columns; i++) at_str_addf(&list, "%s%s", i ? ", " : "", table->column[i]);
    return list.text ? list.text : "";
}

static at_status no_column(const at_table *t, const char *column, at_error *err) {
    at_arena scratch = {0};
    const char *near = column ? at_nearest(column, t->column, t->n_columns) : NULL, *list = list_of_columns(t, &scratch);
    if (column)
        at_fail(err, AT_USAGE, "%s: there is no column '%s'; the columns are %.300s.%s%s%s", t->path, column, list,
                near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
    else at_fail(err, AT_USAGE, "%s: no column looks like answers; the columns are %.300s. Name it with --pred-column", t->path, list);
    at_arena_free(&scratch);
    return AT_USAGE;
}

static int first_of(const at_table *t, const char *const *names) {
    for (int i = 0; names && names[i]; i++)
        if (at_table_column(t, names[i]) >= 0) return at_table_column(t, names[i]);
    return -1;
}

at_status at_judge_answer_column(const at_table *t, const char *column, const char *const *usual, const char *right, int *found,
                                 at_error *err) {
    at_arena scratch = {0};
    const char *own = right ? at_format(&scratch, "predicted_%s", right) : NULL;
    *found = column ? at_table_column(t, column) : own ? at_table_column(t, own) : -1;
    at_arena_free(&scratch);
    if (*found < 0 && column) return no_column(t, column, err);
    if (*found < 0) *found = first_of(t, usual);
    if (*found < 0) *found = first_of(t, at_judge_names);
    if (*found < 0 && right) *found = at_table_column(t, right);
    if (*found < 0 && t->n_columns == 1) *found = 0;
    return *found < 0 ? no_column(t, NULL, err) : AT_OK;
}

static at_status right_column(const at_table *t, const at_columns *wanted, int *column, at_error *err) {
    at_arena scratch = {0};
    at_found_columns found;
    *column = 0;
    if (t->n_columns == 1 && !wanted->label) return AT_OK;
    at_status st = at_columns_find(t, wanted, 1, &scratch, &found, NULL, err);
    if (!st) *column = found.label;
    at_arena_free(&scratch);
    return st;
}

at_status at_judge_columns(const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                           const char *const *usual, int *right_at, int *answer_at, at_error *err) {
    AT_TRY(right_column(right, wanted, right_at, err));
    return at_judge_answer_column(answers, column, usual, right->n_columns > 1 ? right->column[*right_at] : NULL, answer_at, err);
}

at_status at_judge_label(const at_table *t, int row, int column, const char *what, const char **label, at_error *err) {
    at_cell cell = at_table_cell(t, row, column);
    *label = cell.text;
    if (cell.len) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "%s:%u: the %s (column '%s') is empty", t->path, (unsigned)t->line[row], what, t->column[column]);
}

static const char PROBABILITY[] = "probability_";

static at_status add_name(const char **name, int *n, const char *text, at_arena *arena, at_error *err) {
    name[*n] = at_strdup(arena, text);
    return name[(*n)++] ? AT_OK : at_fail_memory(err, strlen(text));
}

at_status at_judge_probable(const at_table *t, at_arena *arena, const char ***name, int *n, at_error *err) {
    int column = at_table_column(t, "probabilities");
    at_cell cell = column >= 0 && t->n_rows ? at_table_cell(t, 0, column) : (at_cell){0};
    json_t *object = cell.len ? json_loadb(cell.text, cell.len, 0, NULL) : NULL, *value;
    const char *key;
    *n = 0;
    *name = AT_NEW_ARRAY(arena, const char *, json_object_size(object) + (size_t)t->n_columns);
    at_status st = *name ? AT_OK : at_fail_memory(err, (size_t)t->n_columns * sizeof **name);
    json_object_foreach(object, key, value) if (!st) st = add_name(*name, n, key, arena, err);
    for (int c = 0; c < t->n_columns && !st && !object; c++)
        if (!strncmp(t->column[c], PROBABILITY, sizeof PROBABILITY - 1))
            st = add_name(*name, n, t->column[c] + sizeof PROBABILITY - 1, arena, err);
    json_decref(object);
    return st;
}

static int from_object(const at_table *t, int row, int column, const at_labels *labels, double *p) {
    at_cell cell = at_table_cell(t, row, column);
    json_t *object = cell.len ? json_loadb(cell.text, cell.len, 0, NULL) : NULL;
    int all = 1;
    for (int i = 0; i < labels->n; i++) {
        const json_t *value = json_object_get(object, labels->name[i]);
        p[i] = json_number_value(value);
        all &= json_is_number(value) && p[i] >= 0 && p[i] <= 1;
    }
    json_decref(object);
    return all;
}

int at_judge_probabilities(const at_table *t, int row, const at_labels *labels, double *p) {
    int column = at_table_column(t, "probabilities"), all = 1;
    if (column >= 0) return from_object(t, row, column, labels, p);
    at_arena scratch = {0};
    for (int i = 0; i < labels->n && all; i++) {
        const char *name = at_format(&scratch, "%s%s", PROBABILITY, labels->name[i]);
        column = name ? at_table_column(t, name) : -1;
        at_cell cell = column >= 0 ? at_table_cell(t, row, column) : (at_cell){0};
        all = cell.len && at_parse_double(cell.text, &p[i]) && p[i] >= 0 && p[i] <= 1;
    }
    at_arena_free(&scratch);
    return all;
}
