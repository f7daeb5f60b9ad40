/* GPT-2 (Radford et al. 2019): LayerNorm before each part, learned positions, weights stored transposed (Conv1D). */
#include "model/family.h"

#define LAYER "h.%d."

static const at_name_row body[] = {
    AT_TABLE("wte.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_TABLE("wpe.weight", AT_BODY(position), POSITIONS, HIDDEN),
    AT_VECTOR("ln_f.weight", AT_BODY(final_norm), HIDDEN),
    AT_VECTOR("ln_f.bias", AT_BODY(final_norm_bias), HIDDEN),
};
static const at_name_row layer[] = {
    AT_VECTOR(LAYER "ln_1.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_VECTOR(LAYER "ln_1.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_CONV1D(LAYER "attn.c_attn.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_CONV1D(LAYER "attn.c_attn.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_CONV1D(LAYER "attn.c_attn.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_VECTOR(LAYER "attn.c_attn.bias", AT_LAYER(qkv_bias[0]), QUERY),
    AT_VECTOR(LAYER "attn.c_attn.bias", AT_LAYER(qkv_bias[1]), KEY),
    AT_VECTOR(LAYER "attn.c_attn.bias", AT_LAYER(qkv_bias[2]), KEY),
    AT_CONV1D(LAYER "attn.c_proj.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(LAYER "attn.c_proj.bias", AT_LAYER(out_bias), HIDDEN),
    AT_VECTOR(LAYER "ln_2.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR(LAYER "ln_2.bias", AT_LAYER(output_norm_bias), HIDDEN),
    AT_CONV1D(LAYER "mlp.c_fc.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_VECTOR(LAYER "mlp.c_fc.bias", AT_LAYER(up_bias), INTERMEDIATE),
    AT_CONV1D(LAYER "mlp.c_proj.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "mlp.c_proj.bias", AT_LAYER(down_bias), HIDDEN),
};
static const char *const buffers[] = {".attn.bias", ".attn.masked_bias", NULL}; /* the causal mask in old files */

static void read(at_config *c, at_arch *a) {
    a->vocab_size = at_config_size(c, "vocab_size", 1, AT_MAX_VOCAB);
    a->hidden = at_config_size(c, "n_embd", 1, AT_MAX_HIDDEN);
    a->layers = at_config_size(c, "n_layer", 1, AT_MAX_LAYERS);
    a->heads = a->kv_heads = at_config_size(c, "n_head", 1, AT_MAX_HEADS);
    a->intermediate = at_config_size_or(c, "n_inner", 4 * a->hidden, 1, AT_MAX_INTERMEDIATE);
    a->max_positions = at_config_size(c, "n_positions", 1, AT_MAX_POSITIONS);
    at_config_pad(c, a, -1);
    a->learns_padding = 1;
    a->activation = at_config_activation(c, "activation_function", "gelu_new");
    a->norm_epsilon = at_config_number(c, "layer_norm_epsilon", 1e-5, 0, 1);
    a->hidden_dropout = a->output_dropout = at_config_dropout(c, "resid_pdrop", 0.1);
    a->embedding_dropout = at_config_dropout(c, "embd_pdrop", 0.1);
    a->attention_dropout = at_config_dropout(c, "attn_pdrop", 0.1);
    a->tag_dropout = at_config_tag_dropout(c);
    a->initializer_range = at_config_number(c, "initializer_range", 0.02, 0, 10);
    if (!at_config_flag(c, "scale_attn_weights", 1)) a->attention_scale = 1;
    at_config_get(c, "reorder_and_upcast_attn"); /* the precision of half-precision runs */
    a->scale_by_depth = at_config_flag(c, "scale_attn_by_inverse_layer_idx", 0);
    at_config_refuse(c, "add_cross_attention", "only decoders without an encoder are supported");
    a->block = AT_BLOCK_RESIDUAL;
    a->causal = 1;
    a->head = (at_head_form){.pooling = AT_POOL_LAST};
}

const at_family at_family_gpt2 = {"gpt2", read, "GPT2", "transformer.", AT_ROWS(body), AT_ROWS(layer), .head = at_score_head,
                                  .n_head = AT_COUNT(at_score_head), AT_LM_HEAD, AT_SPAN_HEAD, .lm_class = "GPT2LMHeadModel", .ties = 1, .buffers = buffers};
