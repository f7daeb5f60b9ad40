/* Vectors of 8 floats for AVX2 and FMA; the names are those of vec_portable.h. */
#ifndef AT_BACKEND_VEC_AVX2_H
#define AT_BACKEND_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "backend/backend.h"

enum { AT_LANES = 8, AT_TILE_ROWS = 4 };
#define AT_TILE_EIGHT 0

typedef float vf __attribute__((vector_size(32)));
typedef __m256i vm; /* all bits of a lane */
typedef uint32_t vi __attribute__((vector_size(32)));

#define V_INLINE static inline __attribute__((always_inline, unused))

V_INLINE vf v_set(at_real x) { return _mm256_set1_ps(x); }
V_INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
V_INLINE vf v_load(const at_real *p) { return _mm256_loadu_ps(p); }
V_INLINE void v_store(at_real *p, vf v) { _mm256_storeu_ps(p, v); }

V_INLINE vm v_first(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
V_INLINE vf v_load_some(const at_real *p, vm m) { return _mm256_maskload_ps(p, m); }
V_INLINE void v_store_some(at_real *p, vm m, vf v) { _mm256_maskstore_ps(p, m, v); }

V_INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
V_INLINE vf v_select(vm m, vf yes, vf no) { return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m)); }
V_INLINE vm v_less(vf a, vf b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
V_INLINE vm v_without(vm a, vm b) { return _mm256_andnot_si256(b, a); }
V_INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
V_INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
V_INLINE vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
V_INLINE vf v_copy_sign(vf size, vf sign) { return _mm256_or_ps(v_abs(size), _mm256_and_ps(_mm256_set1_ps(-0.0f), sign)); }
V_INLINE vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
V_INLINE at_real v_sum(vf a) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
V_INLINE at_real v_largest(vf a) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

typedef struct v_double { __m256d low, high; } v_double;
V_INLINE v_double v_double_zero(void) { return (v_double){_mm256_setzero_pd(), _mm256_setzero_pd()}; }
V_INLINE v_double v_double_add_square(v_double s, vf x) {
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(x)), high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    return (v_double){_mm256_fmadd_pd(low, low, s.low), _mm256_fmadd_pd(high, high, s.high)};
}
V_INLINE double v_double_sum(v_double s) {
    __m256d four = _mm256_add_pd(s.low, s.high);
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

V_INLINE vi vi_set(uint32_t x) { return (vi)_mm256_set1_epi32((int)x); }
V_INLINE vi vi_lane(void) { return (vi)_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
V_INLINE vm v_not_below(vi a, vi b) { return _mm256_cmpeq_epi32(_mm256_max_epu32((__m256i)a, (__m256i)b), (__m256i)a); }

V_INLINE vf v_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
V_INLINE vf v_power2(vf n) { /* 2^n for integers -126 .. 127 */
    __m256i bits = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23));
}
V_INLINE vf v_scale2(vf a, vf n) { /* in two steps so that results may be subnormal or infinite */
    vf half = v_round(n * v_set(0.5f));
    return a * v_power2(half) * v_power2(n - half);
}

V_INLINE void v_transpose(const at_real *a, ptrdiff_t lda, at_real *b, ptrdiff_t ldb) {
    __m256 r[8], t[8];
    for (int i = 0; i < 4; i++) { /* rows i and i+4 side by side, in halves */
        __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(a + i * lda));
        __m256 high = _mm256_castps128_ps256(_mm_loadu_ps(a + i * lda + 4));
        r[i] = _mm256_insertf128_ps(low, _mm_loadu_ps(a + (i + 4) * lda), 1);
        r[i + 4] = _mm256_insertf128_ps(high, _mm_loadu_ps(a + (i + 4) * lda + 4), 1);
    }
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int l = 0; l < 2; l++) {
            __m256d x = _mm256_castps_pd(t[i + l]), y = _mm256_castps_pd(t[i + l + 2]);
            _mm256_storeu_ps(b + (i + 2 * l) * ldb, _mm256_castpd_ps(_mm256_unpacklo_pd(x, y)));
            _mm256_storeu_ps(b + (i + 2 * l + 1) * ldb, _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
        }
}

#endif
