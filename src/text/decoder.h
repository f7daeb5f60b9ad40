/* Decoders: tokens back to text. */
#ifndef AT_TEXT_DECODER_H
#define AT_TEXT_DECODER_H

#include "base/json.h"
#include "base/str.h"

typedef enum at_decoder_kind {
    AT_DECODER_NONE, /* tokens joined by a space */
    AT_DECODER_WORDPIECE
} at_decoder_kind;

typedef struct at_decoder {
    at_decoder_kind kind;
    const char *prefix;
    int cleanup;
} at_decoder;

at_status at_decoder_read(at_arena *arena, const char *path, const json_t *part, at_decoder *decoder, at_error *err);

/* Adds token number i of a text. */
void at_decoder_add(const at_decoder *decoder, int i, const char *token, at_str *text);

#endif
