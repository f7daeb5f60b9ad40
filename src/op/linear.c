/* y = act(x Wᵀ + b), column segments side by side: y = [act(x W1ᵀ + b1) | act(x W2ᵀ + b2) | ...]
 * dpre = dy ⊙ act'(pre);  dx (+)= Σ_s dpre_s W_s;  dW_s += dpre_sᵀ x;  db_s += Σ_rows dpre_s
 * Where every segment has a bf16 copy, the products take bf16 operands, and the sum before the activation is kept as bf16. */
#include "op/shape.h"

enum { MAX_SEGMENTS = 4 };

typedef struct linear_node {
    at_node node;
    at_tensor *x;
    at_real *pre;       /* [rows, cols of y] before the activation; NULL without one, or where the next is there */
    uint16_t *half_pre; /* the same as bf16 */
    int half;           /* products with bf16 operands */
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

/* ---- bf16 ---- */

static int all_have_copies(const at_tape *t, at_weight *const *weight, int n) {
    for (int s = 0; s < n; s++)
        if (!at_half_forward(t->half, weight[s])) return 0;
    return 1;
}

/* Scratch for bf16 numbers; the caller rewinds. */
static uint16_t *half_scratch(at_tape *t, size_t count) { return (uint16_t *)(void *)at_tape_scratch(t, (count + 1) / 2); }

static void half_forward(at_tape *t, const at_tensor *x, at_weight *const *weight, at_weight *const *bias, int n, at_activation act,
                         uint16_t *pre, at_tensor *y) {
    const at_half *half = t->half->half;
    at_mark mark = at_arena_mark(t->scratch);
    uint16_t *a = half_scratch(t, at_half_rows_size(x->rows, x->cols));
    if (a && !t->dry) {
        half->narrow(x->data, x->cols, x->rows, x->cols, a);
        for (int s = 0, col = 0; s < n; col += weight[s++]->out) {
            const at_weight *w = weight[s], *b = bias ? bias[s] : NULL;
            half->linear(a, at_half_forward(t->half, w), b ? at_weight_values(t->params, b) : NULL, act, pre ? pre + col : NULL,
                         y->data + col, y->cols, x->rows, w->in, w->out);
        }
    }
    at_arena_rewind(t->scratch, mark);
}

static void half_segment_dw(at_tape *t, const linear_node *l, int s, const uint16_t *turned, const at_real *dy) {
    const at_weight *w = l->weight[s], *bias = l->bias[s];
    const at_tensor *x = l->x;
    at_mark mark = at_arena_mark(t->scratch);
    uint16_t *panel = half_scratch(t, at_half_panels_size(x->rows, AT_HALF_BLOCK));
    at_real *scratch = at_tape_scratch(t, t->backend->linear_scratch(x->rows, w->in, w->out));
    if (!t->status && !t->dry) {
        at_real *dw = at_tape_weight_gradient(t, w), *dbias = bias ? at_tape_weight_gradient(t, bias) : NULL;
        if (dw) t->half->half->linear_dw(turned, dy, l->node.y->cols, dw, x->rows, w->in, w->out, panel);
        if (dbias) t->backend->linear_dw(x->data, x->cols, dy, l->node.y->cols, NULL, dbias, x->rows, w->in, w->out, scratch);
    }
    at_arena_rewind(t->scratch, mark);
}

static void half_segment_dx(at_tape *t, const linear_node *l, int s, const at_real *dy) {
    const at_weight *w = l->weight[s];
    at_tensor *x = l->x;
    int accumulate;
    at_mark mark = at_arena_mark(t->scratch);
    uint16_t *a = half_scratch(t, at_half_rows_size(x->rows, w->out));
    at_real *dx = at_tape_gradient(t, x, &accumulate);
    if (a && dx && !t->dry) {
        t->half->half->narrow(dy, l->node.y->cols, x->rows, w->out, a);
        t->half->half->linear_dx(a, at_half_backward(t->half, w), dx, x->cols, x->rows, w->in, w->out, accumulate);
    }
    at_arena_rewind(t->scratch, mark);
}

static void half_backward(at_tape *t, const linear_node *l) {
    at_tensor *x = l->x, *y = l->node.y;
    if (l->act != AT_ACT_NONE && !t->dry)
        t->half->half->act_backward(l->act, l->half_pre, y->grad, y->grad, y->rows, y->cols, y->cols);
    at_mark mark = at_arena_mark(t->scratch);
    uint16_t *turned = half_scratch(t, at_half_rows_size(x->cols, x->rows));
    if (turned && !t->dry) t->half->half->narrow_turned(x->data, x->cols, x->rows, x->cols, turned);
    for (int s = 0, col = 0; s < l->n && !t->status; col += l->weight[s++]->out) {
        const at_real *dy = t->dry ? NULL : y->grad + col;
        if (at_weight_records(t, l->weight[s]) || at_weight_records(t, l->bias[s])) half_segment_dw(t, l, s, turned, dy);
        if (x->needs_grad) half_segment_dx(t, l, s, dy);
    }
    at_arena_rewind(t->scratch, mark);
}

/* ---- fp32 or bf16 ---- */

static void linear_backward(at_tape *t, at_node *node) {
    linear_node *l = (linear_node *)node;
    at_tensor *y = node->y;
    if (l->half) {
        half_backward(t, l);
        return;
    }
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

/* A forward pass for a team: the panels of all segments, one after the other, dealt out in equal runs. */
typedef struct forward_job {
    at_tape *t;
    const at_tensor *x;
    at_weight *const *weight, *const *bias;
    int n, panels; /* of all segments */
    at_activation act;
    at_real *pre;
    at_tensor *y;
} forward_job;

enum { SHARED_FROM = 1 << 15 }; /* products below so many elements are done sooner than shared */

static int panels_of(const at_weight *w) { return (w->out + AT_PANEL - 1) / AT_PANEL; }

/* Panels from .. to-1 of segment s, whose columns begin at col. */
static void forward_panels(const forward_job *j, int s, int col, int from, int to) {
    const at_params *p = j->t->params;
    const at_weight *w = j->weight[s], *b = j->bias ? j->bias[s] : NULL;
    int first = from * AT_PANEL, cols = (to * AT_PANEL < w->out ? to * AT_PANEL : w->out) - first;
    j->t->backend->linear(j->x->data, j->x->cols, at_weight_values(p, w) + (size_t)first * (size_t)w->in,
                          b ? at_weight_values(p, b) + first : NULL, j->act, j->pre ? j->pre + col + first : NULL, j->y->data + col + first,
                          j->y->cols, j->x->rows, w->in, cols);
}

static void forward_part(void *context, int part, int parts) {
    const forward_job *j = context;
    int begin = (int)((long long)j->panels * part / parts), end = (int)((long long)j->panels * (part + 1) / parts);
    for (int s = 0, col = 0, at = 0; s < j->n; s++) {
        int n = panels_of(j->weight[s]), from = begin > at ? begin - at : 0, to = end - at < n ? end - at : n;
        if (from < to) forward_panels(j, s, col, from, to);
        at += n;
        col += j->weight[s]->out;
    }
}

static void forward(at_tape *t, const at_tensor *x, at_weight *const *weight, at_weight *const *bias, int n,
                    at_activation act, at_real *pre, at_tensor *y) {
    forward_job job = {t, x, weight, bias, n, 0, act, pre, y};
    for (int s = 0; s < n; s++) job.panels += panels_of(weight[s]);
    int shared = (long long)y->cols * x->cols >= SHARED_FROM;
    at_team_run(shared ? t->team : NULL, forward_part, &job);
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
    int half = all_have_copies(t, weight, n_segments), keeps = y && records && act != AT_ACT_NONE;
    void *pre = keeps ? at_tape_save(t, at_elements(y), half ? sizeof(uint16_t) : sizeof(at_real)) : NULL;
    if (t->status) return NULL;
    if (half) half_forward(t, x, weight, bias, n_segments, act, pre, y);
    else if (!t->dry) forward(t, x, weight, bias, n_segments, act, pre, y);
    if (!records || t->status) return t->status ? NULL : y;
    linear_node *l = (linear_node *)at_tape_push(t, sizeof *l, y, linear_backward);
    if (!l) return NULL;
    l->x = x;
    if (half) l->half_pre = pre;
    else l->pre = pre;
    l->half = half;
    l->act = act;
    l->n = n_segments;
    for (int s = 0; s < n_segments; s++) {
        l->weight[s] = weight[s];
        l->bias[s] = bias ? bias[s] : NULL;
    }
    return y;
}
