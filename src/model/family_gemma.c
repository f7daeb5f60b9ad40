/* Gemma 2 (2024): norms before and behind each part with gains of 1 + w, scaled embeddings, capped scores, every other layer local.
 * Gemma 3 (2025), its text model: norms of each head's queries and keys instead of caps; local layers turn by a theta of their own. */
#include <math.h>

#include "model/family.h"

#define LAYER "layers.%d."

static const at_name_row layer[] = {
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
    AT_VECTOR(LAYER "post_attention_layernorm.weight", AT_LAYER(attention_after), HIDDEN),
    AT_VECTOR(LAYER "pre_feedforward_layernorm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_LINEAR(LAYER "mlp.gate_proj.weight", AT_LAYER(gate), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.up_proj.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.down_proj.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "post_feedforward_layernorm.weight", AT_LAYER(output_after), HIDDEN),
};

static int is_local(int i, int pattern) { return (i + 1) % pattern != 0; }

/* null says that there is none; a config that is silent means what the family began with. */
static double cap_of(at_config *c, const char *key, double fallback) {
    if (json_is_null(json_object_get(c->root, key))) fallback = 0;
    return at_config_number(c, key, fallback, 0, 1e6);
}

static void read_common(at_config *c, at_arch *a, int pattern, double scores_cap, double final_cap) {
    at_llama_read(c, a, 1e-6);
    at_config_pad(c, a, 0);
    a->kv_heads = at_config_size_or(c, "num_key_value_heads", 4, 1, a->heads);
    a->head_dim = at_config_size_or(c, "head_dim", 256, 1, AT_MAX_HIDDEN);
    a->activation = at_config_activation(c, "hidden_activation", "gelu_pytorch_tanh");
    a->norm = AT_NORM_RMS_ONE;
    a->qkv_bias = a->out_bias = at_config_flag(c, "attention_bias", 0);
    a->embedding_scale = sqrt((double)a->hidden);
    a->attention_scale = 1 / sqrt(at_config_number(c, "query_pre_attn_scalar", 256, 1e-3, 1e6));
    a->soft_cap = cap_of(c, "attn_logit_softcapping", scores_cap);
    a->final_cap = cap_of(c, "final_logit_softcapping", final_cap);
    at_config_refuse(c, "use_bidirectional_attention", "only causal attention is supported");
    at_config_local_layers(c, a, is_local, at_config_size_or(c, "sliding_window_pattern", pattern, 1, AT_MAX_LAYERS));
    at_config_window(c, a, "sliding_window");
}

static void read_gemma2(at_config *c, at_arch *a) {
    read_common(c, a, 2, 50, 30);
    at_config_rope(c, a, NULL, 10000, 0, &a->rope[0]);
}

static void read_gemma3(at_config *c, at_arch *a) {
    read_common(c, a, 6, 0, 0);
    a->head_norms = 1;
    at_config_rope(c, a, "full_attention", 1000000, 0, &a->rope[0]);
    at_config_rope(c, a, "sliding_attention", at_config_number(c, "rope_local_base_freq", 10000, 1e-3, 1e12), 0, &a->rope[1]);
}

#define GEMMA(type, reader, stem, ...)                                                                                              \
    {type, reader, stem, "model.", .body = at_llama_body, .n_body = AT_COUNT(at_llama_body), AT_ROWS(layer),                   \
     __VA_ARGS__, .ties = 1, .buffers = at_llama_buffers}

const at_family at_family_gemma2 = GEMMA("gemma2", read_gemma2, "Gemma2", AT_SCORE_HEADS);
const at_family at_family_gemma3_text = GEMMA("gemma3_text", read_gemma3, "Gemma3Text", .head = at_score_head,
                                               .n_head = AT_COUNT(at_score_head), AT_LM_HEAD, .lm_class = "Gemma3ForCausalLM", .no_token_class = 1);
