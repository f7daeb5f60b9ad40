/* A packed chunk: sequences laid end to end, no padding. */
#ifndef AT_TENSOR_BATCH_H
#define AT_TENSOR_BATCH_H

#include <stdint.h>

#include "backend/backend.h"

/* Keys and values of the tokens before a batch of one sequence, for generation: attention appends the batch's own behind `length`, and sees
 * all. The caller counts them in when the batch is done. A batch of several sequences is one of a row each, all behind `length` tokens of
 * their own. */
typedef struct at_cache {
    at_real *keys, *values;   /* [layers][slots][cap][cols] */
    int layers, slots, cap, cols; /* cols: key-value heads * head_dim */
    const int *slot;          /* [n_seq] where each sequence of the batch lies; NULL: one sequence, in slot 0 */
    int length;               /* tokens before the batch */
    /* Of a decoder beside an encoder: keys and values of the encoder's rows, made once, [layers][source->rows][2 * cols]. */
    at_real *source_keys;
    const struct at_batch *source; /* one sequence; its lengths alone are read */
} at_cache;

typedef struct at_batch {
    int rows;                 /* tokens */
    int n_seq;
    int max_len;
    const int *cu_seqlens;    /* [n_seq + 1] */
    const int32_t *ids;       /* [rows] token ids, checked against the vocabulary when encoded */
    const uint8_t *types;     /* [rows] token types (segments of a pair) */
    const int32_t *positions; /* [rows] */
    const uint64_t *row_id;   /* [rows] (seq_id << 32) | position: names the row for dropout */
    const uint64_t *seq_row;  /* [n_seq] (uint64_t)seq_id << 32: names the sequence's pooled row for dropout */
    const uint32_t *seq_id;   /* [n_seq] index of the sequence in the optimiser step */
    const int32_t *example;   /* [n_seq] index in the dataset */
    /* The rows of answers: one a sequence, or one at each of certain tokens. */
    int n_outputs;
    const int32_t *place;     /* [n_outputs] row of the batch that an answer stands at; NULL: one a sequence */
    const int32_t *output;    /* [n_outputs] index among the dataset's outputs */
    const uint64_t *output_row; /* [n_outputs] names the answer's row for dropout */
    const int32_t *label;     /* [n_outputs] class of each answer, negative: none; NULL: the data have no labels */
    const at_cache *cache;    /* NULL: every sequence is whole */
    /* The rows of a decoder that reads this batch's, sequence by sequence (n_seq and seq_id are the same); places are rows of it then. Its
     * own answers, cache and decoder are not there. NULL: a model of one stack, or a text that its decoder reads again. */
    const struct at_batch *decoder;
} at_batch;

#endif
