/* Unicode as the `tokenizers` library sees it. The library mixes tables of several versions (categories of Unicode 8,
 * normal forms of Unicode 9, case and \w of the newest), and identical ids need identical classes, so these come from a
 * table made by asking the library (tests/oracle/make_unicode_tables.py, make_category_tables.py), not from the system's Unicode version.
 * Decompositions and compositions are utf8proc's, less what came after Unicode 9. docs/tokenizer.md lists the rest. */
#ifndef AT_TEXT_UNICODE_H
#define AT_TEXT_UNICODE_H

#include <stdint.h>

enum {
    AT_CP_SPACE = 1,      /* White_Space */
    AT_CP_DROP = 2,       /* control, format, private use, U+0000 and U+FFFD: what BERT's clean_text removes */
    AT_CP_PUNCT = 4,      /* BERT's punctuation: category P and all ASCII that is no letter, digit, space or control */
    AT_CP_NONSPACING = 8, /* category Mn: what BERT's strip_accents removes */
    AT_CP_MARK = 16,      /* category M: what the normalizer StripAccents removes */
    AT_CP_WORD = 32,      /* \w of regular expressions */
    AT_CP_HAN = 64        /* what BERT's handle_chinese_chars sets apart */
};

#define AT_DECOMPOSE_MAX 24 /* code points that one code point becomes at most (U+FDFA becomes 18) */

int at_cp_flags(uint32_t cp);
uint32_t at_cp_lower(uint32_t cp); /* one code point; U+0130, which becomes two (U+0069 U+0307), is returned unchanged */
int at_cp_combining_class(uint32_t cp);

/* Full canonical (or compatibility) decomposition in out; the number of code points, at least 1. */
int at_cp_decompose(uint32_t cp, int compatibility, uint32_t out[AT_DECOMPOSE_MAX]);
uint32_t at_cp_compose(uint32_t first, uint32_t second); /* the primary composite, or 0 */

/* General categories, in utf8proc's order. */
enum {
    AT_CAT_CN, AT_CAT_LU, AT_CAT_LL, AT_CAT_LT, AT_CAT_LM, AT_CAT_LO, AT_CAT_MN, AT_CAT_MC, AT_CAT_ME, AT_CAT_ND, AT_CAT_NL, AT_CAT_NO,
    AT_CAT_PC, AT_CAT_PD, AT_CAT_PS, AT_CAT_PE, AT_CAT_PI, AT_CAT_PF, AT_CAT_PO, AT_CAT_SM, AT_CAT_SC, AT_CAT_SK, AT_CAT_SO, AT_CAT_ZS,
    AT_CAT_ZL, AT_CAT_ZP, AT_CAT_CC, AT_CAT_CF, AT_CAT_CS, AT_CAT_CO
};
int at_cp_category(uint32_t cp);   /* as the library's regular expressions have it */
int at_cp_is_number(uint32_t cp);  /* what the pre-tokenizer Digits splits at */
uint32_t at_cp_for_regex(uint32_t cp); /* what PCRE2 is shown: another of the same category where it does not know cp yet */
int at_cp_script(uint32_t cp);     /* what UnicodeScripts takes for a script: a number, 0 joins any */
/* Whether an extended grapheme cluster goes on from `before` to `after`. *state: 0 at the beginning of a text, kept between calls. */
int at_cp_joins(uint32_t before, uint32_t after, int32_t *state);

/* Calls set(context, first, last, flags) for every run of code points with equal flags, in order. */
void at_cp_each_run(void (*set)(void *context, uint32_t first, uint32_t last, int flags), void *context);

#endif
