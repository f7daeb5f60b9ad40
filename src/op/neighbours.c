/* y[r, c * width + tap] = x[r + tap - (width - 1) / 2, c] within the text of r, else 0;  dx[r + tap - (width - 1) / 2, c] += dy[r, c * width + tap] */
#include <string.h>

#include "op/shape.h"

typedef struct neighbours_node {
    at_node node;
    at_tensor *x;
    const at_batch *batch;
    int width;
} neighbours_node;

/* Row `from` of x into the columns of its tap in a row of y. */
static void take(const at_tensor *x, int width, int from, int tap, at_real *y) {
    const at_real *row = x->data + (size_t)from * (size_t)x->cols;
    for (int c = 0; c < x->cols; c++) y[(size_t)c * (size_t)width + (size_t)tap] = row[c];
}

static void give(const neighbours_node *n, int from, int tap, const at_real *dy, at_real *dx) {
    at_real *row = dx + (size_t)from * (size_t)n->x->cols;
    for (int c = 0; c < n->x->cols; c++) row[c] += dy[(size_t)c * (size_t)n->width + (size_t)tap];
}

static void sequence_forward(const at_tensor *x, int first, int end, int width, at_tensor *y) {
    for (int r = first; r < end; r++)
        for (int tap = 0; tap < width; tap++) {
            int from = r + tap - (width - 1) / 2;
            if (from >= first && from < end) take(x, width, from, tap, y->data + (size_t)r * (size_t)y->cols);
        }
}

static void sequence_backward(const neighbours_node *n, int first, int end, at_real *dx) {
    const at_tensor *y = n->node.y;
    for (int r = first; r < end; r++)
        for (int tap = 0; tap < n->width; tap++) {
            int from = r + tap - (n->width - 1) / 2;
            if (from >= first && from < end) give(n, from, tap, y->grad + (size_t)r * (size_t)y->cols, dx);
        }
}

static void neighbours_backward(at_tape *t, at_node *node) {
    neighbours_node *n = (neighbours_node *)node;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (!dx || t->dry) return;
    if (!accumulate) memset(dx, 0, at_elements(n->x) * sizeof(at_real));
    for (int s = 0; s < n->batch->n_seq; s++) sequence_backward(n, n->batch->cu_seqlens[s], n->batch->cu_seqlens[s + 1], dx);
}

at_tensor *at_op_neighbours(at_tape *t, at_tensor *x, const at_batch *b, int width) {
    int cols;
    if (t->status) return NULL;
    if (!at_is_tokens(x, b)) return at_tape_fail(t, AT_BUG, "neighbours: x has %d rows, the batch %d tokens", x->rows, b->rows);
    if (width < 1 || width % 2 == 0 || __builtin_mul_overflow(x->cols, width, &cols))
        return at_tape_fail(t, AT_BUG, "neighbours: %d tokens of %d columns", width, x->cols);
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, cols);
    if (!y) return NULL;
    if (!t->dry) memset(y->data, 0, at_elements(y) * sizeof(at_real));
    for (int s = 0; s < b->n_seq && !t->dry; s++) sequence_forward(x, b->cu_seqlens[s], b->cu_seqlens[s + 1], width, y);
    if (!at_tape_records(t, x)) return y;
    neighbours_node *n = (neighbours_node *)at_tape_push(t, sizeof *n, y, neighbours_backward);
    if (!n) return NULL;
    n->x = x;
    n->batch = b;
    n->width = width;
    return y;
}
