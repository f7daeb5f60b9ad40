/* y = act(x Wᵀ + b), column segments side by side: y = [act(x W1ᵀ + b1) | act(x W2ᵀ + b2) | ...]
 * dpre = dy ⊙ act'(pre);  dx (+)= Σ_s dpre_s W_s;  dW_s += dpre_sᵀ x;  db_s += Σ_rows dpre_s
 * Where every segment has a bf16 copy, the products take bf16 operands, and the sum before the activation is kept as bf16.
 * A weight may be kept as bf16 or Q8_0 (backend/compact.h) where nothing is recorded.
 * A team shares columns (forward, dW) or rows (dx, and what is bf16). */
#include "op/shape.h"
#include "op/share.h"

enum { MAX_SEGMENTS = 4, ROWS = 8, COLUMNS = AT_PANEL * AT_HALF_BLOCK / 16 /* of both kinds of panels */ };

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

static int all_have_copies(const at_tape *t, at_weight *const *weight, int n) {
    for (int s = 0; s < n; s++)
        if (!at_half_forward(t->half, weight[s])) return 0;
    return 1;
}

/* Scratch for bf16 numbers; the caller rewinds. */
static uint16_t *half_scratch(at_tape *t, size_t count) { return (uint16_t *)(void *)at_tape_scratch(t, (count + 1) / 2); }

/* ---- forward ---- */

typedef struct forward_job {
    at_tape *t;
    const at_tensor *x;
    at_weight *const *weight, *const *bias;
    int n;
    at_activation act;
    at_real *pre;
    uint16_t *half_pre;
    at_tensor *y;
    int panels;  /* of all segments */
    uint16_t *a; /* x as bf16 */
    unsigned char *narrow; /* [parts][narrow_each]: x as products with compact weights read it */
    size_t narrow_each;
} forward_job;

enum { SHARED_FROM = 1 << 15 }; /* products below so many elements are done sooner than shared */

static int panels_of(const at_weight *w) { return (w->out + AT_PANEL - 1) / AT_PANEL; }

static const at_real *bias_of(const forward_job *j, int s) {
    return j->bias && j->bias[s] ? at_weight_values(j->t->params, j->bias[s]) : NULL;
}

/* Panels from .. to-1 of segment s, whose columns begin at col. */
static void forward_panels(const forward_job *j, int s, int col, int from, int to, int part) {
    const at_weight *w = j->weight[s];
    const at_real *bias = bias_of(j, s);
    const at_backend *b = j->t->backend;
    int first = from * AT_PANEL, cols = (to * AT_PANEL < w->out ? to * AT_PANEL : w->out) - first;
    at_real *y = j->y->data + col + first;
    if (bias) bias += first;
    if (w->form != AT_FORM_FP32) {
        const unsigned char *packed = at_weight_compact(j->t->params, w);
        packed += (size_t)from * at_compact_panel_bytes(w->form, w->in);
        b->compact->linear(w->form, j->x->data, j->x->cols, j->narrow + (size_t)part * j->narrow_each, packed, bias, j->act, y, j->y->cols,
                           j->x->rows, w->in, cols);
        return;
    }
    b->linear(j->x->data, j->x->cols, at_weight_values(j->t->params, w) + (size_t)first * (size_t)w->in, bias, j->act,
              j->pre ? j->pre + col + first : NULL, y, j->y->cols, j->x->rows, w->in, cols);
}

/* The panels of all segments, one after the other, dealt out in equal runs. */
static void forward_part(void *context, int part, int parts) {
    const forward_job *j = context;
    int begin = (int)((long long)j->panels * part / parts), end = (int)((long long)j->panels * (part + 1) / parts);
    if (j->narrow && begin < end)
        j->t->backend->compact->narrow(AT_FORM_Q8_0, j->x->data, j->x->cols, j->x->rows, j->x->cols,
                                       j->narrow + (size_t)part * j->narrow_each);
    for (int s = 0, col = 0, at = 0; s < j->n; s++) {
        int n = panels_of(j->weight[s]), from = begin > at ? begin - at : 0, to = end - at < n ? end - at : n;
        if (from < to) forward_panels(j, s, col, from, to, part);
        at += n;
        col += j->weight[s]->out;
    }
}

static void half_forward_part(void *context, int part, int parts) {
    const forward_job *j = context;
    const at_tensor *x = j->x, *y = j->y;
    const at_half *half = j->t->half->half;
    at_range r = at_share(x->rows, AT_HALF_BLOCK, part, parts);
    if (!r.n) return;
    size_t to = (size_t)r.from * (size_t)y->cols;
    uint16_t *a = j->a + (size_t)r.from * at_half_stride(x->cols);
    half->narrow(x->data + (size_t)r.from * (size_t)x->cols, x->cols, r.n, x->cols, a);
    for (int s = 0; s < j->n; to += (size_t)j->weight[s++]->out)
        half->linear(a, at_half_forward(j->t->half, j->weight[s]), bias_of(j, s), j->act, j->half_pre ? j->half_pre + to : NULL,
                     y->data + to, y->cols, r.n, x->cols, j->weight[s]->out);
}

/* Each part makes its own of what Q8_0 weights need, which costs less than waiting for another's. */
static void take_narrow(forward_job *j) {
    at_tape *t = j->t;
    for (int s = 0; s < j->n; s++) {
        at_form form = j->weight[s]->form;
        size_t need = form == AT_FORM_FP32 ? 0 : t->backend->compact->narrow_bytes(form, j->x->rows, j->x->cols);
        need = (need + AT_ALIGN - 1) / AT_ALIGN * AT_ALIGN;
        if (need > j->narrow_each) j->narrow_each = need;
    }
    if (j->narrow_each) j->narrow = (unsigned char *)at_tape_scratch(t, (size_t)at_share_parts(t) * j->narrow_each / sizeof(at_real));
}

static void run_forward(forward_job *j, int half) {
    at_tape *t = j->t;
    at_mark mark = at_arena_mark(t->scratch);
    take_narrow(j);
    int shared = (long long)j->y->cols * j->x->cols >= SHARED_FROM;
    for (int s = 0; s < j->n; s++) j->panels += panels_of(j->weight[s]);
    if (half) j->a = half_scratch(t, at_half_rows_size(j->x->rows, j->x->cols));
    if (!t->status && !t->dry) at_team_run(shared ? t->team : NULL, half ? half_forward_part : forward_part, j);
    at_arena_rewind(t->scratch, mark);
}

/* ---- backward: one segment at a time ---- */

typedef struct backward_job {
    at_tape *t;
    const linear_node *l;
    const at_weight *w;
    const at_real *dy; /* of the segment, the ld is that of y */
    at_real *dw, *dbias, *dx;
    int accumulate;
    at_real *scratch;  /* [parts][scratch_size] */
    size_t scratch_size;
    uint16_t *turned, *a, *panels; /* xᵀ, dy as bf16; [parts][a panel of dy] */
} backward_job;

static void act_part(void *context, int part, int parts) {
    const backward_job *j = context;
    const linear_node *l = j->l;
    const at_tensor *y = l->node.y;
    at_range r = at_share(y->rows, ROWS, part, parts);
    size_t at = (size_t)r.from * (size_t)y->cols;
    at_real *dy = y->grad + at;
    if (l->half) j->t->half->half->act_backward(l->act, l->half_pre + at, dy, dy, r.n, y->cols, y->cols);
    else j->t->backend->act_backward(l->act, l->pre + at, dy, dy, r.n, y->cols, y->cols);
}

/* The packed gradient of a range of columns of the weight's output is contiguous where the range begins with a panel. */
static void dw_part(void *context, int part, int parts) {
    const backward_job *j = context;
    const at_weight *w = j->w;
    const at_tensor *x = j->l->x;
    at_range c = at_share(w->out, COLUMNS, part, parts);
    if (!c.n) return;
    const at_real *dy = j->dy + c.from;
    at_real *dw = j->dw ? j->dw + (size_t)c.from * (size_t)w->in : NULL, *dbias = j->dbias ? j->dbias + c.from : NULL;
    int ld = j->l->node.y->cols;
    if (j->turned && dw) {
        uint16_t *panel = j->panels + (size_t)part * at_half_panels_size(x->rows, AT_HALF_BLOCK);
        j->t->half->half->linear_dw(j->turned, dy, ld, dw, x->rows, w->in, c.n, panel);
        dw = NULL;
    }
    if (dw || dbias)
        j->t->backend->linear_dw(x->data, x->cols, dy, ld, dw, dbias, x->rows, w->in, c.n, j->scratch + (size_t)part * j->scratch_size);
}

static void dx_part(void *context, int part, int parts) {
    const backward_job *j = context;
    const at_weight *w = j->w;
    const at_tensor *x = j->l->x;
    int ld = j->l->node.y->cols;
    at_range r = at_share(x->rows, j->a ? AT_HALF_BLOCK : ROWS, part, parts);
    if (!r.n) return;
    const at_real *dy = j->dy + (size_t)r.from * (size_t)ld;
    at_real *dx = j->dx + (size_t)r.from * (size_t)x->cols;
    if (j->a) {
        uint16_t *a = j->a + (size_t)r.from * at_half_stride(w->out);
        j->t->half->half->narrow(dy, ld, r.n, w->out, a);
        j->t->half->half->linear_dx(a, at_half_backward(j->t->half, w), dx, x->cols, r.n, w->in, w->out, j->accumulate);
    } else
        j->t->backend->linear_dx(dy, ld, at_weight_values(j->t->params, w), dx, x->cols, r.n, w->in, w->out, j->accumulate,
                                 j->scratch + (size_t)part * j->scratch_size);
}

static void segment_backward(backward_job *j, int s) {
    at_tape *t = j->t;
    const linear_node *l = j->l;
    const at_weight *bias = l->bias[s];
    at_tensor *x = l->x;
    int records = at_weight_records(t, j->w) || at_weight_records(t, bias);
    size_t parts = (size_t)at_share_parts(t);
    at_mark mark = at_arena_mark(t->scratch);
    j->scratch_size = t->backend->linear_scratch(x->rows, j->w->in, j->w->out);
    j->scratch = at_tape_scratch(t, parts * j->scratch_size);
    j->panels = l->half ? half_scratch(t, parts * at_half_panels_size(x->rows, AT_HALF_BLOCK)) : NULL;
    j->a = l->half ? half_scratch(t, at_half_rows_size(x->rows, j->w->out)) : NULL;
    j->dw = records ? at_tape_weight_gradient(t, j->w) : NULL;
    j->dbias = records && bias ? at_tape_weight_gradient(t, bias) : NULL;
    if (!t->status && !t->dry && (j->dw || j->dbias)) at_team_run(t->team, dw_part, j);
    if (x->needs_grad) {
        j->dx = at_tape_gradient(t, x, &j->accumulate);
        if (!t->status && !t->dry) at_team_run(t->team, dx_part, j);
    }
    at_arena_rewind(t->scratch, mark);
}

static void turn_part(void *context, int part, int parts) {
    const backward_job *j = context;
    const at_tensor *x = j->l->x;
    at_range c = at_share(x->cols, AT_HALF_BLOCK, part, parts);
    if (c.n) j->t->half->half->narrow_turned(x->data + c.from, x->cols, x->rows, c.n, j->turned + (size_t)c.from * at_half_stride(x->rows));
}

static void linear_backward(at_tape *t, at_node *node) {
    linear_node *l = (linear_node *)node;
    at_tensor *y = node->y;
    backward_job j = {.t = t, .l = l};
    at_mark mark = at_arena_mark(t->scratch);
    if (l->act != AT_ACT_NONE && !t->dry) at_team_run(t->team, act_part, &j);
    if (l->half) {
        j.turned = half_scratch(t, at_half_rows_size(l->x->cols, l->x->rows));
        if (!t->status && !t->dry) at_team_run(t->team, turn_part, &j);
    }
    for (int s = 0, col = 0; s < l->n && !t->status; col += l->weight[s++]->out) {
        j.w = l->weight[s];
        j.dy = t->dry ? NULL : y->grad + col;
        segment_backward(&j, s);
    }
    at_arena_rewind(t->scratch, mark);
}

/* ---- the op ---- */

static int check_segments(at_tape *t, const at_tensor *x, at_weight *const *weight, at_weight *const *bias, int n) {
    if (n < 1 || n > MAX_SEGMENTS) at_tape_fail(t, AT_BUG, "linear: %d segments", n);
    for (int s = 0; s < n && !t->status; s++) {
        const at_weight *w = weight[s], *b = bias ? bias[s] : NULL;
        if (w->kind != AT_WEIGHT_LINEAR || w->in != x->cols)
            at_tape_fail(t, AT_BUG, "linear: x is [%d, %d], %s is [%d, %d]", x->rows, x->cols, w->name, w->out, w->in);
        else if (w->form != AT_FORM_FP32 && (t->gradients || !t->backend->compact))
            at_tape_fail(t, AT_BUG, "linear: %s is kept as %s, which is not trained", w->name, at_form_name(w->form));
        else if (b && (b->kind != AT_WEIGHT_VECTOR || b->out != w->out))
            at_tape_fail(t, AT_BUG, "linear: %s has %d elements, %s %d rows", b->name, b->out, w->name, w->out);
    }
    return !t->status;
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
    run_forward(&(forward_job){t, x, weight, bias, n_segments, act, half ? NULL : pre, half ? pre : NULL, y, 0, NULL, NULL, 0}, half);
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
