#include "train/lanes.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/random.h"

struct at_lanes {
    at_lanes_setup setup;
    at_arena memory, flat;   /* small things; gradients */
    at_gradients *gradients; /* [lanes] */
    at_workspace *workspaces;
    atomic_flag *busy;       /* [n_workspaces] */
    int n_workspaces;
    double *chunk_loss;
    at_status *status;       /* [lanes] */
    at_error *errors;        /* [lanes] */
    const at_step_plan *plan;
    double norm;
    int step;
};

static at_tape make_tape(const at_lanes_setup *s, at_workspace *w, at_gradients *g, int step, at_error *err) {
    at_tape tape = {.backend = s->backend, .params = s->params, .gradients = g, .training = 1, .seed = s->seed,
                    .step = (uint64_t)step, .err = err};
    at_workspace_lend(w, &tape);
    return tape;
}

static at_tensor *forward(const at_lanes_setup *s, at_tape *tape, const at_batch *batch, double norm) {
    at_tape_begin(tape);
    at_tensor *hidden = at_body_forward(tape, s->model, batch);
    at_tensor *logits = at_head_forward(tape, s->model, hidden, batch);
    if (at_tape_status(tape)) return NULL;
    return s->state->task->loss(s->state, tape, s->model, logits, batch, s->d, norm);
}

static at_status forward_backward(const at_lanes_setup *s, at_tape *tape, const at_batch *batch, double norm, double *value) {
    at_tensor *loss = forward(s, tape, batch, norm);
    AT_TRY(at_tape_status(tape));
    if (!tape->dry) *value = (double)loss->data[0];
    return at_tape_backward(tape, loss);
}

/* ---- dry run ---- */

static void raise_to(size_t *most, size_t value) {
    if (value > *most) *most = value;
}

static void raise_sizes(at_workspace_size *most, at_workspace_size one) {
    raise_to(&most->arena, one.arena);
    raise_to(&most->pool, one.pool);
    raise_to(&most->scratch, one.scratch);
    raise_to(&most->objects, one.objects);
}

static at_status measure_phase(const at_lanes_setup *s, at_workspace_size *most, at_error *err) {
    at_workspace w;
    at_gradients g;
    at_batch batch;
    at_arena arena = {0};
    double value;
    AT_TRY(at_workspace_measure(&w, err));
    const at_step_bounds *b = &s->bounds;
    at_status st = at_gradients_plan(&g, &arena, s->params, err);
    if (!st) st = at_batch_largest(&w.objects, (at_batch_size){b->rows, b->n_seq, b->max_len, b->n_places}, &batch, err);
    if (!st) {
        at_tape tape = make_tape(s, &w, &g, 0, err);
        tape.dry = 1;
        st = forward_backward(s, &tape, &batch, 1, &value);
    }
    raise_sizes(most, at_workspace_peak(&w));
    at_workspace_close(&w);
    at_arena_free(&arena);
    return st;
}

/* Blocks are frozen one after the other from the input, as in the phases of gradual unfreezing seen backwards: what records less keeps its
 * activations elsewhere, so no phase bounds the others. */
static at_status measure_phases(const at_lanes_setup *s, at_workspace_size *most, at_error *err) {
    at_params *p = s->params;
    at_status st = AT_OK;
    size_t *place = malloc((size_t)p->n * sizeof *place);
    if (!place) return at_fail_memory(err, 0);
    for (int i = 0; i < p->n; i++) place[i] = p->weights[i].gradient;
    for (int lowest = 1; lowest <= s->model->arch.layers + 1 && !st; lowest++) {
        for (int i = 0; i < p->n; i++)
            if (!p->weights[i].is_head && p->weights[i].depth < lowest) p->weights[i].gradient = AT_NO_GRADIENT;
        st = measure_phase(s, most, err);
    }
    for (int i = 0; i < p->n; i++) p->weights[i].gradient = place[i];
    free(place);
    return st;
}

at_status at_lanes_measure(const at_lanes_setup *s, at_workspace_size *size, at_error *err) {
    *size = (at_workspace_size){0};
    AT_TRY(measure_phase(s, size, err));
    return s->gradual ? measure_phases(s, size, err) : AT_OK;
}

int at_lanes_threads(const at_lanes_setup *s) {
    int threads = at_pool_threads(s->pool);
    return threads < s->lanes ? threads : s->lanes;
}

/* ---- opening ---- */

static at_status open_workspaces(at_lanes *l, at_error *err) {
    at_workspace_size size;
    AT_TRY(at_lanes_measure(&l->setup, &size, err));
    int n = at_lanes_threads(&l->setup);
    l->workspaces = AT_NEW_ARRAY(&l->memory, at_workspace, n);
    l->busy = AT_NEW_ARRAY(&l->memory, atomic_flag, n);
    if (!l->workspaces || !l->busy) return at_fail_memory(err, 0);
    for (; l->n_workspaces < n; l->n_workspaces++) {
        atomic_flag_clear(&l->busy[l->n_workspaces]);
        AT_TRY(at_workspace_open(&l->workspaces[l->n_workspaces], size, err));
    }
    return AT_OK;
}

static at_status open_lanes(at_lanes *l, at_error *err) {
    const at_lanes_setup *s = &l->setup;
    int n = s->lanes, rows = s->bounds.lane_rows;
    l->gradients = AT_NEW_ARRAY(&l->memory, at_gradients, n);
    l->status = AT_NEW_ARRAY(&l->memory, at_status, n);
    l->errors = AT_NEW_ARRAY(&l->memory, at_error, n);
    l->chunk_loss = AT_NEW_ARRAY(&l->memory, double, s->bounds.n_chunks);
    if (!l->gradients || !l->status || !l->errors || !l->chunk_loss) return at_fail_memory(err, 0);
    size_t alignment = (size_t)(8 + 4 * s->params->n_tables) * AT_ALIGN;
    size_t lane_bytes = at_gradients_bytes(s->params, rows) + (size_t)s->params->n_tables * sizeof(at_table_gradient) + alignment;
    AT_TRY(at_arena_fixed(&l->flat, lane_bytes * (size_t)n, err));
    for (int i = 0; i < n; i++) AT_TRY(at_gradients_make(&l->gradients[i], &l->flat, s->params, rows, err));
    return open_workspaces(l, err);
}

at_status at_lanes_open(const at_lanes_setup *setup, at_lanes **out, at_error *err) {
    at_lanes *l = calloc(1, sizeof *l);
    if (!l) return at_fail_memory(err, sizeof *l);
    l->setup = *setup;
    at_status st = open_lanes(l, err);
    if (st) at_lanes_close(l);
    else *out = l;
    return st;
}

void at_lanes_close(at_lanes *l) {
    if (!l) return;
    for (int i = 0; i < l->n_workspaces; i++) at_workspace_close(&l->workspaces[i]);
    at_arena_free(&l->flat);
    at_arena_free(&l->memory);
    free(l);
}

/* ---- running ---- */

static at_status run_chunk(at_lanes *l, int c, at_tape *tape, at_workspace *w, at_error *err) {
    const at_step_chunk *chunk = &l->plan->chunk[c];
    at_batch batch;
    at_workspace_rewind(w);
    AT_TRY(at_dataset_pack(l->setup.d, l->plan->dealt + chunk->start, l->plan->seq_id + chunk->start, chunk->n, &w->objects,
                           &batch, err));
    const at_task_state *state = l->setup.state;
    if (state->task->redraw) state->task->redraw(state, l->setup.d, at_random_key(l->setup.seed, AT_SITE_MASK, (uint64_t)l->step), &batch);
    return forward_backward(&l->setup, tape, &batch, l->norm, &l->chunk_loss[c]);
}

static void run_lane(void *context, int lane) {
    at_lanes *l = context;
    int mine = 0;
    while (atomic_flag_test_and_set(&l->busy[mine])) mine = (mine + 1) % l->n_workspaces;
    at_workspace *w = &l->workspaces[mine];
    at_tape tape = make_tape(&l->setup, w, &l->gradients[lane], l->step, &l->errors[lane]);
    l->status[lane] = AT_OK;
    for (int c = l->plan->chunk_at[lane]; c < l->plan->chunk_at[lane + 1] && !l->status[lane]; c++)
        l->status[lane] = run_chunk(l, c, &tape, w, &l->errors[lane]);
    atomic_flag_clear(&l->busy[mine]);
}

at_status at_lanes_run(at_lanes *l, const at_step_plan *plan, int step, at_lanes_result *result, at_error *err) {
    const at_lanes_setup *s = &l->setup;
    l->plan = plan;
    l->step = step;
    l->norm = at_task_norm(s->state, s->d, plan->example, plan->n);
    at_pool_run(s->pool, run_lane, l, s->lanes);
    for (int i = 0; i < s->lanes; i++)
        if (l->status[i]) return at_fail(err, l->status[i], "%s", l->errors[i].text);
    *result = (at_lanes_result){0, l->chunk_loss};
    for (int c = 0; c < plan->n_chunks; c++) result->loss += l->chunk_loss[c];
    return AT_OK;
}

at_gradients *at_lanes_gradients(at_lanes *l) { return l->gradients; }

at_workspace_size at_lanes_peak(const at_lanes *l) {
    at_workspace_size most = {0};
    for (int i = 0; i < l->n_workspaces; i++) raise_sizes(&most, at_workspace_peak(&l->workspaces[i]));
    return most;
}
