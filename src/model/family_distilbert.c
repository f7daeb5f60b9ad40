/* DistilBERT (Sanh et al. 2019): BERT's blocks without token types and without dropout after the attention. */
#include "model/family.h"

#define LAYER "transformer.layer.%d."

static const at_name_row body[] = {
    AT_TABLE("embeddings.word_embeddings.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_TABLE("embeddings.position_embeddings.weight", AT_BODY(position), POSITIONS, HIDDEN),
    AT_VECTOR("embeddings.LayerNorm.weight", AT_BODY(embed_norm), HIDDEN),
    AT_VECTOR("embeddings.LayerNorm.bias", AT_BODY(embed_norm_bias), HIDDEN),
};
static const at_name_row layer[] = {
    AT_LINEAR(LAYER "attention.q_lin.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(LAYER "attention.k_lin.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(LAYER "attention.v_lin.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR(LAYER "attention.q_lin.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR(LAYER "attention.k_lin.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR(LAYER "attention.v_lin.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_LINEAR(LAYER "attention.out_lin.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(LAYER "attention.out_lin.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(LAYER "sa_layer_norm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_VECTOR(LAYER "sa_layer_norm.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_LINEAR(LAYER "ffn.lin1.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_VECTOR(LAYER "ffn.lin1.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_LINEAR(LAYER "ffn.lin2.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "ffn.lin2.bias", AT_LAYER(down_bias), HIDDEN),
    AT_VECTOR(LAYER "output_layer_norm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR(LAYER "output_layer_norm.bias", AT_LAYER(output_norm_bias), HIDDEN),
};
static const at_name_row head[] = {
    AT_LINEAR("pre_classifier.weight", AT_HEAD(dense), HIDDEN, HIDDEN),
    AT_VECTOR("pre_classifier.bias", AT_HEAD(dense_bias), HIDDEN),
    AT_LINEAR("classifier.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classifier.bias", AT_HEAD(classifier_bias), LABELS),
};
static const at_name_row mask[] = {
    AT_WORDS_HEAD("vocab_transform", "vocab_layer_norm", "vocab_projector.bias", HIDDEN),
};
static const char *const buffers[] = {"embeddings.position_ids", NULL};

static void read(at_config *c, at_arch *a) {
    a->vocab_size = at_config_size(c, "vocab_size", 1, AT_MAX_VOCAB);
    a->hidden = at_config_size(c, "dim", 1, AT_MAX_HIDDEN);
    a->layers = at_config_size(c, "n_layers", 1, AT_MAX_LAYERS);
    a->heads = a->kv_heads = at_config_size(c, "n_heads", 1, AT_MAX_HEADS);
    a->intermediate = at_config_size(c, "hidden_dim", 1, AT_MAX_INTERMEDIATE);
    a->max_positions = at_config_size(c, "max_position_embeddings", 1, AT_MAX_POSITIONS);
    at_config_pad(c, a, 0);
    a->activation = at_config_activation(c, "activation", "gelu");
    a->norm_epsilon = 1e-12;
    a->output_dropout = a->embedding_dropout = at_config_dropout(c, "dropout", 0.1);
    a->attention_dropout = at_config_dropout(c, "attention_dropout", 0.1);
    a->classifier_dropout = at_config_dropout(c, "seq_classif_dropout", 0.2);
    a->tag_dropout = a->output_dropout;
    a->answer_dropout = at_config_dropout(c, "qa_dropout", 0.1);
    a->initializer_range = at_config_number(c, "initializer_range", 0.02, 0, 10);
    at_config_get(c, "sinusoidal_pos_embds"); /* how the table began; it is read from the file like any other */
    a->head = (at_head_form){.pooling = AT_POOL_CLS, .activation = AT_ACT_RELU};
}

const at_family at_family_distilbert = {"distilbert", read, "DistilBert", "distilbert.", AT_ROWS(body), AT_ROWS(layer), AT_ROWS(head), AT_ROWS(mask),
                                        AT_SPAN_HEAD, .buffers = buffers};
