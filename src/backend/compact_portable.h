/* As compact_avx512.h, for any processor. */
#ifndef AT_BACKEND_COMPACT_PORTABLE_H
#define AT_BACKEND_COMPACT_PORTABLE_H

#include "backend/vec_portable.h"

#ifndef AT_DOUBLE

enum { COMPACT_ONE = 6, COMPACT_MANY = 2 };

typedef int32_t vw __attribute__((vector_size(16))); /* pairs of words of 16 bits, or sums */
typedef int16_t v_words __attribute__((vector_size(16)));

V_INLINE vw vw_zero(void) { return (vw){0}; }
V_INLINE vw vw_load(const signed char *q) {
    v_words words;
    for (int i = 0; i < 2 * AT_LANES; i++) words[i] = q[i];
    return (vw)words;
}
V_INLINE vw vw_pair(const int16_t *x) {
    int32_t pair;
    memcpy(&pair, x, sizeof pair);
    return pair - (vw){0};
}
V_INLINE vw vw_add_products(vw sum, vw a, vw b) {
    v_words x = (v_words)a, y = (v_words)b;
    for (int i = 0; i < AT_LANES; i++) sum[i] += x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
    return sum;
}
V_INLINE vf vw_real(vw sum) { return __builtin_convertvector(sum, vf); }
V_INLINE vf vw_halves(const uint16_t *h) { /* not negative and finite: the exponent's bias is mended by a product, which is exact */
    vi words;
    for (int i = 0; i < AT_LANES; i++) words[i] = (uint32_t)h[i] << 13;
    return (vf)words * v_set(0x1p112f);
}

V_INLINE void vw_widen(const uint16_t *pairs, vf *first, vf *second) {
    vi both;
    memcpy(&both, pairs, sizeof both);
    *first = (vf)(both << 16);
    *second = (vf)(both & 0xffff0000u);
}

#endif
#endif
