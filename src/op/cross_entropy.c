/* loss = (1/norm) Σ_r -Σ_c q_rc log softmax(x_r)_c, q = (1 - smoothing) onehot(target_r) + smoothing / cols, with class weights
 * as PyTorch has them; rows with target < 0 are ignored. dx_r = (softmax(x_r) - q_r) / norm without weights. */
#include "op/loss.h"

static int check(at_tape *t, const at_tensor *x, const int32_t *target, double smoothing, double norm) {
    if (!(norm > 0)) at_tape_fail(t, AT_BUG, "cross entropy: the sum is divided by %g", norm);
    else if (!(smoothing >= 0 && smoothing < 1)) at_tape_fail(t, AT_BUG, "cross entropy: smoothing of %g", smoothing);
    for (int r = 0; r < x->rows && !t->status; r++)
        if (target[r] >= x->cols) at_tape_fail(t, AT_BUG, "cross entropy: target %d of %d classes", target[r], x->cols);
    return !t->status;
}

at_tensor *at_op_cross_entropy(at_tape *t, at_tensor *logits, const int32_t *target, const at_real *class_weight,
                               double smoothing, double norm) {
    if (t->status || !check(t, logits, target, smoothing, norm)) return NULL;
    at_real *dx = at_loss_gradient(t, logits);
    at_mark mark = at_arena_mark(t->scratch);
    size_t rows = (size_t)logits->rows;
    double *row_loss = (double *)(void *)at_tape_scratch(t, rows * (sizeof(double) / sizeof(at_real)));
    double sum = 0;
    if (t->status) return NULL;
    if (!t->dry) {
        t->backend->cross_entropy(logits->data, target, class_weight, (at_real)smoothing, (at_real)(1 / norm), row_loss, dx,
                                  logits->rows, logits->cols);
        for (size_t r = 0; r < rows; r++) sum += row_loss[r];
    }
    at_arena_rewind(t->scratch, mark);
    return at_loss_tensor(t, logits, sum / norm, dx);
}
