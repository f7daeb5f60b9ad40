/* ALBERT (Lan et al. 2020): layers that share their weights in groups, narrow embeddings widened by a linear layer. */
#include "model/family.h"

#define LAYER "encoder.albert_layer_groups.%d.albert_layers.%d."

static const at_name_row body[] = {
    AT_TABLE("embeddings.word_embeddings.weight", AT_BODY(token), VOCAB, EMBEDDING),
    AT_TABLE("embeddings.position_embeddings.weight", AT_BODY(position), POSITIONS, EMBEDDING),
    AT_TABLE("embeddings.token_type_embeddings.weight", AT_BODY(type), TYPES, EMBEDDING),
    AT_VECTOR("embeddings.LayerNorm.weight", AT_BODY(embed_norm), EMBEDDING),
    AT_VECTOR("embeddings.LayerNorm.bias", AT_BODY(embed_norm_bias), EMBEDDING),
    AT_LINEAR("encoder.embedding_hidden_mapping_in.weight", AT_BODY(project), HIDDEN, EMBEDDING),
    AT_VECTOR("encoder.embedding_hidden_mapping_in.bias", AT_BODY(project_bias), HIDDEN),
};
static const at_name_row layer[] = {
    AT_LINEAR(LAYER "attention.query.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(LAYER "attention.key.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(LAYER "attention.value.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR(LAYER "attention.query.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR(LAYER "attention.key.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR(LAYER "attention.value.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_LINEAR(LAYER "attention.dense.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(LAYER "attention.dense.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(LAYER "attention.LayerNorm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_VECTOR(LAYER "attention.LayerNorm.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_LINEAR(LAYER "ffn.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_VECTOR(LAYER "ffn.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_LINEAR(LAYER "ffn_output.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "ffn_output.bias", AT_LAYER(down_bias), HIDDEN),
    AT_VECTOR(LAYER "full_layer_layer_norm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR(LAYER "full_layer_layer_norm.bias", AT_LAYER(output_norm_bias), HIDDEN),
};
static const at_name_row head[] = {
    AT_LINEAR("albert.pooler.weight", AT_HEAD(dense), HIDDEN, HIDDEN),
    AT_VECTOR("albert.pooler.bias", AT_HEAD(dense_bias), HIDDEN),
    AT_LINEAR("classifier.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classifier.bias", AT_HEAD(classifier_bias), LABELS),
};
static const at_name_row mask[] = {
    AT_WORDS_HEAD("predictions.dense", "predictions.LayerNorm", "predictions.bias", EMBEDDING),
};
static const char *const buffers[] = {"embeddings.position_ids", "embeddings.token_type_ids", NULL};

/* What the config calls a hidden layer is a pass through a group: pass i goes through group i / (passes / groups), in floating point as transformers
 * has it, and through all of its layers. */
static void share_layers(at_config *c, at_arch *a) {
    int passes = a->layers, groups = at_config_size_or(c, "num_hidden_groups", 1, 1, passes);
    int inner = at_config_size_or(c, "inner_group_num", 1, 1, AT_MAX_LAYERS / passes);
    int *set = AT_NEW_ARRAY(c->arena, int, passes * inner);
    if (!set) {
        c->status = at_fail_memory(c->err, (size_t)passes * (size_t)inner * sizeof *set);
        return;
    }
    for (int i = 0; i < passes * inner; i++) set[i] = (int)(i / inner / ((double)passes / groups)) * inner + i % inner;
    a->layers = passes * inner;
    a->layer_sets = groups * inner;
    a->group_sets = inner;
    a->layer_set = set;
}

static void read(at_config *c, at_arch *a) {
    at_bert_read(c, a);
    a->embedding = at_config_size_or(c, "embedding_size", 128, 1, AT_MAX_HIDDEN);
    a->hidden_dropout = a->embedding_dropout = at_config_dropout(c, "hidden_dropout_prob", 0);
    a->output_dropout = 0; /* nothing is dropped after the feed-forward */
    a->attention_dropout = at_config_dropout(c, "attention_probs_dropout_prob", 0);
    a->classifier_dropout = at_config_dropout(c, "classifier_dropout_prob", 0.1);
    if (!c->status) share_layers(c, a);
}

const at_family at_family_albert = {"albert", read, "Albert", "albert.", AT_ROWS(body), AT_ROWS(layer), AT_ROWS(head), AT_ROWS(mask),
                                    .pools = 1, AT_SPAN_HEAD, .buffers = buffers};
