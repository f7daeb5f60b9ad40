/* A model is data: numbers and variants read from config.json. Blocks call the variant they were given and never ask for a
 * family's name; a new family is a file of its own (family.h) and a golden test. */
#ifndef AT_MODEL_ARCH_H
#define AT_MODEL_ARCH_H

#include "base/json.h"
#include "op/op.h"

typedef enum at_position_kind { AT_POSITION_LEARNED, AT_POSITION_ROTARY, AT_POSITION_NONE } at_position_kind;

/* Where a block's norms stand. Norms that a family has not are left out of all three.
 *   post      x = norm(x + f(x)), for attention and then for the feed-forward                       (BERT)
 *   residual  x = x + norm_after(f(norm_before(x)))             (GPT-2, LLaMA; after only: OLMo 2; both: Gemma 2)
 *   parallel  x = x + attention(norm_1(x)) + feed_forward(norm_2(x))                                (GPT-NeoX) */
typedef enum at_block_kind { AT_BLOCK_POST, AT_BLOCK_RESIDUAL, AT_BLOCK_PARALLEL } at_block_kind;

/* The family's own classifier: pool, [dropout], [dense, activation, [norm]], dropout, linear. */
typedef struct at_head_form {
    at_pooling pooling;
    int at_end;                /* AT_POOL_LAST: the row of the text's last end (decoder.end_id), not of its last token */
    int drop_first;            /* dropout before the dense layer too */
    at_activation activation;  /* after the dense layer; AT_ACT_NONE: there is no dense layer */
} at_head_form;

/* The blocks that read an encoder's rows: attention of their own, causal; attention to the encoder; feed-forward. What is not here they share
 * with the encoder: width, activation, norms, the place of the norms, positions, buckets, dropouts. */
typedef struct at_decoder_arch {
    int layers;               /* 0: the model is one stack */
    int heads, head_dim, intermediate;
    double attention_scale;
    int start_id;             /* the token before the first that it writes */
    int end_id;               /* the token that ends a text; -1: none */
} at_decoder_arch;

typedef struct at_arch {
    const char *family;       /* "bert": model_type of config.json */
    int vocab_size, hidden, layers, heads, kv_heads, head_dim, intermediate;
    int embedding;            /* width of the embeddings; where it is not hidden, or `project` is set, a linear layer follows them */
    int project;
    int layer_sets;           /* of weights; fewer than layers where layers share them */
    const int *layer_set;     /* [layers] which set, or NULL: each its own */
    int group_sets;           /* sets that names count together, as "groups.%d.layers.%d"; 0: names count each */
    int max_positions;        /* longest sequence */
    int usual_positions;      /* what is read where nobody says more; 0: max_positions */
    int position_offset;      /* rows of the position table before that of the first token (RoBERTa's padding index + 1) */
    int counts_padding;       /* a padding token within a text has a position like any other (BART); else the row before the first's */
    int type_vocab;
    at_activation activation;
    int gated, plain;         /* feed-forward: down(act(gate(x)) * up(x)); plain, for name rows: the other way */
    at_block_kind block;
    at_norm_kind norm;
    double norm_epsilon;
    at_position_kind position;
    at_rope rope[2];          /* of layers that see everything, of local layers */
    int causal;
    int window;               /* of local layers: |i - j| <= window; 0: there is no such layer */
    const unsigned char *local; /* [layers] 1: the layer sees its window only; NULL: every layer does where window > 0 */
    double attention_scale;   /* of the scores: 1 / sqrt(head_dim) in most models */
    int scale_by_depth;       /* divided by the layer's number, counted from 1 */
    double soft_cap;          /* of the scores; 0: none */
    int head_norms;           /* norms of queries and keys: each head by itself */
    int relative_buckets, relative_distance; /* bias of the scores by distance, in so many buckets; 0: none */
    /* Disentangled attention, with relative_buckets rows of positions: */
    int position_keys, position_queries; /* what contents meet positions: content to position, position to content; 0, 0: none */
    int own_position_keys, own_position_queries; /* projections of their own, else those of the contents */
    int position_buckets;     /* distances up to half of it have a row each, the others logarithmic up to relative_distance; 0: all have */
    int relative_norm;        /* the rows of positions are normalised */
    int conv_width;           /* the first block's rows get a convolution of those that it read, over so many tokens; 0: there is none */
    at_activation conv_activation;
    double embedding_scale;   /* of the words; 1 in most models */
    int qkv_bias, out_bias, mlp_bias, norm_bias, head_bias, words_bias; /* for name rows with a condition */
    int old_words_names, new_words_names; /* for name rows: one of two spellings of a head over hidden words */
    double embedding_dropout, hidden_dropout, output_dropout; /* after the embeddings, the attention, the feed-forward */
    double inner_dropout;     /* within the feed-forward */
    double final_dropout;     /* after the last norm of a stack */
    double attention_dropout, classifier_dropout; /* classifier: hidden_dropout where the config has none */
    double tag_dropout, answer_dropout; /* before the classifier of tags, of answers */
    double initializer_range;
    int pad_id;               /* -1: the config names none */
    int learns_padding;       /* the padding's embedding is trained like any other (in most models it gets no gradient) */
    at_head_form head;
    at_activation words_activation; /* after the dense layer of the head over hidden words; AT_ACT_NONE: the blocks' */
    int tied;                 /* the language model's classifier is the table of words */
    double answer_scale;      /* of what its classifier reads; 1 in most models */
    double final_cap;         /* of its logits: final_cap * tanh(logit / final_cap); 0: none */
    at_decoder_arch decoder;
} at_arch;

/* What the scores of a layer are multiplied with where `scale` is that of the first. */
static inline double at_arch_scale(const at_arch *arch, double scale, int layer) { return arch->scale_by_depth ? scale / (layer + 1) : scale; }

/* Blocks between the embeddings and the head. */
static inline int at_arch_depth(const at_arch *arch) { return arch->layers + arch->decoder.layers; }

/* Reads and checks config.json's root: every size positive and bounded (so that their products cannot overflow), heads
 * divide hidden, known activation, no switch that is on and unknown; unknown model_type: the list of those known. `path` is for errors. */
at_status at_arch_read(const json_t *config, const char *path, at_arena *arena, at_arch *arch, at_error *err);

/* The row of positions for query minus key, 0 .. relative_buckets - 1: DeBERTa's, as transformers' make_log_bucket_position. */
int at_position_bucket(const at_arch *arch, int query_minus_key);

/* The dropouts of body and attention that a user asks for; a negative one leaves what the config says. */
void at_arch_set_dropout(at_arch *arch, double hidden, double attention);
/* That of the heads; answers of families that have none keep none. */
void at_arch_set_head_dropout(at_arch *arch, double dropout);

#endif
