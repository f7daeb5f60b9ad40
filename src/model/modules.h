/* The modules of a sentence-transformers folder: modules.json, a folder a module with its config.json and, of a Dense, its weights.
 * Private to src/model. */
#ifndef AT_MODEL_MODULES_H
#define AT_MODEL_MODULES_H

#include "model/folder.h"

/* What the folder's modules make of the tokens, where it has any: head->pooling, dense, unit and strange. A folder without a head of its own has
 * the head mean (Transformer, mean Pooling, a linear Dense whose outputs config.json names) or embed (Transformer, Pooling, Dense ..., Normalize). */
at_status at_modules_find(const char *folder, const json_t *config, const at_arch *arch, at_arena *arena, at_folder_head *head, at_error *err);

/* The class that stands behind a Dense, as its config names it: "torch.nn.modules.activation.Tanh". */
const char *at_modules_activation(at_activation activation);

#endif
