/* A family of models: one file under src/model/ with a reader of its config and a table of its weights, and a line in families.c.
 * No code outside of these files asks for a family's name. Private to src/model. */
#ifndef AT_MODEL_FAMILY_H
#define AT_MODEL_FAMILY_H

#include <stddef.h>

#include "model/config.h"
#include "model/model.h"

typedef enum at_dimension {
    AT_DIM_ONE, AT_DIM_VOCAB, AT_DIM_POSITIONS, AT_DIM_TYPES, AT_DIM_EMBEDDING, AT_DIM_HIDDEN, AT_DIM_QUERY, AT_DIM_KEY,
    AT_DIM_INTERMEDIATE, AT_DIM_HEAD, AT_DIM_HEADS, AT_DIM_BUCKETS, AT_DIM_NEIGHBOURS, AT_DIM_LABELS,
    AT_DIM_DECODER_QUERY, AT_DIM_DECODER_INTERMEDIATE, AT_DIM_DECODER_HEADS
} at_dimension;

/* How a weight lies in its tensor. Rows of a table that have the same name share one tensor, in their order. */
typedef enum at_file_form {
    AT_FILE_PLAIN,      /* [out, in], parts one below the other */
    AT_FILE_TRANSPOSED, /* [in, out]: GPT-2's Conv1D */
    AT_FILE_BY_HEADS,   /* [heads, parts, head_dim, in]: GPT-NeoX */
    AT_FILE_CONV,       /* [out, in / taps, taps]: torch's Conv1d, taps are arch.conv_width */
    AT_FILE_CONSTANT    /* a vector as [1, out] that is no parameter: never trained, 0 where the file has none */
} at_file_form;

typedef struct at_name_row {
    const char *name;     /* in files; "%d" stands for the layer. Body and layers: without the family's prefix; head: with it */
    size_t field;         /* of the at_weight * in at_body, at_layer or at_head */
    at_weight_kind kind;
    at_dimension out, in;
    int decay;
    size_t when;          /* of an int in at_arch that must not be 0; 0: always there */
    at_file_form form;
    int but_first;        /* the first layer has none */
} at_name_row;

typedef struct at_family {
    const char *model_type;
    void (*read)(at_config *c, at_arch *a);
    const char *class_stem;       /* "Bert": BertModel, BertForSequenceClassification */
    const char *prefix;           /* of the body's names in files that hold a head too: "bert." */
    const at_name_row *body, *layer, *head;
    int n_body, n_layer, n_head;
    const at_name_row *decoder;   /* of a layer of the decoder beside an encoder; NULL: one stack */
    int n_decoder;
    const at_name_row *token;     /* head at each token (...ForTokenClassification); NULL: classifier.weight and classifier.bias */
    int n_token;
    const at_name_row *mask;      /* head over the vocabulary (...ForMaskedLM), its classifier the word table; NULL: none is known */
    int n_mask;
    const at_name_row *span;      /* head of ...ForQuestionAnswering; NULL: transformers has no such class for this family */
    int n_span;
    const char *other_prefix;     /* of the body's names in files with these heads, where it is another one; NULL: prefix always */
    unsigned other_heads;         /* AT_HEAD_BIT of each */
    const at_name_row *lm;        /* classifier of ...ForCausalLM where it is not the table of words; NULL: no language model */
    int n_lm;
    int lm_by_file;               /* the file says whether the classifier is the table of words: whether it has another */
    const char *lm_class;         /* NULL: stem + ForCausalLM */
    int ties;                     /* what tie_word_embeddings is where the config has none */
    const char *encoder_class;    /* of two stacks: transformers' class of the encoder alone, which tags and vectors are made from; NULL: there is none */
    int no_token_class;           /* transformers has no such class for this family */
    int pools;                    /* the body's class has a pooler unless it is told not to (add_pooling_layer) */
    const char *const *buffers;   /* ends of the names of tensors that are no parameters; NULL-terminated, or NULL */
} at_family;

/* By model_type, or NULL. Every family that at_arch_read knows has one. */
const at_family *at_family_find(const char *model_type);
const at_family *at_family_at(int i); /* the i-th of the list, NULL after the last */

/* For the tables. A row is left out where its `flag` of at_arch is 0, or a dimension is. */
#define AT_COUNT(rows) (int)(sizeof(rows) / sizeof *(rows))
#define AT_ROWS(rows) .rows = rows, .n_##rows = AT_COUNT(rows)
#define AT_BODY(field) offsetof(at_body, field)
#define AT_LAYER(field) offsetof(at_layer, field)
#define AT_HEAD(field) offsetof(at_head, field)
#define AT_WHEN(flag) offsetof(at_arch, flag)
#define AT_TABLE(name, field, out, in) {name, field, AT_WEIGHT_TABLE, AT_DIM_##out, AT_DIM_##in, 1, 0, AT_FILE_PLAIN, 0}
#define AT_MATRIX(name, field, out, in) {name, field, AT_WEIGHT_MATRIX, AT_DIM_##out, AT_DIM_##in, 1, 0, AT_FILE_PLAIN, 0}
#define AT_LINEAR(name, field, out, in) {name, field, AT_WEIGHT_LINEAR, AT_DIM_##out, AT_DIM_##in, 1, 0, AT_FILE_PLAIN, 0}
#define AT_VECTOR(name, field, out) {name, field, AT_WEIGHT_VECTOR, AT_DIM_##out, AT_DIM_ONE, 0, 0, AT_FILE_PLAIN, 0}
#define AT_LINEAR_IF(flag, name, field, out, in) \
    {name, field, AT_WEIGHT_LINEAR, AT_DIM_##out, AT_DIM_##in, 1, AT_WHEN(flag), AT_FILE_PLAIN, 0}
#define AT_VECTOR_IF(flag, name, field, out) {name, field, AT_WEIGHT_VECTOR, AT_DIM_##out, AT_DIM_ONE, 0, AT_WHEN(flag), AT_FILE_PLAIN, 0}
#define AT_VECTOR_BUT_FIRST(name, field, out) {name, field, AT_WEIGHT_VECTOR, AT_DIM_##out, AT_DIM_ONE, 0, 0, AT_FILE_PLAIN, 1}
#define AT_VECTOR_BUT_FIRST_IF(flag, name, field, out) \
    {name, field, AT_WEIGHT_VECTOR, AT_DIM_##out, AT_DIM_ONE, 0, AT_WHEN(flag), AT_FILE_PLAIN, 1}
#define AT_CONSTANT(name, field, out) {name, field, AT_WEIGHT_VECTOR, AT_DIM_##out, AT_DIM_ONE, 0, 0, AT_FILE_CONSTANT, 0}
#define AT_CONV1D(name, field, out, in) {name, field, AT_WEIGHT_LINEAR, AT_DIM_##out, AT_DIM_##in, 1, 0, AT_FILE_TRANSPOSED, 0}
#define AT_CONV(name, field, out, in) {name, field, AT_WEIGHT_LINEAR, AT_DIM_##out, AT_DIM_##in, 1, 0, AT_FILE_CONV, 0}
#define AT_BY_HEADS(name, field, out, in) {name, field, AT_WEIGHT_LINEAR, AT_DIM_##out, AT_DIM_##in, 1, 0, AT_FILE_BY_HEADS, 0}
#define AT_VECTOR_BY_HEADS_IF(flag, name, field, out) \
    {name, field, AT_WEIGHT_VECTOR, AT_DIM_##out, AT_DIM_ONE, 0, AT_WHEN(flag), AT_FILE_BY_HEADS, 0}

/* A head over hidden words: its dense layer and norm by the names that "weight" and "bias" end, the bias of the words, the width that they meet in. */
#define AT_WORDS_HEAD(dense_name, norm_name, words, width)                                                                        \
    AT_LINEAR(dense_name ".weight", AT_HEAD(dense), width, HIDDEN), AT_VECTOR(dense_name ".bias", AT_HEAD(dense_bias), width),    \
        AT_VECTOR(norm_name ".weight", AT_HEAD(norm), width), AT_VECTOR(norm_name ".bias", AT_HEAD(norm_bias), width),            \
        AT_VECTOR(words, AT_HEAD(classifier_bias), VOCAB)
#define AT_WORDS_HEAD_IF(flag, dense_name, norm_name, words, width)                                                               \
    AT_LINEAR_IF(flag, dense_name ".weight", AT_HEAD(dense), width, HIDDEN),                                                      \
        AT_VECTOR_IF(flag, dense_name ".bias", AT_HEAD(dense_bias), width),                                                       \
        AT_VECTOR_IF(flag, norm_name ".weight", AT_HEAD(norm), width),                                                            \
        AT_VECTOR_IF(flag, norm_name ".bias", AT_HEAD(norm_bias), width), AT_VECTOR_IF(flag, words, AT_HEAD(classifier_bias), VOCAB)

/* What LLaMA's relatives have in common. */
extern const at_name_row at_llama_body[2], at_llama_layer[18], at_score_head[1], at_score_token[2];
extern const char *const at_llama_buffers[2];
void at_llama_read(at_config *c, at_arch *a, double norm_epsilon);
#define AT_LLAMA_ROWS                                                                                        \
    .body = at_llama_body, .n_body = AT_COUNT(at_llama_body), .layer = at_llama_layer,                       \
    .n_layer = AT_COUNT(at_llama_layer), AT_SCORE_HEADS
extern const at_name_row at_lm_head[1]; /* "lm_head.weight" */
#define AT_LM_HEAD .lm = at_lm_head, .n_lm = AT_COUNT(at_lm_head)
#define AT_SCORE_HEADS                                                                                       \
    .head = at_score_head, .n_head = AT_COUNT(at_score_head), .token = at_score_token, .n_token = AT_COUNT(at_score_token), AT_LM_HEAD

/* What BERT's relatives have in common: its names and the reading of its config, for family files that build on them. */
extern const at_name_row at_bert_body[5], at_bert_layer[16];
void at_bert_read(at_config *c, at_arch *a);
/* "classifier.dense", "classifier.out_proj" (RobertaClassificationHead and its like). */
extern const at_name_row at_roberta_head[4];
/* "lm_head.dense", "lm_head.layer_norm" (RobertaLMHead and its like). */
extern const at_name_row at_roberta_mask[5];
#define AT_ROBERTA_MASK .mask = at_roberta_mask, .n_mask = AT_COUNT(at_roberta_mask)
/* "classification_head.dense", "classification_head.out_proj" (BartClassificationHead and its like). */
extern const at_name_row at_bart_head[4];
#define AT_BART_HEAD .head = at_bart_head, .n_head = AT_COUNT(at_bart_head)
/* "qa_outputs" */
extern const at_name_row at_span_head[2];
#define AT_SPAN_HEAD .span = at_span_head, .n_span = AT_COUNT(at_span_head)
#define AT_HEAD_BIT(kind) (1u << (kind))
#define AT_SPAN_PREFIX .other_prefix = "transformer.", .other_heads = AT_HEAD_BIT(AT_HEAD_SPAN) /* as LlamaForQuestionAnswering and its like call the body, whatever the others do */

#endif
