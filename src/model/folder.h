/* What a model folder holds beside the body: its head, if one was trained, and how that is laid out. Private to src/model. */
#ifndef AT_MODEL_FOLDER_H
#define AT_MODEL_FOLDER_H

#include "io/safetensors.h"
#include "model/family.h"

typedef struct at_folder_head {
    at_head_kind kind;      /* AT_HEAD_NONE: the folder has no finished head */
    int n_out;
    at_labels labels;       /* LABEL_0.. where the config names none, as transformers does */
    const char *problem_type;
    at_safetensors *dense;  /* mean, embed: the file of the Dense module, else NULL; the caller closes it */
    int has_bias;           /* embed: that has linear.bias, */
    at_activation activation; /* and what comes behind it */
    int pooling;            /* how the folder's modules pool: 1 + at_pooling; 0: it has none, or one that is not known here */
    int unit;               /* a Normalize module follows */
    const char *strange;    /* what of its modules is not known here, or NULL: vectors are not to be had as sentence-transformers makes them */
} at_folder_head;

/* Looks for a finished head: BertForSequenceClassification or BertForTokenClassification with its classifier in `file`, or modules.json with a Transformer, a mean
 * Pooling and a linear Dense whose outputs config.json names, or Transformer, Pooling and perhaps Dense and Normalize: embeddings. Anything else
 * is a body alone. */
at_status at_folder_find_head(const char *folder, const json_t *config, const at_family *family, const at_arch *arch,
                              const at_safetensors *file, at_arena *arena, at_folder_head *head, at_error *err);

#endif
