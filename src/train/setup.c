/* What can be known before step 1: which weights train, lanes, steps, the largest chunk, and the memory they take. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "train/training.h"

at_hyper at_hyper_default(void) {
    return (at_hyper){.learning_rate = 5e-5, .layer_decay = 1, .adam_beta1 = 0.9, .adam_beta2 = 0.999, .adam_epsilon = 1e-8,
                      .max_grad_norm = 1, .num_train_epochs = 3, .batch_size = 32, .keep_best = 1, .hidden_dropout = -1,
                      .attention_dropout = -1, .seed = 42, .save_seconds = 60, .logging_steps = 10};
}

double at_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void at_training_note(const at_training *r, int warning, const char *fmt, ...) {
    char sentence[2048];
    const at_listener_hooks *hooks = &r->setup->hooks;
    if (!hooks->note) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    hooks->note(hooks->context, warning, sentence);
}

double at_training_epoch(const at_training *r) { return (double)r->now.step / r->sampler.steps_per_epoch; }

/* ---- checks ---- */

static at_status check_range(const char *name, double value, double low, double high, at_error *err) {
    if (value >= low && value <= high) return AT_OK;
    return at_fail(err, AT_USAGE, "%s of %g is not between %g and %g", name, value, low, high);
}

static at_status check_hyper(const at_hyper *h, at_error *err) {
    AT_TRY(check_range("a learning rate", h->learning_rate, 0, 1e6, err));
    AT_TRY(check_range("a learning rate of the head", h->head_learning_rate, 0, 1e6, err));
    AT_TRY(check_range("a layer decay", h->layer_decay, 0, 1, err));
    AT_TRY(check_range("a weight decay", h->weight_decay, 0, 1e6, err));
    AT_TRY(check_range("adam_beta1", h->adam_beta1, 0, 0.999999999, err));
    AT_TRY(check_range("adam_beta2", h->adam_beta2, 0, 0.999999999, err));
    AT_TRY(check_range("adam_epsilon", h->adam_epsilon, 1e-30, 1, err));
    AT_TRY(check_range("a share of steps to average", h->average, 0, 1, err));
    AT_TRY(check_range("a warm-up ratio", h->warmup_ratio, 0, 1, err));
    if (h->max_steps <= 0) AT_TRY(check_range("a number of epochs", h->num_train_epochs, 1e-9, 1e9, err));
    AT_TRY(check_range("dropout", h->hidden_dropout, -1, 0.99, err));
    return check_range("dropout of the attention", h->attention_dropout, -1, 0.99, err);
}

static at_status check_data(const at_trainer_setup *s, at_error *err) {
    const at_arch *a = &s->model->arch;
    if (s->model->head.kind == AT_HEAD_NONE) return at_fail(err, AT_BUG, "a model without a head cannot be trained");
    AT_TRY(at_dataset_fits(s->train, a->vocab_size, a->type_vocab, a->max_positions, err));
    return s->eval ? at_dataset_fits(s->eval, a->vocab_size, a->type_vocab, a->max_positions, err) : AT_OK;
}

/* ---- planning ---- */

static at_status choose_trainable(at_training *r, at_error *err) {
    unsigned char *trainable = AT_NEW_ARRAY(&r->arena, unsigned char, r->params->n);
    if (!trainable) return at_fail_memory(err, (size_t)r->params->n);
    int any = 0;
    for (int i = 0; i < r->params->n; i++) any |= trainable[i] = !(r->h.frozen && r->h.frozen[i]);
    if (!any) return at_fail(err, AT_USAGE, "every weight is frozen: there is nothing to train");
    at_params_set_trainable(r->params, trainable);
    return AT_OK;
}

/* Two lanes keep two threads busy and cost two gradient buffers. Four pay where a buffer is small (at most 128 MB) and a step has work for
 * all of them (1,024 tokens: two chunks or so for each). Never from the number of cores, so that results do not depend on it. */
static int count_lanes(const at_training *r) {
    const at_dataset *d = r->setup->train;
    int units = at_dataset_units(d), batch = r->h.batch_size < units ? r->h.batch_size : units, lanes = 2;
    double tokens = (double)d->token_at[d->n] / units * batch;
    if (tokens >= 1024 && r->params->n_gradient <= (size_t)32 << 20) lanes = 4;
    if (r->h.lanes > 0) lanes = r->h.lanes < AT_MAX_LANES ? r->h.lanes : AT_MAX_LANES;
    return lanes < batch ? lanes : batch;
}

static int config_has(const at_model *m, const char *name) {
    const json_t *value = json_object_get(m->config, name);
    return value && !json_is_null(value);
}

/* The model with the run's dropout; the weights are the same. */
static void make_view(at_training *r) {
    const at_hyper *h = &r->h;
    r->view = *r->setup->model;
    at_arch_set_dropout(&r->view.arch, h->hidden_dropout, h->attention_dropout);
    if (h->hidden_dropout < 0) return;
    if (!config_has(r->setup->model, "classifier_dropout")) at_arch_set_head_dropout(&r->view.arch, h->hidden_dropout);
}

static at_status plan_rates(at_training *r, at_error *err) {
    r->rate = AT_NEW_ARRAY(&r->arena, double, r->params->n);
    r->rate_now = AT_NEW_ARRAY(&r->arena, double, r->params->n);
    if (!r->rate || !r->rate_now) return at_fail_memory(err, 0);
    for (int i = 0; i < r->params->n; i++)
        r->rate[i] = at_schedule_rate(&r->h, &r->params->weights[i], at_arch_depth(&r->view.arch));
    return AT_OK;
}

static at_status plan(at_training *r, at_error *err) {
    const at_trainer_setup *s = r->setup;
    AT_TRY(check_hyper(&r->h, err));
    AT_TRY(check_data(s, err));
    AT_TRY(choose_trainable(r, err));
    make_view(r);
    r->n_lanes = s->train->n > 0 ? count_lanes(r) : 1;
    AT_TRY(at_sampler_init(&r->sampler, s->train, r->h.batch_size, r->n_lanes, s->backend->chunk_rows, r->h.seed, &r->arena, err));
    r->n_steps = at_schedule_steps(&r->h, r->sampler.steps_per_epoch);
    r->warmup = at_schedule_warmup(&r->h, r->n_steps);
    r->lanes_setup = (at_lanes_setup){&r->view, r->params, s->state, s->train, s->backend, s->pool, r->h.seed, r->n_lanes,
                                      at_sampler_bounds(&r->sampler, r->n_steps), r->h.unfreeze_epochs > 0, r->h.replay};
    return plan_rates(r, err);
}

at_status at_training_plan(at_training *r, const at_trainer_setup *setup, at_error *err) {
    *r = (at_training){.arena = {.mapped = 1}, .setup = setup, .h = *setup->hyper, .params = &setup->model->params, .resumed_from = -1, .saved_step = -1};
    r->best.step = r->best.copied = -1;
    r->now.rate_factor = 1;
    if (r->h.average > 0) r->h.keep_best = r->h.patience = 0;
    at_status st = plan(r, err);
    if (st) at_training_close(r);
    return st;
}

/* ---- memory ---- */

static size_t data_bytes(const at_dataset *d, int n_out) {
    if (!d) return 0;
    return d->token_at[d->n] * (sizeof *d->ids + 1) + (size_t)d->n * 16 + at_dataset_outputs(d) * (size_t)n_out * sizeof(float);
}

at_status at_trainer_plan(const at_trainer_setup *setup, at_memory_plan *p, at_error *err) {
    at_training r;
    at_lanes_memory memory;
    AT_TRY(at_training_plan(&r, setup, err));
    at_status st = at_lanes_measure(&r.lanes_setup, &memory, err);
    const at_params *params = r.params;
    *p = (at_memory_plan){.lanes = r.n_lanes, .threads = at_pool_threads(setup->pool), .chunk_rows = r.lanes_setup.bounds.rows};
    p->weights = params->total * sizeof(at_real) + at_half_copies_bytes(params, setup->backend->half, 1);
    p->best = params->n_moments * sizeof(at_real);
    p->gradients = (size_t)r.n_lanes * at_gradients_bytes(params, r.lanes_setup.bounds.lane_rows);
    p->moments = at_optimizer_bytes(params);
    p->activations = at_lanes_bytes(&memory);
    p->data = data_bytes(setup->train, 0) + data_bytes(setup->eval, setup->model->head.n_out);
    p->total = p->weights + p->best + p->gradients + p->moments + p->activations + p->data;
    at_training_close(&r);
    return st;
}

static int most_tokens_of_a_step(const at_training *r) {
    int64_t rows = (int64_t)r->lanes_setup.bounds.lane_rows * r->n_lanes;
    return rows < INT32_MAX ? (int)rows : INT32_MAX;
}

static at_status open_memory(at_training *r, at_error *err) {
    const at_trainer_setup *s = r->setup;
    AT_TRY(at_lanes_open(&r->lanes_setup, &r->lanes, err));
    AT_TRY(at_optimizer_open(&r->optimizer, r->params, s->backend, s->pool, r->n_lanes, most_tokens_of_a_step(r), err));
    size_t bytes = r->params->n_moments * sizeof(at_real);
    AT_TRY(at_arena_fixed(&r->flat, bytes, err));
    r->best.copy = at_alloc_raw(&r->flat, bytes, 1);
    r->history = json_array();
    if (!r->best.copy || !r->history) return at_fail_memory(err, bytes);
    return AT_OK;
}

static at_status open_saver(at_training *r, at_error *err) {
    const at_trainer_setup *s = r->setup;
    if (!s->folder || r->h.save_seconds < 0) return AT_OK;
    r->data_hash = at_dataset_hash(s->train) ^ (s->eval ? at_dataset_hash(s->eval) << 1 : 0);
    const at_checkpoint_owner owner = {s->fingerprint, r->data_hash, s->backend->name, r->n_lanes, s->backend->chunk_rows};
    AT_TRY(at_saver_open(s->folder, &owner, &r->saver, err));
    if (r->h.save_total_limit > 0) at_saver_keep(r->saver, r->h.save_total_limit);
    return AT_OK;
}

at_status at_training_open(at_training *r, const at_trainer_setup *setup, at_error *err) {
    AT_TRY(at_training_plan(r, setup, err));
    at_status st = open_memory(r, err);
    if (!st) st = open_saver(r, err);
    if (st) at_training_close(r);
    return st;
}

void at_training_close(at_training *r) {
    at_saver_close(r->saver);
    at_lanes_close(r->lanes);
    at_optimizer_close(&r->optimizer);
    at_params_set_trainable(r->params, NULL);
    json_decref(r->best.values);
    json_decref(r->history);
    at_arena_free(&r->flat);
    at_arena_free(&r->arena);
}
