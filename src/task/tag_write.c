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

static const char *tag_at(const at_tagged *a, int i) { return i < a->n ? a->tag[i] : at_tag_no_part; }

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

static void write_conll_row(at_tag_state *state, const at_table *t, int row, const at_tagged *answer, at_str *to) {
    uint64_t first = t->token_at[row], n = t->token_at[row + 1] - first;
    for (uint64_t i = 0; i < n; i++) {
        while (state->line + 1 < t->token_line[first + i]) copy_line(state, t, NULL, to);
        copy_line(state, t, tag_at(answer, (int)i), to);
    }
}

static void write_conll(const at_task_state *s, at_answer_part part, const at_table *t, int row, const at_tagged *answer, at_str *to) {
    at_tag_state *state = at_tag_of(s);
    if (part == AT_ANSWER_BEGIN) {
        state->written = 0;
        state->line = 0;
    } else if (t->format == AT_TABLE_CONLL) {
        if (part == AT_ANSWER_ROW) write_conll_row(state, t, row, answer, to);
        else
            while (state->written < t->raw_len) copy_line(state, t, NULL, to);
    } else if (part == AT_ANSWER_ROW) {
        const at_sentence *x = &answer->sentence;
        for (int i = 0; i < x->n; i++) {
            at_str_add_bytes(to, x->word[i].text, x->word[i].len);
            at_str_addf(to, "\t%s\n", tag_at(answer, i));
        }
        at_str_add(to, "\n");
    }
}

/* ---- spans ---- */

static void write_spans(const at_table *t, at_answer_part part, int row, const at_tagged *answer, at_str *to) {
    if (part == AT_ANSWER_BEGIN) at_add_span_head(to);
    for (int i = 0; part == AT_ANSWER_ROW && i < answer->n_entities; i++) {
        const at_entity *e = &answer->entity[i];
        const at_word *first = &answer->sentence.word[e->start], *last = &answer->sentence.word[e->end - 1];
        at_add_span(to, t->line[row], first->start, last->end, e->type, at_tag_entity_score(answer, e), answer->sentence.text + first->at,
                    last->at + last->len - first->at);
    }
}

/* ---- marked text ---- */

typedef struct marking {
    const char *open, *middle, *close; /* around a part, before its label */
    void (*add)(at_str *to, const char *text, size_t len);
} marking;

static void add_marked(const at_tagged *answer, const marking *m, at_str *to) {
    const at_sentence *x = &answer->sentence;
    size_t done = 0;
    for (int i = 0; i < answer->n_entities; i++) {
        const at_entity *e = &answer->entity[i];
        const at_word *last = &x->word[e->end - 1];
        size_t start = x->word[e->start].at;
        m->add(to, x->text + done, start - done);
        done = last->at + last->len;
        at_str_add(to, m->open);
        m->add(to, x->text + start, done - start);
        at_str_add(to, m->middle);
        m->add(to, e->type, strlen(e->type));
        at_str_add(to, m->close);
    }
    m->add(to, x->text + done, x->len - done);
}

/* Tags that mark no parts stand behind each word. */
static void add_tagged(const at_tagged *answer, const marking *m, at_str *to) {
    const at_sentence *x = &answer->sentence;
    for (int i = 0; i < x->n; i++) {
        if (i) at_str_add(to, " ");
        m->add(to, x->word[i].text, x->word[i].len);
        at_str_add(to, "/");
        m->add(to, tag_at(answer, i), strlen(tag_at(answer, i)));
    }
}

static void add_row(const at_task_state *s, const at_tagged *answer, const marking *m, at_str *to) {
    if (at_tag_of(s)->scheme == AT_SCHEME_PLAIN) add_tagged(answer, m, to);
    else add_marked(answer, m, to);
}

static void write_html(const at_task_state *s, at_answer_part part, const at_tagged *answer, at_str *to) {
    static const marking MARK = {"<mark>", " <small>", "</small></mark>", at_add_html};
    if (part == AT_ANSWER_BEGIN) at_add_html_head(to, "Tagged texts");
    if (part != AT_ANSWER_ROW) return;
    at_str_add(to, "<p>");
    add_row(s, answer, &MARK, to);
    at_str_add(to, "</p>\n");
}

static void write_text(const at_task_state *s, at_answer_part part, const at_tagged *answer, at_str *to) {
    static const marking MARK = {"[", " ", "]", at_add_plain};
    if (part != AT_ANSWER_ROW) return;
    add_row(s, answer, &MARK, to);
    at_str_add(to, "\n");
}

at_status at_tag_write(const at_task_state *s, at_answer_format format, at_answer_part part, const at_table *t, int row,
                       const void *answer, at_str *to, at_error *err) {
    (void)err;
    switch (format) {
    case AT_ANSWER_CONLL: write_conll(s, part, t, row, answer, to); break;
    case AT_ANSWER_HTML: write_html(s, part, answer, to); break;
    case AT_ANSWER_TEXT: write_text(s, part, answer, to); break;
    default: write_spans(t, part, row, answer, to);
    }
    return AT_OK;
}
