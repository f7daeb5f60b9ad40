#include "tensor/weight.h"

#include <limits.h>
#include <string.h>

#include "base/random.h"

enum { WEIGHT_ALIGN = 16 }; /* elements: every weight begins on a cache line */

at_status at_params_init(at_params *p, at_arena *arena, int max_weights, at_error *err) {
    *p = (at_params){.cap = max_weights};
    p->weights = AT_NEW_ARRAY(arena, at_weight, max_weights);
    return p->weights ? AT_OK : at_fail_memory(err, (size_t)max_weights * sizeof(at_weight));
}

static size_t home_size(at_weight_kind kind, int out, int in) {
    return kind == AT_WEIGHT_LINEAR ? at_packed_size(out, in) : (size_t)out * (size_t)in;
}

/* *total += size, rounded up to the next cache line; returns where it began, or AT_NO_GRADIENT on overflow. */
static size_t take(size_t *total, size_t size) {
    size_t begin = *total, rounded;
    if (__builtin_add_overflow(size, (size_t)WEIGHT_ALIGN - 1, &rounded)) return AT_NO_GRADIENT;
    rounded &= ~(size_t)(WEIGHT_ALIGN - 1);
    if (__builtin_add_overflow(begin, rounded, total)) return AT_NO_GRADIENT;
    return begin;
}

at_status at_params_add(at_params *p, at_arena *arena, const char *name, at_weight_kind kind, int out, int in, int depth,
                        int decay, at_weight **weight, at_error *err) {
    if (p->values || p->n == p->cap) return at_fail(err, AT_BUG, "no place for weight %s", name);
    if (out <= 0 || in <= 0 || out > INT_MAX - AT_PANEL || (kind == AT_WEIGHT_VECTOR && in != 1))
        return at_fail(err, AT_BAD_MODEL, "weight %s cannot have the shape [%d, %d]", name, out, in);
    at_weight *w = &p->weights[p->n];
    *w = (at_weight){.kind = kind, .out = out, .in = in, .gradient = AT_NO_GRADIENT, .moments = AT_NO_GRADIENT,
                     .depth = depth, .decay = decay, .still_row = -1, .rate_scale = 1.0f};
    w->size = home_size(kind, out, in);
    w->offset = take(&p->total, w->size);
    if (w->offset == AT_NO_GRADIENT || p->total > SIZE_MAX / sizeof(at_real) / 8)
        return at_fail(err, AT_BAD_MODEL, "weight %s of [%d, %d] makes the model larger than any memory", name, out, in);
    w->name = at_strdup(arena, name);
    if (!w->name) return at_fail_memory(err, strlen(name) + 1);
    p->n++;
    *weight = w;
    return AT_OK;
}

/* Bytes of a weight that is kept compact, to the next cache line. */
static size_t compact_size(const at_weight *w) { return (at_compact_bytes(w->form, w->out, w->in) + AT_ALIGN - 1) / AT_ALIGN * AT_ALIGN; }

at_status at_params_choose_forms(at_params *p, const at_form *form, at_error *err) {
    p->total = p->compact_bytes = 0;
    for (int i = 0; i < p->n; i++) {
        at_weight *w = &p->weights[i];
        w->form = form[i];
        int can = w->kind == AT_WEIGHT_LINEAR || w->kind == AT_WEIGHT_TABLE;
        if (p->values || (w->form != AT_FORM_FP32 && !can)) return at_fail(err, AT_BUG, "%s cannot be kept as %s", w->name, at_form_name(w->form));
        w->size = w->form == AT_FORM_FP32 ? home_size(w->kind, w->out, w->in) : 0;
        w->offset = w->form == AT_FORM_FP32 ? take(&p->total, w->size) : p->compact_bytes;
        if (w->form != AT_FORM_FP32) p->compact_bytes += compact_size(w); /* less than in fp32, which was looked at */
    }
    return AT_OK;
}

at_status at_params_allocate(at_params *p, at_error *err) {
    size_t bytes = (p->total ? p->total : 1) * sizeof(at_real);
    p->values = at_pages_take(bytes);
    if (p->compact_bytes) p->compact = at_pages_take(p->compact_bytes);
    return p->values && (p->compact || !p->compact_bytes) ? AT_OK : at_fail_memory(err, bytes + p->compact_bytes);
}

void at_params_free(at_params *p) {
    at_pages_return(p->values, (p->total ? p->total : 1) * sizeof(at_real));
    at_pages_return(p->compact, p->compact_bytes);
    p->values = NULL;
    p->compact = NULL;
}

at_weight *at_params_find(const at_params *p, const char *name) {
    for (int i = 0; i < p->n; i++)
        if (!strcmp(p->weights[i].name, name)) return &p->weights[i];
    return NULL;
}

/* Where element (n, k) of the file's [out, in] lives. */
static size_t home_index(const at_weight *w, size_t n, size_t k) {
    size_t in = (size_t)w->in;
    if (w->kind != AT_WEIGHT_LINEAR) return n * in + k;
    return n / AT_PANEL * in * AT_PANEL + k * AT_PANEL + n % AT_PANEL;
}

/* Walks a packed weight panel by panel, so that the 48 rows of a panel stay in cache. */
static void put_packed(at_real *home, const float *file, size_t out, size_t in) {
    for (size_t first = 0; first < out; first += AT_PANEL) {
        size_t cols = out - first < AT_PANEL ? out - first : AT_PANEL;
        at_real *panel = home + first * in;
        for (size_t k = 0; k < in; k++) {
            for (size_t j = 0; j < cols; j++) panel[k * AT_PANEL + j] = file[(first + j) * in + k];
            for (size_t j = cols; j < AT_PANEL; j++) panel[k * AT_PANEL + j] = 0;
        }
    }
}

void at_weight_put_rows(at_params *p, const at_weight *w, int first, int n, const float *rows) {
    size_t before = (size_t)first * (size_t)w->in;
    if (w->form != AT_FORM_FP32) {
        at_compact_pack(w->form, rows, n, w->in, p->compact + w->offset + (size_t)(first / AT_PANEL) * at_compact_panel_bytes(w->form, w->in));
        return;
    }
    at_real *home = at_weight_values(p, w) + before;
    if (w->kind == AT_WEIGHT_LINEAR) put_packed(home, rows, (size_t)n, (size_t)w->in);
    else
        for (size_t i = 0; i < (size_t)n * (size_t)w->in; i++) home[i] = rows[i];
}

void at_weight_put(at_params *p, const at_weight *w, const float *file_values) { at_weight_put_rows(p, w, 0, w->out, file_values); }

void at_weight_get(const at_params *p, const at_weight *w, float *file_values) {
    size_t in = (size_t)w->in;
    if (w->form != AT_FORM_FP32) {
        for (int n = 0; n < w->out; n++) at_compact_row(w->form, at_weight_compact(p, w), w->in, n, file_values + (size_t)n * in);
        return;
    }
    const at_real *home = at_weight_values(p, w);
    for (size_t n = 0; n < (size_t)w->out; n++)
        for (size_t k = 0; k < in; k++) file_values[n * in + k] = (float)home[home_index(w, n, k)];
}

static uint64_t hash_name(const char *name) { /* FNV-1a, 64 bits */
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

void at_weight_init_normal(at_params *p, const at_weight *w, double deviation, uint64_t seed) {
    at_real *home = at_weight_values(p, w);
    uint64_t key = at_random_key(seed, AT_SITE_INIT, hash_name(w->name));
    size_t in = (size_t)w->in;
    for (size_t n = 0; n < (size_t)w->out; n++)
        for (size_t k = 0; k < in; k++)
            home[home_index(w, n, k)] = (at_real)(deviation * at_random_normal(key, n * in + k));
}

void at_weight_fill(at_params *p, const at_weight *w, at_real value) {
    at_real *home = at_weight_values(p, w);
    for (size_t n = 0; n < (size_t)w->out; n++)
        for (size_t k = 0; k < (size_t)w->in; k++) home[home_index(w, n, k)] = value;
}

void at_params_set_trainable(at_params *p, const unsigned char *trainable) {
    p->n_gradient = p->n_moments = 0;
    p->n_tables = 0;
    for (int i = 0; i < p->n; i++) {
        at_weight *w = &p->weights[i];
        w->gradient = w->moments = AT_NO_GRADIENT;
        if (!trainable || !trainable[i] || w->constant) continue;
        w->gradient = w->kind == AT_WEIGHT_TABLE ? (size_t)p->n_tables++ : take(&p->n_gradient, w->size);
        w->moments = take(&p->n_moments, w->size);
    }
}
