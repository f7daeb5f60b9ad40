/* From the tables of a family to the weights of a model, and from a model's weights to the tensors of files. Private to src/model. */
#ifndef AT_MODEL_NAMES_H
#define AT_MODEL_NAMES_H

#include "io/safetensors.h"
#include "model/family.h"

enum { AT_WEIGHT_NAME_BYTES = 256 };

int at_dimension_size(const at_arch *arch, at_dimension d, int n_out);

/* The tensor of this place: with and without the prefix, with the spelling of old files (LayerNorm.gamma and .beta), and with the prefix that
 * files of the family's other classes have; NULL where there is none. */
const at_stored_tensor *at_names_lookup(const at_family *family, const at_safetensors *file, const at_place *place);
int at_names_is_buffer(const at_family *family, const char *stored_name);

/* Declares the weights of body and head in m->params, in the order of the tables, and fills m->place. */
at_status at_names_declare(const at_family *family, at_model *m, at_error *err);

/* transformers' class for a model with this head: "BertForSequenceClassification"; "BertModel" where there is none for it. */
const char *at_names_class(const at_family *family, at_arena *arena, at_head_kind head);
/* Of a family of two stacks: the head reads the encoder alone, for which transformers has a class. */
int at_names_takes_encoder(const at_family *family, at_head_kind kind);

#endif
