/* Answers for a person: a line each, spans, or the texts with the answers marked. */
#include <string.h>

#include "task/answer.h"
#include "task/marked.h"

at_answer_format at_answer_usual_format(const at_table *input) {
    switch (input->format) {
    case AT_TABLE_JSONL:
    case AT_TABLE_SQUAD: return AT_ANSWER_JSONL;
    case AT_TABLE_CSV: return AT_ANSWER_CSV;
    case AT_TABLE_TSV: return AT_ANSWER_TSV;
    default: return AT_ANSWER_TEXT;
    }
}

static void write_line(at_cell question, const json_t *answer, at_str *to) {
    const json_t *text = json_object_get(answer, "answer");
    at_str_addf(to, "%.3f  ", json_number_value(json_object_get(answer, "score")));
    if (json_string_length(text)) at_add_plain(to, json_string_value(text), json_string_length(text));
    else at_str_add(to, "(no answer)");
    at_str_add(to, "  | ");
    at_add_plain(to, question.text ? question.text : "", question.len);
    at_str_add(to, "\n");
}

/* Behind a span's own columns what tells the questions of one line from each other. */
static void write_span(const at_table *t, int row, const at_answer_columns *c, const json_t *answer, at_str *to) {
    const json_t *text = json_object_get(answer, "answer");
    int id_column = at_table_column(t, "id");
    at_cell id = id_column < 0 ? (at_cell){0} : at_table_cell(t, row, id_column), question = at_table_cell(t, row, c->question);
    if (!json_string_length(text)) return;
    at_add_span(to, t->line[row], json_integer_value(json_object_get(answer, "start")), json_integer_value(json_object_get(answer, "end")),
                "answer", json_number_value(json_object_get(answer, "score")), json_string_value(text), json_string_length(text));
    if (!to->failed) to->len--; /* the newline */
    at_str_add(to, "\t");
    at_add_plain(to, id.text ? id.text : "", id.len);
    at_str_add(to, "\t");
    at_add_plain(to, question.text ? question.text : "", question.len);
    at_str_add(to, "\n");
}

static void write_html(at_cell question, at_cell context, const json_t *answer, at_str *to) {
    int start = (int)json_integer_value(json_object_get(answer, "start")), end = (int)json_integer_value(json_object_get(answer, "end"));
    double score = json_number_value(json_object_get(answer, "score"));
    at_str_add(to, "<h2>");
    at_add_html(to, question.text ? question.text : "", question.len);
    at_str_add(to, "</h2>\n<p>");
    if (end <= start) at_str_addf(to, "<em>no answer <small>%.3f</small></em></p>\n<p>", score);
    else {
        at_cell before = at_answer_cut(context, 0, start), part = at_answer_cut(context, start, end);
        at_add_html(to, before.text, before.len);
        at_str_add(to, "<mark>");
        at_add_html(to, part.text, part.len);
        at_str_addf(to, " <small>%.3f</small></mark>", score);
        context = (at_cell){part.text + part.len, context.len - before.len - part.len};
    }
    at_add_html(to, context.text ? context.text : "", context.len);
    at_str_add(to, "</p>\n");
}

at_status at_answer_write(const at_task_state *s, at_answer_format format, at_answer_part part, const at_table *t, int row,
                          const void *answer, at_str *to, at_error *err) {
    at_answer_columns c;
    if (part == AT_ANSWER_BEGIN && format == AT_ANSWER_SPANS) at_str_add(to, "line\tstart\tend\tlabel\tscore\ttext\tid\tquestion\n");
    if (part == AT_ANSWER_BEGIN && format == AT_ANSWER_HTML) at_add_html_head(to, "Answers");
    if (part != AT_ANSWER_ROW) return AT_OK;
    AT_TRY(at_answer_find(t, &s->columns, 0, &c, err));
    if (format == AT_ANSWER_SPANS) write_span(t, row, &c, answer, to);
    else if (format == AT_ANSWER_HTML) write_html(at_table_cell(t, row, c.question), at_table_cell(t, row, c.context), answer, to);
    else write_line(at_table_cell(t, row, c.question), answer, to);
    return AT_OK;
}
