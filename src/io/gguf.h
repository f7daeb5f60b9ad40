/* GGUF version 2 and 3 (github.com/ggml-org/ggml, docs/gguf.md): "GGUF", version, counts, metadata (key, type, value), tensor table (name,
 * dimensions fastest first, type, offset), then the data, aligned. Little-endian. Untrusted. Checked on opening: every count against the
 * bytes that are left, keys and names (unique, UTF-8, without NUL), types, dimensions, whole blocks in a row, alignment, data inside of the
 * file and without overlap. A header has at most 256 MiB, 65,536 tensors, 16,384 keys. */
#ifndef AT_IO_GGUF_H
#define AT_IO_GGUF_H

#include "base/arena.h"

/* ggml's numbers for types of tensors. */
typedef enum at_gguf_type {
    AT_GGUF_F32 = 0, AT_GGUF_F16 = 1, AT_GGUF_Q4_0 = 2, AT_GGUF_Q4_1 = 3, AT_GGUF_Q5_0 = 6, AT_GGUF_Q5_1 = 7, AT_GGUF_Q8_0 = 8,
    AT_GGUF_Q2_K = 10, AT_GGUF_Q3_K = 11, AT_GGUF_Q4_K = 12, AT_GGUF_Q5_K = 13, AT_GGUF_Q6_K = 14, AT_GGUF_IQ4_NL = 20, AT_GGUF_BF16 = 30
} at_gguf_type;

/* How a type packs numbers: blocks of `count` in `bytes`. count 0: a type that is not read here. name: as ggml's. */
typedef struct at_gguf_packing {
    const char *name;
    int count, bytes;
} at_gguf_packing;
at_gguf_packing at_gguf_packing_of(uint32_t type);

/* Numbers of whole blocks, bit for bit as ggml has them. n is a multiple of the type's count. */
void at_gguf_unpack(at_gguf_type type, const void *blocks, float *values, size_t n);
/* The other way: F32, F16, BF16 to the nearest, Q8_0 as ggml's reference does it. */
void at_gguf_pack(at_gguf_type type, const float *values, void *blocks, size_t n);

typedef enum at_gguf_kind { /* of metadata values: GGUF's numbers */
    AT_GGUF_U8, AT_GGUF_I8, AT_GGUF_U16, AT_GGUF_I16, AT_GGUF_U32, AT_GGUF_I32, AT_GGUF_FLOAT32, AT_GGUF_BOOL, AT_GGUF_STRING,
    AT_GGUF_ARRAY, AT_GGUF_U64, AT_GGUF_I64, AT_GGUF_FLOAT64
} at_gguf_kind;

typedef struct at_gguf_value {
    const char *key;
    at_gguf_kind kind, element; /* element: of an array */
    double number;              /* numbers and truth values; integers beyond 2^53 are rounded */
    const char *text;           /* strings, NUL-terminated; a NUL within ends it early */
    uint64_t count;             /* elements of an array */
    const unsigned char *bytes; /* of them, as in the file; those of strings are checked */
    size_t n_bytes;
} at_gguf_value;

typedef struct at_gguf_tensor {
    const char *name;
    uint32_t type;
    int n_dims;
    uint64_t dims[4];  /* fastest first: of a matrix [rows, cols] dims is cols, rows */
    uint64_t count;
    uint64_t offset;   /* in the file */
    uint64_t bytes;
} at_gguf_tensor;

typedef struct at_gguf at_gguf;

int at_gguf_is(const char *path); /* 1: a regular file that begins as GGUF does */
at_status at_gguf_open(const char *path, at_gguf **file, at_error *err);
void at_gguf_close(at_gguf *file);
const char *at_gguf_path(const at_gguf *file);

const at_gguf_value *at_gguf_find_value(const at_gguf *file, const char *key); /* or NULL */
const char *at_gguf_text(const at_gguf *file, const char *key);                 /* or NULL where it is no string */
double at_gguf_number(const at_gguf *file, const char *key, double otherwise);
/* Walks an array of strings; *at starts at 0. Returns 0 at its end. */
int at_gguf_next_string(const at_gguf_value *array, size_t *at, const char **text, size_t *len);
/* Element i of an array of numbers. */
double at_gguf_element(const at_gguf_value *array, uint64_t i);

int at_gguf_count(const at_gguf *file);
const at_gguf_tensor *at_gguf_at(const at_gguf *file, int i); /* in order of name */
const at_gguf_tensor *at_gguf_find(const at_gguf *file, const char *name); /* or NULL */
/* All its numbers. A type that is not read here, or a number that is not finite: AT_BAD_MODEL with the tensor's name. Thread-safe. */
at_status at_gguf_read(const at_gguf *file, const at_gguf_tensor *tensor, float *values, at_error *err);
/* The same of n numbers from `first`; both are multiples of the numbers in a row. */
at_status at_gguf_read_part(const at_gguf *file, const at_gguf_tensor *tensor, uint64_t first, uint64_t n, float *values, at_error *err);

#endif
