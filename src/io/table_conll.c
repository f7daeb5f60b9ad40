/* CoNLL: one token a line, its columns between tabs or blanks (or one of ; , |, or what the options say), an empty line after each sentence. A row of the table is a
 * sentence; a cell holds the column's values with newlines between. Left aside: lines with -DOCSTART- in a column, comments (a line that begins with '#' and
 * has another number of columns, or a '=', before the first token), and CoNLL-U's ranges and empty nodes (1-2, 1.1). The file's bytes stay
 * as they are in table->raw, so that it can be written again with a column added. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "io/table_input.h"

typedef struct columns {
    size_t start[AT_TABLE_COLUMNS], end[AT_TABLE_COLUMNS];
    int n; /* counted beyond the arrays */
} columns;

static int is_word_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c & 0x80);
}
static int is_blank_byte(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static void add(columns *c, size_t start, size_t end) {
    if (c->n < AT_TABLE_COLUMNS) {
        c->start[c->n] = start;
        c->end[c->n] = end;
    }
    c->n++;
}

/* delimiter ' ': runs of blanks. */
static void cut(const char *text, const at_table_line *line, char delimiter, columns *c) {
    c->n = 0;
    if (delimiter != ' ') {
        for (size_t from = line->start, p = from; p <= line->end; p++) {
            if (p < line->end && text[p] != delimiter) continue;
            add(c, from, p);
            from = p + 1;
        }
        return;
    }
    for (size_t p = line->start; p < line->end;) {
        while (p < line->end && is_blank_byte(text[p])) p++;
        size_t from = p;
        while (p < line->end && !is_blank_byte(text[p])) p++;
        if (p > from) add(c, from, p);
    }
}

static int is_empty(const char *text, const at_table_line *line) {
    for (size_t p = line->start; p < line->end; p++)
        if (!is_blank_byte(text[p])) return 0;
    return 1;
}

/* In whichever column. */
static int is_docstart(const char *text, const at_table_line *line) {
    static const char MARK[] = "-DOCSTART-";
    const size_t n = sizeof MARK - 1;
    for (size_t p = line->start; p + n <= line->end; p++) {
        if (memcmp(text + p, MARK, n)) continue;
        int begins = p == line->start || !is_word_byte(text[p - 1]), ends = p + n == line->end || !is_word_byte(text[p + n]);
        if (begins && ends) return 1;
    }
    return 0;
}

static int looks_like_comment(const char *text, const at_table_line *line) {
    if (text[line->start] != '#' || line->end - line->start < 2 || text[line->start + 1] != ' ') return 0;
    for (size_t p = line->start; p + 3 <= line->end; p++)
        if (!memcmp(text + p, " = ", 3)) return 1;
    return 0;
}

static char find_delimiter(const char *text, const at_table_line *line) {
    static const char KNOWN[] = "\t ;,|";
    for (const char *d = KNOWN; *d; d++)
        if (memchr(text + line->start, *d, line->end - line->start)) return *d;
    return ' ';
}

/* "1-2" and "1.1" in the first of ten columns. */
static int is_conllu_extra(const char *text, const columns *c) {
    if (c->n != 10) return 0;
    int marks = 0;
    for (size_t p = c->start[0]; p < c->end[0]; p++) {
        if (text[p] == '-' || text[p] == '.') marks++;
        else if (text[p] < '0' || text[p] > '9') return 0;
    }
    return marks == 1 && c->end[0] > c->start[0];
}

/* ---- sentences ---- */

typedef struct reading {
    at_table_input *in;
    at_str *cell;    /* [n_columns] of the sentence under way */
    int tokens;      /* of it */
    uint32_t first;  /* its first line */
    size_t n_tokens; /* of all */
    int failed;
} reading;

static void end_sentence(reading *r) {
    at_table *t = r->in->table;
    if (!r->tokens) return;
    at_cell *cells = t->cells + (size_t)t->n_rows * (size_t)t->n_columns;
    for (int c = 0; c < t->n_columns; c++) {
        r->failed |= r->cell[c].failed;
        cells[c] = (at_cell){r->cell[c].text ? r->cell[c].text : "", (uint32_t)r->cell[c].len};
        r->cell[c] = (at_str){.arena = &t->arena};
    }
    t->line[t->n_rows++] = r->first;
    t->token_at[t->n_rows] = r->n_tokens;
    r->tokens = 0;
}

static void add_token(reading *r, const columns *c, uint32_t number) {
    at_table *t = r->in->table;
    if (!r->tokens++) r->first = number;
    for (int i = 0; i < t->n_columns; i++) {
        if (r->tokens > 1) at_str_add(&r->cell[i], "\n");
        at_str_add_bytes(&r->cell[i], r->in->text + c->start[i], c->end[i] - c->start[i]);
    }
    t->token_line[r->n_tokens++] = number;
}

static void read_line(reading *r, const at_table_line *line, uint32_t number, columns *c) {
    at_table_input *in = r->in;
    at_table *t = in->table;
    if (is_empty(in->text, line)) {
        end_sentence(r);
        return;
    }
    if (is_docstart(in->text, line) || (!r->tokens && looks_like_comment(in->text, line))) return;
    if (line->end - line->start > AT_TABLE_FIELD_BYTES) {
        at_table_bad_row(in, number, "the line is %zu bytes long, more than the limit of 1 MiB", line->end - line->start);
        return;
    }
    if (!at_table_check_bytes(in, line->start, line->end, number)) return;
    cut(in->text, line, t->delimiter, c);
    if (!r->tokens && in->text[line->start] == '#' && c->n != t->n_columns) return;
    if (is_conllu_extra(in->text, c)) return;
    if (c->n == t->n_columns) add_token(r, c, number);
    else
        at_table_bad_row(in, number, "%d column%s, but the first token has %d; is a column missing, or an empty line between sentences?",
                         c->n, c->n == 1 ? "" : "s", t->n_columns);
}

/* The first line that is a token says the delimiter and how many columns there are. One that begins with '#' may be a comment: only where there
 * is no other does it count. Returns its number, 0: there is none. */
static uint32_t find_first_token(const at_table_input *in, int with_hash, at_table_line *line) {
    size_t pos = 0;
    for (uint32_t number = 1; at_table_next_line(in, &pos, line); number++) {
        if (is_empty(in->text, line) || is_docstart(in->text, line) || looks_like_comment(in->text, line)) continue;
        if (with_hash || in->text[line->start] != '#') return number;
    }
    return 0;
}

static at_status find_separator(at_table_input *in, const at_table_line *line) {
    const char *asked = in->options->separator;
    char *to = &in->table->delimiter;
    if (!asked) *to = find_delimiter(in->text, line);
    else if (!strcmp(asked, "tab")) *to = '\t';
    else if (!strcmp(asked, "blanks")) *to = ' ';
    else if (strlen(asked) == 1 && !is_word_byte(*asked)) *to = *asked;
    else
        return at_fail(in->err, AT_USAGE, "'%.20s' does not separate the columns of tokens: give one character that is no letter and no digit, or tab, or blanks",
                       asked);
    return AT_OK;
}

static at_status find_shape(at_table_input *in, columns *c) {
    at_table *t = in->table;
    at_table_line line;
    uint32_t number = find_first_token(in, 0, &line);
    if (!number) number = find_first_token(in, 1, &line);
    if (!number) return at_fail(in->err, AT_BAD_DATA, "%s: there is no token in the file", t->path);
    AT_TRY(find_separator(in, &line));
    cut(in->text, &line, t->delimiter, c);
    if (c->n > AT_TABLE_COLUMNS)
        return at_fail(in->err, AT_BAD_DATA, "%s:%u: more than %d columns", t->path, (unsigned)number, AT_TABLE_COLUMNS);
    t->n_columns = c->n;
    return AT_OK;
}

static at_status prepare(reading *r, columns *c, at_error *err) {
    at_table *t = r->in->table;
    AT_TRY(find_shape(r->in, c));
    size_t lines = 2;
    for (const char *p = r->in->text, *end = p + r->in->len; (p = memchr(p, '\n', (size_t)(end - p))); p++) lines++;
    t->column = AT_NEW_ARRAY(&t->arena, const char *, t->n_columns);
    t->token_line = AT_NEW_ARRAY(&t->arena, uint32_t, lines);
    t->token_at = AT_NEW_ARRAY(&t->arena, uint64_t, lines);
    r->cell = AT_NEW_ARRAY(&t->arena, at_str, t->n_columns);
    if (!t->column || !t->token_line || !t->token_at || !r->cell) return at_fail_memory(err, lines * 12);
    for (int i = 0; i < t->n_columns; i++) {
        if (!(t->column[i] = at_format(&t->arena, "c%d", i + 1))) return at_fail_memory(err, 0);
        r->cell[i].arena = &t->arena;
    }
    t->raw = r->in->text;
    t->raw_len = r->in->len;
    return at_table_reserve(r->in, t->n_columns);
}

at_status at_table_read_conll(at_table_input *in) {
    columns *c = malloc(sizeof *c);
    reading r = {.in = in};
    at_table_line line;
    size_t pos = 0;
    at_status st = c ? prepare(&r, c, in->err) : at_fail_memory(in->err, sizeof *c);
    for (uint32_t number = 1; !st && !in->status && at_table_next_line(in, &pos, &line); number++) read_line(&r, &line, number, c);
    if (!st) end_sentence(&r);
    free(c);
    if (st) return st;
    return r.failed ? at_fail_memory(in->err, in->len) : in->status;
}

/* ---- does it look like one ---- */

int at_table_looks_like_conll(const at_table_input *in) {
    enum { LOOK = 400 };
    columns *c = malloc(sizeof *c);
    at_table_line line;
    size_t pos = 0;
    char delimiter = 0;
    int shape = 0, tokens = 0, breaks = 0, other = 0, marked = 0, open = 0;
    for (int i = 0; c && i < LOOK && at_table_next_line(in, &pos, &line); i++) {
        if (is_empty(in->text, &line)) {
            breaks += open;
            open = 0;
        } else if (is_docstart(in->text, &line)) marked = 1;
        else if (!looks_like_comment(in->text, &line)) {
            if (!delimiter) delimiter = find_delimiter(in->text, &line);
            cut(in->text, &line, delimiter == '\t' ? '\t' : ' ', c);
            if (!shape) shape = c->n;
            other += c->n != shape;
            tokens++;
            open = 1;
        }
    }
    free(c);
    return marked || (shape > 1 && tokens > 3 && breaks > 0 && !other);
}

/* ---- writing it again ---- */

/* The value of a column that belongs to the i-th token of a sentence. */
static at_cell value_of(at_cell cell, uint64_t i) {
    const char *p = cell.text, *end = cell.text + cell.len, *stop;
    for (; i; i--) p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
    stop = memchr(p, '\n', (size_t)(end - p));
    return (at_cell){p, (uint32_t)((stop ? stop : end) - p)};
}

typedef struct rewriting {
    const at_table *t;
    const at_cell *cell;
    at_writer *to;
    at_error *err;
    columns at;
} rewriting;

/* One token's line, columns that differ replaced. */
static at_status rewrite_token(rewriting *w, const at_table_line *line, int row, uint64_t token, size_t next) {
    const at_table *t = w->t;
    size_t done = line->start;
    cut(t->raw, line, t->delimiter, &w->at);
    for (int c = 0; c < t->n_columns; c++) {
        at_cell now = w->cell[(size_t)row * (size_t)t->n_columns + (size_t)c], before = at_table_cell(t, row, c);
        if (now.text == before.text) continue;
        now = value_of(now, token);
        AT_TRY(at_writer_add(w->to, t->raw + done, w->at.start[c] - done, w->err));
        AT_TRY(at_writer_add(w->to, now.text, now.len, w->err));
        done = w->at.end[c];
    }
    return at_writer_add(w->to, t->raw + done, next - done, w->err);
}

at_status at_table_rewrite_conll(const at_table *t, const at_cell *cell, const unsigned char *drop, at_writer *writer, at_error *err) {
    at_table_input in = {.text = (char *)(uintptr_t)t->raw, .len = t->raw_len};
    rewriting *w = calloc(1, sizeof *w);
    at_table_line line;
    size_t pos = 0;
    uint64_t token = 0;
    at_status st = w ? AT_OK : at_fail_memory(err, sizeof *w);
    if (w) *w = (rewriting){.t = t, .cell = cell, .to = writer, .err = err};
    int row = 0, dropped = 0;
    for (uint32_t number = 1; !st && at_table_next_line(&in, &pos, &line); number++) {
        size_t start = line.start;
        while (row < t->n_rows && token >= t->token_at[row + 1]) row++;
        if (row < t->n_rows && t->token_line[token] == number) {
            dropped = drop[row];
            if (!dropped) st = rewrite_token(w, &line, row, token - t->token_at[row], pos);
            token++;
        } else if (!(dropped && is_empty(t->raw, &line)))
            st = at_writer_add(writer, t->raw + start, pos - start, err); /* else the break behind what is left out */
        else dropped = 0;
    }
    free(w);
    return st;
}
