/* What of a run goes into a checkpoint, and back. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/file.h"
#include "io/safetensors.h"
#include "train/training.h"

/* Frozen weights are not stored: they must be those of the model folder still. */
static void hash_frozen(const at_training *r, char text[17]) {
    uint64_t hash = 0;
    for (int i = 0; i < r->params->n; i++) {
        const at_weight *w = &r->params->weights[i];
        if (!at_optimizer_owns(&r->optimizer, i))
            hash = XXH3_64bits_withSeed(at_weight_values(r->params, w), w->size * sizeof(at_real), hash);
    }
    snprintf(text, 17, "%016llx", (unsigned long long)hash);
}

static json_t *describe_best(const at_best *b) {
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:i, s:O*}", "step", b->step, "main", at_log_number(b->main), "loss",
                     at_log_number(b->loss), "low", at_log_number(b->low), "high", at_log_number(b->high), "no_better",
                     b->no_better, "values", b->values);
}

static json_t *describe(const at_training *r) {
    const at_counters *c = &r->now;
    char frozen[17];
    hash_frozen(r, frozen);
    return json_pack("{s:i, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:o, s:i, s:i, s:s, s:o, s:O}", "step", c->step, "window_loss",
                     at_log_number(c->window_loss), "epoch_loss", at_log_number(c->epoch_loss), "last_epoch_loss",
                     at_log_number(c->last_epoch_loss), "window_steps", c->window_steps, "epoch_steps", c->epoch_steps, "bad",
                     c->bad, "rolled_back", c->rolled_back, "rate_factor", at_log_number(c->rate_factor), "averaged", c->averaged, "owes_evaluation", c->owes_evaluation, "frozen", frozen,
                     "best", describe_best(&r->best), "history", r->history);
}

/* ---- saving ---- */

/* The best state needs a place of its own where it is known and is not the present one; so does a mean. */
static int best_differs(const at_training *r) {
    return at_training_has_mean(r) || (r->h.keep_best && r->best.step >= 0 && r->best.step != r->now.step);
}

static int list_weights(const at_training *r, at_saved_array *arrays) {
    int n = 0;
    for (int i = 0; i < r->params->n; i++) {
        const at_weight *w = &r->params->weights[i];
        if (at_optimizer_owns(&r->optimizer, i))
            arrays[n++] = (at_saved_array){.name = w->name, .data = at_weight_values(r->params, w), .count = w->size};
    }
    return n;
}

typedef struct at_checkpoint {
    at_arena arena;
    at_saved_array moments[2], squares, best;
    at_saved_file files[4];
    int n;
} at_checkpoint;

static at_status list_files(const at_training *r, at_checkpoint *c, at_error *err) {
    size_t n = r->params->n_moments;
    at_saved_array *weights = AT_NEW_ARRAY(&c->arena, at_saved_array, r->params->n);
    at_saved_range *ranges;
    int n_ranges;
    if (!weights) return at_fail_memory(err, (size_t)r->params->n * sizeof *weights);
    AT_TRY(at_optimizer_history(&r->optimizer, &c->arena, &ranges, &n_ranges, err));
    c->moments[0] = (at_saved_array){"exp_avg", 0, r->optimizer.m, n, ranges, n_ranges};
    c->moments[1] = (at_saved_array){.name = "updates", .is_int = 1, .data = r->optimizer.updates, .count = (size_t)r->params->n};
    c->squares = (at_saved_array){"exp_avg_sq", 0, r->optimizer.v, n, ranges, n_ranges};
    c->best = (at_saved_array){.name = "best", .data = r->best.copy, .count = n};
    c->files[0] = (at_saved_file){.name = "weights.safetensors", .arrays = weights, .n = list_weights(r, weights)};
    c->files[1] = (at_saved_file){.name = "moments.safetensors", .arrays = c->moments, .n = 2};
    c->files[2] = (at_saved_file){.name = "squares.safetensors", .arrays = &c->squares, .n = 1};
    c->files[3] = (at_saved_file){.name = "best.safetensors", .arrays = &c->best, .n = 1, .stays = !at_training_has_mean(r)};
    c->n = best_differs(r) ? 4 : 3;
    return AT_OK;
}

static at_status write_checkpoint(at_training *r, at_error *err) {
    at_checkpoint c = {0};
    json_t *state = describe(r);
    at_status st = state ? list_files(r, &c, err) : at_fail_memory(err, 0);
    if (!st) st = at_saver_write(r->saver, r->now.step, c.files, c.n, state, r->setup->pool, err);
    json_decref(state);
    at_arena_free(&c.arena);
    return st;
}

void at_training_prepare_save(at_training *r) {
    at_checkpoint c = {0};
    at_error why;
    r->save_prepared = list_files(r, &c, &why) || at_saver_prepare(r->saver, c.files, c.n);
    at_arena_free(&c.arena);
}

void at_training_save(at_training *r) {
    at_error why;
    if (!r->saver || r->saved_step == r->now.step) return;
    double began = at_clock();
    r->save_prepared = 0;
    if (at_saver_wait(r->saver, &why)) {
        r->saved_step = -1;
        at_training_note(r, 1, "the last checkpoint could not be kept: %s", why.text);
    }
    if (write_checkpoint(r, &why))
        at_training_note(r, 1, "no checkpoint of step %d: %s; the training goes on", r->now.step, why.text);
    else r->saved_step = r->now.step;
    r->save_ended = at_clock();
    r->save_cost = r->save_ended - began;
}

/* ---- loading ---- */

at_status at_saved_array_load(const at_safetensors *file, const char *name, int is_int, void *data, size_t count, at_error *err) {
    const at_stored_tensor *t = at_safetensors_find(file, name);
    if (!t || t->dtype != (is_int ? AT_I32 : AT_F32) || (size_t)t->count != count)
        return at_fail(err, AT_BAD_MODEL, "the checkpoint does not hold %s as this program writes it", name);
    return at_safetensors_read_raw(file, t, data, err);
}

/* Opens path/name and hands it to `load`. */
static at_status with_file(at_training *r, const char *path, const char *name,
                           at_status (*load)(at_training *, const at_safetensors *, at_error *), at_error *err) {
    char whole[4400];
    at_safetensors *file;
    snprintf(whole, sizeof whole, "%s/%s", path, name);
    AT_TRY(at_safetensors_open(whole, &file, err));
    at_status st = load(r, file, err);
    at_safetensors_close(file);
    return st;
}

static at_status load_weights(at_training *r, const at_safetensors *file, at_error *err) {
    for (int i = 0; i < r->params->n; i++) {
        at_weight *w = &r->params->weights[i];
        if (at_optimizer_owns(&r->optimizer, i))
            AT_TRY(at_saved_array_load(file, w->name, 0, at_weight_values(r->params, w), w->size, err));
    }
    return AT_OK;
}

static at_status load_moments(at_training *r, const at_safetensors *file, at_error *err) {
    AT_TRY(at_saved_array_load(file, "exp_avg", 0, r->optimizer.m, r->params->n_moments, err));
    return at_saved_array_load(file, "updates", 1, r->optimizer.updates, (size_t)r->params->n, err);
}

static at_status load_squares(at_training *r, const at_safetensors *file, at_error *err) {
    return at_saved_array_load(file, "exp_avg_sq", 0, r->optimizer.v, r->params->n_moments, err);
}

static at_status load_best(at_training *r, const at_safetensors *file, at_error *err) {
    r->best.copied = at_training_has_mean(r) ? r->now.step : r->best.step;
    return at_saved_array_load(file, "best", 0, r->best.copy, r->params->n_moments, err);
}

static int number_of(const json_t *state, const char *name) { return (int)json_integer_value(json_object_get(state, name)); }
static double value_of(const json_t *state, const char *name) { return at_log_value(json_object_get(state, name)); }

static void take_counters(at_training *r, const json_t *state) {
    const json_t *best = json_object_get(state, "best");
    r->now = (at_counters){number_of(state, "step"), value_of(state, "window_loss"), value_of(state, "epoch_loss"),
                           number_of(state, "window_steps"), number_of(state, "epoch_steps"), value_of(state, "last_epoch_loss"),
                           number_of(state, "bad"), number_of(state, "rolled_back"), value_of(state, "rate_factor"),
                           number_of(state, "averaged"), number_of(state, "owes_evaluation")};
    at_best *b = &r->best;
    b->step = number_of(best, "step");
    b->main = value_of(best, "main");
    b->loss = value_of(best, "loss");
    b->low = value_of(best, "low");
    b->high = value_of(best, "high");
    b->no_better = number_of(best, "no_better");
    json_decref(b->values);
    b->values = json_incref(json_object_get(best, "values"));
    json_decref(r->history);
    r->history = json_incref(json_object_get(state, "history"));
}

static at_status load_state(at_training *r, const char *path, at_error *err) {
    char whole[4400], frozen[17];
    json_t *state;
    snprintf(whole, sizeof whole, "%s/state.json", path);
    AT_TRY(at_json_load(whole, AT_JSON_TOKENIZER_BYTES, AT_BAD_MODEL, &state, err));
    const char *told = json_string_value(json_object_get(state, "frozen"));
    hash_frozen(r, frozen);
    at_status st = AT_OK;
    if (!told || strcmp(told, frozen))
        st = at_fail(err, AT_BAD_MODEL, "%s: the frozen weights are not those that this checkpoint was trained on", path);
    else if (!json_is_array(json_object_get(state, "history")))
        st = at_fail(err, AT_BAD_MODEL, "%s: does not hold what this program writes", whole);
    else take_counters(r, state);
    json_decref(state);
    return st;
}

static at_status load_all(at_training *r, const char *path, at_error *err) {
    AT_TRY(load_state(r, path, err));
    AT_TRY(with_file(r, path, "weights.safetensors", load_weights, err));
    AT_TRY(with_file(r, path, "moments.safetensors", load_moments, err));
    AT_TRY(with_file(r, path, "squares.safetensors", load_squares, err));
    at_optimizer_recall(&r->optimizer);
    if (best_differs(r)) return with_file(r, path, "best.safetensors", load_best, err);
    at_training_keep_weights(r);
    return AT_OK;
}

static void tell_broken(void *context, const char *sentence) {
    at_training_note(context, 1, "%s; an older checkpoint is looked for", sentence);
}

/* The bits go on only on the same kernels and the same plan. */
static void tell_differences(const at_training *r, const json_t *manifest) {
    const char *backend = json_string_value(json_object_get(manifest, "backend"));
    int lanes = number_of(manifest, "lanes"), rows = number_of(manifest, "chunk_rows");
    if (!backend || strcmp(backend, r->setup->backend->name) || lanes != r->n_lanes || rows != r->setup->backend->chunk_rows)
        at_training_note(r, 1,
                         "the checkpoint was made with %s kernels and %d lanes, this run has %s and %d: it goes on, "
                         "but its last digits "
                         "will differ from those of an uninterrupted run",
                         backend ? backend : "other", lanes, r->setup->backend->name, r->n_lanes);
}

at_status at_training_load(at_training *r, int *found, at_error *err) {
    at_arena arena = {0};
    const char *path = NULL;
    json_t *manifest = NULL;
    *found = 0;
    if (!r->saver) return AT_OK;
    at_status st = at_saver_find(r->saver, &arena, &path, &manifest, tell_broken, r, err);
    if (!st && path) {
        st = load_all(r, path, err);
        if (!st) tell_differences(r, manifest);
        *found = !st;
        r->saved_step = r->now.step;
    }
    json_decref(manifest);
    at_arena_free(&arena);
    return st;
}
