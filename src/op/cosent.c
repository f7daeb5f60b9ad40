/* With z_ij = scale (x_i - x_j) for every i, j with target_i < target_j:
 *   loss = log(1 + Σ exp z_ij);  w_ij = exp(z_ij - loss), dx_i += scale w_ij, dx_j -= scale w_ij */
#include <string.h>

#include "op/loss.h"

static double largest(const at_tensor *x, const at_real *target, double scale) {
    double most = 0; /* of the 1 */
    for (int i = 0; i < x->rows; i++)
        for (int j = 0; j < x->rows; j++)
            if (target[i] < target[j]) most = fmax(most, scale * ((double)x->data[i] - (double)x->data[j]));
    return most;
}

at_tensor *at_op_cosent(at_tape *t, at_tensor *x, const at_real *target, double scale) {
    if (t->status) return NULL;
    if (x->cols != 1) return at_tape_fail(t, AT_BUG, "cosent: %d columns", x->cols);
    at_real *dx = at_loss_gradient(t, x);
    double *gradient = t->status ? NULL : at_tape_save(t, (size_t)x->rows, sizeof *gradient);
    if (t->status) return NULL;
    if (t->dry) return at_loss_tensor(t, x, 0, dx);
    double most = largest(x, target, scale), sum = exp(-most);
    memset(gradient, 0, (size_t)x->rows * sizeof *gradient);
    for (int i = 0; i < x->rows; i++) {
        for (int j = 0; j < x->rows; j++) {
            if (!(target[i] < target[j])) continue;
            double e = exp(scale * ((double)x->data[i] - (double)x->data[j]) - most);
            sum += e;
            gradient[i] += e;
            gradient[j] -= e;
        }
    }
    for (int i = 0; dx && i < x->rows; i++) dx[i] = (at_real)(scale * gradient[i] / sum);
    return at_loss_tensor(t, x, most + log(sum), dx);
}
