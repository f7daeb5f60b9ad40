/* Data lint of questions and answers: what is empty or cannot be read, answers that are not at their offset, the share without an answer.
 */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "task/answer.h"
#include "task/lint.h"

/* Returns whether the row has no answer. */
static int look_at_answers(at_lint *lint, const at_table *t, int row, const at_answer_columns *c, at_arena *scratch) {
    at_gold *gold;
    at_error why;
    int n;
    if (at_answer_gold(t, row, c, scratch, &gold, &n, &why)) {
        at_lint_sentence(lint, AT_LINT_BAD_LABEL, t->path, t->line[row], why.text);
        return 0;
    }
    for (int i = 0; i < n; i++)
        if (at_answer_place(t, row, c, &gold[i], &why)) at_lint_sentence(lint, AT_LINT_ANSWER_PLACE, t->path, t->line[row], why.text);
    return !n;
}

static at_status look_at_table(const at_task_state *s, at_lint *lint, at_lint_split *split, at_error *err) {
    const at_table *t = split->table;
    at_answer_columns c;
    at_arena scratch = {0};
    int without = 0;
    AT_TRY(at_answer_find(t, &s->columns, 1, &c, err));
    split->columns = (at_found_columns){c.question, c.context, c.answers};
    for (int r = 0; r < t->n_rows; r++) {
        at_mark mark = at_arena_mark(&scratch);
        without += look_at_answers(lint, t, r, &c, &scratch);
        at_arena_rewind(&scratch, mark);
    }
    at_arena_free(&scratch);
    if (without)
        at_lint_add(lint, AT_LINT_UNANSWERABLE, t->path, 0, "%d of %d questions (%.1f%%) have no answer", without, t->n_rows,
                    100.0 * without / t->n_rows);
    return AT_OK;
}

/* ---- texts that both files ask about ---- */

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Hashes of the folded contexts, sorted, each once. */
static uint64_t *contexts_of(const at_lint_split *s, at_arena *arena, size_t *n) {
    const at_table *t = s->table;
    at_str key = {.arena = arena};
    uint64_t *all = AT_NEW_ARRAY(arena, uint64_t, t->n_rows);
    *n = 0;
    for (int r = 0; all && r < t->n_rows; r++) {
        at_cell cell = at_table_cell(t, r, s->columns.text2);
        at_lint_fold(&key, cell.text ? cell.text : "", cell.len);
        all[r] = XXH3_64bits(key.text ? key.text : "", key.len);
    }
    if (!all || key.failed) return NULL;
    if (t->n_rows) qsort(all, (size_t)t->n_rows, sizeof *all, by_value);
    for (int r = 0; r < t->n_rows; r++)
        if (!r || all[r] != all[r - 1]) all[(*n)++] = all[r];
    return all;
}

static at_status look_for_shared(at_lint *lint, const at_lint_split *first, const at_lint_split *other, at_error *err) {
    at_arena scratch = {0};
    size_t n, m, shared = 0;
    uint64_t *a = contexts_of(first, &scratch, &n), *b = contexts_of(other, &scratch, &m);
    for (size_t i = 0; a && b && i < m; i++) shared += bsearch(&b[i], a, n, sizeof *a, by_value) != NULL;
    if (shared)
        at_lint_add(lint, AT_LINT_SHARED, other->table->path, 0, "%zu of %zu texts (column '%s') are asked about in %s, too", shared, m,
                    other->table->column[other->columns.text2], first->table->path);
    at_arena_free(&scratch);
    return a && b ? AT_OK : at_fail_memory(err, 0);
}

at_status at_answer_lint(const at_task_state *s, at_lint *lint, at_error *err) {
    for (int i = 0; i < lint->n_splits; i++) AT_TRY(look_at_table(s, lint, &lint->split[i], err));
    for (int i = 1; i < lint->n_splits; i++) AT_TRY(look_for_shared(lint, &lint->split[0], &lint->split[i], err));
    if (lint->failed) return at_fail_memory(err, 0);
    AT_TRY(at_lint_texts(lint, err));
    AT_TRY(at_lint_near(lint, err));
    return at_lint_encoding(lint, err);
}
