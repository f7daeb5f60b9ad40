/* CoNLL: the first byte says whether bad rows are kept apart. Every column of a sentence has as many values as it has tokens. */
#include "fuzz_table.h"

static int values(at_cell cell) {
    int n = 1;
    for (uint32_t i = 0; i < cell.len; i++) n += cell.text[i] == '\n';
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    char *text;
    int n_bad;
    if (!len || len > 1 << 16) return 0;
    at_table_options options = {.format = AT_TABLE_CONLL, .keep_bad_rows = bytes[0] & 1};
    at_table *t = fuzz_read_table(bytes + 1, len - 1, options, &n_bad, &text);
    for (int r = 0; t && r < t->n_rows; r++) {
        uint64_t tokens = t->token_at[r + 1] - t->token_at[r];
        fuzz_claim(tokens > 0 && t->token_line[t->token_at[r]] == t->line[r]);
        for (int c = 0; c < t->n_columns; c++) fuzz_claim((uint64_t)values(at_table_cell(t, r, c)) == tokens);
    }
    at_table_close(t);
    free(text);
    return 0;
}
