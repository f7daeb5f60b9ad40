/* SentencePiece's precompiled normalisation rules: a double array (Darts) from a few characters to their replacement.
 *
 * The blob, as it stands in a .model file and, in base64, in tokenizer.json: 4 bytes little-endian, the size of the array in bytes;
 * the array, units of 4 bytes; the replacements, each ended by a NUL. */
#ifndef AT_TEXT_CHARSMAP_H
#define AT_TEXT_CHARSMAP_H

#include "base/arena.h"
#include "text/chars.h"

typedef struct at_charsmap {
    const uint32_t *unit;
    size_t n_units; /* 0: nothing is changed */
    const char *text;
    size_t text_len; /* the last byte is a NUL */
} at_charsmap;

at_status at_charsmap_read(at_arena *arena, const unsigned char *blob, size_t len, at_charsmap *map, at_error *err);
at_status at_charsmap_read_base64(at_arena *arena, const char *text, size_t len, at_charsmap *map, at_error *err);

/* As the library's Precompiled does it: a grapheme of less than 6 bytes is looked up as a whole, by the shortest rule that begins it; where
 * there is none, its characters one by one. */
at_status at_charsmap_apply(const at_charsmap *map, at_chars *chars, at_error *err);

/* As SentencePiece does it: the longest rule at text[0..len). Its length, or 0; *out the replacement, NUL-terminated. */
size_t at_charsmap_longest(const at_charsmap *map, const char *text, size_t len, const char **out);

#endif
