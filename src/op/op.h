/* The ops. One file per op: formula, forward, backward; its gradient-check case is in tests/gradcheck.
 * x, y are [rows, cols] in a row space; weights are segments of a model's parameter table.
 * Every op returns NULL once the tape has failed. */
#ifndef AT_OP_H
#define AT_OP_H

#include "tensor/batch.h"
#include "tensor/tape.h"

/* y[r] = token[ids[r]] + position[positions[r]] + type[types[r]]. position and type may be NULL. [rows, in of token]. The token table may
 * be of any kind: a packed one (AT_WEIGHT_LINEAR) is the classifier of a language model too. */
at_tensor *at_op_embed(at_tape *t, const at_batch *b, at_weight *token, at_weight *position, at_weight *type);

/* y = act(x Wᵀ + b). Several weights of the same `in` give adjacent column segments of y (fused query, key, value),
 * each with its own freeze flag and rate. bias[i] or bias itself may be NULL. n_segments 1..4; act only with any number. */
at_tensor *at_op_linear(at_tape *t, at_tensor *x, at_weight *const *weight, at_weight *const *bias, int n_segments,
                        at_activation act);

typedef enum at_norm_kind { AT_NORM_LAYER, AT_NORM_RMS, AT_NORM_RMS_ONE /* the gain is 1 + gamma (Gemma) */ } at_norm_kind;
/* y = norm(residual + dropout(x, p)). residual may be NULL, beta too. row_id names rows for dropout. Where x has several times the
 * columns of gamma, each group of gamma's size is normalised by itself (a head's queries); then p is 0. */
at_tensor *at_op_norm(at_tape *t, at_tensor *x, at_tensor *residual, double p, const uint64_t *row_id, at_weight *gamma,
                      at_weight *beta, double epsilon, at_norm_kind kind);

/* Attention of qkv [rows, (heads + 2*kv_heads) * head_dim] over its own sequences; y [rows, heads*head_dim].
 * `form` gives heads, kv_heads, head_dim, causal, window, scale, soft_cap; the rest is filled from the batch. */
at_tensor *at_op_attention(at_tape *t, at_tensor *qkv, const at_batch *b, const at_attention *form, double p);

/* The same with more to it. q [rows, heads*head_dim], k and v [rows, kv_heads*head_dim], or all three the one tensor of above.
 * relative (may be NULL) [buckets, heads]: the score of key j from query i gets relative[bucket(j - i), head], in T5's buckets: half of
 * them for either direction (all for what came before, where the attention is causal), of these half a distance each, the rest logarithmic
 * up to `distance` (Raffel et al. 2020; MPNet). */
typedef struct at_attention_inputs {
    at_tensor *q, *k, *v;     /* k and v may be one tensor, side by side */
    const at_batch *source;   /* keys and values are rows of it, sequence by sequence; NULL: of the queries' own batch */
    at_weight *relative;
    int distance;
    /* Disentangled attention (He et al. 2021), both NULL otherwise: [buckets, heads*head_dim], see at_attention; heads = kv_heads.
     * bucket [2 * max_len - 1] of the batch's longest sequence, living as long as the tape's nodes. */
    at_tensor *position_key, *position_query;
    const int *bucket;
    /* Generation, all 0 otherwise: a batch of one sequence whose first n_past keys and values lie in rows of kv_heads*head_dim, with room
     * for the batch's own behind them, which the op puts there. No gradients. */
    at_real *past_keys, *past_values;
    int n_past;
    /* The same for sequences of one row each, n_past before every one: those of sequence s lie past_slot[s] * past_room elements
     * further. */
    const int *past_slot;
    size_t past_room;
} at_attention_inputs;
at_tensor *at_op_attention_with(at_tape *t, const at_attention_inputs *in, const at_batch *b, const at_attention *form, double p);
int at_relative_bucket(int key_minus_query, int buckets, int distance, int causal);

/* Rotary positions (Su et al. 2021): the first `dim` columns of a head turn by position * inverse[i], column i with column i + dim/2;
 * cosines and sines are multiplied by `factor`. A text of `length` tokens, more than `usual`, turns more slowly where `stretch` is above 0:
 * inverse[i] * (1 + stretch (length / usual - 1))^(-2i / (dim - 2))   (NTK-dynamic, bloc97 and emozilla 2023) */
typedef struct at_rope {
    int dim;                /* even; 0: no rotation */
    const double *inverse;  /* [dim / 2] */
    double factor, stretch;
    int usual;
} at_rope;
typedef struct at_rope_table {
    int dim;
    at_real *cos, *sin;     /* [rows, dim / 2] */
} at_rope_table;
/* The table of a batch, saved for as long as the tape's activations; every layer uses it. */
void at_rope_prepare(at_tape *t, const at_batch *b, const at_rope *rope, at_rope_table *table);
/* y = x with its first `heads` heads of head_dim columns turned; the other columns are copied. */
at_tensor *at_op_rotary(at_tape *t, at_tensor *x, const at_rope_table *table, int heads, int head_dim);

/* x [rows, 2n] = [gate | up]; y [rows, n] = act(gate) * up */
at_tensor *at_op_gated(at_tape *t, at_tensor *x, at_activation act);
/* y [n, in] = rows first .. first+n-1 of a matrix, in a space of their own. */
at_tensor *at_op_rows(at_tape *t, at_weight *weight, int first, int n);
/* y [rows, cols * width]: each token's columns beside those of its neighbours, (width - 1) / 2 to either side, column c of the one at `tap` in column
 * c * width + tap; beyond the ends of its text 0. Its product with torch's Conv1d weight is the convolution. width is odd. */
at_tensor *at_op_neighbours(at_tape *t, at_tensor *x, const at_batch *b, int width);
/* y = factor * x */
at_tensor *at_op_scale(at_tape *t, at_tensor *x, double factor);

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
/* Rows [first[s], first[s + 1]) are the tokens of run s of n; target [n, cols] the row that each column has to find in it. Mean over
 * columns. */
at_tensor *at_op_span_cross_entropy(at_tape *t, at_tensor *logits, const int32_t *first, int n, const int32_t *target,
                                    double smoothing, double norm);
at_tensor *at_op_mse(at_tape *t, at_tensor *x, const at_real *target, double norm);
/* Binary cross-entropy with logits; target [rows, cols] in 0..1, NaN is ignored; positive_weight [cols] or NULL. */
at_tensor *at_op_binary_cross_entropy(at_tape *t, at_tensor *logits, const at_real *target,
                                      const at_real *positive_weight, double norm);

/* Losses of embeddings: x holds those of a whole step, [sequences, width]. Index arrays live as long as the tape's nodes.
 *
 * A scalar whose gradient was made elsewhere: row i of x gets row index[i] of `gradient` (same columns). The value means nothing. */
at_tensor *at_op_given(at_tape *t, at_tensor *x, const at_real *gradient, const uint32_t *index);
/* y [n, 1] = x[a[i]] . x[b[i]]; rows may repeat. */
at_tensor *at_op_row_product(at_tape *t, at_tensor *x, const int32_t *a, const int32_t *b, int n);
/* Each query finds the keys of its class among all keys, itself left out: (1/norm) sum over queries of
 *   log sum_k exp(scale x_q . x_k) - mean over k of its class of scale x_q . x_k;  a query without such a key counts nothing.
 * One key a class is multiple-negatives ranking (Henderson et al. 2017); queries = keys = everything, classes the labels, is the
 * supervised contrastive loss (Khosla et al. 2020). */
typedef struct at_contrast {
    const int32_t *query, *query_class; /* [n_queries] rows of x, and what each looks for */
    const int32_t *key, *key_class;     /* [n_keys] rows of x, and what each is; negative: what nobody looks for */
    int n_queries, n_keys;
} at_contrast;
at_tensor *at_op_contrastive(at_tape *t, at_tensor *x, const at_contrast *c, double scale, double norm);
/* x [n, 1]: log(1 + sum over pairs i, j with target[i] < target[j] of exp(scale (x_i - x_j)))  (CoSENT, Su 2022) */
at_tensor *at_op_cosent(at_tape *t, at_tensor *x, const at_real *target, double scale);
/* (1/norm) sum_i max(0, margin + |x_a - x_p + e| - |x_a - x_n + e|), e = 1e-6 in every column as torch's pairwise_distance has it; rows
 * 3i, 3i+1, 3i+2 of `row` are anchor, positive, negative. */
at_tensor *at_op_triplet(at_tape *t, at_tensor *x, const int32_t *row, int n, double margin, double norm);

/* The two of a classifier whose weight is the table of word embeddings (kind AT_WEIGHT_MATRIX) [words, cols of x]; the bias may be NULL.
 * target [rows], negative: none. Logits of all rows are never held. Answers [rows, 1 + 2 * n_best], without a gradient: -log of the target's
 * probability (0 without one), the words of the largest logits, their probabilities. */
at_tensor *at_op_tied_cross_entropy(at_tape *t, at_tensor *x, const at_weight *table, const at_weight *bias,
                                    const int32_t *target, double norm);
at_tensor *at_tied_answers(at_tape *t, at_tensor *x, const at_weight *table, const at_weight *bias, const int32_t *target, int n_best);

/* The same of a language model's classifier, packed (AT_WEIGHT_LINEAR; it may be the table of words too). Its loss is the end of a tape, or
 * added to others: its gradient is 1. Answers [rows, AT_VOCABULARY_ANSWERS]: -log of the target's probability (0 without one), the word of
 * the largest logit. */
typedef struct at_classifier {
    at_weight *weight, *bias; /* [words, cols of x]; the bias may be NULL */
    double cap;               /* logits become cap * tanh(logit / cap); 0: they do not */
} at_classifier;
enum { AT_VOCABULARY_ANSWERS = 2 };
at_tensor *at_op_vocabulary_cross_entropy(at_tape *t, at_tensor *x, const at_classifier *c, const int32_t *target, double norm);
at_tensor *at_vocabulary_answers(at_tape *t, at_tensor *x, const at_classifier *c, const int32_t *target);

#endif
