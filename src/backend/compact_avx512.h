/* What the products of compact.inc are made of, for AVX-512: AT_LANES columns, two steps of depth each. */
#ifndef AT_BACKEND_COMPACT_AVX512_H
#define AT_BACKEND_COMPACT_AVX512_H

#include <string.h>

#include "backend/vec_avx512.h"

enum { COMPACT_ONE = 3, COMPACT_MANY = 3 }; /* vectors of columns at once, of one row and of more */

typedef __m512i vw; /* words of 16 bits, or sums of 32 */

V_INLINE vw vw_zero(void) { return _mm512_setzero_si512(); }
V_INLINE vw vw_load(const signed char *q) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)q)); }
V_INLINE vw vw_pair(const int16_t *x) {
    int pair;
    memcpy(&pair, x, sizeof pair);
    return _mm512_set1_epi32(pair);
}
V_INLINE vw vw_add_products(vw sum, vw a, vw b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }
V_INLINE vf vw_real(vw sum) { return _mm512_cvtepi32_ps(sum); }
V_INLINE vf vw_halves(const uint16_t *h) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)h)); }

/* Pairs of bf16: the first of each, the second of each. */
V_INLINE void vw_widen(const uint16_t *pairs, vf *first, vf *second) {
    __m512i both = _mm512_loadu_si512(pairs);
    *first = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    *second = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32((int)0xffff0000)));
}

#endif
