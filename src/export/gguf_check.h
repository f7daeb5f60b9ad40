/* Whether a GGUF file that was written says all that makes the model compute what it computes: much of it llama.cpp takes from the
 * architecture's name alone. Private to src/export. */
#ifndef AT_EXPORT_GGUF_CHECK_H
#define AT_EXPORT_GGUF_CHECK_H

#include "model/model.h"

/* Reads the file's metadata as any other's. AT_USAGE names the first thing that this model has otherwise; the file is the caller's to remove. */
at_status at_gguf_check_written(const at_model *model, const char *path, at_error *err);

#endif
