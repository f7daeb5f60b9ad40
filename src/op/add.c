/* y = a + b;  da (+)= dy;  db (+)= dy. a and b may be the same tensor. */
#include "op/shape.h"

typedef struct add_node {
    at_node node;
    at_tensor *a, *b;
} add_node;

static void give(at_tape *t, const at_tensor *y, at_tensor *x) {
    if (!x->needs_grad) return;
    int accumulate;
    at_real *dx = at_tape_gradient(t, x, &accumulate);
    if (dx && !t->dry) t->backend->scale_add(1, y->grad, dx, accumulate, at_elements(x));
}

static void add_backward(at_tape *t, at_node *node) {
    add_node *n = (add_node *)node;
    give(t, node->y, n->a);
    give(t, node->y, n->b);
}

at_tensor *at_op_add(at_tape *t, at_tensor *a, at_tensor *b) {
    if (t->status) return NULL;
    if (a->rows != b->rows || a->cols != b->cols || a->space != b->space)
        return at_tape_fail(t, AT_BUG, "add: [%d, %d] and [%d, %d]", a->rows, a->cols, b->rows, b->cols);
    at_tensor *y = at_tape_tensor(t, a->space, a->rows, a->cols);
    if (!y) return NULL;
    if (!t->dry) {
        t->backend->scale_add(1, a->data, y->data, 0, at_elements(y));
        t->backend->scale_add(1, b->data, y->data, 1, at_elements(y));
    }
    if (!at_tape_records(t, a) && !at_tape_records(t, b)) return y;
    add_node *n = (add_node *)at_tape_push(t, sizeof *n, y, add_backward);
    if (!n) return NULL;
    n->a = a;
    n->b = b;
    return y;
}
