/* attune search: the texts of a file that are nearest to others, exact. The queries' vectors are made first; then the corpus goes by, a part at a
 * time, and each query keeps the best of what it has seen. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/machine.h"
#include "infer/products.h"
#include "io/npy.h"
#include "io/table_write.h"
#include "run/unread.h"
#include "run/vectors.h"
#include "train/long_text.h"

typedef enum found_format { FORMAT_AUTO, FORMAT_TEXT, FORMAT_JSONL, FORMAT_CSV } found_format;

typedef struct searching {
    const at_options *options;
    const at_listener *listener;
    at_session session;
    at_arena arena;
    at_arena row;           /* one answer's text, rewound after it */
    at_text_source queries, corpus;
    at_npy stored;          /* the corpus' vectors, where they are given */
    at_table *all_queries;  /* of a stream: brought together */
    const at_table *query;
    int query_column, n_queries, top;
    float *vector;          /* [n_queries, width] of length 1 */
    at_hit *hit;            /* [n_queries, top] */
    int *n_hits;            /* [n_queries] */
    found_format format;
    const char *output;
    at_writer *writer;      /* NULL: events */
    long n_cut;
} searching;

/* ---- queries ---- */

static at_status grow(searching *s, int *room, at_error *err) {
    at_cell *cells = AT_NEW_ARRAY(&s->arena, at_cell, 2 * (size_t)*room);
    uint32_t *line = AT_NEW_ARRAY(&s->arena, uint32_t, 2 * (size_t)*room);
    if (!cells || !line || *room > 1 << 28) return at_fail_memory(err, (size_t)*room * 32);
    memcpy(cells, s->all_queries->cells, (size_t)*room * sizeof *cells);
    memcpy(line, s->all_queries->line, (size_t)*room * sizeof *line);
    s->all_queries->cells = cells;
    s->all_queries->line = line;
    *room *= 2;
    return AT_OK;
}

/* All lines of a stream, which must be known before the corpus goes by. */
static at_status read_stream(searching *s, at_error *err) {
    int room = 256;
    s->all_queries = AT_NEW(&s->arena, at_table);
    if (!s->all_queries) return at_fail_memory(err, sizeof(at_table));
    AT_TRY(at_vectors_table("standard input", NULL, 0, &s->arena, s->all_queries, err));
    at_table *t = s->all_queries;
    t->cells = AT_NEW_ARRAY(&s->arena, at_cell, room);
    t->line = AT_NEW_ARRAY(&s->arena, uint32_t, room);
    if (!t->cells || !t->line) return at_fail_memory(err, (size_t)room * sizeof *t->cells);
    for (;;) {
        AT_TRY(at_text_source_next(&s->queries, 256, err));
        if (!s->queries.n) return AT_OK;
        for (int i = 0; i < s->queries.n; i++) {
            at_cell cell = at_table_cell(s->queries.table, s->queries.first + i, 0);
            char *copy = at_strndup(&s->arena, cell.text, cell.len);
            if (!copy) return at_fail_memory(err, cell.len);
            if (t->n_rows == room) AT_TRY(grow(s, &room, err));
            t->cells[t->n_rows] = (at_cell){copy, cell.len};
            t->line[t->n_rows++] = s->queries.table->line[s->queries.first + i];
        }
    }
}

static int names_a_file(const char *query) {
    static const char *const ENDINGS[] = {".csv", ".tsv", ".jsonl", ".json", ".txt"};
    size_t n = strlen(query);
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        size_t m = strlen(ENDINGS[i]);
        if (n > m && !strcasecmp(query + n - m, ENDINGS[i])) return !strchr(query, ' ') || at_file_exists(query);
    }
    return at_file_exists(query) && !at_is_folder(query);
}

static at_status take_queries(searching *s, const char *const *texts, int n, at_error *err) {
    const char *given = texts ? NULL : at_options_text(s->options, "query", NULL);
    const char **one = AT_NEW_ARRAY(&s->arena, const char *, 1);
    if (!one) return at_fail_memory(err, sizeof *one);
    if (given && strcmp(given, "-") && !names_a_file(given)) {
        one[0] = given;
        texts = one;
        n = 1;
    }
    AT_TRY(at_text_source_open(&s->queries, s->options, given, texts, n, err));
    if (s->queries.from_stream) AT_TRY(read_stream(s, err));
    s->query = s->queries.from_stream ? s->all_queries : s->queries.table;
    s->query_column = s->queries.column;
    s->n_queries = s->query->n_rows;
    return s->n_queries ? AT_OK : at_fail(err, AT_BAD_DATA, "%s: there is nothing to look for", s->query->path);
}

static at_status embed_queries(searching *s, at_error *err) {
    size_t width = (size_t)s->session.state.n_out, n = (size_t)s->n_queries;
    const char *prompt = at_options_text(s->options, "query_prompt", NULL);
    s->vector = AT_NEW_ARRAY(&s->arena, float, n * width);
    s->hit = AT_NEW_ARRAY(&s->arena, at_hit, n * (size_t)s->top);
    s->n_hits = AT_NEW_ARRAY(&s->arena, int, n);
    if (!s->vector || !s->hit || !s->n_hits) return at_fail_memory(err, n * (width * sizeof(float) + (size_t)s->top * sizeof *s->hit));
    AT_TRY(at_vectors_make(&s->session, s->query, s->query_column, 0, s->n_queries, prompt, s->vector, &s->n_cut, err));
    at_rows_to_unit(s->vector, n, (int)width);
    return AT_OK;
}

/* ---- the corpus ---- */

/* Vectors are of the texts' own model where the first, the middle and the last text give them again: any other model points elsewhere. */
static at_status check_stored(searching *s, at_error *err) {
    const at_table *t = s->corpus.table;
    int width = s->session.state.n_out, rows[] = {0, t->n_rows / 2, t->n_rows - 1};
    float *pair = AT_NEW_ARRAY(&s->arena, float, 2 * (size_t)width);
    if (!pair) return at_fail_memory(err, 2 * (size_t)width * sizeof *pair);
    if (s->stored.width != width || s->stored.rows != t->n_rows)
        return at_fail(err, AT_BAD_DATA, "%s holds %ld vectors of %d numbers; %s has %d texts and the model gives %d numbers", s->stored.path, s->stored.rows,
                       s->stored.width, t->path, t->n_rows, width);
    for (int k = 0; k < 3; k++) {
        float cosine = 0;
        AT_TRY(at_vectors_make(&s->session, t, s->corpus.column, rows[k], 1, at_options_text(s->options, "prompt", NULL), pair, NULL, err));
        AT_TRY(at_npy_read(&s->stored, rows[k], 1, pair + width, err));
        at_rows_to_unit(pair, 2, width);
        for (int i = 0; i < width; i++) cosine += pair[i] * pair[width + i];
        if (!(cosine > 0.999F))
            return at_fail(err, AT_BAD_DATA, "%s: vector %d is not what this model makes of %s:%u (cosine %.3f); it is another model's, another text's, or was made "
                           "with another --prompt or pooling", s->stored.path, rows[k] + 1, t->path, (unsigned)t->line[rows[k]], (double)cosine);
    }
    return AT_OK;
}

static at_status open_stored(searching *s, at_error *err) {
    const char *path = at_options_text(s->options, "corpus_vectors", NULL);
    if (!path) return AT_OK;
    AT_TRY(at_npy_open(&s->stored, path, err));
    return check_stored(s, err);
}

static at_status take_vectors(searching *s, float *vectors, at_error *err) {
    const at_text_source *c = &s->corpus;
    if (s->stored.path) return at_npy_read(&s->stored, c->first, c->n, vectors, err);
    return at_vectors_make(&s->session, c->table, c->column, c->first, c->n, at_options_text(s->options, "prompt", NULL), vectors, &s->n_cut, err);
}

/* Of two vectors of length 1, which rounding can take a little beyond. */
static float as_cosine(float product) { return product > 1 ? 1 : product < -1 ? -1 : product; }

static void see(void *context, int q, int64_t first, const float *products, int n) {
    searching *s = context;
    for (int i = 0; i < n; i++) at_hits_add(s->hit + (size_t)q * (size_t)s->top, &s->n_hits[q], s->top, as_cosine(products[i]), first + i);
}

static void tell_done(const searching *s, double began, int done) {
    double seconds = at_seconds() - began;
    at_event_progress p = {.step = done, .n_steps = s->corpus.table->n_rows, .loss = NAN, .learning_rate = NAN, .tokens_per_second = NAN,
                           .seconds_left = seconds / done * (s->corpus.table->n_rows - done)};
    at_tell_progress(s->listener, &p);
}

static at_status look_through(searching *s, at_error *err) {
    at_arena memory = {0};
    int width = s->session.state.n_out;
    double began = at_seconds(), told = began;
    float *vectors = AT_NEW_ARRAY(&memory, float, AT_PRODUCTS_ROWS * (size_t)width);
    const at_products look = {.backend = s->session.backend, .pool = s->session.pool, .queries = s->vector, .n_queries = s->n_queries, .width = width,
                              .context = s, .see = see};
    at_status st = vectors ? AT_OK : at_fail_memory(err, AT_PRODUCTS_ROWS * (size_t)width * sizeof *vectors);
    while (!st && !(st = at_text_source_next(&s->corpus, AT_PRODUCTS_ROWS, err)) && s->corpus.n) {
        const at_text_source *c = &s->corpus;
        if (at_asked_to_stop(s->listener)) st = at_fail(err, AT_STOPPED, "stopped");
        if (!st) st = take_vectors(s, vectors, err);
        if (st) break;
        at_rows_to_unit(vectors, (size_t)c->n, width);
        st = at_products_look(&look, vectors, c->first, c->n, err);
        if (at_seconds() - told < 0.5) continue;
        told = at_seconds();
        tell_done(s, began, c->first + c->n);
    }
    at_arena_free(&memory);
    return st;
}

/* ---- what was found ---- */

static void add_plain(at_str *line, at_cell cell) {
    size_t from = line->len;
    at_str_add_bytes(line, cell.text ? cell.text : "", cell.len);
    for (size_t i = from; i < line->len; i++)
        if ((unsigned char)line->text[i] < 0x20 || line->text[i] == 0x7f) line->text[i] = ' ';
}

static at_cell corpus_text(const searching *s, const at_hit *h) { return at_table_cell(s->corpus.table, (int)h->row, s->corpus.column); }

static void add_words(const searching *s, int q, at_str *to) {
    at_str_addf(to, "%s", q ? "\n" : "");
    add_plain(to, at_table_cell(s->query, q, s->query_column));
    at_str_add(to, "\n");
    for (int i = 0; i < s->n_hits[q]; i++) {
        const at_hit *h = &s->hit[(size_t)q * (size_t)s->top + (size_t)i];
        at_str_addf(to, "%8.4f  %s:%u: ", (double)h->score, s->corpus.table->path, (unsigned)s->corpus.table->line[h->row]);
        add_plain(to, corpus_text(s, h));
        at_str_add(to, "\n");
    }
}

static void add_json(const searching *s, int q, at_str *to) {
    at_cell text = at_table_cell(s->query, q, s->query_column);
    at_str_addf(to, "{\"line\": %u, \"query\": ", (unsigned)s->query->line[q]);
    at_json_add_string(to, text.text ? text.text : "", text.len);
    at_str_add(to, ", \"found\": [");
    for (int i = 0; i < s->n_hits[q]; i++) {
        const at_hit *h = &s->hit[(size_t)q * (size_t)s->top + (size_t)i];
        text = corpus_text(s, h);
        at_str_addf(to, "%s{\"score\": %.9g, \"line\": %u, \"text\": ", i ? ", " : "", (double)h->score, (unsigned)s->corpus.table->line[h->row]);
        at_json_add_string(to, text.text ? text.text : "", text.len);
        at_str_add(to, "}");
    }
    at_str_add(to, "]}\n");
}

static void add_csv(const searching *s, int q, at_str *to) {
    at_cell text = at_table_cell(s->query, q, s->query_column);
    for (int i = 0; i < s->n_hits[q]; i++) {
        const at_hit *h = &s->hit[(size_t)q * (size_t)s->top + (size_t)i];
        at_row_out row = at_row_begin(to, AT_TABLE_CSV);
        at_row_text(&row, "", text.text, text.len);
        at_row_number(&row, "", i + 1);
        at_row_number(&row, "", (double)h->score);
        at_row_number(&row, "", s->corpus.table->line[h->row]);
        at_row_text(&row, "", corpus_text(s, h).text, corpus_text(s, h).len);
        at_row_end(&row);
    }
}

static at_status send(searching *s, const char *kind, at_str *line, at_str *json, at_error *err) {
    if (line->failed || json->failed) return at_fail_memory(err, line->len);
    if (!line->len) return AT_OK;
    if (s->writer) return at_writer_add(s->writer, line->text, line->len, err);
    line->text[line->len - 1] = '\0'; /* the newline */
    if (json->len) json->text[json->len - 1] = '\0';
    at_event event = {.kind = kind, .text = line->text, .json = json->text};
    if (s->listener && s->listener->event) s->listener->event(s->listener->context, &event);
    return AT_OK;
}

static at_status send_found(searching *s, int q, at_error *err) {
    at_mark mark = at_arena_mark(&s->row);
    at_str line = {.arena = &s->row}, json = {.arena = &s->row};
    if (s->format == FORMAT_JSONL) add_json(s, q, &line);
    else if (s->format == FORMAT_CSV) add_csv(s, q, &line);
    else add_words(s, q, &line);
    if (!s->writer) add_json(s, q, &json);
    at_status st = send(s, "found", &line, &json, err);
    at_arena_rewind(&s->row, mark);
    return st;
}

static at_status send_all(searching *s, at_error *err) {
    at_str header = {.arena = &s->row}, none = {.arena = &s->row};
    if (s->format == FORMAT_CSV) at_str_add(&header, "query,rank,score,line,text\n");
    AT_TRY(send(s, "header", &header, &none, err));
    for (int q = 0; q < s->n_queries; q++) AT_TRY(send_found(s, q, err));
    return AT_OK;
}

/* ---- the order ---- */

static found_format choose_format(const searching *s) {
    const char *path = s->output, *ending = path ? strrchr(path, '.') : NULL;
    found_format format = (found_format)at_options_choice(s->options, "format");
    if (format != FORMAT_AUTO) return format;
    if (ending && (!strcasecmp(ending, ".jsonl") || !strcasecmp(ending, ".json"))) return FORMAT_JSONL;
    return ending && !strcasecmp(ending, ".csv") ? FORMAT_CSV : FORMAT_TEXT;
}

static at_status open_output(searching *s, at_error *err) {
    if (!s->output) return AT_OK;
    s->writer = malloc(sizeof *s->writer);
    if (!s->writer) return at_fail_memory(err, sizeof *s->writer);
    s->writer->fd = -1;
    return at_writer_open(s->writer, s->output, err);
}

static at_status run(searching *s, const char *const *texts, int n, at_error *err) {
    const char *corpus = at_options_text(s->options, "corpus", NULL);
    if (!corpus || !strcmp(corpus, "-")) return at_fail(err, AT_USAGE, "--corpus is missing: the file of the texts to search in");
    AT_TRY(at_vectors_open(&s->session, s->options, err));
    at_tell_unread(s->listener, s->session.model);
    s->session.listener = s->listener;
    AT_TRY(at_text_source_open(&s->corpus, s->options, corpus, NULL, 0, err));
    if (!s->corpus.table->n_rows) return at_fail(err, AT_BAD_DATA, "%s: there are no texts to search in", corpus);
    s->top = (int)at_options_int(s->options, "top", 10);
    if (s->top > s->corpus.table->n_rows) s->top = s->corpus.table->n_rows;
    AT_TRY(open_stored(s, err));
    AT_TRY(take_queries(s, texts, n, err));
    AT_TRY(embed_queries(s, err));
    AT_TRY(open_output(s, err));
    AT_TRY(look_through(s, err));
    AT_TRY(send_all(s, err));
    if (s->writer) AT_TRY(at_writer_commit(s->writer, err));
    if (s->n_cut) at_tell_warning(s->listener, "%ld texts are longer than %d tokens%s (--long)", s->n_cut, s->session.max_tokens,
                                      at_long_words(s->session.state.long_texts));
    at_tell(s->listener, "done", json_pack("{s:i, s:i, s:s?}", "queries", s->n_queries, "corpus", s->corpus.table->n_rows, "output", s->output),
            s->output ? "What is nearest to %d texts among %d is in %s." : NULL, s->n_queries, s->corpus.table->n_rows, s->output ? s->output : "");
    return AT_OK;
}

static at_status search(const at_options *o, const at_listener *listener, const char *const *texts, int n, at_error *err) {
    searching *s = calloc(1, sizeof *s);
    if (!s) return at_fail_memory(err, sizeof *s);
    s->options = o;
    s->listener = listener;
    s->output = at_options_text(o, "output", NULL);
    s->format = choose_format(s);
    at_status st = run(s, texts, n, err);
    if (s->writer) at_writer_abandon(s->writer);
    free(s->writer);
    at_text_source_close(&s->queries);
    at_text_source_close(&s->corpus);
    at_npy_close(&s->stored);
    at_session_close(&s->session);
    at_arena_free(&s->arena);
    at_arena_free(&s->row);
    free(s);
    return st;
}

at_status at_search_file(const at_options *o, const at_listener *listener, at_error *err) { return search(o, listener, NULL, 0, err); }

at_status at_search_texts(const at_options *o, const char *const *texts, int n, const at_listener *listener, at_error *err) {
    return search(o, listener, texts, n, err);
}
