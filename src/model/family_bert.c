/* BERT (Devlin et al. 2018): post-norm blocks, learned positions and token types; the classifier reads the pooler. */
#include "model/family.h"

#define SELF "encoder.layer.%d.attention.self."
#define OUTPUT "encoder.layer.%d.output."
#define ATTENTION_OUTPUT "encoder.layer.%d.attention.output."

const at_name_row at_bert_body[5] = {
    AT_TABLE("embeddings.word_embeddings.weight", AT_BODY(token), VOCAB, EMBEDDING),
    AT_TABLE("embeddings.position_embeddings.weight", AT_BODY(position), POSITIONS, EMBEDDING),
    AT_TABLE("embeddings.token_type_embeddings.weight", AT_BODY(type), TYPES, EMBEDDING),
    AT_VECTOR("embeddings.LayerNorm.weight", AT_BODY(embed_norm), EMBEDDING),
    AT_VECTOR("embeddings.LayerNorm.bias", AT_BODY(embed_norm_bias), EMBEDDING),
};
const at_name_row at_bert_layer[16] = {
    AT_LINEAR(SELF "query.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(SELF "key.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(SELF "value.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR(SELF "query.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR(SELF "key.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR(SELF "value.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_LINEAR(ATTENTION_OUTPUT "dense.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(ATTENTION_OUTPUT "dense.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(ATTENTION_OUTPUT "LayerNorm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_VECTOR(ATTENTION_OUTPUT "LayerNorm.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_LINEAR("encoder.layer.%d.intermediate.dense.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_VECTOR("encoder.layer.%d.intermediate.dense.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_LINEAR(OUTPUT "dense.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(OUTPUT "dense.bias", AT_LAYER(down_bias), HIDDEN),
    AT_VECTOR(OUTPUT "LayerNorm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR(OUTPUT "LayerNorm.bias", AT_LAYER(output_norm_bias), HIDDEN),
};
static const at_name_row head[] = {
    AT_LINEAR("bert.pooler.dense.weight", AT_HEAD(dense), HIDDEN, HIDDEN),
    AT_VECTOR("bert.pooler.dense.bias", AT_HEAD(dense_bias), HIDDEN),
    AT_LINEAR("classifier.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classifier.bias", AT_HEAD(classifier_bias), LABELS),
};
static const at_name_row mask[] = {
    AT_WORDS_HEAD("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias", HIDDEN),
};
static const char *const buffers[] = {"embeddings.position_ids", "embeddings.token_type_ids", NULL};

void at_bert_read(at_config *c, at_arch *a) {
    at_config_sizes(c, a);
    at_config_pad(c, a, 0);
    a->max_positions = at_config_size(c, "max_position_embeddings", 1, AT_MAX_POSITIONS);
    a->type_vocab = at_config_size(c, "type_vocab_size", 1, AT_MAX_TYPES);
    a->activation = at_config_activation(c, "hidden_act", NULL);
    a->norm_epsilon = at_config_number(c, "layer_norm_eps", 1e-12, 0, 1);
    a->hidden_dropout = a->output_dropout = a->embedding_dropout = at_config_dropout(c, "hidden_dropout_prob", 0.1);
    a->attention_dropout = at_config_dropout(c, "attention_probs_dropout_prob", 0.1);
    a->classifier_dropout = at_config_dropout(c, "classifier_dropout", a->hidden_dropout);
    a->causal = at_config_flag(c, "is_decoder", 0);
    at_config_only(c, "position_embedding_type", "absolute");
    at_config_refuse(c, "add_cross_attention", "only encoders are supported");
    a->head = (at_head_form){.pooling = AT_POOL_CLS, .activation = AT_ACT_TANH};
}

const at_family at_family_bert = {"bert", at_bert_read, "Bert", "bert.", .body = at_bert_body, .n_body = AT_COUNT(at_bert_body),
                                  .layer = at_bert_layer, .n_layer = AT_COUNT(at_bert_layer), AT_ROWS(head), AT_ROWS(mask), .pools = 1,
                                  AT_SPAN_HEAD, .buffers = buffers};
