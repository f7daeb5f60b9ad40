/* ModernBERT (Warner et al. 2024): norms before each part, rotary positions, gated feed-forward, most layers local, no biases. */
#include <string.h>

#include "model/family.h"

#define LAYER "layers.%d."

static const at_name_row body[] = {
    AT_TABLE("embeddings.tok_embeddings.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_VECTOR("embeddings.norm.weight", AT_BODY(embed_norm), HIDDEN),
    AT_VECTOR_IF(norm_bias, "embeddings.norm.bias", AT_BODY(embed_norm_bias), HIDDEN),
    AT_VECTOR("final_norm.weight", AT_BODY(final_norm), HIDDEN),
    AT_VECTOR_IF(norm_bias, "final_norm.bias", AT_BODY(final_norm_bias), HIDDEN),
};
static const at_name_row layer[] = {
    AT_VECTOR_BUT_FIRST(LAYER "attn_norm.weight", AT_LAYER(attention_norm), HIDDEN), /* the embeddings' norm stands for the first */
    AT_VECTOR_BUT_FIRST_IF(norm_bias, LAYER "attn_norm.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_LINEAR(LAYER "attn.Wqkv.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(LAYER "attn.Wqkv.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(LAYER "attn.Wqkv.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR_IF(qkv_bias, LAYER "attn.Wqkv.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR_IF(qkv_bias, LAYER "attn.Wqkv.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR_IF(qkv_bias, LAYER "attn.Wqkv.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_LINEAR(LAYER "attn.Wo.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR_IF(out_bias, LAYER "attn.Wo.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(LAYER "mlp_norm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR_IF(norm_bias, LAYER "mlp_norm.bias", AT_LAYER(output_norm_bias), HIDDEN),
    AT_LINEAR(LAYER "mlp.Wi.weight", AT_LAYER(gate), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.Wi.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_VECTOR_IF(mlp_bias, LAYER "mlp.Wi.bias", AT_LAYER(gate_bias), INTERMEDIATE),
    AT_VECTOR_IF(mlp_bias, LAYER "mlp.Wi.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_LINEAR(LAYER "mlp.Wo.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR_IF(mlp_bias, LAYER "mlp.Wo.bias", AT_LAYER(down_bias), HIDDEN),
};
#define HEAD                                                               \
    AT_LINEAR("head.dense.weight", AT_HEAD(dense), HIDDEN, HIDDEN),        \
    AT_VECTOR_IF(head_bias, "head.dense.bias", AT_HEAD(dense_bias), HIDDEN), \
    AT_VECTOR("head.norm.weight", AT_HEAD(norm), HIDDEN),                  \
    AT_VECTOR_IF(norm_bias, "head.norm.bias", AT_HEAD(norm_bias), HIDDEN)
static const at_name_row head[] = {
    HEAD,
    AT_LINEAR("classifier.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classifier.bias", AT_HEAD(classifier_bias), LABELS),
};
static const at_name_row mask[] = {
    HEAD,
    AT_VECTOR_IF(words_bias, "decoder.bias", AT_HEAD(classifier_bias), VOCAB),
};

static int is_local(int i, int every) { return i % every != 0; }

static void read_positions(at_config *c, at_arch *a) {
    a->position = AT_POSITION_ROTARY;
    a->head_dim = a->heads ? a->hidden / a->heads : 0;
    at_config_rope(c, a, "full_attention", at_config_number(c, "global_rope_theta", 160000, 1e-3, 1e12), 0, &a->rope[0]);
    at_config_rope(c, a, "sliding_attention", at_config_number(c, "local_rope_theta", 10000, 1e-3, 1e12), 0, &a->rope[1]);
    at_config_local_layers(c, a, is_local, at_config_size_or(c, "global_attn_every_n_layers", 3, 1, AT_MAX_LAYERS));
    a->window = at_config_size_or(c, "local_attention", 128, 2, AT_MAX_POSITIONS) / 2; /* to either side */
}

static void read(at_config *c, at_arch *a) {
    at_config_sizes(c, a);
    at_config_pad(c, a, 50283 < a->vocab_size ? 50283 : -1);
    a->max_positions = at_config_size(c, "max_position_embeddings", 1, AT_MAX_POSITIONS);
    a->activation = at_config_activation(c, "hidden_activation", "gelu");
    a->norm_epsilon = at_config_number(c, "norm_eps", 1e-5, 0, 1);
    a->norm_bias = at_config_flag(c, "norm_bias", 0);
    a->qkv_bias = a->out_bias = at_config_flag(c, "attention_bias", 0);
    a->mlp_bias = at_config_flag(c, "mlp_bias", 0);
    a->head_bias = at_config_flag(c, "classifier_bias", 0);
    a->words_bias = at_config_flag(c, "decoder_bias", 1);
    a->embedding_dropout = at_config_dropout(c, "embedding_dropout", 0);
    a->attention_dropout = a->hidden_dropout = at_config_dropout(c, "attention_dropout", 0);
    a->inner_dropout = at_config_dropout(c, "mlp_dropout", 0);
    a->classifier_dropout = a->answer_dropout = at_config_dropout(c, "classifier_dropout", 0);
    a->block = AT_BLOCK_RESIDUAL;
    a->gated = 1;
    read_positions(c, a);
    const char *pooling = at_config_text(c, "classifier_pooling", "cls");
    if (strcmp(pooling, "mean") && strcmp(pooling, "cls")) at_config_fail(c, "'classifier_pooling' is '%.40s', not cls or mean", pooling);
    a->head = (at_head_form){.pooling = strcmp(pooling, "mean") ? AT_POOL_CLS : AT_POOL_MEAN,
                             .activation = at_config_activation(c, "classifier_activation", "gelu")};
    a->words_activation = a->head.activation;
    static const char *const others[] = {"deterministic_flash_attn", "sparse_prediction", "repad_logits_with_grad",
                                         "reference_compile"}; /* of other heads and other processors */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) at_config_get(c, others[i]);
}

const at_family at_family_modernbert = {"modernbert", read, "ModernBert", "model.", AT_ROWS(body), AT_ROWS(layer), AT_ROWS(head),
                                         AT_ROWS(mask), .token = head, .n_token = AT_COUNT(head), .span = head, .n_span = AT_COUNT(head)};
