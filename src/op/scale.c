/* y = factor x;  dx (+)= factor dy */
#include "op/shape.h"

typedef struct scale_node {
    at_node node;
    at_tensor *x;
    double factor;
} scale_node;

static void scale_backward(at_tape *t, at_node *node) {
    scale_node *n = (scale_node *)node;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (dx && !t->dry) t->backend->scale_add((at_real)n->factor, node->y->grad, dx, accumulate, at_elements(n->x));
}

at_tensor *at_op_scale(at_tape *t, at_tensor *x, double factor) {
    if (t->status) return NULL;
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, x->cols);
    if (!y) return NULL;
    if (!t->dry) t->backend->scale_add((at_real)factor, x->data, y->data, 0, at_elements(x));
    if (!at_tape_records(t, x)) return y;
    scale_node *n = (scale_node *)at_tape_push(t, sizeof *n, y, scale_backward);
    if (!n) return NULL;
    n->x = x;
    n->factor = factor;
    return y;
}
