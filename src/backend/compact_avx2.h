/* As compact_avx512.h, for AVX2. */
#ifndef AT_BACKEND_COMPACT_AVX2_H
#define AT_BACKEND_COMPACT_AVX2_H

#include <string.h>

#include "backend/vec_avx2.h"

enum { COMPACT_ONE = 6, COMPACT_MANY = 2 };

typedef __m256i vw;

V_INLINE vw vw_zero(void) { return _mm256_setzero_si256(); }
V_INLINE vw vw_load(const signed char *q) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)q)); }
V_INLINE vw vw_pair(const int16_t *x) {
    int pair;
    memcpy(&pair, x, sizeof pair);
    return _mm256_set1_epi32(pair);
}
V_INLINE vw vw_add_products(vw sum, vw a, vw b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
V_INLINE vf vw_real(vw sum) { return _mm256_cvtepi32_ps(sum); }
V_INLINE vf vw_halves(const uint16_t *h) { /* not negative and finite: the exponent's bias is mended by a product, which is exact */
    __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)h));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 13)) * v_set(0x1p112f);
}

V_INLINE void vw_widen(const uint16_t *pairs, vf *first, vf *second) {
    __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)pairs);
    *first = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
    *second = _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32((int)0xffff0000)));
}

#endif
