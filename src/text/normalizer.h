/* Normalizers: what is done to a text before it is cut into words. Each is a name, a function that reads its fields and one that is
 * applied. A Sequence is read as the flat list of its parts. */
#ifndef AT_TEXT_NORMALIZER_H
#define AT_TEXT_NORMALIZER_H

#include "text/build.h"
#include "text/chars.h"
#include "text/charsmap.h"
#include "text/trie.h"

typedef struct at_normalizer at_normalizer;

/* What SentencePiece's normaliser does beside its character map. */
typedef struct at_spm_rules {
    int dummy_prefix;  /* a space before the text */
    int remove_spaces; /* runs of spaces become one, none at the ends */
    int escape;        /* spaces become U+2581 */
    int suffix;        /* the space comes after the text */
} at_spm_rules;

typedef struct at_normalizer_type {
    const char *name;
    at_status (*read)(at_build *build, const json_t *part, at_normalizer *n, at_error *err); /* NULL: no fields */
    at_status (*apply)(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err);
} at_normalizer_type;

struct at_normalizer {
    const at_normalizer_type *type;
    int clean_text, handle_chinese_chars, strip_accents, lowercase; /* BERT; strip_accents null is resolved */
    int left, right;                                                /* Strip */
    at_pattern *pattern;                                            /* Replace */
    uint32_t *content;                                              /* Replace, Prepend */
    int n_content;
    at_charsmap map;                                                /* Precompiled, SentencePiece */
    at_spm_rules rules;                                             /* SentencePiece */
    const at_trie *kept;                                            /* SentencePiece: texts that stay as they are, or NULL */
};

typedef struct at_normalizers {
    at_normalizer *item;
    int n;
} at_normalizers;

/* `part` is the value of "normalizer"; null or absent is none. */
at_status at_normalizers_read(at_build *build, const json_t *part, at_normalizers *normalizers, at_error *err);
/* The one normalizer of BERT, for old folders. */
at_status at_normalizers_bert(at_arena *arena, const at_normalizer *settings, at_normalizers *normalizers, at_error *err);
/* The one of a SentencePiece model; no file names it. `kept`: pieces that the user defined, or NULL; lives as long. */
at_status at_normalizers_sentencepiece(at_arena *arena, const at_charsmap *map, at_spm_rules rules, const at_trie *kept,
                                       at_normalizers *normalizers, at_error *err);
at_status at_normalize_sentencepiece(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err); /* normalizer_spm.c */
int at_normalizer_is_bert(const at_normalizer *n);
/* 1 where they change nothing in a text below U+0300: none at all, or NFC. */
int at_normalizers_keep_latin(const at_normalizers *normalizers);

at_status at_normalize(const at_normalizers *normalizers, at_chars *chars, at_matcher *matcher, at_error *err);

#endif
