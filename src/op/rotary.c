/* Of every turned head, with the angle a = position * inverse[i], k = factor cos a, s = factor sin a:
 *   y_i = x_i k - x_{i+d/2} s;  y_{i+d/2} = x_{i+d/2} k + x_i s
 * dx is dy turned back (the transposed matrix: -s for s). (RoFormer: Su et al. 2021, halves as in LLaMA's files) */
#include "op/shape.h"

typedef struct rotary_node {
    at_node node;
    at_tensor *x;
    at_rope_table table;
    int heads, head_dim;
} rotary_node;

/* How fast column i turns in a text of so many tokens. */
static double speed(const at_rope *rope, size_t i, int length) {
    if (!(rope->stretch > 0) || length <= rope->usual) return rope->inverse[i];
    return rope->inverse[i] * pow(1 + rope->stretch * ((double)length / rope->usual - 1), -2.0 * (double)i / (rope->dim - 2));
}

/* Rows from .. to-1 are a text, or the next tokens of one: its length is the last position's. */
static void turn_text(const at_batch *b, const at_rope *rope, int from, int to, at_rope_table *table) {
    size_t half = (size_t)(rope->dim / 2);
    for (size_t i = 0; i < half; i++) {
        double inverse = speed(rope, i, b->positions[to - 1] + 1);
        for (int r = from; r < to; r++) {
            double angle = b->positions[r] * inverse;
            table->cos[(size_t)r * half + i] = (at_real)(rope->factor * cos(angle));
            table->sin[(size_t)r * half + i] = (at_real)(rope->factor * sin(angle));
        }
    }
}

void at_rope_prepare(at_tape *t, const at_batch *b, const at_rope *rope, at_rope_table *table) {
    size_t half = (size_t)(rope->dim / 2), count = (size_t)b->rows * half;
    *table = (at_rope_table){.dim = rope->dim, .cos = at_tape_save(t, count, sizeof(at_real)),
                             .sin = at_tape_save(t, count, sizeof(at_real))};
    if (t->status || t->dry) return;
    for (int s = 0; s < b->n_seq; s++)
        if (b->cu_seqlens[s + 1] > b->cu_seqlens[s]) turn_text(b, rope, b->cu_seqlens[s], b->cu_seqlens[s + 1], table);
}

static void rotary_backward(at_tape *t, at_node *node) {
    rotary_node *n = (rotary_node *)node;
    int accumulate;
    at_real *dx = at_tape_gradient(t, n->x, &accumulate);
    if (dx && !t->dry)
        t->backend->rotary(node->y->grad, n->table.cos, n->table.sin, -1, dx, accumulate, n->x->rows, n->x->cols, n->heads, n->head_dim,
                           n->table.dim);
}

at_tensor *at_op_rotary(at_tape *t, at_tensor *x, const at_rope_table *table, int heads, int head_dim) {
    if (t->status) return NULL;
    if (table->dim % 2 || table->dim > head_dim || heads > x->cols / head_dim)
        return at_tape_fail(t, AT_BUG, "rotary: %d columns of %d heads of %d, x has %d columns", table->dim, heads, head_dim, x->cols);
    at_tensor *y = at_tape_tensor(t, x->space, x->rows, x->cols);
    if (!y) return NULL;
    if (!t->dry) t->backend->rotary(x->data, table->cos, table->sin, 1, y->data, 0, x->rows, x->cols, heads, head_dim, table->dim);
    if (!at_tape_records(t, x)) return y;
    rotary_node *n = (rotary_node *)at_tape_push(t, sizeof *n, y, rotary_backward);
    if (!n) return NULL;
    n->x = x;
    n->table = *table;
    n->heads = heads;
    n->head_dim = head_dim;
    return y;
}
