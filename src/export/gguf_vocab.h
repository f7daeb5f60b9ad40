/* The vocabulary of a GGUF file, from the tokenizer.json of the model's folder (or of the GGUF file that it came from). Private to src/export. */
#ifndef AT_EXPORT_GGUF_VOCAB_H
#define AT_EXPORT_GGUF_VOCAB_H

#include "io/gguf_write.h"
#include "model/model.h"

/* Kinds gpt2 (byte-level BPE), llama (BPE with bytes to fall back on) and bert (WordPiece); others, and expressions that llama.cpp does not know,
 * are AT_USAGE. */
at_status at_gguf_put_vocab(at_gguf_metadata *m, const at_model *model, at_arena *arena, at_error *err);

#endif
