/* Data lint of several labels: what cannot be read, what the first file does not have, what is rare. */
#include <string.h>

#include "task/label_parts.h"
#include "task/labels.h"
#include "task/lint.h"
#include "task/multi_label.h"

static void look_at_columns(const at_task_state *s, at_lint *lint, const at_table *t) {
    for (int i = 0; i < s->labels.n; i++) {
        int column = at_table_column(t, s->labels.name[i]);
        if (column < 0)
            at_lint_add(lint, AT_LINT_BAD_LABEL, t->path, 0, "there is no column '%s', a label of the first file", s->labels.name[i]);
        for (int r = 0; column >= 0 && r < t->n_rows; r++)
            if (at_multi_yes_or_no(at_table_cell(t, r, column)) < 0)
                at_lint_add(lint, AT_LINT_BAD_LABEL, t->path, t->line[r], "%s (column '%s') is neither 0 nor 1",
                            at_lint_quote(lint, at_table_cell(t, r, column)), t->column[column]);
    }
}

static void look_at_cells(const at_task_state *s, at_lint *lint, const at_table *t) {
    at_arena scratch = {0};
    at_parts p = {.arena = &scratch, .names = &s->label_names};
    at_label_index *index = at_label_index_make(&s->labels, &scratch);
    int column = s->columns.label ? at_table_column(t, s->columns.label) : -1;
    at_error err;
    if (column < 0) at_lint_add(lint, AT_LINT_BAD_LABEL, t->path, 0, "no column holds the labels");
    for (int r = 0; column >= 0 && index && r < t->n_rows; r++) {
        at_status st = at_parts_read(&p, t, r, column, at_multi_of(s)->separator, &err);
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
    if (!at_multi_fill(s, t, &d, &why)) /* what cannot be read is told already */
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

/* A row that cannot be read ends the binding; the others' labels are known all the same, and all bad rows are told then. */
static at_status bind_what_can_be_read(at_task_state *s, const at_table *t, int *bound, at_error *err) {
    at_arena scratch = {0};
    at_parts all = {.arena = &scratch}, row = {.arena = &scratch, .names = &s->label_names};
    int column = s->data && s->columns.label ? at_table_column(t, s->columns.label) : -1;
    at_error why;
    for (int r = 0; r < t->n_rows && column >= 0; r++) {
        if (at_parts_read(&row, t, r, column, at_multi_of(s)->separator, &why)) continue;
        for (int i = 0; i < row.n; i++) at_parts_add(&all, row.name[i], strlen(row.name[i]));
    }
    at_status st = all.failed ? at_fail_memory(err, 0) : all.n ? at_labels_collect(all.name, (size_t)all.n, &s->arena, &s->labels, err) : AT_OK;
    *bound = all.n > 0;
    at_arena_free(&scratch);
    return st;
}

/* ---- the same text twice: its labels are a set ---- */

typedef struct forms {
    const at_lint *lint;
    at_task_state of[AT_LINT_SPLITS]; /* how each file is read */
} forms;

/* 0: they cannot be read, which is told elsewhere. */
static int labels_of(const forms *f, const at_lint_split *split, int row, at_parts *p) {
    const at_task_state *s = &f->of[split - f->lint->split];
    const at_table *t = split->table;
    int column = s->columns.label ? at_table_column(t, s->columns.label) : -1;
    if (!at_multi_of(s)->by_columns) return column >= 0 && !at_parts_read(p, t, row, column, at_multi_of(s)->separator, NULL);
    for (int i = 0; i < s->labels.n; i++) {
        int flag = at_table_column(t, s->labels.name[i]), yes = flag < 0 ? -1 : at_multi_yes_or_no(at_table_cell(t, row, flag));
        if (yes < 0) return 0;
        if (yes) at_parts_add(p, s->labels.name[i], strlen(s->labels.name[i]));
    }
    return 1;
}

static int holds(const at_parts *all, const at_parts *some) {
    for (int i = 0; i < some->n; i++) {
        int k = 0;
        while (k < all->n && strcmp(all->name[k], some->name[i])) k++;
        if (k == all->n) return 0;
    }
    return 1;
}

static int same_labels(const void *of, const at_lint_split *s, int row, const at_lint_split *other, int first) {
    const forms *f = of;
    at_arena scratch = {0};
    at_parts a = {.arena = &scratch, .names = &f->of[0].label_names}, b = a;
    int same = !labels_of(f, s, row, &a) || !labels_of(f, other, first, &b) || (holds(&a, &b) && holds(&b, &a));
    at_arena_free(&scratch);
    return same;
}

/* Where a file cannot be read at all its cells are compared as they are. */
static at_status look_at_texts(const at_task_state *s, int bound, at_lint *lint, at_error *err) {
    forms f = {.lint = lint};
    int readable = bound, n = 0;
    for (; n < lint->n_splits && readable; n++) readable = !at_multi_form_of(s, lint->split[n].table, &f.of[n], NULL);
    if (readable) lint->same_labels = same_labels, lint->same_labels_of = &f;
    at_status st = at_lint_texts(lint, err);
    lint->same_labels = NULL;
    for (int i = 0; i < n; i++) at_arena_free(&f.of[i].arena);
    return st;
}

at_status at_multi_lint(const at_task_state *bound, at_lint *lint, at_error *err) {
    at_task_state s = {.task = bound->task, .label_separator = bound->label_separator, .label_names = bound->label_names};
    const at_lint_split *first = &lint->split[0];
    const char *const *name = first->table->column;
    at_columns wanted = {name[first->columns.text], first->columns.text2 < 0 ? NULL : name[first->columns.text2], bound->columns.label};
    at_error why;
    at_status st = AT_OK;
    int readable = 1;
    int bound_whole = !at_multi_bind(&s, first->table, &wanted, 0, &why);
    st = look_at_texts(&s, bound_whole, lint, err);
    if (!st) st = at_lint_near(lint, err);
    if (!st && !bound_whole) st = bind_what_can_be_read(&s, first->table, &readable, err);
    if (!st && !readable) at_lint_sentence(lint, AT_LINT_BAD_LABEL, first->table->path, 0, why.text);
    else
        for (int i = 0; i < lint->n_splits && !st; i++) {
            at_task_state form;
            if (at_multi_form_of(&s, lint->split[i].table, &form, &why)) at_lint_sentence(lint, AT_LINT_BAD_LABEL, lint->split[i].table->path, 0, why.text);
            else if (at_multi_of(&form)->by_columns) look_at_columns(&form, lint, lint->split[i].table);
            else look_at_cells(&form, lint, lint->split[i].table);
            at_arena_free(&form.arena);
            if (!i) look_for_rare(&s, lint, first->table);
        }
    at_task_close(&s);
    return st ? st : at_lint_encoding(lint, err);
}
