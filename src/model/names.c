#include "model/names.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define BODY(field) offsetof(at_body, field)
#define LAYER(field) offsetof(at_layer, field)
#define COUNT(rows) (int)(sizeof(rows) / sizeof *(rows))
#define LINEAR AT_WEIGHT_LINEAR
#define VECTOR AT_WEIGHT_VECTOR
#define TABLE AT_WEIGHT_TABLE
#define HIDDEN AT_DIM_HIDDEN
#define INNER AT_DIM_INTERMEDIATE
#define ONE AT_DIM_ONE

static const at_name_row bert_body[] = {
    {"embeddings.word_embeddings.weight", BODY(token), TABLE, AT_DIM_VOCAB, HIDDEN, 1},
    {"embeddings.position_embeddings.weight", BODY(position), TABLE, AT_DIM_POSITIONS, HIDDEN, 1},
    {"embeddings.token_type_embeddings.weight", BODY(type), TABLE, AT_DIM_TYPES, HIDDEN, 1},
    {"embeddings.LayerNorm.weight", BODY(embed_norm), VECTOR, HIDDEN, ONE, 0},
    {"embeddings.LayerNorm.bias", BODY(embed_norm_bias), VECTOR, HIDDEN, ONE, 0},
};
static const at_name_row bert_layer[] = {
    {"encoder.layer.%d.attention.self.query.weight", LAYER(qkv[0]), LINEAR, AT_DIM_QUERY, HIDDEN, 1},
    {"encoder.layer.%d.attention.self.key.weight", LAYER(qkv[1]), LINEAR, AT_DIM_KEY, HIDDEN, 1},
    {"encoder.layer.%d.attention.self.value.weight", LAYER(qkv[2]), LINEAR, AT_DIM_KEY, HIDDEN, 1},
    {"encoder.layer.%d.attention.self.query.bias", LAYER(qkv_bias[0]), VECTOR, AT_DIM_QUERY, ONE, 0},
    {"encoder.layer.%d.attention.self.key.bias", LAYER(qkv_bias[1]), VECTOR, AT_DIM_KEY, ONE, 0},
    {"encoder.layer.%d.attention.self.value.bias", LAYER(qkv_bias[2]), VECTOR, AT_DIM_KEY, ONE, 0},
    {"encoder.layer.%d.attention.output.dense.weight", LAYER(out), LINEAR, HIDDEN, AT_DIM_QUERY, 1},
    {"encoder.layer.%d.attention.output.dense.bias", LAYER(out_bias), VECTOR, HIDDEN, ONE, 0},
    {"encoder.layer.%d.attention.output.LayerNorm.weight", LAYER(attention_norm), VECTOR, HIDDEN, ONE, 0},
    {"encoder.layer.%d.attention.output.LayerNorm.bias", LAYER(attention_norm_bias), VECTOR, HIDDEN, ONE, 0},
    {"encoder.layer.%d.intermediate.dense.weight", LAYER(up), LINEAR, INNER, HIDDEN, 1},
    {"encoder.layer.%d.intermediate.dense.bias", LAYER(up_bias), VECTOR, INNER, ONE, 0},
    {"encoder.layer.%d.output.dense.weight", LAYER(down), LINEAR, HIDDEN, INNER, 1},
    {"encoder.layer.%d.output.dense.bias", LAYER(down_bias), VECTOR, HIDDEN, ONE, 0},
    {"encoder.layer.%d.output.LayerNorm.weight", LAYER(output_norm), VECTOR, HIDDEN, ONE, 0},
    {"encoder.layer.%d.output.LayerNorm.bias", LAYER(output_norm_bias), VECTOR, HIDDEN, ONE, 0},
};
static const char *const bert_buffers[] = {"embeddings.position_ids", "embeddings.token_type_ids", NULL};

static const at_names FAMILIES[] = {
    {.family = "bert", .prefix = "bert.", .body = bert_body, .n_body = COUNT(bert_body), .layer = bert_layer,
     .n_layer = COUNT(bert_layer), .pooler = "pooler.dense.weight", .pooler_bias = "pooler.dense.bias",
     .classifier = "classifier.weight", .classifier_bias = "classifier.bias", .buffers = bert_buffers,
     .body_class = "BertModel", .classifier_class = "BertForSequenceClassification"},
};

const at_names *at_names_find(const char *family) {
    for (int i = 0; i < COUNT(FAMILIES); i++)
        if (!strcmp(FAMILIES[i].family, family)) return &FAMILIES[i];
    return NULL;
}

int at_dimension_size(const at_arch *arch, at_dimension d) {
    switch (d) {
    case AT_DIM_ONE: return 1;
    case AT_DIM_VOCAB: return arch->vocab_size;
    case AT_DIM_POSITIONS: return arch->max_positions;
    case AT_DIM_TYPES: return arch->type_vocab;
    case AT_DIM_HIDDEN: return arch->hidden;
    case AT_DIM_QUERY: return arch->heads * arch->head_dim;
    case AT_DIM_KEY: return arch->kv_heads * arch->head_dim;
    case AT_DIM_INTERMEDIATE: return arch->intermediate;
    }
    return 0;
}

/* LayerNorm.weight -> LayerNorm.gamma, LayerNorm.bias -> LayerNorm.beta; 0 where the name has neither. */
static int old_spelling(const char *name, char *old, size_t size) {
    const char *at = strstr(name, "LayerNorm.");
    if (!at) return 0;
    size_t head = (size_t)(at - name) + strlen("LayerNorm.");
    snprintf(old, size, "%.*s%s", (int)head, name, strcmp(name + head, "weight") ? "beta" : "gamma");
    return 1;
}

static const at_stored_tensor *with_or_without(const at_names *names, const at_safetensors *file, const char *name) {
    char prefixed[AT_WEIGHT_NAME_BYTES + 32];
    snprintf(prefixed, sizeof prefixed, "%s%s", names->prefix, name);
    const at_stored_tensor *found = at_safetensors_find(file, prefixed);
    return found ? found : at_safetensors_find(file, name);
}

const at_stored_tensor *at_names_lookup(const at_names *names, const at_safetensors *file, const char *name) {
    char old[AT_WEIGHT_NAME_BYTES];
    const at_stored_tensor *found = with_or_without(names, file, name);
    return found || !old_spelling(name, old, sizeof old) ? found : with_or_without(names, file, old);
}

int at_names_is_buffer(const at_names *names, const char *stored_name) {
    size_t prefix = strlen(names->prefix);
    if (!strncmp(stored_name, names->prefix, prefix)) stored_name += prefix;
    return at_word_index(stored_name, names->buffers) >= 0;
}

static at_status declare_row(at_model *m, const at_name_row *row, int layer, at_error *err) {
    int out = at_dimension_size(&m->arch, row->out), in = at_dimension_size(&m->arch, row->in), is_layer = layer >= 0;
    char *base = is_layer ? (char *)&m->body.layer[layer] : (char *)&m->body, name[AT_WEIGHT_NAME_BYTES];
    at_weight **field = (at_weight **)(void *)(base + row->field);
    if (!out) return AT_OK; /* this model has no such part: no token types, no learned positions */
    const char *number = strstr(row->name, "%d");
    if (number) snprintf(name, sizeof name, "%.*s%d%s", (int)(number - row->name), row->name, layer, number + 2);
    else snprintf(name, sizeof name, "%s", row->name);
    return at_params_add(&m->params, &m->arena, name, row->kind, out, in, layer + 1, row->decay, field, err);
}

static at_status declare_linear(at_model *m, const char *name, const char *bias_name, int out, int in, at_weight **weight,
                                at_weight **bias, at_error *err) {
    int depth = m->arch.layers + 1;
    AT_TRY(at_params_add(&m->params, &m->arena, name, AT_WEIGHT_LINEAR, out, in, depth, 1, weight, err));
    AT_TRY(at_params_add(&m->params, &m->arena, bias_name, AT_WEIGHT_VECTOR, out, 1, depth, 0, bias, err));
    (*weight)->is_head = (*bias)->is_head = 1;
    return AT_OK;
}

at_status at_names_declare(const at_names *names, at_model *m, at_error *err) {
    const at_arch *a = &m->arch;
    AT_TRY(at_params_init(&m->params, &m->arena, names->n_body + a->layers * names->n_layer + 4, err));
    m->body.layer = AT_NEW_ARRAY(&m->arena, at_layer, a->layers);
    if (!m->body.layer) return at_fail_memory(err, (size_t)a->layers * sizeof(at_layer));
    for (int i = 0; i < names->n_body; i++) AT_TRY(declare_row(m, &names->body[i], -1, err));
    for (int l = 0; l < a->layers; l++)
        for (int i = 0; i < names->n_layer; i++) AT_TRY(declare_row(m, &names->layer[i], l, err));
    at_head *h = &m->head;
    if (h->kind == AT_HEAD_POOLER)
        AT_TRY(declare_linear(m, names->pooler, names->pooler_bias, a->hidden, a->hidden, &h->dense, &h->dense_bias, err));
    if (h->kind == AT_HEAD_NONE) return AT_OK;
    return declare_linear(m, names->classifier, names->classifier_bias, h->n_out, a->hidden, &h->classifier,
                          &h->classifier_bias, err);
}
