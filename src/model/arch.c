#include "model/arch.h"

#include <math.h>
#include <string.h>

#include "base/str.h"

/* What is larger than these is no model but a mistake; with them no product of two sizes leaves 64 bits, a token type fits
 * a byte, and a position the 20 bits that the counters of attention's dropout have for it. */
enum {
    MAX_VOCAB = 1000000, MAX_HIDDEN = 1 << 16, MAX_LAYERS = 1024, MAX_HEADS = 4096, MAX_INTERMEDIATE = 1 << 18,
    MAX_POSITIONS = 1 << 20, MAX_TYPES = 256
};

static const struct {
    const char *name;
    at_activation activation;
} ACTIVATIONS[] = {{"gelu", AT_ACT_GELU}, {"gelu_new", AT_ACT_GELU_TANH}, {"gelu_pytorch_tanh", AT_ACT_GELU_TANH},
                   {"relu", AT_ACT_RELU}, {"silu", AT_ACT_SILU}, {"swish", AT_ACT_SILU}};
enum { N_ACTIVATIONS = sizeof ACTIVATIONS / sizeof *ACTIVATIONS };

/* A config being read; the first error stays. */
typedef struct reading {
    const json_t *config;
    const char *path;
    at_error *err;
    at_status status;
} reading;

static int read_size(reading *r, const char *key, int low, int high) {
    const json_t *value = json_object_get(r->config, key);
    if (r->status) return low;
    if (!value) {
        r->status = at_fail(r->err, AT_BAD_MODEL, "%s: has no '%s'", r->path, key);
        return low;
    }
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < low || n > high) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        r->status = at_fail(r->err, AT_BAD_MODEL, "%s: '%s' is %.40s, not a whole number from %d to %d", r->path, key,
                            text ? text : "?", low, high);
        free(text);
        return low;
    }
    return (int)n;
}

static double read_number(reading *r, const char *key, double fallback, double low, double high) {
    const json_t *value = json_object_get(r->config, key);
    if (r->status || !value || json_is_null(value)) return fallback;
    double x = json_number_value(value);
    if (!json_is_number(value) || !(x >= low && x <= high)) {
        r->status = at_fail(r->err, AT_BAD_MODEL, "%s: '%s' is not a number from %g to %g", r->path, key, low, high);
        return fallback;
    }
    return x;
}

static at_activation read_activation(reading *r, const char *key) {
    const char *name = json_string_value(json_object_get(r->config, key)), *known[N_ACTIVATIONS];
    if (r->status) return AT_ACT_NONE;
    for (int i = 0; i < N_ACTIVATIONS; i++) {
        known[i] = ACTIVATIONS[i].name;
        if (name && !strcmp(name, known[i])) return ACTIVATIONS[i].activation;
    }
    const char *near = name ? at_nearest(name, known, N_ACTIVATIONS) : NULL;
    if (!name) r->status = at_fail(r->err, AT_BAD_MODEL, "%s: has no text '%s'", r->path, key);
    else
        r->status = at_fail(r->err, AT_BAD_MODEL,
                            "%s: '%s' is '%.60s', not one of gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish%s%s%s",
                            r->path, key, name, near ? ". Did you mean '" : "", near ? near : "", near ? "'?" : "");
    return AT_ACT_NONE;
}

static void read_bert(reading *r, at_arch *a) {
    a->family = "bert";
    a->vocab_size = read_size(r, "vocab_size", 1, MAX_VOCAB);
    a->hidden = read_size(r, "hidden_size", 1, MAX_HIDDEN);
    a->layers = read_size(r, "num_hidden_layers", 1, MAX_LAYERS);
    a->heads = a->kv_heads = read_size(r, "num_attention_heads", 1, MAX_HEADS);
    a->intermediate = read_size(r, "intermediate_size", 1, MAX_INTERMEDIATE);
    a->max_positions = read_size(r, "max_position_embeddings", 1, MAX_POSITIONS);
    a->type_vocab = read_size(r, "type_vocab_size", 1, MAX_TYPES);
    a->activation = read_activation(r, "hidden_act");
    a->norm_epsilon = read_number(r, "layer_norm_eps", 1e-12, 0, 1);
    a->hidden_dropout = read_number(r, "hidden_dropout_prob", 0.1, 0, 0.99);
    a->attention_dropout = read_number(r, "attention_probs_dropout_prob", 0.1, 0, 0.99);
    a->classifier_dropout = read_number(r, "classifier_dropout", a->hidden_dropout, 0, 0.99);
    a->initializer_range = read_number(r, "initializer_range", 0.02, 0, 10);
    a->causal = json_is_true(json_object_get(r->config, "is_decoder"));
    json_t *pad = json_object_get(r->config, "pad_token_id");
    a->pad_id = pad && !json_is_null(pad) ? read_size(r, "pad_token_id", 0, a->vocab_size - 1) : 0;
    a->norm_place = AT_NORM_POST;
    a->position = AT_POSITION_LEARNED;
    const char *positions = json_string_value(json_object_get(r->config, "position_embedding_type"));
    if (!r->status && positions && strcmp(positions, "absolute"))
        r->status = at_fail(r->err, AT_BAD_MODEL, "%s: 'position_embedding_type' is '%.60s'; only 'absolute' is supported", r->path,
                            positions);
    if (!r->status && json_is_true(json_object_get(r->config, "add_cross_attention")))
        r->status = at_fail(r->err, AT_BAD_MODEL, "%s: 'add_cross_attention' is true; only encoders are supported", r->path);
}

static const struct {
    const char *model_type;
    void (*read)(reading *r, at_arch *arch);
} FAMILIES[] = {{"bert", read_bert}};
enum { N_FAMILIES = sizeof FAMILIES / sizeof *FAMILIES };

static at_status unknown_family(const reading *r, const char *type, at_arena *arena) {
    const char *known[N_FAMILIES];
    at_str list = {.arena = arena};
    for (int i = 0; i < N_FAMILIES; i++) {
        known[i] = FAMILIES[i].model_type;
        at_str_addf(&list, "%s%s", i ? ", " : "", known[i]);
    }
    const char *all = list.text ? list.text : "";
    if (!type) return at_fail(r->err, AT_BAD_MODEL, "%s: has no 'model_type'; attune knows: %s", r->path, all);
    const char *near = at_nearest(type, known, N_FAMILIES);
    return at_fail(r->err, AT_BAD_MODEL, "%s: model_type '%.60s' is not one that attune knows: %s%s%s%s", r->path, type, all,
                   near ? ". Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Folders from before model_type existed say it in "architectures" alone. */
static const char *model_type(const json_t *config) {
    const char *type = json_string_value(json_object_get(config, "model_type"));
    const char *class = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    return !type && class && !strncmp(class, "Bert", 4) ? "bert" : type;
}

at_status at_arch_read(const json_t *config, const char *path, at_arena *arena, at_arch *arch, at_error *err) {
    reading r = {config, path, err, AT_OK};
    *arch = (at_arch){0};
    if (!json_is_object(config)) return at_fail(err, AT_BAD_MODEL, "%s: not a JSON object", path);
    const char *type = model_type(config);
    int family = 0;
    while (family < N_FAMILIES && (!type || strcmp(type, FAMILIES[family].model_type))) family++;
    if (family == N_FAMILIES) return unknown_family(&r, type, arena);
    FAMILIES[family].read(&r, arch);
    if (r.status) return r.status;
    if (arch->hidden % arch->heads)
        return at_fail(err, AT_BAD_MODEL, "%s: 'hidden_size' %d is not a multiple of 'num_attention_heads' %d", path,
                       arch->hidden, arch->heads);
    arch->head_dim = arch->hidden / arch->heads;
    arch->attention_scale = 1 / sqrt((double)arch->head_dim);
    return AT_OK;
}
