/* Writing GGUF version 3: metadata are gathered, tensors declared, and their numbers asked for one at a time. Whole and atomic. */
#ifndef AT_IO_GGUF_WRITE_H
#define AT_IO_GGUF_WRITE_H

#include "base/str.h"
#include "io/gguf.h"

/* Zero-initialise with the arena of `bytes`. Failure of memory sticks in bytes.failed, which at_gguf_write looks at. */
typedef struct at_gguf_metadata {
    at_str bytes;
    uint64_t n;
} at_gguf_metadata;
void at_gguf_put_text(at_gguf_metadata *m, const char *key, const char *text);
void at_gguf_put_u32(at_gguf_metadata *m, const char *key, uint32_t value);
void at_gguf_put_f32(at_gguf_metadata *m, const char *key, float value);
void at_gguf_put_flag(at_gguf_metadata *m, const char *key, int value);
/* text i has length[i] bytes */
void at_gguf_put_texts(at_gguf_metadata *m, const char *key, const char *const *text, const size_t *length, uint64_t n);
void at_gguf_put_i32s(at_gguf_metadata *m, const char *key, const int32_t *values, uint64_t n);
void at_gguf_put_f32s(at_gguf_metadata *m, const char *key, const float *values, uint64_t n);

typedef struct at_gguf_tensor_out {
    const char *name;
    at_gguf_type type; /* one that at_gguf_pack makes; dims[0] a multiple of its count */
    int n_dims;
    uint64_t dims[4];  /* fastest first */
} at_gguf_tensor_out;
/* Fills values [product of dims] of tensor i. */
typedef at_status at_gguf_fill(void *context, int i, float *values, at_error *err);
at_status at_gguf_write(const char *path, const at_gguf_metadata *metadata, const at_gguf_tensor_out *tensors, int n, at_gguf_fill *fill,
                        void *context, at_error *err);

#endif
