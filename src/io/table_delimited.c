/* CSV and TSV in two steps a row: scan_row finds where the fields lie and changes nothing, so that a file can be tried with another
 * delimiter or without quoting first; store_row then ends each field with a NUL, in place, and folds doubled quotes. */
#include <stdio.h>
#include <string.h>

#include "io/table_input.h"

typedef struct field {
    size_t start, end; /* inside the quotes */
    int doubled;       /* has doubled quotes */
} field;

typedef enum problem { ROW_FINE, ROW_OPEN_QUOTE, ROW_AFTER_QUOTE, ROW_LONG_FIELD } problem;

typedef struct row {
    field fields[AT_TABLE_COLUMNS];
    int n; /* counted beyond the array */
    size_t start, next;
    uint32_t line, next_line;
    problem problem;
    uint32_t problem_line; /* where the field with the problem begins */
} row;

typedef struct dialect {
    char delimiter;
    int quoting;
} dialect;

/* From behind the opening quote; the position of the closing one, or len where there is none within the limit. */
static size_t find_closing_quote(const char *text, size_t len, size_t pos, int *doubled, uint32_t *newlines) {
    size_t limit = len - pos > AT_TABLE_FIELD_BYTES ? pos + AT_TABLE_FIELD_BYTES + 1 : len;
    for (; pos < limit; pos++) {
        if (text[pos] == '\n') (*newlines)++;
        if (text[pos] != '"') continue;
        if (pos + 1 >= len || text[pos + 1] != '"') return pos;
        *doubled = 1;
        pos++;
    }
    return len;
}

static int ends_field(const char *text, size_t len, size_t pos, char delimiter) {
    if (pos >= len || text[pos] == delimiter || text[pos] == '\n') return 1;
    return text[pos] == '\r' && (pos + 1 >= len || text[pos + 1] == '\n');
}

/* One field from *pos, which moves to the delimiter, newline or end behind it. */
static problem scan_field(const char *text, size_t len, const dialect *d, size_t *pos, uint32_t *line, field *f) {
    size_t p = *pos;
    *f = (field){p, p, 0};
    if (d->quoting && p < len && text[p] == '"') {
        uint32_t newlines = 0;
        f->start = p + 1;
        f->end = find_closing_quote(text, len, p + 1, &f->doubled, &newlines);
        if (f->end >= len) return ROW_OPEN_QUOTE;
        if (!ends_field(text, len, f->end + 1, d->delimiter)) return ROW_AFTER_QUOTE;
        *line += newlines;
        *pos = f->end + 1;
        if (*pos < len && text[*pos] == '\r') ++*pos;
        return ROW_FINE;
    }
    while (p < len && text[p] != d->delimiter && text[p] != '\n') p++;
    *pos = f->end = p;
    if (f->end > f->start && text[f->end - 1] == '\r' && (p == len || text[p] == '\n')) f->end--;
    return f->end - f->start > AT_TABLE_FIELD_BYTES ? ROW_LONG_FIELD : ROW_FINE;
}

static size_t after_line(const char *text, size_t len, size_t pos) {
    const char *newline = memchr(text + pos, '\n', len - pos);
    return newline ? (size_t)(newline - text) + 1 : len;
}

/* The row that begins at r->next. After a problem the next row begins on the next line, whatever quotes say. */
static void scan_row(const char *text, size_t len, const dialect *d, row *r) {
    size_t pos = r->start = r->next;
    uint32_t line = r->line = r->next_line;
    field f;
    r->n = 0;
    r->problem = ROW_FINE;
    for (;;) {
        r->problem_line = line;
        r->problem = scan_field(text, len, d, &pos, &line, &f);
        if (r->problem) {
            r->next = after_line(text, len, r->start);
            r->next_line = r->line + 1;
            return;
        }
        if (r->n < AT_TABLE_COLUMNS) r->fields[r->n] = f;
        r->n++;
        if (pos >= len || text[pos] == '\n') break;
        pos++;
    }
    r->next = pos + (pos < len);
    r->next_line = line + 1;
}

/* Moves over empty lines; 0 at the end of the file. */
static int at_a_row(const char *text, size_t len, row *r) {
    for (;;) {
        size_t p = r->next;
        if (p >= len) return 0;
        p += text[p] == '\r';
        if (p < len && text[p] != '\n') return 1;
        r->next = p + 1;
        r->next_line++;
    }
}

static void rewind_to_start(row *r) {
    r->next = 0;
    r->next_line = 1;
}

/* --- choosing the dialect -------------------------------------------------------------------------- */

/* Rows that the text has in this dialect, all of one width and without a problem; 0 where it is not so. */
static size_t regular_rows(const at_table_input *in, const dialect *d, row *r) {
    size_t rows = 0;
    int width = 0;
    rewind_to_start(r);
    while (at_a_row(in->text, in->len, r)) {
        scan_row(in->text, in->len, d, r);
        if (!rows++) width = r->n;
        if (r->problem || r->n != width) return 0;
    }
    return rows;
}

static int some_field_is_quoted(const at_table_input *in, char delimiter) {
    const char *text = in->text, *end = text + in->len;
    for (const char *p = text; (p = memchr(p, '"', (size_t)(end - p))); p++)
        if (p == text || p[-1] == delimiter || p[-1] == '\n') return 1;
    return 0;
}

/* Files with tabs are written in two ways, with quotes as syntax and with quotes as text. Quotes are syntax where all of the file parses
 * so and no row of a table that is regular without them disappears into a quoted field. */
static int quotes_are_syntax(const at_table_input *in, char delimiter, row *r) {
    dialect with = {delimiter, 1}, without = {delimiter, 0};
    if (!some_field_is_quoted(in, delimiter)) return 0;
    size_t rows = regular_rows(in, &with, r);
    if (!rows) return 0;
    size_t plain = regular_rows(in, &without, r);
    return !plain || plain == rows;
}

/* Counts outside quotes in the first row. */
static void count_delimiters(const at_table_input *in, row *r, int counts[3]) {
    static const char CANDIDATES[] = ",;\t";
    rewind_to_start(r);
    at_a_row(in->text, in->len, r);
    int quoted = 0;
    for (size_t p = r->next; p < in->len && (quoted || in->text[p] != '\n'); p++) {
        const char *c = in->text[p] ? strchr(CANDIDATES, in->text[p]) : NULL;
        if (in->text[p] == '"') quoted = !quoted;
        else if (c && !quoted) counts[c - CANDIDATES]++;
    }
}

static char choose_delimiter(const at_table_input *in, row *r) {
    int counts[3] = {0};
    if (in->table->format == AT_TABLE_TSV) return '\t';
    count_delimiters(in, r, counts);
    int semicolon = counts[1] >= counts[2];
    dialect other = {semicolon ? ';' : '\t', semicolon};
    if (counts[semicolon ? 1 : 2] <= counts[0]) return ',';
    /* Where both occur, the other one must hold for the whole file: a text in the first row may have many semicolons. */
    return !counts[0] || regular_rows(in, &other, r) ? other.delimiter : ',';
}

/* --- rows into the table --------------------------------------------------------------------------- */

static at_cell finish_field(char *text, const field *f) {
    char *start = text + f->start, *to = start;
    if (f->doubled)
        for (const char *p = start, *end = text + f->end; p < end; p++) {
            *to++ = *p;
            if (*p == '"') p++;
        }
    else to = text + f->end;
    *to = '\0';
    return (at_cell){start, (uint32_t)(to - start)};
}

static void report_problem(at_table_input *in, const row *r) {
    int n = r->n + 1;
    if (r->problem == ROW_OPEN_QUOTE)
        at_table_bad_row(in, r->problem_line, "field %d: the quote that opens here is never closed (a field has at most 1 MiB)", n);
    else if (r->problem == ROW_AFTER_QUOTE)
        at_table_bad_row(in, r->problem_line,
                         "field %d: text after the closing quote; a quote inside a quoted field must be doubled (\"\")", n);
    else at_table_bad_row(in, r->problem_line, "field %d is longer than the limit of 1 MiB", n);
}

static void report_ragged(at_table_input *in, const row *r) {
    const at_table *t = in->table;
    const char *hint = "";
    if (r->n > t->n_columns && t->quoting)
        hint = t->delimiter == ',' ? "; a text with a comma must stand in double quotes"
                                   : "; a text with the delimiter must stand in double quotes";
    else if (r->n > t->n_columns) hint = "; a text must not have a tab";
    at_table_bad_row(in, r->line, "%d field%s, the %s has %d (%.60s%s%.60s%s)%s", r->n, r->n == 1 ? "" : "s",
                     t->has_header ? "header" : "first row", t->n_columns, t->column[0], t->n_columns > 1 ? ", " : "",
                     t->n_columns > 1 ? t->column[1] : "", t->n_columns > 2 ? ", ..." : "", hint);
}

static void store_row(at_table_input *in, const row *r) {
    at_table *t = in->table;
    if (r->problem) {
        report_problem(in, r);
        return;
    }
    if (!at_table_check_bytes(in, r->start, r->next, r->line)) return;
    if (r->n != t->n_columns) {
        report_ragged(in, r);
        return;
    }
    at_cell *cells = t->cells + (size_t)t->n_rows * (size_t)t->n_columns;
    for (int c = 0; c < r->n; c++) cells[c] = finish_field(in->text, &r->fields[c]);
    t->line[t->n_rows++] = r->line;
}

/* --- the header ------------------------------------------------------------------------------------ */

static const char *trim(at_cell cell) {
    char *start = (char *)cell.text, *end = start + cell.len;
    while (start < end && (*start == ' ' || *start == '\t')) start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t')) end--;
    *end = '\0';
    return start;
}

static at_status check_names(const at_table_input *in, const row *r) {
    const at_table *t = in->table;
    for (int a = 0; a < t->n_columns; a++)
        for (int b = a + 1; b < t->n_columns; b++)
            if (!strcmp(t->column[a], t->column[b]))
                return at_fail(in->err, AT_BAD_DATA, "%s:%u: columns %d and %d are both called '%.100s'", t->path,
                               (unsigned)r->line, a + 1, b + 1, t->column[a]);
    return AT_OK;
}

static at_status read_header(at_table_input *in, row *r) {
    at_table *t = in->table;
    if (r->problem) { /* without columns there is no table: an end even where bad rows are kept */
        static const at_table_options STRICT = {0};
        in->options = &STRICT;
        report_problem(in, r);
        return in->status;
    }
    if (r->n > AT_TABLE_COLUMNS)
        return at_fail(in->err, AT_BAD_DATA, "%s:%u: %d columns, more than the limit of %d", t->path, (unsigned)r->line, r->n,
                       AT_TABLE_COLUMNS);
    AT_TRY(at_table_reserve(in, r->n));
    t->column = AT_NEW_ARRAY(&t->arena, const char *, r->n);
    if (!t->column) return at_fail_memory(in->err, sizeof *t->column);
    for (int c = 0; c < r->n; c++) {
        const char *name = t->has_header ? trim(finish_field(in->text, &r->fields[c])) : "";
        t->column[c] = *name ? name : at_format(&t->arena, "c%d", c + 1); /* pandas leaves its index without a name */
        if (!t->column[c]) return at_fail_memory(in->err, 16);
    }
    return check_names(in, r);
}

static at_status read_rows(at_table_input *in, row *r) {
    at_table *t = in->table;
    dialect d = {t->delimiter, t->quoting};
    int first = 1;
    rewind_to_start(r);
    while (!in->status && at_a_row(in->text, in->len, r)) {
        scan_row(in->text, in->len, &d, r);
        if (first && t->has_header && !at_table_check_bytes(in, r->start, r->next, r->line))
            return in->status ? in->status : at_fail(in->err, AT_BAD_DATA, "%s:%u: the header is not UTF-8", t->path, (unsigned)r->line);
        if (first) AT_TRY(read_header(in, r));
        if (!first || !t->has_header) store_row(in, r);
        first = 0;
    }
    return in->status;
}

at_status at_table_read_delimited(at_table_input *in) {
    at_table *t = in->table;
    row *r = AT_NEW(&t->arena, row);
    if (!r) return at_fail_memory(in->err, sizeof *r);
    t->delimiter = choose_delimiter(in, r);
    t->format = t->delimiter == '\t' ? AT_TABLE_TSV : AT_TABLE_CSV;
    t->quoting = t->delimiter != '\t' || quotes_are_syntax(in, '\t', r);
    t->has_header = !in->options->no_header;
    return read_rows(in, r);
}
