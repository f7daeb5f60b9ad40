/* Strings: a builder that grows in an arena, and the few questions asked of strings everywhere. */
#ifndef AT_BASE_STR_H
#define AT_BASE_STR_H

#include "base/arena.h"

/* A builder. Zero-initialise with its arena: at_str s = {.arena = &a}. `text` is always NUL-terminated
 * once something was added; `failed` sticks when memory ran out, and the text is then incomplete. */
typedef struct at_str {
    at_arena *arena;
    char *text;
    size_t len, cap;
    int failed;
} at_str;

void at_str_add(at_str *s, const char *text);
void at_str_add_bytes(at_str *s, const char *bytes, size_t len);
void at_str_addf(at_str *s, const char *fmt, ...) AT_PRINTF(2, 3);
void at_str_clear(at_str *s);

/* The index of `word` in the list (NULL-terminated), or -1. Exact. */
int at_word_index(const char *word, const char *const *list);

/* at_nearest (attune.h): Damerau-Levenshtein, at most max(1, len/3) edits, '-' and '_' equal, case ignored. */

/* Strict numbers: the whole string or nothing. Return 1 where it was one. */
int at_parse_double(const char *text, double *value);
int at_parse_int(const char *text, long long *value);

/* Length of the UTF-8 sequence at p (1..4), or 0 where it is not valid UTF-8 (surrogates and overlong
 * forms are not). *cp gets the code point. */
int at_utf8_decode(const unsigned char *p, size_t left, uint32_t *cp);
int at_utf8_encode(uint32_t cp, char out[4]); /* bytes written */
/* The offset of the first byte that is not valid UTF-8, or len. */
size_t at_utf8_check(const char *text, size_t len);

#endif
