/* Phi-3 (Abdin et al. 2024): LLaMA with fused projections, a window, and rotary positions of a part of each head. */
#include "model/family.h"

#define LAYER "layers.%d."

static const at_name_row layer[] = {
    AT_VECTOR(LAYER "input_layernorm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_LINEAR(LAYER "self_attn.qkv_proj.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(LAYER "self_attn.qkv_proj.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(LAYER "self_attn.qkv_proj.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_LINEAR(LAYER "self_attn.o_proj.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(LAYER "post_attention_layernorm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_LINEAR(LAYER "mlp.gate_up_proj.weight", AT_LAYER(gate), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.gate_up_proj.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.down_proj.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
};

static void read(at_config *c, at_arch *a) {
    at_llama_read(c, a, 1e-5);
    at_config_pad(c, a, 32000);
    a->hidden_dropout = a->output_dropout = at_config_dropout(c, "resid_pdrop", 0);
    at_config_get(c, "embd_pdrop"); /* in the config, and used nowhere */
    at_config_window(c, a, "sliding_window");
    at_config_rope(c, a, NULL, 10000, 1, &a->rope[0]);
}

const at_family at_family_phi3 = {"phi3", read, "Phi3", "model.", .body = at_llama_body, .n_body = AT_COUNT(at_llama_body), AT_ROWS(layer),
                                  AT_SCORE_HEADS, .buffers = at_llama_buffers};
