/* Data lint of questions and answers: what is empty or cannot be read, answers that are not at their offset, the share without an answer.
 */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "io/table_ids.h"
#include "task/answer.h"
#include "task/lint.h"
#include "text/unicode.h"

/* ---- answers ---- */

/* Letters and digits of scripts whose words have blanks between them and take no particles. */
static int in_word(uint32_t cp) { return (cp < 0x530 || (cp >= 0x1e00 && cp < 0x2000)) && (at_cp_flags(cp) & AT_CP_WORD); }

static uint32_t character_at(at_cell text, size_t byte) {
    uint32_t cp = ' ';
    return byte < text.len && at_utf8_decode((const unsigned char *)text.text + byte, text.len - byte, &cp) > 0 ? cp : ' ';
}

static uint32_t character_before(at_cell text, size_t byte) {
    if (!byte) return ' ';
    for (byte--; byte && ((unsigned char)text.text[byte] & 0xc0) == 0x80;) byte--;
    return character_at(text, byte);
}

static int is_cut(at_cell text, size_t byte) { return in_word(character_before(text, byte)) && in_word(character_at(text, byte)); }

/* An answer that stands where it is said to begins and ends with a word. */
static void look_at_ends(at_lint *lint, const at_lint_split *split, int row, const at_gold *gold) {
    const at_table *t = split->table;
    at_cell context = at_table_cell(t, row, split->columns.text2), from = at_answer_cut(context, (int)gold->start, INT32_MAX);
    size_t begin = (size_t)(from.text - context.text);
    if (is_cut(context, begin) || is_cut(context, begin + gold->len))
        at_lint_add(lint, AT_LINT_CUT_WORD, t->path, t->line[row], "%sthe answer %s, at character %lld, begins or ends inside a word",
                    at_lint_who(lint, split, row), at_lint_quote(lint, (at_cell){gold->text, (uint32_t)gold->len}), gold->start);
}

/* A row that says that it has no answer, and gives one that stands in its text. */
static void look_at_impossible(at_lint *lint, const at_lint_split *split, int row, const at_answer_columns *c, at_arena *scratch) {
    const at_table *t = split->table;
    at_answer_columns answers = *c;
    at_gold *gold;
    int n;
    answers.impossible = -1;
    if (!at_answer_impossible(t, row, c) || at_answer_gold(t, row, &answers, scratch, &gold, &n, NULL)) return;
    for (int i = 0; i < n; i++) {
        if (at_answer_place(t, row, &answers, &gold[i], NULL)) continue;
        at_lint_add(lint, AT_LINT_CONTRADICTION, t->path, t->line[row], "%sis_impossible is true, and the answer %s stands in the text",
                    at_lint_who(lint, split, row), at_lint_quote(lint, (at_cell){gold[i].text, (uint32_t)gold[i].len}));
        return;
    }
}

/* Returns whether the row has no answer. */
static int look_at_answers(at_lint *lint, const at_lint_split *split, int row, const at_answer_columns *c, at_arena *scratch) {
    const at_table *t = split->table;
    at_gold *gold;
    at_error why;
    int n;
    look_at_impossible(lint, split, row, c, scratch);
    if (at_answer_gold(t, row, c, scratch, &gold, &n, &why)) {
        at_lint_sentence(lint, AT_LINT_BAD_LABEL, t->path, t->line[row], why.text);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        int repeated = i && gold[i].len == gold[i - 1].len && gold[i].start == gold[i - 1].start; /* as several people gave it */
        if (at_answer_place(t, row, c, &gold[i], &why)) at_lint_sentence(lint, AT_LINT_ANSWER_PLACE, t->path, t->line[row], why.text);
        else if (!repeated) look_at_ends(lint, split, row, &gold[i]);
    }
    return !n;
}

/* ---- ids ---- */

/* first[r]: the row before r that has its id, else r. */
static void look_at_ids(at_lint *lint, const at_lint_split *split, at_arena *scratch) {
    const at_table *t = split->table;
    at_id_row *all = AT_NEW_ARRAY(scratch, at_id_row, t->n_rows);
    int *first = AT_NEW_ARRAY(scratch, int, t->n_rows), n = 0;
    for (int r = 0; r < t->n_rows && all && first; r++) {
        first[r] = r;
        if (at_table_cell(t, r, split->question_id - 1).len) all[n++] = (at_id_row){at_table_cell(t, r, split->question_id - 1), r};
    }
    if (n) qsort(all, (size_t)n, sizeof *all, at_id_row_order);
    for (int i = 1; i < n; i++)
        if (!at_id_order(&all[i], &all[i - 1])) first[all[i].row] = first[all[i - 1].row];
    for (int r = 0; r < t->n_rows && all && first; r++)
        if (first[r] != r)
            at_lint_add(lint, AT_LINT_ID_TWICE, t->path, t->line[r], "%sthe id is that of line %u, too, which asks %s", at_lint_who(lint, split, r),
                        (unsigned)t->line[first[r]], at_lint_quote(lint, at_table_cell(t, first[r], split->columns.text)));
    lint->failed |= !all || !first;
}

/* ---- a table ---- */

static at_status look_at_table(const at_task_state *s, at_lint *lint, at_lint_split *split, at_error *err) {
    const at_table *t = split->table;
    at_answer_columns c;
    at_arena scratch = {0};
    int without = 0;
    AT_TRY(at_answer_find(t, &s->columns, 1, &c, err));
    split->columns = (at_found_columns){c.question, c.context, c.answers};
    split->question_id = at_table_column(t, "id") + 1;
    if (split->question_id) look_at_ids(lint, split, &scratch);
    for (int r = 0; r < t->n_rows; r++) {
        at_mark mark = at_arena_mark(&scratch);
        without += look_at_answers(lint, split, r, &c, &scratch);
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
