#include "backend/backend.h"

#include <string.h>

static size_t packed_at(int n, int k, int in) {
    return ((size_t)(n / AT_PANEL) * (size_t)in + (size_t)k) * AT_PANEL + (size_t)(n % AT_PANEL);
}

void at_pack(const at_real *src, at_real *packed, int out, int in) {
    if (out % AT_PANEL) {
        size_t panel = (size_t)in * AT_PANEL;
        memset(packed + at_packed_size(out, in) - panel, 0, panel * sizeof *packed);
    }
    for (int n = 0; n < out; n++)
        for (int k = 0; k < in; k++) packed[packed_at(n, k, in)] = src[(size_t)n * (size_t)in + (size_t)k];
}

void at_unpack(const at_real *packed, at_real *dst, int out, int in) {
    for (int n = 0; n < out; n++)
        for (int k = 0; k < in; k++) dst[(size_t)n * (size_t)in + (size_t)k] = packed[packed_at(n, k, in)];
}
