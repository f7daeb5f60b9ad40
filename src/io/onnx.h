/* Writing ONNX (onnx.ai, onnx.proto of IR version 8, opset 17): a graph is built node by node, then written as one protocol buffer with its
 * tensors inside, whole or not at all.
 *
 * Values of the graph are known by name; a node's one output is named by its op, and by the scope it was made in. A builder that has failed
 * (memory, a format limit) gives NULL names, takes NULL names, and at_onnx_write tells why; so calls may be nested without a look in
 * between. */
#ifndef AT_IO_ONNX_H
#define AT_IO_ONNX_H

#include <stdint.h>

#include "base/arena.h"

enum { AT_ONNX_OPSET = 17, AT_ONNX_IR = 8 };
typedef enum at_onnx_type { AT_ONNX_FLOAT = 1, AT_ONNX_INT64 = 7, AT_ONNX_BOOL = 9, AT_ONNX_DOUBLE = 11 } at_onnx_type;

typedef struct at_onnx at_onnx;
at_onnx *at_onnx_new(at_arena *arena); /* NULL: no memory */

/* Names of nodes from here on begin with this: "/layer.3/attention/". */
void at_onnx_scope(at_onnx *g, const char *fmt, ...) AT_PRINTF(2, 3);

/* Attributes of the next node: its inputs are made before them. */
void at_onnx_attribute_int(at_onnx *g, const char *name, int64_t value);
void at_onnx_attribute_float(at_onnx *g, const char *name, float value);
void at_onnx_attribute_ints(at_onnx *g, const char *name, const int64_t *value, int n);
/* Adds a node of n inputs (const char *) and gives the name of its output. */
const char *at_onnx_node(at_onnx *g, const char *op, int n, ...);
/* The same under a name of its own: an output of the graph. */
void at_onnx_node_named(at_onnx *g, const char *op, const char *output, const char *input);

/* Small tensors, copied; equal ones are one. n_dims 0: a scalar. */
const char *at_onnx_floats(at_onnx *g, const float *value, int n_dims, const int64_t *dims);
const char *at_onnx_doubles(at_onnx *g, const double *value, int n_dims, const int64_t *dims);
const char *at_onnx_int64s(at_onnx *g, const int64_t *value, int n_dims, const int64_t *dims);
/* A tensor of floats whose values are asked for while writing, by `index`. One name, one tensor: asking again adds nothing. */
const char *at_onnx_tensor(at_onnx *g, const char *name, int index, int n_dims, const int64_t *dims);

/* Inputs and outputs of the graph. A dimension is a number, or where `name` is not NULL free and named. */
typedef struct at_onnx_dim {
    const char *name;
    int64_t size;
} at_onnx_dim;
void at_onnx_input(at_onnx *g, const char *name, at_onnx_type type, const at_onnx_dim *dims, int n_dims);
void at_onnx_output(at_onnx *g, const char *name, at_onnx_type type, const at_onnx_dim *dims, int n_dims);
/* A pair of the model's own description. */
void at_onnx_metadata(at_onnx *g, const char *key, const char *value);

/* Writes the file. fill gives the values of tensor `index` of at_onnx_tensor. A model beyond the 2 GiB that a protocol buffer holds is
 * AT_USAGE. */
typedef at_status at_onnx_fill(void *context, int index, float *values, at_error *err);
at_status at_onnx_write(at_onnx *g, const char *path, const char *graph_name, at_onnx_fill *fill, void *context, at_error *err);

#endif
