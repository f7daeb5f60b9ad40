/* Oniguruma's syntax (as Ruby has it) rewritten for PCRE2.
 *
 * Most of the two languages is the same. What differs: \s \w \h \b and POSIX brackets name other sets, (?m) lets the dot match a
 * newline, ^ and $ always stop at lines, a quantifier may follow a quantifier, "{n}?" and "{n,m}+" are such pairs, classes nest. Whatever
 * is neither equal nor rewritten here is an error that names it. */
#include <stdio.h>
#include <string.h>

#include "text/regex.h"

#define SPACES "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NO_SPACES                                                                                                           \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x84\\x86-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}"   \
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{d7ff}\\x{e000}-\\x{10ffff}"
/* With what became alphabetic, or lower case, after Unicode 14. */
#define ALPHA "\\p{Alphabetic}\\x{363}-\\x{36f}\\x{c04}\\x{f82}\\x{f83}\\x{1dd3}-\\x{1de6}\\x{11080}\\x{11081}"
#define LOWER "\\p{Lowercase}\\x{10fc}\\x{a7f2}-\\x{a7f4}\\x{ab69}"
#define WORDS ALPHA "\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}"
#define WORDS_ALONE WORDS "\\xb2\\xb3\\xb9\\xbc-\\xbe" /* \w outside a class: six numbers of Latin-1 more */

enum { MAX_GROUPS = 64, MAX_PATTERN = 16384 };

typedef struct parser {
    const char *whole, *p;
    at_str *out;
    size_t atom;              /* where the last atom begins in out; SIZE_MAX: none */
    size_t group[MAX_GROUPS]; /* where each open group begins */
    int n_groups;
    at_error *err;
} parser;

/* Sets by name: \p{name} and [:name:]. A set that PCRE2 knows by the same name is not here. */
static const struct {
    const char *name, *inside; /* as part of a class */
    int negates;               /* 1: [:^name:] and \P{name} work by writing \P */
} SETS[] = {
    {"alpha", ALPHA, 0}, {"alphabetic", ALPHA, 0}, {"digit", "\\p{Nd}", 1},          {"upper", "\\p{Uppercase}", 1},
    {"lower", LOWER, 0}, {"lowercase", LOWER, 0},  {"alnum", ALPHA "\\p{Nd}", 0}, {"space", SPACES, 0},
    {"word", WORDS, 0},              {"punct", "\\p{P}\\p{S}", 0},  {"xdigit", "0-9a-fA-F", 0},
    {"ascii", "\\x00-\\x7f", 0},     {"blank", "\\x09\\p{Zs}", 0},
};

/* Long names of general categories. */
static const char *const LONG[][2] = {
    {"letter", "L"}, {"mark", "M"}, {"number", "N"}, {"symbol", "S"}, {"punctuation", "P"}, {"separator", "Z"}, {"other", "C"},
    {"uppercaseletter", "Lu"}, {"lowercaseletter", "Ll"}, {"titlecaseletter", "Lt"}, {"modifierletter", "Lm"}, {"otherletter", "Lo"},
    {"nonspacingmark", "Mn"}, {"decimalnumber", "Nd"}, {"letternumber", "Nl"}, {"othernumber", "No"}, {"control", "Cc"},
    {"spaceseparator", "Zs"},
};

static at_status refuse(parser *s, const char *what) {
    return at_fail(s->err, AT_BAD_MODEL, "the regular expression '%.160s' uses %s, which is not known here", s->whole, what);
}

static void put(parser *s, const char *text) { at_str_add(s->out, text); }

static int is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
static int is_digit(char c) { return c >= '0' && c <= '9'; }
static int is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* One literal character at s->p. */
static void put_literal(parser *s) {
    uint32_t cp = 0;
    int size = at_utf8_decode((const unsigned char *)s->p, strlen(s->p), &cp);
    if (cp < 0x80 && !is_letter((char)cp) && !is_digit((char)cp)) at_str_addf(s->out, "\\x{%x}", cp);
    else at_str_add_bytes(s->out, s->p, (size_t)size);
    s->p += size;
}

/* \p{name} or \P{name} at s->p ("p"), in or outside a class. */
static at_status property(parser *s, int in_class) {
    char name[40], key[40];
    int negated = *s->p++ == 'P';
    size_t n = 0, k = 0;
    if (*s->p != '{') return refuse(s, "\\p without a name");
    const char *end = strchr(++s->p, '}');
    if (!end || (size_t)(end - s->p) >= sizeof name) return refuse(s, "a property of a strange name");
    if (*s->p == '^') s->p++, negated = !negated;
    for (; s->p < end; s->p++) {
        name[n++] = *s->p;
        if (is_letter(*s->p) || is_digit(*s->p)) key[k++] = (char)(is_letter(*s->p) ? *s->p | 0x20 : *s->p);
        else if (!strchr(" _-", *s->p)) return refuse(s, "a property of a strange name");
    }
    name[n] = key[k] = '\0';
    s->p = end + 1;
    for (size_t i = 0; i < sizeof LONG / sizeof *LONG; i++)
        if (!strcmp(key, LONG[i][0])) snprintf(name, sizeof name, "%s", LONG[i][1]);
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++) {
        if (strcmp(key, SETS[i].name)) continue;
        if (in_class && negated && !SETS[i].negates) return refuse(s, "a negated set within a class");
        if (in_class && negated) at_str_addf(s->out, "\\P%s", SETS[i].inside + 2);
        else if (in_class) put(s, SETS[i].inside);
        else at_str_addf(s->out, "[%s%s]", negated ? "^" : "", SETS[i].inside);
        return AT_OK;
    }
    /* Two letters are a category; of the rest all but these few are scripts, which PCRE2 would else take for script extensions. */
    static const char *const binary[] = {"any", "uppercase", "emoji", "extendedpictographic", "whitespace", "ideographic", NULL};
    int script = k > 2 && at_word_index(key, binary) < 0 && strlen(name) > 2;
    at_str_addf(s->out, "\\%c{%s%s}", negated ? 'P' : 'p', script ? "sc:" : "", name);
    return AT_OK;
}

/* \xHH, \x{H...}, \uHHHH and octal numbers, at the letter or digit. */
static at_status number(parser *s) {
    unsigned value = 0;
    int n = 0, most = *s->p == 'u' ? 4 : 2, base = is_digit(*s->p) ? 8 : 16, braces = 0;
    if (base == 16) s->p++;
    else most = 3;
    if (base == 16 && most == 2 && *s->p == '{') s->p++, braces = 1, most = 8;
    for (; n < most && (base == 16 ? is_hex(*s->p) : *s->p >= '0' && *s->p <= '7'); n++, s->p++)
        value = value * (unsigned)base + (unsigned)(is_digit(*s->p) ? *s->p - '0' : (*s->p | 0x20) - 'a' + 10);
    if (braces && *s->p++ != '}') return refuse(s, "a character number without its end");
    if (!n || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return refuse(s, "a number that is no character");
    if (value > 0x7f && !braces && most != 4) return refuse(s, "a byte of a character");
    at_str_addf(s->out, "\\x{%x}", value);
    return AT_OK;
}

/* Escapes that mean one character, in or outside a class; 0 where it is none of them. */
static int put_control(parser *s) {
    static const char from[] = "nrtfaev";
    static const unsigned to[] = {10, 13, 9, 12, 7, 27, 11};
    const char *at = *s->p ? strchr(from, *s->p) : NULL;
    if (!at) return 0;
    at_str_addf(s->out, "\\x{%x}", to[at - from]);
    s->p++;
    return 1;
}

/* After the backslash, within a class. *single: it stands for one character, so that a range may begin or end with it. */
static at_status class_escape(parser *s, int *single) {
    *single = 0;
    switch (*s->p) {
    case '\0': return refuse(s, "a backslash at its end");
    case 's': put(s, SPACES); break;
    case 'S': put(s, NO_SPACES); break;
    case 'd': put(s, "\\p{Nd}"); break;
    case 'D': put(s, "\\P{Nd}"); break;
    case 'w': put(s, WORDS); break;
    case 'h': put(s, "0-9a-fA-F"); break;
    case 'p':
    case 'P': return property(s, 1);
    case 'W':
    case 'H':
    case 'R':
    case 'X': return refuse(s, "\\W, \\H, \\R or \\X within a class");
    case 'c':
    case 'C':
    case 'M': return refuse(s, "a control or meta character");
    default:
        *single = 1;
        if (*s->p == 'b') {
            s->p++;
            put(s, "\\x{8}");
        } else if (*s->p == 'x' || *s->p == 'u' || is_digit(*s->p)) return number(s);
        else if (!put_control(s)) put_literal(s);
        return AT_OK;
    }
    s->p++;
    return AT_OK;
}

/* [:name:] at s->p; 0 where it is none. */
static at_status bracket(parser *s, int *is_one) {
    char name[16];
    const char *from = s->p + 2;
    int negated = *from == '^';
    from += negated;
    size_t n = 0;
    while (is_letter(from[n]) && n < sizeof name - 1) n++;
    *is_one = from[n] == ':' && from[n + 1] == ']';
    if (!*is_one) return AT_OK;
    memcpy(name, from, n);
    name[n] = '\0';
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++) {
        if (strcmp(name, SETS[i].name)) continue;
        if (negated && !SETS[i].negates) return refuse(s, "a negated set within a class");
        if (negated) at_str_addf(s->out, "\\P%s", SETS[i].inside + 2);
        else put(s, SETS[i].inside);
        s->p = from + n + 2;
        return AT_OK;
    }
    return refuse(s, "a POSIX bracket");
}

/* The members of a class up to its "]", s->p after the "[" and "^". */
static at_status class_members(parser *s, int depth) {
    int single = 0, first = 1; /* single: a range may begin here */
    if (depth > 16) return refuse(s, "classes in classes");
    for (; *s->p && (*s->p != ']' || first); first = 0) {
        int is_bracket = 0;
        if (s->p[0] == '&' && s->p[1] == '&') return refuse(s, "the intersection of classes (&&)");
        if (s->p[0] == '[' && s->p[1] == ':') AT_TRY(bracket(s, &is_bracket));
        if (is_bracket) {
            single = 0;
            continue;
        }
        if (*s->p == '[') {
            s->p++;
            if (*s->p == '^') return refuse(s, "a negated class within a class");
            AT_TRY(class_members(s, depth + 1));
            s->p++;
            single = 0;
            continue;
        }
        if (*s->p == '-' && single && s->p[1] && s->p[1] != ']') {
            put(s, "-");
            s->p++;
            if (*s->p == '[') return refuse(s, "a range that ends with a class");
            if (*s->p == '\\') {
                s->p++;
                AT_TRY(class_escape(s, &single));
                if (!single) return refuse(s, "a range that ends with a set");
            } else put_literal(s);
            single = 0;
            continue;
        }
        if (*s->p == '\\') {
            s->p++;
            AT_TRY(class_escape(s, &single));
        } else {
            put_literal(s);
            single = 1;
        }
    }
    return *s->p ? AT_OK : refuse(s, "a class without its end");
}

static at_status class(parser *s) {
    s->atom = s->out->len;
    put(s, "[");
    s->p++;
    if (*s->p == '^') {
        put(s, "^");
        s->p++;
    }
    AT_TRY(class_members(s, 0));
    put(s, "]");
    s->p++;
    return AT_OK;
}

/* After the backslash, outside a class. */
static at_status escape(parser *s) {
    static const char *const same = "AzZGK";
    s->atom = s->out->len;
    if (*s->p && strchr(same, *s->p)) {
        at_str_addf(s->out, "\\%c", *s->p++);
        return AT_OK;
    }
    switch (*s->p) {
    case '\0': return refuse(s, "a backslash at its end");
    case 's': put(s, "[" SPACES "]"); break;
    case 'S': put(s, "[^" SPACES "]"); break;
    case 'd': put(s, "\\p{Nd}"); break;
    case 'D': put(s, "\\P{Nd}"); break;
    case 'w': put(s, "[" WORDS_ALONE "]"); break;
    case 'W': put(s, "[^" WORDS_ALONE "]"); break;
    case 'h': put(s, "[0-9a-fA-F]"); break;
    case 'H': put(s, "[^0-9a-fA-F]"); break;
    case 'R': put(s, "\\R"); break;
    case 'b': put(s, "(?:(?<=[" WORDS_ALONE "])(?![" WORDS_ALONE "])|(?<![" WORDS_ALONE "])(?=[" WORDS_ALONE "]))"); break;
    case 'B': put(s, "(?:(?<=[" WORDS_ALONE "])(?=[" WORDS_ALONE "])|(?<![" WORDS_ALONE "])(?![" WORDS_ALONE "]))"); break;
    case 'p':
    case 'P': return property(s, 0);
    case 'x':
    case 'u':
    case '0': return number(s);
    case 'k':
    case 'g':
    case 'X':
    case 'c':
    case 'C':
    case 'M': return refuse(s, "\\k, \\g, \\X, a control or a meta character");
    default:
        if (is_digit(*s->p)) {
            at_str_addf(s->out, "(?:\\%c)", *s->p++); /* an earlier group's text */
            if (is_digit(*s->p)) return refuse(s, "more than nine groups");
        } else if (!put_control(s)) put_literal(s);
        return AT_OK;
    }
    s->p++;
    return AT_OK;
}

/* "(" and what says its kind. */
static at_status open_group(parser *s) {
    static const char *const same[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", NULL};
    if (s->n_groups == MAX_GROUPS) return refuse(s, "too many groups in groups");
    s->group[s->n_groups++] = s->out->len;
    s->atom = SIZE_MAX;
    if (s->p[1] != '?') {
        put(s, "(");
        s->p++;
        return AT_OK;
    }
    for (int i = 0; same[i]; i++) {
        if (strncmp(s->p, same[i], strlen(same[i]))) continue;
        put(s, same[i]);
        s->p += strlen(same[i]);
        return AT_OK;
    }
    put(s, "(?");
    for (s->p += 2; *s->p && *s->p != ')' && *s->p != ':'; s->p++) {
        if (*s->p == 'm') put(s, "s"); /* Ruby's name for it */
        else if (*s->p == 'i' || *s->p == '-') at_str_add_bytes(s->out, s->p, 1);
        else return refuse(s, "a kind of group");
    }
    if (*s->p == ':') {
        put(s, ":");
        s->p++;
        return AT_OK;
    }
    return AT_OK; /* (?i): its ")" closes it */
}

/* {n} {n,} {,m} {n,m} at p: its length, else 0. */
static size_t interval(const char *p, int *fixed) {
    size_t i = 1, digits = 0;
    *fixed = 1;
    while (is_digit(p[i])) i++, digits++;
    if (p[i] == ',') {
        *fixed = 0;
        i++;
        while (is_digit(p[i])) i++, digits++;
    }
    return digits && p[i] == '}' ? i + 1 : 0;
}

/* Puts the atom, with its quantifier, into a group, so that another may follow. */
static at_status wrap(parser *s) {
    size_t len = s->out->len - s->atom;
    put(s, "(?:)");
    if (s->out->failed) return at_fail_memory(s->err, s->out->len);
    memmove(s->out->text + s->atom + 3, s->out->text + s->atom, len);
    memcpy(s->out->text + s->atom, "(?:", 3);
    s->out->text[s->atom + 3 + len] = ')';
    return AT_OK;
}

/* A quantifier at s->p after an atom, and those that follow it. */
static at_status quantify(parser *s) {
    for (int n = 0; *s->p; n++) {
        int fixed = 0;
        size_t len = *s->p == '{' ? interval(s->p, &fixed) : strchr("*+?", *s->p) ? 1 : 0;
        if (!len) break;
        if (s->atom == SIZE_MAX) return refuse(s, "a quantifier with nothing before it");
        if (n) AT_TRY(wrap(s));
        if (n > 8) return refuse(s, "too many quantifiers");
        int is_interval = *s->p == '{';
        if (is_interval && s->p[1] == ',') {
            put(s, "{0");
            at_str_add_bytes(s->out, s->p + 1, len - 1);
        } else at_str_add_bytes(s->out, s->p, len);
        s->p += len;
        if ((*s->p == '?' && !fixed) || (*s->p == '+' && !is_interval)) at_str_add_bytes(s->out, s->p++, 1);
    }
    return AT_OK;
}

static at_status item(parser *s) {
    switch (*s->p) {
    case '\\': s->p++; return escape(s);
    case '[': return class(s);
    case '(': return open_group(s);
    case ')':
        if (!s->n_groups) return refuse(s, "a group without its beginning");
        s->atom = s->group[--s->n_groups];
        break;
    case '|': s->atom = SIZE_MAX; break;
    case '.':
    case '^':
    case '$': s->atom = s->out->len; break;
    default: s->atom = s->out->len; put_literal(s); return AT_OK;
    }
    at_str_add_bytes(s->out, s->p++, 1);
    return AT_OK;
}

at_status at_regex_translate(const char *pattern, at_str *out, at_error *err) {
    parser s = {.whole = pattern, .p = pattern, .out = out, .atom = SIZE_MAX, .err = err};
    if (strlen(pattern) > MAX_PATTERN) return at_fail(err, AT_BAD_MODEL, "a regular expression of more than %d bytes", MAX_PATTERN);
    at_str_add(out, "");
    while (*s.p) {
        int fixed;
        if (strchr("*+?", *s.p) || (*s.p == '{' && interval(s.p, &fixed))) AT_TRY(quantify(&s));
        else AT_TRY(item(&s));
    }
    return s.n_groups ? refuse(&s, "a group without its end") : AT_OK;
}
