/* Reading a table from fuzzed bytes, and what must hold of every table that was read. */
#ifndef AT_TESTS_FUZZ_TABLE_H
#define AT_TESTS_FUZZ_TABLE_H

#include "fuzz.h"

#include "io/table_input.h"

static void fuzz_bad_row(void *context, uint32_t line, const char *sentence) {
    fuzz_claim(line > 0 && sentence[0] && strlen(sentence) < 1024);
    ++*(int *)context;
}

/* The table's cells point into *text (malloc), which the caller frees after the table. NULL where the bytes were refused. */
static inline at_table *fuzz_read_table(const uint8_t *bytes, size_t len, at_table_options options, int *n_bad, char **text) {
    at_error err;
    at_table *t;
    *n_bad = 0;
    options.bad = fuzz_bad_row;
    options.context = n_bad;
    *text = malloc(len + 1);
    fuzz_claim(*text != NULL);
    memcpy(*text, bytes, len);
    (*text)[len] = '\0';
    at_status st = at_table_parse("fuzz", *text, len, &options, &t, &err);
    fuzz_check_error(st, AT_BAD_DATA, &err);
    fuzz_claim(!st == (t != NULL));
    for (int r = 0; t && r < t->n_rows; r++) {
        fuzz_claim(t->line[r] > (r ? t->line[r - 1] : 0));
        for (int c = 0; c < t->n_columns; c++) {
            at_cell cell = at_table_cell(t, r, c);
            if (!cell.text) continue;
            fuzz_claim(strlen(cell.text) == cell.len);
            fuzz_claim(at_utf8_check(cell.text, cell.len) == cell.len);
        }
    }
    return t;
}

#endif
