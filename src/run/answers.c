#include "run/answers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/room.h"
#include "run/events.h"

/* ---- formats ---- */

static const struct {
    const char *ending;
    at_answer_format format;
} ENDINGS[] = {{".csv", AT_ANSWER_CSV}, {".tsv", AT_ANSWER_TSV}, {".jsonl", AT_ANSWER_JSONL}, {".json", AT_ANSWER_JSONL}, {".conll", AT_ANSWER_CONLL},
               {".html", AT_ANSWER_HTML}};
enum { N_ENDINGS = sizeof ENDINGS / sizeof *ENDINGS };

static int ends_in(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return n > m && !strcasecmp(path + n - m, ending);
}

static int is_special(at_answer_format format) { return format == AT_ANSWER_CONLL || format == AT_ANSWER_SPANS || format == AT_ANSWER_HTML; }

static int is_own(const at_task *task, at_answer_format format) { return (task->formats >> format & 1u) != 0; }

static at_answer_format usual_format(const at_task *task, const at_table *like) {
    if (task->usual_format) return task->usual_format(like);
    switch (like->format) {
    case AT_TABLE_CSV: return AT_ANSWER_CSV;
    case AT_TABLE_TSV: return AT_ANSWER_TSV;
    case AT_TABLE_JSONL: return AT_ANSWER_JSONL;
    default: return AT_ANSWER_TEXT;
    }
}

static at_answer_format settle(const at_task *task, at_answer_format format, const char *path, const at_table *like) {
    if (format != AT_ANSWER_AUTO) return format;
    for (int i = 0; path && i < N_ENDINGS; i++)
        if (ends_in(path, ENDINGS[i].ending)) return ENDINGS[i].format;
    return usual_format(task, like);
}

static at_table_format row_format(at_answer_format format) {
    return format == AT_ANSWER_CSV ? AT_TABLE_CSV : format == AT_ANSWER_TSV ? AT_TABLE_TSV : AT_TABLE_JSONL;
}

/* ---- names ---- */

static int column_of(const at_table *t, const char *name) {
    for (int i = 0; name && i < t->n_columns; i++)
        if (!strcasecmp(t->column[i], name)) return i;
    return -1;
}

/* `name`, or predicted_name where the input has such a column. NULL: no memory. */
static const char *free_name(at_answers *a, const char *name) {
    while (name && column_of(a->like, name) >= 0) name = at_format(&a->arena, "predicted_%s", name);
    return name;
}

static at_status choose_names(at_answers *a, at_error *err) {
    const at_task_state *state = &a->session->state;
    const at_labels *labels = &state->labels;
    const at_answer_field *fields = state->task->fields;
    int failed = !(a->label = AT_NEW_ARRAY(&a->arena, const char *, labels->n));
    for (int f = 0; fields[f].kind && !failed; f++) {
        failed |= !(a->name[f] = free_name(a, fields[f].name));
        a->left_out[f] = state->task->leaves_out && state->task->leaves_out(state, a->like, f);
        for (int i = 0; fields[f].kind == AT_FIELD_LABELS && i < labels->n && !failed; i++)
            failed |= !(a->label[i] = free_name(a, at_format(&a->arena, "%s%s", fields[f].one, labels->name[i])));
    }
    for (int i = 0; i < labels->n; i++) {
        int width = (int)strlen(labels->name[i]);
        if (width > a->width) a->width = width > 30 ? 30 : width;
    }
    return failed ? at_fail_memory(err, 0) : AT_OK;
}

/* ---- sending ---- */

/* A long line is resident piece by piece. */
static at_status write_line(at_answers *a, const at_str *line, at_error *err) {
    enum { PIECE = 1 << 20 };
    for (size_t at = 0; at < line->len; at += PIECE) {
        AT_TRY(at_writer_add(a->writer, line->text + at, line->len - at < PIECE ? line->len - at : PIECE, err));
        if (line->len >= PIECE) at_arena_idle(&a->row);
    }
    return AT_OK;
}

static at_status send_line(at_answers *a, const char *kind, const at_str *line, const char *json, at_error *err) {
    if (line->failed) return at_fail_memory(err, line->len);
    if (!line->len) return AT_OK;
    if (a->writer) return write_line(a, line, err);
    if (!a->listener || !a->listener->event) return AT_OK;
    int ends = line->text[line->len - 1] == '\n';
    char *text = at_strndup(&a->row, line->text, ends ? line->len - 1 : line->len);
    if (!text) return at_fail_memory(err, line->len);
    at_event event = {.kind = kind, .text = ends ? text : NULL, .json = json}, open = {.kind = "unended", .text = text};
    a->listener->event(a->listener->context, &event);
    if (!ends) a->listener->event(a->listener->context, &open); /* the end of a file that has no newline there */
    return AT_OK;
}

/* The line of names that CSV and TSV begin with. */
static void add_header(const at_answers *a, at_str *line) {
    const at_labels *labels = &a->session->state.labels;
    const at_answer_field *fields = a->session->state.task->fields;
    at_row_out row = at_row_begin(line, row_format(a->format));
    for (int i = 0; i < a->like->n_columns; i++) at_row_text(&row, "", a->like->column[i], strlen(a->like->column[i]));
    for (int f = 0; fields[f].kind; f++) {
        if (a->left_out[f]) continue;
        if (fields[f].kind != AT_FIELD_LABELS) at_row_text(&row, "", a->name[f], strlen(a->name[f]));
        else
            for (int i = 0; i < labels->n; i++) at_row_text(&row, "", a->label[i], strlen(a->label[i]));
    }
    at_row_end(&row);
}

/* What stands before the first row or behind the last. */
static at_status send_frame(at_answers *a, at_answer_part part, at_error *err) {
    at_str line = {.arena = &a->row};
    const at_task_state *state = &a->session->state;
    at_status st = AT_OK;
    if (is_own(state->task, a->format)) st = state->task->write(state, a->format, part, a->like, -1, NULL, &line, err);
    else if (part == AT_ANSWER_BEGIN && (a->format == AT_ANSWER_CSV || a->format == AT_ANSWER_TSV)) add_header(a, &line);
    return st ? st : send_line(a, "header", &line, NULL, err);
}

static at_status open_file(at_answers *a, const char *path, at_error *err) {
    if (!path) return AT_OK;
    a->writer = malloc(sizeof *a->writer);
    if (!a->writer) return at_fail_memory(err, sizeof *a->writer);
    a->writer->fd = -1;
    return at_writer_open(a->writer, path, err);
}

at_status at_answers_open(at_answers *a, const at_session *session, const at_listener *listener, at_answer_format format,
                          const char *path, const at_table *like, at_error *err) {
    static const char *const NAMES[] = {"auto", "text", "jsonl", "csv", "tsv", "conll", "spans", "html"};
    const at_task *task = session->state.task;
    *a = (at_answers){.session = session, .listener = listener, .format = settle(task, format, path, like), .like = like,
                      .row = {.mapped = 1}};
    if (is_special(a->format) && !is_own(task, a->format))
        return at_fail(err, AT_USAGE, "--format %s: a model of the task %s gives text, jsonl, csv, tsv%s%s%s", NAMES[a->format], task->name,
                       is_own(task, AT_ANSWER_CONLL) ? ", conll" : "", is_own(task, AT_ANSWER_SPANS) ? ", spans" : "",
                       is_own(task, AT_ANSWER_HTML) ? ", html" : "");
    AT_TRY(choose_names(a, err));
    AT_TRY(open_file(a, path, err));
    return send_frame(a, AT_ANSWER_BEGIN, err);
}

at_status at_answers_open_in(at_answers *a, const at_session *session, const at_listener *listener, const char *folder,
                             const at_table *like, at_error *err) {
    at_answer_format format = usual_format(session->state.task, like);
    const char *ending = ".csv";
    at_arena scratch = {0};
    for (int i = N_ENDINGS; i-- > 0;)
        if (ENDINGS[i].format == format) ending = ENDINGS[i].ending;
    if (format == AT_ANSWER_TEXT) format = AT_ANSWER_CSV;
    const char *name = at_format(&scratch, "predictions%s", ending), *path = name ? at_path_join(&scratch, folder, name) : NULL;
    *a = (at_answers){0};
    at_status st = path ? at_answers_open(a, session, listener, format, path, like, err) : at_fail_memory(err, 0);
    at_arena_free(&scratch);
    return st;
}

/* ---- rows ---- */

/* Text on one line: control characters become spaces. */
static void add_plain(at_str *line, at_cell cell) {
    size_t from = line->len;
    at_str_add_bytes(line, cell.text ? cell.text : "", cell.text ? cell.len : 0);
    for (size_t i = from; i < line->len; i++)
        if ((unsigned char)line->text[i] < 0x20 || line->text[i] == 0x7f) line->text[i] = ' ';
}

/* Between several labels in a cell: what was asked for, else what no label has in it. */
static const char *separator_of(const at_task_state *s) {
    static const char *const USUAL[] = {",", "|", ";", NULL};
    if (s->label_separator) return s->label_separator;
    for (int i = 0; USUAL[i]; i++) {
        int k = 0;
        while (k < s->labels.n && !strstr(s->labels.name[k], USUAL[i])) k++;
        if (k == s->labels.n) return USUAL[i];
    }
    return USUAL[0];
}

/* Texts one after the other; anything else as JSON. */
static void add_list(const at_answers *a, at_str *to, const json_t *list) {
    const char *separator = separator_of(&a->session->state);
    size_t i;
    const json_t *item;
    if (json_array_size(list) && !json_is_string(json_array_get(list, 0))) {
        char *text = json_dumps(list, JSON_REAL_PRECISION(9));
        if (text) at_str_add(to, text);
        else to->failed = 1;
        free(text);
        return;
    }
    json_array_foreach(list, i, item) {
        if (i) at_str_add(to, separator);
        at_str_add(to, json_string_value(item));
    }
}

static void add_text_line(const at_answers *a, at_str *line, const at_answered *in, const void *answer) {
    const at_columns *names = &a->session->state.columns;
    const at_answer_field *fields = a->session->state.task->fields;
    int first = column_of(in->table, names->text), second = column_of(in->table, names->text2);
    for (int f = 0; fields[f].kind; f++) {
        const json_t *value = json_object_get(answer, fields[f].name);
        size_t from = line->len;
        if (fields[f].kind == AT_FIELD_LABELS) continue;
        if (fields[f].kind == AT_FIELD_NUMBER) at_str_addf(line, "%.3f", json_number_value(value));
        else if (fields[f].kind == AT_FIELD_TEXT) at_str_add(line, json_string_value(value));
        else add_list(a, line, value);
        int room = fields[f].kind == AT_FIELD_NUMBER ? 0 : a->width - (int)(line->len - from);
        at_str_addf(line, "%*s  ", room > 0 ? room : 0, "");
    }
    if (first >= 0) add_plain(line, at_table_cell(in->table, in->row, first));
    if (second >= 0) {
        at_str_add(line, " | ");
        add_plain(line, at_table_cell(in->table, in->row, second));
    }
    at_str_add(line, "\n");
}

static void add_json(at_row_out *row, const char *key, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    if (text) at_row_raw(row, key, text);
    else row->to->failed = 1;
    free(text);
}

/* A list of an answer that is no tree. */
static void put_list(const at_answers *a, at_row_out *row, int f, const void *answer) {
    const at_task_state *state = &a->session->state;
    int flat = row->format != AT_TABLE_JSONL;
    at_str list = {.arena = row->to->arena};
    state->task->put_list(state, answer, f, flat ? separator_of(state) : NULL, &list);
    row->to->failed |= list.failed;
    if (flat) at_row_text(row, a->name[f], list.text ? list.text : "", list.len);
    else at_row_raw(row, a->name[f], list.text ? list.text : "null");
}

static void add_field(const at_answers *a, at_row_out *row, int f, const void *answer) {
    const at_answer_field *field = &a->session->state.task->fields[f];
    const at_labels *labels = &a->session->state.labels;
    int flat = row->format != AT_TABLE_JSONL;
    at_str list = {.arena = row->to->arena};
    if (a->session->state.task->open_answer) {
        put_list(a, row, f, answer);
        return;
    }
    const json_t *value = json_object_get(answer, field->name);
    if (field->kind == AT_FIELD_TEXT) at_row_text(row, a->name[f], json_string_value(value), json_string_length(value));
    else if (field->kind == AT_FIELD_NUMBER) at_row_number(row, a->name[f], json_number_value(value));
    else if (!flat) add_json(row, a->name[f], value);
    else if (field->kind == AT_FIELD_LIST) {
        add_list(a, &list, value);
        row->to->failed |= list.failed;
        at_row_text(row, a->name[f], list.text ? list.text : "", list.len);
    } else
        for (int i = 0; i < labels->n; i++) at_row_number(row, "", json_number_value(json_object_get(value, labels->name[i])));
}

/* The values of a sentence's column as an array. */
static void add_values(at_row_out *row, const char *key, at_cell cell) {
    at_str list = {.arena = row->to->arena};
    const char *from = cell.text, *end = cell.text + cell.len;
    for (const char *p = from; from && p <= end; p++) {
        if (p < end && *p != '\n') continue;
        at_str_add(&list, list.len ? ", " : "[");
        at_json_add_string(&list, from, (size_t)(p - from));
        from = p + 1;
    }
    at_str_add(&list, list.len ? "]" : "[]");
    row->to->failed |= list.failed;
    at_row_raw(row, key, list.failed ? "null" : list.text);
}

/* What came as JSON goes out as it came: numbers to the last digit, arrays and objects whole. */
static void add_cell(const at_answered *in, at_row_out *row, int column) {
    const at_table *t = in->table;
    at_cell cell = at_table_cell(t, in->row, column);
    if (row->format == AT_TABLE_JSONL && t->format == AT_TABLE_CONLL) add_values(row, t->column[column], cell);
    else if (t->is_json && t->is_json[(size_t)in->row * (size_t)t->n_columns + (size_t)column]) at_row_raw(row, t->column[column], cell.text);
    else at_row_text(row, t->column[column], cell.text, cell.len);
}

static void add_row(const at_answers *a, at_str *line, at_table_format format, const at_answered *in, const void *answer) {
    const at_answer_field *fields = a->session->state.task->fields;
    at_row_out row = at_row_begin(line, format);
    for (int i = 0; i < a->like->n_columns; i++) add_cell(in, &row, i);
    for (int f = 0; fields[f].kind; f++)
        if (!a->left_out[f]) add_field(a, &row, f, answer);
    at_row_end(&row);
}

static at_status add_answer(at_answers *a, const at_answered *in, const void *answer, at_error *err) {
    const at_task_state *state = &a->session->state;
    at_str line = {.arena = &a->row}, json = {.arena = &a->row};
    if (is_own(state->task, a->format)) AT_TRY(state->task->write(state, a->format, AT_ANSWER_ROW, in->table, in->row, answer, &line, err));
    else if (a->format == AT_ANSWER_TEXT) add_text_line(a, &line, in, answer);
    else add_row(a, &line, row_format(a->format), in, answer);
    if (!a->writer) { /* the row is an object of its own: its columns may have any name */
        at_str_add(&json, "{\"answer\":");
        add_row(a, &json, AT_TABLE_JSONL, in, answer);
        if (json.len) json.text[json.len - 1] = '}'; /* in place of the newline */
    }
    return json.failed ? at_fail_memory(err, json.len) : send_line(a, "prediction", &line, json.text, err);
}

at_status at_answers_add(at_answers *a, const at_answered *in, at_error *err) {
    at_mark mark = at_arena_mark(&a->row);
    const at_task_state *state = &a->session->state;
    const void *own = NULL;
    json_t *tree = NULL;
    at_status st = AT_OK;
    if (state->task->open_answer) st = state->task->open_answer(state, in, &a->row, &own, err);
    else if (!(tree = state->task->answer(state, in))) st = at_fail_memory(err, 0);
    a->unanswered += state->task->unanswered && tree && !json_array_size(json_object_get(tree, state->task->fields[0].name));
    if (!st) st = add_answer(a, in, tree ? tree : own, err);
    json_decref(tree);
    at_arena_rewind(&a->row, mark);
    a->rows++;
    return st;
}

at_status at_answers_commit(at_answers *a, at_error *err) {
    const char *lacks = a->session->state.task->unanswered;
    AT_TRY(send_frame(a, AT_ANSWER_FINISH, err));
    if (a->unanswered) at_tell_warning(a->listener, "%ld of %ld texts had no answer: %s.", a->unanswered, a->rows, lacks);
    return a->writer ? at_writer_commit(a->writer, err) : AT_OK;
}

void at_answers_close(at_answers *a) {
    if (a->writer) at_writer_abandon(a->writer);
    free(a->writer);
    at_arena_free(&a->arena);
    at_arena_free(&a->row);
    *a = (at_answers){0};
}
