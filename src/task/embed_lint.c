/* Data lint of embeddings: rows of one to three texts, each read by itself; scores that are none, labels that stand alone. */
#include <stdlib.h>
#include <string.h>

#include "task/embed.h"
#include "task/lint.h"

/* ---- labels ---- */

typedef struct labelled_row {
    at_cell label;
    int row;
} labelled_row;

static int by_label(const void *a, const void *b) {
    const labelled_row *x = a, *y = b;
    uint32_t n = x->label.len < y->label.len ? x->label.len : y->label.len;
    int order = n ? memcmp(x->label.text, y->label.text, n) : 0;
    if (order) return order;
    if (x->label.len != y->label.len) return x->label.len < y->label.len ? -1 : 1;
    return x->row - y->row;
}

static int same_label(const labelled_row *a, const labelled_row *b) {
    return a->label.len == b->label.len && !memcmp(a->label.text, b->label.text, a->label.len);
}

/* A text is near those of its label: one that is alone with its label teaches nothing, and finds nothing. */
static void look_at_labels(at_lint *lint, const at_table *t, int column, at_arena *scratch) {
    labelled_row *all = AT_NEW_ARRAY(scratch, labelled_row, t->n_rows);
    unsigned char *alone = AT_NEW_ARRAY(scratch, unsigned char, t->n_rows);
    int n = 0;
    if (!all || !alone) {
        lint->failed = 1;
        return;
    }
    for (int r = 0; r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, column);
        if (at_cell_is_blank(cell)) at_lint_add(lint, AT_LINT_EMPTY_LABEL, t->path, t->line[r], "the label (column '%s') is empty", t->column[column]);
        else all[n++] = (labelled_row){cell, r};
    }
    if (n) qsort(all, (size_t)n, sizeof *all, by_label);
    for (int i = 0; i < n; i++)
        alone[all[i].row] = (!i || !same_label(&all[i - 1], &all[i])) && (i + 1 == n || !same_label(&all[i], &all[i + 1]));
    for (int r = 0; r < t->n_rows; r++)
        if (alone[r])
            at_lint_add(lint, AT_LINT_RARE_LABEL, t->path, t->line[r], "label %s has only 1 row: there is no text that this one should be near",
                        at_lint_quote(lint, at_table_cell(t, r, column)));
}

/* ---- scores ---- */

static void look_at_scores(at_lint *lint, const at_lint_split *split) {
    at_error why;
    at_lint_numbers(lint, split);
    if (!strcmp(split->name, "train") && at_embed_refuse_constant(split->table, split->columns.label, &why))
        at_lint_sentence(lint, AT_LINT_BAD_LABEL, split->table->path, 0, why.text);
}

/* ---- lists of texts ---- */

/* What training refuses: the pass over texts sees a list as one. */
static void look_at_lists(at_lint *lint, const at_table *t, int column, int may_be_many) {
    at_cell *text;
    at_error why;
    int n;
    if (!at_embed_has_lists(t, column)) return;
    for (int r = 0; r < t->n_rows; r++) {
        at_arena scratch = {0};
        if (at_embed_cell_texts(t, r, column, may_be_many, &scratch, &text, &n, &why)) at_lint_sentence(lint, AT_LINT_BAD_LABEL, t->path, t->line[r], why.text);
        at_arena_free(&scratch);
    }
}

/* ---- tables ---- */

/* The first table's columns are found as training finds them; a later one may lack some, and be of another shape. */
static at_status find_columns(const at_lint *lint, const at_lint_split *split, const at_columns *wanted, const char *negative,
                              at_embed_columns *c, at_error *err) {
    const at_table *t = split->table;
    at_columns there = {at_embed_if_there(t, wanted->text), at_embed_if_there(t, wanted->text2), at_embed_if_there(t, wanted->label)};
    int first = split == &lint->split[0];
    return at_embed_find(t, first ? wanted : &there, first ? negative : at_embed_if_there(t, negative), 1, lint->arena, c, NULL, err);
}

static at_status look_at_table(at_lint *lint, at_lint_split *split, const at_embed_columns *c, at_error *err) {
    at_arena scratch = {0};
    split->columns = (at_found_columns){c->text[0], c->n_texts > 1 ? c->text[1] : -1, c->label};
    split->text3 = c->n_texts > 2 && !at_embed_has_lists(split->table, c->text[2]) ? c->text[2] + 1 : 0;
    for (int i = 0; i < c->n_texts; i++) look_at_lists(lint, split->table, c->text[i], i == 2);
    if (c->n_texts == 1 && c->label < 0 && split->table->n_rows) return at_embed_refuse_texts(split->table, err);
    if (c->n_texts == 2 && c->label >= 0) look_at_scores(lint, split);
    if (c->n_texts == 1 && c->label >= 0) look_at_labels(lint, split->table, c->label, &scratch);
    at_arena_free(&scratch);
    return AT_OK;
}

at_status at_embed_lint(const at_task_state *s, at_lint *lint, at_error *err) {
    at_columns wanted = s->columns;
    const char *negative = s->negative;
    for (int i = 0; i < lint->n_splits; i++) {
        const char *const *name = lint->split[i].table->column;
        at_embed_columns c;
        AT_TRY(find_columns(lint, &lint->split[i], &wanted, negative, &c, err));
        if (!i) {
            wanted = (at_columns){name[c.text[0]], c.text[1] < 0 ? NULL : name[c.text[1]], c.label < 0 ? wanted.label : name[c.label]};
            if (c.text[2] >= 0) negative = name[c.text[2]];
        }
        AT_TRY(look_at_table(lint, &lint->split[i], &c, err));
    }
    AT_TRY(at_lint_texts(lint, err));
    return at_lint_encoding(lint, err);
}
