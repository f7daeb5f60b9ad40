/* y = act(x Wᵀ + b), column segments side by side: y = [act(x W1ᵀ + b1) | act(x W2ᵀ + b2) | ...]
 * dpre = dy ⊙ act'(pre);  dx (+)= Σ_s dpre_s W_s;  dW_s += dpre_sᵀ x;  db_s += Σ_rows dpre_s */
#include "op/shape.h"

enum { MAX_SEGMENTS = 4 };

typedef struct linear_node {
    at_node node;
    at_tensor *x;
    at_real *pre; /* [rows, cols of y] before the activation; NULL without one */
    at_activation act;
    int n;
    at_weight *weight[MAX_SEGMENTS], *bias[MAX_SEGMENTS];
} linear_node;

static void segment_backward(at_tape *t, const linear_node *l, const at_weight *w, const at_weight *bias, at_real *dy) {
    at_tensor *x = l->x;
    int ld = l->node.y->cols;
    at_mark mark = at_arena_mark(t->scratch);
    at_real *scratch = at_tape_scratch(t, t->backend->linear_scratch(x->rows, w->in, w->out));
    if (at_weight_records(t, w) || at_weight_records(t, bias)) {
        at_real *dw = at_tape_weight_gradient(t, w), *dbias = bias ? at_tape_weight_gradient(t, bias) : NULL;
        if (!t->dry && scratch)
            t->backend->linear_dw(x->data, x->cols, dy, ld, dw, dbias, x->rows, w->in, w->out, scratch);
    }
    if (x->needs_grad) {
        int accumulate;
        at_real *dx = at_tape_gradient(t, x, &accumulate);
        if (!t->dry && scratch && dx)
            t->backend->linear_dx(dy, ld, at_weight_values(t->params, w), dx, x->cols, x->rows, w->in, w->out, accumulate,
                                  scratch);
    }
    at_arena_rewind(t->scratch, mark);
}

static void linear_backward(at_tape *t, at_node *node) {
    linear_node *l = (linear_node *)node;
    at_tensor *y = node->y;
    if (l->act != AT_ACT_NONE && !t->dry)
        t->backend->act_backward(l->act, l->pre, y->grad, y->grad, y->rows, y->cols, y->cols);
    int col = 0;
    for (int s = 0; s < l->n && !t->status; s++) {
        segment_backward(t, l, l->weight[s], l->bias[s], t->dry ? NULL : y->grad + col);
        col += l->weight[s]->out;
    }
}

static int check_segments(at_tape *t, const at_tensor *x, at_weight *const *weight, at_weight *const *bias, int n) {
    if (n < 1 || n > MAX_SEGMENTS) at_tape_fail(t, AT_BUG, "linear: %d segments", n);
    for (int s = 0; s < n && !t->status; s++) {
        const at_weight *w = weight[s], *b = bias ? bias[s] : NULL;
        if (w->kind != AT_WEIGHT_LINEAR || w->in != x->cols)
            at_tape_fail(t, AT_BUG, "linear: x is [%d, %d], %s is [%d, %d]", x->rows, x->cols, w->name, w->out, w->in);
        else if (b && (b->kind != AT_WEIGHT_VECTOR || b->out != w->out))
            at_tape_fail(t, AT_BUG, "linear: %s has %d elements, %s %d rows", b->name, b->out, w->name, w->out);
    }
    return !t->status;
}

static void forward(at_tape *t, const at_tensor *x, at_weight *const *weight, at_weight *const *bias, int n,
                    at_activation act, at_real *pre, at_tensor *y) {
    int col = 0;
    for (int s = 0; s < n; s++) {
        const at_weight *w = weight[s], *b = bias ? bias[s] : NULL;
        t->backend->linear(x->data, x->cols, at_weight_values(t->params, w), b ? at_weight_values(t->params, b) : NULL, act,
                           pre ? pre + col : NULL, y->data + col, y->cols, x->rows, w->in, w->out);
        col += w->out;
    }
}

at_tensor *at_op_linear(at_tape *t, at_tensor *x, at_weight *const *weight, at_weight *const *bias, int n_segments,
                        at_activation act) {
    if (t->status || !check_segments(t, x, weight, bias, n_segments)) return NULL;
    int cols = 0, records = at_tape_records(t, x);
    for (int s = 0; s < n_segments; s++) {
        if (__builtin_add_overflow(cols, weight[s]->out, &cols)) return at_tape_fail(t, AT_BUG, "linear: too many columns");
        records |= at_weight_records(t, weight[s]) || (bias && at_weight_records(t, bias[s]));
    }
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, cols);
    at_real *pre = y && records && act != AT_ACT_NONE ? at_tape_save(t, at_elements(y), sizeof(at_real)) : NULL;
    if (t->status) return NULL;
    if (!t->dry) forward(t, x, weight, bias, n_segments, act, pre, y);
    if (!records) return y;
    linear_node *l = (linear_node *)at_tape_push(t, sizeof *l, y, linear_backward);
    if (!l) return NULL;
    l->x = x;
    l->pre = pre;
    l->act = act;
    l->n = n_segments;
    for (int s = 0; s < n_segments; s++) {
        l->weight[s] = weight[s];
        l->bias[s] = bias ? bias[s] : NULL;
    }
    return y;
}
