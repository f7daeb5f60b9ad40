/* The alphabet of byte-level tokenizers: every byte has a printable character of its own (Radford et al. 2019, encoder.py). */
#ifndef AT_TEXT_BYTELEVEL_H
#define AT_TEXT_BYTELEVEL_H

#include <stdint.h>

static inline uint32_t at_byte_to_char(uint32_t byte) {
    if (byte < 33) return 256 + byte;
    if (byte >= 127 && byte <= 160) return 289 + (byte - 127);
    return byte == 173 ? 323 : byte;
}

/* The byte of a character, or -1. */
static inline int at_char_to_byte(uint32_t cp) {
    if (cp >= 256 && cp <= 288) return (int)cp - 256;
    if (cp >= 289 && cp <= 322) return (int)cp - 289 + 127;
    if (cp == 323) return 173;
    return (cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 255 && cp != 173) ? (int)cp : -1;
}

#endif
