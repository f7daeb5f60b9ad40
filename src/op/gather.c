/* y[i] = x[index[i]];  dx[index[i]] += dy[i] */
#include <string.h>

#include "op/shape.h"

typedef struct gather_node {
    at_node node;
    at_tensor *x;
    const int32_t *index;
} gather_node;

static void gather_backward(at_tape *t, at_node *node) {
    gather_node *n = (gather_node *)node;
    size_t cols = (size_t)n->x->cols;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (!dx || t->dry) return;
    if (!accumulate) memset(dx, 0, at_elements(n->x) * sizeof(at_real));
    for (int i = 0; i < node->y->rows; i++)
        for (size_t c = 0; c < cols; c++) dx[(size_t)n->index[i] * cols + c] += node->y->grad[(size_t)i * cols + c];
}

at_tensor *at_op_gather(at_tape *t, at_tensor *x, const int32_t *index, int n, at_space space) {
    if (t->status) return NULL;
    for (int i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= x->rows)
            return at_tape_fail(t, AT_BUG, "gather: row %d of %d", index[i], x->rows);
    at_tensor *y = at_tape_tensor(t, space, n, x->cols);
    if (!y) return NULL;
    size_t cols = (size_t)x->cols;
    for (int i = 0; i < n && !t->dry; i++)
        memcpy(y->data + (size_t)i * cols, x->data + (size_t)index[i] * cols, cols * sizeof(at_real));
    if (!at_tape_records(t, x)) return y;
    gather_node *node = (gather_node *)at_tape_push(t, sizeof *node, y, gather_backward);
    if (!node) return NULL;
    node->x = x;
    node->index = index;
    return y;
}
