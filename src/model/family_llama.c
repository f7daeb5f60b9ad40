/* LLaMA (Touvron et al. 2023; Grattafiori et al. 2024): RMSNorm before each part, rotary positions, gated feed-forward, groups of heads.
 * SmolLM2, TinyLlama and others are llamas too. Mistral, Qwen2 and Qwen3 have the same weights but for biases and norms of heads. */
#include "model/family.h"

#define LAYER "layers.%d."

const at_name_row at_llama_body[2] = {
    AT_TABLE("embed_tokens.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_VECTOR("norm.weight", AT_BODY(final_norm), HIDDEN),
};
const at_name_row at_llama_layer[18] = {
    AT_VECTOR(LAYER "input_layernorm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_LINEAR(LAYER "self_attn.q_proj.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(LAYER "self_attn.k_proj.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(LAYER "self_attn.v_proj.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR_IF(qkv_bias, LAYER "self_attn.q_proj.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR_IF(qkv_bias, LAYER "self_attn.k_proj.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR_IF(qkv_bias, LAYER "self_attn.v_proj.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_VECTOR_IF(head_norms, LAYER "self_attn.q_norm.weight", AT_LAYER(query_norm), HEAD),
    AT_VECTOR_IF(head_norms, LAYER "self_attn.k_norm.weight", AT_LAYER(key_norm), HEAD),
    AT_LINEAR(LAYER "self_attn.o_proj.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR_IF(out_bias, LAYER "self_attn.o_proj.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(LAYER "post_attention_layernorm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_LINEAR(LAYER "mlp.gate_proj.weight", AT_LAYER(gate), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.up_proj.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.down_proj.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR_IF(mlp_bias, LAYER "mlp.gate_proj.bias", AT_LAYER(gate_bias), INTERMEDIATE),
    AT_VECTOR_IF(mlp_bias, LAYER "mlp.up_proj.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_VECTOR_IF(mlp_bias, LAYER "mlp.down_proj.bias", AT_LAYER(down_bias), HIDDEN),
};
const at_name_row at_score_head[1] = {AT_LINEAR("score.weight", AT_HEAD(classifier), LABELS, HIDDEN)};
const at_name_row at_score_token[2] = {
    AT_LINEAR("score.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("score.bias", AT_HEAD(classifier_bias), LABELS),
};
const at_name_row at_lm_head[1] = {AT_LINEAR("lm_head.weight", AT_HEAD(classifier), VOCAB, HIDDEN)};
const char *const at_llama_buffers[2] = {"rotary_emb.inv_freq", NULL};

void at_llama_read(at_config *c, at_arch *a, double norm_epsilon) {
    at_config_sizes(c, a);
    a->kv_heads = at_config_size_or(c, "num_key_value_heads", a->heads, 1, a->heads);
    a->head_dim = at_config_size_or(c, "head_dim", a->hidden / a->heads, 1, AT_MAX_HIDDEN);
    a->max_positions = at_config_size(c, "max_position_embeddings", 1, AT_MAX_POSITIONS);
    a->activation = at_config_activation(c, "hidden_act", "silu");
    a->norm_epsilon = at_config_number(c, "rms_norm_eps", norm_epsilon, 0, 1);
    a->attention_dropout = at_config_dropout(c, "attention_dropout", 0);
    a->tag_dropout = at_config_tag_dropout(c);
    a->norm = AT_NORM_RMS;
    a->block = AT_BLOCK_RESIDUAL;
    a->position = AT_POSITION_ROTARY;
    a->gated = a->causal = 1;
    a->head = (at_head_form){.pooling = AT_POOL_LAST};
}

static void read(at_config *c, at_arch *a) {
    at_llama_read(c, a, 1e-6);
    a->qkv_bias = a->out_bias = at_config_flag(c, "attention_bias", 0);
    a->mlp_bias = at_config_flag(c, "mlp_bias", 0);
    at_config_rope(c, a, NULL, 10000, 0, &a->rope[0]);
    at_config_get(c, "is_llama_config"); /* nanotron's mark of what this is (SmolLM, SmolLM2); its rope_interleaved, where true, is another model */
}

const at_family at_family_llama = {"llama", read, "Llama", "model.", AT_LLAMA_ROWS, AT_SPAN_HEAD, AT_SPAN_PREFIX, .buffers = at_llama_buffers};
