/* Sentence embeddings against what sentence-transformers computed in float64 (tests/oracle/make_golden_embed.py): the vectors of every pooling,
 * and of every loss the value and all gradients, by way of the task. */
#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "golden/harness.h"
#include "infer/predict.h"
#include "train/task.h"

static const double OWN = 1e-4, GLOBAL = 1e-6;

/* As in the script. */
static float SCORES[] = {1, 0, 0.25f, 0, 0.25f, 0, 0, 0, 0.6f, 0, 0.4f, 0}; /* at the first text of each pair */
static int32_t LABELS[] = {0, 1, 0, 2, 1, 0, 3, 2, 2, 0, 1, 4};

typedef struct golden_case {
    const char *name, *loss;
    int n_texts;     /* of a row */
    int scored, labelled;
    int pooling, unit;
} golden_case;

static const golden_case CASES[] = {
    {"in-batch", "in-batch", 2, 0, 0, AT_POOL_MEAN, 1},          {"in-batch-cls", "in-batch", 2, 0, 0, AT_POOL_CLS, -1},
    {"in-batch-triplets", "in-batch", 3, 0, 0, AT_POOL_MAX, 1},  {"cosine", "cosine", 2, 1, 0, AT_POOL_MEAN, -1},
    {"cosent", "cosent", 2, 1, 0, AT_POOL_MEAN, 1},              {"triplet", "triplet", 3, 0, 0, AT_POOL_MEAN, -1},
    {"triplet-unit", "triplet", 3, 0, 0, AT_POOL_LAST, 1},       {"labels", "in-batch", 1, 0, 1, AT_POOL_MEAN, -1},
};

typedef struct golden {
    harness h;
    at_safetensors *expected;
    at_dataset d;
    int rows;
    at_error err;
} golden;

static const char *root = "golden/embed";

static const char *path_in(const char *name) {
    static char relative[512];
    snprintf(relative, sizeof relative, "%s%s%s", root, *name ? "/" : "", name);
    return check_source(relative);
}

static float *expected(golden *g, const char *name, size_t count) {
    const at_stored_tensor *t = at_safetensors_find(g->expected, name);
    if (!t) fail_msg("no reference %s", name);
    assert_int_equal(t->count, count);
    float *values = AT_NEW_ARRAY(&g->h.memory, float, count);
    check_ok(at_safetensors_read_f32(g->expected, t, values, 0, &g->err), &g->err);
    return values;
}

static void open_golden(golden *g, int pooling, int unit) {
    *g = (golden){0};
    harness *h = &g->h;
    at_safetensors *file;
    const at_model_options options = {.head = AT_HEAD_EMBED, .pooling = pooling < 0 ? 0 : 1 + pooling, .unit = unit};
    check_ok(at_model_open(path_in(""), &options, &h->model, &g->err), &g->err);
    check_ok(at_safetensors_open(path_in("expected.safetensors"), &g->expected, &g->err), &g->err);
    check_ok(at_safetensors_open(path_in("batch.safetensors"), &file, &g->err), &g->err);
    check_ok(harness_read(&h->memory, file, "ids", (void **)&h->ids, &g->rows, &g->err), &g->err);
    check_ok(harness_read(&h->memory, file, "cu_seqlens", (void **)&h->cu, &h->n_seq, &g->err), &g->err);
    at_safetensors_close(file);
    at_dataset *d = &g->d;
    *d = (at_dataset){.path = "batch", .n = --h->n_seq, .ids = h->ids, .max_id = 39, .longest = 12};
    d->types = at_alloc(&h->memory, (size_t)g->rows, 1);
    d->token_at = AT_NEW_ARRAY(&h->memory, uint64_t, d->n + 1);
    d->line = AT_NEW_ARRAY(&h->memory, uint32_t, d->n);
    for (int i = 0; i <= d->n; i++) d->token_at[i] = (uint64_t)h->cu[i];
}

static void close_golden(golden *g) {
    at_safetensors_close(g->expected);
    harness_close(&g->h);
}

static double norm_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static void expect_near(const char *name, const float *got, const float *want, size_t n, double global) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
    double bound = OWN * norm_of(want, n) + GLOBAL * global;
    if (!(sqrt(sum) <= bound)) fail_msg("%s: %.3g, the bound is %.3g", name, sqrt(sum), bound);
}

static void vectors_are_the_reference(void **state) {
    (void)state;
    static const char *const NAMES[] = {"vectors.cls", "vectors.mean", "vectors.max", "vectors.lasttoken"};
    for (int how = 0; how < 4; how++) {
        golden g;
        const at_backend *backend;
        open_golden(&g, how, -1);
        check_ok(at_backend_choose(NULL, &backend, &g.err), &g.err);
        size_t n = (size_t)g.d.n * 8;
        float *got = AT_NEW_ARRAY(&g.h.memory, float, n), *want = expected(&g, NAMES[how], n);
        check_ok(at_forward_logits(g.h.model, &g.d, backend, NULL, got, NULL, NULL, &g.err), &g.err);
        for (int i = 0; i < g.d.n; i++) expect_near(NAMES[how], got + 8 * i, want + 8 * i, 8, 0);
        close_golden(&g);
    }
}

/* The folder says maximum and Normalize. */
static void modules_of_the_folder_are_applied(void **state) {
    (void)state;
    golden g;
    const at_backend *backend;
    open_golden(&g, -1, 0);
    assert_int_equal(g.h.model->head.pooling, AT_POOL_MAX);
    assert_int_equal(g.h.model->head.unit, 1);
    check_ok(at_backend_choose(NULL, &backend, &g.err), &g.err);
    float got[12 * 8], *want = expected(&g, "vectors.max", 12 * 8);
    check_ok(at_forward_logits(g.h.model, &g.d, backend, NULL, got, NULL, NULL, &g.err), &g.err);
    for (int i = 0; i < 12; i++) {
        double size = norm_of(want + 8 * i, 8);
        for (int c = 0; c < 8; c++) assert_true(fabs((double)got[8 * i + c] - (double)want[8 * i + c] / size) < 1e-5);
    }
    at_model *alone;
    const at_model_options options = {0};
    check_ok(at_model_open(path_in(""), &options, &alone, &g.err), &g.err);
    assert_true(alone->trained_head && alone->head.kind == AT_HEAD_EMBED && alone->head.n_out == 8);
    assert_ptr_equal(at_task_of_model(alone), at_task_find("embed"));
    at_model_close(alone);
    close_golden(&g);
}

static at_task_state state_of(const golden_case *c, golden *g) {
    at_task_state s = {.task = at_task_find("embed"), .n_out = g->h.model->head.n_out, .own = json_pack("{s:s, s:f, s:f}", "loss", c->loss, "low", 0.0, "high", 1.0)};
    at_dataset *d = &g->d;
    d->row = AT_NEW_ARRAY(&g->h.memory, uint32_t, d->n);
    for (int i = 0; i < d->n; i++) d->row[i] = (uint32_t)(i / c->n_texts);
    if (c->scored) d->target = SCORES;
    if (c->labelled) d->label = LABELS;
    check_ok(s.task->adopt(&s, g->h.model, &g->err), &g->err);
    return s;
}

static at_tensor *run(golden *g, const at_task_state *s) {
    harness *h = &g->h;
    at_tape *t = &h->tape;
    uint32_t index[16];
    unsigned char *all = at_alloc(&h->memory, (size_t)h->model->params.n, 1);
    for (uint32_t i = 0; i < 16; i++) index[i] = i;
    memset(all, 1, (size_t)h->model->params.n);
    at_params_set_trainable(&h->model->params, all);
    check_ok(at_gradients_make(&h->gradients, &h->memory, &h->model->params, g->rows, &g->err), &g->err);
    at_gradients_clear(&h->gradients);
    *t = (at_tape){.params = &h->model->params, .arena = &h->step[0], .pool = &h->step[1], .scratch = &h->step[2], .objects = &h->step[3],
                   .seed = 1, .gradients = &h->gradients, .err = &g->err};
    check_ok(at_backend_choose(NULL, &t->backend, &g->err), &g->err);
    check_ok(at_dataset_pack(&g->d, index, NULL, g->d.n, &h->memory, &h->batch, &g->err), &g->err);
    at_tape_begin(t);
    h->hidden = at_body_forward(t, h->model, &h->batch);
    at_tape_begin(t); /* all rows were for looking at; what is trained computes those that the head reads */
    h->logits = at_model_forward(t, h->model, &h->batch);
    check_ok(at_tape_status(t), &g->err);
    at_tensor *loss = s->task->loss(s, t, h->model, h->logits, &h->batch, &g->d, at_task_norm(s, &g->d, index, g->d.n));
    check_ok(at_tape_status(t), &g->err);
    check_ok(at_tape_backward(t, loss), &g->err);
    return loss;
}

static void check_case(const golden_case *c) {
    golden g;
    char name[300];
    open_golden(&g, c->pooling, c->unit);
    at_task_state s = state_of(c, &g);
    float value = (float)run(&g, &s)->data[0];
    snprintf(name, sizeof name, "%s.loss", c->name);
    expect_near(name, &value, expected(&g, name, 1), 1, 0);
    const at_model *m = g.h.model;
    double squares = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < m->params.n; i++) {
            const at_weight *w = &m->params.weights[i];
            size_t n = (size_t)w->out * (size_t)w->in;
            snprintf(name, sizeof name, "%s.gradient.%s", c->name, m->place[i].bare);
            float *want = expected(&g, name, n), *got = AT_NEW_ARRAY(&g.h.memory, float, n);
            if (!pass) {
                squares += pow(norm_of(want, n), 2);
                continue;
            }
            harness_gradient(&g.h, w, got);
            expect_near(name, got, want, n, sqrt(squares));
        }
    at_task_close(&s);
    close_golden(&g);
}

static void losses_and_gradients_are_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) check_case(&CASES[i]);
}

/* ---- a folder with two Dense ---- */

static void read_vectors(golden *g, const at_model *m, float got[12 * 6]) {
    const at_backend *backend;
    check_ok(at_backend_choose(NULL, &backend, &g->err), &g->err);
    check_ok(at_forward_logits(m, &g->d, backend, NULL, got, NULL, NULL, &g->err), &g->err);
}

static void expect_vectors(golden *g, const at_model *m) {
    float got[12 * 6], *want = expected(g, "vectors", 12 * 6);
    read_vectors(g, m, got);
    for (int i = 0; i < 12; i++) expect_near("vectors", got + 6 * i, want + 6 * i, 6, 0);
}

static void expect_dense(const at_model *m) {
    const at_head *h = &m->head;
    assert_true(m->trained_head && h->kind == AT_HEAD_EMBED && h->n_out == 6 && h->n_projections == 2 && h->unit);
    assert_true(h->projection[0].activation == AT_ACT_TANH && h->projection[0].bias);
    assert_true(h->projection[1].activation == AT_ACT_GELU && !h->projection[1].bias);
}

/* What stands behind each Dense is felt: another activation, or no bias, gives other vectors. */
static void expect_noticed(const char *what, void (*flip)(at_head *h)) {
    golden g;
    float got[12 * 6], *want, apart = 0;
    open_golden(&g, -1, 0);
    flip(&g.h.model->head);
    read_vectors(&g, g.h.model, got);
    want = expected(&g, "vectors", 12 * 6);
    for (int i = 0; i < 12 * 6; i++) apart = fmaxf(apart, fabsf(got[i] - want[i]));
    if (!(apart > 1e-2f)) fail_msg("another %s goes unnoticed", what);
    close_golden(&g);
}

static void flip_first(at_head *h) { h->projection[0].activation = AT_ACT_RELU; }
static void flip_second(at_head *h) { h->projection[1].activation = AT_ACT_NONE; }
static void flip_bias(at_head *h) { h->projection[0].bias = NULL; }

static void every_part_of_a_dense_is_noticed(void **state) {
    (void)state;
    root = "golden/embed-dense";
    expect_noticed("first activation", flip_first);
    expect_noticed("second activation", flip_second);
    expect_noticed("bias", flip_bias);
    root = "golden/embed";
}

/* Vectors, loss and every gradient, the Dense's among them, and the same of the folder that is saved again. */
static void both_dense_are_part_of_the_model(void **state) {
    (void)state;
    static const golden_case dense = {"in-batch", "in-batch", 2, 0, 0, -1, 0};
    const at_model_options as_it_is = {0};
    char folder[] = "/tmp/attune-dense-XXXXXX", inside[64];
    golden g;
    at_model *again;
    struct stat info;
    root = "golden/embed-dense";
    check_case(&dense);
    open_golden(&g, -1, 0);
    expect_vectors(&g, g.h.model);
    assert_non_null(mkdtemp(folder));
    check_ok(at_model_save(g.h.model, NULL, folder, &g.err), &g.err);
    check_ok(at_model_open(folder, &as_it_is, &again, &g.err), &g.err);
    expect_dense(again);
    expect_vectors(&g, again);
    snprintf(inside, sizeof inside, "%s/4_Normalize", folder);
    assert_int_equal(stat(inside, &info), 0);
    at_model_close(again);
    check_ok(at_folder_remove(folder, &g.err), &g.err);
    close_golden(&g);
    root = "golden/embed";
}

/* Asked for by its pooling, the body is alone. */
static void pooling_asked_for_leaves_the_dense_out(void **state) {
    (void)state;
    golden g;
    root = "golden/embed-dense";
    open_golden(&g, AT_POOL_MEAN, -1);
    assert_true(!g.h.model->head.n_projections && g.h.model->head.n_out == 8);
    close_golden(&g);
    root = "golden/embed";
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_are_the_reference), cmocka_unit_test(modules_of_the_folder_are_applied),
                                       cmocka_unit_test(losses_and_gradients_are_the_reference),
                                       cmocka_unit_test(both_dense_are_part_of_the_model), cmocka_unit_test(every_part_of_a_dense_is_noticed),
                                       cmocka_unit_test(pooling_asked_for_leaves_the_dense_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
