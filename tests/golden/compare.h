/* How far a model is from what transformers computed of it in float64, in bounds: at 1 the bound just holds, and what is no number stays
 * none. In double the bound is that of the recorded float32 values. Fails the running test where a reference is missing. */
#ifndef AT_TESTS_COMPARE_H
#define AT_TESTS_COMPARE_H

#include "check.h"

#include "golden/harness.h"

#ifdef AT_DOUBLE
static const double OWN = 1e-6, GLOBAL = 1e-8;
#else
static const double OWN = 1e-4, GLOBAL = 1e-6;
#endif

static inline double norm_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static inline double worse(double a, double b) { return isnan(a) || isnan(b) ? (double)NAN : fmax(a, b); }

static inline double distance(const float *got, const float *want, size_t n, double global) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
    return sqrt(sum) / (OWN * norm_of(want, n) + GLOBAL * global);
}

static inline float *expected_values(harness *h, at_safetensors *file, const at_stored_tensor *t) {
    at_error err = {0};
    if (!t) fail_msg("%s: a reference is missing", h->model->folder);
    float *values = AT_NEW_ARRAY(&h->memory, float, t->count);
    check_ok(at_safetensors_read_f32(file, t, values, 0, &err), &err);
    return values;
}

static inline double tensor_distance(harness *h, at_safetensors *file, const char *name, const at_tensor *x) {
    size_t n = (size_t)x->rows * (size_t)x->cols;
    const at_stored_tensor *t = at_safetensors_find(file, name);
    float *got = AT_NEW_ARRAY(&h->memory, float, n), *want = expected_values(h, file, t);
    assert_int_equal(t->count, n);
    for (size_t i = 0; i < n; i++) got[i] = (float)x->data[i];
    return distance(got, want, n, 0);
}

/* Elements of the tensor in which weight i lies; 0: it is no parameter, or another weight stands for the tensor. */
static inline size_t tensor_size(const harness *h, int i) {
    const at_weight *w = &h->model->params.weights[i];
    const at_place *place = &h->model->place[i];
    return w->constant || place->first > 0 ? 0 : (size_t)place->total * (size_t)w->in;
}

/* The worst of all gradients; `global` 0: beside the norm of all of them. `say` names what is beyond. */
static inline double gradients_distance(harness *h, at_safetensors *file, double global, int say) {
    const at_params *p = &h->model->params;
    float **want = AT_NEW_ARRAY(&h->memory, float *, p->n);
    double squares = 0, worst = 0;
    for (int i = 0; i < p->n; i++) {
        if (!tensor_size(h, i)) continue;
        want[i] = expected_values(h, file, harness_find(h, file, &p->weights[i]));
        squares += pow(norm_of(want[i], tensor_size(h, i)), 2);
    }
    for (int i = 0; i < p->n; i++) {
        if (!want[i]) continue;
        float *got = AT_NEW_ARRAY(&h->memory, float, tensor_size(h, i));
        harness_tensor_gradient(h, i, got);
        double d = distance(got, want[i], tensor_size(h, i), global > 0 ? global : sqrt(squares));
        if (say && !(d < 1)) print_error("%s: gradient of %s: %.3g times the bound\n", h->model->folder, h->model->place[i].name, d);
        worst = worse(worst, d);
    }
    return worst;
}

/* The worst of n distances; `say` names those beyond their bound. */
static inline double worst_distance(const harness *h, const char *const *what, const double *d, int n, int say) {
    double worst = 0;
    for (int i = 0; i < n; i++) {
        if (say && !(d[i] < 1)) print_error("%s: %s: %.3g times the bound\n", h->model->folder, what[i], d[i]);
        worst = worse(worst, d[i]);
    }
    return worst;
}

/* After a forward and backward pass: hidden states, logits, loss (relative to `bound`) and gradients, whichever is worst. */
static inline double whole_distance(harness *h, at_safetensors *file, double loss, double bound, int say) {
    static const char *const what[4] = {"hidden states", "logits", "loss", "gradients"};
    double d[4] = {tensor_distance(h, file, "hidden", h->hidden), tensor_distance(h, file, "logits", h->logits),
                   fabs((double)h->loss->data[0] - loss) / (bound * loss), gradients_distance(h, file, 0, say)};
    return worst_distance(h, what, d, 4, say);
}

/* ---- switches that every comparison has to notice; each returns 0 where the model has nothing to flip ---- */

static inline int flip_activation(at_model *m) {
    at_activation *act = &m->arch.activation;
    *act = *act == AT_ACT_GELU ? AT_ACT_GELU_TANH : *act == AT_ACT_SILU ? AT_ACT_RELU : AT_ACT_GELU;
    return 1;
}
static inline int flip_norm(at_model *m) {
    m->arch.norm = m->arch.norm == AT_NORM_RMS ? AT_NORM_LAYER : AT_NORM_RMS;
    return 1;
}
static inline int flip_block(at_model *m) {
    m->arch.block = m->arch.block == AT_BLOCK_RESIDUAL ? AT_BLOCK_POST : AT_BLOCK_RESIDUAL;
    return 1;
}
static inline int flip_scale(at_model *m) { return (m->arch.attention_scale *= 1.01) > 0; }
static inline int flip_positions(at_model *m) {
    int had = m->arch.position != AT_POSITION_NONE;
    m->arch.position = AT_POSITION_NONE;
    return had;
}
static inline int flip_offset(at_model *m) { return m->arch.position_offset ? m->arch.position_offset-- : 0; }

#endif
