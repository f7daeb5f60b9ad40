/* x = [gate | up];  y = act(gate) ⊙ up   (GLU variants: Shazeer 2020)
 * dgate (+)= dy ⊙ up ⊙ act'(gate);  dup (+)= dy ⊙ act(gate) */
#include "op/shape.h"

typedef struct gated_node {
    at_node node;
    at_tensor *x;
    at_activation act;
} gated_node;

static void gated_backward(at_tape *t, at_node *node) {
    gated_node *n = (gated_node *)node;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (dx && !t->dry) t->backend->gated_backward(n->act, n->x->data, node->y->grad, dx, accumulate, n->x->rows, node->y->cols);
}

at_tensor *at_op_gated(at_tape *t, at_tensor *x, at_activation act) {
    if (t->status) return NULL;
    if (x->cols % 2) return at_tape_fail(t, AT_BUG, "gated: %d columns are no pair of halves", x->cols);
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, x->cols / 2);
    if (!y) return NULL;
    if (!t->dry) t->backend->gated(act, x->data, y->data, y->rows, y->cols);
    if (!at_tape_records(t, x)) return y;
    gated_node *n = (gated_node *)at_tape_push(t, sizeof *n, y, gated_backward);
    if (!n) return NULL;
    n->x = x;
    n->act = act;
    return y;
}
