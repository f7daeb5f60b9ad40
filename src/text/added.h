/* Added tokens: texts that are found before anything else is done, so that "[MASK]" stays one token. Some are looked
 * for in the text as it is, some ("normalized") in the normalised text. The leftmost match wins, of those at one place the
 * longest; then single_word, lstrip and rstrip apply, as in the library's AddedVocabulary. All in UTF-8. */
#ifndef AT_TEXT_ADDED_H
#define AT_TEXT_ADDED_H

#include "text/normalizer.h"
#include "text/trie.h"

typedef struct at_added_token {
    const char *content;
    const char *pattern; /* what is looked for: the content, or what the normalizers make of it */
    size_t pattern_len;
    int32_t id;
    uint8_t single_word, lstrip, rstrip, normalized, special;
} at_added_token;

/* The tokens of one stage. */
typedef struct at_added_stage {
    const at_added_token **by_first; /* by first byte, then longest first, then by text, then in the order of the file */
    int n;
    int from[257];  /* by_first[from[b]] .. [from[b + 1]] begin with byte b */
    int only_first; /* the byte that all begin with, or -1 */
    at_trie *many;  /* where they are many: of the patterns that are not long, by their places in by_first; NULL: they are gone through */
    int n_long[256]; /* long patterns by first byte: the first of by_first */
} at_added_stage;

typedef struct at_added {
    at_added_token *item; /* special ones first, else in the order of the file */
    int n;
    at_added_stage raw, normalized;
} at_added;

/* Part of a text: an added token, or (token NULL) what lies between them. Bytes [begin, end), never empty. */
typedef struct at_added_split {
    const at_added_token *token;
    size_t begin, end;
} at_added_split;

/* Zero-initialise; grows and is reused. */
typedef struct at_added_splits {
    at_added_split *item;
    int n, cap;
} at_added_splits;
void at_added_splits_free(at_added_splits *splits);

/* Completes `item`s whose content, id and flags are given: patterns and stages. */
at_status at_added_index(at_arena *arena, at_added *added, const at_normalizers *normalizers, at_error *err);

/* Cuts a text at the tokens of a stage. */
at_status at_added_find(const at_added_stage *stage, const char *text, size_t len, at_added_splits *splits,
                        at_error *err);

#endif
