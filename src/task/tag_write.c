/* Tagged texts for people and other programs: CoNLL with a column added and everything else as it was, one span a line, marked text, HTML.
 */
#include <string.h>

#include "task/marked.h"
#include "task/tag.h"

at_answer_format at_tag_usual_format(const at_table *input) {
    switch (input->format) {
    case AT_TABLE_CONLL: return AT_ANSWER_CONLL;
    case AT_TABLE_JSONL: return AT_ANSWER_JSONL;
    case AT_TABLE_CSV: return AT_ANSWER_CSV;
    case AT_TABLE_TSV: return AT_ANSWER_TSV;
    default: return AT_ANSWER_TEXT;
    }
}

static at_status read_row(const at_task_state *s, const at_table *t, int row, at_arena *arena, at_sentence *x, at_error *err) {
    at_sentence_columns c;
    AT_TRY(at_tag_columns(s, t, 0, &c, err));
    return at_sentence_read(t, row, &c, 0, arena, x, err);
}

static const char *tag_at(const json_t *answer, size_t i) {
    const char *tag = json_string_value(json_array_get(json_object_get(answer, "tags"), i));
    return tag ? tag : at_tag_no_part;
}

/* ---- CoNLL ---- */

/* The next line of the file as it is, with `tag` as a further column before its end; NULL: without. */
static void copy_line(at_tag_state *state, const at_table *t, const char *tag, at_str *to) {
    const char *line = t->raw + state->written, *end = t->raw + t->raw_len, *newline = memchr(line, '\n', (size_t)(end - line));
    const char *next = newline ? newline + 1 : end, *stop = newline ? newline : end;
    char between[2] = {t->delimiter ? t->delimiter : ' ', '\0'};
    if (stop > line && stop[-1] == '\r') stop--;
    at_str_add_bytes(to, line, (size_t)(stop - line));
    if (!tag && stop - line >= 10 && !memcmp(line, "-DOCSTART-", 10)) tag = at_tag_no_part;
    if (tag) at_str_addf(to, "%s%s", between, tag);
    at_str_add_bytes(to, stop, (size_t)(next - stop));
    state->written += (size_t)(next - line);
    state->line++;
}

static void write_conll_row(at_tag_state *state, const at_table *t, int row, const json_t *answer, at_str *to) {
    uint64_t first = t->token_at[row], n = t->token_at[row + 1] - first;
    for (uint64_t i = 0; i < n; i++) {
        while (state->line + 1 < t->token_line[first + i]) copy_line(state, t, NULL, to);
        copy_line(state, t, tag_at(answer, (size_t)i), to);
    }
}

static at_status write_conll(const at_task_state *s, at_answer_part part, const at_table *t, int row, const json_t *answer, at_str *to,
                             at_error *err) {
    at_tag_state *state = at_tag_of(s);
    at_arena arena = {0};
    at_sentence x;
    if (part == AT_ANSWER_BEGIN) {
        state->written = 0;
        state->line = 0;
        return AT_OK;
    }
    if (t->format == AT_TABLE_CONLL) {
        if (part == AT_ANSWER_ROW) write_conll_row(state, t, row, answer, to);
        else
            while (state->written < t->raw_len) copy_line(state, t, NULL, to);
        return AT_OK;
    }
    if (part != AT_ANSWER_ROW) return AT_OK;
    at_status st = read_row(s, t, row, &arena, &x, err);
    for (int i = 0; !st && i < x.n; i++) {
        at_str_add_bytes(to, x.word[i].text, x.word[i].len);
        at_str_addf(to, "\t%s\n", tag_at(answer, (size_t)i));
    }
    if (!st) at_str_add(to, "\n");
    at_arena_free(&arena);
    return st;
}

/* ---- spans ---- */

static void write_spans(const at_table *t, at_answer_part part, int row, const json_t *answer, at_str *to) {
    size_t i;
    const json_t *e;
    if (part == AT_ANSWER_BEGIN) at_add_span_head(to);
    json_array_foreach(json_object_get(answer, "entities"), i, e) {
        const char *text = json_string_value(json_object_get(e, "text"));
        at_add_span(to, t->line[row], json_integer_value(json_object_get(e, "start")), json_integer_value(json_object_get(e, "end")),
                    json_string_value(json_object_get(e, "label")), json_number_value(json_object_get(e, "score")), text ? text : "",
                    text ? strlen(text) : 0);
    }
}

/* ---- marked text ---- */

/* The byte of a character, from one before it on. */
static size_t byte_of(const at_sentence *x, int character, int *at, size_t byte) {
    while (*at < character && byte < x->len) {
        for (byte++; byte < x->len && ((unsigned char)x->text[byte] & 0xC0) == 0x80;) byte++;
        ++*at;
    }
    return byte;
}

typedef struct marking {
    const char *open, *middle, *close; /* around a part, before its label */
    void (*add)(at_str *to, const char *text, size_t len);
} marking;

static void add_marked(const at_sentence *x, const json_t *answer, const marking *m, at_str *to) {
    size_t i, done = 0;
    int at = 0;
    const json_t *e;
    json_array_foreach(json_object_get(answer, "entities"), i, e) {
        const char *label = json_string_value(json_object_get(e, "label"));
        size_t start = byte_of(x, (int)json_integer_value(json_object_get(e, "start")), &at, done);
        m->add(to, x->text + done, start - done);
        done = byte_of(x, (int)json_integer_value(json_object_get(e, "end")), &at, start);
        at_str_add(to, m->open);
        m->add(to, x->text + start, done - start);
        at_str_add(to, m->middle);
        m->add(to, label, strlen(label));
        at_str_add(to, m->close);
    }
    m->add(to, x->text + done, x->len - done);
}

/* Tags that mark no parts stand behind each word. */
static void add_tagged(const at_sentence *x, const json_t *answer, const marking *m, at_str *to) {
    for (int i = 0; i < x->n; i++) {
        if (i) at_str_add(to, " ");
        m->add(to, x->word[i].text, x->word[i].len);
        at_str_add(to, "/");
        m->add(to, tag_at(answer, (size_t)i), strlen(tag_at(answer, (size_t)i)));
    }
}

static at_status add_row(const at_task_state *s, const at_table *t, int row, const json_t *answer, const marking *m, at_str *to,
                         at_error *err) {
    at_arena arena = {0};
    at_sentence x;
    at_status st = read_row(s, t, row, &arena, &x, err);
    if (!st && at_tag_of(s)->scheme == AT_SCHEME_PLAIN) add_tagged(&x, answer, m, to);
    else if (!st) add_marked(&x, answer, m, to);
    at_arena_free(&arena);
    return st;
}

static at_status write_html(const at_task_state *s, at_answer_part part, const at_table *t, int row, const json_t *answer, at_str *to,
                            at_error *err) {
    static const marking MARK = {"<mark>", " <small>", "</small></mark>", at_add_html};
    if (part == AT_ANSWER_BEGIN) at_add_html_head(to, "Tagged texts");
    if (part != AT_ANSWER_ROW) return AT_OK;
    at_str_add(to, "<p>");
    AT_TRY(add_row(s, t, row, answer, &MARK, to, err));
    at_str_add(to, "</p>\n");
    return AT_OK;
}

static at_status write_text(const at_task_state *s, at_answer_part part, const at_table *t, int row, const json_t *answer, at_str *to,
                            at_error *err) {
    static const marking MARK = {"[", " ", "]", at_add_plain};
    if (part != AT_ANSWER_ROW) return AT_OK;
    AT_TRY(add_row(s, t, row, answer, &MARK, to, err));
    at_str_add(to, "\n");
    return AT_OK;
}

at_status at_tag_write(const at_task_state *s, at_answer_format format, at_answer_part part, const at_table *t, int row,
                       const json_t *answer, at_str *to, at_error *err) {
    switch (format) {
    case AT_ANSWER_CONLL: return write_conll(s, part, t, row, answer, to, err);
    case AT_ANSWER_HTML: return write_html(s, part, t, row, answer, to, err);
    case AT_ANSWER_TEXT: return write_text(s, part, t, row, answer, to, err);
    default: write_spans(t, part, row, answer, to); return AT_OK;
    }
}
