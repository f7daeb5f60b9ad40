#include "text/unicode.h"

#include <stddef.h>
#include <utf8proc.h>

typedef struct at_lower_run {
    uint32_t first, last;
    int32_t step, delta;
} at_lower_run;

typedef struct at_combining_run {
    uint32_t first, last;
    int combining_class;
} at_combining_run;

typedef struct at_newer_run {
    uint32_t first, last;
} at_newer_run;

typedef struct at_valued_run {
    uint32_t first, last;
    int value;
} at_valued_run;

#include "text/category_tables.inc"
#include "text/unicode_tables.inc"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The index of the last run whose first code point is not above cp, or -1. `FIRST` reads it from an entry. */
#define FIND_RUN(array, FIRST, cp, found)                             \
    do {                                                              \
        size_t low_ = 0, high_ = COUNT(array);                        \
        while (low_ < high_) {                                        \
            size_t middle_ = (low_ + high_) / 2;                      \
            if (FIRST((array)[middle_]) <= (cp)) low_ = middle_ + 1;  \
            else high_ = middle_;                                     \
        }                                                             \
        (found) = (ptrdiff_t)low_ - 1;                                \
    } while (0)
#define FIRST_OF_CLASS(entry) ((entry) >> 8)
#define FIRST_OF_RUN(entry) ((entry).first)

int at_cp_flags(uint32_t cp) {
    if (cp < 0x80) return ascii_flags[cp];
    ptrdiff_t i;
    FIND_RUN(class_starts, FIRST_OF_CLASS, cp, i);
    return (int)(class_starts[i] & 0xff); /* the first run starts at 0 */
}

void at_cp_each_run(void (*set)(void *context, uint32_t first, uint32_t last, int flags), void *context) {
    for (size_t i = 0; i < COUNT(class_starts); i++) {
        uint32_t end = i + 1 < COUNT(class_starts) ? class_starts[i + 1] >> 8 : 0x110000;
        set(context, class_starts[i] >> 8, end - 1, (int)(class_starts[i] & 0xff));
    }
}

uint32_t at_cp_lower(uint32_t cp) {
    ptrdiff_t i;
    if (cp < 0x80) return cp - 'A' < 26 ? cp + 32 : cp;
    FIND_RUN(lower_runs, FIRST_OF_RUN, cp, i);
    if (i < 0) return cp;
    const at_lower_run *run = &lower_runs[i];
    if (cp > run->last || (int32_t)(cp - run->first) % run->step) return cp;
    return (uint32_t)((int32_t)cp + run->delta);
}

int at_cp_combining_class(uint32_t cp) {
    ptrdiff_t i;
    FIND_RUN(combining_runs, FIRST_OF_RUN, cp, i);
    return i >= 0 && cp <= combining_runs[i].last ? combining_runs[i].combining_class : 0;
}

static int is_newer(uint32_t cp) {
    ptrdiff_t i;
    FIND_RUN(newer_runs, FIRST_OF_RUN, cp, i);
    return i >= 0 && cp <= newer_runs[i].last;
}

int at_cp_decompose(uint32_t cp, int compatibility, uint32_t out[AT_DECOMPOSE_MAX]) {
    out[0] = cp;
    if (cp < 0x80 || is_newer(cp)) return 1;
    utf8proc_int32_t parts[AT_DECOMPOSE_MAX];
    int boundary = 0;
    utf8proc_option_t form = compatibility ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, parts, AT_DECOMPOSE_MAX, form, &boundary);
    if (n < 1 || n > AT_DECOMPOSE_MAX) return 1;
    for (int i = 0; i < n; i++) out[i] = (uint32_t)parts[i];
    return (int)n;
}

/* Hangul is arithmetic (Unicode 3.12). Done here because utf8proc 2.8 lets U+11A7, which is no final, end a syllable. */
static uint32_t compose_hangul(uint32_t first, uint32_t second) {
    if (first - 0x1100 < 19 && second - 0x1161 < 21) return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28;
    if (first - 0xAC00 < 11172 && (first - 0xAC00) % 28 == 0 && second - 0x11A8 < 27) return first + (second - 0x11A7);
    return 0;
}

uint32_t at_cp_compose(uint32_t first, uint32_t second) {
    if (second - 0x1161 < 0x11C3 - 0x1161) return compose_hangul(first, second);
    utf8proc_int32_t pair[4] = {(utf8proc_int32_t)first, (utf8proc_int32_t)second}; /* it writes a byte string's end */
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1) return 0;
    uint32_t composite = (uint32_t)pair[0];
    return is_newer(composite) ? 0 : composite;
}

/* The value of the run that holds cp, or `absent`. */
#define VALUE_OF(array, cp, absent, value)                                              \
    do {                                                                                \
        ptrdiff_t run_;                                                                 \
        FIND_RUN(array, FIRST_OF_RUN, cp, run_);                                        \
        (value) = run_ >= 0 && (cp) <= (array)[run_].last ? (array)[run_].value : (absent); \
    } while (0)

int at_cp_category(uint32_t cp) {
    int value;
    VALUE_OF(category_runs, cp, -1, value);
    return value >= 0 ? value : (int)utf8proc_category((utf8proc_int32_t)cp);
}

uint32_t at_cp_for_regex(uint32_t cp) {
    if (cp < stand_in_runs[0].first) return cp;
    int value;
    VALUE_OF(stand_in_runs, cp, -1, value);
    return value >= 0 ? (uint32_t)value : cp;
}

int at_cp_is_number(uint32_t cp) {
    if (cp < 0x80) return cp - '0' < 10;
    int value, category = at_cp_category(cp);
    VALUE_OF(numeric_runs, cp, -1, value);
    return value >= 0 ? value : category == AT_CAT_ND || category == AT_CAT_NL || category == AT_CAT_NO;
}

int at_cp_script(uint32_t cp) {
    ptrdiff_t i;
    FIND_RUN(script_starts, FIRST_OF_CLASS, cp, i);
    return i < 0 ? 0 : (int)(script_starts[i] & 0xff);
}

int at_cp_joins(uint32_t before, uint32_t after, int32_t *state) {
    int value, breaks = utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)after, state);
    VALUE_OF(joining_runs, after, -1, value);
    if (value < 0 || before == '\r' || before == '\n' || before < 0x20) return !breaks;
    return value;
}
