/* y = x ⊙ mask / (1 - p), mask drawn by (seed, site, step, row, column); dx (+)= dy ⊙ mask / (1 - p)
 * (Srivastava et al. 2014, in the inverted form). Outside of training, or with p = 0, y is x. */
#include "op/shape.h"

typedef struct dropout_node {
    at_node node;
    at_tensor *x;
    at_dropout drop;
} dropout_node;

static void dropout_backward(at_tape *t, at_node *node) {
    dropout_node *n = (dropout_node *)node;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (dx && !t->dry) t->backend->dropout(node->y->grad, &n->drop, dx, accumulate, n->x->rows, n->x->cols);
}

at_tensor *at_op_dropout(at_tape *t, at_tensor *x, double p, const uint64_t *row_id) {
    if (t->status) return NULL;
    if (!at_is_probability(p)) return at_tape_fail(t, AT_BUG, "dropout of %g", p);
    at_dropout drop = at_next_dropout(t, p, row_id);
    if (!drop.threshold) return x;
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, x->cols);
    if (!y) return NULL;
    if (!t->dry) t->backend->dropout(x->data, &drop, y->data, 0, x->rows, x->cols);
    if (!at_tape_records(t, x)) return y;
    dropout_node *n = (dropout_node *)at_tape_push(t, sizeof *n, y, dropout_backward);
    if (!n) return NULL;
    n->x = x;
    n->drop = drop;
    return y;
}
