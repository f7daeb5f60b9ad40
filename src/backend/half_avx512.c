/* bf16 products by the dot products of AVX-512 BF16 (VDPBF16PS): a vector of 16 sums takes two steps of depth at once. On AMD's
 * processors (Zen 4) that is twice the rate of fp32; Intel's run it at half of that rate. */
#include "backend/half_tables.h"

#if AT_HALF_X86

#include <math.h>
#include <string.h>

#include "backend/vec_avx512.h"

#include "backend/math.inc"
#include "backend/activation.inc"

enum { HALF_ROWS = 12 };

#ifdef __clang__
#define HALF_UNROLL _Pragma("unroll")
#else
#define HALF_UNROLL _Pragma("GCC unroll 12")
#endif

V_INLINE __m512bh half_bits(__m512i x) { return (__m512bh)x; }

/* rows is a constant where this is inlined: 2 * rows sums in registers, two vectors of b, one pair of a broadcast. */
V_INLINE void dot_block(const int rows, const uint16_t *a, ptrdiff_t lda, const uint16_t *b, int depth, at_real *c) {
    __m512 sum[HALF_ROWS][2];
    HALF_UNROLL for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k += 2, a += 2, b += 2 * AT_HALF_BLOCK) {
        const __m512bh left = half_bits(_mm512_loadu_si512(b)), right = half_bits(_mm512_loadu_si512(b + AT_HALF_BLOCK));
        HALF_UNROLL for (int i = 0; i < rows; i++) {
            int pair;
            memcpy(&pair, a + i * lda, sizeof pair);
            const __m512bh both = half_bits(_mm512_set1_epi32(pair));
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], both, left);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], both, right);
        }
    }
    HALF_UNROLL for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(c + i * AT_HALF_BLOCK, sum[i][0]);
        _mm512_storeu_ps(c + i * AT_HALF_BLOCK + AT_LANES, sum[i][1]);
    }
}

#define EACH_HALF_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define DOT_BLOCK(rows)                                                                                          \
    static void dot_block_##rows(const uint16_t *a, ptrdiff_t lda, const uint16_t *b, int depth, at_real *c) { \
        dot_block(rows, a, lda, b, depth, c);                                                                   \
    }
EACH_HALF_HEIGHT(DOT_BLOCK)

typedef void (*dot_function)(const uint16_t *a, ptrdiff_t lda, const uint16_t *b, int depth, at_real *c);
#define DOT_ENTRY(rows) dot_block_##rows,
static const dot_function dot_blocks[HALF_ROWS] = {EACH_HALF_HEIGHT(DOT_ENTRY)};

static inline void half_block(const uint16_t *a, ptrdiff_t lda, const uint16_t *b, int depth, int rows, at_real *c) {
    dot_blocks[rows - 1](a, lda, b, depth, c);
}

#include "backend/half.inc"

const at_half at_half_avx512 = AT_HALF("avx512-bf16", 256);

#endif
