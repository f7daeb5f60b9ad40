/* loss = (1/norm) Σ (x - target)²;  dx = 2 (x - target) / norm */
#include "op/loss.h"

at_tensor *at_op_mse(at_tape *t, at_tensor *x, const at_real *target, double norm) {
    if (t->status) return NULL;
    if (!(norm > 0)) return at_tape_fail(t, AT_BUG, "squared error: the sum is divided by %g", norm);
    at_real *dx = at_loss_gradient(t, x);
    if (t->status) return NULL;
    double sum = 0;
    for (size_t i = 0; i < at_elements(x) && !t->dry; i++) {
        double d = (double)x->data[i] - (double)target[i];
        sum += d * d;
        if (dx) dx[i] = (at_real)(2 * d / norm);
    }
    return at_loss_tensor(t, x, sum / norm, dx);
}
