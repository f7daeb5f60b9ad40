/* Data lint of questions and answers: what is empty or cannot be read, answers that are not at their offset, the share without an answer. */
#include <string.h>

#include "task/answer.h"
#include "task/lint.h"

static int is_blank(at_cell cell) {
    uint32_t i = 0;
    while (i < cell.len && (unsigned char)cell.text[i] <= ' ') i++;
    return i == cell.len;
}

static void look_at_text(at_lint *lint, const at_table *t, int row, int column) {
    if (is_blank(at_table_cell(t, row, column)))
        at_lint_add(lint, AT_LINT_EMPTY_TEXT, t->path, t->line[row], "the text (column '%s') is empty", t->column[column]);
}

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

static at_status look_at_table(const at_task_state *s, at_lint *lint, const at_table *t, at_error *err) {
    at_answer_columns c;
    at_arena scratch = {0};
    int without = 0;
    AT_TRY(at_answer_find(t, &s->columns, 1, &c, err));
    for (int r = 0; r < t->n_rows; r++) {
        at_mark mark = at_arena_mark(&scratch);
        look_at_text(lint, t, r, c.question);
        look_at_text(lint, t, r, c.context);
        without += look_at_answers(lint, t, r, &c, &scratch);
        at_arena_rewind(&scratch, mark);
    }
    at_arena_free(&scratch);
    if (without)
        at_lint_add(lint, AT_LINT_UNANSWERABLE, t->path, 0, "%d of %d questions (%.1f%%) have no answer", without, t->n_rows, 100.0 * without / t->n_rows);
    return AT_OK;
}

at_status at_answer_lint(const at_task_state *s, at_lint *lint, at_error *err) {
    for (int i = 0; i < lint->n_splits; i++) AT_TRY(look_at_table(s, lint, lint->split[i].table, err));
    return lint->failed ? at_fail_memory(err, 0) : at_lint_encoding(lint, err);
}
