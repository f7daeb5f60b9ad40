/* The gradients of weights that one lane gathers: flat for what every row uses, by touched rows for tables. */
#include <string.h>

#include "tensor/tape.h"

/* Of so many tokens, and of the one that a decoder begins with. */
static int table_rows(const at_weight *w, int rows) { return w->out <= rows ? w->out : rows + 1; }

size_t at_gradients_bytes(const at_params *p, int rows) {
    size_t bytes = p->n_gradient * sizeof(at_real);
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        if (w->kind != AT_WEIGHT_TABLE || w->gradient == AT_NO_GRADIENT) continue;
        size_t cap = (size_t)table_rows(w, rows);
        bytes += (size_t)w->out * sizeof(int32_t) + cap * (sizeof(int32_t) + (size_t)w->in * sizeof(at_real));
    }
    return bytes;
}

at_status at_gradients_plan(at_gradients *g, at_arena *arena, const at_params *p, at_error *err) {
    *g = (at_gradients){.n_tables = p->n_tables, .n_dense = p->n_gradient};
    g->tables = AT_NEW_ARRAY(arena, at_table_gradient, p->n_tables);
    if (!g->tables) return at_fail_memory(err, (size_t)p->n_tables * sizeof(at_table_gradient));
    for (int i = 0; i < p->n; i++) {
        at_weight *w = &p->weights[i];
        if (w->kind == AT_WEIGHT_TABLE && w->gradient != AT_NO_GRADIENT) g->tables[w->gradient].weight = w;
    }
    return AT_OK;
}

static int make_table(at_table_gradient *table, at_arena *arena, int rows) {
    const at_weight *w = table->weight;
    table->cap = table_rows(w, rows);
    table->slot = at_alloc_raw(arena, (size_t)w->out, sizeof(int32_t));
    table->row = at_alloc_raw(arena, (size_t)table->cap, sizeof(int32_t));
    table->values = at_alloc_raw(arena, (size_t)table->cap * (size_t)w->in, sizeof(at_real));
    if (!table->slot || !table->row || !table->values) return 0;
    memset(table->slot, 0xff, (size_t)w->out * sizeof(int32_t));
    return 1;
}

at_status at_gradients_make(at_gradients *g, at_arena *arena, const at_params *p, int rows, at_error *err) {
    AT_TRY(at_gradients_plan(g, arena, p, err));
    g->dense = AT_NEW_ARRAY(arena, at_real, p->n_gradient);
    int ok = g->dense != NULL;
    for (int i = 0; ok && i < g->n_tables; i++) ok = make_table(&g->tables[i], arena, rows);
    return ok ? AT_OK : at_fail_memory(err, at_gradients_bytes(p, rows));
}

void at_gradients_clear(at_gradients *g) {
    memset(g->dense, 0, g->n_dense * sizeof(at_real));
    for (int i = 0; i < g->n_tables; i++) {
        at_table_gradient *table = &g->tables[i];
        for (int s = 0; s < table->n; s++) table->slot[table->row[s]] = -1;
        table->n = 0;
    }
}

at_real *at_table_gradient_row(at_table_gradient *table, int32_t row) {
    size_t cols = (size_t)table->weight->in;
    int32_t slot = table->slot[row];
    if (slot >= 0) return table->values + (size_t)slot * cols;
    if (table->n == table->cap) return NULL;
    table->slot[row] = table->n;
    table->row[table->n] = row;
    at_real *values = table->values + (size_t)table->n++ * cols;
    memset(values, 0, cols * sizeof(at_real));
    return values;
}
