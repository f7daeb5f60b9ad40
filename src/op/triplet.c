/* With d(a, b) = |a - b + e|, e = 1e-6 in every column:
 *   loss = (1/norm) Σ max(0, margin + d(a, p) - d(a, n));  where it is not 0, with u(a, b) = (a - b + e) / d(a, b):
 *   da += (u(a, p) - u(a, n)) / norm, dp -= u(a, p) / norm, dn += u(a, n) / norm */
#include <string.h>

#include "op/loss.h"

static const double E = 1e-6;

static double distance(const at_real *a, const at_real *b, size_t cols) {
    double sum = 0;
    for (size_t c = 0; c < cols; c++) {
        double d = (double)a[c] - (double)b[c] + E;
        sum += d * d;
    }
    return sqrt(sum);
}

/* Adds share * u(a, b) to da and takes it from db. */
static void push_apart(const at_real *a, const at_real *b, size_t cols, double share, at_real *da, at_real *db) {
    for (size_t c = 0; c < cols; c++) {
        double d = share * ((double)a[c] - (double)b[c] + E);
        da[c] += (at_real)d;
        db[c] -= (at_real)d;
    }
}

static double one(const at_tensor *x, const int32_t *row, double margin, double norm, at_real *dx) {
    size_t cols = (size_t)x->cols, at[3];
    for (int i = 0; i < 3; i++) at[i] = (size_t)row[i] * cols;
    const at_real *a = x->data + at[0], *p = x->data + at[1], *n = x->data + at[2];
    double near = distance(a, p, cols), far = distance(a, n, cols), value = margin + near - far;
    if (isnan(value)) return value;
    if (!(value > 0)) return 0;
    if (dx && near > 0) push_apart(a, p, cols, 1 / (near * norm), dx + at[0], dx + at[1]);
    if (dx && far > 0) push_apart(a, n, cols, -1 / (far * norm), dx + at[0], dx + at[2]);
    return value;
}

at_tensor *at_op_triplet(at_tape *t, at_tensor *x, const int32_t *row, int n, double margin, double norm) {
    if (t->status) return NULL;
    if (!(norm > 0)) return at_tape_fail(t, AT_BUG, "triplet: the sum is divided by %g", norm);
    for (int i = 0; i < 3 * n; i++)
        if (row[i] < 0 || row[i] >= x->rows) return at_tape_fail(t, AT_BUG, "triplet: row %d of %d", (int)row[i], x->rows);
    at_real *dx = at_loss_gradient(t, x);
    if (t->status) return NULL;
    double sum = 0;
    if (dx && !t->dry) memset(dx, 0, at_elements(x) * sizeof *dx);
    for (int i = 0; i < n && !t->dry; i++) sum += one(x, row + 3 * (size_t)i, margin, norm, dx);
    return at_loss_tensor(t, x, sum / norm, dx);
}
