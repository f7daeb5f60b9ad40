#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/room.h"

static int reserve(at_str *s, size_t more) {
    if (s->failed) return 0;
    size_t need = s->len + more + 1;
    if (need <= s->cap) return 1;
    size_t cap = s->cap * 2 > need ? s->cap * 2 : need + 64;
    char *text = at_alloc_raw(s->arena, cap, 1);
    if (!text) {
        s->failed = 1;
        return 0;
    }
    at_arena_copy(s->arena, text, s->text, s->len);
    s->text = text;
    s->cap = cap;
    return 1;
}

enum { EVERY = 1 << 20 };

/* What a long text is made of, and it itself, need not be resident: its arena is idle at every further MB. */
static void lengthen(at_str *s, size_t len) {
    if ((s->len + len) / EVERY != s->len / EVERY) at_arena_idle(s->arena);
    s->len += len;
}

void at_str_add_bytes(at_str *s, const char *bytes, size_t len) {
    if (!reserve(s, len)) return;
    if (len < EVERY) memcpy(s->text + s->len, bytes, len);
    else at_arena_copy(s->arena, s->text + s->len, bytes, len);
    lengthen(s, len);
    s->text[s->len] = '\0';
}

void at_str_add(at_str *s, const char *text) { at_str_add_bytes(s, text, strlen(text)); }

void at_str_addf(at_str *s, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len >= 0 && reserve(s, (size_t)len)) {
        vsnprintf(s->text + s->len, (size_t)len + 1, fmt, again);
        lengthen(s, (size_t)len);
    }
    va_end(again);
}

void at_str_clear(at_str *s) {
    s->len = 0;
    if (s->text) s->text[0] = '\0';
}

int at_word_index(const char *word, const char *const *list) {
    for (int i = 0; list[i]; i++)
        if (!strcmp(word, list[i])) return i;
    return -1;
}

static char fold(char c) { return c == '_' ? '-' : (char)tolower((unsigned char)c); }

enum { NEAR_MAX = 64 };

/* Damerau-Levenshtein (optimal string alignment) with three rows. */
static int edits(const char *a, const char *b) {
    int n = (int)strlen(a), m = (int)strlen(b);
    if (n > NEAR_MAX || m > NEAR_MAX) return NEAR_MAX;
    int rows[3][NEAR_MAX + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    for (int j = 0; j <= m; j++) last[j] = j;
    for (int i = 1; i <= n; i++) {
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int same = fold(a[i - 1]) == fold(b[j - 1]);
            int best = last[j - 1] + !same;
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        int *swap = before;
        before = last;
        last = now;
        now = swap;
    }
    return last[m];
}

const char *at_nearest(const char *word, const char *const *list, int n) {
    int len = (int)strlen(word), limit = len / 3 > 1 ? len / 3 : 1, best = limit + 1;
    const char *nearest = NULL;
    for (int i = 0; i < n; i++) {
        int distance = edits(word, list[i]);
        if (distance < best && distance < (int)strlen(list[i])) {
            best = distance;
            nearest = list[i];
        }
    }
    return nearest;
}

int at_parse_double(const char *text, double *value) {
    if (!*text || isspace((unsigned char)*text)) return 0;
    char *end;
    double parsed = strtod(text, &end);
    if (*end || !isfinite(parsed)) return 0;
    *value = parsed;
    return 1;
}

int at_parse_int(const char *text, long long *value) {
    if (!*text || isspace((unsigned char)*text)) return 0;
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (*end || errno) return 0;
    *value = parsed;
    return 1;
}

int at_utf8_decode(const unsigned char *p, size_t left, uint32_t *cp) {
    if (!left) return 0;
    if (p[0] < 0x80) return *cp = p[0], 1;
    int len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < (size_t)len) return 0;
    uint32_t c = p[0] & (0xFFu >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    if ((len == 3 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) || (len == 4 && (c < 0x10000 || c > 0x10FFFF)))
        return 0;
    *cp = c;
    return len;
}

int at_utf8_encode(uint32_t cp, char out[4]) {
    if (cp < 0x80) return out[0] = (char)cp, 1;
    int len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = len - 1; i > 0; i--, cp >>= 6) out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00u >> len) | cp);
    return len;
}

size_t at_utf8_check(const char *text, size_t len) {
    size_t i = 0;
    uint32_t cp;
    while (i < len) {
        int n = at_utf8_decode((const unsigned char *)text + i, len - i, &cp);
        if (!n) break;
        i += (size_t)n;
    }
    return i;
}
