/* DeBERTa v2 and v3 (He et al. 2021, 2023): BERT's blocks whose scores have terms of content and position, apart from each other; in some, what
 * the first block gives is mended by a convolution of what it read. */
#include <math.h>
#include <string.h>

#include "model/family.h"

#define LAYER "encoder.layer.%d."
#define SELF LAYER "attention.self."

enum { MOST_NEIGHBOURS = 255 };

static const at_name_row body[] = {
    AT_TABLE("embeddings.word_embeddings.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_TABLE("embeddings.position_embeddings.weight", AT_BODY(position), POSITIONS, HIDDEN),
    AT_TABLE("embeddings.token_type_embeddings.weight", AT_BODY(type), TYPES, HIDDEN),
    AT_VECTOR("embeddings.LayerNorm.weight", AT_BODY(embed_norm), HIDDEN),
    AT_VECTOR("embeddings.LayerNorm.bias", AT_BODY(embed_norm_bias), HIDDEN),
    AT_MATRIX("encoder.rel_embeddings.weight", AT_BODY(relative), BUCKETS, HIDDEN),
    AT_VECTOR_IF(relative_norm, "encoder.LayerNorm.weight", AT_BODY(relative_norm), HIDDEN),
    AT_VECTOR_IF(relative_norm, "encoder.LayerNorm.bias", AT_BODY(relative_norm_bias), HIDDEN),
    AT_CONV("encoder.conv.conv.weight", AT_BODY(conv), HIDDEN, NEIGHBOURS),
    AT_VECTOR_IF(conv_width, "encoder.conv.conv.bias", AT_BODY(conv_bias), HIDDEN),
    AT_VECTOR_IF(conv_width, "encoder.conv.LayerNorm.weight", AT_BODY(conv_norm), HIDDEN),
    AT_VECTOR_IF(conv_width, "encoder.conv.LayerNorm.bias", AT_BODY(conv_norm_bias), HIDDEN),
};
static const at_name_row layer[] = {
    AT_LINEAR(SELF "query_proj.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(SELF "key_proj.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(SELF "value_proj.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR(SELF "query_proj.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR(SELF "key_proj.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR(SELF "value_proj.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_LINEAR_IF(own_position_keys, SELF "pos_key_proj.weight", AT_LAYER(position_key), KEY, HIDDEN),
    AT_VECTOR_IF(own_position_keys, SELF "pos_key_proj.bias", AT_LAYER(position_key_bias), KEY),
    AT_LINEAR_IF(own_position_queries, SELF "pos_query_proj.weight", AT_LAYER(position_query), QUERY, HIDDEN),
    AT_VECTOR_IF(own_position_queries, SELF "pos_query_proj.bias", AT_LAYER(position_query_bias), QUERY),
    AT_LINEAR(LAYER "attention.output.dense.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(LAYER "attention.output.dense.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(LAYER "attention.output.LayerNorm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_VECTOR(LAYER "attention.output.LayerNorm.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_LINEAR(LAYER "intermediate.dense.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_VECTOR(LAYER "intermediate.dense.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_LINEAR(LAYER "output.dense.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "output.dense.bias", AT_LAYER(down_bias), HIDDEN),
    AT_VECTOR(LAYER "output.LayerNorm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR(LAYER "output.LayerNorm.bias", AT_LAYER(output_norm_bias), HIDDEN),
};
static const at_name_row head[] = {
    AT_LINEAR("pooler.dense.weight", AT_HEAD(dense), HIDDEN, HIDDEN),
    AT_VECTOR("pooler.dense.bias", AT_HEAD(dense_bias), HIDDEN),
    AT_LINEAR("classifier.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classifier.bias", AT_HEAD(classifier_bias), LABELS),
};
/* Two classes of transformers, told apart by "legacy": BERT's names, and those of the files from the authors. */
#define OLD "cls.predictions."
#define NEW "lm_predictions.lm_head."
static const at_name_row mask[] = {
    AT_WORDS_HEAD_IF(old_words_names, OLD "transform.dense", OLD "transform.LayerNorm", OLD "bias", HIDDEN),
    AT_WORDS_HEAD_IF(new_words_names, NEW "dense", NEW "LayerNorm", NEW "bias", HIDDEN),
};
static const char *const buffers[] = {"embeddings.position_ids", NULL};

/* pos_att_type: "p2c|c2p" or a list of these words. */
static int attends(at_config *c, const char *word) {
    const json_t *types = at_config_get(c, "pos_att_type");
    if (json_is_string(types)) return strstr(json_string_value(types), word) != NULL;
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (type && !strcmp(type, word)) return 1;
    }
    return 0;
}

static void read_relative(at_config *c, at_arch *a) {
    int most = at_config_size_or(c, "max_relative_positions", -1, -1, AT_MAX_POSITIONS);
    int buckets = at_config_size_or(c, "position_buckets", -1, -1, AT_MAX_POSITIONS);
    const char *norm = at_config_text(c, "norm_rel_ebd", "none");
    if (!at_config_flag(c, "relative_attention", 0)) {
        at_config_fail(c, "'relative_attention' is not true; DeBERTa without it is not supported");
        return;
    }
    a->relative_distance = most < 1 ? a->max_positions : most;
    a->position_buckets = buckets > 0 ? buckets : 0;
    if (buckets == 1 || a->relative_distance - 1 <= buckets / 2)
        at_config_fail(c, "'position_buckets' %d do not suit %d positions", buckets, most);
    a->relative_buckets = 2 * (buckets > 0 ? buckets : a->relative_distance);
    a->relative_norm = strstr(norm, "layer_norm") != NULL;
    a->position_keys = attends(c, "c2p");
    a->position_queries = attends(c, "p2c");
    if (!a->position_keys && !a->position_queries) at_config_fail(c, "'pos_att_type' has neither c2p nor p2c");
    int shares = at_config_flag(c, "share_att_key", 0);
    a->own_position_keys = a->position_keys && !shares;
    a->own_position_queries = a->position_queries && !shares;
}

/* Of the xlarge models of v2. */
static void read_convolution(at_config *c, at_arch *a) {
    a->conv_width = at_config_size_or(c, "conv_kernel_size", 0, 0, MOST_NEIGHBOURS);
    a->conv_activation = at_config_activation(c, "conv_act", "tanh");
    int groups = at_config_size_or(c, "conv_groups", 1, 1, AT_MAX_HIDDEN);
    if (!a->conv_width) return;
    if (a->conv_width % 2 == 0) at_config_fail(c, "'conv_kernel_size' %d is even: no token would stand in the middle", a->conv_width);
    if (groups > 1) at_config_fail(c, "'conv_groups' is %d; a convolution of one group is supported", groups);
}

static void read(at_config *c, at_arch *a) {
    at_config_sizes(c, a);
    at_config_pad(c, a, 0);
    a->max_positions = at_config_size(c, "max_position_embeddings", 1, AT_MAX_POSITIONS);
    a->type_vocab = at_config_size_or(c, "type_vocab_size", 0, 0, AT_MAX_TYPES);
    a->activation = at_config_activation(c, "hidden_act", "gelu");
    a->norm_epsilon = at_config_number(c, "layer_norm_eps", 1e-7, 0, 1);
    a->hidden_dropout = a->output_dropout = a->embedding_dropout = at_config_dropout(c, "hidden_dropout_prob", 0.1);
    a->attention_dropout = at_config_dropout(c, "attention_probs_dropout_prob", 0.1);
    a->classifier_dropout = at_config_dropout(c, "cls_dropout", a->hidden_dropout);
    a->tag_dropout = a->hidden_dropout;
    a->position = at_config_flag(c, "position_biased_input", 1) ? AT_POSITION_LEARNED : AT_POSITION_NONE;
    at_config_size_or(c, "embedding_size", a->hidden, a->hidden, a->hidden);
    at_config_size_or(c, "pooler_hidden_size", a->hidden, a->hidden, a->hidden);
    read_convolution(c, a);
    at_config_number(c, "pooler_dropout", 0, 0, 0);
    a->old_words_names = at_config_flag(c, "legacy", 1);
    a->new_words_names = !a->old_words_names;
    read_relative(c, a);
    if (!c->status) a->attention_scale = 1 / sqrt((double)(a->hidden / a->heads) * (1 + a->position_keys + a->position_queries));
    a->head = (at_head_form){.pooling = AT_POOL_CLS, .activation = at_config_activation(c, "pooler_hidden_act", "gelu")};
}

const at_family at_family_deberta_v2 = {"deberta-v2", read, "DebertaV2", "deberta.", AT_ROWS(body), AT_ROWS(layer), AT_ROWS(head),
                                        AT_ROWS(mask), AT_SPAN_HEAD, .buffers = buffers};
