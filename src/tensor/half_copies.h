/* The bf16 copies of weights that products with bf16 operands read (backend/half.h). The masters stay in at_params; whoever runs products
 * refreshes the copies after the masters have changed. The weights of a new network (is_head) have none: its products stay fp32. */
#ifndef AT_TENSOR_HALF_COPIES_H
#define AT_TENSOR_HALF_COPIES_H

#include "backend/half.h"
#include "base/thread.h"
#include "tensor/weight.h"

typedef struct at_half_copies {
    const at_half *half;
    uint16_t *values;
    size_t bytes;
    size_t *forward, *backward; /* [n] offset of each weight's copies in values; AT_NO_GRADIENT: it has none */
    const at_weight *weights;   /* those of the params, for the index of one */
    int n;
} at_half_copies;

/* backward 0: prediction, one copy a weight. Not filled yet. NULL where half is NULL. Close it with at_half_copies_close. */
at_status at_half_copies_open(at_half_copies **copies, const at_params *p, const at_half *half, int backward, at_error *err);
size_t at_half_copies_bytes(const at_params *p, const at_half *half, int backward);
void at_half_copies_close(at_half_copies *copies);
/* In parallel. only_trainable: those whose masters a step may have changed. copies may be NULL. */
void at_half_copies_refresh(at_half_copies *copies, const at_params *p, int only_trainable, at_pool *pool);

static inline const uint16_t *at_half_forward(const at_half_copies *c, const at_weight *w) {
    size_t at = c ? c->forward[w - c->weights] : AT_NO_GRADIENT;
    return at == AT_NO_GRADIENT ? NULL : c->values + at;
}
static inline const uint16_t *at_half_backward(const at_half_copies *c, const at_weight *w) {
    size_t at = c ? c->backward[w - c->weights] : AT_NO_GRADIENT;
    return at == AT_NO_GRADIENT ? NULL : c->values + at;
}

#endif
