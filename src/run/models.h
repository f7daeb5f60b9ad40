/* From the setting `model` to a folder on the disk: a path (of a folder, or of a GGUF file), or the name of a model in the Hugging Face cache. No network. */
#ifndef AT_RUN_MODELS_H
#define AT_RUN_MODELS_H

#include "base/arena.h"
#include "model/model.h"
#include "run/events.h"

at_status at_model_folder_find(at_arena *arena, const char *name, const char **folder, at_error *err);

/* The tensors of blocks that the file has and the model, as its config describes it, has no use for: how many, and the first. A head or a pooler that
 * another program needs is none; one inside a block says that file and config do not belong together. */
int at_model_unread(const at_model *model, const char **first);
void at_tell_unread(const at_listener *listener, const at_model *model); /* a warning, where there are any */

#endif
