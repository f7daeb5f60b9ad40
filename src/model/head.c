/* The heads: one row a sequence, then logits. */
#include "model/model.h"

at_tensor *at_head_features(at_tape *t, const at_model *m, at_tensor *hidden, const at_batch *b) {
    return at_op_pool(t, hidden, b, m->head.kind == AT_HEAD_MEAN ? AT_POOL_MEAN : AT_POOL_CLS);
}

at_tensor *at_head_from_features(at_tape *t, const at_model *m, at_tensor *features, const at_batch *b) {
    const at_head *h = &m->head;
    if (h->kind == AT_HEAD_NONE) return at_tape_fail(t, AT_BUG, "the model has no head");
    at_tensor *x = features;
    if (h->kind == AT_HEAD_POOLER) x = at_op_linear(t, x, &h->dense, &h->dense_bias, 1, AT_ACT_TANH);
    x = at_op_dropout(t, x, m->arch.classifier_dropout, b->seq_row);
    return at_op_linear(t, x, &h->classifier, &h->classifier_bias, 1, AT_ACT_NONE);
}

at_tensor *at_head_forward(at_tape *t, const at_model *m, at_tensor *hidden, const at_batch *b) {
    return at_head_from_features(t, m, at_head_features(t, m, hidden, b), b);
}
