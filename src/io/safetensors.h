/* safetensors (huggingface.co/docs/safetensors): 8 bytes little-endian header length, JSON header, data.
 * Checked on opening: header at most 16 MiB, 65,536 tensors, 8 dimensions, no duplicates, no holes, no overlap, sizes that
 * agree with dtype and shape, the file exactly as long as the header says. Reading is by pread: a file that shrinks gives an error. */
#ifndef AT_IO_SAFETENSORS_H
#define AT_IO_SAFETENSORS_H

#include "base/arena.h"
#include "base/half.h"

/* Floating types first. */
typedef enum at_dtype { AT_F64, AT_F32, AT_F16, AT_BF16, AT_F8_E4M3, AT_F8_E5M2, AT_I64, AT_I32, AT_I16, AT_I8, AT_U8, AT_BOOL } at_dtype;

typedef struct at_stored_tensor {
    const char *name;
    at_dtype dtype;
    int n_dims;
    int64_t shape[8];
    int64_t count;     /* elements */
    int shard;
    uint64_t offset;   /* in the file */
    uint64_t bytes;
} at_stored_tensor;

typedef struct at_safetensors at_safetensors;

/* `folder`: model.safetensors, or the shards of model.safetensors.index.json (names checked, every tensor in the shard that
 * the weight_map names). No weights: AT_BAD_MODEL; where only pickles are there (pytorch_model.bin, *.ckpt, *.pt) they are named with the way
 * to convert them. */
at_status at_safetensors_open_folder(const char *folder, at_safetensors **file, at_error *err);
at_status at_safetensors_open(const char *path, at_safetensors **file, at_error *err);
void at_safetensors_close(at_safetensors *file);

int at_safetensors_count(const at_safetensors *file);
const at_stored_tensor *at_safetensors_at(const at_safetensors *file, int i);            /* in order of name */
const at_stored_tensor *at_safetensors_find(const at_safetensors *file, const char *name); /* or NULL */
const char *at_safetensors_metadata(const at_safetensors *file, const char *key);         /* or NULL */
const char *at_safetensors_path(const at_safetensors *file, const at_stored_tensor *t);

/* All elements as float, converted from F64, F32, F16, BF16, F8; other types: AT_BAD_MODEL. An F8 tensor is multiplied by the scales that the file holds
 * for it (NAME_scale_inv or NAME_scale: one number, one a row, or one a block). NaN or infinity in the data: AT_BAD_MODEL that names
 * the tensor and the element, unless allow_nonfinite. Thread-safe. */
at_status at_safetensors_read_f32(const at_safetensors *file, const at_stored_tensor *t, float *values,
                                  int allow_nonfinite, at_error *err);
/* The same of n elements from `first`. */
at_status at_safetensors_read_part(const at_safetensors *file, const at_stored_tensor *t, size_t first, size_t n, float *values,
                                   int allow_nonfinite, at_error *err);
at_status at_safetensors_read_raw(const at_safetensors *file, const at_stored_tensor *t, void *bytes, at_error *err);

/* Writing: declare the tensors in the order of their data, then the data is asked for one tensor at a time through `fill`, so that no
 * second copy of the model is needed. Whole and atomic; header padded to 8 bytes with spaces; metadata pairs may be NULL. */
typedef struct at_tensor_out {
    const char *name;
    at_dtype dtype;
    int n_dims;
    int64_t shape[8];
} at_tensor_out;
typedef at_status at_tensor_fill(void *context, int i, void *bytes, at_error *err);
at_status at_safetensors_write(const char *path, const at_tensor_out *tensors, int n, const char *const *metadata_pairs,
                               at_tensor_fill *fill, void *context, at_error *err);

/* 1 where the tensor holds the scales of an F8 tensor of the file. */
int at_safetensors_is_scale(const at_safetensors *file, const at_stored_tensor *t);

#endif
