/* Normalizers: what is done to a text before it is cut into words. A Sequence is read as the flat list of its parts. */
#ifndef AT_TEXT_NORMALIZER_H
#define AT_TEXT_NORMALIZER_H

#include "base/json.h"
#include "text/chars.h"

typedef enum at_normalizer_kind {
    AT_NORMALIZER_BERT,
    AT_NORMALIZER_NFC,
    AT_NORMALIZER_NFD,
    AT_NORMALIZER_NFKC,
    AT_NORMALIZER_NFKD,
    AT_NORMALIZER_LOWERCASE,
    AT_NORMALIZER_STRIP_ACCENTS,
    AT_NORMALIZER_STRIP,
    AT_NORMALIZER_REPLACE,
    AT_NORMALIZER_SEQUENCE
} at_normalizer_kind;

typedef struct at_normalizer {
    at_normalizer_kind kind;
    int clean_text, handle_chinese_chars, strip_accents, lowercase; /* BERT; strip_accents null is resolved */
    int left, right;                                                /* Strip */
    uint32_t *pattern, *content;                                    /* Replace */
    int n_pattern, n_content;
} at_normalizer;

typedef struct at_normalizers {
    at_normalizer *item;
    int n;
} at_normalizers;

/* `part` is the value of "normalizer" in the file `path`; null or absent is none. */
at_status at_normalizers_read(at_arena *arena, const char *path, const json_t *part, at_normalizers *normalizers,
                              at_error *err);
at_status at_normalize(const at_normalizers *normalizers, at_chars *chars, at_error *err);

#endif
