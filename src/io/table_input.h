/* What the readers of table.h share: the text in memory and the way a bad row is reported. */
#ifndef AT_IO_TABLE_INPUT_H
#define AT_IO_TABLE_INPUT_H

#include "base/file.h"
#include "io/table.h"

#define AT_TABLE_FILE_BYTES ((size_t)4 << 30)
#define AT_TABLE_FIELD_BYTES ((size_t)1 << 20)
#define AT_TABLE_LINE_BYTES ((size_t)16 << 20)
enum { AT_TABLE_COLUMNS = 1024 };

typedef struct at_table_input {
    at_table *table;
    const at_table_options *options;
    char *text; /* NUL-terminated, without a byte-order mark; cells point into it */
    size_t len;
    int clean;        /* all of it is UTF-8 without NUL: no row needs to be looked at again */
    at_status status; /* of the first row that ended the reading */
    at_error *err;
} at_table_input;

/* A row that cannot be used: handed to options->bad where bad rows are to be kept apart, else the end: in->status. */
void at_table_bad_row(at_table_input *in, uint32_t line, const char *fmt, ...) AT_PRINTF(3, 4);

/* 1 where text[start, end) is UTF-8 without NUL; else the row that begins at `line` is reported as bad. */
int at_table_check_bytes(at_table_input *in, size_t start, size_t end, uint32_t line);

/* Rows that fit into the text at most, for one allocation. */
size_t at_table_most_rows(const at_table_input *in, int n_columns);
at_status at_table_reserve(at_table_input *in, int n_columns); /* cells, line; sets n_columns */

/* The text from *pos to the end of its line, without CR or LF; *pos moves behind it. */
typedef struct at_table_line {
    size_t start, end;
} at_table_line;
int at_table_next_line(const at_table_input *in, size_t *pos, at_table_line *line);

at_status at_table_read_delimited(at_table_input *in);
at_status at_table_read_jsonl(at_table_input *in);
at_status at_table_read_fasttext(at_table_input *in);
at_status at_table_read_lines(at_table_input *in);
at_status at_table_read_conll(at_table_input *in);
at_status at_table_read_squad(at_table_input *in);
int at_table_read_by_id(at_table_input *in); /* 0: the text is no such object, and nothing has happened */
int at_table_looks_like_squad(const at_table_input *in);
int at_table_looks_like_conll(const at_table_input *in); /* by its first lines */

/* The lines of a CoNLL file with other cells (table_write.h). */
at_status at_table_rewrite_conll(const at_table *table, const at_cell *cell, const unsigned char *drop, at_writer *writer, at_error *err);

/* `text` (len bytes and a NUL behind them) in the place of a file called `path`; it is changed and must outlive the table. */
at_status at_table_parse(const char *path, char *text, size_t len, const at_table_options *options, at_table **table,
                         at_error *err);

#endif
