#include "task/mend.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <xxhash.h>

#include "task/lint.h"

void at_mend_tell(at_mending *m, const char *kind, int row, uint32_t line, const char *fmt, ...) {
    char words[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    at_arena scratch = {0};
    if (!line) line = m->table->line[row];
    char *sentence = at_format(&scratch, "%s:%u: %s", m->table->path, (unsigned)line, words);
    if (!sentence) m->failed = 1;
    else if (m->tell) m->tell(m->context, kind, line, sentence);
    at_arena_free(&scratch);
}

/* ---- texts ---- */

/* Length of the blank at p: space, tab, no-break space and the other spaces of Unicode; 0: none. */
static size_t blank_at(const char *p, size_t left) {
    static const char *const SPACES[] = {"\xc2\xa0", "\xe2\x80\xaf", "\xe3\x80\x80", "\xe2\x80\x89", "\xe2\x80\xa8", NULL};
    if (*p == ' ' || *p == '\t' || *p == '\f' || *p == '\v') return 1;
    for (int i = 0; SPACES[i]; i++)
        if (left >= strlen(SPACES[i]) && !memcmp(p, SPACES[i], strlen(SPACES[i]))) return strlen(SPACES[i]);
    return 0;
}

static int is_break(char c) { return c == '\n' || c == '\r'; }

/* Runs of blanks become one space, none at the ends of the text. */
static void squeeze(const char *text, size_t len, at_str *to) {
    size_t begin = to->len, blank = 0;
    for (size_t i = 0; i < len;) {
        size_t n = blank_at(text + i, len - i);
        if (n || is_break(text[i])) {
            if (n) blank = 1;
            else at_str_add_bytes(to, text + i, 1), blank = 0;
            i += n ? n : 1;
            if (to->len > begin && is_break(to->text[to->len - 1])) blank = 0;
            continue;
        }
        if (blank && to->len > begin) at_str_add(to, " ");
        blank = 0;
        at_str_add_bytes(to, text + i++, 1);
    }
    while (to->len > begin && is_break(to->text[to->len - 1])) to->text[--to->len] = '\0';
    size_t lead = begin;
    while (lead < to->len && is_break(to->text[lead])) lead++;
    if (lead == begin) return;
    memmove(to->text + begin, to->text + lead, to->len - lead + 1);
    to->len -= lead - begin;
}

at_cell at_mend_text(at_cell text, at_arena *arena, const char **what) {
    at_str clean = {.arena = arena}, tidy = {.arena = arena};
    *what = NULL;
    if (!text.len) return text;
    at_str_add(&clean, "");
    at_str_add(&tidy, "");
    int encoding = at_mend_encoding(text, &clean);
    squeeze(clean.text ? clean.text : "", clean.len, &tidy);
    if (clean.failed || tidy.failed) return text;
    int space = tidy.len != clean.len || memcmp(tidy.text, clean.text, clean.len) != 0;
    if (!encoding && !space) return text;
    *what = encoding && space ? "encoding, white space" : encoding ? "encoding" : "white space";
    return (at_cell){tidy.text, (uint32_t)tidy.len};
}

static void mend_cell(at_mending *m, int row, int column) {
    const char *what;
    if (column < 0) return;
    size_t at = (size_t)row * (size_t)m->table->n_columns + (size_t)column;
    if (m->table->is_json && m->table->is_json[at]) return; /* a list or a number */
    at_cell now = at_mend_text(m->cell[at], m->arena, &what);
    if (!what) return;
    at_mend_tell(m, "text", row, 0, "%s of column '%s' mended", what, m->table->column[column]);
    m->cell[at] = now;
}

static void mend_texts(at_mending *m) {
    for (int r = 0; r < m->table->n_rows; r++) {
        mend_cell(m, r, m->columns.text);
        mend_cell(m, r, m->columns.text2);
        mend_cell(m, r, m->text3 - 1);
        mend_cell(m, r, m->columns.label);
    }
}

/* ---- repeated rows ---- */

static int is_id(const char *name) {
    static const char *const NAMES[] = {"id", "idx", "index", "guid", "uuid", NULL};
    for (int i = 0; NAMES[i]; i++)
        if (!strcasecmp(name, NAMES[i])) return 1;
    return 0;
}

static XXH128_hash_t hash_of(at_mending *m, int row) {
    XXH128_hash_t both[2] = {{0, 0}, {0, 0}};
    for (int c = 0; c < m->table->n_columns; c++) {
        const at_cell *cell = at_mend_cell(m, row, c);
        if (is_id(m->table->column[c])) continue;
        both[1] = XXH3_128bits(cell->text ? cell->text : "", cell->len);
        both[0] = XXH3_128bits(both, sizeof both);
    }
    return both[0];
}

static at_status drop_repeated(at_mending *m, at_error *err) {
    at_arena scratch = {0};
    size_t slots = 64;
    while (slots < 2 * (size_t)m->table->n_rows) slots *= 2;
    int *first = AT_NEW_ARRAY(&scratch, int, slots);
    XXH128_hash_t *hash = AT_NEW_ARRAY(&scratch, XXH128_hash_t, m->table->n_rows + 1);
    for (int r = 0; first && hash && r < m->table->n_rows; r++) {
        hash[r] = hash_of(m, r);
        size_t at = (size_t)hash[r].low64 & (slots - 1);
        while (first[at] && !XXH128_isEqual(hash[first[at] - 1], hash[r])) at = (at + 1) & (slots - 1);
        if (!first[at]) {
            first[at] = r + 1;
            continue;
        }
        m->drop[r] = 1;
        at_mend_tell(m, "repeated", r, 0, "left out: the same row as in line %u", (unsigned)m->table->line[first[at] - 1]);
    }
    int failed = !first || !hash;
    at_arena_free(&scratch);
    return failed ? at_fail_memory(err, slots * sizeof *first) : AT_OK;
}

at_status at_mend(const at_task_state *s, at_mending *m, at_error *err) {
    size_t cells = (size_t)m->table->n_rows * (size_t)m->table->n_columns;
    m->cell = AT_NEW_ARRAY(m->arena, at_cell, cells);
    m->drop = AT_NEW_ARRAY(m->arena, unsigned char, m->table->n_rows);
    if (!m->cell || !m->drop) return at_fail_memory(err, cells * sizeof *m->cell);
    if (cells) memcpy(m->cell, m->table->cells, cells * sizeof *m->cell);
    if (s->task->mend) AT_TRY(s->task->mend(s, m, err));
    else mend_texts(m);
    AT_TRY(drop_repeated(m, err));
    return m->failed ? at_fail_memory(err, 0) : AT_OK;
}
