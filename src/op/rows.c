/* y = rows first .. first+n-1 of a matrix;  dmatrix[first + r] += dy[r] */
#include <string.h>

#include "op/shape.h"

typedef struct rows_node {
    at_node node;
    at_weight *weight;
    int first;
} rows_node;

static void rows_backward(at_tape *t, at_node *node) {
    rows_node *n = (rows_node *)node;
    at_real *dw = at_tape_weight_gradient(t, n->weight);
    if (dw && !t->dry) t->backend->scale_add(1, node->y->grad, dw + (size_t)n->first * (size_t)n->weight->in, 1, at_elements(node->y));
}

at_tensor *at_op_rows(at_tape *t, at_weight *weight, int first, int n) {
    if (t->status) return NULL;
    if (weight->kind != AT_WEIGHT_MATRIX || first < 0 || n < 1 || first > weight->out - n)
        return at_tape_fail(t, AT_BUG, "rows %d to %d of %s, which has %d", first, first + n - 1, weight->name, weight->out);
    at_tensor *y = at_tape_tensor(t, AT_SPACE_TABLE, n, weight->in);
    if (!y) return NULL;
    const at_real *from = at_weight_values(t->params, weight) + (size_t)first * (size_t)weight->in;
    if (!t->dry) memcpy(y->data, from, at_elements(y) * sizeof(at_real));
    if (!at_weight_records(t, weight)) return y;
    rows_node *node = (rows_node *)at_tape_push(t, sizeof *node, y, rows_backward);
    if (!node) return NULL;
    node->weight = weight;
    node->first = first;
    return y;
}
