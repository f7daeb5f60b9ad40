/* MPNet (Song et al. 2020): BERT's blocks without token types; scores get a bias by distance that all layers share. */
#include "model/family.h"

#define LAYER "encoder.layer.%d."

static const at_name_row body[] = {
    AT_TABLE("embeddings.word_embeddings.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_TABLE("embeddings.position_embeddings.weight", AT_BODY(position), POSITIONS, HIDDEN),
    AT_VECTOR("embeddings.LayerNorm.weight", AT_BODY(embed_norm), HIDDEN),
    AT_VECTOR("embeddings.LayerNorm.bias", AT_BODY(embed_norm_bias), HIDDEN),
    AT_MATRIX("encoder.relative_attention_bias.weight", AT_BODY(relative), BUCKETS, HEADS),
};
static const at_name_row layer[] = {
    AT_LINEAR(LAYER "attention.attn.q.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(LAYER "attention.attn.k.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(LAYER "attention.attn.v.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR(LAYER "attention.attn.q.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR(LAYER "attention.attn.k.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR(LAYER "attention.attn.v.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_LINEAR(LAYER "attention.attn.o.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(LAYER "attention.attn.o.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(LAYER "attention.LayerNorm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_VECTOR(LAYER "attention.LayerNorm.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_LINEAR(LAYER "intermediate.dense.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_VECTOR(LAYER "intermediate.dense.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_LINEAR(LAYER "output.dense.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "output.dense.bias", AT_LAYER(down_bias), HIDDEN),
    AT_VECTOR(LAYER "output.LayerNorm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR(LAYER "output.LayerNorm.bias", AT_LAYER(output_norm_bias), HIDDEN),
};
static const char *const buffers[] = {"embeddings.position_ids", NULL};

static void read(at_config *c, at_arch *a) {
    at_config_sizes(c, a);
    at_config_positions_behind_padding(c, a, 1); /* whatever pad_token_id says: the model's code has it fixed */
    at_config_get(c, "pad_token_id");
    a->activation = at_config_activation(c, "hidden_act", "gelu");
    a->norm_epsilon = at_config_number(c, "layer_norm_eps", 1e-12, 0, 1);
    a->hidden_dropout = a->output_dropout = a->embedding_dropout = at_config_dropout(c, "hidden_dropout_prob", 0.1);
    a->attention_dropout = at_config_dropout(c, "attention_probs_dropout_prob", 0.1);
    a->classifier_dropout = a->hidden_dropout;
    a->relative_buckets = at_config_size_or(c, "relative_attention_num_buckets", 32, 32, 32); /* transformers counts in 32 */
    a->relative_distance = 128;
    a->head = (at_head_form){.pooling = AT_POOL_CLS, .drop_first = 1, .activation = AT_ACT_TANH};
    a->words_activation = AT_ACT_GELU; /* whatever the blocks have */
}

const at_family at_family_mpnet = {"mpnet", read, "MPNet", "mpnet.", AT_ROWS(body), AT_ROWS(layer), .head = at_roberta_head,
                                   .n_head = AT_COUNT(at_roberta_head), AT_ROBERTA_MASK, .pools = 1, AT_SPAN_HEAD, .buffers = buffers};
