/* BART (Lewis et al. 2020): BERT's blocks as an encoder and, with attention to its rows, a decoder; learned positions from the third row of their
 * tables, a norm of the embeddings, and a classifier that is the table of words, with a bias that no training changes. A classifier of texts reads the
 * decoder where the text that it reads again ends. */
#include <math.h>

#include "model/family.h"

#define ENCODER "encoder.layers.%d."
#define DECODER "decoder.layers.%d."

#define LINEAR(name, field, bias, out, in) \
    AT_LINEAR(name ".weight", AT_LAYER(field), out, in), AT_VECTOR(name ".bias", AT_LAYER(bias), out)
#define NORM(name, field, bias) AT_VECTOR(name ".weight", AT_LAYER(field), HIDDEN), AT_VECTOR(name ".bias", AT_LAYER(bias), HIDDEN)

static const at_name_row body[] = {
    AT_TABLE("shared.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_TABLE("encoder.embed_positions.weight", AT_BODY(position), POSITIONS, HIDDEN),
    AT_VECTOR("encoder.layernorm_embedding.weight", AT_BODY(embed_norm), HIDDEN),
    AT_VECTOR("encoder.layernorm_embedding.bias", AT_BODY(embed_norm_bias), HIDDEN),
    AT_TABLE("decoder.embed_positions.weight", AT_BODY(decoder.position), POSITIONS, HIDDEN),
    AT_VECTOR("decoder.layernorm_embedding.weight", AT_BODY(decoder.embed_norm), HIDDEN),
    AT_VECTOR("decoder.layernorm_embedding.bias", AT_BODY(decoder.embed_norm_bias), HIDDEN),
};
static const at_name_row layer[] = {
    LINEAR(ENCODER "self_attn.q_proj", qkv[0], qkv_bias[0], QUERY, HIDDEN),
    LINEAR(ENCODER "self_attn.k_proj", qkv[1], qkv_bias[1], QUERY, HIDDEN),
    LINEAR(ENCODER "self_attn.v_proj", qkv[2], qkv_bias[2], QUERY, HIDDEN),
    LINEAR(ENCODER "self_attn.out_proj", out, out_bias, HIDDEN, QUERY),
    NORM(ENCODER "self_attn_layer_norm", attention_norm, attention_norm_bias),
    LINEAR(ENCODER "fc1", up, up_bias, INTERMEDIATE, HIDDEN),
    LINEAR(ENCODER "fc2", down, down_bias, HIDDEN, INTERMEDIATE),
    NORM(ENCODER "final_layer_norm", output_norm, output_norm_bias),
};
static const at_name_row decoder[] = {
    LINEAR(DECODER "self_attn.q_proj", qkv[0], qkv_bias[0], DECODER_QUERY, HIDDEN),
    LINEAR(DECODER "self_attn.k_proj", qkv[1], qkv_bias[1], DECODER_QUERY, HIDDEN),
    LINEAR(DECODER "self_attn.v_proj", qkv[2], qkv_bias[2], DECODER_QUERY, HIDDEN),
    LINEAR(DECODER "self_attn.out_proj", out, out_bias, HIDDEN, DECODER_QUERY),
    NORM(DECODER "self_attn_layer_norm", attention_norm, attention_norm_bias),
    LINEAR(DECODER "encoder_attn.q_proj", source_query, source_query_bias, DECODER_QUERY, HIDDEN),
    LINEAR(DECODER "encoder_attn.k_proj", source_kv[0], source_kv_bias[0], DECODER_QUERY, HIDDEN),
    LINEAR(DECODER "encoder_attn.v_proj", source_kv[1], source_kv_bias[1], DECODER_QUERY, HIDDEN),
    LINEAR(DECODER "encoder_attn.out_proj", source_out, source_out_bias, HIDDEN, DECODER_QUERY),
    NORM(DECODER "encoder_attn_layer_norm", source_norm, source_norm_bias),
    LINEAR(DECODER "fc1", up, up_bias, DECODER_INTERMEDIATE, HIDDEN),
    LINEAR(DECODER "fc2", down, down_bias, HIDDEN, DECODER_INTERMEDIATE),
    NORM(DECODER "final_layer_norm", output_norm, output_norm_bias),
};
static const at_name_row lm[] = {
    AT_LINEAR("lm_head.weight", AT_HEAD(classifier), VOCAB, HIDDEN),
    AT_CONSTANT("final_logits_bias", AT_HEAD(classifier_bias), VOCAB),
};
const at_name_row at_bart_head[4] = {
    AT_LINEAR("classification_head.dense.weight", AT_HEAD(dense), HIDDEN, HIDDEN),
    AT_VECTOR("classification_head.dense.bias", AT_HEAD(dense_bias), HIDDEN),
    AT_LINEAR("classification_head.out_proj.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classification_head.out_proj.bias", AT_HEAD(classifier_bias), LABELS),
};
/* Old files have the words once for each stack. */
static const char *const buffers[] = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", NULL};

static void read_sizes(at_config *c, at_arch *a) {
    a->vocab_size = at_config_size(c, "vocab_size", 1, AT_MAX_VOCAB);
    a->hidden = at_config_size(c, "d_model", 1, AT_MAX_HIDDEN);
    a->layers = at_config_size(c, "encoder_layers", 1, AT_MAX_LAYERS);
    a->heads = a->kv_heads = at_config_size(c, "encoder_attention_heads", 1, AT_MAX_HEADS);
    a->intermediate = at_config_size(c, "encoder_ffn_dim", 1, AT_MAX_INTERMEDIATE);
    a->decoder.layers = at_config_size(c, "decoder_layers", 1, AT_MAX_LAYERS);
    a->decoder.heads = at_config_size(c, "decoder_attention_heads", 1, AT_MAX_HEADS);
    a->decoder.intermediate = at_config_size(c, "decoder_ffn_dim", 1, AT_MAX_INTERMEDIATE);
    a->decoder.head_dim = a->hidden / a->decoder.heads;
    if (a->hidden % a->decoder.heads)
        at_config_fail(c, "'d_model' %d is not a multiple of 'decoder_attention_heads' %d", a->hidden, a->decoder.heads);
    a->max_positions = at_config_size(c, "max_position_embeddings", 1, AT_MAX_POSITIONS);
    at_config_size_or(c, "num_hidden_layers", a->layers, a->layers, a->layers); /* another word for encoder_layers */
}

static void read(at_config *c, at_arch *a) {
    read_sizes(c, a);
    a->position_offset = 2;
    a->counts_padding = 1;
    at_config_pad(c, a, 1);
    a->activation = at_config_activation(c, "activation_function", "gelu");
    a->norm_epsilon = 1e-5;
    a->hidden_dropout = a->output_dropout = a->embedding_dropout = at_config_dropout(c, "dropout", 0.1);
    a->attention_dropout = at_config_dropout(c, "attention_dropout", 0);
    a->inner_dropout = at_config_dropout(c, "activation_dropout", 0);
    a->initializer_range = at_config_number(c, "init_std", 0.02, 0, 10);
    if (at_config_flag(c, "scale_embedding", 0)) a->embedding_scale = sqrt((double)a->hidden);
    at_config_number(c, "encoder_layerdrop", 0, 0, 0); /* layers left out while training: there is no such thing here */
    at_config_number(c, "decoder_layerdrop", 0, 0, 0);
    a->decoder.start_id = at_config_size_or(c, "decoder_start_token_id", 2, 0, a->vocab_size - 1);
    a->decoder.end_id = at_config_end(c, 2, a->vocab_size);
    a->classifier_dropout = at_config_dropout(c, "classifier_dropout", 0);
    a->head = (at_head_form){.pooling = AT_POOL_LAST, .at_end = 1, .drop_first = 1, .activation = AT_ACT_TANH};
    if (!at_config_flag(c, "is_encoder_decoder", 1)) at_config_fail(c, "'is_encoder_decoder' is false; a BART of one stack is not supported");
    at_config_refuse(c, "is_decoder", "a decoder alone is not supported");
    /* Of the first configs; the model of today has one of each. */
    static const char *const refused[] = {"add_bias_logits", "add_final_layer_norm", "normalize_before", "static_position_embeddings"};
    for (int i = 0; i < 4; i++) at_config_refuse(c, refused[i], "this form of BART is not supported");
    at_config_get(c, "normalize_embedding");
    at_config_get(c, "force_bos_token_to_be_generated"); /* of generation: forced_bos_token_id says it */
}

const at_family at_family_bart = {"bart", read, "Bart", "model.", AT_ROWS(body), AT_ROWS(layer), AT_ROWS(decoder), AT_ROWS(lm),
                                  .lm_class = "BartForConditionalGeneration", .ties = 1, AT_BART_HEAD, AT_SPAN_HEAD, .buffers = buffers};
