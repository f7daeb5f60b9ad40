/* Weights that are only read, kept as they came: bf16, or Q8_0 of GGUF files. Their products read this form, so that a step of generation,
 * which reads every weight once, moves a half or a quarter of the bytes of fp32.
 *
 * Both lie in panels of AT_PANEL output columns as the packed weights of backend.h do, two steps of depth side by side:
 *   bf16  a panel is [ceil(in / 2)][AT_PANEL][2] bf16; a step of depth beyond `in` is 0
 *   Q8_0  a panel is [ceil(in / 32)] of { half scale[AT_PANEL]; int8_t q[16][AT_PANEL][2] }: 32 steps of depth share a column's scale,
 *         which is not negative; steps beyond `in` are 0
 * Columns beyond `out` are 0. A panel's bytes are contiguous, and panels follow each other, so a range of panels is a weight by itself.
 *
 * bf16: values are widened, which is exact; a product is a fused sum in the order of the depth, bit by bit that of at_backend.linear.
 * Q8_0: 32 steps of x share a scale too and are rounded to 16 bits (an error of 2^-16 of the largest of them), their products with q are
 * summed in integers, which has no error, and multiplied by the two scales. A row's results depend on the row alone. */
#ifndef AT_BACKEND_COMPACT_H
#define AT_BACKEND_COMPACT_H

#include "backend/backend.h"

typedef enum at_form { AT_FORM_FP32, AT_FORM_BF16, AT_FORM_Q8_0 } at_form;

enum {
    AT_COMPACT_BLOCK = 32,
    AT_COMPACT_BLOCK_BYTES = AT_PANEL * (2 + AT_COMPACT_BLOCK) /* of a panel's block of Q8_0 */
};

/* Bytes of a panel, for bf16 and Q8_0. */
static inline size_t at_compact_panel_bytes(at_form form, int in) {
    size_t depth = (size_t)in;
    return form == AT_FORM_BF16 ? (depth + 1) / 2 * 2 * AT_PANEL * sizeof(uint16_t)
                                : (depth + AT_COMPACT_BLOCK - 1) / AT_COMPACT_BLOCK * AT_COMPACT_BLOCK_BYTES;
}
static inline size_t at_compact_bytes(at_form form, int out, int in) {
    return (size_t)((out + AT_PANEL - 1) / AT_PANEL) * at_compact_panel_bytes(form, in);
}

const char *at_form_name(at_form form); /* "fp32" "bf16" "q8_0" */

/* rows [out, in] to the form, to the nearest: Q8_0 as ggml's reference does it, which makes of numbers that came from such blocks the very
 * blocks. */
void at_compact_pack(at_form form, const float *rows, int out, int in, void *packed);
/* Row n of the weight, [in]. */
void at_compact_row(at_form form, const void *packed, int in, int n, float *row);

typedef struct at_compact {
    /* What products with Q8_0 read of x [rows, in]: so many bytes, 64-byte aligned. bf16 needs nothing. */
    size_t (*narrow_bytes)(at_form form, int rows, int in);
    void (*narrow)(at_form form, const at_real *x, int ldx, int rows, int in, void *narrow);
    /* y [rows, out] = act(x [rows, in] Wᵀ + bias [out]); bias may be NULL. */
    void (*linear)(at_form form, const at_real *x, int ldx, const void *narrow, const void *packed, const at_real *bias, at_activation act,
                   at_real *y, int ldy, int rows, int in, int out);
} at_compact;

#endif
