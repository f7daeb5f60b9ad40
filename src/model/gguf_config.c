/* config.json from metadata. What llama.cpp decides by itself, from sizes or by which tensors are there, is decided likewise. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/gguf.h"
#include "model/names.h"

typedef struct making {
    const at_gguf *file;
    const at_gguf_arch *arch;
    json_t *config;
    at_error *err;
} making;

static void put(making *m, const char *key, json_t *value) { json_object_set_new(m->config, key, value); }

/* "llama.context_length" */
static const at_gguf_value *find(const making *m, const char *key) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", m->arch->arch, key);
    const at_gguf_value *v = at_gguf_find_value(m->file, name);
    return v && v->kind != AT_GGUF_ARRAY ? v : NULL;
}

static double number(const making *m, const char *key, double otherwise) {
    const at_gguf_value *v = find(m, key);
    return v && v->kind != AT_GGUF_STRING && isfinite(v->number) ? v->number : otherwise;
}

/* Metadata are floats: the shortest decimal that means the same float is what the model's makers wrote. */
static double decimal(double value) {
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtof(text, NULL) == (float)value) break;
    }
    return strtod(text, NULL);
}

static at_status put_keys(making *m) {
    for (const at_gguf_key *k = m->arch->keys; k->theirs; k++) {
        const at_gguf_value *there = find(m, k->theirs);
        double value = number(m, k->theirs, NAN);
        if (there && isnan(value))
            return at_fail(m->err, AT_BAD_MODEL, "%s: '%s.%s' is no number", at_gguf_path(m->file), m->arch->arch, k->theirs);
        if (!there) continue;
        if (k->whole == 2) put(m, k->ours, json_boolean(value != 0));
        else if (k->whole) put(m, k->ours, json_integer(value >= 0 && value < 1e15 ? (json_int_t)value : -1));
        else put(m, k->ours, json_real(decimal(value)));
    }
    return AT_OK;
}

/* Rows of a table, by its tensor. */
static void put_rows(making *m, const char *tensor, const char *key) {
    const at_gguf_tensor *t = at_gguf_find(m->file, tensor);
    if (t && t->n_dims == 2 && t->dims[1] < 1u << 30) put(m, key, json_integer((json_int_t)t->dims[1]));
}

static void put_token(making *m, const char *theirs, const char *ours) {
    double id = at_gguf_number(m->file, theirs, -1);
    if (id >= 0 && id < 1 << 30) put(m, ours, json_integer((json_int_t)id));
}

/* Factors of the angles' frequencies, which some files hold as a tensor. */
static at_status put_factors(making *m, const char *tensor, json_t *rope, const char *key) {
    const at_gguf_tensor *t = at_gguf_find(m->file, tensor);
    if (!t) return AT_OK;
    if (t->count > 1 << 16)
        return at_fail(m->err, AT_BAD_MODEL, "%s: tensor %s has %llu elements", at_gguf_path(m->file), tensor,
                       (unsigned long long)t->count);
    float *values = malloc((size_t)t->count * sizeof *values);
    if (!values) return at_fail_memory(m->err, (size_t)t->count * sizeof *values);
    at_status st = at_gguf_read(m->file, t, values, m->err);
    json_t *list = json_array();
    for (uint64_t i = 0; i < t->count && !st; i++) json_array_append_new(list, json_real((double)values[i]));
    free(values);
    json_object_set_new(rope, key, list);
    return st;
}

/* The scaling of rotary positions; files of LLaMA 3 have its factors as a tensor, which is what longrope's short factors are. */
static at_status put_rope(making *m) {
    const at_gguf_value *type = find(m, "rope.scaling.type");
    const char *name = type && type->kind == AT_GGUF_STRING ? type->text : "none";
    json_t *rope = json_object();
    int has_factors = at_gguf_find(m->file, "rope_freqs.weight") || at_gguf_find(m->file, "rope_factors_short.weight");
    double positions = number(m, "context_length", 1), original = number(m, "rope.scaling.original_context_length", positions);
    put(m, "rope_scaling", rope);
    if (has_factors) {
        int is_long = at_gguf_find(m->file, "rope_factors_short.weight") != NULL;
        json_object_set_new(rope, "rope_type", json_string("longrope"));
        json_object_set_new(rope, "original_max_position_embeddings", json_integer((json_int_t)(is_long ? original : positions)));
        if (!is_long) json_object_set_new(rope, "attention_factor", json_real(1));
        else if (find(m, "rope.scaling.attn_factor"))
            json_object_set_new(rope, "attention_factor", json_real(decimal(number(m, "rope.scaling.attn_factor", 1))));
        AT_TRY(put_factors(m, is_long ? "rope_factors_short.weight" : "rope_freqs.weight", rope, "short_factor"));
        return put_factors(m, is_long ? "rope_factors_long.weight" : "rope_freqs.weight", rope, "long_factor");
    }
    if (!strcmp(name, "none")) {
        json_object_del(m->config, "rope_scaling");
        return AT_OK;
    }
    json_object_set_new(rope, "rope_type", json_string(name));
    if (find(m, "rope.scaling.factor")) json_object_set_new(rope, "factor", json_real(decimal(number(m, "rope.scaling.factor", 1))));
    if (original != positions) json_object_set_new(rope, "original_max_position_embeddings", json_integer((json_int_t)original));
    return AT_OK;
}

/* Layers from which llama.cpp knows the largest Gemmas, whose scores have another scale. */
static void put_score_scale(making *m) {
    double layers = number(m, "block_count", 0), width = number(m, "embedding_length", 0), heads = number(m, "attention.head_count", 1);
    int largest = layers == (strcmp(m->arch->arch, "gemma2") ? 62 : 46);
    put(m, "query_pre_attn_scalar", json_real(largest ? width / heads : number(m, "attention.key_length", 256)));
}

static at_status put_rest(making *m) {
    int is_llama = m->arch->llama;
    put_rows(m, "token_embd.weight", "vocab_size");
    put_rows(m, "token_types.weight", "type_vocab_size");
    put_token(m, "tokenizer.ggml.bos_token_id", "bos_token_id");
    put_token(m, "tokenizer.ggml.eos_token_id", "eos_token_id");
    put_token(m, "tokenizer.ggml.padding_token_id", "pad_token_id");
    if (!json_object_get(m->config, "pad_token_id") && json_object_get(m->config, "eos_token_id"))
        put(m, "pad_token_id", json_incref(json_object_get(m->config, "eos_token_id")));
    put(m, "tie_word_embeddings", json_boolean(!at_gguf_find(m->file, "output.weight")));
    if (m->arch->plus_one) put_score_scale(m);
    double heads = number(m, "attention.head_count", 0), width = number(m, "embedding_length", 0);
    double turned = number(m, "rope.dimension_count", 0);
    double head = number(m, "attention.key_length", heads > 0 ? width / heads : 0);
    if (turned > 0 && (turned < head || !is_llama)) put(m, "partial_rotary_factor", json_real(turned / head));
    int has_bias = at_gguf_find(m->file, "blk.0.attn_output.bias") != NULL;
    if (has_bias == is_llama) put(m, "attention_bias", json_boolean(has_bias)); /* LLaMA's relatives have none unless it is said */
    if (is_llama && at_gguf_find(m->file, "blk.0.ffn_down.bias")) put(m, "mlp_bias", json_true());
    return put_rope(m);
}

/* As transformers calls what the file holds. */
static void put_class(making *m) {
    const at_family *family = at_family_find(m->arch->model_type);
    at_arena scratch = {0};
    const char *class = family ? at_names_class(family, &scratch, family->lm ? AT_HEAD_LM : AT_HEAD_NONE) : NULL;
    if (class) put(m, "architectures", json_pack("[s]", class));
    at_arena_free(&scratch);
}

static at_status make(making *m) {
    json_t *constants;
    put_class(m);
    put(m, "model_type", json_string(m->arch->model_type));
    AT_TRY(at_json_parse(m->arch->constants, strlen(m->arch->constants), "constants", AT_BUG, &constants, m->err));
    json_object_update(m->config, constants);
    json_decref(constants);
    AT_TRY(put_keys(m));
    return put_rest(m);
}

at_status at_gguf_config(const at_gguf *file, json_t **config, at_error *err) {
    const char *arch = at_gguf_text(file, "general.architecture");
    making m = {.file = file, .arch = arch ? at_gguf_arch_find(arch) : NULL, .err = err};
    *config = NULL;
    if (!m.arch) {
        at_arena scratch = {0};
        at_status st = at_fail(err, AT_BAD_MODEL, "%s: general.architecture '%.60s' is not one that is read here: %s", at_gguf_path(file),
                               arch ? arch : "", at_gguf_arch_list(&scratch));
        at_arena_free(&scratch);
        return st;
    }
    m.config = json_object();
    if (!m.config) return at_fail_memory(err, 64);
    at_status st = make(&m);
    if (st) json_decref(m.config);
    else *config = m.config;
    return st;
}

/* What put_rest and put_rope make; `whole` 1: behind "ARCH.". */
static const at_gguf_key OTHER_KEYS[] = {
    {"token_embd.weight (rows)", "vocab_size", 0}, {"token_types.weight (rows)", "type_vocab_size", 0}, {"tokenizer.ggml.padding_token_id", "pad_token_id", 0},
    {"rope.dimension_count", "partial_rotary_factor", 1}, {"rope.scaling.factor", "factor", 1}, {"rope.scaling.attn_factor", "attention_factor", 1},
    {"rope.scaling.original_context_length", "original_max_position_embeddings", 1}, {"attention.key_length", "query_pre_attn_scalar", 1}, {NULL, NULL, 0},
};

static const at_gguf_key *key_of(const at_gguf_key *keys, const char *ours, size_t len) {
    while (keys->theirs && (strlen(keys->ours) != len || strncmp(keys->ours, ours, len))) keys++;
    return keys->theirs ? keys : NULL;
}

/* Their name of a word in quotes; 0: it is none of the keys. */
static int their_name(const at_gguf_arch *arch, const char *word, size_t len, char *name, size_t size) {
    const at_gguf_key *known = key_of(arch->keys, word, len), *other = known ? NULL : key_of(OTHER_KEYS, word, len);
    if (known || (other && other->whole)) snprintf(name, size, "%s.%s", arch->arch, known ? known->theirs : other->theirs);
    else if (other) snprintf(name, size, "%s", other->theirs);
    return known || other;
}

void at_gguf_say_keys(const at_gguf *file, at_error *err) {
    const char *text_arch = at_gguf_text(file, "general.architecture");
    const at_gguf_arch *arch = text_arch ? at_gguf_arch_find(text_arch) : NULL;
    char text[sizeof err->text], name[128];
    size_t n = 0;
    if (!err || !arch) return;
    for (const char *p = err->text; *p && n + 1 < sizeof text;) {
        const char *end = *p == '\'' ? strchr(p + 1, '\'') : NULL;
        if (end && their_name(arch, p + 1, (size_t)(end - p - 1), name, sizeof name)) {
            int wrote = snprintf(text + n, sizeof text - n, "'%s'", name);
            n += (size_t)wrote < sizeof text - n ? (size_t)wrote : sizeof text - n - 1;
            p = end + 1;
        } else text[n++] = *p++;
    }
    text[n] = '\0';
    memcpy(err->text, text, n + 1);
}
