/* A text on its way through the normalizers: code points, each with the range of original characters that it stands for.
 *
 * Every normalizer is a change stream, the model of the `tokenizers` library (NormalizedString::transform): each
 * new code point says how many of the old ones it accounts for. Change 0 replaces the next old one, +1 is inserted
 * (and stands for what the old one before it stood for), -n replaces the next and swallows the n after it. */
#ifndef AT_TEXT_CHARS_H
#define AT_TEXT_CHARS_H

#include "base/err.h"

typedef struct at_char {
    uint32_t cp;
    int32_t start, end; /* characters of the original text */
} at_char;

/* Zero-initialise. `item` is the text; `other` a second buffer of the same capacity, where a pass writes. */
typedef struct at_chars {
    at_char *item, *other;
    int n, n_other, cap;
    int read;   /* during a pass: old code points consumed */
    int64_t most; /* within at_normalize: characters that the text may become */
    int origin; /* first original character, for what is inserted before everything */
    struct at_change *change; /* scratch of the normal forms */
    int change_cap;
    char *utf8;   /* what at_chars_write wrote */
    int *char_of; /* for each of its bytes, and its end: the code point */
    size_t utf8_len, utf8_cap;
} at_chars;

void at_chars_free(at_chars *chars);
at_status at_chars_fail_long(at_error *err); /* AT_BAD_MODEL: it became longer than `most` */

/* Fills from UTF-8 whose first character is number `first` of the original. AT_BAD_DATA names the first bad byte. */
at_status at_chars_decode(at_chars *chars, const char *text, size_t len, int first, at_error *err);

/* What stands from `begin` to `end` in another text. */
at_status at_chars_copy(at_chars *chars, const at_chars *from, int begin, int end, at_error *err);

/* A pass: begin with room for n code points, emit, end. */
at_status at_chars_begin(at_chars *chars, int n, at_error *err);
at_status at_chars_more(at_chars *chars, int n, at_error *err); /* within a pass: room for n in all */
void at_chars_emit(at_chars *chars, uint32_t cp, int change);
void at_chars_skip(at_chars *chars, int n); /* old code points dropped before the first that is kept */
void at_chars_end(at_chars *chars);

/* All of it as UTF-8 in chars->utf8, with the way back in char_of; for_regex: with what PCRE2 is shown in the place of what it does
 * not know (unicode.h). */
at_status at_chars_write(at_chars *chars, int for_regex, at_error *err);

/* Puts n code points before the first; they stand for what it stands for. Nothing where there is nothing. */
at_status at_chars_prepend(at_chars *chars, const uint32_t *cps, int n, at_error *err);

/* The passes that more than one normalizer needs. */
at_status at_chars_normal_form(at_chars *chars, int compatibility, int compose, at_error *err);
at_status at_chars_lowercase(at_chars *chars, at_error *err);
void at_chars_remove(at_chars *chars, int flags); /* all with one of the AT_CP_ flags */

#endif
