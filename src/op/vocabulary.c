/* The loss of a language model: z = x Wᵀ + b over a vocabulary, softly capped where the family does that, l = cap tanh(z / cap);
 *   loss = (1/norm) Σ_r -log softmax(l_r)[target_r];  dl_r = (softmax(l_r) - onehot(target_r)) / norm;  dz = dl (1 - (l / cap)²)
 *   dx = dz W;  dW += dzᵀ x;  db += Σ_r dz_r
 * Some rows are worked on at a time, so that the logits of all of them are never held. Their gradients are made with them, in the
 * forward pass, or every logit would have to be made twice: so the loss has to be the end of the tape, or be added to others, where its
 * gradient is 1.
 * A team shares words (logits, dW) or rows (the rest). */
#include <math.h>

#include "op/shape.h"
#include "op/share.h"

enum { LOGITS = 8 << 20 /* elements at once */, FEWEST_ROWS = 16, MOST_ROWS = 256, ROWS = 8 };

typedef struct vocabulary {
    at_tape *t;
    const at_weight *w, *b;
    at_real cap;
    int most, rows, words, in; /* rows at once, now */
    const at_real *x;          /* [rows, in] */
    const int32_t *target;
    at_real *logits;           /* [most, words]; then their gradient, where there is no cap */
    at_real *gradient;         /* [most, words]: the same, or of its own beside the logits */
    double *row_loss;          /* [most] */
    at_real scale;             /* of the gradient */
    at_real *dx, *dw, *db;     /* may be NULL */
    at_real *work;             /* [parts][work_each] of linear_dx and linear_dw */
    size_t work_each;
} vocabulary;

typedef struct vocabulary_node {
    at_node node;
    at_tensor *x;
    const at_real *dx;
} vocabulary_node;

/* As equal as can be, so that 257 rows are two times 129; a dry run stands for fewer rows too, of which 256 would be one block. */
static int rows_at_once(const at_tape *t, int rows, int words) {
    int fit = LOGITS / words, most = fit > MOST_ROWS ? MOST_ROWS : fit < FEWEST_ROWS ? FEWEST_ROWS : fit, blocks = (rows + most - 1) / most;
    if (t->dry) return rows < most ? rows : most;
    return blocks ? (rows + blocks - 1) / blocks : 0;
}

/* Scratch for it; the caller rewinds. */
static vocabulary open_vocabulary(at_tape *t, const at_tensor *x, const at_classifier *c, int backward) {
    vocabulary v = {.t = t, .w = c->weight, .b = c->bias, .cap = (at_real)c->cap, .words = c->weight->out, .in = c->weight->in};
    v.most = rows_at_once(t, x->rows, v.words);
    size_t cells = (size_t)v.most * (size_t)v.words, parts = (size_t)at_share_parts(t);
    v.logits = v.gradient = at_tape_scratch(t, cells);
    v.row_loss = (double *)(void *)at_tape_scratch(t, (size_t)v.most * (sizeof(double) / sizeof(at_real)));
    if (!backward) return v;
    if (c->cap > 0) v.gradient = at_tape_scratch(t, cells);
    v.work_each = (t->backend->linear_scratch(v.most, v.in, v.words) + 15) / 16 * 16;
    v.work = at_tape_scratch(t, parts * v.work_each);
    return v;
}

static void logits_part(void *context, int part, int parts) {
    const vocabulary *v = context;
    at_range c = at_share(v->words, AT_PANEL, part, parts);
    const at_params *p = v->t->params;
    const at_real *bias = v->b ? at_weight_values(p, v->b) + c.from : NULL;
    if (c.n)
        v->t->backend->linear(v->x, v->in, at_weight_values(p, v->w) + (size_t)c.from * (size_t)v->in, bias, AT_ACT_NONE, NULL,
                              v->logits + c.from, v->words, v->rows, v->in, c.n);
}

static void cap_row(const vocabulary *v, at_real *logits) {
    for (int w = 0; w < v->words; w++) logits[w] *= 1 / v->cap;
    v->t->backend->act_forward(AT_ACT_TANH, logits, logits, 1, v->words, v->words);
    for (int w = 0; w < v->words; w++) logits[w] *= v->cap;
}

static void uncap_row(const vocabulary *v, const at_real *logits, at_real *gradient) {
    for (int w = 0; w < v->words; w++) {
        at_real share = logits[w] / v->cap;
        gradient[w] *= 1 - share * share;
    }
}

/* Caps the logits, and makes losses and gradients of rows. `want` 0: the losses alone. */
static void loss_rows(const vocabulary *v, at_range r, int want) {
    for (int i = r.from; i < r.from + r.n; i++) {
        size_t at = (size_t)i * (size_t)v->words;
        if (v->cap > 0) cap_row(v, v->logits + at);
        v->t->backend->cross_entropy(v->logits + at, v->target + i, NULL, 0, v->scale, v->row_loss + i, want ? v->gradient + at : NULL, 1,
                                     v->words);
        if (want && v->cap > 0) uncap_row(v, v->logits + at, v->gradient + at);
    }
}

static void loss_part(void *context, int part, int parts) {
    const vocabulary *v = context;
    loss_rows(v, at_share(v->rows, 1, part, parts), v->dx || v->dw || v->db);
}

static void dx_part(void *context, int part, int parts) {
    const vocabulary *v = context;
    at_range r = at_share(v->rows, ROWS, part, parts);
    if (r.n)
        v->t->backend->linear_dx(v->gradient + (size_t)r.from * (size_t)v->words, v->words, at_weight_values(v->t->params, v->w),
                                 v->dx + (size_t)r.from * (size_t)v->in, v->in, r.n, v->in, v->words, 0,
                                 v->work + (size_t)part * v->work_each);
}

static void dw_part(void *context, int part, int parts) {
    const vocabulary *v = context;
    at_range c = at_share(v->words, AT_PANEL, part, parts);
    if (c.n)
        v->t->backend->linear_dw(v->x, v->in, v->gradient + c.from, v->words, v->dw ? v->dw + (size_t)c.from * (size_t)v->in : NULL,
                                 v->db ? v->db + c.from : NULL, v->rows, v->in, c.n, v->work + (size_t)part * v->work_each);
}

static void take_rows(vocabulary *v, const at_tensor *x, const int32_t *target, int row) {
    v->rows = x->rows - row < v->most ? x->rows - row : v->most;
    v->x = x->data + (size_t)row * (size_t)v->in;
    v->target = target ? target + row : NULL;
    at_team_run(v->t->team, logits_part, v);
}

/* The sum of the losses; dx [x] gets its gradient where it is not NULL. */
static double walk_rows(vocabulary *v, const at_tensor *x, const int32_t *target, at_real *dx) {
    double sum = 0;
    for (int row = 0; row < x->rows; row += v->most) {
        take_rows(v, x, target, row);
        v->dx = dx ? dx + (size_t)row * (size_t)v->in : NULL;
        at_team_run(v->t->team, loss_part, v);
        for (int i = 0; i < v->rows; i++) sum += v->row_loss[i];
        if (v->dx) at_team_run(v->t->team, dx_part, v);
        if (v->dw || v->db) at_team_run(v->t->team, dw_part, v);
    }
    return sum;
}

static int check(at_tape *t, const at_tensor *x, const at_classifier *c, const int32_t *target) {
    const at_weight *w = c->weight, *b = c->bias;
    int fits = w->kind == AT_WEIGHT_LINEAR && w->form == AT_FORM_FP32 && w->in == x->cols;
    if (!fits || (b && (b->kind != AT_WEIGHT_VECTOR || b->out != w->out)))
        at_tape_fail(t, AT_BUG, "vocabulary: x is [%d, %d], %s is [%d, %d]", x->rows, x->cols, w->name, w->out, w->in);
    for (int r = 0; target && r < x->rows && !t->status; r++)
        if (target[r] >= w->out) at_tape_fail(t, AT_BUG, "vocabulary: target %d of %d words", target[r], w->out);
    return !t->status;
}

static void vocabulary_backward(at_tape *t, at_node *node) {
    const vocabulary_node *n = (const vocabulary_node *)node;
    int accumulate;
    if (!t->dry && node->y->grad[0] != 1) {
        at_tape_fail(t, AT_BUG, "vocabulary: the gradient of its loss is %g, not 1", (double)node->y->grad[0]);
        return;
    }
    if (!n->dx) return;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (dx && !t->dry) t->backend->scale_add(1, n->dx, dx, accumulate, at_elements(n->x));
}

at_tensor *at_op_vocabulary_cross_entropy(at_tape *t, at_tensor *x, const at_classifier *c, const int32_t *target, double norm) {
    if (t->status || !check(t, x, c, target)) return NULL;
    if (!(norm > 0)) return at_tape_fail(t, AT_BUG, "vocabulary: the sum is divided by %g", norm);
    int records_x = at_tape_records(t, x), trains = at_weight_records(t, c->weight) || (c->bias && at_weight_records(t, c->bias));
    at_tensor *y = at_tape_tensor(t, AT_SPACE_SCALAR, 1, 1);
    at_real *dx = records_x ? at_tape_save(t, at_elements(x), sizeof(at_real)) : NULL;
    at_mark mark = at_arena_mark(t->scratch);
    vocabulary v = open_vocabulary(t, x, c, records_x || trains);
    if (trains) {
        v.dw = at_tape_weight_gradient(t, c->weight);
        v.db = c->bias ? at_tape_weight_gradient(t, c->bias) : NULL;
    }
    v.scale = (at_real)(1 / norm);
    if (!t->status && !t->dry) y->data[0] = (at_real)(walk_rows(&v, x, target, dx) / norm);
    at_arena_rewind(t->scratch, mark);
    if (t->status || (!records_x && !trains)) return t->status ? NULL : y;
    vocabulary_node *n = (vocabulary_node *)at_tape_push(t, sizeof *n, y, vocabulary_backward);
    if (!n) return NULL;
    n->x = x;
    n->dx = dx;
    return y;
}

/* ---- answers ---- */

typedef struct answers {
    vocabulary *v;
    at_real *y; /* [rows, AT_VOCABULARY_ANSWERS] */
} answers;

static void answer_part(void *context, int part, int parts) {
    const answers *a = context;
    const vocabulary *v = a->v;
    at_range r = at_share(v->rows, 1, part, parts);
    if (v->target) loss_rows(v, r, 0);
    for (int i = r.from; i < r.from + r.n; i++) {
        const at_real *logits = v->logits + (size_t)i * (size_t)v->words;
        int best = 0;
        for (int w = 1; w < v->words; w++)
            if (logits[w] > logits[best]) best = w;
        a->y[i * AT_VOCABULARY_ANSWERS] = v->target && v->target[i] >= 0 ? (at_real)v->row_loss[i] : 0;
        a->y[i * AT_VOCABULARY_ANSWERS + 1] = (at_real)best;
    }
}

at_tensor *at_vocabulary_answers(at_tape *t, at_tensor *x, const at_classifier *c, const int32_t *target) {
    if (t->status || !check(t, x, c, target)) return NULL;
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, AT_VOCABULARY_ANSWERS);
    at_mark mark = at_arena_mark(t->scratch);
    vocabulary v = open_vocabulary(t, x, c, 0);
    for (int row = 0; row < x->rows && !t->status && !t->dry; row += v.most) {
        take_rows(&v, x, target, row);
        at_team_run(t->team, answer_part, &(answers){&v, y->data + (size_t)row * AT_VOCABULARY_ANSWERS});
    }
    at_arena_rewind(t->scratch, mark);
    return t->status ? NULL : y;
}
