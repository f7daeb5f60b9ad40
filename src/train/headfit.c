#include "train/headfit.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tensor/workspace.h"
#include "train/lbfgs.h"

enum { CHUNK = 256, MAX_PENALTIES = 7 };

/* What the fits of a cross-validation share: one asks at a time, and the first word to stop is for all. */
typedef struct shared_stop {
    pthread_mutex_t lock;
    int stopped;
} shared_stop;

/* A head alone, with its own parameters, tape and memory: several can be fitted at once. */
typedef struct bench {
    const at_head_problem *problem;
    at_model head;
    at_tape tape;
    at_arena arena;
    at_workspace workspace; /* growing arenas, rewound after every chunk */
    at_gradients gradients;
    const uint32_t *index; /* outputs of the objective */
    int n;
    double norm, penalty;
    shared_stop *shared; /* NULL: nobody else asks */
    at_error err;
    at_status status;
} bench;

static at_status declare(bench *b, at_error *err) {
    const at_head_problem *p = b->problem;
    AT_TRY(at_params_init(&b->head.params, &b->arena, AT_HEAD_WEIGHTS, err));
    AT_TRY(at_head_declare(&b->head.params, &b->arena, p->arch, p->kind, p->state->n_out, &b->head.head, NULL, err));
    return at_params_allocate(&b->head.params, err);
}

/* Where the fit starts: the pooler's tanh layer at its usual deviation, all else at zero. */
static void start(bench *b) {
    at_params *p = &b->head.params;
    memset(p->values, 0, p->total * sizeof *p->values);
    if (b->head.head.norm) at_weight_fill(p, b->head.head.norm, 1);
    if (b->head.head.dense) {
        at_weight_init_normal(p, b->head.head.dense, 1 / sqrt((double)b->problem->arch->hidden), b->problem->seed);
        at_weight_init_normal(p, b->head.head.classifier, b->problem->arch->initializer_range, b->problem->seed);
    }
}

static at_status bench_open(bench *b, const at_head_problem *problem, at_error *err) {
    *b = (bench){.problem = problem};
    b->head.arch = *problem->arch;
    AT_TRY(declare(b, err));
    at_params *p = &b->head.params;
    unsigned char all[AT_HEAD_WEIGHTS];
    memset(all, 1, sizeof all);
    at_params_set_trainable(p, all);
    b->gradients.dense = AT_NEW_ARRAY(&b->arena, at_real, p->n_gradient);
    if (!b->gradients.dense) return at_fail_memory(err, p->n_gradient * sizeof(at_real));
    b->tape = (at_tape){.backend = problem->backend, .params = p, .gradients = &b->gradients, .err = &b->err};
    at_workspace_lend(&b->workspace, &b->tape);
    start(b);
    return AT_OK;
}

static void bench_close(bench *b) {
    at_params_free(&b->head.params);
    at_workspace_close(&b->workspace);
    at_arena_free(&b->arena);
}

/* The rows of up to CHUNK outputs as a tensor and a batch without tokens. */
static at_tensor *chunk_features(bench *b, const uint32_t *index, int n, at_batch *batch) {
    int hidden = b->problem->arch->hidden;
    at_real *rows = at_tape_save(&b->tape, (size_t)n * (size_t)hidden, sizeof *rows);
    int32_t *output = at_tape_save(&b->tape, (size_t)n, sizeof *output);
    uint64_t *output_row = at_tape_save(&b->tape, (size_t)n, sizeof *output_row);
    if (!rows || !output || !output_row) return NULL;
    for (int i = 0; i < n; i++) {
        const float *from = b->problem->features + (size_t)index[i] * (size_t)hidden;
        for (int j = 0; j < hidden; j++) rows[(size_t)i * (size_t)hidden + (size_t)j] = (at_real)from[j];
        output[i] = (int32_t)index[i];
        output_row[i] = (uint64_t)i << 32;
    }
    *batch = (at_batch){.n_outputs = n, .output = output, .output_row = output_row};
    return at_tape_constant(&b->tape, AT_SPACE_SEQUENCES, n, hidden, rows);
}

/* The end of the chunk of index that begins at i: `most` outputs, or where the task's loss needs an example whole, so many examples that
 * there are about as many outputs. An example's outputs follow each other in every index. */
static int chunk_end(const bench *b, const uint32_t *index, int i, int n, int most) {
    const at_head_problem *p = b->problem;
    if (!p->state->task->whole) return n - i < most ? n : i + most;
    int end = i;
    while (end < n && (end == i || end - i < most)) end += at_dataset_n_outputs(p->data, at_dataset_example_of(p->data, index[end]));
    return end;
}

/* Loss of one chunk; with `backward`, its gradient is added to the bench's. `logits` (may be NULL) [n, n_out]. */
static double chunk_loss(bench *b, const uint32_t *index, int n, double norm, int backward, float *logits) {
    const at_head_problem *p = b->problem;
    at_batch batch;
    double value = NAN;
    b->tape.gradients = backward ? &b->gradients : NULL;
    at_tape_begin(&b->tape);
    at_tensor *features = chunk_features(b, index, n, &batch);
    at_tensor *y = features ? at_head_from_features(&b->tape, &b->head, features, &batch) : NULL;
    at_tensor *loss = y ? p->state->task->loss(p->state, &b->tape, &b->head, y, &batch, p->data, norm) : NULL;
    if (loss) {
        value = (double)loss->data[0];
        for (int i = 0; logits && i < n * b->head.head.n_out; i++) logits[i] = (float)y->data[i];
        if (backward) at_tape_backward(&b->tape, loss);
    }
    if (at_tape_status(&b->tape)) b->status = at_tape_status(&b->tape);
    at_workspace_rewind(&b->workspace);
    return value;
}

static int ask_shared(const at_head_problem *p, shared_stop *shared) {
    pthread_mutex_lock(&shared->lock);
    if (!shared->stopped) shared->stopped = p->stop(p->stop_context);
    int stopped = shared->stopped;
    pthread_mutex_unlock(&shared->lock);
    return stopped;
}

static int is_stopped(bench *b) {
    const at_head_problem *p = b->problem;
    if (!b->status && p->stop && (b->shared ? ask_shared(p, b->shared) : p->stop(p->stop_context)))
        b->status = at_fail(&b->err, AT_STOPPED, "stopped while the head was fitted");
    return b->status != AT_OK;
}

static double loss_over(bench *b, const uint32_t *index, int n, double norm, int backward) {
    double value = 0;
    for (int i = 0, end; i < n && !is_stopped(b); i = end) {
        end = chunk_end(b, index, i, n, CHUNK);
        value += chunk_loss(b, index + i, end - i, norm, backward, NULL);
    }
    return value;
}

static double objective(void *context, const double *x, double *gradient) {
    bench *b = context;
    at_params *p = &b->head.params;
    if (b->status) return NAN; /* the line search ends soon */
    for (size_t i = 0; i < p->total; i++) p->values[i] = (at_real)x[i];
    memset(b->gradients.dense, 0, p->n_gradient * sizeof(at_real));
    double value = loss_over(b, b->index, b->n, b->norm, 1);
    memset(gradient, 0, p->total * sizeof *gradient);
    for (int k = 0; k < p->n; k++) {
        const at_weight *w = &p->weights[k];
        double penalty = w->kind == AT_WEIGHT_LINEAR ? b->penalty : 0;
        for (size_t i = 0; i < w->size; i++) {
            double at = x[w->offset + i];
            gradient[w->offset + i] = (double)b->gradients.dense[w->gradient + i] + penalty * at;
            value += penalty / 2 * at * at;
        }
    }
    return b->status ? NAN : value;
}

/* How far a fit goes: for comparing penalties, or for the head that is kept. */
static const at_lbfgs_options COMPARE = {.max_iterations = 50, .gradient_tolerance = 1e-4, .value_tolerance = 1e-4},
                              COMPARE_POOLER = {.max_iterations = 30, .gradient_tolerance = 1e-4, .value_tolerance = 1e-4},
                              KEEP = {.max_iterations = 300, .gradient_tolerance = 1e-5, .value_tolerance = 1e-6},
                              KEEP_POOLER = {.max_iterations = 60, .gradient_tolerance = 1e-5, .value_tolerance = 1e-5};

/* From where the bench stands to the minimum over `index`. */
static at_status fit(bench *b, const uint32_t *index, int n, double penalty, const at_lbfgs_options *options,
                     double *value, at_error *err) {
    const at_task_state *state = b->problem->state;
    at_params *p = &b->head.params;
    at_arena arena = {0};
    double *x = AT_NEW_ARRAY(&arena, double, p->total);
    if (!x) return at_fail_memory(err, p->total * sizeof *x);
    for (size_t i = 0; i < p->total; i++) x[i] = (double)p->values[i];
    b->index = index;
    b->n = n;
    b->penalty = penalty;
    b->norm = 0;
    for (int i = 0; i < n; i++) b->norm += state->task->weight(state, b->problem->data, index[i]);
    if (!(b->norm > 0)) b->norm = 1;
    at_status st = at_lbfgs(objective, b, x, p->total, options, &arena, NULL, value, err);
    for (size_t i = 0; i < p->total; i++) p->values[i] = (at_real)x[i];
    at_arena_free(&arena);
    if (b->status) return at_fail(err, b->status, "%s", b->err.text);
    return st;
}

/* ---- cross-validation ---- */

/* Mean squared length of the centred features: penalties are relative to it, so that the path suits every body. */
static double feature_scale(const at_head_problem *p) {
    size_t hidden = (size_t)p->arch->hidden, n = at_dataset_outputs(p->data);
    double total = 0;
    for (size_t j = 0; j < hidden; j++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            double v = p->features[i * hidden + j];
            sum += v;
            squares += v * v;
        }
        total += (squares - sum * sum / (double)n) / (double)n;
    }
    return total > 1e-12 ? total : 1;
}

/* The strength is the number of examples that weigh as much as the penalty. A linear head goes from heavy to light, each fit
 * beginning at the one before; the pooler, whose two layers at zero are a saddle that no gradient leaves, from light to heavy, and
 * in larger strides, since each of its fits costs as much as fifty of the linear head's. */
static int penalty_path(const at_head_problem *p, int n, double *path) {
    static const double LINEAR[MAX_PENALTIES] = {10, 3, 1, 0.3, 0.1, 0.03, 0.01}, POOLER[] = {0.003, 0.03, 0.3};
    int two_layers = at_head_is_deep(p->arch, p->kind), count = two_layers ? 3 : MAX_PENALTIES;
    double scale = feature_scale(p);
    for (int i = 0; i < count; i++) path[i] = (two_layers ? POOLER[i] : LINEAR[i]) * scale / n;
    return count;
}

typedef struct fold_work {
    const at_head_problem *problem;
    uint32_t *inside, *outside; /* outputs */
    uint32_t *held;             /* [n_held] examples of outside */
    int n_inside, n_outside, n_held, n_penalties;
    const double *path;
    double *loss;      /* [n_penalties] sums over the held-out examples */
    float *each;       /* [n_penalties, n_outside] */
    float *logits;     /* [n_penalties, n_outside, n_out] */
    shared_stop *shared;
    double norm;       /* of the held-out examples */
    at_status status;
    at_error err;
} fold_work;

static at_status run_fold(fold_work *w, bench *b, at_error *err) {
    int n_out = b->head.head.n_out;
    for (int k = 0; k < w->n_penalties; k++) {
        AT_TRY(fit(b, w->inside, w->n_inside, w->path[k], b->head.head.dense ? &COMPARE_POOLER : &COMPARE, NULL, err));
        float *logits = w->logits + (size_t)k * (size_t)w->n_outside * (size_t)n_out;
        float *each = w->each + (size_t)k * (size_t)w->n_outside;
        for (int i = 0, end; i < w->n_outside; i = end) { /* one at a time: heads are compared example by example */
            end = chunk_end(b, w->outside, i, w->n_outside, 1);
            double loss = chunk_loss(b, w->outside + i, end - i, 1, 0, logits + (size_t)i * (size_t)n_out);
            for (int j = i; j < end; j++) each[j] = j == i ? (float)loss : NAN;
            w->loss[k] += loss;
        }
    }
    return AT_OK;
}

static void fold_task(void *context, int i) {
    fold_work *w = (fold_work *)context + i;
    bench b;
    w->status = bench_open(&b, w->problem, &w->err);
    b.shared = w->shared;
    if (!w->status) w->status = run_fold(w, &b, &w->err);
    bench_close(&b);
}

static at_status prepare_fold(fold_work *w, const at_head_problem *p, const int8_t *fold, int f, const double *path,
                              int n_penalties, at_arena *arena, at_error *err) {
    const at_dataset *d = p->data;
    size_t n = at_dataset_outputs(d);
    *w = (fold_work){.problem = p, .path = path, .n_penalties = n_penalties};
    w->held = AT_NEW_ARRAY(arena, uint32_t, d->n);
    w->inside = AT_NEW_ARRAY(arena, uint32_t, n);
    w->outside = AT_NEW_ARRAY(arena, uint32_t, n);
    w->loss = AT_NEW_ARRAY(arena, double, n_penalties);
    if (!w->held || !w->inside || !w->outside || !w->loss) return at_fail_memory(err, n * 8);
    for (int i = 0; i < d->n; i++) {
        size_t k = at_dataset_output_at(d, i), end = at_dataset_output_at(d, i + 1);
        if (fold[i] == f) w->held[w->n_held++] = (uint32_t)i;
        for (; k < end; k++) {
            if (fold[i] == f) w->outside[w->n_outside++] = (uint32_t)k;
            else if (fold[i] >= 0) w->inside[w->n_inside++] = (uint32_t)k;
        }
    }
    size_t cells = (size_t)n_penalties * (size_t)w->n_outside * (size_t)p->state->n_out;
    w->logits = AT_NEW_ARRAY(arena, float, cells);
    w->each = AT_NEW_ARRAY(arena, float, (size_t)n_penalties * (size_t)w->n_outside);
    return w->logits && w->each ? AT_OK : at_fail_memory(err, cells * sizeof(float));
}

static at_status score_fold(const fold_work *w, int best, at_head_choice *choice, int f, at_error *err) {
    const at_head_problem *p = w->problem;
    size_t n_out = (size_t)p->state->n_out;
    const float *logits = w->logits + (size_t)best * (size_t)w->n_outside * n_out;
    at_dataset *held;
    at_score score;
    for (int i = 0; i < w->n_outside; i++) {
        memcpy(choice->logits + w->outside[i] * n_out, logits + (size_t)i * n_out, n_out * sizeof(float));
        choice->output_loss[w->outside[i]] = w->each[(size_t)best * (size_t)w->n_outside + (size_t)i];
    }
    AT_TRY(at_dataset_subset(p->data, w->held, w->n_held, &held, err));
    at_status st = p->state->task->score(p->state, held, logits, &score, err);
    choice->fold_main[f] = st ? 0 : score.main;
    if (!st) at_score_free(&score);
    at_dataset_close(held);
    return st;
}

static at_status judge(const fold_work *work, int n_folds, const double *path, int n_penalties, at_head_choice *choice,
                       at_error *err) {
    int best = 0, held = 0;
    double least = INFINITY;
    for (int f = 0; f < n_folds; f++) held += work[f].problem->state->task->whole ? work[f].n_held : work[f].n_outside;
    for (int k = 0; k < n_penalties; k++) {
        double sum = 0;
        for (int f = 0; f < n_folds; f++) sum += work[f].loss[k];
        if (sum >= least) continue;
        least = sum;
        best = k;
    }
    choice->penalty = path[best];
    choice->loss = least / (held ? held : 1);
    choice->n_folds = n_folds;
    for (int f = 0; f < n_folds; f++) AT_TRY(score_fold(&work[f], best, choice, f, err));
    return AT_OK;
}

at_status at_head_choose(const at_head_problem *p, const int8_t *fold, int n_folds, at_pool *pool, at_arena *arena,
                         at_head_choice *choice, at_error *err) {
    double path[MAX_PENALTIES];
    int n_outputs = (int)at_dataset_outputs(p->data), n_penalties = penalty_path(p, p->state->task->whole ? p->data->n : n_outputs, path);
    at_arena scratch = {0};
    fold_work *work = AT_NEW_ARRAY(&scratch, fold_work, n_folds);
    size_t cells = (size_t)n_outputs * (size_t)p->state->n_out;
    *choice = (at_head_choice){.fold_main = AT_NEW_ARRAY(arena, double, n_folds), .logits = AT_NEW_ARRAY(arena, float, cells),
                                .output_loss = AT_NEW_ARRAY(arena, float, n_outputs)};
    for (int i = 0; choice->output_loss && i < n_outputs; i++) choice->output_loss[i] = NAN;
    at_status st = work && choice->fold_main && choice->logits && choice->output_loss ? AT_OK : at_fail_memory(err, cells * sizeof(float));
    for (int f = 0; f < n_folds && !st; f++) st = prepare_fold(&work[f], p, fold, f, path, n_penalties, &scratch, err);
    shared_stop shared = {.stopped = 0};
    pthread_mutex_init(&shared.lock, NULL);
    for (int f = 0; f < n_folds && !st; f++) work[f].shared = &shared;
    if (!st) at_pool_run(pool, fold_task, work, n_folds);
    pthread_mutex_destroy(&shared.lock);
    for (int f = 0; f < n_folds && !st; f++)
        if (work[f].status) st = at_fail(err, work[f].status, "%s", work[f].err.text);
    if (!st) st = judge(work, n_folds, path, n_penalties, choice, err);
    at_arena_free(&scratch);
    return st;
}

int at_head_compare(const at_head_choice *a, const at_head_choice *b, int n, double *gain, double *error) {
    double sum = 0, squares = 0;
    int used = 0;
    for (int i = 0; i < n; i++) {
        double d = (double)a->output_loss[i] - (double)b->output_loss[i];
        if (!isfinite(d)) continue;
        sum += d;
        squares += d * d;
        used++;
    }
    *gain = used ? sum / used : 0;
    *error = used > 1 ? sqrt(fmax(squares - sum * *gain, 0) / (used - 1) / used) : INFINITY;
    return *gain > *error;
}

/* ---- the final fit ---- */

static at_status install(const at_params *from, const at_weight *w, at_params *to, const at_weight *into, at_error *err) {
    if (w->out != into->out || w->in != into->in || w->kind != into->kind)
        return at_fail(err, AT_BUG, "the fitted head does not have the shape of the model's");
    memcpy(at_weight_values(to, into), at_weight_values(from, w), w->size * sizeof(at_real));
    return AT_OK;
}

at_status at_head_fit(const at_head_problem *p, double penalty, at_model *model, double *loss, at_error *err) {
    bench b;
    at_arena arena = {0};
    int n = (int)at_dataset_outputs(p->data);
    uint32_t *all = AT_NEW_ARRAY(&arena, uint32_t, n);
    for (int i = 0; all && i < n; i++) all[i] = (uint32_t)i;
    at_status st = bench_open(&b, p, err);
    if (!st && !all) st = at_fail_memory(err, (size_t)n * sizeof *all);
    if (!st) st = fit(&b, all, n, penalty, b.head.head.dense ? &KEEP_POOLER : &KEEP, loss, err);
    /* The same declaration made both, so that the model's head weights stand in the same order. */
    for (int i = 0, k = 0; i < model->params.n && !st; i++)
        if (model->params.weights[i].is_head)
            st = install(&b.head.params, &b.head.params.weights[k++], &model->params, &model->params.weights[i], err);
    bench_close(&b);
    at_arena_free(&arena);
    return st;
}

void at_folds(const at_dataset *d, int n_folds, uint64_t seed, int8_t *fold) {
    uint32_t *order = malloc((size_t)(d->n ? d->n : 1) * sizeof *order);
    int *next = calloc(65536, sizeof *next);
    int classes = d->label && !d->place_at;
    if (order && next) {
        at_random_permutation(at_random_key(seed, AT_SITE_SPLIT, 0), order, (uint32_t)d->n);
        for (int i = 0; i < d->n; i++) {
            int32_t c = classes ? d->label[order[i]] & 65535 : 0;
            /* Classes begin at different folds, so that folds have about the same size. */
            fold[order[i]] = (int8_t)((next[c]++ + c) % n_folds);
        }
    } else {
        for (int i = 0; i < d->n; i++) fold[i] = (int8_t)(i % n_folds);
    }
    for (int i = 1; d->row && i < d->n; i++) /* windows of one text overlap */
        if (d->row[i] == d->row[i - 1]) fold[i] = fold[i - 1];
    free(order);
    free(next);
}
