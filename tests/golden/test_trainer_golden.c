/* The trainer's own machinery (dataset, deal, lanes, reduce, clip, AdamW) against 20 recorded steps of PyTorch. */
#include "check.h"

#include <math.h>

#include "base/json.h"
#include "harness.h"
#include "train/lanes.h"
#include "train/optimizer.h"
#include "train/task.h"

enum { LANES = 2, CHUNK_ROWS = 8, STEPS = 20, MOST = 64 };

typedef struct golden_run {
    harness h;
    json_t *numbers;
    at_dataset d;
    at_model still;          /* without dropout */
    at_task_state state;
    at_arena arena;
    uint32_t index[3][MOST]; /* the examples of steps 0, 1, 2, 0, ... */
    int n[3];
    at_step_plan plan;
    at_lanes_setup setup;
    at_lanes *lanes;
    at_optimizer optimizer;
    at_error err;
} golden_run;

static void open_model(golden_run *g, const char *folder) {
    char path[4200];
    const at_model_options options = {.keep_head = 1};
    snprintf(path, sizeof path, "%s", check_source(folder));
    char batch[4300], expected[4300];
    snprintf(batch, sizeof batch, "%s/batch.safetensors", path);
    snprintf(expected, sizeof expected, "%s/expected.json", path);
    check_ok(harness_open(&g->h, path, &options, batch, &g->err), &g->err);
    check_ok(at_json_load(expected, AT_JSON_CONFIG_BYTES, AT_BAD_DATA, &g->numbers, &g->err), &g->err);
    g->still = *g->h.model;
    at_arch_set_dropout(&g->still.arch, 0, 0);
    at_arch_set_head_dropout(&g->still.arch, 0);
}

static void make_data(golden_run *g) {
    const harness *h = &g->h;
    g->d = (at_dataset){.path = "golden", .n = h->n_seq, .ids = h->ids, .types = h->types, .label = h->label};
    g->d.token_at = AT_NEW_ARRAY(&g->arena, uint64_t, h->n_seq + 1);
    g->d.line = AT_NEW_ARRAY(&g->arena, uint32_t, h->n_seq);
    for (int s = 0; s <= h->n_seq; s++) g->d.token_at[s] = (uint64_t)h->cu[s];
    for (int s = 0; s < h->n_seq; s++) g->index[s % 3][g->n[s % 3]++] = (uint32_t)s;
}

static void open_trainer(golden_run *g, at_pool *pool) {
    at_params *p = &g->h.model->params;
    at_error *err = &g->err;
    g->state.task = at_task_find("classify");
    g->state.labels.n = g->state.n_out = g->h.model->head.n_out;
    g->setup = (at_lanes_setup){.model = &g->still, .params = p, .state = &g->state, .d = &g->d, .backend = g->h.tape.backend,
                                .pool = pool, .lanes = LANES};
    check_ok(at_step_plan_init(&g->plan, g->h.n_seq, LANES, &g->arena, err), err);
    for (int i = 0; i < 3; i++) {
        at_step_plan_deal(&g->plan, &g->d, g->index[i], g->n[i], CHUNK_ROWS);
        at_step_bounds_add(&g->setup.bounds, &g->plan, &g->d);
    }
    assert_true(g->setup.bounds.n_chunks >= LANES);
    check_ok(at_lanes_open(&g->setup, &g->lanes, err), err);
    check_ok(at_optimizer_open(&g->optimizer, p, g->h.tape.backend, pool, LANES, LANES * g->setup.bounds.lane_rows, err), err);
}

static double train_distance(golden_run *g) {
    const at_hyper h = {.adam_beta1 = 0.9, .adam_beta2 = 0.999, .adam_epsilon = 1e-8, .weight_decay = 0.01};
    const json_t *losses = json_object_get(g->numbers, "adamw_losses");
    double rate[512], worst = 0;
    assert_int_equal(json_array_size(losses), STEPS);
    for (int i = 0; i < 512; i++) rate[i] = 2e-4;
    for (int step = 0; step < STEPS; step++) {
        at_lanes_result result;
        at_step_plan_deal(&g->plan, &g->d, g->index[step % 3], g->n[step % 3], CHUNK_ROWS);
        check_ok(at_lanes_run(g->lanes, &g->plan, step, &result, &g->err), &g->err);
        double norm = at_optimizer_reduce(&g->optimizer, at_lanes_gradients(g->lanes)), clip = 1 / (norm + 1e-6);
        at_optimizer_update(&g->optimizer, &h, rate, clip < 1 ? clip : 1);
        double want = json_real_value(json_array_get(losses, (size_t)step));
        worst = fmax(worst, fabs(result.loss - want) / want);
    }
    return worst;
}

static void twenty_steps_in_lanes_give_the_recorded_losses(void **state) {
    (void)state;
    static const char *const folders[] = {"golden/data/pooler", "golden/data/mean"};
    at_pool *pool;
    at_error err;
    check_ok(at_pool_open(&pool, 2, &err), &err);
    for (int i = 0; i < 2; i++) {
        golden_run g = {0};
        open_model(&g, folders[i]);
        make_data(&g);
        open_trainer(&g, pool);
        double worst = train_distance(&g);
        print_message("%s: worst relative difference of 20 losses %.2g\n", folders[i], worst);
        assert_true(worst < 1e-4);
        at_lanes_close(g.lanes);
        at_optimizer_close(&g.optimizer);
        json_decref(g.numbers);
        at_arena_free(&g.arena);
        harness_close(&g.h);
    }
    at_pool_close(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(twenty_steps_in_lanes_give_the_recorded_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
