/* Pre-tokenizers: a normalised text -> words, as spans of its code points. Each is a name, a function that reads its fields and one that
 * cuts (and may change the text, as Metaspace does). A Sequence is the flat list of its parts. */
#ifndef AT_TEXT_PRETOKENIZER_H
#define AT_TEXT_PRETOKENIZER_H

#include "text/chars.h"
#include "text/scan.h"

/* What becomes of a delimiter. */
typedef enum at_split_behavior {
    AT_SPLIT_REMOVED,
    AT_SPLIT_ISOLATED,
    AT_SPLIT_MERGED_WITH_PREVIOUS,
    AT_SPLIT_MERGED_WITH_NEXT,
    AT_SPLIT_CONTIGUOUS
} at_split_behavior;

typedef enum at_prepend_scheme { AT_PREPEND_ALWAYS, AT_PREPEND_FIRST, AT_PREPEND_NEVER } at_prepend_scheme;

typedef struct at_pretokenizer at_pretokenizer;
typedef struct at_cutting at_cutting;

typedef struct at_pretokenizer_type {
    const char *name;
    at_status (*read)(at_build *build, const json_t *part, at_pretokenizer *p, at_error *err); /* NULL: no fields */
    at_status (*cut)(const at_pretokenizer *p, at_cutting *c, at_error *err);
} at_pretokenizer_type;

struct at_pretokenizer {
    const at_pretokenizer_type *type;
    at_split_behavior behavior;
    uint32_t delimiter;   /* CharDelimiterSplit, Metaspace's replacement */
    at_pattern *pattern;  /* Split */
    at_scan scan;         /* Split and ByteLevel, where the expression is a known one */
    int invert;           /* Split */
    int add_prefix_space; /* ByteLevel */
    int use_regex;        /* ByteLevel */
    int split;            /* Metaspace */
    at_prepend_scheme prepend;
    int length;           /* FixedLength */
};

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

/* A stretch of a text that a pattern matches, or that lies between two matches. */
typedef struct at_stretch {
    int begin, end;
    int match;
} at_stretch;

/* A text being cut: `words` are spans of `chars`, in order, none empty. Zero-initialise; grows and is reused. */
struct at_cutting {
    at_chars *chars;
    at_matcher *matcher;
    at_spans words, before; /* `before`: what a step starts from */
    at_stretch *stretch;
    int n_stretches, stretch_cap;
};
void at_cutting_free(at_cutting *c);

at_status at_pretokenizers_read(at_build *build, const json_t *part, at_pretokenizers *pretokenizers, at_error *err);

/* Cuts all of c->chars, which may be changed, into c->words. */
at_status at_pretokenize(const at_pretokenizers *pretokenizers, at_cutting *c, at_error *err);

/* cut.c: the ways to cut, for the table. */
at_status at_cut_bert(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_whitespace(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_at_spaces(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_at_punctuation(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_at_delimiter(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_at_digits(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_scripts(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_fixed(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_split(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_bytelevel(const at_pretokenizer *p, at_cutting *c, at_error *err);
at_status at_cut_metaspace(const at_pretokenizer *p, at_cutting *c, at_error *err);

#endif
