/* How several labels stand in a table: columns of 0 and 1, a JSON list, or one cell with something between them. */
#include "task/multi_label.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "task/label_parts.h"
#include "task/labels.h"
#include "task/texts.h"

enum { MOST_COLUMNS = 1000 };

/* ---- how the labels stand ---- */

/* 0 or 1; -1: neither. */
int at_multi_yes_or_no(at_cell cell) {
    static const char *const NO[] = {"0", "0.0", NULL}, *const YES[] = {"1", "1.0", NULL};
    if (!cell.len) return -1;
    if (!strcasecmp(cell.text, "false") || !strcasecmp(cell.text, "true")) return cell.len == 4; /* Python, JSON and spreadsheets */
    return at_word_index(cell.text, NO) >= 0 ? 0 : at_word_index(cell.text, YES) >= 0 ? 1 : -1;
}

static int is_flags(const at_table *t, int column) {
    for (int r = 0; r < t->n_rows; r++)
        if (at_multi_yes_or_no(at_table_cell(t, r, column)) < 0) return 0;
    return t->n_rows > 0;
}

int at_multi_is_list(const at_table *t, int column) {
    int lists = 0;
    for (int r = 0; r < t->n_rows; r++) lists += at_table_cell(t, r, column).len && at_table_cell(t, r, column).text[0] == '[';
    return 2 * lists > t->n_rows; /* one that is not is a mistake with a line of its own */
}

static int has_comma(const char *text) { return text && strchr(text, ',') != NULL; }

const char *at_multi_flag_columns(const at_table *t, const at_found_columns *found, at_arena *arena) {
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

const char *at_multi_usual_separator(const at_table *t, int column) {
    static const char *const USUAL[] = {"|", ";", ",", NULL};
    if (t->format == AT_TABLE_FASTTEXT) return joins_labels(t, column, " ") ? " " : NULL;
    for (int i = 0; USUAL[i]; i++)
        if (joins_labels(t, column, USUAL[i])) return USUAL[i];
    return NULL;
}

at_columns at_multi_texts_only(const at_columns *wanted) {
    at_columns texts = wanted ? *wanted : (at_columns){0};
    texts.label = NULL;
    return texts;
}

int at_multi_recognise(const at_table *t, const at_columns *wanted, at_arena *arena, const char **why) {
    at_found_columns found;
    at_columns texts = at_multi_texts_only(wanted);
    const char *asked = wanted ? wanted->label : NULL, *separator;
    if (asked && has_comma(asked) && at_table_column(t, asked) < 0) {
        *why = at_format(arena, "several label columns");
        return 1;
    }
    if (at_columns_find(t, wanted, 1, arena, &found, why, NULL)) { /* no column has a label's usual name */
        const char *columns = asked || at_columns_find(t, &texts, 0, arena, &found, why, NULL) ? NULL : at_multi_flag_columns(t, &found, arena);
        *why = columns ? at_format(arena, "the columns %.300s hold 0 and 1", columns) : NULL;
        return columns != NULL;
    }
    if (at_multi_is_list(t, found.label)) *why = at_format(arena, "column '%s' holds lists", t->column[found.label]);
    else if ((separator = at_multi_usual_separator(t, found.label)))
        *why = at_format(arena, "column '%s' holds labels with '%s' between them", t->column[found.label], separator);
    else return 0;
    return 1;
}

/* ---- in a table ---- */

static at_status use_columns(at_task_state *s, const char *list, at_error *err) {
    at_parts p = {.arena = &s->arena};
    at_parts_split(&p, (at_cell){list, (uint32_t)strlen(list)}, ",");
    if (p.failed) return at_fail_memory(err, 0);
    if (p.n > MOST_COLUMNS) return at_fail(err, AT_USAGE, "%d label columns, more than %d", p.n, MOST_COLUMNS);
    if (!s->labels.n) s->labels = (at_labels){p.name, p.n};
    at_multi_of(s)->by_columns = 1;
    return AT_OK;
}

int at_multi_has_columns(const at_task_state *s, const at_table *t) {
    for (int i = 0; i < s->labels.n; i++)
        if (at_table_column(t, s->labels.name[i]) < 0) return 0;
    return s->labels.n > 0;
}

/* The label columns that a table has, as a list; NULL: its labels stand otherwise. */
static const char *label_columns(at_task_state *s, const at_table *t, const at_columns *wanted, const at_found_columns *texts, int known) {
    at_found_columns found;
    const char *asked = wanted ? wanted->label : NULL, *why;
    if (asked) return at_table_column(t, asked) < 0 && has_comma(asked) ? asked : NULL;
    if (known) return at_multi_has_columns(s, t) ? "of the model" : NULL;
    return at_columns_find(t, wanted, 1, &s->arena, &found, &why, NULL) ? at_multi_flag_columns(t, texts, &s->arena) : NULL;
}

/* How the labels stand in this table: by columns, as a list, or with a separator. */
at_status at_multi_choose_form(at_task_state *s, const at_table *t, const at_columns *wanted, const at_found_columns *texts, int known,
                               at_error *err) {
    at_found_columns found;
    const char *list = label_columns(s, t, wanted, texts, known), *why;
    at_multi *m = at_multi_of(s);
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
    m->separator = at_multi_is_list(t, found.label) ? NULL /* lists have none, whatever stands between the labels of another file */
                   : s->label_separator             ? s->label_separator
                                                    : at_multi_usual_separator(t, found.label);
    if (!m->separator && !at_multi_is_list(t, found.label)) m->separator = t->format == AT_TABLE_FASTTEXT ? " " : "|";
    return AT_OK;
}

/* ---- a table whose labels stand otherwise than in the first ---- */

int at_multi_any_cell_has(const at_table *t, int column, const char *separator) {
    for (int r = 0; r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, column);
        if (cell.len && strstr(cell.text, separator)) return 1;
    }
    return 0;
}

static int any_label_is_a_column(const at_task_state *s, const at_table *t) {
    for (int i = 0; i < s->labels.n; i++)
        if (at_table_column(t, s->labels.name[i]) >= 0) return 1;
    return 0;
}

/* Of columns one is enough: that the others are missing is an error of its own. */
static int fits(const at_task_state *s, const at_table *t) {
    const at_multi *m = s->data;
    int column = s->columns.label ? at_table_column(t, s->columns.label) : -1;
    if (m->by_columns) return any_label_is_a_column(s, t);
    if (column < 0) return 0;
    if (!m->separator || at_multi_is_list(t, column)) return (m->separator == NULL) == at_multi_is_list(t, column);
    return s->label_separator || at_multi_any_cell_has(t, column, m->separator) || !at_multi_usual_separator(t, column);
}

at_status at_multi_form_of(const at_task_state *s, const at_table *t, at_task_state *form, at_error *err) {
    at_found_columns texts;
    const at_columns *c = &s->columns;
    int there = c->label && at_table_column(t, c->label) >= 0;
    *form = *s;
    form->arena = (at_arena){0};
    if (fits(s, t)) return AT_OK;
    at_columns wanted = {c->text && at_table_column(t, c->text) >= 0 ? c->text : NULL, c->text2 && at_table_column(t, c->text2) >= 0 ? c->text2 : NULL,
                         there ? c->label : NULL};
    at_columns only_texts = at_multi_texts_only(&wanted);
    if (!(form->data = AT_NEW(&form->arena, at_multi))) return at_fail_memory(err, sizeof(at_multi));
    *at_multi_of(form) = *at_multi_of(s);
    AT_TRY(at_columns_find(t, &only_texts, 0, &form->arena, &texts, NULL, err));
    return at_multi_choose_form(form, t, &wanted, &texts, 1, err);
}

/* ---- what is to be predicted ---- */

static at_status fill_from_columns(const at_task_state *s, const at_table *t, at_dataset *d, at_error *err) {
    size_t k = (size_t)s->labels.n;
    for (size_t c = 0; c < k; c++) {
        int column = at_table_column(t, s->labels.name[c]);
        if (column < 0)
            return at_fail(err, AT_BAD_DATA, "%s: there is no column '%s', a label of the training data", t->path, s->labels.name[c]);
        for (int i = 0; i < d->n; i++) {
            int r = at_texts_row(d, i);
            at_cell cell = at_table_cell(t, r, column);
            int value = at_multi_yes_or_no(cell);
            if (value < 0)
                return at_fail(err, AT_BAD_DATA, "%s:%u: '%.40s' (column '%s') is neither 0 nor 1", t->path, (unsigned)t->line[r],
                               cell.len ? cell.text : "", t->column[column]);
            d->target[(size_t)i * k + c] = (float)value;
        }
    }
    return AT_OK;
}

static at_status fill_from_cells(const at_task_state *s, const at_table *t, at_dataset *d, at_error *err) {
    at_arena scratch = {0};
    at_parts p = {.arena = &scratch, .names = &s->label_names};
    int column = at_table_column(t, s->columns.label);
    at_label_index *index = at_label_index_make(&s->labels, &scratch);
    at_status st = index ? AT_OK : at_fail_memory(err, 0);
    for (int k = 0; k < d->n && !st; k++) {
        int r = at_texts_row(d, k);
        st = at_parts_read(&p, t, r, column, at_multi_of(s)->separator, err);
        for (int i = 0; i < p.n && !st; i++) {
            int32_t id = at_label_index_find(index, p.name[i]);
            if (id < 0) st = at_label_unknown(&s->labels, t->path, t->line[r], p.name[i], err);
            else d->target[(size_t)k * (size_t)s->labels.n + (size_t)id] = 1;
        }
    }
    at_arena_free(&scratch);
    return st;
}

at_status at_multi_fill(const at_task_state *s, const at_table *t, at_dataset *d, at_error *err) {
    size_t cells = (size_t)d->n * (size_t)s->labels.n;
    d->target_width = s->labels.n;
    d->target = AT_NEW_ARRAY(&d->arena, float, cells);
    if (!d->target) return at_fail_memory(err, cells * sizeof *d->target);
    at_task_state form;
    at_status st = at_multi_form_of(s, t, &form, err);
    if (st) { /* told already */
    } else if (at_multi_of(&form)->by_columns) st = fill_from_columns(&form, t, d, err);
    else if (form.columns.label && at_table_column(t, form.columns.label) >= 0) st = fill_from_cells(&form, t, d, err);
    else st = at_fail(err, AT_USAGE, "%s: no column holds the labels; name it with --label-column", t->path);
    at_arena_free(&form.arena);
    return st;
}
