/* The kernel table: everything that touches numbers in bulk, as plain functions over pointers and sizes.
 *
 * Rules for every kernel
 *   - single-threaded, allocates nothing, keeps nothing; what it needs beside its arguments is `scratch`;
 *   - matrices are row-major with a leading dimension (`ld`, in elements); the shape stands beside each argument;
 *   - rows may be 0; every size may be 1; any remainder is served by the same code;
 *   - gradients of weights are added to (+=); gradients of activations follow `accumulate` (0 assign, 1 add);
 *   - sums have a fixed order that depends on the shapes and the table alone: same table, same inputs, same bits.
 *
 * at_real is float; the double build of the gradient checks compiles the portable table with double.
 *
 * Packed weights. A linear weight W [out, in] (PyTorch's layout in files) lives as panels of AT_PANEL output
 * columns: element (n, k) is at packed[(n / AT_PANEL) * in * AT_PANEL + k * AT_PANEL + n % AT_PANEL]; the
 * columns that fill the last panel are zero and stay zero. The layout is the same for every table, so
 * checkpoints and optimiser state move between machines. */
#ifndef AT_BACKEND_H
#define AT_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#ifdef AT_DOUBLE
typedef double at_real;
#else
typedef float at_real;
#endif

enum { AT_PANEL = 48 };

/* Elements of the packed form of a weight of [out, in]. */
static inline size_t at_packed_size(int out, int in) {
    return (size_t)((out + AT_PANEL - 1) / AT_PANEL) * AT_PANEL * (size_t)in;
}

typedef enum at_activation {
    AT_ACT_NONE, AT_ACT_GELU /* erf */, AT_ACT_GELU_TANH, AT_ACT_RELU, AT_ACT_SILU, AT_ACT_TANH
} at_activation;

/* Dropout of probability p at one site of one step. Element (row, col) is kept or not by
 * at_dropout_keeps(at_random_row(key, row_id[row]), col, threshold); kept ones are scaled by 1 / (1 - threshold/65536). */
typedef struct at_dropout {
    uint32_t threshold;      /* round(p * 65536); 0: no dropout */
    uint64_t key;            /* at_random_key(seed, site, step) */
    const uint64_t *row_id;  /* [rows] (index of the sequence in the step) << 32 | position */
} at_dropout;

/* Attention over packed rows. Sequence s owns query rows cu_q[s] .. cu_q[s+1]-1 and key rows cu_k[s] .. cu_k[s+1]-1.
 * Query head h reads key-value head h / (heads / kv_heads). With causal, query i of n_q sees keys up to i + (n_k - n_q).
 * With window w > 0, key j is seen from query i where |i - j| <= w (positions counted from the end as for causal).
 * Dropout on the probabilities: the row's id is mix of (seq_id[s], head, query position):
 * at_random_row(key, (uint64_t)seq_id[s] << 32 | (uint64_t)head << 20 | query), the column is the key's position. */
typedef struct at_attention {
    int n_seq, heads, kv_heads, head_dim;
    int causal, window;
    at_real scale;              /* of the scores: 1 / sqrt(head_dim) in most models */
    at_real soft_cap;           /* 0, or scores become soft_cap * tanh(score / soft_cap) */
    const int *cu_q, *cu_k;     /* [n_seq + 1] */
    int reach;                  /* of the two below: distances -reach+1 .. reach-1, at least those of the longest sequence */
    const at_real *distance;    /* NULL, or [heads, 2*reach - 1]: added to the score (after the scale, before the soft-cap) of key j
                                   from query i: its element j - i + reach - 1, positions counted from the end */
    at_real *ddistance;         /* attention_backward: its gradient, added to; NULL: not wanted */
    /* Disentangled attention (DeBERTa), of a text with itself, one key-value head a head: the product of query i and key j gets
     * q_i . position_key[b] + k_j . position_query[b] with b = bucket[i - j + reach - 1]; either may be NULL. */
    const at_real *position_key, *position_query; /* [buckets, heads*head_dim] contiguous */
    at_real *dposition_key, *dposition_query;     /* attention_backward: added to; may be NULL */
    const int *bucket;          /* [2*reach - 1], 0 .. buckets-1; NULL: the attention is not disentangled */
    int buckets;
    const uint32_t *seq_id;     /* [n_seq] index of the sequence in the step */
    uint32_t dropout_threshold; /* as in at_dropout */
    uint64_t dropout_key;
} at_attention;

/* One range of the flat arrays with one rate, for the optimiser. */
typedef struct at_adamw {
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double correction1, correction2; /* 1 - beta^t */
    double gradient_scale;           /* the clip's factor */
} at_adamw;

typedef struct at_backend {
    const char *name; /* "avx512", "avx2", "portable" */
    int chunk_rows;   /* rows a chunk should have so that its operands stay in L2 */

    /* y [rows, out] = act(x [rows, in] Wᵀ + bias [out]). bias may be NULL. Where `pre` is not NULL it gets the
     * sum before the activation (ldy too), which backward needs. */
    void (*linear)(const at_real *x, int ldx, const at_real *packed, const at_real *bias, at_activation act,
                   at_real *pre, at_real *y, int ldy, int rows, int in, int out);
    /* dx [rows, in] (+)= dy [rows, out] W */
    void (*linear_dx)(const at_real *dy, int lddy, const at_real *packed, at_real *dx, int lddx, int rows, int in,
                      int out, int accumulate, at_real *scratch);
    /* dpacked += (dyᵀ x) in the packed layout; dbias [out] += column sums of dy (dbias may be NULL, dpacked too) */
    void (*linear_dw)(const at_real *x, int ldx, const at_real *dy, int lddy, at_real *dpacked, at_real *dbias,
                      int rows, int in, int out, at_real *scratch);
    /* elements of scratch that linear_dx and linear_dw need */
    size_t (*linear_scratch)(int rows, int in, int out);

    /* dpre = dy * act'(pre) over rows x cols; dpre may be dy. */
    void (*act_backward)(at_activation act, const at_real *pre, const at_real *dy, at_real *dpre, int rows, int cols,
                         int ld);
    void (*act_forward)(at_activation act, const at_real *x, at_real *y, int rows, int cols, int ld);

    /* h = residual + dropout(x) (residual may be NULL); y = (h - mean) * rstd * gamma + beta, all [rows, cols]
     * contiguous. rms: mean is taken as 0 and beta may be NULL. Saves h (h may be x itself) and stats [rows, 2] = mean, rstd. */
    void (*norm)(const at_real *x, const at_real *residual, const at_dropout *drop, const at_real *gamma,
                 const at_real *beta, at_real epsilon, int rms, at_real *h, at_real *stats, at_real *y, int rows, int cols);
    /* dx (+)= gradient through dropout, dresidual (+)= gradient before it (each may be NULL); dgamma, dbeta += (may be NULL). */
    void (*norm_backward)(const at_real *dy, const at_real *h, const at_real *stats, const at_dropout *drop,
                          const at_real *gamma, int rms, at_real *dx, int accumulate_x, at_real *dresidual,
                          int accumulate_residual, at_real *dgamma, at_real *dbeta, int rows, int cols);

    /* y = dropout(x), [rows, cols] contiguous; y may be x. The same call is its own backward. */
    void (*dropout)(const at_real *x, const at_dropout *drop, at_real *y, int accumulate, int rows, int cols);

    /* out [rows_q, heads*head_dim] and lse [heads, rows_q] (log of the sum of exp of the scaled scores), from q
     * [rows_q, heads*head_dim], k and v [rows_k, kv_heads*head_dim], each with its ld. Memory linear in the length. */
    void (*attention)(const at_attention *a, const at_real *q, int ldq, const at_real *k, int ldk, const at_real *v,
                      int ldv, at_real *out, int ldo, at_real *lse, at_real *scratch);
    /* dq, dk, dv are assigned (every row of every sequence is written). */
    void (*attention_backward)(const at_attention *a, const at_real *q, int ldq, const at_real *k, int ldk,
                               const at_real *v, int ldv, const at_real *out, const at_real *dout, int ldo,
                               const at_real *lse, at_real *dq, int lddq, at_real *dk, int lddk, at_real *dv, int lddv,
                               at_real *scratch);
    size_t (*attention_scratch)(const at_attention *a); /* elements, for both */

    /* y [rows, n] = act(x [rows, first n columns]) * x [rows, last n columns], all contiguous; backward: dx from dy and x, `accumulate`. */
    void (*gated)(at_activation act, const at_real *x, at_real *y, int rows, int n);
    void (*gated_backward)(at_activation act, const at_real *x, const at_real *dy, at_real *dx, int accumulate, int rows, int n);

    /* y (+)= x [rows, cols] contiguous, the first `heads` heads of head_dim columns turned: with i < dim/2, c = cos[row, i] and
     * s = direction * sin[row, i], (x_i, x_{i+dim/2}) becomes (x_i c - x_{i+dim/2} s, x_{i+dim/2} c + x_i s). cos, sin [rows, dim/2].
     * direction 1 forward; -1 is its backward. */
    void (*rotary)(const at_real *x, const at_real *cos, const at_real *sin, at_real direction, at_real *y, int accumulate, int rows,
                   int cols, int heads, int head_dim, int dim);

    /* Row-wise log-softmax and cross-entropy. logits [rows, cols] contiguous; target[row] in 0..cols-1 or < 0 (ignored).
     * row_loss [rows] = -sum_c q_c log p_c with q = (1 - smoothing) onehot + smoothing / cols, times weight[target]
     * (class weights; NULL is 1; with weights, smoothing follows PyTorch: each class's term carries its own weight).
     * dlogits (may be NULL) = scale * d row_loss / d logits. */
    void (*cross_entropy)(const at_real *logits, const int32_t *target, const at_real *weight, at_real smoothing,
                          at_real scale, double *row_loss, at_real *dlogits, int rows, int cols);
    /* probabilities in place */
    void (*softmax)(at_real *x, int rows, int cols);

    /* y (+)= a * x over n elements; accumulate 0 assigns. */
    void (*scale_add)(at_real a, const at_real *x, at_real *y, int accumulate, size_t n);

    /* End of a step, over a range of n elements of the flat arrays.
     * reduce: into[i] = sum over lanes in the fixed order ((0+1)+(2+3)).. of lanes[l][i]; returns the sum of squares in double. */
    double (*reduce)(at_real *const *lanes, int n_lanes, at_real *into, size_t n);
    /* AdamW (Loshchilov, Hutter 2019) as PyTorch computes it; w, m, v [n] updated. g may be NULL: zero gradient. */
    void (*adamw)(const at_adamw *step, at_real *w, const at_real *g, at_real *m, at_real *v, size_t n);

    const struct at_compact *compact; /* products with weights kept as bf16 or Q8_0 (compact.h); NULL in the double build */
    const struct at_half *half; /* products with bf16 operands (half.h) where the precision asks for them; NULL: fp32 */
} at_backend;

/* The best table that the processor and the kernel allow, or the one named in `name` ("portable", "avx2",
 * "avx512"; NULL or "auto": the best). An unknown name, or one this machine cannot run: AT_USAGE. */
at_status at_backend_choose(const char *name, const at_backend **backend, at_error *err);

/* Row-major <-> packed, any build. src/dst [out, in]. */
void at_pack(const at_real *src, at_real *packed, int out, int in);
void at_unpack(const at_real *packed, at_real *dst, int out, int in);

#endif
