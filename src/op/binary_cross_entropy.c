/* loss = (1/norm) Σ -[w y log σ(x) + (1 - y) log(1 - σ(x))], w the positive weight of the column; y = NaN is ignored.
 * With s = log(1 + exp(-x)) in a form that does not overflow: -log σ(x) = s, -log(1 - σ(x)) = x + s.
 * dx = [(1 - y) σ(x) - w y (1 - σ(x))] / norm */
#include "op/loss.h"

static double element(double x, double y, double w, double *d) {
    double small = exp(-fabs(x)); /* in 0..1 */
    double s = (x > 0 ? 0 : -x) + log1p(small);
    double sigma = x > 0 ? 1 / (1 + small) : small / (1 + small);
    double rest = x > 0 ? small / (1 + small) : 1 / (1 + small);
    *d = (1 - y) * sigma - w * y * rest;
    return w * y * s + (1 - y) * (x + s);
}

at_tensor *at_op_binary_cross_entropy(at_tape *t, at_tensor *logits, const at_real *target, const at_real *positive_weight,
                                      double norm) {
    if (t->status) return NULL;
    if (!(norm > 0)) return at_tape_fail(t, AT_BUG, "binary cross entropy: the sum is divided by %g", norm);
    at_real *dx = at_loss_gradient(t, logits);
    if (t->status) return NULL;
    size_t cols = (size_t)logits->cols;
    double sum = 0;
    for (size_t i = 0; i < at_elements(logits) && !t->dry; i++) {
        double y = (double)target[i], d = 0;
        if (!isnan(y)) sum += element((double)logits->data[i], y, positive_weight ? (double)positive_weight[i % cols] : 1, &d);
        if (dx) dx[i] = (at_real)(d / norm);
    }
    return at_loss_tensor(t, logits, sum / norm, dx);
}
