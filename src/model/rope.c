/* The frequencies of rotary positions, with the scalings that stretch a model's context:
 *   linear: Chen et al. 2023; dynamic: bloc97 and emozilla 2023; llama3: the smoothed cut of LLaMA 3.1; yarn: Peng et al. 2023;
 *   longrope: Ding et al. 2024
 * Keys and defaults are those of transformers' rope_parameters, and of rope_theta and rope_scaling before them. */
#include <math.h>
#include <string.h>

#include "model/config.h"

typedef struct rope_reading {
    at_config *c;
    const json_t *object; /* rope_parameters or rope_scaling; NULL: neither */
    at_arch *arch;
    double theta, original;
    int dim;
    double *inverse;      /* [dim / 2] */
    double factor;        /* of cosines and sines */
    double stretch;       /* of texts longer than the usual ones */
} rope_reading;

static double number(const rope_reading *r, const char *key, double fallback) {
    const json_t *value = json_object_get(r->object, key);
    if (!value || json_is_null(value)) return fallback;
    double x = json_number_value(value);
    if (!json_is_number(value) || !(x > 0) || x > 1e12) at_config_fail(r->c, "'%s' of the rotary positions is not a positive number", key);
    return x > 0 ? x : 1;
}

static void scale_linear(rope_reading *r) {
    double factor = number(r, "factor", 1);
    for (int i = 0; i < r->dim / 2; i++) r->inverse[i] /= factor;
}

/* Longer texts than the trained ones turn more slowly, each by its own length; transformers does the same to a text that comes alone. */
static void scale_dynamic(rope_reading *r) {
    at_arch *a = r->arch;
    r->stretch = number(r, "factor", 0);
    if (!(r->stretch > 0)) at_config_fail(r->c, "dynamic rotary positions have no 'factor'");
    if (r->dim < 4) at_config_fail(r->c, "dynamic rotary positions turn %d columns of a head, which is less than 4", r->dim);
    if (!a->usual_positions) a->usual_positions = a->max_positions;
    double longest = fmin(a->usual_positions * fmax(r->stretch, 1), AT_MAX_POSITIONS);
    if (longest > a->max_positions) a->max_positions = (int)longest;
}

static void scale_llama3(rope_reading *r) {
    double factor = number(r, "factor", 8), low = number(r, "low_freq_factor", 1), high = number(r, "high_freq_factor", 4);
    if (!(high > low)) at_config_fail(r->c, "'high_freq_factor' is not more than 'low_freq_factor'");
    for (int i = 0; i < r->dim / 2; i++) {
        double wave = 2 * 3.14159265358979323846 / r->inverse[i];
        double smooth = (r->original / wave - low) / (high - low);
        smooth = smooth < 0 ? 0 : smooth > 1 ? 1 : smooth; /* long waves are divided, short ones stay, between them a mixture */
        r->inverse[i] *= (1 - smooth) / factor + smooth;
    }
}

/* The column pair that turns so many times within the original context. */
static double correction(const rope_reading *r, double turns) {
    return r->dim * log(r->original / (turns * 2 * 3.14159265358979323846)) / (2 * log(r->theta));
}

static double yarn_scale(double factor, double scale) { return factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1; }

static void scale_yarn(rope_reading *r) {
    double factor = number(r, "factor", r->arch->max_positions / r->original);
    double all = number(r, "mscale_all_dim", 0), one = number(r, "mscale", 0);
    double own = all > 0 && one > 0 ? yarn_scale(factor, one) / yarn_scale(factor, all) : yarn_scale(factor, 1);
    r->factor = number(r, "attention_factor", own);
    double low = correction(r, number(r, "beta_fast", 32)), high = correction(r, number(r, "beta_slow", 1));
    const json_t *truncate = json_object_get(r->object, "truncate");
    if (!truncate || json_is_true(truncate)) {
        low = floor(low);
        high = ceil(high);
    }
    if (low < 0) low = 0;
    if (high > r->dim - 1) high = r->dim - 1;
    if (low == high) high += 0.001;
    for (int i = 0; i < r->dim / 2; i++) {
        double ramp = (i - low) / (high - low);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        r->inverse[i] *= ramp / factor + 1 - ramp;
    }
}

/* Texts up to the original context have the short factors. Longer ones would change every cached key, and are beyond a fine-tuning: the
 * model's longest text is the original context then. */
static void scale_longrope(rope_reading *r) {
    const json_t *list = json_object_get(r->object, "short_factor");
    double factor = number(r, "factor", r->arch->max_positions / r->original);
    r->factor = number(r, "attention_factor", factor <= 1 ? 1 : sqrt(1 + log(factor) / log(r->original)));
    if (json_array_size(list) != (size_t)(r->dim / 2)) {
        at_config_fail(r->c, "'short_factor' of the rotary positions is not a list of %d numbers", r->dim / 2);
        return;
    }
    for (int i = 0; i < r->dim / 2; i++) {
        double by = json_number_value(json_array_get(list, (size_t)i));
        if (!(by > 0)) at_config_fail(r->c, "'short_factor' of the rotary positions has a factor that is not positive");
        else r->inverse[i] /= by;
    }
    if (r->original < r->arch->max_positions) r->arch->max_positions = (int)r->original;
}

static const struct {
    const char *name;
    void (*scale)(rope_reading *r);
} SCALINGS[] = {{"default", NULL}, {"linear", scale_linear}, {"dynamic", scale_dynamic}, {"llama3", scale_llama3}, {"yarn", scale_yarn},
                {"longrope", scale_longrope}, {"su", scale_longrope}};
enum { N_SCALINGS = sizeof SCALINGS / sizeof *SCALINGS };

static const char *type_of(const json_t *object) {
    const char *type = json_string_value(json_object_get(object, "rope_type"));
    if (!type) type = json_string_value(json_object_get(object, "type"));
    return type ? type : "default";
}

static void apply_scaling(rope_reading *r) {
    const char *type = type_of(r->object);
    for (int i = 0; i < N_SCALINGS; i++) {
        if (strcmp(SCALINGS[i].name, type)) continue;
        if (SCALINGS[i].scale) SCALINGS[i].scale(r);
        return;
    }
    at_config_fail(r->c, "rotary positions of type '%.40s'; default, linear, dynamic, llama3, yarn and longrope are supported", type);
}

void at_config_rope(at_config *c, at_arch *a, const char *layer_kind, double theta, double partial, at_rope *rope) {
    const json_t *parameters = at_config_get(c, "rope_parameters"), *scaling = at_config_get(c, "rope_scaling");
    rope_reading r = {.c = c, .object = parameters ? parameters : scaling, .arch = a, .factor = 1};
    const json_t *own = layer_kind ? json_object_get(r.object, layer_kind) : NULL;
    const int whole = partial <= 0; /* transformers' classes of such a family do not read the part, or fail with it */
    int slides = layer_kind && !strcmp(layer_kind, "sliding_attention"); /* old configs scale the other layers only */
    if (json_is_object(own)) r.object = own;
    else if (slides) r.object = NULL;
    partial = at_config_number(c, "partial_rotary_factor", at_config_number(c, "rotary_pct", whole ? 1 : partial, 0, 1), 0, 1);
    r.theta = number(&r, "rope_theta", slides ? theta : at_config_number(c, "rope_theta", theta, 1e-3, 1e12));
    r.original = number(&r, "original_max_position_embeddings", a->max_positions);
    r.original = at_config_number(c, "original_max_position_embeddings", r.original, 1, 1e9);
    partial = number(&r, "partial_rotary_factor", partial);
    if (whole && partial < 1) {
        at_config_fail(c, "a part of %g of each head turns ('partial_rotary_factor'); in this family whole heads do", partial);
        return;
    }
    r.dim = (int)(a->head_dim * partial);
    if (c->status || r.dim < 2 || r.dim % 2 || r.dim > a->head_dim) {
        at_config_fail(c, "rotary positions turn %d of %d columns of a head, which cannot be paired", r.dim, a->head_dim);
        return;
    }
    r.inverse = AT_NEW_ARRAY(c->arena, double, r.dim / 2);
    if (!r.inverse) {
        c->status = at_fail_memory(c->err, (size_t)r.dim * sizeof(double));
        return;
    }
    for (int i = 0; i < r.dim / 2; i++) r.inverse[i] = pow(r.theta, -2.0 * i / r.dim);
    apply_scaling(&r);
    *rope = (at_rope){.dim = r.dim, .inverse = r.inverse, .factor = r.factor, .stretch = r.stretch, .usual = a->usual_positions};
}
