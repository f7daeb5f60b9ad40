/* OLMo 2 (2024): LLaMA with the norms behind each part instead of before it, and norms of all queries and all keys. */
#include "model/family.h"

#define LAYER "layers.%d."

static const at_name_row layer[] = {
    AT_LINEAR(LAYER "self_attn.q_proj.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(LAYER "self_attn.k_proj.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(LAYER "self_attn.v_proj.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR_IF(qkv_bias, LAYER "self_attn.q_proj.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR_IF(qkv_bias, LAYER "self_attn.k_proj.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR_IF(qkv_bias, LAYER "self_attn.v_proj.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_VECTOR(LAYER "self_attn.q_norm.weight", AT_LAYER(query_norm), QUERY),
    AT_VECTOR(LAYER "self_attn.k_norm.weight", AT_LAYER(key_norm), KEY),
    AT_LINEAR(LAYER "self_attn.o_proj.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR_IF(out_bias, LAYER "self_attn.o_proj.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(LAYER "post_attention_layernorm.weight", AT_LAYER(attention_after), HIDDEN),
    AT_LINEAR(LAYER "mlp.gate_proj.weight", AT_LAYER(gate), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.up_proj.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.down_proj.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "post_feedforward_layernorm.weight", AT_LAYER(output_after), HIDDEN),
};

static void read(at_config *c, at_arch *a) {
    at_llama_read(c, a, 1e-5);
    a->qkv_bias = a->out_bias = at_config_flag(c, "attention_bias", 0);
    at_config_rope(c, a, NULL, 10000, 0, &a->rope[0]);
}

const at_family at_family_olmo2 = {"olmo2", read, "Olmo2", "model.", .body = at_llama_body, .n_body = AT_COUNT(at_llama_body),
                                   AT_ROWS(layer), .head = at_score_head, .n_head = AT_COUNT(at_score_head),
                                   AT_LM_HEAD, .no_token_class = 1, .buffers = at_llama_buffers};
