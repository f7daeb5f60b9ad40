/* One row a sequence, from its tokens x_0 .. x_{n-1}:
 *   CLS  y = x_0              dx_0 += dy
 *   LAST y = x_{n-1}          dx_{n-1} += dy
 *   MEAN y = (1/n) Σ x_i      dx_i += dy / n
 *   MAX  y_c = max_i x_i,c    dx_i,c += dy_c for the first i that has the maximum */
#include <string.h>

#include "op/shape.h"

typedef struct pool_node {
    at_node node;
    at_tensor *x;
    const at_batch *batch;
    at_pooling how;
    int32_t *argmax; /* [n_seq, cols] rows, for MAX */
} pool_node;

static void pool_sequence(const at_tensor *x, int first, int end, at_pooling how, at_real *y, int32_t *argmax) {
    size_t cols = (size_t)x->cols;
    for (size_t c = 0; c < cols; c++) {
        const at_real *column = x->data + c;
        double sum = 0;
        int best = how == AT_POOL_LAST ? end - 1 : first;
        for (int r = first; r < end && (how == AT_POOL_MEAN || how == AT_POOL_MAX); r++) {
            sum += column[(size_t)r * cols];
            if (column[(size_t)r * cols] > column[(size_t)best * cols]) best = r;
        }
        y[c] = how == AT_POOL_MEAN ? (at_real)(sum / (end - first)) : column[(size_t)best * cols];
        if (argmax) argmax[c] = best;
    }
}

static void sequence_backward(const pool_node *n, int s, at_real *dx) {
    size_t cols = (size_t)n->x->cols;
    int first = n->batch->cu_seqlens[s], end = n->batch->cu_seqlens[s + 1];
    const at_real *dy = n->node.y->grad + (size_t)s * cols;
    if (n->how == AT_POOL_MEAN) {
        at_real share = (at_real)(1.0 / (end - first));
        for (int r = first; r < end; r++)
            for (size_t c = 0; c < cols; c++) dx[(size_t)r * cols + c] += dy[c] * share;
        return;
    }
    for (size_t c = 0; c < cols; c++) {
        int row = n->how == AT_POOL_MAX ? n->argmax[(size_t)s * cols + c] : n->how == AT_POOL_LAST ? end - 1 : first;
        dx[(size_t)row * cols + c] += dy[c];
    }
}

static void pool_backward(at_tape *t, at_node *node) {
    pool_node *n = (pool_node *)node;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (!dx || t->dry) return;
    if (!accumulate) memset(dx, 0, at_elements(n->x) * sizeof(at_real));
    for (int s = 0; s < n->batch->n_seq; s++) sequence_backward(n, s, dx);
}

static int check(at_tape *t, const at_tensor *x, const at_batch *b) {
    if (!at_is_tokens(x, b)) at_tape_fail(t, AT_BUG, "pool: x has %d rows, the batch %d tokens", x->rows, b->rows);
    for (int s = 0; s < b->n_seq && !t->status; s++)
        if (b->cu_seqlens[s + 1] <= b->cu_seqlens[s]) at_tape_fail(t, AT_BUG, "pool: sequence %d has no token", s);
    return !t->status;
}

at_tensor *at_op_pool(at_tape *t, at_tensor *x, const at_batch *b, at_pooling how) {
    if (t->status || !check(t, x, b)) return NULL;
    at_tensor *y = at_tape_tensor(t, AT_SPACE_SEQUENCES, b->n_seq, x->cols);
    int records = at_tape_records(t, x);
    int32_t *argmax = y && records && how == AT_POOL_MAX ? at_tape_save(t, at_elements(y), sizeof *argmax) : NULL;
    if (t->status) return NULL;
    for (int s = 0; s < b->n_seq && !t->dry; s++) {
        size_t at = (size_t)s * (size_t)x->cols;
        pool_sequence(x, b->cu_seqlens[s], b->cu_seqlens[s + 1], how, y->data + at, argmax ? argmax + at : NULL);
    }
    if (!records) return y;
    pool_node *n = (pool_node *)at_tape_push(t, sizeof *n, y, pool_backward);
    if (!n) return NULL;
    n->x = x;
    n->batch = b;
    n->how = how;
    n->argmax = argmax;
    return y;
}
