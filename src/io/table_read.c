#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "io/table_input.h"

void at_table_bad_row(at_table_input *in, uint32_t line, const char *fmt, ...) {
    at_error bad;
    va_list args;
    va_start(args, fmt);
    int n = snprintf(bad.text, sizeof bad.text, "%.400s:%u: ", in->table->path, (unsigned)line);
    vsnprintf(bad.text + n, sizeof bad.text - (size_t)n, fmt, args);
    va_end(args);
    if (in->options->keep_bad_rows) {
        if (in->options->bad) in->options->bad(in->options->context, line, bad.text);
        return;
    }
    in->status = at_fail(in->err, AT_BAD_DATA, "%s", bad.text);
}

int at_table_check_bytes(at_table_input *in, size_t start, size_t end, uint32_t line) {
    if (in->clean) return 1;
    const char *text = in->text + start;
    size_t len = end - start, bad = at_utf8_check(text, len), line_start = 0;
    const char *zero = memchr(text, '\0', len);
    if (zero && (size_t)(zero - text) < bad) bad = (size_t)(zero - text);
    if (bad == len) return 1;
    for (size_t i = 0; i < bad; i++)
        if (text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    if (!text[bad])
        at_table_bad_row(in, line, "byte %zu of the line is NUL; the file is damaged, binary or not UTF-8", bad - line_start + 1);
    else
        at_table_bad_row(in, line,
                         "byte %zu of the line (0x%02x) is not valid UTF-8; save the file as UTF-8, for example with: "
                         "iconv -f WINDOWS-1252 -t UTF-8",
                         bad - line_start + 1, (unsigned)(unsigned char)text[bad]);
    return 0;
}

size_t at_table_most_rows(const at_table_input *in, int n_columns) {
    size_t lines = 1, most = in->len / (size_t)n_columns + 1; /* a row of n fields has at least n bytes with its newline */
    for (const char *p = in->text, *end = in->text + in->len; (p = memchr(p, '\n', (size_t)(end - p))); p++) lines++;
    return lines < most ? lines : most;
}

at_status at_table_reserve(at_table_input *in, int n_columns) {
    at_table *t = in->table;
    size_t rows = at_table_most_rows(in, n_columns);
    if (rows > INT_MAX) return at_fail(in->err, AT_BAD_DATA, "%s: %zu rows, more than %d", t->path, rows, INT_MAX);
    t->n_columns = n_columns;
    t->cells = at_alloc_raw(&t->arena, rows * (size_t)n_columns, sizeof *t->cells);
    t->line = at_alloc_raw(&t->arena, rows, sizeof *t->line);
    return t->cells && t->line ? AT_OK : at_fail_memory(in->err, rows * (size_t)n_columns * sizeof *t->cells);
}

int at_table_next_line(const at_table_input *in, size_t *pos, at_table_line *line) {
    if (*pos >= in->len) return 0;
    const char *newline = memchr(in->text + *pos, '\n', in->len - *pos);
    line->start = *pos;
    line->end = newline ? (size_t)(newline - in->text) : in->len;
    *pos = line->end + (newline != NULL);
    if (line->end > line->start && in->text[line->end - 1] == '\r') line->end--;
    return 1;
}

/* --- what kind of file ------------------------------------------------------------------------------ */

static const char *foreign_kind(const char *text, size_t len) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *kind;
    } KINDS[] = {{"\xff\xfe", 2, "UTF-16; save it as UTF-8"},
                 {"\xfe\xff", 2, "UTF-16; save it as UTF-8"},
                 {"PK\3\4", 4, "a zip file or a spreadsheet; save it as CSV"},
                 {"\x1f\x8b", 2, "compressed (gzip); unpack it first"},
                 {"\x28\xb5\x2f\xfd", 4, "compressed (zstd); unpack it first"},
                 {"PAR1", 4, "Parquet; save it as CSV or JSONL"}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (len >= KINDS[i].n && !memcmp(text, KINDS[i].bytes, KINDS[i].n)) return KINDS[i].kind;
    return NULL;
}

static int has_ending(const char *path, const char *ending) {
    size_t n = strlen(path), e = strlen(ending);
    return n > e && !strcasecmp(path + n - e, ending);
}

static at_table_format format_by_content(const at_table_input *in, int plain_text) {
    static const char LABEL[] = "__label__";
    size_t pos = 0;
    at_table_line first;
    if (!at_table_next_line(in, &pos, &first)) return AT_TABLE_LINES;
    const char *line = in->text + first.start;
    size_t len = first.end - first.start;
    if (len >= sizeof LABEL - 1 && !memcmp(line, LABEL, sizeof LABEL - 1)) return AT_TABLE_FASTTEXT;
    if (len && *line == '{') return AT_TABLE_JSONL;
    if (at_table_looks_like_conll(in)) return AT_TABLE_CONLL;
    if (memchr(line, '\t', len)) return AT_TABLE_TSV;
    if (!plain_text && (memchr(line, ',', len) || memchr(line, ';', len))) return AT_TABLE_CSV;
    return AT_TABLE_LINES;
}

static at_table_format choose_format(const at_table_input *in) {
    const char *path = in->table->path;
    if (in->options->format != AT_TABLE_AUTO) return in->options->format;
    if (at_table_looks_like_squad(in)) return AT_TABLE_SQUAD;
    if (has_ending(path, ".csv")) return AT_TABLE_CSV;
    if (has_ending(path, ".tsv") || has_ending(path, ".tab")) return AT_TABLE_TSV;
    if (has_ending(path, ".jsonl") || has_ending(path, ".ndjson") || has_ending(path, ".json")) return AT_TABLE_JSONL;
    static const char *const CONLL[] = {".conll", ".conllu", ".iob", ".iob2", ".bio", ".bioes", NULL};
    for (int i = 0; CONLL[i]; i++)
        if (has_ending(path, CONLL[i])) return AT_TABLE_CONLL;
    if (in->options->separator) return AT_TABLE_CONLL; /* no other format asks for it */
    if (in->options->plain_lines && has_ending(path, ".txt")) return AT_TABLE_LINES;
    return format_by_content(in, has_ending(path, ".txt"));
}

static at_status dispatch(at_table_input *in) {
    if (in->options->by_id && in->options->format == AT_TABLE_AUTO && has_ending(in->table->path, ".json") && at_table_read_by_id(in)) {
        in->table->format = AT_TABLE_JSONL;
        return in->status;
    }
    switch (in->table->format = choose_format(in)) {
    case AT_TABLE_JSONL: return at_table_read_jsonl(in);
    case AT_TABLE_FASTTEXT: return at_table_read_fasttext(in);
    case AT_TABLE_SQUAD: return at_table_read_squad(in);
    case AT_TABLE_CONLL: return at_table_read_conll(in);
    case AT_TABLE_LINES: return at_table_read_lines(in);
    default: return at_table_read_delimited(in);
    }
}

/* --- opening ---------------------------------------------------------------------------------------- */

/* Old line ends: a file with CR and without any LF. */
static void mend_line_ends(char *text, size_t len) {
    if (memchr(text, '\n', len)) return;
    for (char *p = text; (p = memchr(p, '\r', len - (size_t)(p - text))); p++) *p = '\n';
}

static int is_blank(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!isspace((unsigned char)text[i])) return 0;
    return 1;
}

static at_status parse(at_table *t, char *text, size_t len, const at_table_options *options, at_error *err) {
    static const at_table_options NONE = {0};
    const char *kind = foreign_kind(text, len);
    if (kind) return at_fail(err, AT_BAD_DATA, "%s: byte 0: the file is %s", t->path, kind);
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        len -= 3;
    }
    if (is_blank(text, len)) return at_fail(err, AT_BAD_DATA, "%s: the file is empty", t->path);
    mend_line_ends(text, len);
    at_table_input in = {.table = t, .options = options ? options : &NONE, .text = text, .len = len, .err = err};
    in.clean = at_utf8_check(text, len) == len && !memchr(text, '\0', len);
    AT_TRY(dispatch(&in));
    if (in.status) return in.status;
    if (!t->n_rows && !in.options->keep_bad_rows)
        return at_fail(err, AT_BAD_DATA, "%s: %s", t->path, t->has_header ? "only a header, no rows" : "no rows");
    return AT_OK;
}

static at_table *new_table(const char *path) {
    at_arena arena = {.mapped = 1};
    at_table *t = AT_NEW(&arena, at_table);
    if (!t) return NULL;
    t->arena = arena;
    t->path = at_strdup(&t->arena, path);
    if (t->path) return t;
    at_table_close(t);
    return NULL;
}

static at_status load(at_table *t, char **text, size_t *len, at_error *err) {
    struct stat info;
    if (!stat(t->path, &info) && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return at_fail(err, AT_BAD_DATA, "%s: not a regular file; save the rows to a file first", t->path);
    return at_file_read(&t->arena, t->path, AT_TABLE_FILE_BYTES, AT_BAD_DATA, text, len, err);
}

at_status at_table_parse(const char *path, char *text, size_t len, const at_table_options *options, at_table **table,
                         at_error *err) {
    at_table *t = new_table(path);
    *table = NULL;
    if (!t) return at_fail_memory(err, sizeof *t);
    at_status st = parse(t, text, len, options, err);
    if (st) at_table_close(t);
    else *table = t;
    return st;
}

at_status at_table_read(const char *path, const at_table_options *options, at_table **table, at_error *err) {
    at_table *t = new_table(path);
    *table = NULL;
    if (!t) return at_fail_memory(err, sizeof *t);
    char *text = NULL;
    size_t len = 0;
    at_status st = load(t, &text, &len, err);
    if (!st) st = parse(t, text, len, options, err);
    if (st) at_table_close(t);
    else *table = t;
    return st;
}

void at_table_close(at_table *table) {
    if (!table) return;
    at_arena arena = table->arena;
    at_arena_free(&arena);
}

int at_table_column(const at_table *table, const char *name) {
    for (int i = 0; i < table->n_columns; i++)
        if (!strcmp(table->column[i], name)) return i;
    for (int i = 0; i < table->n_columns; i++)
        if (!strcasecmp(table->column[i], name)) return i;
    return -1;
}
