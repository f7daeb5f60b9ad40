/* SQuAD v1.1 and v2.0: {"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers", "is_impossible"}]}]}]}.
 * A row is a question; rows of a paragraph share the bytes of its context. The cell of the answers is their JSON as it came. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "io/table_input.h"

enum { ID, TITLE, QUESTION, CONTEXT, ANSWERS, IMPOSSIBLE, N_COLUMNS };
static const char *const NAMES[N_COLUMNS] = {"id", "title", "question", "context", "answers", "is_impossible"};

/* ---- what it looks like ---- */

static const char *skip_space(const char *p) { return p + strspn(p, " \t\r\n"); }

int at_table_looks_like_squad(const at_table_input *in) {
    const char *p = skip_space(in->text), *key;
    if (*p != '{') return 0;
    p = skip_space(p + 1);
    if (strncmp(p, "\"data\"", 6) && strncmp(p, "\"version\"", 9)) return 0;
    key = strstr(in->text, "\"data\"");
    if (!key || *(p = skip_space(key + 6)) != ':' || *skip_space(p + 1) != '[') return 0;
    return strstr(in->text, "\"paragraphs\"") || strstr(in->text, "\"qas\"");
}

/* ---- lines ---- */

/* The lines on which the questions begin: the parser does not tell. The text is valid JSON. */
typedef struct line_walk {
    const char *p, *end;
    uint32_t line;
    int depth;
    const char *key[8]; /* the last one seen at a depth */
} line_walk;

static int is_key(const line_walk *w, int depth, const char *name) {
    size_t n = strlen(name);
    return w->key[depth] && !strncmp(w->key[depth], name, n) && w->key[depth][n] == '"';
}

static void walk_string(line_walk *w) {
    const char *start = ++w->p;
    for (; w->p < w->end && *w->p != '"'; w->p++)
        if (*w->p == '\\') w->p++;
    const char *next = w->p < w->end ? skip_space(w->p + 1) : w->end;
    if (*next == ':' && w->depth < 8) w->key[w->depth] = start;
}

/* The line of the next question. */
static uint32_t next_question(line_walk *w) {
    for (; w->p < w->end; w->p++) {
        if (*w->p == '\n') w->line++;
        else if (*w->p == '"') walk_string(w);
        else if (*w->p == '}' || *w->p == ']') w->depth--;
        else if (*w->p == '{' || *w->p == '[') {
            w->depth++;
            if (*w->p == '{' && w->depth == 7 && is_key(w, 1, "data") && is_key(w, 3, "paragraphs") && is_key(w, 5, "qas")) {
                w->p++;
                return w->line;
            }
        }
    }
    return w->line;
}

/* ---- rows ---- */

typedef struct reader {
    at_table_input *in;
    line_walk walk;
    size_t article, paragraph, question;
    uint32_t line; /* of what is read */
} reader;

static void bad(reader *r, const char *what) {
    at_table_bad_row(r->in, r->line, "data[%zu].paragraphs[%zu].qas[%zu]: %s", r->article, r->paragraph, r->question, what);
}

static int take(reader *r, const json_t *text, at_cell *cell) {
    size_t len = json_string_length(text);
    char *copy = at_strndup(&r->in->table->arena, json_string_value(text), len);
    if (!copy || len > AT_TABLE_LINE_BYTES) {
        r->in->status = copy ? at_fail(r->in->err, AT_BAD_DATA, "%s:%u: a text of %zu bytes, more than the limit of 16 MiB",
                                       r->in->table->path, (unsigned)r->line, len)
                             : at_fail_memory(r->in->err, len);
        return 0;
    }
    *cell = (at_cell){copy, (uint32_t)len};
    return 1;
}

static int take_json(reader *r, const json_t *value, at_cell *cell) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    *cell = (at_cell){text ? at_strdup(&r->in->table->arena, text) : NULL, text ? (uint32_t)strlen(text) : 0};
    free(text);
    if (!cell->text) r->in->status = at_fail_memory(r->in->err, 0);
    return cell->text != NULL;
}

static const char *wrong_with(const json_t *question) {
    const json_t *answers = json_object_get(question, "answers"), *impossible = json_object_get(question, "is_impossible"), *answer;
    size_t i;
    if (!json_is_object(question)) return "not an object";
    if (!json_is_string(json_object_get(question, "question"))) return "there is no text 'question'";
    if (answers && !json_is_array(answers)) return "'answers' is not a list";
    if (impossible && !json_is_boolean(impossible)) return "'is_impossible' is neither true nor false";
    json_array_foreach(answers, i, answer) {
        const json_t *start = json_object_get(answer, "answer_start");
        if (!json_is_string(json_object_get(answer, "text"))) return "an answer has no 'text'";
        if (start && (!json_is_integer(start) || json_integer_value(start) < 0)) /* none: its first place, as in rows */
            return "an answer has no 'answer_start', a whole number from 0 on";
    }
    return NULL;
}

static void add_question(reader *r, const json_t *question, at_cell title, at_cell context) {
    at_table *t = r->in->table;
    const json_t *id = json_object_get(question, "id"), *answers = json_object_get(question, "answers"),
                 *impossible = json_object_get(question, "is_impossible");
    at_cell *cell = t->cells + (size_t)t->n_rows * N_COLUMNS;
    unsigned char *is_json = t->is_json + (size_t)t->n_rows * N_COLUMNS;
    const char *wrong = wrong_with(question);
    if (json_is_object(question)) r->line = next_question(&r->walk);
    if (wrong) {
        bad(r, wrong);
        return;
    }
    memset(cell, 0, N_COLUMNS * sizeof *cell);
    memset(is_json, 0, N_COLUMNS);
    cell[TITLE] = title;
    cell[CONTEXT] = context;
    is_json[ID] = id && !json_is_string(id);
    is_json[ANSWERS] = answers != NULL;
    is_json[IMPOSSIBLE] = impossible != NULL;
    if (id && !(json_is_string(id) ? take(r, id, &cell[ID]) : take_json(r, id, &cell[ID]))) return;
    if (!take(r, json_object_get(question, "question"), &cell[QUESTION])) return;
    if (answers && !take_json(r, answers, &cell[ANSWERS])) return;
    if (impossible && !take_json(r, impossible, &cell[IMPOSSIBLE])) return;
    t->line[t->n_rows++] = r->line;
}

static void add_paragraph(reader *r, const json_t *paragraph, at_cell title) {
    const json_t *context = json_object_get(paragraph, "context"), *questions = json_object_get(paragraph, "qas"), *question;
    at_cell cell = {0};
    r->question = 0;
    r->line = r->walk.line;
    if (!json_is_string(context)) bad(r, "its paragraph has no text 'context'");
    else if (!json_is_array(questions)) bad(r, "its paragraph has no list 'qas'");
    else if (!take(r, context, &cell)) return;
    if (!cell.text && !r->in->status) /* rows kept apart: what it asks is passed over */
        for (size_t i = 0; i < json_array_size(questions); i++) next_question(&r->walk);
    if (!cell.text) return;
    json_array_foreach(questions, r->question, question) {
        add_question(r, question, title, cell);
        if (r->in->status) return;
    }
}

static void add_article(reader *r, const json_t *article) {
    const json_t *title = json_object_get(article, "title"), *paragraphs = json_object_get(article, "paragraphs"), *paragraph;
    at_cell cell = {0};
    r->paragraph = r->question = 0;
    r->line = r->walk.line;
    if (!json_is_array(paragraphs)) bad(r, "its article has no list 'paragraphs'");
    if (json_is_string(title) && !take(r, title, &cell)) return;
    json_array_foreach(paragraphs, r->paragraph, paragraph) {
        add_paragraph(r, paragraph, cell);
        if (r->in->status) return;
    }
}

static size_t count_questions(const json_t *data) {
    size_t i, k, n = 0;
    const json_t *article, *paragraph;
    json_array_foreach(data, i, article) json_array_foreach(json_object_get(article, "paragraphs"), k, paragraph)
        n += json_array_size(json_object_get(paragraph, "qas"));
    return n;
}

static at_status read_data(reader *r, const json_t *root) {
    at_table *t = r->in->table;
    const json_t *data = json_object_get(root, "data"), *article;
    if (!json_is_array(data)) return at_fail(r->in->err, AT_BAD_DATA, "%s: there is no list 'data', as SQuAD files have it", t->path);
    size_t n = count_questions(data);
    if (n > INT32_MAX / N_COLUMNS) return at_fail(r->in->err, AT_BAD_DATA, "%s: %zu questions are too many", t->path, n);
    t->n_columns = N_COLUMNS;
    t->column = AT_NEW_ARRAY(&t->arena, const char *, N_COLUMNS);
    t->cells = AT_NEW_ARRAY(&t->arena, at_cell, n * N_COLUMNS);
    t->is_json = AT_NEW_ARRAY(&t->arena, unsigned char, n * N_COLUMNS);
    t->line = AT_NEW_ARRAY(&t->arena, uint32_t, n);
    if (!t->column || !t->cells || !t->is_json || !t->line) return at_fail_memory(r->in->err, n * N_COLUMNS * sizeof *t->cells);
    memcpy(t->column, NAMES, sizeof NAMES);
    json_array_foreach(data, r->article, article) {
        add_article(r, article);
        if (r->in->status) return r->in->status;
    }
    return AT_OK;
}

at_status at_table_read_squad(at_table_input *in) {
    json_t *root;
    if (!at_table_check_bytes(in, 0, in->len, 1)) return in->status;
    AT_TRY(at_json_parse(in->text, in->len, in->table->path, AT_BAD_DATA, &root, in->err));
    reader r = {.in = in, .walk = {in->text, in->text + in->len, 1, 0, {0}}};
    at_status st = read_data(&r, root);
    json_decref(root);
    return st;
}
