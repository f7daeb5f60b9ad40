/* A tiny random BERT: a model folder of config.json and weights, written by the test itself. */
#ifndef AT_TESTS_TINY_MODEL_H
#define AT_TESTS_TINY_MODEL_H

#include "check.h"

#include "base/file.h"
#include "base/random.h"
#include "io/safetensors.h"
#include "model/model.h"

enum { TINY_HIDDEN = 16, TINY_LAYERS = 2, TINY_VOCAB = 60, TINY_UP = 32, TINY_POSITIONS = 40 };

typedef struct tiny_names {
    at_arena arena;
    at_tensor_out tensors[64];
    int n;
} tiny_names;

static inline void tiny_add(tiny_names *t, const char *name, int out, int in) {
    at_tensor_out *x = &t->tensors[t->n++];
    *x = (at_tensor_out){at_strdup(&t->arena, name), AT_F32, in ? 2 : 1, {out, in}};
}

static inline void tiny_add_pair(tiny_names *t, const char *prefix, int out, int in) {
    tiny_add(t, at_format(&t->arena, "%s.weight", prefix), out, in);
    tiny_add(t, at_format(&t->arena, "%s.bias", prefix), out, 0);
}

/* Scaled up so that attention is far from uniform; norms near 1. */
static inline at_status tiny_fill(void *context, int i, void *bytes, at_error *err) {
    (void)err;
    const at_tensor_out *x = &((tiny_names *)context)->tensors[i];
    float *values = bytes;
    int64_t count = x->shape[0] * (x->n_dims > 1 ? x->shape[1] : 1);
    int norm = strstr(x->name, "LayerNorm.weight") != NULL;
    uint64_t key = at_random_key(77, AT_SITE_INIT, (uint64_t)i);
    for (int64_t k = 0; k < count; k++) values[k] = (float)((norm ? 1 : 0) + 0.25 * at_random_normal(key, (uint64_t)k));
    return AT_OK;
}

static inline void tiny_model_write(const char *folder) {
    static const char config[] =
        "{\"model_type\": \"bert\", \"architectures\": [\"BertModel\"], \"vocab_size\": 60, \"hidden_size\": 16,"
        " \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"intermediate_size\": 32, \"hidden_act\": \"gelu\","
        " \"hidden_dropout_prob\": 0.1, \"attention_probs_dropout_prob\": 0.1, \"max_position_embeddings\": 40,"
        " \"type_vocab_size\": 2, \"initializer_range\": 0.02, \"layer_norm_eps\": 1e-12, \"pad_token_id\": 0}\n";
    static const char *const square[] = {"attention.self.query", "attention.self.key", "attention.self.value",
                                         "attention.output.dense"};
    at_error err;
    tiny_names t = {0};
    tiny_add(&t, "embeddings.word_embeddings.weight", TINY_VOCAB, TINY_HIDDEN);
    tiny_add(&t, "embeddings.position_embeddings.weight", TINY_POSITIONS, TINY_HIDDEN);
    tiny_add(&t, "embeddings.token_type_embeddings.weight", 2, TINY_HIDDEN);
    tiny_add_pair(&t, "embeddings.LayerNorm", TINY_HIDDEN, 0);
    for (int l = 0; l < TINY_LAYERS; l++) {
        for (int i = 0; i < 4; i++)
            tiny_add_pair(&t, at_format(&t.arena, "encoder.layer.%d.%s", l, square[i]), TINY_HIDDEN, TINY_HIDDEN);
        tiny_add_pair(&t, at_format(&t.arena, "encoder.layer.%d.attention.output.LayerNorm", l), TINY_HIDDEN, 0);
        tiny_add_pair(&t, at_format(&t.arena, "encoder.layer.%d.intermediate.dense", l), TINY_UP, TINY_HIDDEN);
        tiny_add_pair(&t, at_format(&t.arena, "encoder.layer.%d.output.dense", l), TINY_HIDDEN, TINY_UP);
        tiny_add_pair(&t, at_format(&t.arena, "encoder.layer.%d.output.LayerNorm", l), TINY_HIDDEN, 0);
    }
    tiny_add_pair(&t, "pooler.dense", TINY_HIDDEN, TINY_HIDDEN);
    char *path = at_path_join(&t.arena, folder, "config.json");
    check_ok(at_file_write(path, config, strlen(config), &err), &err);
    path = at_path_join(&t.arena, folder, "model.safetensors");
    check_ok(at_safetensors_write(path, t.tensors, t.n, NULL, tiny_fill, &t, &err), &err);
    at_arena_free(&t.arena);
}

static inline at_model *tiny_model_open(const char *folder, at_head_kind head) {
    at_error err;
    at_model *model;
    const at_model_options options = {.head = head, .n_out = 3, .seed = 5};
    check_ok(at_model_open(folder, &options, &model, &err), &err);
    return model;
}

#endif
