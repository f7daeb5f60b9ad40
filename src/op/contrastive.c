/* With s_k = x_q . x_k over the keys k other than q itself, and P those of q's class:
 *   loss_q = log Σ_k exp(scale s_k) - (1/|P|) Σ_P scale s_k;  ds_k = (scale/norm) (softmax(scale s)_k - [k in P] / |P|)
 *   dx_q += Σ_k ds_k x_k,  dx_k += ds_k x_q
 * The keys are packed once and are the weight of a matrix product; queries come some at a time, so that the products of all with all are
 * never held. */
#include <string.h>

#include "op/loss.h"

enum { QUERIES = 32 };

typedef struct contrast_work {
    at_tape *t;
    const at_tensor *x;
    const at_contrast *c;
    double scale, norm;
    at_real *query, *dquery;   /* [QUERIES, cols] */
    at_real *keys, *packed, *dpacked; /* [n_keys, cols] and its packed form */
    at_real *product;          /* [QUERIES, n_keys]; then its gradient */
    at_real *work;
} contrast_work;

static int most_queries(const at_contrast *c) { return c->n_queries < QUERIES ? c->n_queries : QUERIES; }

/* Scratch for it; the caller rewinds. */
static contrast_work open_work(at_tape *t, const at_tensor *x, const at_contrast *c, int backward) {
    contrast_work w = {.t = t, .x = x, .c = c};
    size_t cols = (size_t)x->cols, queries = (size_t)most_queries(c), keys = (size_t)c->n_keys;
    w.query = at_tape_scratch(t, queries * cols);
    w.keys = at_tape_scratch(t, keys * cols);
    w.packed = at_tape_scratch(t, at_packed_size(c->n_keys, x->cols));
    w.product = at_tape_scratch(t, queries * keys);
    if (!backward) return w;
    w.dquery = at_tape_scratch(t, queries * cols);
    w.dpacked = at_tape_scratch(t, at_packed_size(c->n_keys, x->cols));
    w.work = at_tape_scratch(t, t->backend->linear_scratch((int)queries, x->cols, c->n_keys));
    return w;
}

static void take_rows(const at_tensor *x, const int32_t *row, int n, at_real *to) {
    size_t cols = (size_t)x->cols;
    for (int i = 0; i < n; i++) memcpy(to + (size_t)i * cols, x->data + (size_t)row[i] * cols, cols * sizeof *to);
}

static void add_rows(const at_real *from, const int32_t *row, int n, size_t cols, at_real *dx) {
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < cols; k++) dx[(size_t)row[i] * cols + k] += from[(size_t)i * cols + k];
}

/* The loss of query q; its products become their gradients. */
static double query_loss(const contrast_work *w, int q, at_real *s) {
    const at_contrast *c = w->c;
    double most = -INFINITY, sum = 0, right = 0;
    int n_right = 0;
    for (int k = 0; k < c->n_keys; k++) {
        if (c->key[k] == c->query[q]) continue;
        most = fmax(most, (double)s[k]);
        if (c->key_class[k] != c->query_class[q]) continue;
        right += (double)s[k];
        n_right++;
    }
    for (int k = 0; k < c->n_keys && n_right; k++)
        if (c->key[k] != c->query[q]) sum += exp(w->scale * ((double)s[k] - most));
    for (int k = 0; k < c->n_keys; k++) {
        int is_right = n_right && c->key_class[k] == c->query_class[q];
        double share = n_right && c->key[k] != c->query[q] ? exp(w->scale * ((double)s[k] - most)) / sum - (is_right ? 1.0 / n_right : 0) : 0;
        s[k] = (at_real)(share * w->scale / w->norm);
    }
    return n_right ? log(sum) + w->scale * (most - right / n_right) : 0;
}

static double run_queries(contrast_work *w, int first, at_real *dx) {
    const at_contrast *c = w->c;
    const at_backend *b = w->t->backend;
    int cols = w->x->cols, n = c->n_queries - first < QUERIES ? c->n_queries - first : QUERIES;
    double sum = 0;
    take_rows(w->x, c->query + first, n, w->query);
    b->linear(w->query, cols, w->packed, NULL, AT_ACT_NONE, NULL, w->product, c->n_keys, n, cols, c->n_keys);
    for (int i = 0; i < n; i++) sum += query_loss(w, first + i, w->product + (size_t)i * (size_t)c->n_keys);
    if (!dx) return sum;
    b->linear_dx(w->product, c->n_keys, w->packed, w->dquery, cols, n, cols, c->n_keys, 0, w->work);
    b->linear_dw(w->query, cols, w->product, c->n_keys, w->dpacked, NULL, n, cols, c->n_keys, w->work);
    add_rows(w->dquery, c->query + first, n, (size_t)cols, dx);
    return sum;
}

static double run(contrast_work *w, at_real *dx) {
    const at_contrast *c = w->c;
    double sum = 0;
    take_rows(w->x, c->key, c->n_keys, w->keys);
    at_pack(w->keys, w->packed, c->n_keys, w->x->cols);
    if (dx) memset(w->dpacked, 0, at_packed_size(c->n_keys, w->x->cols) * sizeof *dx);
    if (dx) memset(dx, 0, at_elements(w->x) * sizeof *dx);
    for (int first = 0; first < c->n_queries; first += QUERIES) sum += run_queries(w, first, dx);
    if (!dx) return sum;
    at_unpack(w->dpacked, w->keys, c->n_keys, w->x->cols);
    add_rows(w->keys, c->key, c->n_keys, (size_t)w->x->cols, dx);
    return sum;
}

static int check(at_tape *t, const at_tensor *x, const int32_t *row, int n) {
    for (int i = 0; i < n; i++)
        if (row[i] < 0 || row[i] >= x->rows) return at_tape_fail(t, AT_BUG, "contrastive loss: row %d of %d", (int)row[i], x->rows) != NULL;
    return 1;
}

at_tensor *at_op_contrastive(at_tape *t, at_tensor *x, const at_contrast *c, double scale, double norm) {
    if (t->status || !check(t, x, c->query, c->n_queries) || !check(t, x, c->key, c->n_keys)) return NULL;
    if (!(norm > 0) || !(scale > 0)) return at_tape_fail(t, AT_BUG, "contrastive loss: scale %g, divided by %g", scale, norm);
    at_real *dx = at_loss_gradient(t, x);
    at_mark mark = at_arena_mark(t->scratch);
    contrast_work w = open_work(t, x, c, dx != NULL);
    w.scale = scale;
    w.norm = norm;
    double sum = t->status || t->dry ? 0 : run(&w, dx);
    at_arena_rewind(t->scratch, mark);
    return t->status ? NULL : at_loss_tensor(t, x, sum / norm, dx);
}
