/* attune embed: vectors of texts, as npy, JSONL or CSV; and the embedder of the public header. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "io/npy.h"
#include "io/table_write.h"
#include "run/unread.h"
#include "run/vectors.h"
#include "train/long_text.h"

enum { ROWS_AT_ONCE = 2048, LINES_AT_ONCE = 256 };

typedef enum vectors_format { FORMAT_AUTO, FORMAT_NPY, FORMAT_JSONL, FORMAT_CSV } vectors_format;

typedef struct embedding {
    const at_options *options;
    const at_listener *listener;
    at_session session;
    at_text_source source;
    vectors_format format;
    const char *output;
    at_writer *writer;      /* NULL: events */
    at_arena row;           /* one row's text, rewound after it */
    float *all;             /* npy of a stream, whose length is known at its end */
    size_t n_all, room;
    long rows, n_cut;
} embedding;

static int ends_in(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return n > m && !strcasecmp(path + n - m, ending);
}

static at_status choose_format(embedding *e, at_error *err) {
    const char *path = e->output;
    e->format = (vectors_format)at_options_choice(e->options, "format");
    if (e->format == FORMAT_AUTO) e->format = path && ends_in(path, ".npy") ? FORMAT_NPY : path && ends_in(path, ".csv") ? FORMAT_CSV : FORMAT_JSONL;
    if (e->format == FORMAT_NPY && !path) return at_fail(err, AT_USAGE, "--format npy writes numbers as they are in memory: it needs --output FILE");
    return AT_OK;
}

/* ---- npy ---- */

static at_status npy_header(embedding *e, long rows, at_error *err) {
    char header[AT_NPY_HEADER];
    at_npy_header(rows, e->session.state.n_out, header);
    return at_writer_add(e->writer, header, sizeof header, err);
}

static at_status keep_all(embedding *e, const float *vectors, size_t n, at_error *err) {
    if (e->n_all + n > e->room) {
        size_t room = 2 * (e->n_all + n);
        float *more = realloc(e->all, room * sizeof *more);
        if (!more) return at_fail_memory(err, room * sizeof *more);
        e->all = more;
        e->room = room;
    }
    memcpy(e->all + e->n_all, vectors, n * sizeof *vectors);
    e->n_all += n;
    return AT_OK;
}

static at_status npy_end(embedding *e, at_error *err) {
    if (at_text_source_count(&e->source) >= 0) return AT_OK;
    AT_TRY(npy_header(e, e->rows, err));
    return at_writer_add(e->writer, e->all, e->n_all * sizeof *e->all, err);
}

/* ---- rows of text ---- */

static void add_vector(at_row_out *row, const float *vector, int width) {
    at_str list = {.arena = row->to->arena};
    char name[24];
    for (int c = 0; c < width && row->format != AT_TABLE_JSONL; c++) {
        snprintf(name, sizeof name, "e%d", c);
        at_row_number(row, name, (double)vector[c]);
    }
    if (row->format != AT_TABLE_JSONL) return;
    for (int c = 0; c < width; c++) at_str_addf(&list, "%s%.9g", c ? ", " : "[", (double)vector[c]);
    at_str_add(&list, "]");
    row->to->failed |= list.failed;
    at_row_raw(row, "embedding", list.failed ? "null" : list.text);
}

static void add_row(const embedding *e, at_str *line, at_table_format format, int r, const float *vector) {
    const at_table *t = e->source.table;
    at_row_out row = at_row_begin(line, format);
    for (int c = 0; c < t->n_columns; c++) {
        at_cell cell = at_table_cell(t, r, c);
        if (format == AT_TABLE_JSONL && !strcmp(t->column[c], "embedding")) continue;
        if (format == AT_TABLE_JSONL && t->is_json && t->is_json[(size_t)r * (size_t)t->n_columns + (size_t)c]) at_row_raw(&row, t->column[c], cell.text);
        else at_row_text(&row, t->column[c], cell.text, cell.len);
    }
    add_vector(&row, vector, e->session.state.n_out);
    at_row_end(&row);
}

static at_status send(embedding *e, const char *kind, const at_str *line, const at_str *json, at_error *err) {
    if (line->failed || (json && json->failed)) return at_fail_memory(err, line->len);
    if (e->writer) return at_writer_add(e->writer, line->text, line->len, err);
    line->text[line->len - 1] = '\0'; /* the newline */
    at_event event = {.kind = kind, .text = line->text, .json = json ? json->text : NULL};
    if (e->listener && e->listener->event) e->listener->event(e->listener->context, &event);
    return AT_OK;
}

static at_status csv_header(embedding *e, at_error *err) {
    at_str line = {.arena = &e->row};
    at_row_out row = at_row_begin(&line, AT_TABLE_CSV);
    const at_table *t = e->source.table;
    char name[24];
    for (int c = 0; c < t->n_columns; c++) at_row_text(&row, "", t->column[c], strlen(t->column[c]));
    for (int c = 0; c < e->session.state.n_out; c++) at_row_text(&row, "", name, (size_t)snprintf(name, sizeof name, "e%d", c));
    at_row_end(&row);
    return send(e, "header", &line, NULL, err);
}

static at_status send_row(embedding *e, int r, const float *vector, at_error *err) {
    at_mark mark = at_arena_mark(&e->row);
    at_str line = {.arena = &e->row}, json = {.arena = &e->row};
    add_row(e, &line, e->format == FORMAT_CSV ? AT_TABLE_CSV : AT_TABLE_JSONL, r, vector);
    if (!e->writer) {
        at_str_add(&json, "{\"answer\":");
        add_row(e, &json, AT_TABLE_JSONL, r, vector);
        if (json.len) json.text[json.len - 1] = '}'; /* in place of the newline */
    }
    at_status st = send(e, "vector", &line, e->writer ? NULL : &json, err);
    at_arena_rewind(&e->row, mark);
    return st;
}

/* ---- the walk ---- */

static at_status begin(embedding *e, at_error *err) {
    if (e->format == FORMAT_CSV) return csv_header(e, err);
    long rows = at_text_source_count(&e->source);
    return e->format == FORMAT_NPY && rows >= 0 ? npy_header(e, rows, err) : AT_OK;
}

static at_status send_rows(embedding *e, const float *vectors, at_error *err) {
    size_t width = (size_t)e->session.state.n_out, cells = (size_t)e->source.n * width;
    if (e->format == FORMAT_NPY && at_text_source_count(&e->source) < 0) return keep_all(e, vectors, cells, err);
    if (e->format == FORMAT_NPY) return at_writer_add(e->writer, vectors, cells * sizeof *vectors, err);
    for (int i = 0; i < e->source.n; i++) AT_TRY(send_row(e, e->source.first + i, vectors + (size_t)i * width, err));
    return AT_OK;
}

static at_status walk(embedding *e, at_error *err) {
    int most = e->source.from_stream ? LINES_AT_ONCE : ROWS_AT_ONCE, begun = 0;
    const char *prompt = at_options_text(e->options, "prompt", NULL);
    at_arena memory = {0};
    float *vectors = AT_NEW_ARRAY(&memory, float, (size_t)most * (size_t)e->session.state.n_out);
    at_status st = vectors ? AT_OK : at_fail_memory(err, (size_t)most * sizeof *vectors);
    while (!st && !(st = at_text_source_next(&e->source, most, err))) {
        const at_text_source *s = &e->source;
        if (!begun++) st = begin(e, err);
        if (st || !s->n) break;
        if (at_asked_to_stop(e->listener)) st = at_fail(err, AT_STOPPED, "stopped");
        if (!st) st = at_vectors_make(&e->session, s->table, s->column, s->first, s->n, prompt, vectors, &e->n_cut, err);
        if (!st) st = send_rows(e, vectors, err);
        e->rows += s->n;
    }
    at_arena_free(&memory);
    return st;
}

static at_status run(embedding *e, const char *input, const char *const *texts, int n, at_error *err) {
    AT_TRY(choose_format(e, err));
    if (!texts && (!input || !strcmp(input, "-"))) AT_TRY(at_settings_stream(e->options, err));
    AT_TRY(at_vectors_open(&e->session, e->options, err));
    at_tell_unread(e->listener, e->session.model);
    e->session.listener = e->listener;
    AT_TRY(at_text_source_open(&e->source, e->options, input, texts, n, err));
    if (e->output) {
        e->writer = malloc(sizeof *e->writer);
        if (!e->writer) return at_fail_memory(err, sizeof *e->writer);
        e->writer->fd = -1;
        AT_TRY(at_writer_open(e->writer, e->output, err));
    }
    AT_TRY(walk(e, err));
    if (e->format == FORMAT_NPY) AT_TRY(npy_end(e, err));
    if (e->writer) AT_TRY(at_writer_commit(e->writer, err));
    const at_head *h = &e->session.model->head;
    if (e->n_cut)
        at_tell_warning(e->listener, "%ld of %ld texts are longer than %d tokens%s (--long)", e->n_cut, e->rows, e->session.max_tokens,
                        at_long_words(e->session.state.long_texts));
    at_tell(e->listener, "done", json_pack("{s:I, s:i, s:s, s:b, s:s?}", "rows", (json_int_t)e->rows, "width", h->n_out, "pooling", at_pooling_name(h->pooling),
                                           "unit", h->unit, "output", e->output),
            e->output ? "%ld vectors of %d numbers (%s%s) are in %s." : NULL, e->rows, h->n_out, at_pooling_name(h->pooling), h->unit ? ", of length 1" : "",
            e->output ? e->output : "");
    return AT_OK;
}

static at_status embed(const at_options *o, const at_listener *listener, const char *const *texts, int n, at_error *err) {
    embedding *e = calloc(1, sizeof *e);
    if (!e) return at_fail_memory(err, sizeof *e);
    e->options = o;
    e->listener = listener;
    e->output = at_options_text(o, "output", NULL);
    at_status st = run(e, texts ? NULL : at_options_text(o, "input", NULL), texts, n, err);
    if (e->writer) at_writer_abandon(e->writer);
    free(e->writer);
    free(e->all);
    at_text_source_close(&e->source);
    at_session_close(&e->session);
    at_arena_free(&e->row);
    free(e);
    return st;
}

at_status at_embed_file(const at_options *o, const at_listener *listener, at_error *err) { return embed(o, listener, NULL, 0, err); }

at_status at_embed_texts(const at_options *o, const char *const *texts, int n, const at_listener *listener, at_error *err) {
    return embed(o, listener, texts, n, err);
}

/* ---- inside a program ---- */

struct at_embedder {
    at_session session;
};

at_status at_embedder_open(const char *folder, int n_threads, at_embedder **embedder, at_error *err) {
    *embedder = NULL;
    if (n_threads < 0) return at_fail(err, AT_USAGE, "%d threads: give 0 (every core) or more", n_threads);
    at_embedder *e = calloc(1, sizeof *e);
    if (!e) return at_fail_memory(err, sizeof *e);
    const at_vectors_options o = {.threads = n_threads, .cpu = getenv("ATTUNE_CPU")};
    at_status st = at_session_open_vectors(&e->session, folder, &o, err);
    if (st) at_embedder_close(e);
    else *embedder = e;
    return st;
}

void at_embedder_close(at_embedder *e) {
    if (!e) return;
    at_session_close(&e->session);
    free(e);
}

int at_embedder_width(const at_embedder *e) { return e->session.state.n_out; }

at_status at_embedder_vectors(at_embedder *e, const char *const *texts, int n, float *vectors, at_error *err) {
    at_arena scratch = {0};
    at_table t;
    if (n <= 0) return n ? at_fail(err, AT_USAGE, "%d texts: the number is negative", n) : AT_OK;
    at_status st = at_vectors_table("text", texts, n, &scratch, &t, err);
    if (!st) st = at_vectors_make(&e->session, &t, 0, 0, n, NULL, vectors, NULL, err);
    at_arena_free(&scratch);
    return st;
}
