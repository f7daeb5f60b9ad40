/* The parameter tables: one row a weight of a family, with its name in files, its shape and its field. A family whose files
 * name or shape things otherwise gets another table; no code asks for a family's name. */
#ifndef AT_MODEL_NAMES_H
#define AT_MODEL_NAMES_H

#include "io/safetensors.h"
#include "model/model.h"

enum { AT_WEIGHT_NAME_BYTES = 256 };

typedef enum at_dimension {
    AT_DIM_ONE, AT_DIM_VOCAB, AT_DIM_POSITIONS, AT_DIM_TYPES, AT_DIM_HIDDEN, AT_DIM_QUERY, AT_DIM_KEY, AT_DIM_INTERMEDIATE
} at_dimension;

typedef struct at_name_row {
    const char *name;     /* in files, without the family's prefix; "%d" stands for the layer */
    size_t field;         /* of the at_weight * in at_layer where the name has "%d", else in at_body */
    at_weight_kind kind;
    at_dimension out, in;
    int decay;
} at_name_row;

typedef struct at_names {
    const char *family;
    const char *prefix;           /* of the body's names in files that hold a head too: "bert." */
    const at_name_row *body, *layer;
    int n_body, n_layer;
    const char *pooler, *pooler_bias;         /* with the prefix */
    const char *classifier, *classifier_bias; /* without */
    const char *const *buffers;   /* tensors of old files that are no parameters; NULL-terminated */
    const char *body_class, *classifier_class; /* of transformers, for "architectures" */
} at_names;

/* Every family that at_arch_read knows has one. */
const at_names *at_names_find(const char *family);

int at_dimension_size(const at_arch *arch, at_dimension d);

/* The tensor of the file that holds our weight: with and without the prefix, and with the spelling of old files
 * (LayerNorm.gamma and .beta); NULL where there is none. */
const at_stored_tensor *at_names_lookup(const at_names *names, const at_safetensors *file, const char *name);
int at_names_is_buffer(const at_names *names, const char *stored_name);

/* Declares the weights of body and head in p, in the order of the tables. */
at_status at_names_declare(const at_names *names, at_model *m, at_error *err);

#endif
