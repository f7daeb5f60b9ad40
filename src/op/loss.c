/* loss = f(x);  dx (+)= dloss · f'(x), where f'(x) was saved by the forward pass, which has all it takes at hand. */
#include "op/loss.h"

typedef struct loss_node {
    at_node node;
    at_tensor *x;
    const at_real *dx;
} loss_node;

static void loss_backward(at_tape *t, at_node *node) {
    loss_node *n = (loss_node *)node;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (dx && !t->dry) t->backend->scale_add(node->y->grad[0], n->dx, dx, accumulate, at_elements(n->x));
}

at_real *at_loss_gradient(at_tape *t, const at_tensor *x) {
    return at_tape_records(t, x) ? at_tape_save(t, at_elements(x), sizeof(at_real)) : NULL;
}

at_tensor *at_loss_tensor(at_tape *t, at_tensor *x, double value, const at_real *dx) {
    at_tensor *loss = at_tape_tensor(t, AT_SPACE_SCALAR, 1, 1);
    if (!loss) return NULL;
    if (!t->dry) loss->data[0] = (at_real)value;
    if (!dx) return loss;
    loss_node *n = (loss_node *)at_tape_push(t, sizeof *n, loss, loss_backward);
    if (!n) return NULL;
    n->x = x;
    n->dx = dx;
    return loss;
}
