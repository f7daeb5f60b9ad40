/* GGUF files as models: metadata -> config.json as transformers would have it, names and layouts of tensors, vocabulary -> tokenizer.json.
 * What is read from a file this way is a model like any other: it is trained, saved as a folder, exported. Rows of the table in
 * gguf_names.c say what an architecture of llama.cpp is here; no other place asks for its name. */
#ifndef AT_MODEL_GGUF_H
#define AT_MODEL_GGUF_H

#include "base/json.h"
#include "io/gguf.h"
#include "model/model.h"
#include "text/tokenizer.h"

typedef struct at_gguf_name {
    const char *ours, *theirs; /* without .weight and .bias; "%d" is the layer */
} at_gguf_name;

typedef struct at_gguf_key {
    const char *theirs, *ours; /* of metadata behind "ARCH.", of config.json */
    int whole;                 /* 1: an integer; 2: true or false */
} at_gguf_key;

typedef struct at_gguf_arch {
    const char *arch, *model_type;
    const at_gguf_key *keys;   /* NULL-terminated */
    const at_gguf_name *names; /* NULL-terminated: first these, then those of LLaMA where `llama` is set */
    int llama;
    int turned;                /* rows of queries and keys: pairs that turn together are neighbours, not half a head apart */
    int plus_one;              /* gains of norms are stored as 1 + w */
    int windows;               /* llama.cpp reads only a window of the text before each token, where the metadata name one */
    const char *constants;     /* JSON: what metadata does not say */
} at_gguf_arch;

const at_gguf_arch *at_gguf_arch_find(const char *arch);          /* by general.architecture, or NULL */
const at_gguf_arch *at_gguf_arch_of_family(const char *model_type); /* the one to write a family as, or NULL */
const char *at_gguf_arch_list(at_arena *arena);                    /* "llama, qwen2, ..." */

enum { AT_GGUF_NAME_SIZE = 256 };
/* The tensor that "layers.3.self_attn.q_proj.weight" (an at_place's bare name) is there; 0 where it has none. */
int at_gguf_name_of(const at_gguf_arch *arch, const char *bare, char name[AT_GGUF_NAME_SIZE]);
/* Where a weight lies in its tensor there: nothing is transposed, and what is fused lies one part below the other. */
at_place at_gguf_place(const at_place *place, const at_weight *w);
/* Between their rows and ours, in place: [rows, cols] as a file has them. `to_file` 1: from ours to theirs. */
at_status at_gguf_turn(const at_gguf_arch *arch, const at_arch *a, const char *bare, float *values, size_t rows, size_t cols, int to_file,
                       at_error *err);

/* config.json of the file; the caller decrefs it. */
at_status at_gguf_config(const at_gguf *file, json_t **config, at_error *err);
/* Keys of that config.json in a sentence of at_arch_read, which the user's file does not have, become those of the metadata that they were made from. */
void at_gguf_say_keys(const at_gguf *file, at_error *err);
/* tokenizer.json and tokenizer_config.json of its vocabulary (kinds gpt2, llama, bert); the caller decrefs both. */
at_status at_gguf_tokenizer(const at_gguf *file, json_t **tokenizer, json_t **config, at_error *err);

/* The tokenizer of a model: a folder's, or a GGUF file's. */
at_status at_model_tokenizer_open(const char *path, at_tokenizer **tokenizer, at_error *err);

#endif
