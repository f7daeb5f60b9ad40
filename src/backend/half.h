/* Products with bf16 operands and fp32 sums, for --precision bf16: one const table an instruction, beside the kernels of backend.h.
 *
 * A bf16 is the upper half of a float, rounded to nearest even. Two shapes of operands, both padded with zeros to whole blocks of
 * AT_HALF_BLOCK, so that products have no edge but where they write:
 *   rows   [rows][at_half_stride(depth)]: row-major, the left side of a product;
 *   panels [cols / 32][depth / 2][32][2]: the right side, 32 columns wide, two steps of depth side by side (what the tile
 *          instructions of AMX and the dot products of AVX-512 read).
 * Weights have their copies as panels: `forward` has depth in and columns out, `backward` depth out and columns in. Masters, sums,
 * gradients and all that is no product stay float. A value of the result depends on its row and its column alone. */
#ifndef AT_BACKEND_HALF_H
#define AT_BACKEND_HALF_H

#include "backend/backend.h"

enum { AT_HALF_BLOCK = 32 };

static inline size_t at_half_padded(int n) { return ((size_t)n + AT_HALF_BLOCK - 1) / AT_HALF_BLOCK * AT_HALF_BLOCK; }

/* Elements between rows: an odd number of cache lines, so that the rows of a block do not fall on each other in the cache. */
static inline size_t at_half_stride(int depth) {
    size_t padded = at_half_padded(depth);
    return padded / AT_HALF_BLOCK % 2 ? padded : padded + AT_HALF_BLOCK;
}
static inline size_t at_half_rows_size(int rows, int depth) { return at_half_padded(rows) * at_half_stride(depth); }
static inline size_t at_half_panels_size(int depth, int cols) { return at_half_padded(depth) * at_half_padded(cols); }

typedef struct at_half {
    const char *name; /* "amx", "avx512-bf16", "amx-model" */
    int chunk_rows;   /* rows a chunk should have */

    /* The copies of a packed weight [out, in] (backend.h): at_half_panels_size(in, out) elements each. backward may be NULL. */
    void (*pack)(const at_real *packed, int out, int in, uint16_t *forward, uint16_t *backward);

    /* a = x [rows, cols] as rows; a = xᵀ as rows (of which there are cols, their depth is rows). */
    void (*narrow)(const at_real *x, int ldx, int rows, int cols, uint16_t *a);
    void (*narrow_turned)(const at_real *x, int ldx, int rows, int cols, uint16_t *a);

    /* y [rows, out] = act(a Wᵀ + bias), a as rows with depth in, bias may be NULL. pre [rows, out] (ldy too) gets the sum before the
     * activation as bf16 where it is not NULL; backward needs it. */
    void (*linear)(const uint16_t *a, const uint16_t *forward, const at_real *bias, at_activation act, uint16_t *pre, at_real *y, int ldy,
                   int rows, int in, int out);
    /* dx [rows, in] (+)= a W, a = dy as rows with depth out */
    void (*linear_dx)(const uint16_t *a, const uint16_t *backward, at_real *dx, int lddx, int rows, int in, int out, int accumulate);
    /* dpacked += (dyᵀ x) in the packed layout of backend.h, a = x turned. scratch: at_half_panels_size(rows, AT_HALF_BLOCK) elements. */
    void (*linear_dw)(const uint16_t *a, const at_real *dy, int lddy, at_real *dpacked, int rows, int in, int out, uint16_t *scratch);
    /* dpre = dy * act'(pre) over rows x cols, ld of all three; dpre may be dy. */
    void (*act_backward)(at_activation act, const uint16_t *pre, const at_real *dy, at_real *dpre, int rows, int cols, int ld);
} at_half;

/* fp32: the kernels alone. bf16: with products of bf16 operands; AT_USAGE where the machine has no instruction for them. auto: bf16
 * where that is much faster than fp32 (AMX; the dot products of AMD's processors), else fp32. */
typedef enum at_precision { AT_PRECISION_FP32, AT_PRECISION_BF16, AT_PRECISION_AUTO } at_precision;

/* A kernel table with the products that the precision asks for: what at_backend.half, name and chunk_rows say. */
typedef struct at_kernels {
    at_backend table;
    char name[48];
} at_kernels;

/* cpu as in at_backend_choose, and beside its names: "avx512-bf16" and "amx" (the AVX-512 table and these products) and "amx-model" (the
 * best table, and the tile instructions of AMX in plain C: slow, with the very bits of AMX). *backend is &kernels->table. */
at_status at_kernels_choose(const char *cpu, at_precision precision, at_kernels *kernels, const at_backend **backend, at_error *err);

/* The table of products of that name, or NULL where this machine cannot run it. */
const at_half *at_half_find(const char *name);

#endif
