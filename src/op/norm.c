/* By groups of columns as wide as gamma, all of them in most cases.
 * h = residual + dropout(x);  y = (h - mean(h)) / sqrt(var(h) + ε) * γ + β   (LayerNorm: Ba, Kiros, Hinton 2016)
 * rms: y = h / sqrt(mean(h²) + ε) * γ                                        (RMSNorm: Zhang, Sennrich 2019); with 1 + γ in Gemma
 * dh comes from the saved h, mean and 1/σ; dresidual (+)= dh;  dx (+)= dropout(dh);  dγ, dβ += sums over rows. */
#include "op/shape.h"

typedef struct norm_node {
    at_node node;
    at_tensor *x, *residual;
    at_real *h, *stats; /* [rows, cols], [rows, 2] */
    at_dropout drop;
    at_weight *gamma, *beta;
    at_norm_kind kind;
} norm_node;

/* Rows of the kernel: a row of x has as many as there are groups in it. */
static int kernel_rows(const at_tensor *x, const at_weight *gamma) { return x->rows * (x->cols / gamma->out); }

/* The gain as the kernel wants it: gamma itself, or 1 + gamma in scratch. NULL where that is missing. */
static const at_real *gain(at_tape *t, const at_weight *gamma, at_norm_kind kind) {
    const at_real *values = at_weight_values(t->params, gamma);
    if (kind != AT_NORM_RMS_ONE) return values;
    at_real *plus = at_tape_scratch(t, (size_t)gamma->out);
    for (int c = 0; plus && !t->dry && c < gamma->out; c++) plus[c] = 1 + values[c];
    return plus;
}

static void norm_backward(at_tape *t, at_node *node) {
    norm_node *n = (norm_node *)node;
    at_tensor *y = node->y;
    int accumulate_x = 0, accumulate_residual = 0;
    at_real *dx = n->x->needs_grad ? at_tape_gradient(t, n->x, &accumulate_x) : NULL;
    at_real *dresidual = n->residual && n->residual->needs_grad
                             ? at_tape_gradient(t, n->residual, &accumulate_residual) : NULL;
    at_mark mark = at_arena_mark(t->scratch);
    const at_real *gamma = gain(t, n->gamma, n->kind);
    if (!t->status && !t->dry)
        t->backend->norm_backward(y->grad, n->h, n->stats, &n->drop, gamma, n->kind != AT_NORM_LAYER, dx, accumulate_x, dresidual,
                                  accumulate_residual, at_tape_weight_gradient(t, n->gamma),
                                  n->beta ? at_tape_weight_gradient(t, n->beta) : NULL, kernel_rows(y, n->gamma), n->gamma->out);
    at_arena_rewind(t->scratch, mark);
}

static int check(at_tape *t, const at_tensor *x, const at_tensor *residual, double p, const at_weight *gamma,
                 const at_weight *beta) {
    if (gamma->kind != AT_WEIGHT_VECTOR || x->cols % gamma->out || (beta && beta->out != gamma->out))
        at_tape_fail(t, AT_BUG, "norm: %s has %d elements, x has %d columns", gamma->name, gamma->out, x->cols);
    else if (x->cols != gamma->out && p > 0) at_tape_fail(t, AT_BUG, "norm: dropout before the groups of %s", gamma->name);
    else if (residual == x) at_tape_fail(t, AT_BUG, "norm: x is its own residual");
    else if (residual && (residual->rows != x->rows || residual->cols != x->cols || residual->space != x->space))
        at_tape_fail(t, AT_BUG, "norm: x is [%d, %d], the residual [%d, %d]", x->rows, x->cols, residual->rows,
                     residual->cols);
    else if (!at_is_probability(p)) at_tape_fail(t, AT_BUG, "norm: dropout of %g", p);
    return !t->status;
}

at_tensor *at_op_norm(at_tape *t, at_tensor *x, at_tensor *residual, double p, const uint64_t *row_id, at_weight *gamma,
                      at_weight *beta, double epsilon, at_norm_kind kind) {
    if (t->status || !check(t, x, residual, p, gamma, beta)) return NULL;
    at_dropout drop = at_next_dropout(t, p, row_id);
    int records = at_tape_records(t, x) || (residual && at_tape_records(t, residual)) || at_weight_records(t, gamma) ||
                  at_weight_records(t, beta);
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, x->cols);
    if (!y) return NULL;
    int h_is_x = !residual && !drop.threshold;
    int n = kernel_rows(x, gamma);
    size_t rows = (size_t)n;
    at_mark mark = at_arena_mark(t->scratch);
    at_real *h = h_is_x ? x->data
                 : records ? at_tape_save(t, at_elements(x), sizeof(at_real)) : at_tape_scratch(t, at_elements(x));
    at_real *stats = records ? at_tape_save(t, rows * 2, sizeof(at_real)) : at_tape_scratch(t, rows * 2);
    const at_real *values = gain(t, gamma, kind);
    if (t->status) return NULL;
    if (!t->dry)
        t->backend->norm(x->data, residual ? residual->data : NULL, &drop, values,
                         beta ? at_weight_values(t->params, beta) : NULL, (at_real)epsilon, kind != AT_NORM_LAYER, h, stats, y->data,
                         n, gamma->out);
    at_arena_rewind(t->scratch, mark);
    if (!records) return y;
    norm_node *made = (norm_node *)at_tape_push(t, sizeof *made, y, norm_backward);
    if (!made) return NULL;
    at_node node = made->node;
    *made = (norm_node){node, x, residual, h, stats, drop, gamma, beta, kind};
    return y;
}
