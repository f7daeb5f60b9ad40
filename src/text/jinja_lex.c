/* From source to tokens. White space follows jinja2's lexer with trim_blocks and lstrip_blocks: a line's end behind a block or comment is
 * dropped; blanks between the beginning of a line and a block or comment too; '-' beside a delimiter strips all white space on its side,
 * '+' keeps it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_tree.h"

enum { MOST_TOKENS = 1 << 20, MOST_BRACKETS = 64 };

typedef struct lexer {
    const at_jsource *source;
    const char *text;
    size_t len, pos;
    at_arena *arena;
    at_jtoken *token;
    int n, cap;
    int line_starting;
    char bracket[MOST_BRACKETS];
    int n_brackets;
    at_error *err;
} lexer;

at_status at_jinja_fail(const at_jsource *source, size_t at, at_error *err, at_status code, const char *fmt, ...) {
    char words[800];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < source->len; i++) {
        if (source->text[i] == '\n') line++, column = 1;
        else column += ((unsigned char)source->text[i] & 0xc0) != 0x80;
    }
    return at_fail(err, code, "%s:%zu:%zu: %s", source->name, line, column, words);
}

static at_status add(lexer *x, at_jtoken token) {
    if (x->n == MOST_TOKENS)
        return at_jinja_fail(x->source, x->pos, x->err, AT_BAD_MODEL, "the template has more than %d parts", MOST_TOKENS);
    if (x->n == x->cap) {
        int cap = x->cap ? 2 * x->cap : 256;
        at_jtoken *more = AT_NEW_ARRAY(x->arena, at_jtoken, cap);
        if (!more) return at_fail_memory(x->err, (size_t)cap * sizeof *more);
        if (x->n) memcpy(more, x->token, (size_t)x->n * sizeof *more);
        x->token = more;
        x->cap = cap;
    }
    x->token[x->n++] = token;
    return AT_OK;
}

static int starts(const lexer *x, size_t at, const char *word) {
    size_t n = strlen(word);
    return at + n <= x->len && !memcmp(x->text + at, word, n);
}

static size_t skip_space(const lexer *x, size_t at) {
    for (size_t n; (n = at_jspace_at(x->text + at, x->len - at)) != 0;) at += n;
    return at;
}

/* The end of a text without the white space at its end. */
static size_t strip_end(const char *text, size_t len) {
    while (len) {
        size_t begin = len - 1;
        while (begin && ((unsigned char)text[begin] & 0xc0) == 0x80) begin--;
        if (at_jspace_at(text + begin, len - begin) != len - begin) break;
        len = begin;
    }
    return len;
}

static at_status unfinished(lexer *x, size_t at, const char *what) {
    return at_jinja_fail(x->source, at, x->err, AT_BAD_MODEL, "the %s that begins here has no end", what);
}

/* ---- literals ---- */

static int hex_value(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \xhh \uhhhh \Uhhhhhhhh and octal: the code point, and *p behind it; -1: not such. */
static long escaped_number(const char **p, const char *end) {
    long cp = 0;
    int digits = **p == 'x' ? 2 : **p == 'u' ? 4 : **p == 'U' ? 8 : 0;
    if (!digits) {
        const char *q = *p;
        while (q < end && q < *p + 3 && *q >= '0' && *q <= '7') cp = cp * 8 + (*q++ - '0');
        *p = q;
        return cp;
    }
    if (end - *p <= digits) return -1;
    for (int i = 1; i <= digits; i++) {
        int v = hex_value((*p)[i]);
        if (v < 0) return -1;
        cp = cp * 16 + v;
    }
    *p += digits + 1;
    return cp <= 0x10FFFF && (cp < 0xD800 || cp > 0xDFFF) ? cp : -1;
}

static at_status put_escape(lexer *x, at_str *s, const char **p, const char *end) {
    static const char FROM[] = "abfnrtv\\'\"", TO[] = "\a\b\f\n\r\t\v\\'\"";
    const char *known = **p ? strchr(FROM, **p) : NULL;
    if (known) {
        at_str_add_bytes(s, &TO[known - FROM], 1);
        ++*p;
    } else if (**p == '\n') {
        ++*p;
    } else if (strchr("xuU01234567", **p)) {
        char bytes[4];
        long cp = escaped_number(p, end);
        if (cp < 0) return at_jinja_fail(x->source, (size_t)(*p - x->text), x->err, AT_BAD_MODEL, "this escape is no character");
        at_str_add_bytes(s, bytes, (size_t)at_utf8_encode((uint32_t)cp, bytes));
    } else if (**p == 'N') {
        return at_jinja_fail(x->source, (size_t)(*p - x->text), x->err, AT_BAD_MODEL,
                             "characters by their name, \\N{...}, are not supported");
    } else {
        at_str_add_bytes(s, "\\", 1);
    }
    return AT_OK;
}

static at_status lex_string(lexer *x) {
    size_t begin = x->pos;
    char quote = x->text[begin];
    size_t end = begin + 1;
    while (end < x->len && x->text[end] != quote) end += x->text[end] == '\\' ? 2 : 1;
    if (end >= x->len) return unfinished(x, begin, "text");
    at_str s = {.arena = x->arena};
    const char *p = x->text + begin + 1, *stop = x->text + end;
    while (p < stop) {
        const char *next = memchr(p, '\\', (size_t)(stop - p));
        if (!next) next = stop;
        at_str_add_bytes(&s, p, (size_t)(next - p));
        p = next;
        if (p < stop) {
            p++;
            AT_TRY(put_escape(x, &s, &p, stop));
        }
    }
    if (s.failed) return at_fail_memory(x->err, end - begin);
    x->pos = end + 1;
    return add(x, (at_jtoken){.type = AT_JT_STRING, .at = (uint32_t)begin, .text = s.text ? s.text : "", .len = s.len});
}

static int digit(const lexer *x, size_t at) { return at < x->len && x->text[at] >= '0' && x->text[at] <= '9'; }

static size_t digits(const lexer *x, size_t at) {
    while (digit(x, at) || (at < x->len && x->text[at] == '_' && digit(x, at + 1))) at++;
    return at;
}

/* 12, 1_000, 0x1f, 1.5, 1e9. */
static at_status lex_number(lexer *x) {
    size_t begin = x->pos, end = digits(x, begin);
    char word[64];
    size_t n = 0;
    int real = 0, base = 10;
    if (x->text[begin] == '0' && begin + 1 < x->len && strchr("xXbBoO", x->text[begin + 1])) {
        base = strchr("xX", x->text[begin + 1]) ? 16 : strchr("bB", x->text[begin + 1]) ? 2 : 8;
        for (end = begin + 2; end < x->len && (hex_value(x->text[end]) >= 0 || x->text[end] == '_');) end++;
        begin += 2;
    } else {
        if (end + 1 < x->len && x->text[end] == '.' && digit(x, end + 1)) real = 1, end = digits(x, end + 1);
        size_t e = end + 1;
        if (e < x->len && (x->text[end] == 'e' || x->text[end] == 'E')) {
            if (x->text[e] == '+' || x->text[e] == '-') e++;
            if (digit(x, e)) real = 1, end = digits(x, e);
        }
    }
    for (size_t i = begin; i < end && n + 1 < sizeof word; i++)
        if (x->text[i] != '_') word[n++] = x->text[i];
    word[n] = '\0';
    at_jtoken token = {.type = real ? AT_JT_FLOAT : AT_JT_INT, .at = (uint32_t)x->pos};
    char *stop;
    errno = 0;
    if (real) token.real = strtod(word, &stop);
    else token.integer = strtoll(word, &stop, base);
    if (*stop || !n || n + 1 == sizeof word || (errno && (!real || token.real > 1)))
        return at_jinja_fail(x->source, x->pos, x->err, AT_BAD_MODEL, "this is no number that can be held");
    x->pos = end;
    return add(x, token);
}

static int is_name(unsigned char c, int first) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80 || (!first && c >= '0' && c <= '9');
}

static at_status lex_name(lexer *x) {
    size_t begin = x->pos, end = begin;
    while (end < x->len && is_name((unsigned char)x->text[end], end == begin)) end++;
    x->pos = end;
    return add(x, (at_jtoken){.type = AT_JT_NAME, .at = (uint32_t)begin, .text = x->text + begin, .len = end - begin});
}

/* Brackets stand in pairs; within them no delimiter ends a block. */
static at_status balance(lexer *x, char c) {
    static const char OPEN[] = "([{", CLOSE[] = ")]}";
    const char *open = strchr(OPEN, c), *close = strchr(CLOSE, c);
    if (open) {
        if (x->n_brackets == MOST_BRACKETS)
            return at_jinja_fail(x->source, x->pos, x->err, AT_BAD_MODEL, "brackets are nested deeper than %d", MOST_BRACKETS);
        x->bracket[x->n_brackets++] = CLOSE[open - OPEN];
    } else if (close) {
        if (!x->n_brackets) return at_jinja_fail(x->source, x->pos, x->err, AT_BAD_MODEL, "unexpected '%c'", c);
        char expected = x->bracket[--x->n_brackets];
        if (expected != c) return at_jinja_fail(x->source, x->pos, x->err, AT_BAD_MODEL, "unexpected '%c', expected '%c'", c, expected);
    }
    return AT_OK;
}

static at_status lex_operator(lexer *x) {
    static const char *const TWO[] = {"//", "**", "==", "!=", ">=", "<=", NULL};
    size_t n = 1;
    for (int i = 0; TWO[i]; i++)
        if (starts(x, x->pos, TWO[i])) n = 2;
    char c = x->text[x->pos];
    if (n == 1 && !strchr("+-/*%~[](){}><=.:|,;", c))
        return at_jinja_fail(x->source, x->pos, x->err, AT_BAD_MODEL, "unexpected character '%.1s'", x->text + x->pos);
    if (n == 1) AT_TRY(balance(x, c));
    int op = n == 2 ? (unsigned char)c | (unsigned char)x->text[x->pos + 1] << 8 : (unsigned char)c;
    AT_TRY(add(x, (at_jtoken){.type = AT_JT_OPERATOR, .at = (uint32_t)x->pos, .text = x->text + x->pos, .len = n, .integer = op}));
    x->pos += n;
    return AT_OK;
}

/* ---- inside and outside of delimiters ---- */

/* Behind the delimiter `end` ("%}"), which may have a sign before it: 0 where the position is not there. */
static size_t after_end(const lexer *x, const char *end, int trims) {
    size_t at = x->pos;
    if (x->text[at] == '-' && starts(x, at + 1, end)) return skip_space(x, at + 3);
    if (trims && x->text[at] == '+' && starts(x, at + 1, end)) return at + 3;
    if (!starts(x, at, end)) return 0;
    return at + 2 + (trims && at + 2 < x->len && x->text[at + 2] == '\n');
}

static at_status lex_inside(lexer *x, at_jtoken_type begin, size_t at) {
    const char *end = begin == AT_JT_BLOCK_BEGIN ? "%}" : "}}";
    AT_TRY(add(x, (at_jtoken){.type = begin, .at = (uint32_t)at}));
    for (;;) {
        x->pos = skip_space(x, x->pos);
        if (x->pos >= x->len) return unfinished(x, at, begin == AT_JT_BLOCK_BEGIN ? "block" : "expression");
        size_t after = x->n_brackets ? 0 : after_end(x, end, begin == AT_JT_BLOCK_BEGIN);
        if (after) {
            AT_TRY(add(x, (at_jtoken){.type = begin == AT_JT_BLOCK_BEGIN ? AT_JT_BLOCK_END : AT_JT_PRINT_END, .at = (uint32_t)x->pos}));
            x->pos = after;
            x->line_starting = x->text[after - 1] == '\n';
            return AT_OK;
        }
        unsigned char c = (unsigned char)x->text[x->pos];
        if (c == '"' || c == '\'') AT_TRY(lex_string(x));
        else if (c >= '0' && c <= '9') AT_TRY(lex_number(x));
        else if (is_name(c, 1)) AT_TRY(lex_name(x));
        else AT_TRY(lex_operator(x));
    }
}

static at_status lex_comment(lexer *x, size_t at) {
    const char *p = x->pos < x->len ? strstr(x->text + x->pos, "#}") : NULL;
    if (!p) return unfinished(x, at, "comment");
    size_t close = (size_t)(p - x->text);
    if (close > x->pos && (x->text[close - 1] == '-' || x->text[close - 1] == '+')) close--;
    x->pos = close;
    x->pos = after_end(x, "#}", 1);
    x->line_starting = x->text[x->pos - 1] == '\n';
    return AT_OK;
}

/* What of text .. end is kept before a tag with this sign. */
static size_t kept_before(const lexer *x, size_t begin, size_t end, char sign, int is_print) {
    if (sign == '-') return begin + strip_end(x->text + begin, end - begin);
    if (sign == '+' || is_print) return end;
    size_t line = end;
    while (line > begin && x->text[line - 1] != '\n') line--;
    if (line == begin && !x->line_starting) return end;
    return strip_end(x->text + line, end - line) ? end : line;
}

static at_status add_text(lexer *x, size_t begin, size_t end) {
    if (end <= begin) return AT_OK;
    return add(x, (at_jtoken){.type = AT_JT_TEXT, .at = (uint32_t)begin, .text = x->text + begin, .len = end - begin});
}

/* A sign only where it stands right behind the delimiter. */
static char sign_at(const lexer *x, size_t at) { return at < x->len && (x->text[at] == '-' || x->text[at] == '+') ? x->text[at] : '\0'; }

/* Behind "{% raw %}", or 0 where this is another block. */
static size_t after_raw(const lexer *x, size_t at, const char *word) {
    size_t p = at + 2 + (sign_at(x, at + 2) != '\0');
    p = skip_space(x, p);
    if (!starts(x, p, word)) return 0;
    p = skip_space(x, p + strlen(word));
    if (starts(x, p, "-%}")) return skip_space(x, p + 3);
    if (*word == 'e' && starts(x, p, "+%}")) return p + 3;
    if (!starts(x, p, "%}")) return 0;
    return p + 2 + (*word == 'e' && p + 2 < x->len && x->text[p + 2] == '\n');
}

static at_status lex_raw(lexer *x, size_t at) {
    size_t begin = x->pos;
    for (size_t p = begin; p + 1 < x->len; p++) {
        size_t after = x->text[p] == '{' && x->text[p + 1] == '%' ? after_raw(x, p, "endraw") : 0;
        if (!after) continue;
        x->line_starting = x->text[begin - 1] == '\n';
        AT_TRY(add_text(x, begin, kept_before(x, begin, p, sign_at(x, p + 2), 0)));
        x->pos = after;
        x->line_starting = x->text[after - 1] == '\n';
        return AT_OK;
    }
    return unfinished(x, at, "raw block");
}

/* Text up to the next delimiter, and what is behind that. */
static at_status lex_next(lexer *x) {
    size_t begin = x->pos, at = begin;
    while (at < x->len && !(x->text[at] == '{' && at + 1 < x->len && strchr("{%#", x->text[at + 1]))) at++;
    if (at >= x->len) {
        x->pos = x->len;
        return add_text(x, begin, x->len);
    }
    char what = x->text[at + 1], sign = sign_at(x, at + 2);
    AT_TRY(add_text(x, begin, kept_before(x, begin, at, sign, what == '{')));
    size_t raw = what == '%' ? after_raw(x, at, "raw") : 0;
    x->pos = raw ? raw : at + 2 + (sign != '\0');
    if (raw) return lex_raw(x, at);
    if (what == '#') return lex_comment(x, at);
    return lex_inside(x, what == '%' ? AT_JT_BLOCK_BEGIN : AT_JT_PRINT_BEGIN, at);
}

at_status at_jinja_lex(at_arena *arena, const at_jsource *source, at_jtoken **tokens, int *n, at_error *err) {
    lexer x = {.source = source, .text = source->text, .len = source->len, .arena = arena, .line_starting = 1, .err = err};
    while (x.pos < x.len) AT_TRY(lex_next(&x));
    AT_TRY(add(&x, (at_jtoken){.type = AT_JT_END, .at = (uint32_t)x.len}));
    *tokens = x.token;
    *n = x.n;
    return AT_OK;
}
