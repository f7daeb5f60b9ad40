/* GPT-NeoX (Black et al. 2022), Pythia: attention and feed-forward side by side, projections fused head by head, a quarter of each
 * head turned. */
#include "model/family.h"

#define LAYER "layers.%d."

static const at_name_row body[] = {
    AT_TABLE("embed_in.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_VECTOR("final_layer_norm.weight", AT_BODY(final_norm), HIDDEN),
    AT_VECTOR("final_layer_norm.bias", AT_BODY(final_norm_bias), HIDDEN),
};
static const at_name_row layer[] = {
    AT_VECTOR(LAYER "input_layernorm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_VECTOR(LAYER "input_layernorm.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_VECTOR(LAYER "post_attention_layernorm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR(LAYER "post_attention_layernorm.bias", AT_LAYER(output_norm_bias), HIDDEN),
    AT_BY_HEADS(LAYER "attention.query_key_value.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_BY_HEADS(LAYER "attention.query_key_value.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_BY_HEADS(LAYER "attention.query_key_value.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR_BY_HEADS_IF(qkv_bias, LAYER "attention.query_key_value.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR_BY_HEADS_IF(qkv_bias, LAYER "attention.query_key_value.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR_BY_HEADS_IF(qkv_bias, LAYER "attention.query_key_value.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_LINEAR(LAYER "attention.dense.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR_IF(out_bias, LAYER "attention.dense.bias", AT_LAYER(out_bias), HIDDEN),
    AT_LINEAR(LAYER "mlp.dense_h_to_4h.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_VECTOR(LAYER "mlp.dense_h_to_4h.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_LINEAR(LAYER "mlp.dense_4h_to_h.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "mlp.dense_4h_to_h.bias", AT_LAYER(down_bias), HIDDEN),
};
static const at_name_row lm[] = {AT_LINEAR("embed_out.weight", AT_HEAD(classifier), LABELS, HIDDEN)};
static const char *const buffers[] = {".attention.bias", ".attention.masked_bias", "rotary_emb.inv_freq", NULL};

static void read(at_config *c, at_arch *a) {
    at_config_sizes(c, a);
    a->learns_padding = 1;
    a->head_dim = a->heads ? a->hidden / a->heads : 0;
    a->max_positions = at_config_size(c, "max_position_embeddings", 1, AT_MAX_POSITIONS);
    a->activation = at_config_activation(c, "hidden_act", "gelu");
    a->norm_epsilon = at_config_number(c, "layer_norm_eps", 1e-5, 0, 1);
    a->hidden_dropout = a->output_dropout = a->embedding_dropout = at_config_dropout(c, "hidden_dropout", 0);
    a->attention_dropout = at_config_dropout(c, "attention_dropout", 0);
    a->tag_dropout = at_config_dropout(c, "classifier_dropout", 0.1); /* the classifier has none */
    at_config_get(c, "is_decoder");
    a->qkv_bias = a->out_bias = at_config_flag(c, "attention_bias", 1);
    a->block = at_config_flag(c, "use_parallel_residual", 1) ? AT_BLOCK_PARALLEL : AT_BLOCK_RESIDUAL;
    a->position = AT_POSITION_ROTARY;
    at_config_rope(c, a, NULL, at_config_number(c, "rotary_emb_base", 10000, 1e-3, 1e12), 0.25, &a->rope[0]);
    a->causal = 1;
    a->head = (at_head_form){.pooling = AT_POOL_LAST};
}

const at_family at_family_gpt_neox = {"gpt_neox", read, "GPTNeoX", "gpt_neox.", AT_ROWS(body), AT_ROWS(layer), .head = at_score_head,
                                      .n_head = AT_COUNT(at_score_head), AT_ROWS(lm), AT_SPAN_HEAD, .buffers = buffers};
