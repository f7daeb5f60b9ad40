/* From the setting `model` to a folder on the disk: a path (of a folder, or of a GGUF file), or the name of a model in the Hugging Face cache. No network. */
#ifndef AT_RUN_MODELS_H
#define AT_RUN_MODELS_H

#include "base/arena.h"

at_status at_model_folder_find(at_arena *arena, const char *name, const char **folder, at_error *err);

#endif
