/* A model is data: numbers and variants read from config.json. Blocks call the variant they were given and never ask for a
 * family's name; a new family is a config reader, a name table (names.c) and a golden test. */
#ifndef AT_MODEL_ARCH_H
#define AT_MODEL_ARCH_H

#include "base/json.h"
#include "backend/backend.h"

typedef enum at_position_kind { AT_POSITION_LEARNED, AT_POSITION_ROTARY, AT_POSITION_NONE } at_position_kind;
typedef enum at_norm_place { AT_NORM_POST, AT_NORM_PRE } at_norm_place;

typedef struct at_arch {
    const char *family;       /* "bert": model_type of config.json */
    int vocab_size, hidden, layers, heads, kv_heads, head_dim, intermediate;
    int max_positions, type_vocab;
    at_activation activation;
    at_norm_place norm_place;
    int rms;                  /* RMSNorm instead of LayerNorm */
    double norm_epsilon;
    at_position_kind position;
    int causal;
    double attention_scale;   /* of the scores: 1 / sqrt(head_dim) in most models */
    double hidden_dropout, attention_dropout, classifier_dropout; /* classifier: hidden_dropout where the config has none */
    double initializer_range;
    int pad_id;
} at_arch;

/* Reads and checks config.json's root: every size positive and bounded (so that their products cannot overflow), heads
 * divide hidden, known activation; unknown model_type: the list of those known. `path` is for errors. */
at_status at_arch_read(const json_t *config, const char *path, at_arena *arena, at_arch *arch, at_error *err);

#endif
