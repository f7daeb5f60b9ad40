/* One table or two: whether the classifier over the words is the table of words. Private to src/model. */
#ifndef AT_MODEL_TIES_H
#define AT_MODEL_TIES_H

#include "model/names.h"

/* The table of words in a file, under any of the family's names for it; NULL where there is none. */
const at_stored_tensor *at_ties_words(const at_family *family, const at_safetensors *file);

/* Sets arch->tied of a language model by its file, as transformers 5 does: a file of two different tables has two, whatever its config says; of
 * two equal ones, or of one, the config decides, or of a family whose file says it (lm_by_file), that they are one. */
at_status at_ties_settle(const at_family *family, const at_safetensors *file, at_arch *arch, at_error *err);

/* The head over hidden words of this file has a table beside that of the words, which no head here has: it is none that could be taken over. */
int at_ties_mask_has_two(const at_family *family, const at_safetensors *file);

#endif
