/* ELECTRA (Clark et al. 2020): BERT's blocks on embeddings of their own width; the classifier's activation is gelu. */
#include "model/family.h"

static const at_name_row body[] = {
    AT_TABLE("embeddings.word_embeddings.weight", AT_BODY(token), VOCAB, EMBEDDING),
    AT_TABLE("embeddings.position_embeddings.weight", AT_BODY(position), POSITIONS, EMBEDDING),
    AT_TABLE("embeddings.token_type_embeddings.weight", AT_BODY(type), TYPES, EMBEDDING),
    AT_VECTOR("embeddings.LayerNorm.weight", AT_BODY(embed_norm), EMBEDDING),
    AT_VECTOR("embeddings.LayerNorm.bias", AT_BODY(embed_norm_bias), EMBEDDING),
    AT_LINEAR_IF(project, "embeddings_project.weight", AT_BODY(project), HIDDEN, EMBEDDING),
    AT_VECTOR_IF(project, "embeddings_project.bias", AT_BODY(project_bias), HIDDEN),
};
static const at_name_row mask[] = { /* the generator's; a discriminator's body takes a new one */
    AT_WORDS_HEAD("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias", EMBEDDING),
};
static const char *const buffers[] = {"embeddings.position_ids", "embeddings.token_type_ids", NULL};

static void read(at_config *c, at_arch *a) {
    at_bert_read(c, a);
    a->embedding = at_config_size_or(c, "embedding_size", 128, 1, AT_MAX_HIDDEN);
    a->head = (at_head_form){.pooling = AT_POOL_CLS, .drop_first = 1, .activation = AT_ACT_GELU};
    a->words_activation = AT_ACT_GELU; /* whatever the blocks have */
}

const at_family at_family_electra = {"electra", read, "Electra", "electra.", AT_ROWS(body), .layer = at_bert_layer,
                                     .n_layer = AT_COUNT(at_bert_layer), .head = at_roberta_head, .n_head = AT_COUNT(at_roberta_head),
                                     AT_ROWS(mask), AT_SPAN_HEAD, .buffers = buffers};
