/* Regular expressions of tokenizer.json. They are written for Oniguruma (syntax of Ruby), which the `tokenizers` library uses;
 * here they are rewritten for PCRE2 (regex_syntax.c), with the library's classes where the two differ, and run under limits: an
 * expression that blows up ends in an error, not in a wait. */
#ifndef AT_TEXT_REGEX_H
#define AT_TEXT_REGEX_H

#include "base/str.h"

/* A compiled pattern: a plain string or a regular expression. Read-only once compiled. */
typedef struct at_pattern at_pattern;

/* All patterns of one tokenizer. Zero-initialise; they live in its arena but hold machine code that at_patterns_free gives back,
 * which must come before the arena is freed. */
typedef struct at_patterns {
    at_pattern *first;
} at_patterns;
void at_patterns_free(at_patterns *patterns);

/* What one thread needs to match. Zero-initialise. */
typedef struct at_matcher {
    void *data, *context;
} at_matcher;
void at_matcher_free(at_matcher *matcher);

/* AT_BAD_MODEL where the expression is wrong or uses what is not known here; `text` must not be empty if plain. */
at_status at_pattern_compile(at_arena *arena, at_patterns *patterns, const char *text, int is_regex, at_pattern **pattern,
                             at_error *err);

int at_pattern_is_regex(const at_pattern *pattern);

/* Where a search stands. Zero-initialise with .ended = -1. */
typedef struct at_search {
    size_t from;
    int64_t ended; /* end of the last match */
} at_search;

/* The next match in text[0..len), valid UTF-8, as bytes [*begin, *end); *found 0 where there is none. An empty match directly after
 * a match is passed over, as the library does. AT_BAD_DATA where a limit is reached. */
at_status at_pattern_next(const at_pattern *pattern, at_matcher *matcher, const char *text, size_t len, at_search *search, int *found,
                          size_t *begin, size_t *end, at_error *err);

/* regex_syntax.c: the same expression in PCRE2's syntax. */
at_status at_regex_translate(const char *pattern, at_str *out, at_error *err);

#endif
