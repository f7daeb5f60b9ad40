/* T5 (Raffel et al. 2020), T5 1.1 and FLAN-T5 (Chung et al. 2022): an encoder and a decoder with RMSNorm before each part, no positions but a
 * bias of the scores by distance that a stack's layers share, scores without a scale, no biases. The first T5 has a plain feed-forward and, as
 * classifier, the table of words behind a scale; the later ones have a gate and a classifier of their own. */
#include <math.h>
#include <string.h>

#include "model/family.h"

#define ENCODER "encoder.block.%d.layer."
#define DECODER "decoder.block.%d.layer."
#define FIRST_BIAS "block.0.layer.0.SelfAttention.relative_attention_bias.weight"

static const at_name_row body[] = {
    AT_TABLE("shared.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_MATRIX("encoder." FIRST_BIAS, AT_BODY(relative), BUCKETS, HEADS),
    AT_VECTOR("encoder.final_layer_norm.weight", AT_BODY(final_norm), HIDDEN),
    AT_MATRIX("decoder." FIRST_BIAS, AT_BODY(decoder.relative), BUCKETS, DECODER_HEADS),
    AT_VECTOR_IF(decoder.layers, "decoder.final_layer_norm.weight", AT_BODY(decoder.final_norm), HIDDEN),
};
static const at_name_row layer[] = {
    AT_VECTOR(ENCODER "0.layer_norm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_LINEAR(ENCODER "0.SelfAttention.q.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(ENCODER "0.SelfAttention.k.weight", AT_LAYER(qkv[1]), QUERY, HIDDEN),
    AT_LINEAR(ENCODER "0.SelfAttention.v.weight", AT_LAYER(qkv[2]), QUERY, HIDDEN),
    AT_LINEAR(ENCODER "0.SelfAttention.o.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(ENCODER "1.layer_norm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_LINEAR_IF(gated, ENCODER "1.DenseReluDense.wi_0.weight", AT_LAYER(gate), INTERMEDIATE, HIDDEN),
    AT_LINEAR_IF(gated, ENCODER "1.DenseReluDense.wi_1.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_LINEAR_IF(plain, ENCODER "1.DenseReluDense.wi.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_LINEAR(ENCODER "1.DenseReluDense.wo.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
};
static const at_name_row decoder[] = {
    AT_VECTOR(DECODER "0.layer_norm.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_LINEAR(DECODER "0.SelfAttention.q.weight", AT_LAYER(qkv[0]), DECODER_QUERY, HIDDEN),
    AT_LINEAR(DECODER "0.SelfAttention.k.weight", AT_LAYER(qkv[1]), DECODER_QUERY, HIDDEN),
    AT_LINEAR(DECODER "0.SelfAttention.v.weight", AT_LAYER(qkv[2]), DECODER_QUERY, HIDDEN),
    AT_LINEAR(DECODER "0.SelfAttention.o.weight", AT_LAYER(out), HIDDEN, DECODER_QUERY),
    AT_VECTOR(DECODER "1.layer_norm.weight", AT_LAYER(source_norm), HIDDEN),
    AT_LINEAR(DECODER "1.EncDecAttention.q.weight", AT_LAYER(source_query), DECODER_QUERY, HIDDEN),
    AT_LINEAR(DECODER "1.EncDecAttention.k.weight", AT_LAYER(source_kv[0]), DECODER_QUERY, HIDDEN),
    AT_LINEAR(DECODER "1.EncDecAttention.v.weight", AT_LAYER(source_kv[1]), DECODER_QUERY, HIDDEN),
    AT_LINEAR(DECODER "1.EncDecAttention.o.weight", AT_LAYER(source_out), HIDDEN, DECODER_QUERY),
    AT_VECTOR(DECODER "2.layer_norm.weight", AT_LAYER(output_norm), HIDDEN),
    AT_LINEAR_IF(gated, DECODER "2.DenseReluDense.wi_0.weight", AT_LAYER(gate), DECODER_INTERMEDIATE, HIDDEN),
    AT_LINEAR_IF(gated, DECODER "2.DenseReluDense.wi_1.weight", AT_LAYER(up), DECODER_INTERMEDIATE, HIDDEN),
    AT_LINEAR_IF(plain, DECODER "2.DenseReluDense.wi.weight", AT_LAYER(up), DECODER_INTERMEDIATE, HIDDEN),
    AT_LINEAR(DECODER "2.DenseReluDense.wo.weight", AT_LAYER(down), HIDDEN, DECODER_INTERMEDIATE),
};
/* Old files have the words once for each stack, and a table of distances in the first attention to the encoder that nothing reads. */
static const char *const buffers[] = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "EncDecAttention.relative_attention_bias.weight", NULL};

/* "relu", "gated-gelu", "gated-silu": the activation, and whether there is a gate. Where a config says these by themselves, transformers obeys. */
static void read_feed_forward(at_config *c, at_arch *a, const char *fallback) {
    const char *form = at_config_text(c, "feed_forward_proj", fallback);
    int gated = !strncmp(form, "gated-", 6);
    const char *name = !strcmp(form, "gated-gelu") ? "gelu_new" : gated ? form + 6 : form;
    int known = at_activation_find(name, &a->activation);
    a->gated = at_config_flag(c, "is_gated_act", gated);
    a->plain = !a->gated;
    if (at_config_has(c, "dense_act_fn")) a->activation = at_config_activation(c, "dense_act_fn", name);
    if (!known) at_config_fail(c, "'feed_forward_proj' is '%.60s'; relu, gated-gelu, gated-silu and their like are supported", form);
}

static void read_stacks(at_config *c, at_arch *a, const char *feed_forward) {
    a->vocab_size = at_config_size(c, "vocab_size", 1, AT_MAX_VOCAB);
    a->hidden = at_config_size(c, "d_model", 1, AT_MAX_HIDDEN);
    a->head_dim = at_config_size(c, "d_kv", 1, AT_MAX_HIDDEN);
    a->heads = a->kv_heads = at_config_size(c, "num_heads", 1, AT_MAX_HEADS);
    a->layers = at_config_size(c, "num_layers", 1, AT_MAX_LAYERS);
    a->intermediate = at_config_size(c, "d_ff", 1, AT_MAX_INTERMEDIATE);
    a->decoder = (at_decoder_arch){.layers = at_config_size_or(c, "num_decoder_layers", a->layers, 1, AT_MAX_LAYERS), .heads = a->heads,
                                   .head_dim = a->head_dim, .intermediate = a->intermediate, .attention_scale = 1};
    a->attention_scale = 1;
    a->max_positions = AT_MAX_POSITIONS; /* distances have no end */
    a->usual_positions = at_config_size_or(c, "n_positions", 512, 1, AT_MAX_POSITIONS); /* of the pre-training */
    a->position = AT_POSITION_NONE;
    a->relative_buckets = at_config_size_or(c, "relative_attention_num_buckets", 32, 4, AT_MAX_POSITIONS);
    a->relative_distance = at_config_size_or(c, "relative_attention_max_distance", 128, a->relative_buckets / 2 + 1, AT_MAX_POSITIONS);
    a->norm = AT_NORM_RMS;
    a->block = AT_BLOCK_RESIDUAL;
    a->norm_epsilon = at_config_number(c, "layer_norm_epsilon", 1e-6, 0, 1);
    a->hidden_dropout = a->output_dropout = a->embedding_dropout = a->attention_dropout = a->inner_dropout = a->final_dropout =
        at_config_dropout(c, "dropout_rate", 0.1);
    a->initializer_range = 0.02; /* of new heads */
    at_config_pad(c, a, 0);
    a->learns_padding = 1;
    read_feed_forward(c, a, feed_forward);
    a->decoder.start_id = at_config_size_or(c, "decoder_start_token_id", a->pad_id < 0 ? 0 : a->pad_id, 0, a->vocab_size - 1);
    a->decoder.end_id = at_config_end(c, 1, a->vocab_size);
    a->classifier_dropout = at_config_dropout(c, "classifier_dropout", 0);
    a->head = (at_head_form){.pooling = AT_POOL_LAST, .at_end = 1, .drop_first = 1, .activation = AT_ACT_TANH};
    at_config_get(c, "is_encoder_decoder");
    at_config_refuse(c, "is_decoder", "a decoder alone is not supported");
}

static void read(at_config *c, at_arch *a) {
    read_stacks(c, a, "relu");
    int scales = at_config_flag(c, "scale_decoder_outputs", at_config_flag(c, "tie_word_embeddings", 1));
    a->answer_scale = scales ? 1 / sqrt((double)a->hidden) : 1;
}

/* mT5 (Xue et al. 2021): T5 1.1 in many languages; its answers have no scale, whatever the config says of ties. */
static void read_mt5(at_config *c, at_arch *a) { read_stacks(c, a, "gated-gelu"); }

#define TWO_STACKS \
    "", AT_ROWS(body), AT_ROWS(layer), AT_ROWS(decoder), AT_LM_HEAD, .lm_by_file = 1, .ties = 1, AT_BART_HEAD, .other_prefix = "transformer.", \
    .other_heads = AT_HEAD_BIT(AT_HEAD_POOLER) | AT_HEAD_BIT(AT_HEAD_TOKEN), AT_SPAN_HEAD, .buffers = buffers

const at_family at_family_t5 = {"t5", read, "T5", TWO_STACKS, .lm_class = "T5ForConditionalGeneration", .encoder_class = "T5EncoderModel"};
const at_family at_family_mt5 = {"mt5", read_mt5, "MT5", TWO_STACKS, .lm_class = "MT5ForConditionalGeneration", .encoder_class = "MT5EncoderModel"};
