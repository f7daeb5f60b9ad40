/* Byte-level BPE in one pass over the bytes of a text, without the arrays of code points that the general path walks through: for
 * tokenizers that cut with a known expression (scan.h) and change no text before that, but perhaps with NFC, which changes nothing below
 * U+0300. */
#ifndef AT_TEXT_BYTEPASS_H
#define AT_TEXT_BYTEPASS_H

#include "text/bpe.h"
#include "text/scan.h"

/* By id: the white space that a token's text begins and ends with. */
typedef struct at_spaces {
    uint16_t *lead, *trail; /* NULL: nobody asks */
} at_spaces;

typedef struct at_bytepass {
    const at_bpe *bpe;
    at_scan scan; /* kind NONE: a text is one word */
    int add_prefix_space;
    int latin_only; /* NFC: only texts below U+0300 */
} at_bytepass;

/* Whether the pass may encode this text; else the general path must (also where it is no valid UTF-8). */
int at_bytepass_fits(const at_bytepass *pass, const char *text, size_t len);

/* Adds the tokens of text, for which at_bytepass_fits, and whose first character has number `first`; *n_chars: its characters. */
at_status at_bytepass_encode(const at_bytepass *pass, at_bpe_work *work, const char *text, size_t len, int first, const at_spaces *spaces,
                             at_tokens *tokens, at_word *word, int *n_chars, at_error *err);

#endif
