/* The parsing inside safetensors.h, on bytes in memory: for the reader and the fuzz targets. */
#ifndef AT_IO_SAFETENSORS_PARSE_H
#define AT_IO_SAFETENSORS_PARSE_H

#include <jansson.h>

#include "io/safetensors.h"

enum {
    AT_SAFETENSORS_HEADER_BYTES = 16 << 20,
    AT_SAFETENSORS_TENSORS = 65536,
    AT_SAFETENSORS_SHARDS = 512,
    AT_SAFETENSORS_NAME_BYTES = 1024
};

typedef struct at_header {
    at_stored_tensor *tensors; /* in the arena, in order of offset */
    int n;
    json_t *metadata; /* object of strings, or NULL; the caller decrefs it */
} at_header;

/* `json` is the header's text, which begins at byte 8 of the file; the data follow it up to file_bytes. Errors begin with `path`. */
at_status at_header_parse(at_arena *arena, const char *path, const char *json, size_t len, uint64_t file_bytes,
                          at_header *header, at_error *err);

typedef struct at_index_entry {
    const char *tensor;
    int shard;
} at_index_entry;

typedef struct at_index {
    const char **shards; /* safe relative names, sorted */
    int n_shards;
    at_index_entry *entries; /* in order of tensor name */
    int n;
} at_index;

/* model.safetensors.index.json. */
at_status at_index_parse(at_arena *arena, const char *path, const char *json, size_t len, at_index *index, at_error *err);

const char *at_dtype_name(at_dtype dtype);
size_t at_dtype_bytes(at_dtype dtype);

#endif
