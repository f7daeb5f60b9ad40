/* y_i = x_a(i) . x_b(i);  dx_a(i) += dy_i x_b(i), dx_b(i) += dy_i x_a(i) */
#include <string.h>

#include "op/shape.h"

typedef struct product_node {
    at_node node;
    at_tensor *x;
    const int32_t *a, *b;
} product_node;

static void product_backward(at_tape *t, at_node *node) {
    product_node *n = (product_node *)node;
    size_t cols = (size_t)n->x->cols;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (!dx || t->dry) return;
    if (!accumulate) memset(dx, 0, at_elements(n->x) * sizeof *dx);
    for (int i = 0; i < node->y->rows; i++) {
        at_real dy = node->y->grad[i];
        size_t a = (size_t)n->a[i] * cols, b = (size_t)n->b[i] * cols;
        for (size_t c = 0; c < cols; c++) dx[a + c] += dy * n->x->data[b + c];
        for (size_t c = 0; c < cols; c++) dx[b + c] += dy * n->x->data[a + c];
    }
}

static int check(at_tape *t, const at_tensor *x, const int32_t *row, int n) {
    for (int i = 0; i < n; i++)
        if (row[i] < 0 || row[i] >= x->rows) return at_tape_fail(t, AT_BUG, "row product: row %d of %d", (int)row[i], x->rows) != NULL;
    return 1;
}

at_tensor *at_op_row_product(at_tape *t, at_tensor *x, const int32_t *a, const int32_t *b, int n) {
    if (t->status || !check(t, x, a, n) || !check(t, x, b, n)) return NULL;
    at_tensor *y = at_tape_tensor(t, AT_SPACE_SEQUENCES, n, 1);
    if (!y) return NULL;
    size_t cols = (size_t)x->cols;
    for (int i = 0; i < n && !t->dry; i++) {
        double sum = 0;
        for (size_t c = 0; c < cols; c++) sum += (double)x->data[(size_t)a[i] * cols + c] * (double)x->data[(size_t)b[i] * cols + c];
        y->data[i] = (at_real)sum;
    }
    if (!at_tape_records(t, x)) return y;
    product_node *node = (product_node *)at_tape_push(t, sizeof *node, y, product_backward);
    if (!node) return NULL;
    node->x = x;
    node->a = a;
    node->b = b;
    return y;
}
