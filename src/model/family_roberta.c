/* RoBERTa (Liu et al. 2019), XLM-RoBERTa (Conneau et al. 2020), CamemBERT (Martin et al. 2020): BERT's blocks; positions begin behind
 * the padding's own, there is one token type, and the classifier is a network of its own on the first token. */
#include "model/family.h"

const at_name_row at_roberta_head[4] = {
    AT_LINEAR("classifier.dense.weight", AT_HEAD(dense), HIDDEN, HIDDEN),
    AT_VECTOR("classifier.dense.bias", AT_HEAD(dense_bias), HIDDEN),
    AT_LINEAR("classifier.out_proj.weight", AT_HEAD(classifier), LABELS, HIDDEN),
    AT_VECTOR("classifier.out_proj.bias", AT_HEAD(classifier_bias), LABELS),
};
const at_name_row at_roberta_mask[5] = {AT_WORDS_HEAD("lm_head.dense", "lm_head.layer_norm", "lm_head.bias", HIDDEN)};
static const char *const buffers[] = {"embeddings.position_ids", "embeddings.token_type_ids", NULL};

static void read(at_config *c, at_arch *a) {
    at_bert_read(c, a);
    at_config_pad(c, a, 1);
    at_config_positions_behind_padding(c, a, a->pad_id < 0 ? 0 : a->pad_id);
    a->head = (at_head_form){.pooling = AT_POOL_CLS, .drop_first = 1, .activation = AT_ACT_TANH};
    a->words_activation = AT_ACT_GELU; /* whatever the blocks have */
}

#define LIKE_ROBERTA(type, stem)                                                                                                  \
    {type, read, stem, "roberta.", .body = at_bert_body, .n_body = AT_COUNT(at_bert_body), .layer = at_bert_layer,                \
     .n_layer = AT_COUNT(at_bert_layer), .head = at_roberta_head, .n_head = AT_COUNT(at_roberta_head), AT_ROBERTA_MASK,         \
     .pools = 1, AT_SPAN_HEAD, .buffers = buffers}

const at_family at_family_roberta = LIKE_ROBERTA("roberta", "Roberta");
const at_family at_family_xlm_roberta = LIKE_ROBERTA("xlm-roberta", "XLMRoberta");
const at_family at_family_camembert = LIKE_ROBERTA("camembert", "Camembert");
