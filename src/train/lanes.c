#include "train/lanes.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/machine.h"
#include "base/random.h"

/* Waiting tapes may take so much, and a quarter of what is free. */
static const size_t KEPT_BYTES = (size_t)2 << 30;

/* A chunk between its forward and its backward pass. */
typedef struct waiting {
    at_tape tape;
    at_tensor *y;
} waiting;

struct at_lanes {
    at_lanes_setup setup;
    at_arena memory, flat;   /* small things; gradients */
    at_gradients *gradients; /* [lanes] */
    at_workspace *workspaces;
    atomic_flag *busy;       /* [n_workspaces] */
    at_team **team;          /* [lanes], NULL: a thread alone */
    int n_workspaces;
    double *chunk_loss;
    at_status *status;       /* [lanes] */
    at_error *errors;        /* [lanes] */
    at_half_copies *half;    /* of the weights, where the backend has bf16 products */
    int copies_are_whole;    /* also of the frozen ones, once */
    const at_step_plan *plan;
    double norm;
    int step;
    /* Of a coupled task: */
    int keeps;                   /* workspaces[c] and waiting[c] are chunk c's */
    waiting *waiting;            /* [n_chunks] */
    at_real *outputs, *doutputs; /* [step_seq, n_out] in the order of the step */
    at_workspace step_workspace;
};

static at_tape make_tape(const at_lanes_setup *s, const at_half_copies *half, at_workspace *w, at_gradients *g, int step, at_error *err) {
    at_tape tape = {.backend = s->backend, .half = half, .params = s->params, .gradients = g, .training = 1, .seed = s->seed,
                    .step = (uint64_t)step, .err = err};
    at_workspace_lend(w, &tape);
    return tape;
}

static int is_coupled(const at_lanes_setup *s) { return s->state->task->coupled; }

static at_tensor *forward(const at_lanes_setup *s, at_tape *tape, const at_batch *batch) {
    at_tape_begin(tape);
    return at_model_forward(tape, s->model, batch);
}

static at_tensor *loss_of(const at_lanes_setup *s, at_tape *tape, at_tensor *logits, const at_batch *batch, double norm) {
    if (at_tape_status(tape)) return NULL;
    return s->state->task->loss(s->state, tape, s->model, logits, batch, s->d, norm);
}

static at_status forward_backward(const at_lanes_setup *s, at_tape *tape, const at_batch *batch, double norm, double *value) {
    at_tensor *loss = loss_of(s, tape, forward(s, tape, batch), batch, norm);
    AT_TRY(at_tape_status(tape));
    if (!tape->dry) *value = (double)loss->data[0];
    return at_tape_backward(tape, loss);
}

/* Backward from the outputs of a chunk, whose gradients are rows `index` of `gradient`. */
static at_status backward_from(at_tape *tape, at_tensor *y, const at_real *gradient, const uint32_t *index) {
    at_tensor *loss = at_op_given(tape, y, gradient, index);
    return loss ? at_tape_backward(tape, loss) : at_tape_status(tape);
}

/* ---- the loss of a coupled step ---- */

/* The sequences of a step as a batch without tokens. */
static at_status step_batch(const at_lanes_setup *s, at_arena *arena, const uint32_t *example, int n, at_batch *batch, at_error *err) {
    int32_t *index = AT_NEW_ARRAY(arena, int32_t, n), *label = AT_NEW_ARRAY(arena, int32_t, n);
    uint32_t *seq_id = AT_NEW_ARRAY(arena, uint32_t, n);
    if (!index || !label || !seq_id) return at_fail_memory(err, (size_t)n * 12);
    for (int i = 0; i < n; i++) {
        index[i] = example ? (int32_t)example[i] : i;
        label[i] = s->d->label ? s->d->label[index[i]] : -1;
        seq_id[i] = (uint32_t)i;
    }
    *batch = (at_batch){.n_seq = n, .seq_id = seq_id, .example = index, .n_outputs = n, .output = index, .label = s->d->label ? label : NULL};
    return AT_OK;
}

/* dx [n, n_out] gets the gradient of the loss by the outputs x. A dry tape touches neither. */
static at_status couple(const at_lanes_setup *s, at_tape *tape, const uint32_t *example, int n, double norm, at_real *x, at_real *dx, double *value) {
    at_batch batch;
    AT_TRY(step_batch(s, tape->objects, example, n, &batch, tape->err));
    at_tape_begin(tape);
    at_tensor *outputs = at_tape_constant(tape, AT_SPACE_SEQUENCES, n, s->model->head.n_out, x);
    if (outputs) outputs->needs_grad = 1;
    at_tensor *loss = loss_of(s, tape, outputs, &batch, norm);
    AT_TRY(at_tape_status(tape));
    if (loss->needs_grad) AT_TRY(at_tape_backward(tape, loss));
    if (tape->dry) return AT_OK;
    size_t bytes = (size_t)n * (size_t)outputs->cols * sizeof *dx;
    *value = (double)loss->data[0];
    if (outputs->grad) memcpy(dx, outputs->grad, bytes);
    else memset(dx, 0, bytes);
    return AT_OK;
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

static at_status measure_walk(const at_lanes_setup *s, at_gradients *g, at_workspace_size *most, at_error *err) {
    at_workspace w;
    at_batch batch;
    at_half_copies *half;
    double value;
    AT_TRY(at_half_copies_open(&half, s->params, s->backend->half, 1, err)); /* never filled: addresses only */
    at_status st = at_workspace_measure(&w, err);
    if (st) {
        at_half_copies_close(half);
        return st;
    }
    const at_step_bounds *b = &s->bounds;
    at_batch_size size = {b->rows, b->n_seq, b->max_len, b->n_places, b->decoder_rows, b->decoder_len};
    st = at_batch_largest(&w.objects, size, &batch, err);
    at_tape tape = make_tape(s, half, &w, g, 0, err);
    tape.dry_team = at_lanes_team(s, 0); /* the largest */
    tape.dry = 1;
    if (!st && is_coupled(s)) {
        (void)at_alloc(&w.objects, 1, sizeof batch); /* which waits with its tape */
        at_tensor *y = forward(s, &tape, &batch);
        st = y && g ? backward_from(&tape, y, NULL, NULL) : at_tape_status(&tape);
    } else if (!st) st = forward_backward(s, &tape, &batch, 1, &value);
    raise_sizes(most, at_workspace_peak(&w));
    at_workspace_close(&w);
    at_half_copies_close(half);
    return st;
}

/* A first pass that keeps nothing lays its activations out in another way. */
static at_status measure_phase(const at_lanes_setup *s, at_workspace_size *most, at_error *err) {
    at_gradients g;
    at_arena arena = {0};
    at_status st = at_gradients_plan(&g, &arena, s->params, err);
    if (!st) st = measure_walk(s, &g, most, err);
    if (!st && is_coupled(s)) st = measure_walk(s, NULL, most, err);
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
    for (int lowest = 1; lowest <= at_arch_depth(&s->model->arch) + 1 && !st; lowest++) {
        for (int i = 0; i < p->n; i++)
            if (!p->weights[i].is_head && p->weights[i].depth < lowest) p->weights[i].gradient = AT_NO_GRADIENT;
        st = measure_phase(s, most, err);
    }
    for (int i = 0; i < p->n; i++) p->weights[i].gradient = place[i];
    free(place);
    return st;
}

/* The examples of the data's beginning stand for those of a step. */
static at_status measure_step(const at_lanes_setup *s, at_workspace_size *size, at_error *err) {
    at_workspace w;
    at_gradients none = {0};
    double value;
    AT_TRY(at_workspace_measure(&w, err));
    at_tape tape = make_tape(s, NULL, &w, &none, 0, err);
    tape.dry = 1;
    at_status st = couple(s, &tape, NULL, s->bounds.step_seq, 1, NULL, NULL, &value);
    *size = at_workspace_peak(&w);
    at_workspace_close(&w);
    return st;
}

static at_status measure_coupled(const at_lanes_setup *s, at_lanes_memory *m, at_error *err) {
    size_t all = (size_t)s->bounds.n_chunks * at_workspace_bytes(m->chunk), available = at_memory_available() / 4;
    m->keeps = !s->replay && all <= KEPT_BYTES && (!available || all <= available);
    if (m->keeps) m->n_workspaces = s->bounds.n_chunks;
    m->outputs = (size_t)s->bounds.step_seq * (size_t)s->model->head.n_out;
    return measure_step(s, &m->step, err);
}

at_status at_lanes_measure(const at_lanes_setup *s, at_lanes_memory *m, at_error *err) {
    *m = (at_lanes_memory){.n_workspaces = at_lanes_threads(s)};
    AT_TRY(measure_phase(s, &m->chunk, err));
    if (s->gradual) AT_TRY(measure_phases(s, &m->chunk, err));
    return is_coupled(s) ? measure_coupled(s, m, err) : AT_OK;
}

size_t at_lanes_bytes(const at_lanes_memory *m) {
    return (size_t)m->n_workspaces * at_workspace_bytes(m->chunk) + at_workspace_bytes(m->step) + 2 * m->outputs * sizeof(at_real);
}

int at_lanes_threads(const at_lanes_setup *s) {
    int threads = at_pool_threads(s->pool);
    return threads < s->lanes ? threads : s->lanes;
}

int at_lanes_team(const at_lanes_setup *s, int lane) {
    int threads = at_pool_threads(s->pool);
    return threads > s->lanes ? threads / s->lanes + (lane < threads % s->lanes) : 1;
}

/* ---- opening ---- */

static at_status open_teams(at_lanes *l, at_error *err) {
    l->team = AT_NEW_ARRAY(&l->memory, at_team *, l->setup.lanes);
    if (!l->team) return at_fail_memory(err, 0);
    for (int i = 0; i < l->setup.lanes; i++) {
        int size = at_lanes_team(&l->setup, i);
        if (size > 1) AT_TRY(at_team_open(&l->team[i], size, err));
    }
    return AT_OK;
}


static at_status open_coupled(at_lanes *l, const at_lanes_memory *m, at_error *err) {
    l->keeps = m->keeps;
    l->waiting = AT_NEW_ARRAY(&l->memory, waiting, m->keeps ? m->n_workspaces : 0);
    l->outputs = AT_NEW_ARRAY(&l->memory, at_real, m->outputs);
    l->doutputs = AT_NEW_ARRAY(&l->memory, at_real, m->outputs);
    if (!l->waiting || !l->outputs || !l->doutputs) return at_fail_memory(err, 2 * m->outputs * sizeof(at_real));
    return at_workspace_open(&l->step_workspace, m->step, err);
}

static at_status open_workspaces(at_lanes *l, at_error *err) {
    at_lanes_memory m;
    AT_TRY(at_lanes_measure(&l->setup, &m, err));
    l->workspaces = AT_NEW_ARRAY(&l->memory, at_workspace, m.n_workspaces);
    l->busy = AT_NEW_ARRAY(&l->memory, atomic_flag, m.n_workspaces);
    if (!l->workspaces || !l->busy) return at_fail_memory(err, 0);
    for (; l->n_workspaces < m.n_workspaces; l->n_workspaces++) {
        atomic_flag_clear(&l->busy[l->n_workspaces]);
        AT_TRY(at_workspace_open(&l->workspaces[l->n_workspaces], m.chunk, err));
    }
    return is_coupled(&l->setup) ? open_coupled(l, &m, err) : AT_OK;
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
    AT_TRY(open_teams(l, err));
    AT_TRY(at_half_copies_open(&l->half, s->params, s->backend->half, 1, err));
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
    for (int i = 0; l->team && i < l->setup.lanes; i++) at_team_close(l->team[i]);
    at_workspace_close(&l->step_workspace);
    at_half_copies_close(l->half);
    at_arena_free(&l->flat);
    at_arena_free(&l->memory);
    free(l);
}

/* ---- running ---- */

static at_status take_chunk(at_lanes *l, int c, at_workspace *w, at_batch *batch, at_error *err) {
    const at_step_chunk *chunk = &l->plan->chunk[c];
    at_workspace_rewind(w);
    AT_TRY(at_dataset_pack(l->setup.d, l->plan->dealt + chunk->start, l->plan->seq_id + chunk->start, chunk->n, &w->objects,
                           batch, err));
    const at_task_state *state = l->setup.state;
    if (state->task->redraw) state->task->redraw(state, l->setup.d, at_random_key(l->setup.seed, AT_SITE_MASK, (uint64_t)l->step), batch);
    return AT_OK;
}

static at_status run_chunk(at_lanes *l, int c, at_tape *tape, at_workspace *w, at_error *err) {
    at_batch batch;
    AT_TRY(take_chunk(l, c, w, &batch, err));
    return forward_backward(&l->setup, tape, &batch, l->norm, &l->chunk_loss[c]);
}

/* Runs one part of a step over the chunks of a lane, with a workspace that nobody else uses meanwhile. */
static void walk_lane(at_lanes *l, int lane, at_status (*part)(at_lanes *, int, at_tape *, at_workspace *, at_error *)) {
    int mine = 0;
    while (atomic_flag_test_and_set(&l->busy[mine])) mine = (mine + 1) % l->n_workspaces;
    at_workspace *w = &l->workspaces[mine];
    at_tape tape = make_tape(&l->setup, l->half, w, &l->gradients[lane], l->step, &l->errors[lane]);
    tape.team = l->team[lane];
    l->status[lane] = AT_OK;
    for (int c = l->plan->chunk_at[lane]; c < l->plan->chunk_at[lane + 1] && !l->status[lane]; c++)
        l->status[lane] = part(l, c, &tape, w, &l->errors[lane]);
    atomic_flag_clear(&l->busy[mine]);
}

static at_status run_lanes(at_lanes *l, void (*run)(void *, int), at_error *err) {
    at_pool_run(l->setup.pool, run, l, l->setup.lanes);
    for (int i = 0; i < l->setup.lanes; i++)
        if (l->status[i]) return at_fail(err, l->status[i], "%s", l->errors[i].text);
    return AT_OK;
}

static void run_lane(void *context, int lane) { walk_lane(context, lane, run_chunk); }

static at_status run_plain(at_lanes *l, double *loss, at_error *err) {
    AT_TRY(run_lanes(l, run_lane, err));
    for (int c = 0; c < l->plan->n_chunks; c++) *loss += l->chunk_loss[c];
    return AT_OK;
}

/* ---- a coupled step ---- */

/* The batch lies beside the tape, which may wait for its backward pass. */
static at_tensor *forward_chunk(at_lanes *l, int c, at_tape *tape, at_workspace *w) {
    at_batch batch;
    at_status st = take_chunk(l, c, w, &batch, tape->err);
    at_batch *kept = st ? NULL : at_alloc(&w->objects, 1, sizeof *kept);
    if (!kept) {
        tape->status = st ? st : at_fail_memory(tape->err, sizeof *kept);
        return NULL;
    }
    *kept = batch;
    return forward(&l->setup, tape, kept);
}

/* Outputs go to their places in the step. A chunk's loss says whether they are numbers. */
static void keep_outputs(at_lanes *l, int c, const at_tensor *y) {
    const at_step_chunk *chunk = &l->plan->chunk[c];
    size_t cols = (size_t)y->cols;
    l->chunk_loss[c] = 0;
    for (int i = 0; i < chunk->n; i++) {
        const at_real *row = y->data + (size_t)i * cols;
        memcpy(l->outputs + (size_t)l->plan->seq_id[chunk->start + i] * cols, row, cols * sizeof *row);
        for (size_t k = 0; k < cols; k++)
            if (!isfinite(row[k])) l->chunk_loss[c] = (double)NAN;
    }
}

static at_status first_pass(at_lanes *l, int c, at_tape *tape, at_workspace *w, at_error *err) {
    (void)err;
    if (l->keeps) {
        w = &l->workspaces[c];
        l->waiting[c].tape = *tape;
        tape = &l->waiting[c].tape;
        at_workspace_lend(w, tape);
    } else tape->gradients = NULL;
    at_tensor *y = forward_chunk(l, c, tape, w);
    AT_TRY(at_tape_status(tape));
    if (l->keeps) l->waiting[c].y = y;
    keep_outputs(l, c, y);
    return AT_OK;
}

static at_status second_pass(at_lanes *l, int c, at_tape *tape, at_workspace *w, at_error *err) {
    (void)err;
    at_tensor *y = l->keeps ? l->waiting[c].y : forward_chunk(l, c, tape, w);
    if (l->keeps) tape = &l->waiting[c].tape;
    AT_TRY(at_tape_status(tape));
    return backward_from(tape, y, l->doutputs, l->plan->seq_id + l->plan->chunk[c].start);
}

static void forward_lane(void *context, int lane) { walk_lane(context, lane, first_pass); }
static void backward_lane(void *context, int lane) { walk_lane(context, lane, second_pass); }

/* Where the loss is no number, a chunk is to blame, or all of them. */
static void blame(at_lanes *l, double value) {
    int any = isfinite(value) != 0;
    for (int c = 0; c < l->plan->n_chunks; c++) any |= !isfinite(l->chunk_loss[c]);
    for (int c = 0; c < l->plan->n_chunks && !any; c++) l->chunk_loss[c] = value;
}

static at_status run_coupled(at_lanes *l, double *loss, at_error *err) {
    at_gradients none = {0}; /* the loss has no weights */
    AT_TRY(run_lanes(l, forward_lane, err));
    at_workspace_rewind(&l->step_workspace);
    at_tape tape = make_tape(&l->setup, NULL, &l->step_workspace, &none, l->step, err);
    AT_TRY(couple(&l->setup, &tape, l->plan->example, l->plan->n, l->norm, l->outputs, l->doutputs, loss));
    blame(l, *loss);
    return run_lanes(l, backward_lane, err);
}

at_status at_lanes_run(at_lanes *l, const at_step_plan *plan, int step, at_lanes_result *result, at_error *err) {
    const at_lanes_setup *s = &l->setup;
    l->plan = plan;
    l->step = step;
    l->norm = at_task_norm(s->state, s->d, plan->example, plan->n);
    at_half_copies_refresh(l->half, s->params, l->copies_are_whole, s->pool);
    l->copies_are_whole = 1;
    *result = (at_lanes_result){0, l->chunk_loss};
    return is_coupled(s) ? run_coupled(l, &result->loss, err) : run_plain(l, &result->loss, err);
}

at_gradients *at_lanes_gradients(at_lanes *l) { return l->gradients; }

at_workspace_size at_lanes_peak(const at_lanes *l) {
    at_workspace_size most = {0};
    for (int i = 0; i < l->n_workspaces; i++) raise_sizes(&most, at_workspace_peak(&l->workspaces[i]));
    return most;
}
