/* Pre-tokenizers: a normalised text -> words, as spans of its code points. A Sequence is the flat list of its parts. */
#ifndef AT_TEXT_PRETOKENIZER_H
#define AT_TEXT_PRETOKENIZER_H

#include "base/json.h"
#include "text/chars.h"

typedef enum at_pretokenizer_kind {
    AT_PRETOKENIZER_BERT,
    AT_PRETOKENIZER_WHITESPACE,       /* \w+|[^\w\s]+ */
    AT_PRETOKENIZER_WHITESPACE_SPLIT,
    AT_PRETOKENIZER_PUNCTUATION,
    AT_PRETOKENIZER_CHAR_DELIMITER,
    AT_PRETOKENIZER_SEQUENCE
} at_pretokenizer_kind;

/* What becomes of a delimiter. */
typedef enum at_split_behavior {
    AT_SPLIT_REMOVED,
    AT_SPLIT_ISOLATED,
    AT_SPLIT_MERGED_WITH_PREVIOUS,
    AT_SPLIT_MERGED_WITH_NEXT,
    AT_SPLIT_CONTIGUOUS
} at_split_behavior;

typedef struct at_pretokenizer {
    at_pretokenizer_kind kind;
    at_split_behavior behavior;
    uint32_t delimiter;
} at_pretokenizer;

typedef struct at_pretokenizers {
    at_pretokenizer *item;
    int n;
} at_pretokenizers;

typedef struct at_span {
    int begin, end; /* code points */
} at_span;

/* Zero-initialise; grows and is reused. */
typedef struct at_spans {
    at_span *item;
    int n, cap;
} at_spans;
void at_spans_free(at_spans *spans);

at_status at_pretokenizers_read(at_arena *arena, const char *path, const json_t *part, at_pretokenizers *pretokenizers,
                                at_error *err);

/* The words of the part `whole` of chars, in order, none empty, in *words; `scratch` is overwritten. */
at_status at_pretokenize(const at_pretokenizers *pretokenizers, const at_chars *chars, at_span whole, at_spans *words,
                         at_spans *scratch, at_error *err);

#endif
