/* JSONL: a strict reader (RFC 8259) for one flat object a line that unescapes strings in place and takes nested values as the text they are,
 * so that a row costs no allocation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "io/table_input.h"

typedef struct scan {
    char *p, *end, *line; /* *end is NUL: the end of the line */
    const char *problem;  /* the first one, found at p */
} scan;

static int fail(scan *s, const char *problem) {
    if (!s->problem) s->problem = problem;
    return 0;
}

static void skip_space(scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r')) s->p++;
}

static int expect(scan *s, char c, const char *problem) {
    if (*s->p != c) return fail(s, problem);
    s->p++;
    return 1;
}

/* --- strings --------------------------------------------------------------------------------------- */

static int read_hex(scan *s, uint32_t *value) {
    *value = 0;
    for (int i = 0; i < 4; i++, s->p++) {
        char c = *s->p;
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16u;
        if (digit == 16) return fail(s, "four hexadecimal digits were expected after \\u");
        *value = *value << 4 | digit;
    }
    return 1;
}

/* Behind "\u". */
static int read_code_point(scan *s, uint32_t *cp) {
    uint32_t low;
    if (!read_hex(s, cp)) return 0;
    if (*cp == 0) return fail(s, "\\u0000 is not allowed in a text");
    if (*cp >= 0xDC00 && *cp <= 0xDFFF) return fail(s, "half of a surrogate pair");
    if (*cp < 0xD800 || *cp > 0xDFFF) return 1;
    if (s->p[0] != '\\' || s->p[1] != 'u') return fail(s, "half of a surrogate pair");
    s->p += 2;
    if (!read_hex(s, &low)) return 0;
    if (low < 0xDC00 || low > 0xDFFF) return fail(s, "half of a surrogate pair");
    *cp = 0x10000 + ((*cp - 0xD800) << 10) + (low - 0xDC00);
    return 1;
}

/* Behind the backslash; at most as many bytes go to `out` as the escape had. */
static int read_escape(scan *s, char out[4], int *n) {
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    const char *known = *s->p ? strchr(FROM, *s->p) : NULL;
    *n = 1;
    if (known) {
        *out = TO[known - FROM];
        s->p++;
        return 1;
    }
    uint32_t cp;
    if (!expect(s, 'u', "an escape that JSON does not have") || !read_code_point(s, &cp)) return 0;
    *n = at_utf8_encode(cp, out);
    return 1;
}

/* From the opening quote to behind the closing one. `to`: where the text goes (in place: never ahead of the reading), or NULL. */
static int read_string(scan *s, char *to, size_t *len) {
    char *start = to, out[4];
    int n;
    if (!expect(s, '"', "a string was expected")) return 0;
    while (*s->p != '"') {
        if ((unsigned char)*s->p < 0x20)
            return fail(s, s->p >= s->end ? "the string is not closed" : "a control character in a string must be escaped");
        if (*s->p != '\\') {
            if (to) *to++ = *s->p;
            s->p++;
            continue;
        }
        s->p++;
        if (!read_escape(s, out, &n)) return 0;
        if (to) {
            memcpy(to, out, (size_t)n);
            to += n;
        }
    }
    s->p++;
    if (to) *len = (size_t)(to - start);
    return 1;
}

/* --- other values ---------------------------------------------------------------------------------- */

static int skip_digits(scan *s) {
    if (*s->p < '0' || *s->p > '9') return fail(s, "a digit was expected");
    while (*s->p >= '0' && *s->p <= '9') s->p++;
    return 1;
}

static int skip_number(scan *s) {
    if (*s->p == '-') s->p++;
    if (*s->p == '0') s->p++;
    else if (!skip_digits(s)) return 0;
    if (*s->p == '.') {
        s->p++;
        if (!skip_digits(s)) return 0;
    }
    if (*s->p != 'e' && *s->p != 'E') return 1;
    s->p++;
    if (*s->p == '+' || *s->p == '-') s->p++;
    return skip_digits(s);
}

static int skip_word(scan *s) {
    static const char *const WORDS[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(WORDS[i]);
        if (strncmp(s->p, WORDS[i], n)) continue;
        s->p += n;
        return 1;
    }
    return fail(s, "a value was expected");
}

static int skip_value(scan *s, int depth);

static int skip_members(scan *s, int depth, char close) {
    s->p++;
    skip_space(s);
    if (*s->p == close) {
        s->p++;
        return 1;
    }
    for (;; s->p++) {
        skip_space(s);
        if (close == '}') {
            if (!read_string(s, NULL, NULL)) return 0;
            skip_space(s);
            if (!expect(s, ':', "a ':' was expected")) return 0;
            skip_space(s);
        }
        if (!skip_value(s, depth)) return 0;
        skip_space(s);
        if (*s->p != ',') return expect(s, close, close == '}' ? "a ',' or '}' was expected" : "a ',' or ']' was expected");
    }
}

static int skip_value(scan *s, int depth) {
    if (depth > 64) return fail(s, "nested more than 64 deep");
    if (*s->p == '"') return read_string(s, NULL, NULL);
    if (*s->p == '{') return skip_members(s, depth + 1, '}');
    if (*s->p == '[') return skip_members(s, depth + 1, ']');
    if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9')) return skip_number(s);
    return skip_word(s);
}

typedef struct value {
    at_cell cell;
    int is_json; /* not a string */
} value;

/* Where it is not a string its end still has to be marked, when what follows has been read. */
static int read_value(scan *s, value *v) {
    char *start = s->p;
    size_t len = 0;
    int is_string = *start == '"';
    if (is_string) {
        if (!read_string(s, start, &len)) return 0;
    } else {
        if (!skip_value(s, 1)) return 0;
        len = (size_t)(s->p - start);
    }
    if (len > AT_TABLE_FIELD_BYTES) return fail(s, "the value is longer than the limit of 1 MiB");
    int is_null = !is_string && *start == 'n';
    *v = is_null ? (value){0} : (value){{.text = start, .len = (uint32_t)len}, !is_string};
    return 1;
}

/* --- rows ------------------------------------------------------------------------------------------ */

typedef struct rows {
    at_table_input *in;
    value *cells; /* [capacity * stride], malloc */
    size_t capacity, stride;
    int last;   /* column of the last key: the next key is likely the next column */
    char *seen; /* [AT_TABLE_COLUMNS] the row has this column already */
    int failed; /* in->status is set, and no single row is to blame */
} rows;

static int grow(rows *r, size_t capacity, size_t stride) {
    const at_table *t = r->in->table;
    if (stride > SIZE_MAX / sizeof *r->cells / capacity ||
        capacity * stride * sizeof *r->cells > ((size_t)96 << 20) + 96 * r->in->len) {
        r->failed = 1;
        r->in->status = at_fail(r->in->err, AT_BAD_DATA, "%s: %d different keys in %d rows: the rows are not of one kind", t->path,
                                t->n_columns, t->n_rows);
        return 0;
    }
    value *cells = calloc(capacity * stride, sizeof *cells);
    if (!cells) {
        r->failed = 1;
        r->in->status = at_fail_memory(r->in->err, capacity * stride * sizeof *cells);
        return 0;
    }
    size_t n = (size_t)t->n_rows + 1 < r->capacity ? (size_t)t->n_rows + 1 : r->capacity;
    for (size_t i = 0; i < n && r->stride; i++)
        memcpy(cells + i * stride, r->cells + i * r->stride, r->stride * sizeof *cells);
    free(r->cells);
    r->cells = cells;
    r->capacity = capacity;
    r->stride = stride;
    return 1;
}

/* The column of this name, made where it is new; -1 where it cannot be. */
static int column_of(rows *r, scan *s, const char *name) {
    at_table *t = r->in->table;
    int next = r->last + 1;
    if (next < t->n_columns && !strcmp(t->column[next], name)) return next;
    for (int c = 0; c < t->n_columns; c++)
        if (!strcmp(t->column[c], name)) return c;
    if (t->n_columns == AT_TABLE_COLUMNS) {
        fail(s, "more than 1024 different keys in the file");
        return -1;
    }
    if ((size_t)t->n_columns == r->stride && !grow(r, r->capacity, 2 * r->stride)) return -1;
    t->column[t->n_columns] = at_strdup(&t->arena, name);
    if (!t->column[t->n_columns]) {
        r->failed = 1;
        r->in->status = at_fail_memory(r->in->err, strlen(name));
        return -1;
    }
    return t->n_columns++;
}

static int read_member(rows *r, scan *s) {
    char *key = s->p;
    size_t len;
    value v;
    if (!read_string(s, key, &len)) return 0;
    key[len] = '\0'; /* at the latest on its closing quote */
    skip_space(s);
    if (!expect(s, ':', "a ':' was expected")) return 0;
    skip_space(s);
    if (!read_value(s, &v)) return 0;
    int column = column_of(r, s, key);
    if (column < 0) return 0;
    if (r->seen[column]) return fail(s, "the object has this key twice");
    r->seen[column] = 1;
    r->last = column;
    r->cells[(size_t)r->in->table->n_rows * r->stride + (size_t)column] = v;
    skip_space(s);
    char next = *s->p;
    if (v.cell.text) ((char *)v.cell.text)[v.cell.len] = '\0';
    if (next == ',' || next == '}') {
        s->p++;
        return next;
    }
    return fail(s, "a ',' or '}' was expected");
}

static int read_object(rows *r, scan *s) {
    skip_space(s);
    if (*s->p != '{') return fail(s, "not a JSON object; one object a line is expected");
    s->p++;
    skip_space(s);
    if (*s->p == '}') s->p++;
    else
        for (int next = ','; next == ',';) {
            skip_space(s);
            if (!(next = read_member(r, s))) return 0;
        }
    skip_space(s);
    return s->p == s->end || fail(s, "text after the object; one object a line is expected");
}

static void read_row(rows *r, const at_table_line *line, uint32_t number) {
    at_table_input *in = r->in;
    at_table *t = in->table;
    scan s = {in->text + line->start, in->text + line->end, in->text + line->start, NULL};
    *s.end = '\0';
    skip_space(&s);
    if (s.p == s.end) return;
    if (line->end - line->start > AT_TABLE_LINE_BYTES) {
        at_table_bad_row(in, number, "the line is %zu bytes long, more than the limit of 16 MiB", line->end - line->start);
        return;
    }
    if (!at_table_check_bytes(in, line->start, line->end, number)) return;
    if ((size_t)t->n_rows == r->capacity && !grow(r, 2 * r->capacity, r->stride)) return;
    value *cells = r->cells + (size_t)t->n_rows * r->stride;
    memset(cells, 0, r->stride * sizeof *cells); /* a bad row may have begun here */
    memset(r->seen, 0, (size_t)t->n_columns);
    r->last = -1;
    if (read_object(r, &s)) t->line[t->n_rows++] = number;
    else if (!r->failed) at_table_bad_row(in, number, "byte %zu: %s", (size_t)(s.p - s.line) + 1, s.problem);
}

static at_status keep_cells(rows *r) {
    at_table *t = r->in->table;
    size_t n = (size_t)t->n_columns, count = (size_t)t->n_rows * n;
    t->cells = at_alloc_raw(&t->arena, count, sizeof *t->cells);
    t->is_json = at_alloc_raw(&t->arena, count, 1);
    if (!t->cells || !t->is_json) return at_fail_memory(r->in->err, count * (sizeof *t->cells + 1));
    for (size_t i = 0; i < count; i++) {
        const value *v = &r->cells[i / n * r->stride + i % n];
        t->cells[i] = v->cell;
        t->is_json[i] = (unsigned char)v->is_json;
    }
    if (t->n_rows && !n) return at_fail(r->in->err, AT_BAD_DATA, "%s: every object is empty", t->path);
    return AT_OK;
}

static at_status read_all(rows *r) {
    at_table_line line;
    size_t pos = 0;
    if (!grow(r, 256, 8)) return r->in->status;
    for (uint32_t number = 1; !r->in->status && at_table_next_line(r->in, &pos, &line); number++) read_row(r, &line, number);
    return r->in->status ? r->in->status : keep_cells(r);
}

at_status at_table_read_jsonl(at_table_input *in) {
    at_table *t = in->table;
    if (in->text[strspn(in->text, " \t\r\n")] == '[')
        return at_fail(in->err, AT_BAD_DATA, "%s: a JSON array; one object a line is expected (jq -c '.[]' makes it so)", t->path);
    AT_TRY(at_table_reserve(in, 1));
    t->n_columns = 0;
    t->column = AT_NEW_ARRAY(&t->arena, const char *, AT_TABLE_COLUMNS);
    rows r = {.in = in, .seen = AT_NEW_ARRAY(&t->arena, char, AT_TABLE_COLUMNS), .last = -1};
    if (!t->column || !r.seen) return at_fail_memory(in->err, AT_TABLE_COLUMNS * sizeof *t->column);
    at_status st = read_all(&r);
    free(r.cells);
    return st;
}
