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

static void read(at_config *c, at_arch *a) {
    at_bert_read(c, a);
    a->head_dim = at_config_size_or(c, "head_dim", a->heads ? a->hidden / a->heads : 1, 1, AT_MAX_HIDDEN);
    a->gated = 1;
    a->position = AT_POSITION_ROTARY;
    at_config_rope(c, a, NULL, 1000, 1, &a->rope[0]);
}

const at_family at_family_nomic_bert = {"nomic_bert", read, "NomicBert", "nomic_bert.", AT_ROWS(body), AT_ROWS(layer), AT_ROWS(head),
                                        AT_ROWS(mask), .buffers = buffers};
