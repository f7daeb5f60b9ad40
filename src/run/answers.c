#include "run/answers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int ends_in(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return n > m && !strcasecmp(path + n - m, ending);
}

static at_answer_format settle(at_answer_format format, const char *path, at_table_format like) {
    if (format != AT_ANSWER_AUTO) return format;
    if (path && ends_in(path, ".csv")) return AT_ANSWER_CSV;
    if (path && ends_in(path, ".tsv")) return AT_ANSWER_TSV;
    if (path && (ends_in(path, ".jsonl") || ends_in(path, ".json"))) return AT_ANSWER_JSONL;
    switch (like) {
    case AT_TABLE_CSV: return AT_ANSWER_CSV;
    case AT_TABLE_TSV: return AT_ANSWER_TSV;
    case AT_TABLE_JSONL: return AT_ANSWER_JSONL;
    default: return AT_ANSWER_TEXT;
    }
}

static at_table_format row_format(const at_answers *a) {
    return a->format == AT_ANSWER_CSV ? AT_TABLE_CSV : a->format == AT_ANSWER_TSV ? AT_TABLE_TSV : AT_TABLE_JSONL;
}

static int column_of(const at_answers *a, const char *name) {
    for (int i = 0; name && i < a->n_columns; i++)
        if (!strcasecmp(a->column[i], name)) return i;
    return -1;
}

/* `name`, or predicted_name where the input has such a column. NULL: no memory. */
static const char *free_name(at_answers *a, const char *name) {
    while (column_of(a, name) >= 0) name = at_format(&a->arena, "predicted_%s", name);
    return name;
}

static at_status choose_names(at_answers *a, at_error *err) {
    const at_labels *labels = &a->session->state.labels;
    a->label = free_name(a, "label");
    a->score = free_name(a, "score");
    a->probabilities = free_name(a, "probabilities");
    a->probability = AT_NEW_ARRAY(&a->arena, const char *, labels->n);
    int failed = !a->label || !a->score || !a->probabilities || !a->probability;
    for (int i = 0; i < labels->n && !failed; i++) {
        const char *name = at_format(&a->arena, "probability_%s", labels->name[i]);
        a->probability[i] = name ? free_name(a, name) : NULL;
        failed = !a->probability[i];
        int width = (int)strlen(labels->name[i]);
        if (width > a->label_width) a->label_width = width > 30 ? 30 : width;
    }
    return failed ? at_fail_memory(err, 0) : AT_OK;
}

static at_status send_line(at_answers *a, const char *kind, const char *line, const char *json, at_error *err) {
    size_t len = strlen(line);
    if (a->writer) return at_writer_add(a->writer, line, len, err);
    if (!a->listener || !a->listener->event) return AT_OK;
    char *text = at_strndup(&a->row, line, len && line[len - 1] == '\n' ? len - 1 : len);
    if (!text) return at_fail_memory(err, len);
    at_event event = {.kind = kind, .text = text, .json = json};
    a->listener->event(a->listener->context, &event);
    return AT_OK;
}

/* The line of names that CSV and TSV begin with. */
static at_status send_header(at_answers *a, at_error *err) {
    at_str line = {.arena = &a->row};
    const at_labels *labels = &a->session->state.labels;
    at_row_out row = at_row_begin(&line, row_format(a));
    for (int i = 0; i < a->n_columns; i++) at_row_text(&row, "", a->column[i], strlen(a->column[i]));
    at_row_text(&row, "", a->label, strlen(a->label));
    at_row_text(&row, "", a->score, strlen(a->score));
    for (int i = 0; i < labels->n; i++) at_row_text(&row, "", a->probability[i], strlen(a->probability[i]));
    at_row_end(&row);
    if (line.failed) return at_fail_memory(err, line.len);
    return send_line(a, "header", line.text, NULL, err);
}

at_status at_answers_open(at_answers *a, const at_session *session, const at_listener *listener, at_answer_format format,
                          const char *path, at_table_format like, const char *const *column, int n_columns, at_error *err) {
    *a = (at_answers){.session = session, .listener = listener, .format = settle(format, path, like), .column = column, .n_columns = n_columns};
    AT_TRY(choose_names(a, err));
    if (path) {
        a->writer = malloc(sizeof *a->writer);
        if (!a->writer) return at_fail_memory(err, sizeof *a->writer);
        a->writer->fd = -1;
        AT_TRY(at_writer_open(a->writer, path, err));
    }
    return a->format == AT_ANSWER_CSV || a->format == AT_ANSWER_TSV ? send_header(a, err) : AT_OK;
}

/* Text on one line: control characters become spaces. */
static void add_plain(at_str *line, at_cell cell) {
    size_t from = line->len;
    at_str_add_bytes(line, cell.text ? cell.text : "", cell.text ? cell.len : 0);
    for (size_t i = from; i < line->len; i++)
        if ((unsigned char)line->text[i] < 0x20 || line->text[i] == 0x7f) line->text[i] = ' ';
}

static void add_text_line(const at_answers *a, at_str *line, const at_cell *cells, const json_t *answer) {
    const at_columns *names = &a->session->state.columns;
    int first = column_of(a, names->text), second = column_of(a, names->text2);
    at_str_addf(line, "%-*s  %.3f  ", a->label_width, json_string_value(json_object_get(answer, "label")),
                json_number_value(json_object_get(answer, "score")));
    if (first >= 0) add_plain(line, cells[first]);
    if (second >= 0) {
        at_str_add(line, " | ");
        add_plain(line, cells[second]);
    }
    at_str_add(line, "\n");
}

/* label, score and probabilities at the end of a row. */
static void add_answer(const at_answers *a, at_row_out *row, const json_t *answer) {
    const char *label = json_string_value(json_object_get(answer, "label"));
    const json_t *probabilities = json_object_get(answer, "probabilities");
    const at_labels *labels = &a->session->state.labels;
    at_row_text(row, a->label, label, strlen(label));
    at_row_number(row, a->score, json_number_value(json_object_get(answer, "score")));
    if (row->format != AT_TABLE_JSONL) {
        for (int i = 0; i < labels->n; i++) at_row_number(row, "", json_number_value(json_object_get(probabilities, labels->name[i])));
        return;
    }
    char *text = json_dumps(probabilities, JSON_REAL_PRECISION(9));
    if (text) at_row_raw(row, a->probabilities, text);
    else row->to->failed = 1;
    free(text);
}

static void add_row(const at_answers *a, at_str *line, at_table_format format, const at_cell *cells, const json_t *answer) {
    at_row_out row = at_row_begin(line, format);
    for (int i = 0; i < a->n_columns; i++) at_row_text(&row, a->column[i], cells[i].text, cells[i].len);
    add_answer(a, &row, answer);
    at_row_end(&row);
}

at_status at_answers_add(at_answers *a, const at_cell *cells, const float *logits, at_error *err) {
    at_mark mark = at_arena_mark(&a->row);
    at_str line = {.arena = &a->row}, json = {.arena = &a->row};
    json_t *answer = a->session->state.task->answer(&a->session->state, logits);
    if (!answer) return at_fail_memory(err, 0);
    if (a->format == AT_ANSWER_TEXT) add_text_line(a, &line, cells, answer);
    else add_row(a, &line, row_format(a), cells, answer);
    if (!a->writer) { /* the row is an object of its own: its columns may have any name */
        at_str_add(&json, "{\"answer\":");
        add_row(a, &json, AT_TABLE_JSONL, cells, answer);
        if (json.len) json.text[json.len - 1] = '}'; /* in place of the newline */
    }
    json_decref(answer);
    at_status st = line.failed || json.failed ? at_fail_memory(err, line.len) : send_line(a, "prediction", line.text, json.text, err);
    at_arena_rewind(&a->row, mark);
    a->rows++;
    return st;
}

at_status at_answers_commit(at_answers *a, at_error *err) { return a->writer ? at_writer_commit(a->writer, err) : AT_OK; }

void at_answers_close(at_answers *a) {
    if (a->writer) at_writer_abandon(a->writer);
    free(a->writer);
    at_arena_free(&a->arena);
    at_arena_free(&a->row);
    *a = (at_answers){0};
}
