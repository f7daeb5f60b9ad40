/* The task `language` on small decoders of every family: its loss and gradients, with its own logits and gradients made together, against
 * transformers in float64 (tests/oracle/make_golden_lm.py); its answers; and ten steps of training in lanes against ten of PyTorch
 * (make_golden_language.py). */
#include "check.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "golden/harness.h"
#include "train/lanes.h"
#include "train/optimizer.h"

enum { MOST_FOLDERS = 64, LANES = 2, CHUNK_ROWS = 24, STEPS = 10, MOST = 64, MOST_WEIGHTS = 256 };
static char folders[MOST_FOLDERS][64];
static int n_folders;

typedef struct golden {
    harness h;
    at_safetensors *expected;
    at_error err;
} golden;

static const char *path_in(const char *folder, const char *name) {
    static char relative[512];
    snprintf(relative, sizeof relative, "golden/lm/%.100s%s%.100s", folder, *name ? "/" : "", name);
    return check_source(relative);
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static int find_folders(void **state) {
    (void)state;
    DIR *dir = opendir(path_in("", ""));
    if (!dir) return -1;
    for (struct dirent *e; (e = readdir(dir)) != NULL && n_folders < MOST_FOLDERS;)
        if (e->d_name[0] != '.') snprintf(folders[n_folders++], sizeof folders[0], "%.63s", e->d_name);
    closedir(dir);
    qsort(folders, (size_t)n_folders, sizeof folders[0], by_name);
    return n_folders > 10 ? 0 : -1;
}

static void open_golden(golden *g, const char *name) {
    const at_model_options options = {.head = AT_HEAD_LM, .keep_head = 1, .n_out = AT_VOCABULARY_ANSWERS};
    char folder[4096], batch[4096];
    snprintf(folder, sizeof folder, "%.4000s", path_in(name, ""));
    snprintf(batch, sizeof batch, "%.4000s", path_in(name, "batch.safetensors"));
    check_ok(harness_open(&g->h, folder, &options, batch, &g->err), &g->err);
    check_ok(at_safetensors_open(path_in(name, "expected.safetensors"), &g->expected, &g->err), &g->err);
}

static void close_golden(golden *g) {
    harness_close(&g->h);
    at_safetensors_close(g->expected);
}

static const float *expected_values(golden *g, const at_stored_tensor *t) {
    if (!t) fail_msg("%s: a reference is missing", g->h.model->folder);
    float *values = AT_NEW_ARRAY(&g->h.memory, float, t->count);
    check_ok(at_safetensors_read_f32(g->expected, t, values, 0, &g->err), &g->err);
    return values;
}

/* All sequences, every token but a text's last asked for the next one. */
static void pack_all(golden *g, int32_t **target) {
    harness *h = &g->h;
    harness_pack(h, 0, 1);
    at_batch *b = &h->batch;
    int n = 0;
    int32_t *place = AT_NEW_ARRAY(&h->memory, int32_t, b->rows), *output = AT_NEW_ARRAY(&h->memory, int32_t, b->rows);
    uint64_t *row = AT_NEW_ARRAY(&h->memory, uint64_t, b->rows);
    *target = AT_NEW_ARRAY(&h->memory, int32_t, b->rows);
    for (int s = 0; s < b->n_seq; s++)
        for (int r = b->cu_seqlens[s]; r + 1 < b->cu_seqlens[s + 1]; r++, n++) {
            place[n] = r;
            output[n] = n;
            (*target)[n] = b->ids[r + 1];
        }
    b->place = place;
    b->output = output;
    b->output_row = row;
    b->n_outputs = n;
    b->label = *target;
}

static void run(golden *g, at_team *team, int backward, const int32_t *target) {
    harness *h = &g->h;
    at_tape *t = &h->tape;
    t->team = team;
    harness_forward(h, backward);
    if (backward) {
        const at_classifier c = at_head_classifier(h->model);
        h->loss = at_op_vocabulary_cross_entropy(t, h->logits, &c, target, h->batch.n_outputs);
        if (h->loss) at_tape_backward(t, h->loss);
    }
    check_ok(at_tape_status(t), &g->err);
    t->team = NULL;
}

static double norm_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static void check_gradients(golden *g) {
    const at_params *p = &g->h.model->params;
    for (int i = 0; i < p->n; i++) {
        const at_place *place = &g->h.model->place[i];
        size_t n = (size_t)place->total * (size_t)p->weights[i].in;
        if (place->first > 0) continue;
        const float *want = expected_values(g, harness_find(&g->h, g->expected, &p->weights[i]));
        float *got = AT_NEW_ARRAY(&g->h.memory, float, n);
        harness_tensor_gradient(&g->h, i, got);
        for (size_t k = 0; k < n; k++) got[k] -= want[k];
        if (!(norm_of(got, n) < 1e-4 * norm_of(want, n) + 1e-5)) fail_msg("%s: gradient of %s: off by %g of %g", g->h.model->folder, place->name, norm_of(got, n), norm_of(want, n));
    }
}

static void loss_and_gradients_are_the_reference(void **state) {
    (void)state;
    for (int i = 0; i < n_folders; i++) {
        golden g = {0};
        int32_t *target;
        at_team *team;
        open_golden(&g, folders[i]);
        pack_all(&g, &target);
        check_ok(at_team_open(&team, 3, &g.err), &g.err);
        run(&g, NULL, 1, target);
        double want = (double)*expected_values(&g, at_safetensors_find(g.expected, "loss")), got = (double)g.h.loss->data[0];
        if (!(fabs(got - want) < 1e-5 * want)) fail_msg("%s: loss %.9g, not %.9g", folders[i], got, want);
        check_gradients(&g);
        size_t bytes = g.h.gradients.n_dense * sizeof(at_real);
        at_real *alone = malloc(bytes);
        memcpy(alone, g.h.gradients.dense, bytes);
        run(&g, team, 1, target); /* a team changes no bit */
        assert_memory_equal(alone, g.h.gradients.dense, bytes);
        free(alone);
        at_team_close(team);
        close_golden(&g);
    }
}

/* -log of the right word's probability, and the most probable word, from the recorded logits. */
static void answers_follow_from_the_logits(void **state) {
    (void)state;
    for (int i = 0; i < n_folders; i++) {
        golden g = {0};
        int32_t *target;
        open_golden(&g, folders[i]);
        pack_all(&g, &target);
        run(&g, NULL, 0, NULL);
        size_t words = (size_t)g.h.model->arch.vocab_size;
        const float *logits = expected_values(&g, at_safetensors_find(g.expected, "logits"));
        assert_int_equal(g.h.logits->cols, AT_VOCABULARY_ANSWERS);
        for (int r = 0; r < g.h.batch.n_outputs; r++) {
            const float *row = logits + (size_t)g.h.batch.place[r] * words;
            const at_real *answer = g.h.logits->data + (size_t)r * AT_VOCABULARY_ANSWERS;
            double sum = 0;
            for (size_t w = 0; w < words; w++) {
                sum += exp((double)row[w]);
                assert_true(row[w] <= row[(int)answer[1]] + 1e-4f);
            }
            assert_true(fabs((double)answer[0] - (log(sum) - (double)row[target[r]])) < 1e-3);
        }
        close_golden(&g);
    }
}

/* More rows than are worked on at once, one of them without a target, some words hidden from the gradient: the ops of before, which hold all
 * logits, give the same. */
static void rows_in_blocks_are_rows(void **state) {
    (void)state;
    enum { ROWS = 600, WIDTH = 8, WORDS = 100 };
    at_error err;
    at_arena a[6] = {{0}};
    at_params p;
    at_weight *w, *b;
    at_gradients g;
    static at_real x[ROWS * WIDTH], dx[2][ROWS * WIDTH];
    static int32_t target[ROWS];
    double loss[2];
    check_ok(at_params_init(&p, &a[4], 2, &err), &err);
    check_ok(at_params_add(&p, &a[4], "w", AT_WEIGHT_LINEAR, WORDS, WIDTH, 0, 1, &w, &err), &err);
    check_ok(at_params_add(&p, &a[4], "b", AT_WEIGHT_VECTOR, WORDS, 1, 0, 0, &b, &err), &err);
    check_ok(at_params_allocate(&p, &err), &err);
    at_weight_init_normal(&p, w, 0.5, 3);
    at_weight_init_normal(&p, b, 0.5, 4);
    at_params_set_trainable(&p, (const unsigned char[]){1, 1});
    check_ok(at_gradients_make(&g, &a[5], &p, ROWS, &err), &err);
    for (int i = 0; i < ROWS * WIDTH; i++) x[i] = (at_real)sin(i * 0.37);
    for (int i = 0; i < ROWS; i++) target[i] = i % 7 ? i * 13 % WORDS : -1;
    at_real *dense[2];
    for (int own = 0; own < 2; own++) {
        at_tape t = {.params = &p, .gradients = &g, .arena = &a[0], .pool = &a[1], .scratch = &a[2], .objects = &a[3], .err = &err};
        check_ok(at_backend_choose(NULL, &t.backend, &err), &err);
        at_gradients_clear(&g);
        at_tape_begin(&t);
        at_tensor *in = at_tape_constant(&t, AT_SPACE_TOKENS, ROWS, WIDTH, x);
        in->needs_grad = 1;
        const at_classifier c = {w, b, 0};
        at_tensor *y = own ? at_op_vocabulary_cross_entropy(&t, in, &c, target, 500)
                           : at_op_cross_entropy(&t, at_op_linear(&t, in, &w, &b, 1, AT_ACT_NONE), target, NULL, 0, 500);
        check_ok(at_tape_backward(&t, y), &err);
        loss[own] = (double)y->data[0];
        memcpy(dx[own], in->grad, sizeof dx[own]);
        dense[own] = malloc(g.n_dense * sizeof(at_real));
        memcpy(dense[own], g.dense, g.n_dense * sizeof(at_real));
    }
    assert_true(fabs(loss[0] - loss[1]) < 1e-5 * loss[0]);
    for (int i = 0; i < ROWS * WIDTH; i++) assert_true(fabs((double)dx[0][i] - (double)dx[1][i]) < 1e-7);
    for (size_t i = 0; i < g.n_dense; i++) assert_true(fabs((double)dense[0][i] - (double)dense[1][i]) < 2e-6);
    free(dense[0]);
    free(dense[1]);
    at_params_free(&p);
    for (int i = 0; i < 6; i++) at_arena_free(&a[i]);
}

/* ---- ten steps ---- */

typedef struct training {
    golden g;
    at_dataset d;
    at_task_state state;
    at_arena arena;
    uint32_t index[3][MOST];
    int n[3];
    at_step_plan plan;
    at_lanes_setup setup;
    at_lanes *lanes;
    at_optimizer optimizer;
} training;

static void make_data(training *r) {
    const harness *h = &r->g.h;
    int rows = h->cu[h->n_seq], at = 0;
    at_dataset *d = &r->d;
    *d = (at_dataset){.path = "golden", .n = h->n_seq, .ids = h->ids, .types = h->types};
    d->token_at = AT_NEW_ARRAY(&r->arena, uint64_t, d->n + 1);
    d->line = AT_NEW_ARRAY(&r->arena, uint32_t, d->n);
    d->place_at = AT_NEW_ARRAY(&r->arena, uint64_t, d->n + 1);
    d->place = AT_NEW_ARRAY(&r->arena, uint32_t, rows);
    d->label = AT_NEW_ARRAY(&r->arena, int32_t, rows);
    for (int s = 0; s < d->n; s++) {
        d->token_at[s + 1] = (uint64_t)h->cu[s + 1];
        for (int k = h->cu[s]; k + 1 < h->cu[s + 1]; k++, at++) {
            d->place[at] = (uint32_t)(k - h->cu[s]);
            d->label[at] = h->ids[k + 1];
        }
        d->place_at[s + 1] = (uint64_t)at;
        if (at_dataset_length(d, s) > d->longest) d->longest = at_dataset_length(d, s);
        r->index[s % 3][r->n[s % 3]++] = (uint32_t)s;
    }
}

static void open_training(training *r, at_pool *pool) {
    at_model *m = r->g.h.model;
    at_error *err = &r->g.err;
    at_arch_set_dropout(&m->arch, 0, 0);
    m->arch.embedding_dropout = 0;
    r->state.task = at_task_find("language");
    r->state.n_out = AT_VOCABULARY_ANSWERS;
    r->setup = (at_lanes_setup){.model = m, .params = &m->params, .state = &r->state, .d = &r->d, .backend = r->g.h.tape.backend, .pool = pool, .lanes = LANES};
    check_ok(at_step_plan_init(&r->plan, r->d.n, LANES, &r->arena, err), err);
    for (int i = 0; i < 3; i++) {
        at_step_plan_deal(&r->plan, &r->d, r->index[i], r->n[i], CHUNK_ROWS);
        at_step_bounds_add(&r->setup.bounds, &r->plan, &r->d);
    }
    check_ok(at_lanes_open(&r->setup, &r->lanes, err), err);
    check_ok(at_optimizer_open(&r->optimizer, &m->params, r->setup.backend, pool, LANES, LANES * r->setup.bounds.lane_rows, err), err);
}

static double train_distance(training *r, const json_t *losses) {
    const at_hyper h = {.adam_beta1 = 0.9, .adam_beta2 = 0.999, .adam_epsilon = 1e-8, .weight_decay = 0.01};
    double rate[MOST_WEIGHTS], worst = 0;
    assert_int_equal(json_array_size(losses), STEPS);
    assert_in_range(r->setup.params->n, 1, MOST_WEIGHTS);
    for (int i = 0; i < MOST_WEIGHTS; i++) rate[i] = 2e-3;
    for (int step = 0; step < STEPS; step++) {
        at_lanes_result result;
        at_step_plan_deal(&r->plan, &r->d, r->index[step % 3], r->n[step % 3], CHUNK_ROWS);
        check_ok(at_lanes_run(r->lanes, &r->plan, step, &result, &r->g.err), &r->g.err);
        double norm = at_optimizer_reduce(&r->optimizer, at_lanes_gradients(r->lanes)), clip = 1 / (norm + 1e-6);
        at_optimizer_update(&r->optimizer, &h, rate, clip < 1 ? clip : 1);
        double want = json_real_value(json_array_get(losses, (size_t)step));
        worst = fmax(worst, fabs(result.loss - want) / want);
    }
    return worst;
}

static void ten_steps_give_the_recorded_losses(void **state) {
    (void)state;
    at_pool *pool;
    at_error err;
    json_t *numbers;
    check_ok(at_pool_open(&pool, 2, &err), &err);
    check_ok(at_json_load(check_source("golden/language.json"), 1 << 20, AT_BAD_DATA, &numbers, &err), &err);
    for (int i = 0; i < n_folders; i++) {
        training r = {0};
        open_golden(&r.g, folders[i]);
        make_data(&r);
        open_training(&r, pool);
        double worst = train_distance(&r, json_object_get(numbers, folders[i]));
        print_message("%s: worst relative difference of ten losses %.2g\n", folders[i], worst);
        assert_true(worst < 1e-4);
        at_lanes_close(r.lanes);
        at_optimizer_close(&r.optimizer);
        at_arena_free(&r.arena);
        close_golden(&r.g);
    }
    json_decref(numbers);
    at_pool_close(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_in_blocks_are_rows), cmocka_unit_test(loss_and_gradients_are_the_reference),
                                       cmocka_unit_test(answers_follow_from_the_logits), cmocka_unit_test(ten_steps_give_the_recorded_losses)};
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
