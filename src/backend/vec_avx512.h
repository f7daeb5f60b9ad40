/* Vectors of 16 floats for AVX-512 F, BW, DQ and VL; the names are those of vec_portable.h. */
#ifndef AT_BACKEND_VEC_AVX512_H
#define AT_BACKEND_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "backend/backend.h"

enum { AT_LANES = 16, AT_TILE_ROWS = 8 };
#define AT_TILE_EIGHT 1

typedef float vf __attribute__((vector_size(64)));
typedef __mmask16 vm;
typedef uint32_t vi __attribute__((vector_size(64)));

#define V_INLINE static inline __attribute__((always_inline, unused))

V_INLINE vf v_set(at_real x) { return _mm512_set1_ps(x); }
V_INLINE vf v_zero(void) { return _mm512_setzero_ps(); }
V_INLINE vf v_load(const at_real *p) { return _mm512_loadu_ps(p); }
V_INLINE void v_store(at_real *p, vf v) { _mm512_storeu_ps(p, v); }

V_INLINE vm v_first(int n) {
    unsigned count = n < 0 ? 0u : n > AT_LANES ? 16u : (unsigned)n;
    return (vm)_bzhi_u32(0xffffu, count);
}
V_INLINE vf v_load_some(const at_real *p, vm m) { return _mm512_maskz_loadu_ps(m, p); }
V_INLINE void v_store_some(at_real *p, vm m, vf v) { _mm512_mask_storeu_ps(p, m, v); }

V_INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
V_INLINE vf v_select(vm m, vf yes, vf no) { return _mm512_mask_blend_ps(m, no, yes); }
V_INLINE vm v_less(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
V_INLINE vm v_without(vm a, vm b) { return (vm)(a & ~(unsigned)b); }
V_INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
V_INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
V_INLINE vf v_abs(vf a) { return _mm512_abs_ps(a); }
V_INLINE vf v_copy_sign(vf size, vf sign) { /* every bit but the sign from size: (size & mask) | (sign & ~mask) */
    __m512i mask = _mm512_set1_epi32(0x7fffffff);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(mask, _mm512_castps_si512(size), _mm512_castps_si512(sign), 0xca));
}
V_INLINE vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
V_INLINE at_real v_sum(vf a) { return _mm512_reduce_add_ps(a); }
V_INLINE at_real v_largest(vf a) { return _mm512_reduce_max_ps(a); }

typedef struct v_double { __m512d low, high; } v_double;
V_INLINE v_double v_double_zero(void) { return (v_double){_mm512_setzero_pd(), _mm512_setzero_pd()}; }
V_INLINE __m512d v_low(vf x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
V_INLINE __m512d v_high(vf x) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)); }
V_INLINE v_double v_double_add_square(v_double s, vf x) {
    __m512d low = v_low(x), high = v_high(x);
    return (v_double){_mm512_fmadd_pd(low, low, s.low), _mm512_fmadd_pd(high, high, s.high)};
}
V_INLINE double v_double_sum(v_double s) { return _mm512_reduce_add_pd(s.low + s.high); }

V_INLINE vi vi_set(uint32_t x) { return (vi)_mm512_set1_epi32((int)x); }
V_INLINE vi vi_lane(void) { return (vi)_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
V_INLINE vm v_not_below(vi a, vi b) { return _mm512_cmp_epu32_mask((__m512i)a, (__m512i)b, _MM_CMPINT_NLT); }

V_INLINE vf v_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
V_INLINE vf v_scale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }

/* 16 x 16: pairs of rows, pairs of pairs, then two rounds over 128-bit quarters. */
V_INLINE void v_transpose(const at_real *a, ptrdiff_t lda, at_real *b, ptrdiff_t ldb) {
    __m512 r[16], t[16];
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(a + i * lda);
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int l = 0; l < 2; l++) {
            __m512d x = _mm512_castps_pd(t[i + l]), y = _mm512_castps_pd(t[i + l + 2]);
            r[i + 2 * l] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
            r[i + 2 * l + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
        }
    for (int l = 0; l < 4; l++) { /* r[4*g + l] holds columns l, l+4, l+8, l+12 of rows 4g .. 4g+3 */
        t[l] = _mm512_shuffle_f32x4(r[l], r[4 + l], 0x88);
        t[4 + l] = _mm512_shuffle_f32x4(r[l], r[4 + l], 0xdd);
        t[8 + l] = _mm512_shuffle_f32x4(r[8 + l], r[12 + l], 0x88);
        t[12 + l] = _mm512_shuffle_f32x4(r[8 + l], r[12 + l], 0xdd);
    }
    for (int l = 0; l < 4; l++) {
        _mm512_storeu_ps(b + l * ldb, _mm512_shuffle_f32x4(t[l], t[8 + l], 0x88));
        _mm512_storeu_ps(b + (4 + l) * ldb, _mm512_shuffle_f32x4(t[4 + l], t[12 + l], 0x88));
        _mm512_storeu_ps(b + (8 + l) * ldb, _mm512_shuffle_f32x4(t[l], t[8 + l], 0xdd));
        _mm512_storeu_ps(b + (12 + l) * ldb, _mm512_shuffle_f32x4(t[4 + l], t[12 + l], 0xdd));
    }
}

#endif
