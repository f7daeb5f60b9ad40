/* What the fuzz targets share. A claim that does not hold ends the program, as a sanitizer's finding does. */
#ifndef AT_TESTS_FUZZ_H
#define AT_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define fuzz_claim(holds)                                                        \
    do {                                                                         \
        if (!(holds)) {                                                          \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
            abort();                                                             \
        }                                                                        \
    } while (0)

/* A failure has its code and one line of words. */
static inline void fuzz_check_error(at_status st, at_status code, const at_error *err) {
    if (!st) return;
    fuzz_claim(st == code || st == AT_NO_MEMORY);
    fuzz_claim(err->code == st && err->text[0] && strlen(err->text) < sizeof err->text);
}

#endif
