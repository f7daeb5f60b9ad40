/* The ops. One file per op: formula, forward, backward; its gradient-check case is in tests/gradcheck.
 * x, y are [rows, cols] in a row space; weights are segments of a model's parameter table.
 * Every op returns NULL once the tape has failed. */
#ifndef AT_OP_H
#define AT_OP_H

#include "tensor/batch.h"
#include "tensor/tape.h"

/* y[r] = token[ids[r]] + position[positions[r]] + type[types[r]]. position and type may be NULL. [rows, in of token] */
at_tensor *at_op_embed(at_tape *t, const at_batch *b, at_weight *token, at_weight *position, at_weight *type);

/* y = act(x Wᵀ + b). Several weights of the same `in` give adjacent column segments of y (fused query, key, value),
 * each with its own freeze flag and rate. bias[i] or bias itself may be NULL. n_segments 1..4; act only with any number. */
at_tensor *at_op_linear(at_tape *t, at_tensor *x, at_weight *const *weight, at_weight *const *bias, int n_segments,
                        at_activation act);

/* y = norm(residual + dropout(x, p)). residual may be NULL. rms: RMSNorm (beta NULL). row_id names rows for dropout. */
at_tensor *at_op_norm(at_tape *t, at_tensor *x, at_tensor *residual, double p, const uint64_t *row_id, at_weight *gamma,
                      at_weight *beta, double epsilon, int rms);

/* Attention of qkv [rows, (heads + 2*kv_heads) * head_dim] over its own sequences; y [rows, heads*head_dim].
 * `form` gives heads, kv_heads, head_dim, causal, window, scale, soft_cap; the rest is filled from the batch. */
at_tensor *at_op_attention(at_tape *t, at_tensor *qkv, const at_batch *b, const at_attention *form, double p);

at_tensor *at_op_dropout(at_tape *t, at_tensor *x, double p, const uint64_t *row_id);
at_tensor *at_op_activation(at_tape *t, at_tensor *x, at_activation act);
at_tensor *at_op_add(at_tape *t, at_tensor *a, at_tensor *b);

typedef enum at_pooling { AT_POOL_CLS, AT_POOL_MEAN, AT_POOL_MAX, AT_POOL_LAST } at_pooling;
/* One row a sequence: its first token, the mean or maximum of its tokens, its last token. [n_seq, cols] */
at_tensor *at_op_pool(at_tape *t, at_tensor *x, const at_batch *b, at_pooling how);

/* y[i] = x[index[i]], for heads that read some rows only. Rows may repeat. */
at_tensor *at_op_gather(at_tape *t, at_tensor *x, const int32_t *index, int n, at_space space);

/* y = x / max(|x|, 1e-12) a row. */
at_tensor *at_op_unit(at_tape *t, at_tensor *x);

/* Losses: scalars [1,1]. `norm` is what the sum over the whole optimiser step is divided by, known before its first chunk, so that
 * gradient accumulation and lanes give the gradient of the large batch. Sums are in double. */
at_tensor *at_op_cross_entropy(at_tape *t, at_tensor *logits, const int32_t *target, const at_real *class_weight,
                               double smoothing, double norm);
at_tensor *at_op_mse(at_tape *t, at_tensor *x, const at_real *target, double norm);
/* Binary cross-entropy with logits; target [rows, cols] in 0..1, NaN is ignored; positive_weight [cols] or NULL. */
at_tensor *at_op_binary_cross_entropy(at_tape *t, at_tensor *logits, const at_real *target,
                                      const at_real *positive_weight, double norm);

#endif
