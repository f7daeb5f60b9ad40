/* attune predict: answers for a file, for texts, or for standard input line by line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/room.h"
#include "base/str.h"
#include "run/answers.h"
#include "run/unread.h"
#include "task/texts.h"
#include "train/long_text.h"

enum { ROWS_AT_ONCE = 4096, LINES_AT_ONCE = 256 };
static const size_t READ_BYTES = 1 << 16, LINE_BYTES = 16 << 20;

static at_status stopped(at_error *err) { return at_fail(err, AT_STOPPED, "stopped"); }

static at_status answer_rows(at_session *s, at_answers *answers, const at_table *t, int first, const at_dataset *d,
                             const float *logits, at_error *err) {
    for (at_row_outputs r = {0}; at_dataset_next_row(d, &r);) {
        at_answered row = {t, first + (int)r.row, logits + r.output * (size_t)s->state.n_out, r.n_outputs, d, r.output, NULL};
        AT_TRY(at_answers_add(answers, &row, err));
    }
    return AT_OK;
}

/* Texts that the model writes, a row each. */
static at_status write_rows(at_session *s, at_answers *answers, const at_table *t, int first, int n, const at_listener *listener,
                            at_arena *scratch, at_dataset **d, at_error *err) {
    at_written *written;
    AT_TRY(at_session_write(s, t, first, n, &answers->wishes, listener, scratch, &written, d, err));
    for (int i = 0; i < (*d)->n; i++) {
        at_answered row = {.table = t, .row = first + i, .data = *d, .written = &written[i]};
        AT_TRY(at_answers_add(answers, &row, err));
    }
    return AT_OK;
}

static at_status answer_part(at_session *s, at_answers *answers, const at_table *t, int first, int n, const at_listener *listener,
                             at_arena *scratch, at_dataset **d, at_error *err) {
    float *logits;
    if (s->state.task->score_written) return write_rows(s, answers, t, first, n, listener, scratch, d, err);
    AT_TRY(at_session_logits(s, t, first, n, 0, scratch, &logits, d, err));
    return answer_rows(s, answers, t, first, *d, logits, err);
}

static at_status answer_table(at_session *s, at_answers *answers, const at_table *t, const at_listener *listener, at_error *err) {
    for (int first = 0; first < t->n_rows; first += ROWS_AT_ONCE) {
        int n = t->n_rows - first < ROWS_AT_ONCE ? t->n_rows - first : ROWS_AT_ONCE;
        at_arena scratch = {.mapped = 1};
        at_dataset *d = NULL;
        if (at_asked_to_stop(listener)) return stopped(err);
        at_status st = answer_part(s, answers, t, first, n, listener, &scratch, &d, err);
        if (!st) {
            answers->cut_rows += d->n_cut_examples;
            answers->cut_tokens += d->n_cut_tokens;
        }
        at_dataset_close(d);
        at_arena_free(&scratch);
        if (st) return st;
    }
    return AT_OK;
}

/* The end of a prediction: the file is there, or nothing is. */
static at_status finish(at_answers *answers, const char *path, const at_listener *listener, at_status st, at_error *err) {
    if (!st) st = at_answers_commit(answers, err);
    if (!st && answers->cut_rows)
        at_tell_warning(listener, "%ld of %ld texts are longer than the model reads%s; %llu tokens were not read", answers->cut_rows,
                        answers->rows, at_long_words(answers->session->state.long_texts), (unsigned long long)answers->cut_tokens);
    if (!st && path)
        at_tell(listener, "done", json_pack("{s:I, s:I, s:I, s:s}", "rows", (json_int_t)answers->rows, "cut_rows",
                                            (json_int_t)answers->cut_rows, "cut_tokens", (json_int_t)answers->cut_tokens, "output", path),
                "%ld answers are in %s.", answers->rows, path);
    else if (!st)
        at_tell(listener, "done", json_pack("{s:I, s:I, s:I}", "rows", (json_int_t)answers->rows, "cut_rows",
                                            (json_int_t)answers->cut_rows, "cut_tokens", (json_int_t)answers->cut_tokens), NULL);
    at_answers_close(answers);
    return st;
}

static at_status predict_table(at_session *s, const at_options *o, const at_table *t, const at_columns *wanted,
                               const at_listener *listener, at_error *err) {
    const char *path = at_options_text(o, "output", NULL);
    at_answers answers;
    AT_TRY(s->state.task->bind(&s->state, t, wanted, 1, err));
    if (t->has_header) at_tell_note(listener, "%s: %s", t->path, s->state.why);
    at_status st = at_answers_open(&answers, s, listener, (at_answer_format)at_options_choice(o, "format"), path, t, err);
    answers.wishes = at_settings_wishes(o);
    if (!st) st = answer_table(s, &answers, t, listener, err);
    return finish(&answers, path, listener, st, err);
}

/* ---- lines and texts ---- */

/* The cells of one text (or pair, with a tab between) that lies in memory as long as the cells are used. */
static at_status split_text(const at_options *o, const char *name, long number, char *text, size_t len, at_cell *cells, at_error *err) {
    size_t valid = at_utf8_check(text, len);
    if (valid != len) return at_fail(err, AT_BAD_DATA, "%s:%ld: byte %zu is not valid UTF-8", name, number, valid + 1);
    if (memchr(text, '\0', len)) return at_fail(err, AT_BAD_DATA, "%s:%ld: there is a NUL byte in the text", name, number);
    cells[0] = (at_cell){text, (uint32_t)len};
    if (!at_options_flag(o, "pairs")) return AT_OK;
    char *tab = memchr(text, '\t', len);
    if (!tab) return at_fail(err, AT_BAD_DATA, "%s:%ld: there is no tab between the two texts of a pair", name, number);
    cells[1] = (at_cell){tab + 1, (uint32_t)(len - (size_t)(tab - text) - 1)};
    cells[0].len = (uint32_t)(tab - text);
    *tab = '\0';
    return AT_OK;
}

/* Of texts that no header names. */
static at_columns pair_columns(const at_options *o) {
    return (at_columns){"text", at_options_flag(o, "pairs") ? "text2" : NULL, NULL};
}

static void name_columns(at_table *t, const at_options *o, const char *names[2]) {
    at_columns columns = pair_columns(o);
    names[0] = columns.text;
    names[1] = columns.text2;
    t->column = names;
    t->n_columns = columns.text2 ? 2 : 1;
}

/* Texts that were given as such have no columns to look for: one of a model of pairs is answered, and that is said. */
static void tell_single(const at_session *s, const at_options *o, const at_listener *listener) {
    const char *name[2];
    const char *const *pair = at_texts_pair(&s->state, name);
    if (pair && !at_options_flag(o, "pairs"))
        at_tell_warning(listener, "the model was trained on pairs of texts ('%s' and '%s'), and this is one: give both, with a tab between them, and --pairs",
                        pair[0], pair[1]);
}

typedef struct line_table {
    at_table table;
    const char *names[2];
    at_cell cells[2 * LINES_AT_ONCE];
    uint32_t numbers[LINES_AT_ONCE];
} line_table;

static void line_table_start(line_table *l, const at_options *o, const char *name) {
    *l = (line_table){.table = {.path = name, .format = AT_TABLE_LINES}};
    name_columns(&l->table, o, l->names);
    l->table.cells = l->cells;
    l->table.line = l->numbers;
}

typedef struct streaming {
    const at_options *options;
    const at_listener *listener;
    at_session *session;
    at_answers answers;
    line_table lines;
    long number; /* of the last line */
} streaming;

static at_status flush_lines(streaming *in, at_error *err) {
    if (!in->lines.table.n_rows) return AT_OK;
    at_status st = answer_table(in->session, &in->answers, &in->lines.table, in->listener, err);
    in->lines.table.n_rows = 0;
    return st;
}

static at_status add_line(streaming *in, char *text, size_t len, at_error *err) {
    line_table *l = &in->lines;
    if (l->table.n_rows == LINES_AT_ONCE) AT_TRY(flush_lines(in, err));
    int i = l->table.n_rows;
    if (len && text[len - 1] == '\r') len--;
    text[len] = '\0';
    at_error why;
    if (split_text(in->options, l->table.path, ++in->number, text, len, &l->cells[i * l->table.n_columns], &why)) {
        AT_TRY(flush_lines(in, err)); /* those before it are answered, however many came at once */
        if (err) *err = why;
        return why.code;
    }
    l->numbers[i] = (uint32_t)in->number;
    l->table.n_rows++;
    return AT_OK;
}

/* Answers all whole lines of the buffer and moves the rest to its start. */
static at_status take_lines(streaming *in, char *buffer, size_t *used, at_error *err) {
    char *start = buffer, *end = buffer + *used, *newline;
    while ((newline = memchr(start, '\n', (size_t)(end - start)))) {
        AT_TRY(add_line(in, start, (size_t)(newline - start), err));
        start = newline + 1;
    }
    AT_TRY(flush_lines(in, err));
    *used = (size_t)(end - start);
    memmove(buffer, start, *used);
    return AT_OK;
}

static at_status read_stream(streaming *in, char **buffer, at_error *err) {
    size_t used = 0, size = 0;
    for (;;) {
        if (size - used < READ_BYTES) {
            if (used > LINE_BYTES)
                return at_fail(err, AT_BAD_DATA, "%s:%ld: the line is longer than 16 MiB", in->lines.table.path,
                               in->number + 1);
            char *more = at_room_resize(*buffer, size = 2 * size + 2 * READ_BYTES);
            if (!more) return at_fail_memory(err, size);
            *buffer = more;
        }
        ssize_t n = read(STDIN_FILENO, *buffer + used, size - used - 1);
        if (n < 0 && errno == EINTR && !at_asked_to_stop(in->listener)) continue;
        if (n < 0 && errno == EINTR) return stopped(err);
        if (n < 0) return at_fail_errno(err, AT_BAD_DATA, in->lines.table.path, "cannot read");
        if (n == 0) break;
        used += (size_t)n;
        AT_TRY(take_lines(in, *buffer, &used, err));
    }
    if (used) AT_TRY(add_line(in, *buffer, used, err)); /* a last line without a newline */
    return flush_lines(in, err);
}

/* Each line is answered as soon as it is whole; lines that came together go through the model together. */
static at_status predict_stream(at_session *s, const at_options *o, const at_listener *listener, at_error *err) {
    streaming *in = calloc(1, sizeof *in);
    if (!in) return at_fail_memory(err, sizeof *in);
    const char *path = at_options_text(o, "output", NULL);
    in->options = o;
    in->listener = listener;
    in->session = s;
    line_table_start(&in->lines, o, "standard input");
    s->state.columns = pair_columns(o);
    char *buffer = NULL;
    tell_single(s, o, listener);
    at_status st = at_answers_open(&in->answers, s, listener, (at_answer_format)at_options_choice(o, "format"), path,
                                   &in->lines.table, err);
    in->answers.wishes = at_settings_wishes(o);
    if (!st) st = read_stream(in, &buffer, err);
    st = finish(&in->answers, path, listener, st, err);
    at_room_free(buffer);
    free(in);
    return st;
}

/* Answers in the place of the data they were made of would be a loss. */
static at_status check_output(const char *input, const char *output, at_error *err) {
    struct stat in, out;
    if (!input || !output || stat(input, &in) || stat(output, &out) || in.st_dev != out.st_dev || in.st_ino != out.st_ino) return AT_OK;
    return at_fail(err, AT_USAGE, "--output %s: is the input itself; choose another file", output);
}

at_status at_predict_file(const at_options *o, const at_listener *listener, at_error *err) {
    const char *input = at_options_text(o, "input", NULL);
    at_table_options table_options = at_settings_table(o);
    at_table *table = NULL;
    at_session s = {0};
    at_status st = check_output(input, at_options_text(o, "output", NULL), err);
    if (!st) st = at_session_open_options(&s, o, err);
    s.listener = listener;
    if (!st) at_tell_unread(listener, s.model);
    if (!st) st = at_settings_long_check(o, s.state.task, err);
    if (!st) at_settings_task(o, &s.state);
    if (!st) table_options.plain_lines |= s.state.task->plain_texts;
    if (!st && (!input || !strcmp(input, "-"))) st = at_settings_stream(o, err);
    if (!st && (!input || !strcmp(input, "-"))) {
        st = predict_stream(&s, o, listener, err);
    } else if (!st) {
        st = at_table_read(input, &table_options, &table, err);
        at_columns wanted = at_settings_columns(o);
        if (!st) st = predict_table(&s, o, table, &wanted, listener, err);
    }
    at_table_close(table);
    at_session_close(&s);
    return st;
}

static at_status texts_table(const at_options *o, const char *const *texts, int n, at_arena *arena, at_table *t, at_error *err) {
    const char **names = AT_NEW_ARRAY(arena, const char *, 2);
    if (!names) return at_fail_memory(err, 0);
    *t = (at_table){.path = "text", .format = AT_TABLE_LINES, .n_rows = n};
    name_columns(t, o, names);
    t->cells = AT_NEW_ARRAY(arena, at_cell, (size_t)n * (size_t)t->n_columns);
    t->line = AT_NEW_ARRAY(arena, uint32_t, n);
    if (!t->cells || !t->line) return at_fail_memory(err, (size_t)n * sizeof *t->cells);
    for (int i = 0; i < n; i++) {
        size_t len = strlen(texts[i]);
        char *copy = len < UINT32_MAX ? at_strndup(arena, texts[i], len) : NULL;
        if (!copy) return at_fail_memory(err, len);
        t->line[i] = (uint32_t)i + 1;
        AT_TRY(split_text(o, t->path, i + 1, copy, len, &t->cells[i * t->n_columns], err));
    }
    return AT_OK;
}

at_status at_predict_texts(const at_options *o, const char *const *texts, int n, const at_listener *listener, at_error *err) {
    at_arena arena = {0};
    at_table table;
    at_session s = {0};
    at_status st = texts_table(o, texts, n, &arena, &table, err);
    if (!st) st = at_session_open_options(&s, o, err);
    s.listener = listener;
    if (!st) at_tell_unread(listener, s.model);
    at_columns wanted = pair_columns(o);
    const char *name[2];
    if (!st) tell_single(&s, o, listener);
    if (!st && !wanted.text2 && at_texts_pair(&s.state, name)) wanted.text2 = "none";
    if (!st) st = at_settings_long_check(o, s.state.task, err);
    if (!st) at_settings_task(o, &s.state);
    if (!st) st = predict_table(&s, o, &table, &wanted, listener, err);
    at_session_close(&s);
    at_arena_free(&arena);
    return st;
}
