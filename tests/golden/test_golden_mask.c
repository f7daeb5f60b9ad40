/* Masked language against what transformers' BertForMaskedLM computed in float64 (tests/oracle/make_golden_mask.py): logits at the hidden
 * tokens, loss, every gradient, that of the tied table among them; and the answers of evaluation against these logits. In double the bound is
 * that of the recorded float32 values. */
#include "check.h"

#include "golden/harness.h"

#ifdef AT_DOUBLE
static const double OWN = 1e-6, GLOBAL = 1e-8;
#else
static const double OWN = 1e-4, GLOBAL = 1e-6;
#endif

typedef struct golden {
    harness h;
    at_safetensors *expected;
    int rows, n_outputs;
    const int32_t *label;    /* [n_outputs] */
    at_error err;
} golden;

static const char *path_in(const char *name) {
    static char relative[512];
    snprintf(relative, sizeof relative, "golden/mask%s%s", *name ? "/" : "", name);
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

/* The batch of the file: its places are the rows with a label. */
static void make_batch(golden *g) {
    harness *h = &g->h;
    at_arena *a = &h->memory;
    at_safetensors *file;
    int32_t *label = NULL, n = 0;
    check_ok(at_safetensors_open(path_in("batch.safetensors"), &file, &g->err), &g->err);
    check_ok(harness_read(a, file, "ids", (void **)&h->ids, &g->rows, &g->err), &g->err);
    check_ok(harness_read(a, file, "types", (void **)&h->types, NULL, &g->err), &g->err);
    check_ok(harness_read(a, file, "cu_seqlens", (void **)&h->cu, &h->n_seq, &g->err), &g->err);
    check_ok(harness_read(a, file, "labels", (void **)&label, NULL, &g->err), &g->err);
    at_safetensors_close(file);
    h->n_seq--;
    size_t rows = (size_t)g->rows;
    int32_t *positions = AT_NEW_ARRAY(a, int32_t, rows), *place = AT_NEW_ARRAY(a, int32_t, rows), *output = AT_NEW_ARRAY(a, int32_t, rows);
    int32_t *wanted = AT_NEW_ARRAY(a, int32_t, rows);
    uint64_t *row_id = AT_NEW_ARRAY(a, uint64_t, rows), *output_row = AT_NEW_ARRAY(a, uint64_t, rows);
    int longest = 0;
    for (int s = 0; s < h->n_seq; s++) {
        if (h->cu[s + 1] - h->cu[s] > longest) longest = h->cu[s + 1] - h->cu[s];
        for (int r = h->cu[s]; r < h->cu[s + 1]; r++) {
            positions[r] = r - h->cu[s];
            row_id[r] = (uint64_t)s << 32 | (uint64_t)positions[r];
            if (label[r] < 0) continue;
            place[n] = r;
            output[n] = n;
            output_row[n] = row_id[r];
            wanted[n++] = label[r];
        }
    }
    g->label = wanted;
    g->n_outputs = n;
    h->batch = (at_batch){.rows = g->rows, .n_seq = h->n_seq, .max_len = longest, .cu_seqlens = h->cu, .ids = h->ids, .types = h->types,
                          .positions = positions, .row_id = row_id, .n_outputs = n, .place = place, .output = output, .output_row = output_row, .label = wanted};
}

static void open_golden(golden *g) {
    *g = (golden){0};
    at_model_options options = {.keep_head = 1};
    harness *h = &g->h;
    check_ok(at_model_open(path_in(""), &options, &h->model, &g->err), &g->err);
    assert_true(h->model->trained_head && h->model->head.kind == AT_HEAD_MASK);
    assert_int_equal(h->model->report.n_dropped, 0);
    make_batch(g);
    unsigned char *all = at_alloc(&h->memory, (size_t)h->model->params.n, 1);
    memset(all, 1, (size_t)h->model->params.n);
    at_params_set_trainable(&h->model->params, all);
    check_ok(at_gradients_make(&h->gradients, &h->memory, &h->model->params, g->rows, &g->err), &g->err);
    at_gradients_clear(&h->gradients);
    h->tape = (at_tape){.params = &h->model->params, .arena = &h->step[0], .pool = &h->step[1], .scratch = &h->step[2], .objects = &h->step[3], .seed = 1, .err = &g->err};
    check_ok(at_backend_choose(NULL, &h->tape.backend, &g->err), &g->err);
    check_ok(at_safetensors_open(path_in("expected.safetensors"), &g->expected, &g->err), &g->err);
}

static void close_golden(golden *g) {
    at_safetensors_close(g->expected);
    harness_close(&g->h);
}

static at_tensor *forward(golden *g, int trains) {
    harness *h = &g->h;
    h->tape.gradients = trains ? &h->gradients : NULL;
    at_tape_begin(&h->tape);
    h->hidden = at_body_forward(&h->tape, h->model, &h->batch);
    h->logits = at_head_forward(&h->tape, h->model, h->hidden, &h->batch);
    check_ok(at_tape_status(&h->tape), &g->err);
    return h->logits;
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

/* What the classifier reads, times the table of words. */
static void logits_are_the_reference(void **state) {
    (void)state;
    golden g;
    open_golden(&g);
    const at_tensor *x = forward(&g, 1);
    const at_model *m = g.h.model;
    size_t words = (size_t)m->arch.vocab_size, width = (size_t)x->cols, n = (size_t)g.n_outputs;
    const at_real *table = at_weight_values(&m->params, m->body.token), *bias = at_weight_values(&m->params, m->head.classifier_bias);
    float *got = AT_NEW_ARRAY(&g.h.memory, float, n * words);
    for (size_t r = 0; r < n; r++)
        for (size_t w = 0; w < words; w++) {
            double sum = (double)bias[w];
            for (size_t k = 0; k < width; k++) sum += (double)x->data[r * width + k] * (double)table[w * width + k];
            got[r * words + w] = (float)sum;
        }
    expect_near("logits", got, expected(&g, "logits", n * words), n * words, 0);
    close_golden(&g);
}

static void loss_and_gradients_are_the_reference(void **state) {
    (void)state;
    golden g;
    open_golden(&g);
    at_tensor *x = forward(&g, 1);
    const at_model *m = g.h.model;
    at_tensor *loss = at_op_tied_cross_entropy(&g.h.tape, x, m->body.token, m->head.classifier_bias, g.h.batch.label, g.n_outputs);
    check_ok(at_tape_status(&g.h.tape), &g.err);
    float value = (float)loss->data[0];
    expect_near("loss", &value, expected(&g, "loss", 1), 1, 0);
    check_ok(at_tape_backward(&g.h.tape, loss), &g.err);
    double squares = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < m->params.n; i++) {
            const at_weight *w = &m->params.weights[i];
            char name[300];
            size_t n = (size_t)w->out * (size_t)w->in;
            snprintf(name, sizeof name, "gradient.%s", m->place[i].name);
            float *want = expected(&g, name, n), *got = AT_NEW_ARRAY(&g.h.memory, float, n);
            if (!pass) {
                squares += pow(norm_of(want, n), 2);
                continue;
            }
            harness_gradient(&g.h, w, got);
            expect_near(name, got, want, n, sqrt(squares));
        }
    close_golden(&g);
}

static void answers_follow_from_the_logits(void **state) {
    (void)state;
    golden g;
    open_golden(&g);
    const at_tensor *answers = forward(&g, 0);
    size_t words = (size_t)g.h.model->arch.vocab_size;
    const float *logits = expected(&g, "logits", (size_t)g.n_outputs * words);
    assert_int_equal(answers->cols, AT_MASK_ANSWERS);
    for (int r = 0; r < g.n_outputs; r++) {
        const float *row = logits + (size_t)r * words;
        const at_real *answer = answers->data + (size_t)r * AT_MASK_ANSWERS;
        double sum = 0;
        for (size_t w = 0; w < words; w++) sum += exp((double)row[w]);
        assert_true(fabs((double)answer[0] - (log(sum) - (double)row[g.label[r]])) < 1e-3);
        for (int k = 0; k < AT_MASK_BEST; k++) {
            int word = (int)answer[1 + k], larger = 0;
            for (size_t w = 0; w < words; w++) larger += row[w] > row[word];
            assert_int_equal(larger, k);
            assert_true(fabs((double)answer[1 + AT_MASK_BEST + k] - exp((double)row[word]) / sum) < 1e-4);
        }
    }
    close_golden(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(logits_are_the_reference), cmocka_unit_test(loss_and_gradients_are_the_reference),
                                       cmocka_unit_test(answers_follow_from_the_logits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
