/* y = x / max(|x|, 1e-12) a row;  dx (+)= (dy - y (y · dy)) / |x|, and dy / 1e-12 where |x| is below it. */
#include "op/shape.h"

static const double SMALLEST = 1e-12;

typedef struct unit_node {
    at_node node;
    at_tensor *x;
    double *length; /* [rows] |x| */
} unit_node;

static double dot(const at_real *a, const at_real *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void unit_backward(at_tape *t, at_node *node) {
    unit_node *n = (unit_node *)node;
    at_tensor *y = node->y;
    size_t cols = (size_t)y->cols;
    int accumulate;
    at_real *into = at_tape_gradient(t, n->x, &accumulate);
    if (!into || t->dry) return;
    for (int r = 0; r < y->rows; r++) {
        const at_real *dy = y->grad + (size_t)r * cols, *yr = y->data + (size_t)r * cols;
        int small = n->length[r] < SMALLEST;
        double along = small ? 0 : dot(yr, dy, cols), scale = 1 / (small ? SMALLEST : n->length[r]);
        at_real *dx = into + (size_t)r * cols;
        for (size_t c = 0; c < cols; c++) {
            at_real d = (at_real)(((double)dy[c] - (double)yr[c] * along) * scale);
            dx[c] = accumulate ? dx[c] + d : d;
        }
    }
}

at_tensor *at_op_unit(at_tape *t, at_tensor *x) {
    if (t->status) return NULL;
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, x->cols);
    double *length = y ? at_tape_save(t, (size_t)x->rows, sizeof *length) : NULL;
    if (!length) return NULL;
    size_t cols = (size_t)x->cols;
    for (int r = 0; r < x->rows && !t->dry; r++) {
        const at_real *xr = x->data + (size_t)r * cols;
        length[r] = sqrt(dot(xr, xr, cols));
        double scale = 1 / (length[r] < SMALLEST ? SMALLEST : length[r]);
        for (size_t c = 0; c < cols; c++) y->data[(size_t)r * cols + c] = (at_real)((double)xr[c] * scale);
    }
    if (!at_tape_records(t, x)) return y;
    unit_node *n = (unit_node *)at_tape_push(t, sizeof *n, y, unit_backward);
    if (!n) return NULL;
    n->x = x;
    n->length = length;
    return y;
}
