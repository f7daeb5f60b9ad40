#include "model/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const struct {
    const char *name;
    at_activation activation;
} ACTIVATIONS[] = {{"gelu", AT_ACT_GELU}, {"gelu_new", AT_ACT_GELU_TANH}, {"gelu_pytorch_tanh", AT_ACT_GELU_TANH},
                   {"relu", AT_ACT_RELU}, {"silu", AT_ACT_SILU}, {"swish", AT_ACT_SILU}, {"tanh", AT_ACT_TANH}};
enum { N_ACTIVATIONS = sizeof ACTIVATIONS / sizeof *ACTIVATIONS };

void at_config_fail(at_config *c, const char *fmt, ...) {
    if (c->status) return;
    at_str s = {.arena = c->arena};
    char sentence[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    at_str_add(&s, sentence);
    c->status = at_fail(c->err, AT_BAD_MODEL, "%s: %s", c->path, s.text ? s.text : "?");
}

static void know(at_config *c, const char *key) {
    for (int i = 0; i < c->n_known; i++)
        if (!strcmp(c->known[i], key)) return;
    if (c->n_known < AT_MAX_KEYS) c->known[c->n_known++] = key;
}

const json_t *at_config_get(at_config *c, const char *key) {
    const json_t *value = json_object_get(c->root, key);
    know(c, key);
    return value && !json_is_null(value) ? value : NULL;
}

int at_config_has(at_config *c, const char *key) { return at_config_get(c, key) != NULL; }

static int check_size(at_config *c, const char *key, const json_t *value, int low, int high) {
    json_int_t n = json_integer_value(value);
    if (json_is_integer(value) && n >= low && n <= high) return (int)n;
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    at_config_fail(c, "'%s' is %.40s, not a whole number from %d to %d", key, text ? text : "?", low, high);
    free(text);
    return low;
}

int at_config_size(at_config *c, const char *key, int low, int high) {
    at_config_get(c, key);
    const json_t *value = json_object_get(c->root, key);
    if (c->status) return low;
    if (value) return check_size(c, key, value, low, high);
    at_config_fail(c, "has no '%s'", key);
    return low;
}

int at_config_size_or(at_config *c, const char *key, int fallback, int low, int high) {
    const json_t *value = at_config_get(c, key);
    return c->status || !value ? fallback : check_size(c, key, value, low, high);
}

double at_config_number(at_config *c, const char *key, double fallback, double low, double high) {
    const json_t *value = at_config_get(c, key);
    if (c->status || !value) return fallback;
    double x = json_number_value(value);
    if (json_is_number(value) && x >= low && x <= high) return x;
    at_config_fail(c, "'%s' is not a number from %g to %g", key, low, high);
    return fallback;
}

double at_config_dropout(at_config *c, const char *key, double fallback) { return at_config_number(c, key, fallback, 0, 0.99); }

double at_config_tag_dropout(at_config *c) { return at_config_dropout(c, "classifier_dropout", at_config_dropout(c, "hidden_dropout", 0.1)); }

int at_config_flag(at_config *c, const char *key, int fallback) {
    const json_t *value = at_config_get(c, key);
    if (!value) return fallback;
    if (!json_is_boolean(value)) at_config_fail(c, "'%s' is not true or false", key);
    return json_is_true(value);
}

const char *at_config_text(at_config *c, const char *key, const char *fallback) {
    const json_t *value = at_config_get(c, key);
    if (!value) return fallback;
    if (!json_is_string(value)) at_config_fail(c, "has no text '%s'", key);
    return json_is_string(value) ? json_string_value(value) : fallback;
}

int at_activation_find(const char *name, at_activation *activation) {
    for (int i = 0; i < N_ACTIVATIONS; i++)
        if (!strcmp(name, ACTIVATIONS[i].name)) {
            *activation = ACTIVATIONS[i].activation;
            return 1;
        }
    return 0;
}

at_activation at_config_activation(at_config *c, const char *key, const char *fallback) {
    const char *name = at_config_text(c, key, fallback), *known[N_ACTIVATIONS];
    at_str all = {.arena = c->arena};
    for (int i = 0; i < N_ACTIVATIONS; i++) {
        known[i] = ACTIVATIONS[i].name;
        if (name && !strcmp(name, known[i])) return ACTIVATIONS[i].activation;
        at_str_addf(&all, "%s%s", i ? ", " : "", known[i]);
    }
    const char *near = name ? at_nearest(name, known, N_ACTIVATIONS) : NULL;
    if (!name) at_config_fail(c, "has no text '%s'", key);
    else
        at_config_fail(c, "'%s' is '%.60s', not one of %s%s%s%s", key, name, all.text ? all.text : "",
                       near ? ". Did you mean '" : "", near ? near : "", near ? "'?" : "");
    return AT_ACT_NONE;
}

void at_config_only(at_config *c, const char *key, const char *word) {
    const char *value = at_config_text(c, key, word);
    if (strcmp(value, word)) at_config_fail(c, "'%s' is '%.60s'; only '%s' is supported", key, value, word);
}

void at_config_refuse(at_config *c, const char *key, const char *why) {
    if (json_is_true(at_config_get(c, key))) at_config_fail(c, "'%s' is true; %s", key, why);
}

void at_config_pad(at_config *c, at_arch *a, int fallback) {
    a->pad_id = at_config_size_or(c, "pad_token_id", fallback, -1, a->vocab_size - 1);
}

int at_config_end(at_config *c, int fallback, int vocab_size) {
    const json_t *end = at_config_get(c, "eos_token_id");
    if (json_is_array(end)) end = json_array_get(end, 0);
    json_int_t id = end ? json_integer_value(end) : fallback;
    return (end && !json_is_integer(end)) || id < 0 || id >= vocab_size ? -1 : (int)id;
}

void at_config_sizes(at_config *c, at_arch *a) {
    a->vocab_size = at_config_size(c, "vocab_size", 1, AT_MAX_VOCAB);
    a->hidden = at_config_size(c, "hidden_size", 1, AT_MAX_HIDDEN);
    a->layers = at_config_size(c, "num_hidden_layers", 1, AT_MAX_LAYERS);
    a->heads = a->kv_heads = at_config_size(c, "num_attention_heads", 1, AT_MAX_HEADS);
    a->intermediate = at_config_size(c, "intermediate_size", 1, AT_MAX_INTERMEDIATE);
    a->initializer_range = at_config_number(c, "initializer_range", 0.02, 0, 10);
    at_config_pad(c, a, -1);
}

void at_config_positions_behind_padding(at_config *c, at_arch *a, int padding) {
    a->pad_id = padding;
    a->position_offset = padding + 1;
    a->max_positions = at_config_size(c, "max_position_embeddings", padding + 2, AT_MAX_POSITIONS) - a->position_offset;
}

/* ---- layers that see a window only ---- */

void at_config_local_layers(at_config *c, at_arch *a, int (*is_local)(int layer, int n), int n) {
    const json_t *types = at_config_get(c, "layer_types");
    unsigned char *local = AT_NEW_ARRAY(c->arena, unsigned char, a->layers);
    if (c->status) return;
    if (!local) {
        c->status = at_fail_memory(c->err, (size_t)a->layers);
        return;
    }
    if (types && json_array_size(types) != (size_t)a->layers) {
        at_config_fail(c, "'layer_types' is not a list of %d", a->layers);
        return;
    }
    for (int l = 0; l < a->layers; l++) {
        const char *type = json_string_value(json_array_get(types, (size_t)l));
        int slides = type && !strcmp(type, "sliding_attention");
        if (types && !slides && (!type || strcmp(type, "full_attention")))
            at_config_fail(c, "'layer_types' has '%.60s'; full_attention and sliding_attention are supported", type ? type : "no text");
        local[l] = (unsigned char)(types ? slides : is_local(l, n));
    }
    a->local = local;
}

void at_config_window(at_config *c, at_arch *a, const char *key) {
    int tokens = at_config_size_or(c, key, 0, 0, AT_MAX_POSITIONS);
    if (tokens == 1) at_config_fail(c, "'%s' is 1: a token would see itself alone", key);
    a->window = tokens > 1 ? tokens - 1 : 0;
}
