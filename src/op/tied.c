/* A classifier over the vocabulary whose weight is the table of word embeddings [words, in] (Devlin et al. 2018): logits = x tableᵀ + bias.
 *   loss = (1/norm) Σ_r -log softmax(logits_r)[target_r];  dlogits_r = (softmax(logits_r) - onehot(target_r)) / norm
 *   dx = dlogits table;  dtable += dlogitsᵀ x;  dbias += Σ_r dlogits_r
 * A few rows are worked on at a time, and of the table a block of words, so that neither the logits of all rows nor a packed copy of the
 * table is ever held; the backward pass makes the logits anew. */
#include <string.h>

#include "op/shape.h"

enum { WORDS = 64 * AT_PANEL, MOST_ROWS = 128, FEWEST_ROWS = 16, LOGITS = 4 << 20 };

typedef struct decoder {
    at_tape *t;
    const at_weight *table, *bias;
    int rows, words, in;    /* rows at a time */
    at_real *logits;        /* [rows, words] */
    at_real *block;         /* packed words of the table; then its gradient */
    at_real *block_gradient;
    at_real *work;          /* of linear_dx and linear_dw */
} decoder;

typedef struct tied_node {
    at_node node;
    at_tensor *x;
    const at_weight *table, *bias;
    const int32_t *target;
    double norm;
} tied_node;

static int rows_at_once(int rows, int words) {
    int fit = LOGITS / words;
    fit = fit > MOST_ROWS ? MOST_ROWS : fit < FEWEST_ROWS ? FEWEST_ROWS : fit;
    return rows < fit ? rows : fit;
}

/* Scratch for it; the caller rewinds. */
static decoder open_decoder(at_tape *t, const at_tensor *x, const at_weight *table, const at_weight *bias, int backward) {
    decoder d = {.t = t, .table = table, .bias = bias, .words = table->out, .in = table->in, .rows = rows_at_once(x->rows, table->out)};
    int block = d.words < WORDS ? d.words : WORDS;
    d.logits = at_tape_scratch(t, (size_t)d.rows * (size_t)d.words);
    d.block = at_tape_scratch(t, at_packed_size(block, d.in));
    if (!backward) return d;
    d.block_gradient = at_tape_scratch(t, at_packed_size(block, d.in));
    d.work = at_tape_scratch(t, t->backend->linear_scratch(d.rows, d.in, block));
    return d;
}

static int block_size(const decoder *d, int first) { return d->words - first < WORDS ? d->words - first : WORDS; }

static void pack_block(const decoder *d, int first) {
    at_pack(at_weight_values(d->t->params, d->table) + (size_t)first * (size_t)d->in, d->block, block_size(d, first), d->in);
}

static void make_logits(const decoder *d, const at_real *x, int rows) {
    const at_real *bias = d->bias ? at_weight_values(d->t->params, d->bias) : NULL;
    for (int first = 0; first < d->words; first += WORDS) {
        pack_block(d, first);
        d->t->backend->linear(x, d->in, d->block, bias ? bias + first : NULL, AT_ACT_NONE, NULL, d->logits + first, d->words, rows, d->in,
                              block_size(d, first));
    }
}

static int rows_from(const decoder *d, const at_tensor *x, int row) { return x->rows - row < d->rows ? x->rows - row : d->rows; }

/* ---- backward ---- */

static void add_block(const decoder *d, int first, at_real *gradient) {
    for (int n = 0; n < block_size(d, first); n++)
        for (int k = 0; k < d->in; k++)
            gradient[(size_t)(first + n) * (size_t)d->in + (size_t)k] +=
                d->block_gradient[((size_t)(n / AT_PANEL) * (size_t)d->in + (size_t)k) * AT_PANEL + (size_t)(n % AT_PANEL)];
}

/* The logits hold their gradient. dx, dtable and dbias may each be NULL. */
static void back_rows(const decoder *d, const at_real *x, int rows, at_real *dx, int accumulate, at_real *dtable, at_real *dbias) {
    const at_backend *b = d->t->backend;
    for (int first = 0; first < d->words; first += WORDS) {
        int n = block_size(d, first);
        const at_real *dy = d->logits + first;
        if (dx) {
            pack_block(d, first);
            b->linear_dx(dy, d->words, d->block, dx, d->in, rows, d->in, n, accumulate || first, d->work);
        }
        if (!dtable && !dbias) continue;
        if (dtable) memset(d->block_gradient, 0, at_packed_size(n, d->in) * sizeof(at_real));
        b->linear_dw(x, d->in, dy, d->words, dtable ? d->block_gradient : NULL, dbias ? dbias + first : NULL, rows, d->in, n, d->work);
        if (dtable) add_block(d, first, dtable);
    }
}

static void tied_backward(at_tape *t, at_node *node) {
    tied_node *n = (tied_node *)node;
    at_tensor *x = n->x;
    int accumulate = 0;
    at_mark mark = at_arena_mark(t->scratch);
    decoder d = open_decoder(t, x, n->table, n->bias, 1);
    double *row_loss = (double *)(void *)at_tape_scratch(t, (size_t)d.rows * (sizeof(double) / sizeof(at_real)));
    at_real *dx = x->needs_grad ? at_tape_gradient(t, x, &accumulate) : NULL;
    at_real *dtable = at_tape_weight_gradient(t, n->table), *dbias = at_tape_weight_gradient(t, n->bias);
    for (int r = 0; r < x->rows && !t->status && !t->dry; r += d.rows) {
        int rows = rows_from(&d, x, r);
        size_t at = (size_t)r * (size_t)d.in;
        make_logits(&d, x->data + at, rows);
        t->backend->cross_entropy(d.logits, n->target + r, NULL, 0, (at_real)((double)node->y->grad[0] / n->norm), row_loss, d.logits, rows, d.words);
        back_rows(&d, x->data + at, rows, dx ? dx + at : NULL, accumulate, dtable, dbias);
    }
    at_arena_rewind(t->scratch, mark);
}

/* ---- forward ---- */

static int check(at_tape *t, const at_tensor *x, const at_weight *table, const at_weight *bias, const int32_t *target) {
    int fits = !bias || (bias->kind == AT_WEIGHT_VECTOR && bias->out == table->out);
    if (table->kind != AT_WEIGHT_MATRIX || table->in != x->cols || !fits)
        at_tape_fail(t, AT_BUG, "tied: x is [%d, %d], %s is [%d, %d], the bias has %d elements", x->rows, x->cols, table->name, table->out,
                     table->in, bias ? bias->out : 0);
    for (int r = 0; target && r < x->rows && !t->status; r++)
        if (target[r] >= table->out) at_tape_fail(t, AT_BUG, "tied: target %d of %d words", target[r], table->out);
    return !t->status;
}

at_tensor *at_op_tied_cross_entropy(at_tape *t, at_tensor *x, const at_weight *table, const at_weight *bias, const int32_t *target, double norm) {
    if (t->status || !check(t, x, table, bias, target)) return NULL;
    if (!(norm > 0)) return at_tape_fail(t, AT_BUG, "tied: the sum is divided by %g", norm);
    at_tensor *y = at_tape_tensor(t, AT_SPACE_SCALAR, 1, 1);
    at_mark mark = at_arena_mark(t->scratch);
    decoder d = open_decoder(t, x, table, bias, 0);
    double sum = 0, *row_loss = (double *)(void *)at_tape_scratch(t, (size_t)d.rows * (sizeof(double) / sizeof(at_real)));
    for (int r = 0; r < x->rows && !t->status && !t->dry; r += d.rows) {
        int rows = rows_from(&d, x, r);
        make_logits(&d, x->data + (size_t)r * (size_t)d.in, rows);
        t->backend->cross_entropy(d.logits, target + r, NULL, 0, 1, row_loss, NULL, rows, d.words);
        for (int i = 0; i < rows; i++) sum += row_loss[i];
    }
    at_arena_rewind(t->scratch, mark);
    if (t->status) return NULL;
    if (!t->dry) y->data[0] = (at_real)(sum / norm);
    if (!at_tape_records(t, x) && !at_weight_records(t, table) && !at_weight_records(t, bias)) return y;
    tied_node *n = (tied_node *)at_tape_push(t, sizeof *n, y, tied_backward);
    if (!n) return NULL;
    n->x = x;
    n->table = table;
    n->bias = bias;
    n->target = target;
    n->norm = norm;
    return y;
}

/* The n largest of a row, largest first, the lower index where they are equal: index and probability. */
static void best_words(const at_real *logits, int words, double log_sum, int n, at_real *index, at_real *probability) {
    int found = 0;
    for (int w = 0; w < words; w++) {
        if (found == n && !(logits[w] > logits[(int)index[n - 1]])) continue;
        int at = found < n ? found++ : n - 1;
        for (; at > 0 && logits[w] > logits[(int)index[at - 1]]; at--) index[at] = index[at - 1];
        index[at] = (at_real)w;
    }
    for (int i = 0; i < n; i++) probability[i] = i < found ? (at_real)exp((double)logits[(int)index[i]] - log_sum) : 0;
    for (int i = found; i < n; i++) index[i] = 0;
}

static double log_of_sum(const at_real *logits, int words) {
    double largest = (double)logits[0], sum = 0;
    for (int w = 1; w < words; w++) largest = fmax(largest, (double)logits[w]);
    for (int w = 0; w < words; w++) sum += exp((double)logits[w] - largest);
    return largest + log(sum);
}

at_tensor *at_tied_answers(at_tape *t, at_tensor *x, const at_weight *table, const at_weight *bias, const int32_t *target, int n_best) {
    if (t->status || !check(t, x, table, bias, target)) return NULL;
    size_t cols = 1 + 2 * (size_t)n_best;
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, (int)cols);
    at_mark mark = at_arena_mark(t->scratch);
    decoder d = open_decoder(t, x, table, bias, 0);
    for (int r = 0; r < x->rows && !t->status && !t->dry; r += d.rows) {
        int rows = rows_from(&d, x, r);
        make_logits(&d, x->data + (size_t)r * (size_t)d.in, rows);
        for (int i = 0; i < rows; i++) {
            const at_real *logits = d.logits + (size_t)i * (size_t)d.words;
            at_real *out = y->data + (size_t)(r + i) * cols;
            double log_sum = log_of_sum(logits, d.words);
            int wanted = target ? target[r + i] : -1;
            out[0] = wanted < 0 ? 0 : (at_real)(log_sum - (double)logits[wanted]);
            best_words(logits, d.words, log_sum, n_best, out + 1, out + 1 + n_best);
        }
    }
    at_arena_rewind(t->scratch, mark);
    return t->status ? NULL : y;
}
