/* A model: body, head, their weights, and the folder they came from.
 *
 * Opening reads config.json and the safetensors (single or sharded) into the packed home, reports which tensors
 * were used, dropped or newly made, and starts new parts at N(0, initializer_range). */
#ifndef AT_MODEL_H
#define AT_MODEL_H

#include "model/arch.h"
#include "base/thread.h"
#include "op/op.h"

/* What a family has not is NULL. attention_norm and output_norm stand where at_block_kind says. */
typedef struct at_layer {
    at_weight *qkv[3], *qkv_bias[3];        /* query, key, value */
    at_weight *position_key, *position_key_bias, *position_query, *position_query_bias; /* projections of the rows of positions */
    at_weight *query_norm, *key_norm;       /* over a head, or over all of them (LayerNorm's width says which) */
    at_weight *out, *out_bias, *attention_norm, *attention_norm_bias, *attention_after;
    at_weight *gate, *gate_bias, *up, *up_bias, *down, *down_bias, *output_norm, *output_norm_bias, *output_after;
    /* Of a decoder beside an encoder: queries of its own rows, keys and values of the encoder's; its norm stands as attention_norm does. */
    at_weight *source_query, *source_query_bias, *source_kv[2], *source_kv_bias[2];
    at_weight *source_out, *source_out_bias, *source_norm, *source_norm_bias;
} at_layer;

/* A decoder beside an encoder (arch.decoder); the words it shares with it. */
typedef struct at_decoder_body {
    at_weight *position, *embed_norm, *embed_norm_bias, *relative, *final_norm, *final_norm_bias;
    at_layer *layer; /* [arch.decoder.layers] */
} at_decoder_body;

typedef struct at_body {
    at_weight *token, *position, *type, *embed_norm, *embed_norm_bias;
    at_weight *project, *project_bias;      /* from the embeddings' width to the blocks' */
    at_weight *relative;                    /* [buckets, heads] bias of the scores by distance, or [buckets, hidden] rows of positions */
    at_weight *relative_norm, *relative_norm_bias;
    at_weight *conv, *conv_bias, *conv_norm, *conv_norm_bias; /* behind the first block: [hidden, hidden * conv_width] */
    at_weight *final_norm, *final_norm_bias; /* after the layers, and after everything else here */
    at_layer *layer; /* [arch.layers]; layers that share weights hold the same ones */
    at_decoder_body decoder;
} at_body;

typedef enum at_head_kind {
    AT_HEAD_NONE,
    AT_HEAD_POOLER, /* the family's own (...ForSequenceClassification): what arch.head says; for BERT the first token -> dense + tanh ->
                       dropout -> classifier, for decoders the last token -> score */
    AT_HEAD_MEAN,   /* mean of the tokens -> dropout -> linear (sentence-transformers: Transformer, Pooling, Dense) */
    AT_HEAD_TOKEN,  /* each of certain tokens -> dropout -> linear (...ForTokenClassification) */
    AT_HEAD_MASK,   /* each of certain tokens -> dense, activation, norm -> the table of words as classifier (...ForMaskedLM) */
    AT_HEAD_SPAN,   /* each token -> linear to begin and end of an answer, without dropout (...ForQuestionAnswering) */
    AT_HEAD_EMBED,  /* the text's vector: its tokens pooled, projected by each Dense that the folder has, of length 1 where the head says so; n_out is
                       the last Dense's width or the body's (sentence-transformers: Transformer, Pooling[, Dense ...][, Normalize]) */
    AT_HEAD_LM      /* each of certain tokens -> the next word (...ForCausalLM, ...ForConditionalGeneration): the file's own, or the table of words.
                       n_out is the number of words, or AT_VOCABULARY_ANSWERS where it is trained or judged, as mask is */
} at_head_kind;
/* A mask head answers with so many numbers: see at_tied_answers. Its classifier is body.token, classifier_bias [vocab] or NULL. */
enum { AT_MASK_BEST = 5, AT_MASK_ANSWERS = 1 + 2 * AT_MASK_BEST };
const char *at_head_name(at_head_kind kind); /* "pooler"; "none" */

/* What a Dense of a sentence-transformers folder does to a text's vector: y = activation(x weightᵀ + bias). */
enum { AT_MAX_PROJECTIONS = 8 };
typedef struct at_projection {
    int in, out, has_bias;
    at_activation activation;
    at_weight *weight, *bias;
} at_projection;

typedef struct at_head {
    at_head_kind kind;
    int n_out;
    at_pooling pooling;                      /* AT_HEAD_EMBED */
    int unit;                                /* AT_HEAD_EMBED: vectors have length 1 */
    int n_projections;                       /* AT_HEAD_EMBED: the folder's Dense modules, from the pooled row to the vector */
    at_projection projection[AT_MAX_PROJECTIONS];
    at_weight *dense, *dense_bias;           /* NULL where the head is linear */
    at_weight *norm, *norm_bias;             /* after the dense layer */
    at_weight *classifier, *classifier_bias; /* the bias may be NULL */
} at_head;

/* Where a weight lies in files: the rows first .. of a tensor [total, in], which other weights may share. */
typedef struct at_place {
    const char *name;     /* of the tensor in a file with the family's head */
    const char *bare;     /* the same without the family's prefix, as files of a body alone have it */
    int total, first;     /* rows of the tensor, the first of ours */
    int unit, stride;     /* by heads: our row r is tensor row first + r / unit * stride + r % unit; else unit is 0 */
    int transposed;       /* the tensor is [in, total] */
    int row;              /* a vector that is [1, total] */
    int taps;             /* the tensor is [total, in / taps, taps]; 0: [total, in] */
} at_place;

/* What became of each tensor of the file and of the model. Names in the arena of the model. */
typedef struct at_load_report {
    const char **used, **dropped, **fresh;
    int n_used, n_dropped, n_fresh;
} at_load_report;

typedef struct at_labels {
    const char **name; /* id -> name */
    int n;
} at_labels;

typedef struct at_model {
    at_arena arena;       /* everything but the masters */
    at_arch arch;
    at_params params;
    at_place *place;      /* [params.n] */
    at_body body;
    at_head head;
    at_labels labels;     /* of config.json's id2label, where the head was trained; else n = 0 */
    const char *problem_type; /* or NULL */
    json_t *config;       /* the whole config.json: unknown keys are kept on saving */
    const char *folder;
    at_half_copies *half; /* owned: whole bf16 copies of weights that stay as they are (a session's); NULL: whoever needs some makes them */
    int trained_head;     /* the folder's head was kept: a finished classifier was opened */
    at_load_report report;
} at_model;

/* As what the large matrices of a model that is only read are kept. auto: bf16 and Q8_0 as the file has them, everything else as fp32, so
 * that no number changes. */
typedef enum at_weights { AT_WEIGHTS_FP32, AT_WEIGHTS_BF16, AT_WEIGHTS_Q8_0, AT_WEIGHTS_AUTO } at_weights;

typedef struct at_model_options {
    at_head_kind head;    /* AT_HEAD_NONE: the folder's own head if it has one (else a body alone) */
    int n_out;            /* labels of a new head; AT_HEAD_LM: 0, or AT_VOCABULARY_ANSWERS */
    int keep_head;        /* keep the folder's head where kind and n_out agree */
    int pooling;          /* AT_HEAD_EMBED: 1 + at_pooling; 0: as the folder's modules have it, else the mean */
    int unit;             /* AT_HEAD_EMBED: 1 vectors of length 1, -1 as they are; 0: as the folder's modules have it, else as they are */
    uint64_t seed;        /* of new parts */
    at_pool *pool;        /* for reading in parallel, or NULL */
    at_weights weights;   /* other than fp32: the model is not trained */
    int sizes_only;       /* read no values (params.values stays NULL): what a plan needs */
} at_model_options;

at_status at_model_open(const char *folder, const at_model_options *options, at_model **model, at_error *err);
void at_model_close(at_model *model);

/* Writes a folder that other tools open: pooler as BertForSequenceClassification; mean as sentence-transformers modules; token as
 * BertForTokenClassification; mask as BertForMaskedLM; span as BertForQuestionAnswering; embed as sentence-transformers modules; lm as
 * ...ForCausalLM, a tied classifier written once.
 * Tokenizer files are copied from model->folder. Each file atomically; config.json last. */
at_status at_model_save(const at_model *model, const at_labels *labels, const char *folder, at_error *err);
/* The same with weights of 16 bits, which config.json then names. AT_USAGE where a Dense module stands behind the body (sentence-transformers reads
 * it in 32 bits), and for numbers beyond what F16 holds. */
typedef enum at_saved_form { AT_SAVED_F32, AT_SAVED_F16, AT_SAVED_BF16 } at_saved_form;
at_status at_model_save_as(const at_model *model, at_saved_form form, const char *folder, at_error *err);
int at_model_saves(const char *name); /* 1: the name of a file or folder that at_model_save makes */

/* The parts of a body with an encoder and a decoder, for generation: the encoder's rows [rows, hidden]; what the attention to them reads in a
 * layer of the decoder, [rows, keys | values], for at_cache.source_keys. at_body_forward of a batch with such a cache is the decoder's. */
at_tensor *at_body_encode(at_tape *t, const at_model *m, const at_batch *b);
at_tensor *at_body_source(at_tape *t, const at_model *m, int layer, at_tensor *encoded);
/* Hidden states of the last layer, of the decoder's rows where there is one (of a batch without any it reads the text itself, one token
 * later) [rows, hidden]. */
at_tensor *at_body_forward(at_tape *t, const at_model *m, const at_batch *b);
/* Some rows of them, as they are among all, of a body of one stack: behind its attention the last block is computed for these alone, which for a
 * head on first tokens saves an eighth of a body of six blocks. [n, hidden] */
typedef struct at_reads {
    int n;
    const int32_t *row;     /* [n] of the batch; they may repeat */
    const uint64_t *row_id; /* [n] the batch's names of these rows */
    int first_each;         /* row i is the first one of sequence i */
} at_reads;
at_tensor *at_body_read(at_tape *t, const at_model *m, const at_batch *b, const at_reads *reads);
at_classifier at_head_classifier(const at_model *m); /* of a language model's head */
/* "cls" "mean" "max" "last" */
const char *at_pooling_name(at_pooling pooling);
/* What a kind of head reads, [n_outputs, hidden]: first token, mean or last token of the sequences, or the tokens at the batch's places; out of
 * the hidden states of all rows, or with the body before it, which computes no more than this kind of head reads. */
at_tensor *at_head_pool(at_tape *t, const at_model *m, at_head_kind kind, at_tensor *hidden, const at_batch *b);
at_tensor *at_model_features(at_tape *t, const at_model *m, at_head_kind kind, const at_batch *b);
/* The rest of the model's own head from there; body and head: logits [n_outputs, n_out]; of a mask head, where gradients are recorded, what its
 * classifier reads [n_outputs, embedding]. */
at_tensor *at_head_from_features(at_tape *t, const at_model *m, at_tensor *features, const at_batch *b);
at_tensor *at_model_forward(at_tape *t, const at_model *m, const at_batch *b);


/* Declares a head of this kind in p, which has room for AT_HEAD_WEIGHTS more; `place` (may be NULL) gets where they lie. For heads
 * without a body, too. */
enum { AT_HEAD_WEIGHTS = 8 };
at_status at_head_declare(at_params *p, at_arena *arena, const at_arch *arch, at_head_kind kind, int n_out, at_head *head,
                          at_place *place, at_error *err);

/* Whether models of this arch take a head of this kind; where not, what is said of it. err may be NULL. */
at_status at_head_check(const at_arch *arch, at_head_kind kind, at_error *err);
int at_head_has_bias(const at_arch *arch, at_head_kind kind); /* 0: its linear layer has none (decoders' score) */
int at_head_is_deep(const at_arch *arch, at_head_kind kind); /* 1: it has a layer before its linear one */

/* Copies between a weight's own rows [out, in] and its tensor as the file has it. */
void at_place_take(const at_place *place, const at_weight *w, const float *tensor, float *rows);
void at_place_give(const at_place *place, const at_weight *w, const float *rows, float *tensor);
/* Shape of the tensor; returns the number of dimensions. */
enum { AT_PLACE_DIMS = 3 };
int at_place_shape(const at_place *place, const at_weight *w, int64_t shape[AT_PLACE_DIMS]);

#endif
