#include "text/scan.h"

#include <string.h>

#include "text/unicode.h"

#define N_CLASSES 0x20000

enum { OTHER, LETTER, NUMBER, SPACE, NEWLINE };

static const struct {
    const char *regex;
    at_scan_kind kind;
} KNOWN[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", AT_SCAN_GPT2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", AT_SCAN_GPT2},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     AT_SCAN_LLAMA3},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     AT_SCAN_QWEN2},
};

static uint8_t class_of(uint32_t cp) {
    if (cp == '\r' || cp == '\n') return NEWLINE;
    if (at_cp_flags(cp) & AT_CP_SPACE) return SPACE;
    int category = at_cp_category(cp);
    if (category >= AT_CAT_LU && category <= AT_CAT_LO) return LETTER;
    return category >= AT_CAT_ND && category <= AT_CAT_NO ? NUMBER : OTHER;
}

static at_status make_classes(at_build *build, at_error *err) {
    if (build->classes) return AT_OK;
    uint8_t *classes = AT_NEW_ARRAY(build->arena, uint8_t, N_CLASSES);
    if (!classes) return at_fail_memory(err, N_CLASSES);
    for (uint32_t cp = 0; cp < N_CLASSES; cp++) classes[cp] = class_of(cp);
    build->classes = classes;
    return AT_OK;
}

at_status at_scan_init(at_build *build, at_scan_kind kind, at_scan *scan, at_error *err) {
    *scan = (at_scan){0};
    AT_TRY(make_classes(build, err));
    *scan = (at_scan){kind, build->classes};
    return AT_OK;
}

at_status at_scan_find(at_build *build, const char *regex, at_scan *scan, at_error *err) {
    *scan = (at_scan){0};
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (!strcmp(regex, KNOWN[i].regex)) return at_scan_init(build, KNOWN[i].kind, scan, err);
    return AT_OK;
}

/* The class of the character at p and its length. */
static inline int class_at(const at_scan *scan, const unsigned char *p, size_t *size) {
    uint32_t cp = p[0];
    *size = 1;
    if (cp < 0x80) return scan->classes[cp];
    if (cp < 0xe0) {
        cp = (cp & 0x1f) << 6 | (p[1] & 0x3f);
        *size = 2;
    } else if (cp < 0xf0) {
        cp = (cp & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        *size = 3;
    } else {
        cp = (cp & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
        *size = 4;
    }
    return cp < N_CLASSES ? scan->classes[cp] : class_of(cp);
}

/* The end of the run of one class from `at`. */
static size_t run(const at_scan *scan, const unsigned char *p, size_t len, size_t at, int class) {
    size_t size;
    while (at < len && class_at(scan, p + at, &size) == class) at += size;
    return at;
}

/* \s+(?!\S)|\s+ and, where newlines count, \s*[\r\n]+ before them. */
static size_t blanks(const at_scan *scan, const unsigned char *p, size_t len, size_t at, int newlines) {
    size_t begin = at, last = at, size, after_newline = 0;
    while (at < len) {
        int class = class_at(scan, p + at, &size);
        if (class < SPACE) break;
        last = at;
        at += size;
        if (class == NEWLINE) after_newline = at;
    }
    if (newlines && after_newline) return after_newline;
    return at == len || last == begin ? at : last;
}

/* What follows the apostrophe of 's 't 're 've 'm 'll 'd: its length, or 0. */
static size_t contraction(const unsigned char *p, size_t left, int fold) {
    if (!left) return 0;
    unsigned char a = p[0], b = left > 1 ? p[1] : 0;
    if (fold && left > 1 && a == 0xc5 && b == 0xbf) return 2; /* the long s */
    if (fold && a >= 'A' && a <= 'Z') a |= 0x20;
    if (fold && b >= 'A' && b <= 'Z') b |= 0x20;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 1;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 2 : 0;
}

static size_t word_gpt2(const at_scan *scan, const unsigned char *p, size_t len, size_t at) {
    size_t size, found, next = at;
    if (p[at] == '\'' && (found = contraction(p + at + 1, len - at - 1, 0))) return at + 1 + found;
    if (p[at] == ' ' && at + 1 < len) next++;
    int class = class_at(scan, p + next, &size);
    if (class >= SPACE) return blanks(scan, p, len, at, 0);
    return run(scan, p, len, next + size, class);
}

static size_t word_llama3(const at_scan *scan, const unsigned char *p, size_t len, size_t at) {
    size_t size, found, next_size = 0;
    if (p[at] == '\'' && (found = contraction(p + at + 1, len - at - 1, 1))) return at + 1 + found;
    int class = class_at(scan, p + at, &size);
    if (class == LETTER) return run(scan, p, len, at + size, LETTER);
    size_t next = at + size;
    int next_class = next < len ? class_at(scan, p + next, &next_size) : NEWLINE;
    if ((class == OTHER || class == SPACE) && next_class == LETTER) return run(scan, p, len, next + next_size, LETTER);
    if (class == NUMBER) {
        for (int n = 1; scan->kind == AT_SCAN_LLAMA3 && n < 3 && next < len && class_at(scan, p + next, &size) == NUMBER; n++) next += size;
        return next;
    }
    if (class == OTHER || (p[at] == ' ' && next < len && next_class == OTHER)) {
        next = run(scan, p, len, next, OTHER);
        while (next < len && (p[next] == '\r' || p[next] == '\n')) next++;
        return next;
    }
    return blanks(scan, p, len, at, 1);
}

size_t at_scan_word(const at_scan *scan, const unsigned char *text, size_t len, size_t at) {
    return scan->kind == AT_SCAN_GPT2 ? word_gpt2(scan, text, len, at) : word_llama3(scan, text, len, at);
}
