/* The parsing inside gguf.h, on bytes in memory: for the reader and the fuzz target. */
#ifndef AT_IO_GGUF_PARSE_H
#define AT_IO_GGUF_PARSE_H

#include "io/gguf.h"

enum { AT_GGUF_TENSORS = 65536, AT_GGUF_KEYS = 16384, AT_GGUF_NAME_BYTES = 1024, AT_GGUF_HEADER_BYTES = 256 << 20 };

typedef struct at_gguf_header {
    at_gguf_value *values; /* in order of key */
    at_gguf_tensor *tensors; /* in order of name */
    int n_values, n_tensors;
} at_gguf_header;

/* `bytes` are the first `len` of a file of file_bytes and live as long as the header. *more (only with len < file_bytes) is 1 where they
 * end within the header: ask again with more of them. Errors begin with `path`. */
at_status at_gguf_parse(at_arena *arena, const char *path, const unsigned char *bytes, size_t len, uint64_t file_bytes, int *more,
                        at_gguf_header *header, at_error *err);

/* A whole file in memory, which is copied. */
at_status at_gguf_open_bytes(const char *name, const unsigned char *bytes, size_t len, at_gguf **file, at_error *err);

#endif
