/* y = act(x);  dx (+)= dy ⊙ act'(x) */
#include "op/shape.h"

typedef struct activation_node {
    at_node node;
    at_tensor *x;
    at_activation act;
} activation_node;

static void activation_backward(at_tape *t, at_node *node) {
    activation_node *n = (activation_node *)node;
    at_tensor *x = n->x, *y = node->y;
    int accumulate;
    at_real *dx = at_tape_gradient(t, x, &accumulate);
    if (!dx || t->dry) return;
    at_real *into = accumulate ? y->grad : dx; /* dy is not needed after this */
    t->backend->act_backward(n->act, x->data, y->grad, into, x->rows, x->cols, x->cols);
    if (accumulate) t->backend->scale_add(1, into, dx, 1, at_elements(x));
}

at_tensor *at_op_activation(at_tape *t, at_tensor *x, at_activation act) {
    if (t->status) return NULL;
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, x->cols);
    if (!y) return NULL;
    if (!t->dry) t->backend->act_forward(act, x->data, y->data, x->rows, x->cols, x->cols);
    if (!at_tape_records(t, x)) return y;
    activation_node *n = (activation_node *)at_tape_push(t, sizeof *n, y, activation_backward);
    if (!n) return NULL;
    n->x = x;
    n->act = act;
    return y;
}
