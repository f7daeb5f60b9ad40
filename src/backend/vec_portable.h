/* Vectors for any processor: 16 bytes by the compiler's vector extension, no fused multiply-add (where a processor
 * lacks it, fma() is a slow call). The one set of the double build. See vec_avx512.h for the same names in intrinsics.
 *
 * What every set offers: AT_LANES; the types vf (reals), vi (as many 32-bit words), vm (a mask of lanes);
 * operators + - * / on vf, integer operators on vi; and the functions below. */
#ifndef AT_BACKEND_VEC_PORTABLE_H
#define AT_BACKEND_VEC_PORTABLE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "backend/backend.h"

enum { AT_LANES = 16 / sizeof(at_real), AT_TILE_ROWS = 4 };
#define AT_TILE_EIGHT 0

#ifdef AT_DOUBLE
typedef int64_t v_word;
#else
typedef int32_t v_word;
#endif
typedef at_real vf __attribute__((vector_size(16)));
typedef v_word vm __attribute__((vector_size(16)));
typedef uint32_t vi __attribute__((vector_size(4 * AT_LANES)));

#define V_INLINE static inline __attribute__((always_inline, unused))

V_INLINE vf v_set(at_real x) { return x - (vf){0}; }
V_INLINE vf v_zero(void) { return (vf){0}; }
V_INLINE vf v_load(const at_real *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
V_INLINE void v_store(at_real *p, vf v) { memcpy(p, &v, sizeof v); }

V_INLINE vm v_first(int n) { /* lanes 0 .. n-1; n may be negative or large */
    vm m;
    for (int i = 0; i < AT_LANES; i++) m[i] = -(v_word)(i < n);
    return m;
}
V_INLINE vf v_load_some(const at_real *p, vm m) { /* other lanes are 0 and not read */
    vf v = {0};
    for (int i = 0; i < AT_LANES; i++)
        if (m[i]) v[i] = p[i];
    return v;
}
V_INLINE void v_store_some(at_real *p, vm m, vf v) {
    for (int i = 0; i < AT_LANES; i++)
        if (m[i]) p[i] = v[i];
}

V_INLINE vf v_fma(vf a, vf b, vf c) { return a * b + c; }
V_INLINE vf v_select(vm m, vf yes, vf no) { return (vf)((m & (vm)yes) | (~m & (vm)no)); }
V_INLINE vm v_less(vf a, vf b) { return (vm)(a < b); }
V_INLINE vm v_without(vm a, vm b) { return a & ~b; }
/* Where either is not a number: the second operand, as the processors do it. */
V_INLINE vf v_min(vf a, vf b) { return v_select((vm)(a < b), a, b); }
V_INLINE vf v_max(vf a, vf b) { return v_select((vm)(a > b), a, b); }
V_INLINE vm v_sign_bit(void) { return (vm)(-(vf){0}); }
V_INLINE vf v_abs(vf a) { return (vf)((vm)a & ~v_sign_bit()); }
V_INLINE vf v_copy_sign(vf size, vf sign) { return (vf)((vm)v_abs(size) | ((vm)sign & v_sign_bit())); }
V_INLINE vf v_sqrt(vf a) {
    for (int i = 0; i < AT_LANES; i++) a[i] = (at_real)sqrt((double)a[i]);
    return a;
}
V_INLINE at_real v_sum(vf a) {
    at_real sum = a[0];
    for (int i = 1; i < AT_LANES; i++) sum += a[i];
    return sum;
}
V_INLINE at_real v_largest(vf a) {
    at_real largest = a[0];
    for (int i = 1; i < AT_LANES; i++) largest = a[i] > largest ? a[i] : largest;
    return largest;
}

/* Sums in double, one accumulator a lane or nearly. */
typedef struct v_double { double lane[AT_LANES]; } v_double;
V_INLINE v_double v_double_zero(void) { return (v_double){{0}}; }
V_INLINE v_double v_double_add_square(v_double s, vf x) {
    for (int i = 0; i < AT_LANES; i++) s.lane[i] += (double)x[i] * (double)x[i];
    return s;
}
V_INLINE double v_double_sum(v_double s) {
    double sum = s.lane[0];
    for (int i = 1; i < AT_LANES; i++) sum += s.lane[i];
    return sum;
}

/* Words. */
V_INLINE vi vi_set(uint32_t x) { return x - (vi){0}; }
V_INLINE vi vi_lane(void) { /* 0, 1, 2 .. */
    vi v;
    for (int i = 0; i < AT_LANES; i++) v[i] = (uint32_t)i;
    return v;
}
V_INLINE vm v_not_below(vi a, vi b) { return __builtin_convertvector(a >= b, vm); }

#ifdef AT_DOUBLE
#define AT_EXACT_MATH /* exp, erf and tanh of libm, lane by lane */
#else
V_INLINE vf v_round(vf a) { /* to nearest even, |a| < 2^22 */
    vf magic = v_set(0x1.8p23f);
    return (a + magic) - magic;
}
V_INLINE vf v_power2(vf n) { /* 2^n for integers -126 .. 127 */
    vm bits = __builtin_convertvector(n, vm);
    return (vf)((bits + 127) << 23);
}
V_INLINE vf v_scale2(vf a, vf n) { /* a 2^n, in two steps so that results may be subnormal or infinite */
    vf half = v_round(n * (at_real)0.5);
    return a * v_power2(half) * v_power2(n - half);
}
#endif

/* B[l*ldb + i] = A[i*lda + l] for an AT_LANES x AT_LANES block. */
V_INLINE void v_transpose(const at_real *a, ptrdiff_t lda, at_real *b, ptrdiff_t ldb) {
    for (int i = 0; i < AT_LANES; i++)
        for (int l = 0; l < AT_LANES; l++) b[l * ldb + i] = a[i * lda + l];
}

#endif
