/* Decoders: tokens back to text. Each is a name, a function that reads its fields and one that makes new texts of the texts of all tokens;
 * a Sequence is the flat list of its parts. What is left in the end is put together. */
#ifndef AT_TEXT_DECODER_H
#define AT_TEXT_DECODER_H

#include "text/build.h"

/* The texts of n tokens, one after the other. */
typedef struct at_texts {
    at_str text;
    size_t *end; /* of each in `text` */
    int n;
    size_t most; /* bytes that a step may make of them */
    int goes_on; /* text was given before these */
} at_texts;

/* Which spaces before a text SentencePiece leaves out: that of its first token, or of every token until there is text. */
typedef enum at_leading { AT_LEADING_STAYS, AT_LEADING_FIRST, AT_LEADING_ALL } at_leading;

typedef struct at_decoder at_decoder;
typedef struct at_decoder_type {
    const char *name;
    at_status (*read)(at_build *build, const json_t *part, at_decoder *d, at_error *err);                        /* NULL: no fields */
    at_status (*run)(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err); /* out: room for in->n */
} at_decoder_type;

struct at_decoder {
    const at_decoder_type *type;
    const char *from;      /* WordPiece's prefix, BPEDecoder's suffix, CTC's pad, Metaspace's and Strip's character */
    const char *to;        /* Replace's content, CTC's word delimiter */
    at_pattern *pattern;   /* Replace */
    int cleanup;           /* WordPiece, CTC */
    int keeps_first;       /* Metaspace: a first replacement becomes a space too */
    int start, stop;       /* Strip: how many */
    at_leading leading;    /* SentencePiece */
};

typedef struct at_decoders {
    at_decoder *item;
    int n;
    int any; /* 0: tokens are joined by spaces */
} at_decoders;

at_status at_decoders_read(at_build *build, const json_t *part, at_decoders *decoders, at_error *err);
/* WordPiece with "##" and cleanup, for old folders; ByteLevel. */
at_status at_decoders_wordpiece(at_arena *arena, at_decoders *decoders, at_error *err);
at_status at_decoders_bytelevel(at_arena *arena, at_decoders *decoders, at_error *err);
/* Of a .model file: U+2581 is a space, "<0x41>" a byte. */
at_status at_decoders_sentencepiece(at_arena *arena, at_leading leading, at_decoders *decoders, at_error *err);

/* The whole text in *out; everything is allocated in the arena. */
at_status at_decoders_run(const at_decoders *decoders, at_arena *arena, const at_texts *tokens, at_str *out, at_error *err);

#endif
