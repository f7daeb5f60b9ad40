#include <string.h>

#include "io/table_input.h"

static const char LABEL[] = "__label__";
enum { LABEL_LEN = sizeof LABEL - 1 };

static at_status name_columns(at_table *t, const char *first, const char *second, at_error *err) {
    t->column = AT_NEW_ARRAY(&t->arena, const char *, 2);
    if (!t->column) return at_fail_memory(err, sizeof *t->column);
    t->column[0] = first;
    t->column[1] = second;
    return AT_OK;
}

static int fits(at_table_input *in, const at_table_line *line, uint32_t number) {
    if (line->end - line->start <= AT_TABLE_FIELD_BYTES) return 1;
    at_table_bad_row(in, number, "the line is %zu bytes long, more than the limit of 1 MiB", line->end - line->start);
    return 0;
}

at_status at_table_read_lines(at_table_input *in) {
    at_table *t = in->table;
    at_table_line line;
    AT_TRY(name_columns(t, "text", NULL, in->err));
    AT_TRY(at_table_reserve(in, 1));
    size_t pos = 0;
    for (uint32_t number = 1; !in->status && at_table_next_line(in, &pos, &line); number++) {
        if (!fits(in, &line, number) || !at_table_check_bytes(in, line.start, line.end, number)) continue;
        in->text[line.end] = '\0';
        t->line[t->n_rows] = number;
        t->cells[t->n_rows++] = (at_cell){in->text + line.start, (uint32_t)(line.end - line.start)};
    }
    return in->status;
}

static int starts_label(const char *p, const char *end) { return end - p >= LABEL_LEN && !memcmp(p, LABEL, LABEL_LEN); }

static const char *skip_blanks(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    return p;
}

/* Moves the labels together, without their prefixes, at the start of the line. 0 where there is none or an empty one. */
static int split_labels(char *start, const char *end, at_cell *label, at_cell *text) {
    char *to = start;
    const char *p = skip_blanks(start, end);
    while (starts_label(p, end)) {
        const char *name = p + LABEL_LEN, *stop = name;
        while (stop < end && *stop != ' ' && *stop != '\t') stop++;
        if (stop == name) return 0;
        if (to > start) *to++ = ' ';
        memmove(to, name, (size_t)(stop - name));
        to += stop - name;
        p = skip_blanks(stop, end);
    }
    *label = (at_cell){start, (uint32_t)(to - start)};
    *text = (at_cell){p, (uint32_t)(end - p)};
    return to > start;
}

at_status at_table_read_fasttext(at_table_input *in) {
    at_table *t = in->table;
    at_table_line line;
    AT_TRY(name_columns(t, "label", "text", in->err));
    AT_TRY(at_table_reserve(in, 2));
    size_t pos = 0;
    for (uint32_t number = 1; !in->status && at_table_next_line(in, &pos, &line); number++) {
        char *start = in->text + line.start, *end = in->text + line.end;
        if (skip_blanks(start, end) == end) continue;
        if (!fits(in, &line, number) || !at_table_check_bytes(in, line.start, line.end, number)) continue;
        at_cell *cells = t->cells + 2 * (size_t)t->n_rows;
        if (!split_labels(start, end, &cells[0], &cells[1])) {
            at_table_bad_row(in, number, "the line does not begin with %sNAME", LABEL);
            continue;
        }
        start[cells[0].len] = '\0'; /* a label lost its prefix: there is room before the text */
        *end = '\0';
        t->line[t->n_rows++] = number;
    }
    return in->status;
}
