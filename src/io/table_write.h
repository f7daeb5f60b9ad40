/* Rows of text going out: predictions as CSV, TSV or JSONL that the readers of table.h, and everybody else's, take back unchanged. */
#ifndef AT_IO_TABLE_WRITE_H
#define AT_IO_TABLE_WRITE_H

#include "base/str.h"
#include "io/table.h"

/* One row on its way. A header is a row of its names (not written for JSONL). */
typedef struct at_row_out {
    at_str *to;
    at_table_format format; /* AT_TABLE_CSV, AT_TABLE_TSV or AT_TABLE_JSONL */
    char delimiter;         /* of CSV and TSV: ',' and a tab, unless set */
    int n;
    int blank; /* nothing but one empty field so far */
} at_row_out;

at_row_out at_row_begin(at_str *to, at_table_format format);

/* CSV, TSV: the key is not used. The text is quoted where it has to be; absent (NULL): an empty field, in JSONL null. UTF-8. */
void at_row_text(at_row_out *row, const char *key, const char *text, size_t len);
/* A number, or JSON text that is known to be valid, as it is. */
void at_row_raw(at_row_out *row, const char *key, const char *raw);
void at_row_number(at_row_out *row, const char *key, double value); /* 9 digits; not finite: empty, in JSONL null */
void at_row_end(at_row_out *row);

/* A table with other cells [n_rows * n_columns] in the place of its own, and without the rows where drop [n_rows] is 1, in the table's own
 * format into a file, whole or not at all. CoNLL: all else as it is, to the byte; only tags of a column may differ, none may be missing. SQuAD:
 * read from its path again; only answers may differ. */
at_status at_table_rewrite(const at_table *table, const at_cell *cell, const unsigned char *drop, const char *path, at_error *err);

/* A JSON string with its quotes. */
void at_json_add_string(at_str *to, const char *text, size_t len);

#endif
