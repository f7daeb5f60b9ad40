#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "train/saver.h"

enum { PIECE = 1 << 15, ROWS_BLOCK = 64, TABLE_ROWS = 256 };

/* ---- making ---- */

static size_t dense_pieces(size_t size) { return (size + PIECE - 1) / PIECE; }

static int is_dense(const at_weight *w) { return w->gradient != AT_NO_GRADIENT && w->kind != AT_WEIGHT_TABLE; }

/* Cuts every dense weight into pieces, and gathers small pieces into tasks of about the same size. */
static at_status cut_pieces(at_optimizer *o, at_error *err) {
    const at_params *p = o->params;
    size_t count = 0, gathered = PIECE;
    for (int i = 0; i < p->n; i++) count += is_dense(&p->weights[i]) ? dense_pieces(p->weights[i].size) : 0;
    o->pieces = AT_NEW_ARRAY(&o->memory, at_piece, count);
    o->task_at = AT_NEW_ARRAY(&o->memory, int, count + 1);
    if (!o->pieces || !o->task_at) return at_fail_memory(err, count * sizeof *o->pieces);
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        for (size_t start = 0; is_dense(w) && start < w->size; start += PIECE) {
            size_t n = w->size - start < PIECE ? w->size - start : PIECE;
            if (gathered >= PIECE) {
                o->task_at[o->n_tasks++] = o->n_pieces;
                gathered = 0;
            }
            gathered += n;
            o->pieces[o->n_pieces++] = (at_piece){i, start, n};
        }
    }
    o->task_at[o->n_tasks] = o->n_pieces;
    return AT_OK;
}

static at_status make_table(at_optimizer *o, at_weight *w, int step_rows, at_error *err) {
    at_table_state *t = &o->tables[w->gradient];
    int most = w->out < step_rows ? w->out : step_rows;
    t->weight = w;
    at_pages_sparse(o->m + w->moments, w->size * sizeof(at_real)); /* most words of a vocabulary never come */
    at_pages_sparse(o->v + w->moments, w->size * sizeof(at_real));
    t->history = AT_NEW_ARRAY(&o->memory, unsigned char, w->out);
    t->gradient = AT_NEW_ARRAY(&o->memory, at_real *, w->out);
    t->touched = AT_NEW_ARRAY(&o->memory, int32_t, most);
    if (!t->history || !t->gradient || !t->touched) return at_fail_memory(err, (size_t)w->out * 9);
    o->n_row_blocks += (most + ROWS_BLOCK - 1) / ROWS_BLOCK;
    return AT_OK;
}

static at_status make_tables(at_optimizer *o, int step_rows, at_error *err) {
    const at_params *p = o->params;
    int widest = 1;
    o->n_tables = p->n_tables;
    o->tables = AT_NEW_ARRAY(&o->memory, at_table_state, p->n_tables);
    if (!o->tables) return at_fail_memory(err, 0);
    for (int i = 0; i < p->n; i++) {
        at_weight *w = &p->weights[i];
        if (w->kind != AT_WEIGHT_TABLE || w->gradient == AT_NO_GRADIENT) continue;
        AT_TRY(make_table(o, w, step_rows, err));
        if (w->in > widest) widest = w->in;
    }
    o->zeros = AT_NEW_ARRAY(&o->memory, at_real, widest);
    return o->zeros ? AT_OK : at_fail_memory(err, 0);
}

size_t at_optimizer_bytes(const at_params *params) { return 2 * params->n_moments * sizeof(at_real) + 2 * AT_ALIGN; }

static at_status make(at_optimizer *o, int step_rows, at_error *err) {
    at_params *p = o->params;
    AT_TRY(at_arena_fixed(&o->flat, at_optimizer_bytes(p), err));
    o->m = at_alloc_raw(&o->flat, p->n_moments, sizeof(at_real)); /* a fresh mapping is zero */
    o->v = at_alloc_raw(&o->flat, p->n_moments, sizeof(at_real));
    o->updates = AT_NEW_ARRAY(&o->memory, int32_t, p->n);
    o->place = AT_NEW_ARRAY(&o->memory, size_t, p->n);
    o->rule = AT_NEW_ARRAY(&o->memory, at_adamw, p->n);
    if (!o->m || !o->v || !o->updates || !o->place || !o->rule) return at_fail_memory(err, at_optimizer_bytes(p));
    for (int i = 0; i < p->n; i++) o->place[i] = p->weights[i].gradient;
    AT_TRY(cut_pieces(o, err));
    AT_TRY(make_tables(o, step_rows, err));
    o->squares = AT_NEW_ARRAY(&o->memory, double, o->n_pieces + o->n_row_blocks);
    return o->squares ? AT_OK : at_fail_memory(err, 0);
}

at_status at_optimizer_open(at_optimizer *o, at_params *params, const at_backend *backend, at_pool *pool, int lanes,
                            int step_rows, at_error *err) {
    *o = (at_optimizer){.params = params, .backend = backend, .pool = pool, .lanes = lanes};
    at_status st = make(o, step_rows, err);
    if (st) at_optimizer_close(o);
    return st;
}

void at_optimizer_close(at_optimizer *o) {
    at_arena_free(&o->memory);
    at_arena_free(&o->flat);
    *o = (at_optimizer){0};
}

void at_optimizer_activate(at_optimizer *o, int lowest_depth) {
    for (int i = 0; i < o->params->n; i++) {
        at_weight *w = &o->params->weights[i];
        w->gradient = w->is_head || w->depth >= lowest_depth ? o->place[i] : AT_NO_GRADIENT;
    }
}

void at_optimizer_reset(at_optimizer *o) {
    memset(o->m, 0, o->params->n_moments * sizeof(at_real));
    memset(o->v, 0, o->params->n_moments * sizeof(at_real));
    memset(o->updates, 0, (size_t)o->params->n * sizeof *o->updates);
    for (int t = 0; t < o->n_tables; t++) memset(o->tables[t].history, 0, (size_t)o->tables[t].weight->out);
}

static int any(const at_real *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0) return 1;
    return 0;
}

void at_optimizer_recall(at_optimizer *o) {
    for (int t = 0; t < o->n_tables; t++) {
        at_table_state *table = &o->tables[t];
        const at_weight *w = table->weight;
        size_t cols = (size_t)w->in;
        for (size_t r = 0; r < (size_t)w->out; r++) {
            size_t at = w->moments + r * cols;
            table->history[r] = (unsigned char)(any(o->m + at, cols) || any(o->v + at, cols));
        }
    }
}

/* ---- history ---- */

enum { FEW_ROWS = 16 }; /* without history between two that have one: cheaper read and written than left out */

typedef struct range_list {
    at_saved_range *of;
    int n;
} range_list;

static void add_range(range_list *list, size_t start, size_t end) {
    if (start < end) list->of[list->n++] = (at_saved_range){start, end - start};
}

/* The rows of a table that have history, from the end of what was covered before; the end of the last of them. */
static size_t add_table(const at_table_state *t, range_list *list, size_t start) {
    size_t cols = (size_t)t->weight->in, end = t->weight->moments;
    for (size_t r = 0; r < (size_t)t->weight->out; r++) {
        size_t at = t->weight->moments + r * cols;
        if (!t->history[r]) continue;
        if (at - end > FEW_ROWS * cols) {
            add_range(list, start, end);
            start = at;
        }
        end = at + cols;
    }
    add_range(list, start, end);
    return t->weight->moments + t->weight->size;
}

static const at_table_state *next_table(const at_optimizer *o, size_t from) {
    const at_table_state *next = NULL;
    for (int t = 0; t < o->n_tables; t++) {
        size_t at = o->tables[t].weight->moments;
        if (at >= from && (!next || at < next->weight->moments)) next = &o->tables[t];
    }
    return next;
}

at_status at_optimizer_history(const at_optimizer *o, at_arena *arena, at_saved_range **ranges, int *n, at_error *err) {
    size_t most = 1, at = 0;
    for (int t = 0; t < o->n_tables; t++) most += (size_t)o->tables[t].weight->out / FEW_ROWS + 2;
    range_list list = {AT_NEW_ARRAY(arena, at_saved_range, most), 0};
    if (!list.of) return at_fail_memory(err, most * sizeof *list.of);
    for (const at_table_state *t; (t = next_table(o, at));) at = add_table(t, &list, at);
    add_range(&list, at, o->params->n_moments);
    *ranges = list.of;
    *n = list.n;
    return AT_OK;
}

/* ---- reduce ---- */

static int is_active(const at_optimizer *o, const at_piece *piece) {
    return o->params->weights[piece->weight].gradient != AT_NO_GRADIENT;
}

static void reduce_task(void *context, int task) {
    at_optimizer *o = context;
    for (int i = o->task_at[task]; i < o->task_at[task + 1]; i++) {
        const at_piece *piece = &o->pieces[i];
        at_real *lane[AT_MAX_LANES];
        o->squares[i] = 0;
        if (!is_active(o, piece)) continue;
        for (int l = 0; l < o->lanes; l++) lane[l] = o->gradients[l].dense + o->place[piece->weight] + piece->start;
        o->squares[i] = o->backend->reduce(lane, o->lanes, lane[0], piece->n);
        for (int l = 1; l < o->lanes; l++) memset(lane[l], 0, piece->n * sizeof(at_real)); /* while it is in the cache */
    }
}

/* Which rows were touched, and in whose memory their sum will be. */
static void gather_touched(at_optimizer *o, int t) {
    at_table_state *table = &o->tables[t];
    table->n_touched = 0;
    for (int l = 0; l < o->lanes; l++) {
        const at_table_gradient *from = &o->gradients[l].tables[t];
        for (int s = 0; s < from->n; s++) {
            int32_t row = from->row[s];
            if (table->gradient[row]) continue;
            table->gradient[row] = from->values + (size_t)s * (size_t)table->weight->in;
            table->touched[table->n_touched++] = row;
        }
    }
}

static int touched_blocks(const at_table_state *table) { return (table->n_touched + ROWS_BLOCK - 1) / ROWS_BLOCK; }

/* One block of touched rows of one table; blocks are numbered through all tables. */
static void reduce_rows_task(void *context, int block) {
    at_optimizer *o = context;
    int t = 0, nth = block;
    while (nth >= touched_blocks(&o->tables[t])) nth -= touched_blocks(&o->tables[t++]);
    const at_table_state *table = &o->tables[t];
    size_t cols = (size_t)table->weight->in;
    int end = (nth + 1) * ROWS_BLOCK < table->n_touched ? (nth + 1) * ROWS_BLOCK : table->n_touched;
    double sum = 0;
    for (int i = nth * ROWS_BLOCK; i < end; i++) {
        int32_t row = table->touched[i];
        at_real *lane[AT_MAX_LANES];
        for (int l = 0; l < o->lanes; l++) {
            const at_table_gradient *from = &o->gradients[l].tables[t];
            lane[l] = from->slot[row] < 0 ? o->zeros : from->values + (size_t)from->slot[row] * cols;
        }
        sum += o->backend->reduce(lane, o->lanes, table->gradient[row], cols);
    }
    o->squares[o->n_pieces + block] = sum;
}

double at_optimizer_reduce(at_optimizer *o, at_gradients *gradients) {
    int blocks = 0;
    double sum = 0;
    o->gradients = gradients;
    for (int t = 0; t < o->n_tables; t++) {
        gather_touched(o, t);
        blocks += touched_blocks(&o->tables[t]);
    }
    at_pool_run(o->pool, reduce_task, o, o->n_tasks);
    at_pool_run(o->pool, reduce_rows_task, o, blocks);
    for (int i = 0; i < o->n_pieces + blocks; i++) sum += o->squares[i];
    return sqrt(sum);
}

/* ---- update ---- */

static void update_task(void *context, int task) {
    at_optimizer *o = context;
    for (int i = o->task_at[task]; i < o->task_at[task + 1]; i++) {
        const at_piece *piece = &o->pieces[i];
        const at_weight *w = &o->params->weights[piece->weight];
        if (!is_active(o, piece)) continue;
        at_real *gradient = o->gradients[0].dense + w->gradient + piece->start;
        size_t moments = w->moments + piece->start;
        o->backend->adamw(&o->rule[piece->weight], at_weight_values(o->params, w) + piece->start, gradient, o->m + moments,
                          o->v + moments, piece->n);
        memset(gradient, 0, piece->n * sizeof(at_real));
    }
}

/* Rows without gradient: a run of `n` with history moves by its moments, one without only decays. */
static void update_quiet_rows(at_optimizer *o, const at_weight *w, int has_history, size_t row, size_t n) {
    const at_adamw *rule = &o->rule[w - o->params->weights];
    size_t start = row * (size_t)w->in, count = n * (size_t)w->in;
    at_real *values = at_weight_values(o->params, w) + start;
    double decay = 1 - rule->learning_rate * rule->weight_decay;
    if (has_history) o->backend->adamw(rule, values, NULL, o->m + w->moments + start, o->v + w->moments + start, count);
    else if (decay != 1) o->backend->scale_add((at_real)decay, values, values, 0, count);
}

static void update_rows(at_optimizer *o, at_table_state *table, int start, int end) {
    const at_weight *w = table->weight;
    for (int r = start, next; r < end; r = next) {
        next = r + 1;
        if (table->gradient[r]) {
            size_t at = (size_t)r * (size_t)w->in;
            o->backend->adamw(&o->rule[w - o->params->weights], at_weight_values(o->params, w) + at, table->gradient[r],
                              o->m + w->moments + at, o->v + w->moments + at, (size_t)w->in);
            table->history[r] = 1;
            table->gradient[r] = NULL;
            continue;
        }
        while (next < end && !table->gradient[next] && table->history[next] == table->history[r]) next++;
        update_quiet_rows(o, w, table->history[r], (size_t)r, (size_t)(next - r));
    }
}

static int row_tasks(const at_table_state *table) { return (table->weight->out + TABLE_ROWS - 1) / TABLE_ROWS; }

static void update_rows_task(void *context, int task) {
    at_optimizer *o = context;
    int t = 0;
    while (task >= row_tasks(&o->tables[t])) task -= row_tasks(&o->tables[t++]);
    at_table_state *table = &o->tables[t];
    if (table->weight->gradient == AT_NO_GRADIENT) return;
    int start = task * TABLE_ROWS, end = start + TABLE_ROWS < table->weight->out ? start + TABLE_ROWS : table->weight->out;
    update_rows(o, table, start, end);
}

static void make_rules(at_optimizer *o, const at_hyper *h, const double *rate, double gradient_scale) {
    for (int i = 0; i < o->params->n; i++) {
        const at_weight *w = &o->params->weights[i];
        if (w->gradient == AT_NO_GRADIENT) continue;
        int t = ++o->updates[i];
        o->rule[i] = (at_adamw){rate[i], h->adam_beta1, h->adam_beta2, h->adam_epsilon, w->decay ? h->weight_decay : 0,
                                1 - pow(h->adam_beta1, t), 1 - pow(h->adam_beta2, t), gradient_scale};
    }
}

static void clear_tables(at_gradients *g, int n_tables) {
    for (int i = 0; i < n_tables; i++) {
        at_table_gradient *table = &g->tables[i];
        for (int s = 0; s < table->n; s++) table->slot[table->row[s]] = -1;
        table->n = 0;
    }
}

void at_optimizer_update(at_optimizer *o, const at_hyper *h, const double *rate, double gradient_scale) {
    int tasks = 0;
    make_rules(o, h, rate, gradient_scale);
    at_pool_run(o->pool, update_task, o, o->n_tasks);
    for (int t = 0; t < o->n_tables; t++) tasks += row_tasks(&o->tables[t]);
    at_pool_run(o->pool, update_rows_task, o, tasks);
    for (int l = 0; l < o->lanes; l++) clear_tables(&o->gradients[l], o->n_tables);
}

void at_optimizer_discard(at_optimizer *o, at_gradients *gradients) {
    for (int t = 0; t < o->n_tables; t++)
        for (int i = 0; i < o->tables[t].n_touched; i++) o->tables[t].gradient[o->tables[t].touched[i]] = NULL;
    for (int l = 0; l < o->lanes; l++) at_gradients_clear(&gradients[l]);
}
