/* A model as the file of another program. One file a format: it takes the opened model (and its tokenizer, where the format holds one) and
 * writes `path`, whole or not at all. What a format cannot say is AT_USAGE, by name. */
#ifndef AT_EXPORT_H
#define AT_EXPORT_H

#include "model/model.h"

/* ONNX (onnx.ai), see onnx.c: inputs and outputs are named as transformers' exporters name them. */
at_status at_export_onnx(const at_model *model, const char *path, at_error *err);

/* GGUF version 3 for llama.cpp, see gguf.c: decoders opened with AT_HEAD_LM, bodies of encoders; the vocabulary is that of model->folder. type: "f32",
 * "f16", "bf16" or "q8_0", of matrices; norms and biases are F32. */
at_status at_export_gguf(const at_model *model, const char *type, const char *path, at_error *err);

#endif
