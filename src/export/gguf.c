/* GGUF for llama.cpp: a decoder with its language model's head, or the body of an encoder, and the vocabulary. Names and layouts are those
 * of model/gguf.h, the other way round; what is written is read back by the same code. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/export.h"
#include "export/gguf_check.h"
#include "export/gguf_vocab.h"
#include "io/gguf_write.h"
#include "model/gguf.h"

typedef struct writing {
    const at_model *model;
    const at_gguf_arch *layout;
    at_gguf_type type;
    at_arena arena;
    at_gguf_metadata metadata;
    at_gguf_tensor_out *tensor; /* [n] */
    int *weight;                /* [n] the first that lies in it; -1: factors of the angles */
    int n;
    float *factors;             /* [rope.dim / 2] where the frequencies are scaled one by one; else NULL */
    at_error *err;
} writing;

/* ---- sizes ---- */

static const char *key(writing *w, const char *name) { return at_format(&w->arena, "%s.%s", w->layout->arch, name); }
static void put_u32(writing *w, const char *name, int value) { at_gguf_put_u32(&w->metadata, key(w, name), (uint32_t)value); }
static void put_f32(writing *w, const char *name, double value) { at_gguf_put_f32(&w->metadata, key(w, name), (float)value); }

static void put_sizes(writing *w) {
    const at_arch *a = &w->model->arch;
    put_u32(w, "context_length", a->rope[0].stretch > 0 ? a->usual_positions : a->max_positions); /* nobody stretches there */
    put_u32(w, "embedding_length", a->hidden);
    put_u32(w, "block_count", a->layers);
    put_u32(w, "feed_forward_length", a->intermediate);
    put_u32(w, "attention.head_count", a->heads);
    put_u32(w, "vocab_size", a->vocab_size);
    put_f32(w, a->norm == AT_NORM_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", a->norm_epsilon);
    if (a->soft_cap > 0) put_f32(w, "attn_logit_softcapping", a->soft_cap);
    if (a->final_cap > 0) put_f32(w, "final_logit_softcapping", a->final_cap);
    if (a->type_vocab) put_u32(w, "token_type_count", a->type_vocab);
    if (!a->causal) {
        at_gguf_put_flag(&w->metadata, key(w, "attention.causal"), 0);
        put_u32(w, "pooling_type", /* first token; mean */
                w->model->head.kind == AT_HEAD_EMBED && w->model->head.pooling == AT_POOL_CLS ? 2 : 1);
    }
    if (!w->layout->llama && a->position == AT_POSITION_ROTARY)
        at_gguf_put_flag(&w->metadata, key(w, "use_parallel_residual"), a->block == AT_BLOCK_PARALLEL);
    if (!w->layout->llama) return;
    put_u32(w, "attention.head_count_kv", a->kv_heads);
    put_u32(w, "attention.key_length", a->head_dim);
    put_u32(w, "attention.value_length", a->head_dim);
    if (a->window) put_u32(w, "attention.sliding_window", a->window + 1);
}

/* ---- rotary positions ---- */

static const json_t *rope_of(const at_model *m) {
    const json_t *rope = json_object_get(m->config, "rope_parameters");
    if (!rope) rope = json_object_get(m->config, "rope_scaling");
    const json_t *full = json_object_get(rope, "full_attention");
    return full ? full : rope;
}

static double theta_of(const at_model *m) {
    const json_t *theta = json_object_get(rope_of(m), "rope_theta");
    if (!theta) theta = json_object_get(m->config, "rope_theta");
    return json_is_number(theta) ? json_number_value(theta) : 10000;
}

static const char *rope_type(const at_model *m) {
    const char *type = json_string_value(json_object_get(rope_of(m), "rope_type"));
    if (!type) type = json_string_value(json_object_get(rope_of(m), "type"));
    return type ? type : "default";
}

/* What each frequency is divided by. */
static at_status make_factors(writing *w, double theta) {
    const at_rope *rope = &w->model->arch.rope[0];
    w->factors = AT_NEW_ARRAY(&w->arena, float, rope->dim / 2);
    if (!w->factors) return at_fail_memory(w->err, (size_t)rope->dim);
    for (int i = 0; i < rope->dim / 2; i++) w->factors[i] = (float)(pow(theta, -2.0 * i / rope->dim) / rope->inverse[i]);
    return AT_OK;
}

static at_status put_rope(writing *w) {
    const at_model *m = w->model;
    const json_t *rope = rope_of(m);
    const char *type = rope_type(m);
    double theta = theta_of(m);
    put_f32(w, "rope.freq_base", theta);
    put_u32(w, "rope.dimension_count", m->arch.rope[0].dim);
    if (!strcmp(type, "default")) return AT_OK;
    if (!strcmp(type, "linear")) {
        at_gguf_put_text(&w->metadata, key(w, "rope.scaling.type"), "linear");
        put_f32(w, "rope.scaling.factor", json_number_value(json_object_get(rope, "factor")));
        return AT_OK;
    }
    int grows = !strcmp(type, "dynamic"); /* with the text: no factors say that */
    if (!strcmp(type, "llama3") || (m->arch.rope[0].factor == 1 && w->layout->turned && !grows)) return make_factors(w, theta);
    if ((!strcmp(type, "longrope") || !strcmp(type, "su")) && !w->layout->turned) {
        put_u32(w, "rope.scaling.original_context_length", m->arch.max_positions);
        put_f32(w, "rope.scaling.attn_factor", m->arch.rope[0].factor);
        return make_factors(w, theta);
    }
    return at_fail(w->err, AT_USAGE, "%s: rotary positions of type '%.40s' are not written to GGUF", m->folder, type);
}

/* ---- tensors ---- */

static at_gguf_type type_of(const writing *w, const char *name, uint64_t cols, int n_dims) {
    if (n_dims == 1 || strstr(name, "norm") || !strcmp(name, "position_embd.weight") || !strcmp(name, "token_types.weight"))
        return AT_GGUF_F32;
    return w->type == AT_GGUF_Q8_0 && cols % 32 ? AT_GGUF_F16 : w->type;
}

static at_status add_tensor(writing *w, int i) {
    const at_weight *weight = &w->model->params.weights[i];
    const at_place *place = &w->model->place[i];
    char name[AT_GGUF_NAME_SIZE];
    if (place->first > 0) return AT_OK; /* written with the first of its tensor */
    if (!at_gguf_name_of(w->layout, place->bare, name)) {
        if (weight->is_head) return AT_OK;
        return at_fail(w->err, AT_USAGE, "%s: GGUF has no place for %s of a %s", w->model->folder, place->bare, w->model->arch.family);
    }
    at_gguf_tensor_out *t = &w->tensor[w->n];
    *t = (at_gguf_tensor_out){.name = at_strdup(&w->arena, name), .n_dims = weight->kind == AT_WEIGHT_VECTOR ? 1 : 2};
    if (!t->name) return at_fail_memory(w->err, sizeof name);
    t->dims[0] = (uint64_t)(t->n_dims == 1 ? place->total : weight->in);
    t->dims[1] = (uint64_t)place->total;
    t->type = type_of(w, name, t->dims[0], t->n_dims);
    w->weight[w->n++] = i;
    return AT_OK;
}

static void add_factors(writing *w, const char *name) {
    w->weight[w->n] = -1;
    w->tensor[w->n++] = (at_gguf_tensor_out){.name = name, .type = AT_GGUF_F32, .n_dims = 1,
                                             .dims = {(uint64_t)w->model->arch.rope[0].dim / 2}};
}

static at_status fill(void *context, int i, float *values, at_error *err) {
    const writing *w = context;
    const at_model *m = w->model;
    int first = w->weight[i];
    if (first < 0) {
        memcpy(values, w->factors, (size_t)w->tensor[i].dims[0] * sizeof *values);
        return AT_OK;
    }
    for (int k = first; k < m->params.n; k++) {
        const at_weight *weight = &m->params.weights[k];
        if (strcmp(m->place[k].name, m->place[first].name)) continue;
        at_place place = at_gguf_place(&m->place[k], weight);
        size_t count = (size_t)weight->out * (size_t)weight->in;
        float *rows = malloc(count * sizeof *rows);
        if (!rows) return at_fail_memory(err, count * sizeof *rows);
        at_weight_get(&m->params, weight, rows);
        at_place_give(&place, weight, rows, values);
        free(rows);
    }
    return at_gguf_turn(w->layout, &m->arch, m->place[first].bare, values, (size_t)m->place[first].total,
                        (size_t)m->params.weights[first].in, 1, err);
}

static at_status declare(writing *w) {
    int n = w->model->params.n;
    w->tensor = AT_NEW_ARRAY(&w->arena, at_gguf_tensor_out, n + 2);
    w->weight = AT_NEW_ARRAY(&w->arena, int, n + 2);
    if (!w->tensor || !w->weight) return at_fail_memory(w->err, (size_t)n * sizeof *w->tensor);
    for (int i = 0; i < n; i++) AT_TRY(add_tensor(w, i));
    if (w->factors && w->layout->turned) add_factors(w, "rope_freqs.weight");
    if (w->factors && !w->layout->turned) {
        add_factors(w, "rope_factors_short.weight");
        add_factors(w, "rope_factors_long.weight");
    }
    return AT_OK;
}

/* ---- all of it ---- */

static const struct {
    const char *name;
    at_gguf_type type;
    uint32_t file_type; /* general.file_type, as llama.cpp numbers them */
} TYPES[] = {{"f32", AT_GGUF_F32, 0}, {"f16", AT_GGUF_F16, 1}, {"q8_0", AT_GGUF_Q8_0, 7}, {"bf16", AT_GGUF_BF16, 32}};

static at_status check(writing *w) {
    const at_model *m = w->model;
    at_head_kind kind = m->head.kind;
    if (!w->layout)
        return at_fail(w->err, AT_USAGE, "%s: GGUF has no place for a %s; there is one for %s", m->folder, m->arch.family,
                       at_gguf_arch_list(&w->arena));
    if (m->head.n_projections) return at_fail(w->err, AT_USAGE, "%s: GGUF has no place for the Dense that makes its vectors", m->folder);
    if (m->arch.causal && kind != AT_HEAD_LM)
        return at_fail(w->err, AT_USAGE, "%s: GGUF takes decoders as language models; the head %s has no place in it", m->folder,
                       at_head_name(kind));
    if (m->arch.window && m->arch.window + 1 < m->arch.max_positions && !w->layout->windows)
        return at_fail(w->err, AT_USAGE, "%s: llama.cpp has no window of %d tokens for a %s", m->folder, m->arch.window + 1,
                       m->arch.family);
    if (m->arch.position == AT_POSITION_ROTARY && !w->layout->llama && !m->arch.out_bias)
        return at_fail(w->err, AT_USAGE, "%s: llama.cpp runs no %s without biases", m->folder, m->arch.family);
    return AT_OK;
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static at_status write_all(writing *w, uint32_t file_type, const char *path) {
    at_gguf_metadata *m = &w->metadata;
    AT_TRY(check(w));
    at_gguf_put_text(m, "general.architecture", w->layout->arch);
    at_gguf_put_text(m, "general.type", "model");
    at_gguf_put_text(m, "general.name", name_of(w->model->folder));
    at_gguf_put_u32(m, "general.file_type", file_type);
    at_gguf_put_u32(m, "general.quantization_version", 2);
    put_sizes(w);
    if (w->model->arch.position == AT_POSITION_ROTARY) AT_TRY(put_rope(w));
    AT_TRY(at_gguf_put_vocab(m, w->model, &w->arena, w->err));
    AT_TRY(declare(w));
    AT_TRY(at_gguf_write(path, m, w->tensor, w->n, fill, w, w->err));
    at_status st = at_gguf_check_written(w->model, path, w->err);
    if (st) unlink(path);
    return st;
}

at_status at_export_gguf(const at_model *model, const char *type, const char *path, at_error *err) {
    writing w = {.model = model, .layout = at_gguf_arch_of_family(model->arch.family), .err = err};
    at_status st = at_fail(err, AT_USAGE, "GGUF type '%.40s'; f32, f16, bf16 and q8_0 are written", type);
    w.metadata.bytes.arena = &w.arena;
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        if (strcmp(TYPES[i].name, type)) continue;
        w.type = TYPES[i].type;
        st = write_all(&w, TYPES[i].file_type, path);
    }
    at_arena_free(&w.arena);
    return st;
}
