/* A table written again in its own format, with some cells changed and some rows left out. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "io/table_input.h"
#include "io/table_write.h"

typedef struct rewriting {
    const at_table *t;
    const at_cell *cell;
    const unsigned char *drop;
    at_writer *to;
    at_arena line;
    int crlf; /* lines end as in the file that was read */
} rewriting;

static const at_cell *cell_of(const rewriting *w, int row, int column) {
    return &w->cell[(size_t)row * (size_t)w->t->n_columns + (size_t)column];
}

static at_status send(rewriting *w, const at_str *text, at_error *err) {
    if (w->crlf && text->len && !text->failed) {
        AT_TRY(at_writer_add(w->to, text->text, text->len - 1, err));
        return at_writer_add(w->to, "\r\n", 2, err);
    }
    return text->failed ? at_fail_memory(err, text->len) : at_writer_add(w->to, text->text ? text->text : "", text->len, err);
}

/* ---- CSV, TSV, JSONL ---- */

static void add_header(const rewriting *w, at_str *text) {
    at_row_out row = at_row_begin(text, w->t->format);
    if (w->t->delimiter) row.delimiter = w->t->delimiter;
    for (int c = 0; c < w->t->n_columns; c++) at_row_text(&row, "", w->t->column[c], strlen(w->t->column[c]));
    at_row_end(&row);
}

/* What was absent in JSON stays so. */
static void add_row(const rewriting *w, int r, at_str *text) {
    const at_table *t = w->t;
    int json = t->format == AT_TABLE_JSONL;
    at_row_out row = at_row_begin(text, t->format);
    if (t->delimiter) row.delimiter = t->delimiter;
    for (int c = 0; c < t->n_columns; c++) {
        const at_cell *cell = cell_of(w, r, c);
        if (json && !cell->text) continue;
        if (t->is_json && t->is_json[(size_t)r * (size_t)t->n_columns + (size_t)c]) at_row_raw(&row, t->column[c], cell->text);
        else at_row_text(&row, t->column[c], cell->text, cell->len);
    }
    at_row_end(&row);
}

/* ---- texts a line ---- */

static void add_line(const rewriting *w, int r, at_str *text) {
    at_cell label = w->t->n_columns > 1 ? *cell_of(w, r, 0) : (at_cell){0}, words = *cell_of(w, r, w->t->n_columns - 1);
    for (uint32_t i = 0, from = 0; w->t->format == AT_TABLE_FASTTEXT && i <= label.len; i++) {
        if (i < label.len && label.text[i] != ' ') continue;
        if (i > from) at_str_addf(text, "__label__%.*s ", (int)(i - from), label.text + from);
        from = i + 1;
    }
    for (uint32_t i = 0; i < words.len; i++)
        at_str_add_bytes(text, words.text[i] == '\n' || words.text[i] == '\r' ? " " : &words.text[i], 1);
    at_str_add(text, "\n");
}

/* Windows' line ends and the mark that spreadsheets know UTF-8 by belong to the file's format. */
static at_status begin_as_read(rewriting *w, at_error *err) {
    char begin[4096];
    FILE *file = fopen(w->t->path, "rb");
    size_t n = file ? fread(begin, 1, sizeof begin, file) : 0;
    const char *end = memchr(begin, '\n', n);
    if (file) fclose(file);
    w->crlf = end && end > begin && end[-1] == '\r';
    return n >= 3 && !memcmp(begin, "\xef\xbb\xbf", 3) ? at_writer_add(w->to, begin, 3, err) : AT_OK;
}

static at_status write_rows(rewriting *w, at_error *err) {
    AT_TRY(begin_as_read(w, err));
    int lines = w->t->format == AT_TABLE_LINES || w->t->format == AT_TABLE_FASTTEXT;
    for (int r = w->t->has_header ? -1 : 0; r < w->t->n_rows; r++) {
        if (r >= 0 && w->drop[r]) continue;
        at_mark mark = at_arena_mark(&w->line);
        at_str text = {.arena = &w->line};
        if (r < 0) add_header(w, &text);
        else if (lines) add_line(w, r, &text);
        else add_row(w, r, &text);
        AT_TRY(send(w, &text, err));
        at_arena_rewind(&w->line, mark);
    }
    return AT_OK;
}

/* ---- SQuAD ---- */

static at_status mend_question(const rewriting *w, json_t *questions, size_t *i, int row, at_error *err) {
    int column = at_table_column(w->t, "answers");
    const at_cell *cell = cell_of(w, row, column);
    at_cell before = at_table_cell(w->t, row, column);
    if (w->drop[row]) {
        json_array_remove(questions, (*i)--);
        return AT_OK;
    }
    if (cell->text == before.text) return AT_OK;
    json_t *answers = json_loadb(cell->text, cell->len, 0, NULL);
    return answers && !json_object_set_new(json_array_get(questions, *i), "answers", answers) ? AT_OK : at_fail_memory(err, cell->len);
}

static at_status mend_questions(const rewriting *w, json_t *root, at_error *err) {
    size_t a, p;
    json_t *article, *paragraph;
    int row = 0;
    json_array_foreach(json_object_get(root, "data"), a, article) json_array_foreach(json_object_get(article, "paragraphs"), p, paragraph) {
        json_t *questions = json_object_get(paragraph, "qas");
        for (size_t i = 0; i < json_array_size(questions) && row < w->t->n_rows; i++) AT_TRY(mend_question(w, questions, &i, row++, err));
    }
    return AT_OK;
}

static int add_bytes(const char *bytes, size_t n, void *to) { return at_writer_add(to, bytes, n, NULL) != AT_OK; }

static at_status write_squad(rewriting *w, at_error *err) {
    json_t *root;
    AT_TRY(at_json_load(w->t->path, AT_TABLE_FILE_BYTES, AT_BAD_DATA, &root, err));
    at_status st = mend_questions(w, root, err);
    if (!st && json_dump_callback(root, add_bytes, w->to, JSON_COMPACT)) st = at_fail(err, AT_DISK, "%s: cannot be written", w->to->path);
    json_decref(root);
    return st;
}

at_status at_table_rewrite(const at_table *t, const at_cell *cell, const unsigned char *drop, const char *path, at_error *err) {
    at_arena arena = {0};
    rewriting w = {.t = t, .cell = cell, .drop = drop, .to = AT_NEW(&arena, at_writer)};
    at_status st = w.to ? at_writer_open(w.to, path, err) : at_fail_memory(err, sizeof *w.to);
    if (!st) {
        st = t->format == AT_TABLE_SQUAD   ? write_squad(&w, err)
             : t->format == AT_TABLE_CONLL ? at_table_rewrite_conll(t, cell, drop, w.to, err)
                                           : write_rows(&w, err);
        if (!st) st = at_writer_commit(w.to, err);
        else at_writer_abandon(w.to);
    }
    at_arena_free(&w.line);
    at_arena_free(&arena);
    return st;
}
