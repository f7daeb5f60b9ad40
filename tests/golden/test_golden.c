/* Whole models against what transformers computed in float64 (tests/oracle/make_golden.py): hidden states, logits, loss, every
 * parameter's gradient, 20 AdamW steps. And that the comparison would notice: every switch of the arch that is flipped makes it
 * fail. Compiled for both at_reals: in double the bound is that of the recorded float32 values. */
#include "check.h"

#include "base/file.h"
#include "golden/harness.h"

#ifdef AT_DOUBLE
static const double OWN = 1e-6, GLOBAL = 1e-8, LOSS = 1e-9, STEPS = 1e-9;
#else
static const double OWN = 1e-4, GLOBAL = 1e-6, LOSS = 1e-4, STEPS = 1e-4;
#endif

static const char *const FOLDERS[] = {"pooler", "mean"};

typedef struct golden {
    harness h;
    at_safetensors *expected;
    json_t *numbers;
    at_error err;
} golden;

static const char *path_in(const char *folder, const char *name) {
    static char relative[512];
    snprintf(relative, sizeof relative, "golden/data/%s%s%s", folder, *name ? "/" : "", name);
    return check_source(relative);
}

static void open_golden(golden *g, const char *name) {
    at_model_options options = {.keep_head = 1};
    char folder[4096], batch[4096];
    snprintf(folder, sizeof folder, "%s", path_in(name, ""));
    snprintf(batch, sizeof batch, "%s", path_in(name, "batch.safetensors"));
    check_ok(harness_open(&g->h, folder, &options, batch, &g->err), &g->err);
    check_ok(at_safetensors_open(path_in(name, "expected.safetensors"), &g->expected, &g->err), &g->err);
    check_ok(at_json_load(path_in(name, "expected.json"), 1 << 20, AT_BAD_DATA, &g->numbers, &g->err), &g->err);
    assert_true(g->h.model->trained_head);
    harness_pack(&g->h, 0, 1);
}

static void close_golden(golden *g) {
    harness_close(&g->h);
    at_safetensors_close(g->expected);
    json_decref(g->numbers);
}

static float *expected_values(golden *g, const at_stored_tensor *t) {
    if (!t) fail_msg("a reference is missing");
    float *values = AT_NEW_ARRAY(&g->h.memory, float, t->count);
    check_ok(at_safetensors_read_f32(g->expected, t, values, 0, &g->err), &g->err);
    return values;
}

static double norm_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* |got - want| over the bound, which is 1 where it just holds. */
static double distance(const float *got, const float *want, size_t n, double global) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
    return sqrt(sum) / (OWN * norm_of(want, n) + GLOBAL * global);
}

static double tensor_distance(golden *g, const char *name, const at_tensor *x) {
    size_t n = (size_t)x->rows * (size_t)x->cols;
    const at_stored_tensor *t = at_safetensors_find(g->expected, name);
    float *got = AT_NEW_ARRAY(&g->h.memory, float, n), *want = expected_values(g, t);
    assert_int_equal(t->count, n);
    for (size_t i = 0; i < n; i++) got[i] = (float)x->data[i];
    return distance(got, want, n, 0);
}

static double gradients_distance(golden *g, int say) {
    const at_params *p = &g->h.model->params;
    float **want = AT_NEW_ARRAY(&g->h.memory, float *, p->n);
    double squares = 0, worst = 0;
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        want[i] = expected_values(g, harness_find(&g->h, g->expected, w));
        squares += pow(norm_of(want[i], (size_t)w->out * (size_t)w->in), 2);
    }
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        size_t n = (size_t)w->out * (size_t)w->in;
        float *got = AT_NEW_ARRAY(&g->h.memory, float, n);
        harness_gradient(&g->h, w, got);
        double d = distance(got, want[i], n, sqrt(squares));
        if (say && !(d < 1)) print_error("gradient of %s: %.3g times the bound\n", w->name, d);
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

/* How far the model is from the reference, in bounds; `say` names what is beyond. */
static double whole_distance(golden *g, int say) {
    check_ok(harness_run(&g->h, 1), &g->err);
    double loss = json_real_value(json_object_get(g->numbers, "loss"));
    double d[4] = {tensor_distance(g, "hidden", g->h.hidden), tensor_distance(g, "logits", g->h.logits),
                   fabs((double)g->h.loss->data[0] - loss) / (LOSS * loss), gradients_distance(g, say)};
    static const char *const what[4] = {"hidden states", "logits", "loss", "gradients"};
    double worst = 0;
    for (int i = 0; i < 4; i++) {
        if (say && !(d[i] < 1)) print_error("%s: %.3g times the bound\n", what[i], d[i]);
        if (!(d[i] <= worst)) worst = d[i];
    }
    return worst;
}

static void models_equal_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        golden g = {0};
        open_golden(&g, FOLDERS[i]);
        double worst = whole_distance(&g, 1);
        print_message("%s: %.3g of the bound\n", FOLDERS[i], worst);
        assert_true(worst < 1);
        close_golden(&g);
    }
}

static void twenty_adamw_steps_give_the_same_losses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        golden g = {0};
        open_golden(&g, FOLDERS[i]);
        size_t n = g.h.model->params.n_moments;
        at_real *m = AT_NEW_ARRAY(&g.h.memory, at_real, n), *v = AT_NEW_ARRAY(&g.h.memory, at_real, n);
        const json_t *losses = json_object_get(g.numbers, "adamw_losses");
        double worst = 0;
        for (int step = 0; step < 20; step++) {
            double want = json_real_value(json_array_get(losses, (size_t)step));
            harness_pack(&g.h, step % 3, 3);
            check_ok(harness_run(&g.h, 1), &g.err);
            harness_adamw(&g.h, m, v, step + 1, 2e-4);
            worst = fmax(worst, fabs((double)g.h.loss->data[0] - want) / want);
        }
        print_message("%s: worst relative difference of 20 losses %.2g\n", FOLDERS[i], worst);
        assert_true(json_array_size(losses) == 20 && worst < STEPS);
        close_golden(&g);
    }
}

/* --- switches --- */

static void flip_gelu(at_model *m) {
    m->arch.activation = m->arch.activation == AT_ACT_GELU ? AT_ACT_GELU_TANH : AT_ACT_GELU;
}
static void flip_relu(at_model *m) { m->arch.activation = AT_ACT_RELU; }
static void flip_epsilon(at_model *m) { m->arch.norm_epsilon = 1e-5; }
static void flip_types(at_model *m) { m->arch.type_vocab = 0; }
static void flip_positions(at_model *m) { m->arch.position = AT_POSITION_NONE; }
static void flip_causal(at_model *m) { m->arch.causal = 1; }
static void flip_norm_place(at_model *m) { m->arch.block = AT_BLOCK_RESIDUAL; }
static void flip_rms(at_model *m) { m->arch.norm = AT_NORM_RMS; }
static void flip_scale(at_model *m) { m->arch.attention_scale *= 1.01; }
static void flip_layers(at_model *m) { m->arch.layers--; }
static void flip_head(at_model *m) { m->head.kind = m->head.kind == AT_HEAD_MEAN ? AT_HEAD_POOLER : AT_HEAD_MEAN; }
static void flip_heads(at_model *m) {
    m->arch.head_dim *= m->arch.heads;
    m->arch.heads = m->arch.kv_heads = 1;
}

static const struct {
    const char *name;
    void (*flip)(at_model *m);
} SWITCHES[] = {{"gelu's form", flip_gelu}, {"activation", flip_relu}, {"epsilon of the norms", flip_epsilon},
                {"token types", flip_types}, {"positions", flip_positions}, {"causal", flip_causal},
                {"place of the norms", flip_norm_place}, {"kind of the norms", flip_rms}, {"scale", flip_scale},
                {"layers", flip_layers}, {"heads", flip_heads}, {"head", flip_head}};

static void every_flipped_switch_is_noticed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++)
        for (size_t s = 0; s < sizeof SWITCHES / sizeof *SWITCHES; s++) {
            golden g = {0};
            open_golden(&g, FOLDERS[i]);
            if (SWITCHES[s].flip == flip_head && g.h.model->head.kind == AT_HEAD_MEAN) {
                close_golden(&g); /* there is no pooler to flip to */
                continue;
            }
            SWITCHES[s].flip(g.h.model);
            double d = whole_distance(&g, 0);
            if (!(d > 2)) fail_msg("%s: flipping %s goes unnoticed: %.3g of the bound", FOLDERS[i], SWITCHES[s].name, d);
            close_golden(&g);
        }
}

/* A batch of one sequence gives what the packed batch gives for it: nothing leaks between neighbours. */
static void sequences_do_not_see_their_neighbours(void **state) {
    (void)state;
    golden g = {0};
    open_golden(&g, "pooler");
    check_ok(harness_run(&g.h, 0), &g.err);
    int n = g.h.logits->rows, cols = g.h.logits->cols;
    at_real *packed = AT_NEW_ARRAY(&g.h.memory, at_real, n * cols);
    memcpy(packed, g.h.logits->data, (size_t)(n * cols) * sizeof *packed);
    for (int s = 0; s < n; s++) {
        harness_pack(&g.h, s, g.h.n_seq);
        check_ok(harness_run(&g.h, 0), &g.err);
        for (int c = 0; c < cols; c++)
            assert_true(fabs((double)(g.h.logits->data[c] - packed[s * cols + c])) < 1e-5);
    }
    close_golden(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_equal_the_reference),
        cmocka_unit_test(twenty_adamw_steps_give_the_same_losses),
        cmocka_unit_test(every_flipped_switch_is_noticed),
        cmocka_unit_test(sequences_do_not_see_their_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
