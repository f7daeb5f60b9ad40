/* A model folder, a batch and what transformers computed of them in float64, for heads that answer at tokens. In double the bound is that of the
 * recorded float32 values. Fails the running test by itself. */
#ifndef AT_TESTS_REFERENCE_H
#define AT_TESTS_REFERENCE_H

#include "check.h"

#include "golden/harness.h"

#ifdef AT_DOUBLE
static const double OWN = 1e-6, GLOBAL = 1e-8;
#else
static const double OWN = 1e-4, GLOBAL = 1e-6;
#endif

typedef struct golden {
    harness h;
    const char *folder;      /* "golden/mask" */
    at_safetensors *expected;
    int rows, n_outputs;
    const int32_t *label;    /* [n_outputs] */
    at_error err;
} golden;

static inline const char *golden_path(const golden *g, const char *name) {
    static char relative[512];
    snprintf(relative, sizeof relative, "%s%s%s", g->folder, *name ? "/" : "", name);
    return check_source(relative);
}

static inline float *golden_expected(golden *g, const char *name, size_t count) {
    const at_stored_tensor *t = at_safetensors_find(g->expected, name);
    if (!t) fail_msg("no reference %s", name);
    assert_int_equal(t->count, count);
    float *values = AT_NEW_ARRAY(&g->h.memory, float, count);
    check_ok(at_safetensors_read_f32(g->expected, t, values, 0, &g->err), &g->err);
    return values;
}

/* The batch of the file: its places are the rows with a label. */
static inline void golden_batch(golden *g) {
    harness *h = &g->h;
    at_arena *a = &h->memory;
    at_safetensors *file;
    int32_t *label = NULL, n = 0;
    check_ok(at_safetensors_open(golden_path(g, "batch.safetensors"), &file, &g->err), &g->err);
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

static inline void golden_open(golden *g, const char *folder, at_head_kind kind) {
    *g = (golden){.folder = folder};
    at_model_options options = {.keep_head = 1};
    harness *h = &g->h;
    check_ok(at_model_open(golden_path(g, ""), &options, &h->model, &g->err), &g->err);
    assert_true(h->model->trained_head && h->model->head.kind == kind);
    assert_int_equal(h->model->report.n_dropped, 0);
    golden_batch(g);
    unsigned char *all = at_alloc(&h->memory, (size_t)h->model->params.n, 1);
    memset(all, 1, (size_t)h->model->params.n);
    at_params_set_trainable(&h->model->params, all);
    check_ok(at_gradients_make(&h->gradients, &h->memory, &h->model->params, g->rows, &g->err), &g->err);
    at_gradients_clear(&h->gradients);
    h->tape = (at_tape){.params = &h->model->params, .arena = &h->step[0], .pool = &h->step[1], .scratch = &h->step[2], .objects = &h->step[3], .seed = 1, .err = &g->err};
    check_ok(at_backend_choose(NULL, &h->tape.backend, &g->err), &g->err);
    check_ok(at_safetensors_open(golden_path(g, "expected.safetensors"), &g->expected, &g->err), &g->err);
}

static inline void golden_close(golden *g) {
    at_safetensors_close(g->expected);
    harness_close(&g->h);
}

static inline at_tensor *golden_forward(golden *g, int trains) {
    harness *h = &g->h;
    h->tape.gradients = trains ? &h->gradients : NULL;
    at_tape_begin(&h->tape);
    h->hidden = at_body_forward(&h->tape, h->model, &h->batch);
    h->logits = at_head_forward(&h->tape, h->model, h->hidden, &h->batch);
    check_ok(at_tape_status(&h->tape), &g->err);
    return h->logits;
}

static inline double golden_norm(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static inline void golden_near(const char *name, const float *got, const float *want, size_t n, double global) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
    double bound = OWN * golden_norm(want, n) + GLOBAL * global;
    if (!(sqrt(sum) <= bound)) fail_msg("%s: %.3g, the bound is %.3g", name, sqrt(sum), bound);
}

/* The gradient of every weight after the loss, by its name in the file. */
static inline void golden_gradients(golden *g, at_tensor *loss) {
    const at_model *m = g->h.model;
    check_ok(at_tape_backward(&g->h.tape, loss), &g->err);
    double squares = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < m->params.n; i++) {
            const at_weight *w = &m->params.weights[i];
            char name[300];
            size_t n = (size_t)w->out * (size_t)w->in;
            snprintf(name, sizeof name, "gradient.%s", m->place[i].name);
            float *want = golden_expected(g, name, n), *got = AT_NEW_ARRAY(&g->h.memory, float, n);
            if (!pass) {
                squares += pow(golden_norm(want, n), 2);
                continue;
            }
            harness_gradient(&g->h, w, got);
            golden_near(name, got, want, n, sqrt(squares));
        }
}

#endif
