/* JSONL against jansson: the same lines are objects, with the same strings. */
#include "fuzz_table.h"

#include "base/json.h"

static int count(const char *line, size_t len, char c) {
    int n = 0;
    for (size_t i = 0; i < len; i++) n += line[i] == c;
    return n;
}

static void check_row(const at_table *t, int row, const json_t *object) {
    size_t n = 0;
    for (int c = 0; c < t->n_columns; c++) {
        const json_t *value = json_object_get(object, t->column[c]);
        const char *text = at_table_cell(t, row, c).text;
        fuzz_claim(!text == (!value || json_is_null(value)));
        if (json_is_string(value)) fuzz_claim(!strcmp(text, json_string_value(value)));
        n += value != NULL;
    }
    fuzz_claim(n == json_object_size(object));
}

/* A line of the original; `row` is the row made of it, or -1. */
static void check_line(const at_table *t, int row, const char *line, size_t len) {
    json_error_t error;
    size_t blank = 0;
    while (blank < len && strchr(" \t\r", line[blank]) && line[blank]) blank++;
    if (blank == len || count(line, len, '{') + count(line, len, '[') > 50) return;
    json_t *value = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (row >= 0 && value) check_row(t, row, value);
    if (row >= 0 && !value) fuzz_claim(json_error_code(&error) == json_error_numeric_overflow);
    if (row < 0) fuzz_claim(!json_is_object(value));
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    char *text;
    int n_bad, row = 0;
    at_table_options options = {.format = AT_TABLE_JSONL, .keep_bad_rows = 1};
    if (len > 1 << 16) return 0;
    at_table *t = fuzz_read_table(bytes, len, options, &n_bad, &text);
    const char *p = (const char *)bytes, *end = p + len;
    if (len >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) p += 3;
    int old_ends = !memchr(p, '\n', (size_t)(end - p)) && memchr(p, '\r', (size_t)(end - p));
    for (uint32_t line = 1; t && !old_ends && p < end; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        int is_row = row < t->n_rows && t->line[row] == line;
        check_line(t, is_row ? row : -1, p, (size_t)(stop - p));
        row += is_row;
        p = newline ? newline + 1 : end;
    }
    at_table_close(t);
    free(text);
    return 0;
}
