/* What ops share: questions about shapes, and the dropout of one site. Private to src/op. */
#ifndef AT_OP_SHAPE_H
#define AT_OP_SHAPE_H

#include <math.h>

#include "op/op.h"

static inline size_t at_elements(const at_tensor *x) { return (size_t)x->rows * (size_t)x->cols; }

/* 1 where x holds one row for every token of the batch. */
static inline int at_is_tokens(const at_tensor *x, const at_batch *b) {
    return x->space == AT_SPACE_TOKENS && x->rows == b->rows;
}

/* The dropout of the next site. Sites are counted whether they act or not, so that freezing or evaluating renumbers nothing. */
static inline at_dropout at_next_dropout(at_tape *t, double p, const uint64_t *row_id) {
    uint64_t key = at_tape_dropout_key(t);
    int acts = t->training && p > 0;
    return (at_dropout){.threshold = acts ? (uint32_t)lrint(p * 65536) : 0, .key = key, .row_id = row_id};
}

static inline int at_is_probability(double p) { return p >= 0 && p < 1; }

#endif
