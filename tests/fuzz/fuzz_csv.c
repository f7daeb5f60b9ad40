/* CSV, TSV, fastText and lines. The first byte chooses format and options. What is written from a table reads back as the same table. */
#include "fuzz_table.h"

#include "io/table_write.h"

static void write_back(const at_table *t) {
    at_arena arena = {0};
    at_str out = {.arena = &arena};
    at_table_options options = {.format = AT_TABLE_CSV};
    for (int c = 0; c < t->n_columns; c++) at_str_addf(&out, "%sc%d", c ? "," : "", c);
    at_str_add(&out, "\n");
    for (int r = 0; r < t->n_rows; r++) {
        at_row_out row = at_row_begin(&out, AT_TABLE_CSV);
        for (int c = 0; c < t->n_columns; c++) at_row_text(&row, NULL, at_table_cell(t, r, c).text, at_table_cell(t, r, c).len);
        at_row_end(&row);
    }
    char *text;
    int n_bad;
    size_t n_columns = (size_t)t->n_columns;
    at_table *again = t->n_rows ? fuzz_read_table((uint8_t *)out.text, out.len, options, &n_bad, &text) : NULL;
    if (again && again->delimiter == ',') {
        fuzz_claim(again->n_rows == t->n_rows && again->n_columns == t->n_columns);
        for (size_t i = 0; i < n_columns * (size_t)t->n_rows; i++) fuzz_claim(!strcmp(again->cells[i].text, t->cells[i].text));
    }
    if (t->n_rows) free(text);
    at_table_close(again);
    at_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static const at_table_format FORMATS[] = {AT_TABLE_AUTO, AT_TABLE_CSV, AT_TABLE_TSV, AT_TABLE_FASTTEXT, AT_TABLE_LINES};
    char *text;
    int n_bad;
    if (!len || len > 1 << 16) return 0;
    at_table_options options = {.format = FORMATS[(bytes[0] & 7) % 5], .no_header = bytes[0] >> 3 & 1, .keep_bad_rows = bytes[0] >> 4 & 1};
    at_table *t = fuzz_read_table(bytes + 1, len - 1, options, &n_bad, &text);
    if (t && t->format != AT_TABLE_JSONL) write_back(t);
    at_table_close(t);
    free(text);
    return 0;
}
