#include "run/vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "infer/predict.h"
#include "task/columns.h"

static const size_t LINE_BYTES = (size_t)16 << 20;

at_status at_vectors_open(at_session *s, const at_options *o, at_error *err) {
    static const int UNIT[] = {0, 1, -1}; /* auto yes no */
    const char *folder = at_options_text(o, "model", NULL);
    *s = (at_session){0};
    if (!folder) return at_fail(err, AT_USAGE, "--model is missing: the folder of a model");
    int has_unit = at_setting_find(at_options_command(o), "normalize") != NULL;
    const at_vectors_options v = {.threads = (int)at_options_int(o, "threads", 0), .cpu = at_options_text(o, "cpu", NULL),
                                  .precision = (at_precision)at_options_choice(o, "precision"), .max_length = (int)at_options_int(o, "max_length", 0),
                                  .pooling = at_options_choice(o, "pooling"), .unit = has_unit ? UNIT[at_options_choice(o, "normalize")] : 0,
                                  .long_texts = (at_long)at_options_choice(o, "long")};
    return at_session_open_vectors(s, folder, &v, err);
}

at_status at_vectors_column(const at_options *o, const at_table *t, int *column, at_error *err) {
    at_arena scratch = {0};
    at_found_columns found;
    const at_columns wanted = {at_options_text(o, "text_column", NULL), NULL, NULL};
    at_status st = at_columns_find(t, &wanted, 0, &scratch, &found, NULL, err);
    if (!st) *column = found.text;
    at_arena_free(&scratch);
    return st;
}

/* ---- vectors ---- */

/* The rows as a table of one column, each text behind the prompt. */
static at_status behind_prompt(const at_table *t, int column, int first, int n, const char *prompt, at_arena *arena, at_table *part, at_error *err) {
    size_t before = prompt ? strlen(prompt) : 0;
    *part = (at_table){.path = t->path, .column = t->column + column, .n_columns = 1, .n_rows = n, .line = t->line + first};
    part->cells = AT_NEW_ARRAY(arena, at_cell, n);
    if (!part->cells) return at_fail_memory(err, (size_t)n * sizeof *part->cells);
    for (int i = 0; i < n; i++) {
        at_cell cell = at_table_cell(t, first + i, column);
        part->cells[i] = cell;
        if (!before) continue;
        char *text = before + cell.len < UINT32_MAX ? at_alloc_raw(arena, before + cell.len + 1, 1) : NULL;
        if (!text) return at_fail_memory(err, before + cell.len);
        memcpy(text, prompt, before);
        if (cell.len) memcpy(text + before, cell.text, cell.len);
        text[before + cell.len] = '\0';
        part->cells[i] = (at_cell){text, (uint32_t)(before + cell.len)};
    }
    return AT_OK;
}

static int watch(void *listener, int done) {
    (void)done;
    return at_asked_to_stop(listener);
}

static at_status embed_dataset(const at_session *s, const at_dataset *d, float *vectors, at_error *err) {
    const at_arch *arch = &s->model->arch;
    size_t width = (size_t)s->state.n_out;
    AT_TRY(at_dataset_fits(d, arch->vocab_size, arch->type_vocab, arch->max_positions, err));
    AT_TRY(at_predict_logits_watched(s->model, d, s->backend, s->pool, vectors, watch, (void *)(uintptr_t)s->listener, err));
    for (size_t i = 0; i < (size_t)d->n * width; i++)
        if (!isfinite(vectors[i]))
            return at_fail(err, AT_BAD_MODEL, "%s:%u: the vector of this text is not finite; the model's weights are damaged", d->path,
                           (unsigned)d->line[i / width]);
    return AT_OK;
}

at_status at_vectors_make(const at_session *s, const at_table *t, int column, int first, int n, const char *prompt, float *vectors, long *n_cut, at_error *err) {
    at_arena scratch = {0};
    at_table part;
    at_dataset *d = NULL;
    at_status st = behind_prompt(t, column, first, n, prompt, &scratch, &part, err);
    if (!st) st = at_dataset_encode_long(&part, 0, -1, s->tokenizer, s->max_tokens, s->state.long_texts, s->pool, &d, err);
    if (!st) st = embed_dataset(s, d, vectors, err);
    if (!st && n_cut) *n_cut += d->n_cut_examples;
    at_dataset_close(d);
    at_arena_free(&scratch);
    return st;
}

/* ---- texts ---- */

static at_status take_text(const char *name, long number, const char *text, size_t len, at_cell *cell, at_error *err) {
    size_t valid = at_utf8_check(text, len);
    if (len >= UINT32_MAX) return at_fail(err, AT_BAD_DATA, "%s:%ld: the text is too long", name, number);
    if (valid != len) return at_fail(err, AT_BAD_DATA, "%s:%ld: byte %zu is not valid UTF-8", name, number, valid + 1);
    if (memchr(text, '\0', len)) return at_fail(err, AT_BAD_DATA, "%s:%ld: there is a NUL byte in the text", name, number);
    *cell = (at_cell){text, (uint32_t)len};
    return AT_OK;
}

static at_status empty_table(const char *name, int most, at_arena *arena, at_table *t, at_error *err) {
    const char **names = AT_NEW_ARRAY(arena, const char *, 1);
    *t = (at_table){.path = name, .format = AT_TABLE_LINES, .column = names, .n_columns = 1};
    t->cells = AT_NEW_ARRAY(arena, at_cell, most);
    t->line = AT_NEW_ARRAY(arena, uint32_t, most);
    if (!names || !t->cells || !t->line) return at_fail_memory(err, (size_t)most * sizeof *t->cells);
    names[0] = "text";
    return AT_OK;
}

at_status at_vectors_table(const char *name, const char *const *texts, int n, at_arena *arena, at_table *t, at_error *err) {
    AT_TRY(empty_table(name, n, arena, t, err));
    for (int i = 0; i < n; i++) {
        if (!texts[i]) return at_fail(err, AT_USAGE, "%s %d is NULL", name, i + 1);
        AT_TRY(take_text(name, i + 1, texts[i], strlen(texts[i]), &t->cells[i], err));
        t->line[i] = (uint32_t)i + 1;
        t->n_rows++;
    }
    return AT_OK;
}

at_status at_text_source_open(at_text_source *s, const at_options *o, const char *path, const char *const *texts, int n_texts, at_error *err) {
    *s = (at_text_source){0};
    if (texts) {
        s->table = &s->own;
        return at_vectors_table("text", texts, n_texts, &s->lines, &s->own, err);
    }
    s->from_stream = !path || !strcmp(path, "-");
    if (s->from_stream) return AT_OK;
    at_table_options options = at_settings_table(o);
    options.plain_lines = 1;
    AT_TRY(at_table_read(path, &options, &s->file, err));
    s->table = s->file;
    return at_vectors_column(o, s->file, &s->column, err);
}

static at_status read_lines(at_text_source *s, int most, at_error *err) {
    at_arena_rewind(&s->lines, (at_mark){0});
    AT_TRY(empty_table("standard input", most, &s->lines, &s->own, err));
    s->table = &s->own;
    s->first = 0;
    while (s->own.n_rows < most) {
        ssize_t len = getline(&s->line, &s->line_bytes, stdin);
        long number = s->done + s->own.n_rows + 1;
        if (len < 0) break;
        while (len && (s->line[len - 1] == '\n' || s->line[len - 1] == '\r')) len--;
        if ((size_t)len > LINE_BYTES) return at_fail(err, AT_BAD_DATA, "standard input:%ld: the line is longer than 16 MiB", number);
        char *copy = at_strndup(&s->lines, s->line, (size_t)len);
        if (!copy) return at_fail_memory(err, (size_t)len);
        copy = memcpy(copy, s->line, (size_t)len); /* with NUL bytes, which take_text names */
        AT_TRY(take_text("standard input", number, copy, (size_t)len, &s->own.cells[s->own.n_rows], err));
        s->own.line[s->own.n_rows++] = (uint32_t)number;
    }
    return ferror(stdin) ? at_fail_errno(err, AT_BAD_DATA, "standard input", "cannot read") : AT_OK;
}

at_status at_text_source_next(at_text_source *s, int most, at_error *err) {
    s->first += s->n;
    s->done += s->n;
    s->n = 0;
    if (s->from_stream) AT_TRY(read_lines(s, most, err));
    int left = s->table->n_rows - s->first;
    s->n = left < most ? left : most;
    return AT_OK;
}

long at_text_source_count(const at_text_source *s) { return s->from_stream ? -1 : s->table->n_rows; }

void at_text_source_close(at_text_source *s) {
    free(s->line);
    at_arena_free(&s->lines);
    at_table_close(s->file);
    *s = (at_text_source){0};
}
