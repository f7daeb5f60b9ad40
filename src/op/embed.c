/* y[r] = token[ids[r]] + position[positions[r]] + type[types[r]]
 * dtoken[ids[r]] += dy[r], and so for the other two: by touched rows, in the order of the rows; a table's still row gets none. Where every
 * word of the token table gets a gradient anyway, as it is the classifier too, it is a matrix or packed, and its gradient dense. */
#include "op/shape.h"

/* Element c of row r of a table is at its row's begin + c * step. */
typedef struct stride {
    size_t begin, step;
} stride;

static stride row_of(const at_weight *w, int32_t r) {
    size_t row = (size_t)r, in = (size_t)w->in;
    if (w->kind != AT_WEIGHT_LINEAR) return (stride){row * in, 1};
    return (stride){row / AT_PANEL * AT_PANEL * in + row % AT_PANEL, AT_PANEL};
}

typedef struct embed_node {
    at_node node;
    const at_batch *batch;
    at_weight *table[3]; /* token, position, type */
} embed_node;

static int32_t index_of(const at_batch *b, int table, int row) {
    if (table == 0) return b->ids[row];
    if (table == 1) return b->positions[row];
    return b->types ? b->types[row] : 0;
}

static int check_tables(at_tape *t, at_weight *const *table) {
    static const char *const what[3] = {"token", "position", "type"};
    if (!table[0]) at_tape_fail(t, AT_BUG, "embed: no token table");
    for (int i = 0; i < 3 && table[0]; i++)
        if (table[i] && (table[i]->kind == AT_WEIGHT_VECTOR || table[i]->in != table[0]->in))
            at_tape_fail(t, AT_BUG, "embed: the %s table is [%d, %d], the token table [%d, %d]", what[i], table[i]->out,
                         table[i]->in, table[0]->out, table[0]->in);
    return !t->status;
}

static int check_indices(at_tape *t, const at_batch *b, at_weight *const *table) {
    static const char *const what[3] = {"token id", "position", "token type"};
    for (int i = 0; i < 3; i++)
        for (int r = 0; table[i] && r < b->rows; r++) {
            int32_t index = index_of(b, i, r);
            if (index < 0 || index >= table[i]->out) {
                at_tape_fail(t, AT_BAD_MODEL, "%s %d is beyond the model's %d (%s)", what[i], index, table[i]->out,
                             table[i]->name);
                return 0;
            }
        }
    return 1;
}

/* Where the gradient of a row goes; NULL: more rows than a step can have. */
static at_real *gradient_row(const at_tape *t, const at_weight *w, int32_t index) {
    if (w->kind != AT_WEIGHT_TABLE) return t->gradients->dense + w->gradient + row_of(w, index).begin;
    return at_table_gradient_row(&t->gradients->tables[w->gradient], index);
}

static void embed_backward(at_tape *t, at_node *node) {
    embed_node *e = (embed_node *)node;
    size_t cols = (size_t)node->y->cols;
    for (int i = 0; i < 3 && !t->dry; i++) {
        if (!at_weight_records(t, e->table[i])) continue;
        for (int r = 0; r < e->batch->rows; r++) {
            if (index_of(e->batch, i, r) == e->table[i]->still_row) continue;
            at_real *into = gradient_row(t, e->table[i], index_of(e->batch, i, r));
            if (!into) {
                at_tape_fail(t, AT_BUG, "more rows of %s in one step than were planned", e->table[i]->name);
                return;
            }
            const at_real *dy = node->y->grad + (size_t)r * cols;
            size_t step = row_of(e->table[i], 0).step;
            for (size_t c = 0; c < cols; c++) into[c * step] += dy[c];
        }
    }
}

/* out [in] (+)= a table's row; `row` [in] is scratch. */
static void add_row(const at_tape *t, const at_weight *w, int32_t index, int accumulate, at_real *row, at_real *out) {
    const at_real *from = row;
    stride at = {0, 1};
    if (w->form == AT_FORM_FP32) {
        at = row_of(w, index);
        from = at_weight_values(t->params, w) + at.begin;
    } else {
#ifndef AT_DOUBLE
        at_compact_row(w->form, at_weight_compact(t->params, w), w->in, index, row);
#endif
    }
    for (size_t c = 0; c < (size_t)w->in; c++) out[c] = accumulate ? out[c] + from[c * at.step] : from[c * at.step];
}

at_tensor *at_op_embed(at_tape *t, const at_batch *b, at_weight *token, at_weight *position, at_weight *type) {
    at_weight *table[3] = {token, position, type};
    if (t->status || !check_tables(t, table) || !check_indices(t, b, table)) return NULL;
    at_tensor *y = at_tape_tensor(t, AT_SPACE_TOKENS, b->rows, token->in);
    if (!y) return NULL;
    at_mark mark = at_arena_mark(t->scratch);
    at_real *row = at_tape_scratch(t, (size_t)token->in);
    for (int r = 0; r < b->rows && !t->dry && row; r++)
        for (int i = 0; i < 3; i++)
            if (table[i]) add_row(t, table[i], index_of(b, i, r), i, row, y->data + (size_t)r * (size_t)token->in);
    at_arena_rewind(t->scratch, mark);
    if (t->status) return NULL;
    if (!at_weight_records(t, token) && !at_weight_records(t, position) && !at_weight_records(t, type)) return y;
    embed_node *e = (embed_node *)at_tape_push(t, sizeof *e, y, embed_backward);
    if (!e) return NULL;
    e->batch = b;
    for (int i = 0; i < 3; i++) e->table[i] = table[i];
    return y;
}
