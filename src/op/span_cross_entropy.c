/* Rows come in runs (the tokens of a window); each column says where in a run something is (begin, end of an answer).
 * loss = (1/norm) Σ_s (1/cols) Σ_c -Σ_r q log softmax over the rows r of run s of x_rc, q = (1 - smoothing) at the target and
 * smoothing / rows of the run everywhere; dx_rc = (softmax - q) / (cols norm). As in transformers' ...ForQuestionAnswering. */
#include <math.h>

#include "op/loss.h"

static int check(at_tape *t, const at_tensor *x, const int32_t *first, int n, const int32_t *target, double norm) {
    if (!(norm > 0)) at_tape_fail(t, AT_BUG, "span cross entropy: the sum is divided by %g", norm);
    for (int s = 0; s < n && !t->status; s++) {
        if (first[s] >= first[s + 1] || first[s] < 0 || first[s + 1] > x->rows) at_tape_fail(t, AT_BUG, "span cross entropy: run %d is empty", s);
        for (int c = 0; c < x->cols && !t->status; c++) {
            int32_t row = target[s * x->cols + c];
            if (row < first[s] || row >= first[s + 1]) at_tape_fail(t, AT_BUG, "span cross entropy: target %d is outside of its run", row);
        }
    }
    return !t->status;
}

/* One column of one run: rows [from, end); returns its loss and fills dx, where there is one, with softmax - q times `scale`. */
static double column_loss(const at_tensor *x, int c, int from, int end, int target, double smoothing, double scale, at_real *dx) {
    size_t cols = (size_t)x->cols;
    double most = -INFINITY, sum = 0, all = 0;
    for (int r = from; r < end; r++) most = fmax(most, (double)x->data[(size_t)r * cols + (size_t)c]);
    for (int r = from; r < end; r++) {
        double v = (double)x->data[(size_t)r * cols + (size_t)c] - most;
        sum += exp(v);
        all += v;
    }
    double spread = smoothing / (end - from), at = (double)x->data[(size_t)target * cols + (size_t)c] - most;
    for (int r = from; dx && r < end; r++) {
        double p = exp((double)x->data[(size_t)r * cols + (size_t)c] - most) / sum;
        dx[(size_t)r * cols + (size_t)c] = (at_real)((p - spread - (r == target ? 1 - smoothing : 0)) * scale);
    }
    return log(sum) - (1 - smoothing) * at - spread * all;
}

at_tensor *at_op_span_cross_entropy(at_tape *t, at_tensor *logits, const int32_t *first, int n, const int32_t *target, double smoothing, double norm) {
    if (t->status || !check(t, logits, first, n, target, norm)) return NULL;
    at_real *dx = at_loss_gradient(t, logits);
    double sum = 0, scale = 1 / (norm * logits->cols);
    if (t->status) return NULL;
    for (int s = 0; s < n && !t->dry; s++)
        for (int c = 0; c < logits->cols; c++)
            sum += column_loss(logits, c, first[s], first[s + 1], target[s * logits->cols + c], smoothing, scale, dx);
    return at_loss_tensor(t, logits, sum * scale, dx);
}
