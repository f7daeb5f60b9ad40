/* Traces of a wrong encoding or of a web page in texts.
 *
 * Mojibake: the bytes of UTF-8 were once read as Windows-1252 (or Latin-1), so that 'é' (C3 A9) became 'Ã©'. A run of characters is
 * taken back to those bytes; where they form a UTF-8 sequence, that is what was meant. Sequences of two bytes also occur by chance
 * in honest text ("É»" after a word in capitals), so that they count alone only after C2 and C3, which such text hardly has, and
 * otherwise twice in a row; longer ones count always. */
#include <stdlib.h>
#include <string.h>

#include "task/lint.h"
#include "task/mend.h"

enum { SEEN_MOJIBAKE = 1, SEEN_LOST = 2, SEEN_CONTROL = 4, SEEN_HTML = 8 };

typedef struct text_scan {
    at_lint *lint;
    const at_lint_split *split;
    int row;
    at_cell cell;
    unsigned seen; /* one finding of a kind a text */
} text_scan;

/* The byte that Windows-1252 has for a character, or -1. Where it has none, Latin-1's. */
static int windows_byte(uint32_t cp) {
    static const uint16_t SPECIAL[32] = {0x20ac, 0, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160,
                                         0x2039, 0x152, 0, 0x17d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
                                         0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0, 0x17e, 0x178};
    if (cp >= 0x80 && cp <= 0xff) return (int)cp;
    for (int i = 0; i < 32 && cp > 0xff; i++)
        if (SPECIAL[i] == cp) return 0x80 + i;
    return -1;
}

/* Characters from p on as Windows-1252 bytes, at most 4 of them; returns how many, and where each ends. */
static int as_bytes(const unsigned char *p, size_t left, unsigned char bytes[4], size_t end[4]) {
    int n = 0;
    for (size_t at = 0; n < 4 && at < left;) {
        uint32_t cp;
        int length = at_utf8_decode(p + at, left - at, &cp), byte = length ? windows_byte(cp) : -1;
        if (byte < 0) break;
        bytes[n] = (unsigned char)byte;
        at += (size_t)length;
        end[n++] = at;
    }
    return n;
}

/* Bytes of the text at p that are one garbled character, or 0; what was meant into `meant`, its own UTF-8 length into *n_meant. */
static size_t garbled(const unsigned char *p, size_t left, unsigned char meant[4], int *n_meant) {
    size_t end[4];
    uint32_t cp;
    int n = as_bytes(p, left, meant, end);
    *n_meant = n ? at_utf8_decode(meant, (size_t)n, &cp) : 0;
    return *n_meant > 1 ? end[*n_meant - 1] : 0;
}

static int is_sure(const unsigned char *meant, int n_meant, size_t followed) {
    return n_meant > 2 || meant[0] == 0xc3 || (meant[0] == 0xc2 && meant[1] >= 0xa0) || followed;
}

/* What a text has no use for; U+0080 to U+009F are no letters of any script. */
static int is_control(uint32_t cp) { return (cp < ' ' && !strchr("\t\n\r\f\v", (int)cp)) || (cp >= 0x7f && cp < 0xa0); }

static void tell_garbled(text_scan *s, const unsigned char *p, size_t n, const unsigned char *meant, int n_meant) {
    s->seen |= SEEN_MOJIBAKE;
    at_lint_add(s->lint, AT_LINT_MOJIBAKE, s->split->table->path, s->split->table->line[s->row], "%s'%.*s' was probably '%.*s': %s",
                at_lint_who(s->lint, s->split, s->row), (int)n, (const char *)p, n_meant, (const char *)meant, at_lint_quote(s->lint, s->cell));
}

static void look_for_garbled(text_scan *s, const unsigned char *p, size_t left) {
    unsigned char meant[4], next[4];
    int n_meant, n_next;
    if (s->seen & SEEN_MOJIBAKE) return;
    size_t n = garbled(p, left, meant, &n_meant);
    if (!n) return;
    if (is_sure(meant, n_meant, garbled(p + n, left - n, next, &n_next))) tell_garbled(s, p, n, meant, n_meant);
}

static void tell_once(text_scan *s, unsigned bit, at_lint_kind kind, const char *what) {
    if (s->seen & bit) return;
    s->seen |= bit;
    at_lint_add(s->lint, kind, s->split->table->path, s->split->table->line[s->row], "%s%s: %s", at_lint_who(s->lint, s->split, s->row), what,
                at_lint_quote(s->lint, s->cell));
}

static void tell_control(text_scan *s, uint32_t cp) {
    char what[64];
    snprintf(what, sizeof what, "the control character U+%04X", (unsigned)cp);
    tell_once(s, SEEN_CONTROL, AT_LINT_CONTROL, what);
}

/* Length of the entity or line-break tag at p, or 0. */
static size_t html_piece(const char *p, size_t left) {
    static const char *const PIECES[] = {"&amp;", "&lt;",   "&gt;", "&quot;", "&nbsp;", "&apos;", "<br>",
                                         "<br/>", "<br />", "<BR>", "<p>",    "</p>",   NULL};
    for (int i = 0; PIECES[i]; i++) {
        size_t n = strlen(PIECES[i]);
        if (n <= left && !memcmp(p, PIECES[i], n)) return n;
    }
    if (left < 4 || p[0] != '&' || p[1] != '#') return 0;
    size_t i = p[2] == 'x' || p[2] == 'X' ? 3 : 2, digits = i;
    while (i < left && i < 10 && strchr(digits == 3 ? "0123456789abcdefABCDEF" : "0123456789", p[i]) && p[i]) i++;
    return i > digits && i < left && p[i] == ';' ? i + 1 : 0;
}

static void look_for_html(text_scan *s, const char *p, size_t left) {
    size_t n = s->seen & SEEN_HTML ? 0 : html_piece(p, left);
    if (!n) return;
    char what[64];
    snprintf(what, sizeof what, "'%.*s' of HTML", (int)n, p);
    tell_once(s, SEEN_HTML, AT_LINT_HTML, what);
}

static size_t look_at_character(text_scan *s, const char *p, size_t left) {
    unsigned char c = (unsigned char)*p;
    if (c < 0x80) {
        if (c == '&' || c == '<') look_for_html(s, p, left);
        if (is_control(c)) tell_control(s, c);
        return 1;
    }
    uint32_t cp;
    int n = at_utf8_decode((const unsigned char *)p, left, &cp);
    if (!n) return 1;
    if (cp >= 0xc2 && cp <= 0xf4) look_for_garbled(s, (const unsigned char *)p, left);
    if (cp == 0xfffd) tell_once(s, SEEN_LOST, AT_LINT_REPLACEMENT, "U+FFFD stands where a letter was lost");
    if (is_control(cp) && !(s->seen & SEEN_MOJIBAKE)) tell_control(s, cp);
    return (size_t)n;
}

static void scan_cell(at_lint *lint, const at_lint_split *split, int row, int column) {
    if (column < 0) return;
    text_scan s = {.lint = lint, .split = split, .row = row, .cell = at_table_cell(split->table, row, column)};
    for (size_t i = 0; i < s.cell.len;) i += look_at_character(&s, s.cell.text + i, s.cell.len - i);
}

at_status at_lint_encoding(at_lint *lint, at_error *err) {
    for (int s = 0; s < lint->n_splits; s++)
        for (int r = 0; r < lint->split[s].table->n_rows; r++) {
            scan_cell(lint, &lint->split[s], r, lint->split[s].columns.text);
            scan_cell(lint, &lint->split[s], r, lint->split[s].columns.text2);
            scan_cell(lint, &lint->split[s], r, lint->split[s].text3 - 1);
        }
    return lint->failed ? at_fail_memory(err, 0) : AT_OK;
}

/* ---- mending ---- */

/* Bytes of the text at p that are garbled characters for sure, by the rule of look_for_garbled; appends what was meant. */
static size_t ungarble(const unsigned char *p, size_t left, at_str *to) {
    unsigned char meant[4], next[4];
    int n_meant, n_next;
    size_t n = garbled(p, left, meant, &n_meant);
    if (!n || !is_sure(meant, n_meant, garbled(p + n, left - n, next, &n_next))) return 0;
    at_str_add_bytes(to, (const char *)meant, (size_t)n_meant);
    return n;
}

int at_mend_encoding(at_cell text, at_str *to) {
    int mended = 0;
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.text[i];
        uint32_t cp = c;
        int width = c < 0x80 ? 1 : at_utf8_decode((const unsigned char *)text.text + i, text.len - i, &cp);
        size_t bad = cp >= 0xc2 && cp <= 0xf4 ? ungarble((const unsigned char *)text.text + i, text.len - i, to) : 0;
        int control = !bad && is_control(cp);
        mended += bad || control;
        if (!bad && !control) at_str_add_bytes(to, text.text + i, width > 0 ? (size_t)width : 1);
        i += bad ? bad : width > 0 ? (size_t)width : 1;
    }
    return mended;
}
