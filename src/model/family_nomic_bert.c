/* Nomic BERT (Nussbaum et al. 2024): BERT's post-norm blocks with rotary positions and a gated feed-forward, without biases. Names
 * are those of the published files, which transformers translates on reading and writes again. */
#include "model/family.h"

#define LAYER "encoder.layers.%d."

static const at_name_row body[] = {
    AT_TABLE("embeddings.word_embeddings.weight", AT_BODY(token), VOCAB, HIDDEN),
    AT_TABLE("embeddings.token_type_embeddings.weight", AT_BODY(type), TYPES, HIDDEN),
    AT_VECTOR("emb_ln.weight", AT_BODY(embed_norm), HIDDEN),
    AT_VECTOR("emb_ln.bias", AT_BODY(embed_norm_bias), HIDDEN),
};
static const at_name_row layer[] = {
    AT_LINEAR(LAYER "attn.Wqkv.weight", AT_LAYER(qkv[0]), QUERY, HIDDEN),
    AT_LINEAR(LAYER "attn.Wqkv.weight", AT_LAYER(qkv[1]), KEY, HIDDEN),
    AT_LINEAR(LAYER "attn.Wqkv.weight", AT_LAYER(qkv[2]), KEY, HIDDEN),
    AT_LINEAR(LAYER "attn.out_proj.weight", AT_LAYER(out), HIDDEN, QUERY),
    AT_VECTOR(LAYER "norm1.weight", AT_LAYER(attention_norm), HIDDEN),
    AT_VECTOR(LAYER "norm1.bias", AT_LAYER(attention_norm_bias), HIDDEN),
    AT_LINEAR(LAYER "mlp.fc12.weight", AT_LAYER(gate), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.fc11.weight", AT_LAYER(up), INTERMEDIATE, HIDDEN),
    AT_LINEAR(LAYER "mlp.fc2.weight", AT_LAYER(down), HIDDEN, INTERMEDIATE),
    AT_VECTOR(LAYER "norm2.weight", AT_LAYER(output_norm), HIDDEN),
    AT_VECTOR(LAYER "norm2.bias", AT_LAYER(output_norm_bias), HIDDEN),
};
static const at_name_row head[] = {
    AT_LINEAR("nomic_bert.pooler.dense.weight", AT_HEAD(dense), HIDDEN, HIDDEN),
    AT_VECTOR("nomic_bert.pooler.dense.bias", AT_HEAD(dense_bias), HIDDEN),
    AT_LINEAR("classifier.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classifier.bias", AT_HEAD(classifier_bias), LABELS),
};
static const at_name_row mask[] = {
    AT_WORDS_HEAD("cls.predictions.transform.dense", "cls.predictions.transform.layer_norm", "cls.predictions.bias", HIDDEN),
};
static const char *const buffers[] = {"inv_freq", "position_ids", "token_type_ids", NULL};

/* The model's makers wrote configs of GPT-2's words ("n_embd"), which transformers' class does not read: it takes its own, or what it has of the published
 * models. A folder in which the two differ is none of both. */
static int size(at_config *c, const char *key, const char *makers, int usual, int high) {
    int n = at_config_size_or(c, key, usual, 1, high), other = at_config_size_or(c, makers, n, 1, high);
    if (other != n) at_config_fail(c, "'%s' is %d, but '%s' is %d for transformers; write '%s' into the file", makers, other, key, n, key);
    return n;
}

static double theta_of(at_config *c) {
    const json_t *own = json_object_get(at_config_get(c, "rope_parameters"), "rope_theta");
    return json_is_number(own) ? json_number_value(own) : at_config_number(c, "rope_theta", 1000, 1e-3, 1e12);
}

/* What the makers' code could have been asked for beside the published form, and what says how it is computed, not what. */
static void check_makers_words(at_config *c) {
    static const char *const OTHER[] = {"prenorm", "use_rms_norm", "causal", "rotary_emb_interleaved", "qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias",
                                        "parallel_block", "parallel_block_tied_norm", "expert_choice_router"};
    static const char *const SAME[] = {"use_flash_attn", "fused_bias_fc", "fused_dropout_add_ln", "use_xentropy", "dense_seq_output", "scale_attn_weights",
                                       "add_pooling_layer"};
    for (size_t i = 0; i < sizeof OTHER / sizeof *OTHER; i++) at_config_refuse(c, OTHER[i], "this form of Nomic BERT is not supported");
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++) at_config_get(c, SAME[i]);
    at_config_only(c, "activation_function", "swiglu");
    at_config_number(c, "rotary_emb_fraction", 1, 1, 1);
    at_config_number(c, "moe_every_n_layers", 0, 0, 0); /* experts: another model */
    double theta = theta_of(c);
    at_config_number(c, "rotary_emb_base", theta, theta, theta);
}

static void read(at_config *c, at_arch *a) {
    a->vocab_size = at_config_size_or(c, "vocab_size", 30528, 1, AT_MAX_VOCAB);
    a->hidden = size(c, "hidden_size", "n_embd", 768, AT_MAX_HIDDEN);
    a->layers = size(c, "num_hidden_layers", "n_layer", 12, AT_MAX_LAYERS);
    a->heads = a->kv_heads = size(c, "num_attention_heads", "n_head", 12, AT_MAX_HEADS);
    a->intermediate = size(c, "intermediate_size", "n_inner", 3072, AT_MAX_INTERMEDIATE);
    a->max_positions = at_config_size_or(c, "max_position_embeddings", 2048, 1, AT_MAX_POSITIONS); /* the makers' n_positions are stretched ones */
    a->type_vocab = at_config_size_or(c, "type_vocab_size", 2, 1, AT_MAX_TYPES);
    a->activation = at_config_activation(c, "hidden_act", "silu");
    a->norm_epsilon = at_config_number(c, "layer_norm_eps", 1e-12, 0, 1);
    at_config_number(c, "layer_norm_epsilon", a->norm_epsilon, a->norm_epsilon, a->norm_epsilon);
    a->hidden_dropout = a->output_dropout = a->embedding_dropout = at_config_dropout(c, "hidden_dropout_prob", 0);
    a->attention_dropout = at_config_dropout(c, "attention_probs_dropout_prob", 0);
    a->classifier_dropout = at_config_dropout(c, "classifier_dropout", a->hidden_dropout);
    a->initializer_range = at_config_number(c, "initializer_range", 0.02, 0, 10);
    at_config_pad(c, a, 0);
    at_config_refuse(c, "add_cross_attention", "only encoders are supported");
    at_config_refuse(c, "is_decoder", "only encoders are supported");
    check_makers_words(c);
    a->head = (at_head_form){.pooling = AT_POOL_CLS, .activation = AT_ACT_TANH};
    a->head_dim = at_config_size_or(c, "head_dim", a->heads ? a->hidden / a->heads : 1, 1, AT_MAX_HIDDEN);
    a->gated = 1;
    a->position = AT_POSITION_ROTARY;
    at_config_rope(c, a, NULL, 1000, 0, &a->rope[0]);
}

const at_family at_family_nomic_bert = {"nomic_bert", read, "NomicBert", "nomic_bert.", AT_ROWS(body), AT_ROWS(layer), AT_ROWS(head),
                                        AT_ROWS(mask), .buffers = buffers};
