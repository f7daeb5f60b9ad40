/* The tile instructions of AMX in plain C, with their rounding, for machines that have none: what tests packing and edges everywhere, and
 * what computes the bits of an AMX machine elsewhere, slowly.
 *
 * TDPBF16PS (Intel's manual, volume 2): for each row m and column n of the sums, over the 16 pairs k of the depth
 *     even += a[m][2k] * b[k][2n];  odd += a[m][2k+1] * b[k][2n+1]      each one fused multiply-add, from 0
 *     sum[m][n] += even + odd
 * rounded to nearest even whatever MXCSR says; numbers that are denormal count as zero, and results that would be become zero. */
#include "backend/half_tables.h"

#ifndef AT_DOUBLE

#include <float.h>
#include <math.h>

#include "backend/vec_portable.h"

#include "backend/math.inc"
#include "backend/activation.inc"

typedef union tile {
    uint16_t half[16][32];
    float real[16][16];
} tile;

static float no_denormal(float x) { return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; }

static float tile_widen(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return no_denormal(x);
}

static float tile_multiply_add(float sum, uint16_t a, uint16_t b) { return no_denormal(fmaf(tile_widen(a), tile_widen(b), sum)); }

static void tile_dot(tile *sum, const tile *a, const tile *b) {
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 16; n++) {
            float even = 0, odd = 0;
            for (int k = 0; k < 16; k++) {
                even = tile_multiply_add(even, a->half[m][2 * k], b->half[k][2 * n]);
                odd = tile_multiply_add(odd, a->half[m][2 * k + 1], b->half[k][2 * n + 1]);
            }
            sum->real[m][n] = no_denormal(no_denormal(sum->real[m][n]) + no_denormal(even + odd));
        }
}

static void tile_copy(void *to, size_t to_stride, const void *from, size_t from_stride) {
    for (int m = 0; m < 16; m++)
        memcpy((char *)to + (size_t)m * to_stride, (const char *)from + (size_t)m * from_stride, sizeof(float[16]));
}

#define TILES_BEGIN tile tiles[8];
#define TILES_END
#define TILE_ZERO(t) memset(&tiles[t], 0, sizeof tiles[t])
#define TILE_LOAD(t, from, stride) tile_copy(&tiles[t], sizeof tiles[t].half[0], from, stride)
#define TILE_DOT(sum, a, b) tile_dot(&tiles[sum], &tiles[a], &tiles[b])
#define TILE_STORE(t, to, stride) tile_copy(to, stride, &tiles[t], sizeof tiles[t].half[0])

#include "backend/half_tiles.inc"
#include "backend/half.inc"

const at_half at_half_amx_model = AT_HALF("amx-model", 512);

#endif
