#include "io/table_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void at_json_add_string(at_str *to, const char *text, size_t len) {
    static const char PLAIN[] = "\"\\\n\r\t", ESCAPED[] = "\"\\nrt";
    size_t done = 0;
    at_str_add(to, "\"");
    for (size_t i = 0; i < len; i++) {
        const char *known = text[i] ? strchr(PLAIN, text[i]) : NULL;
        if (!known && (unsigned char)text[i] >= 0x20 && text[i] != 0x7f) continue;
        at_str_add_bytes(to, text + done, i - done);
        done = i + 1;
        if (known) at_str_addf(to, "\\%c", ESCAPED[known - PLAIN]);
        else at_str_addf(to, "\\u%04x", (unsigned)text[i]);
    }
    at_str_add_bytes(to, text + done, len - done);
    at_str_add(to, "\"");
}

at_row_out at_row_begin(at_str *to, at_table_format format) {
    if (format == AT_TABLE_JSONL) at_str_add(to, "{");
    return (at_row_out){.to = to, .format = format, .delimiter = format == AT_TABLE_TSV ? '\t' : ','};
}

static void separate(at_row_out *row, const char *key) {
    row->blank = 0;
    if (row->n++) at_str_add_bytes(row->to, row->format == AT_TABLE_JSONL ? ", " : &row->delimiter, row->format == AT_TABLE_JSONL ? 2 : 1);
    if (row->format != AT_TABLE_JSONL) return;
    at_json_add_string(row->to, key, strlen(key));
    at_str_add(row->to, ": ");
}

/* A bare quote inside a field is text to every reader; a quote at its start is not. */
static int needs_quotes(const char *text, size_t len, char delimiter) {
    if (!len) return 0;
    if (*text == '"') return 1;
    return memchr(text, delimiter, len) || memchr(text, '\n', len) || memchr(text, '\r', len) ||
           (delimiter != '\t' && memchr(text, '"', len));
}

static void add_quoted(at_str *to, const char *text, size_t len) {
    size_t done = 0;
    at_str_add(to, "\"");
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '"') continue;
        at_str_add_bytes(to, text + done, i + 1 - done);
        at_str_add(to, "\"");
        done = i + 1;
    }
    at_str_add_bytes(to, text + done, len - done);
    at_str_add(to, "\"");
}

void at_row_text(at_row_out *row, const char *key, const char *text, size_t len) {
    separate(row, key);
    if (row->format == AT_TABLE_JSONL) {
        if (text) at_json_add_string(row->to, text, len);
        else at_str_add(row->to, "null");
    } else if (!text || !len) row->blank = row->n == 1;
    else if (needs_quotes(text, len, row->delimiter)) add_quoted(row->to, text, len);
    else at_str_add_bytes(row->to, text, len);
}

void at_row_raw(at_row_out *row, const char *key, const char *raw) {
    if (row->format != AT_TABLE_JSONL) {
        at_row_text(row, key, raw, strlen(raw));
        return;
    }
    separate(row, key);
    at_str_add(row->to, raw);
}

void at_row_number(at_row_out *row, const char *key, double value) {
    char text[40];
    snprintf(text, sizeof text, "%.9g", value);
    if (isfinite(value)) at_row_raw(row, key, text);
    else at_row_text(row, key, NULL, 0);
}

void at_row_end(at_row_out *row) {
    if (row->format == AT_TABLE_JSONL) at_str_add(row->to, "}");
    else if (row->blank) at_str_add(row->to, "\"\""); /* an empty line would be no row */
    at_str_add(row->to, "\n");
}
