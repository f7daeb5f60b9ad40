/* Tables: rows of named text columns from CSV, TSV, JSONL or fastText lines, each row with the line it came from.
 *
 * CSV is RFC 4180: quotes, doubled quotes, newlines in quotes, CRLF or LF, a UTF-8 BOM; the delimiter of .csv is comma, or semicolon or
 * tab where the header line has more of those (where it has a comma too, only if every row then has as many fields). TSV: quoting as in CSV
 * where a field begins with a quote, the whole file parses so, and no row of a table that is regular without quoting would be swallowed by
 * it; else quotes are text: `quoting`. Empty lines are skipped (not in LINES).
 * JSONL: one object a line; strings as they are, numbers and booleans as their JSON text; null or missing: an empty, absent cell; arrays
 * and objects as their JSON text. fastText: "__label__x text" (several labels joined by a space): columns label, text.
 * SQuAD: the JSON of v1.1 and v2.0, a row a question (table_squad.c).
 * CoNLL: one token a line, a row a sentence (table_conll.c).
 * Answers by id (`by_id`): one JSON object of texts, as SQuAD's scripts read it; columns id, answer.
 * Limits: file 4 GiB, field 1 MiB, line of JSONL 16 MiB, 1,024 columns. No rows, two columns of one name, UTF-16, invalid UTF-8, NUL bytes,
 * ragged rows, an open quote: AT_BAD_DATA "file:line: ...". */
#ifndef AT_IO_TABLE_H
#define AT_IO_TABLE_H

#include "base/arena.h"

typedef enum at_table_format {
    AT_TABLE_AUTO, AT_TABLE_CSV, AT_TABLE_TSV, AT_TABLE_JSONL, AT_TABLE_FASTTEXT, AT_TABLE_LINES /* one text a line: column text */,
    AT_TABLE_CONLL, AT_TABLE_SQUAD
} at_table_format;

typedef struct at_cell {
    const char *text; /* NUL-terminated; NULL where absent */
    uint32_t len;     /* bytes */
} at_cell;

typedef struct at_table {
    at_arena arena;
    const char *path;         /* as the user gave it */
    at_table_format format;
    char delimiter;           /* CSV, TSV */
    int quoting;              /* CSV, TSV: quotes were syntax */
    const char **column;      /* [n_columns] names */
    int n_columns;
    int has_header;
    int n_rows;
    at_cell *cells;           /* [n_rows * n_columns] */
    unsigned char *is_json;   /* JSONL: [n_rows * n_columns] 1 where the cell is the JSON text of a number, boolean, array or object; else
                               * NULL */
    uint32_t *line;           /* [n_rows] 1-based line where the row begins */
    /* CoNLL only: a cell holds its column's values with newlines between. */
    const char *raw;          /* [raw_len] the file as it is */
    size_t raw_len;
    uint64_t *token_at;       /* [n_rows + 1] tokens before each row */
    uint32_t *token_line;     /* [token_at[n_rows]] */
} at_table;

typedef struct at_table_options {
    at_table_format format;   /* AUTO: by the name's ending (.csv .tsv .jsonl .json .txt .conll), else by the first line */
    int by_id;                /* 1: a .json may be one object of answers by id */
    int plain_lines;          /* 1: a .txt has one text a line, whatever its first line looks like */
    const char *separator;    /* CoNLL: what stands between columns: one character, "tab" or "blanks"; NULL: found out */
    int no_header;            /* 1: columns are named c1, c2, ... ; CSV and TSV otherwise have a header */
    int keep_bad_rows;        /* 1 (for the data lint): go on after a bad row and hand it to `bad` */
    void (*bad)(void *context, uint32_t line, const char *sentence);
    void *context;
} at_table_options;

at_status at_table_read(const char *path, const at_table_options *options, at_table **table, at_error *err);
void at_table_close(at_table *table);
int at_table_column(const at_table *table, const char *name); /* index (case ignored) or -1 */
static inline at_cell at_table_cell(const at_table *t, int row, int column) {
    return t->cells[(size_t)row * (size_t)t->n_columns + (size_t)column];
}

#endif
