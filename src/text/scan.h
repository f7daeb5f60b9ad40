/* The regular expressions that most byte-level tokenizers cut words with, by hand: GPT-2's (also the one built into ByteLevel), that of
 * cl100k and Llama 3, and Qwen 2's. All of them cover a text without gaps, so a scanner says where the word ends that begins here. */
#ifndef AT_TEXT_SCAN_H
#define AT_TEXT_SCAN_H

#include "text/build.h"

typedef enum at_scan_kind { AT_SCAN_NONE, AT_SCAN_GPT2, AT_SCAN_LLAMA3, AT_SCAN_QWEN2 } at_scan_kind;

typedef struct at_scan {
    at_scan_kind kind;
    const uint8_t *classes; /* of every code point of the first two planes */
} at_scan;

/* The scanner of a regular expression; kind NONE where it is none of them. */
at_status at_scan_find(at_build *build, const char *regex, at_scan *scan, at_error *err);
at_status at_scan_init(at_build *build, at_scan_kind kind, at_scan *scan, at_error *err);

/* The end of the word at text[at], at < len; valid UTF-8. */
size_t at_scan_word(const at_scan *scan, const unsigned char *text, size_t len, size_t at);

#endif
