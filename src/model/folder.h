/* What a model folder holds beside the body: its head, if one was trained, and how that is laid out. Private to src/model. */
#ifndef AT_MODEL_FOLDER_H
#define AT_MODEL_FOLDER_H

#include "io/safetensors.h"
#include "model/family.h"

/* A Dense module: what it is, and the file that has its weights. */
typedef struct at_folder_dense {
    at_projection form;
    at_safetensors *file;
} at_folder_dense;

typedef struct at_folder_head {
    at_head_kind kind;      /* AT_HEAD_NONE: the folder has no finished head */
    int n_out;
    at_labels labels;       /* LABEL_0.. where the config names none, as transformers does */
    const char *problem_type;
    at_folder_dense dense[AT_MAX_PROJECTIONS]; /* the folder's Dense modules, one behind the other; the caller closes their files */
    int n_dense;
    int pooling;            /* how the folder's modules pool: 1 + at_pooling; 0: it has none, or one that is not known here */
    int unit;               /* a Normalize module follows */
    const char *strange;    /* what of its modules is not known here, or NULL: vectors are not to be had as sentence-transformers makes them */
} at_folder_head;

/* Rows of a classifier [n, in], 0 where the tensor is none. */
int at_folder_outputs(const at_stored_tensor *t, int in);

/* Looks for a finished head: BertForSequenceClassification or BertForTokenClassification with its classifier in `file`, or what the modules of
 * sentence-transformers say (modules.h). Anything else is a body alone. */
at_status at_folder_find_head(const char *folder, const json_t *config, const at_family *family, const at_arch *arch,
                              const at_safetensors *file, at_arena *arena, at_folder_head *head, at_error *err);

#endif
