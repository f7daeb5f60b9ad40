/* A protocol buffer is a row of fields: a key (number << 3 | type) and its value, a varint (type 0), four bytes (5), or a length and bytes
 * (2). A message within a message is such bytes, so its length stands before it. Everything but the weights is built in memory; the
 * weights come last in the graph and only their headers are built, so that lengths are known before the first byte is written and no
 * second copy of the model is ever held. Field numbers are those of onnx.proto. */
#include "io/onnx.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_FLOAT = 2, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_INTS = 7 }; /* of attributes */
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { MOST_DIMS = 4 };
static const uint64_t MOST_BYTES = ((uint64_t)1 << 31) - 1; /* of a protocol buffer */

typedef struct tensor {
    const char *name;
    at_onnx_type type;
    int n_dims;
    int64_t dims[MOST_DIMS];
    size_t bytes;
    const void *value; /* NULL: asked for while writing */
    int index;
} tensor;

struct at_onnx {
    at_arena *arena;
    at_str nodes, attributes, values, metadata; /* fields of the graph, of the next node, of the graph, of the model */
    const char *scope;
    int n_nodes, failed;
    tensor *tensors;
    int n_tensors, cap_tensors;
};

/* ---- fields ---- */

static size_t varint_bytes(uint64_t value, unsigned char *to) {
    size_t n = 0;
    do {
        to[n++] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    return n;
}

static void put_varint(at_str *s, uint64_t value) {
    unsigned char bytes[10];
    at_str_add_bytes(s, (char *)bytes, varint_bytes(value, bytes));
}

static void put_key(at_str *s, int number, int type) { put_varint(s, (uint64_t)number << 3 | (uint64_t)type); }

static void put_int(at_str *s, int number, int64_t value) {
    put_key(s, number, 0);
    put_varint(s, (uint64_t)value);
}

static void put_bytes(at_str *s, int number, const char *bytes, size_t len) {
    put_key(s, number, 2);
    put_varint(s, len);
    at_str_add_bytes(s, bytes, len);
}

static void put_text(at_str *s, int number, const char *text) { put_bytes(s, number, text, strlen(text)); }

static void put_message(at_str *s, int number, const at_str *message) {
    put_bytes(s, number, message->text ? message->text : "", message->len);
    if (message->failed) s->failed = 1;
}

/* ---- nodes ---- */

at_onnx *at_onnx_new(at_arena *arena) {
    at_onnx *g = AT_NEW(arena, at_onnx);
    if (!g) return NULL;
    *g = (at_onnx){.arena = arena, .nodes = {.arena = arena}, .attributes = {.arena = arena}, .values = {.arena = arena},
                   .metadata = {.arena = arena}, .scope = "/"};
    return g;
}

void at_onnx_scope(at_onnx *g, const char *fmt, ...) {
    at_str s = {.arena = g->arena};
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    at_str_add(&s, text);
    if (s.failed) g->failed = 1;
    else g->scope = s.text ? s.text : "/";
}

static void put_attribute(at_onnx *g, const char *name, const at_str *value, int type) {
    at_str s = {.arena = g->arena};
    put_text(&s, ATTRIBUTE_NAME, name);
    at_str_add_bytes(&s, value->text, value->len);
    put_int(&s, ATTRIBUTE_TYPE, type);
    put_message(&g->attributes, NODE_ATTRIBUTE, &s);
    if (value->failed || s.failed) g->failed = 1;
}

void at_onnx_attribute_int(at_onnx *g, const char *name, int64_t value) {
    at_str s = {.arena = g->arena};
    put_int(&s, ATTRIBUTE_INT, value);
    put_attribute(g, name, &s, TYPE_INT);
}

void at_onnx_attribute_float(at_onnx *g, const char *name, float value) {
    at_str s = {.arena = g->arena};
    put_key(&s, ATTRIBUTE_FLOAT, 5);
    at_str_add_bytes(&s, (const char *)&value, sizeof value);
    put_attribute(g, name, &s, TYPE_FLOAT);
}

void at_onnx_attribute_ints(at_onnx *g, const char *name, const int64_t *value, int n) {
    at_str s = {.arena = g->arena};
    for (int i = 0; i < n; i++) put_int(&s, ATTRIBUTE_INTS, value[i]);
    put_attribute(g, name, &s, TYPE_INTS);
}

/* Closes a node whose inputs are in `s` already. */
static void finish_node(at_onnx *g, at_str *s, const char *op, const char *name, const char *output) {
    put_text(s, NODE_OUTPUT, output);
    put_text(s, NODE_NAME, name);
    put_text(s, NODE_OP, op);
    if (g->attributes.len) at_str_add_bytes(s, g->attributes.text, g->attributes.len);
    at_str_clear(&g->attributes);
    put_message(&g->nodes, GRAPH_NODE, s);
    if (s->failed || g->nodes.failed) g->failed = 1;
}

static const char *new_name(at_onnx *g, const char *op) {
    const char *name = at_format(g->arena, "%s%s_%d", g->scope, op, g->n_nodes++);
    if (!name) g->failed = 1;
    return name;
}

const char *at_onnx_node(at_onnx *g, const char *op, int n, ...) {
    at_str s = {.arena = g->arena};
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++) {
        const char *input = va_arg(args, const char *);
        if (input) put_text(&s, NODE_INPUT, input);
        else g->failed = 1;
    }
    va_end(args);
    const char *name = new_name(g, op);
    if (g->failed) return NULL;
    finish_node(g, &s, op, name, name);
    return name;
}

void at_onnx_node_named(at_onnx *g, const char *op, const char *output, const char *input) {
    at_str s = {.arena = g->arena};
    const char *name = new_name(g, op);
    if (!input || g->failed) {
        g->failed = 1;
        return;
    }
    put_text(&s, NODE_INPUT, input);
    finish_node(g, &s, op, name, output);
}

/* ---- tensors ---- */

static size_t width(at_onnx_type type) { return type == AT_ONNX_FLOAT ? 4 : type == AT_ONNX_BOOL ? 1 : 8; }

static tensor *add_tensor(at_onnx *g, const char *name, at_onnx_type type, int n_dims, const int64_t *dims) {
    if (g->n_tensors == g->cap_tensors) {
        int cap = g->cap_tensors ? 2 * g->cap_tensors : 64;
        tensor *more = AT_NEW_ARRAY(g->arena, tensor, cap);
        if (!more) {
            g->failed = 1;
            return NULL;
        }
        if (g->n_tensors) memcpy(more, g->tensors, (size_t)g->n_tensors * sizeof *more);
        g->tensors = more;
        g->cap_tensors = cap;
    }
    tensor *t = &g->tensors[g->n_tensors++];
    *t = (tensor){.name = name, .type = type, .n_dims = n_dims, .bytes = width(type)};
    for (int i = 0; i < n_dims; i++) {
        t->dims[i] = dims[i];
        t->bytes *= (size_t)dims[i];
    }
    if (!name) g->failed = 1;
    return t;
}

static int same(const tensor *t, at_onnx_type type, const void *value, size_t bytes, int n_dims, const int64_t *dims) {
    if (n_dims && t->n_dims == n_dims && memcmp(t->dims, dims, (size_t)n_dims * sizeof *dims)) return 0;
    return t->value && t->type == type && t->bytes == bytes && t->n_dims == n_dims &&
           !memcmp(t->value, value, bytes);
}

static const char *constant(at_onnx *g, at_onnx_type type, const void *value, int n_dims, const int64_t *dims) {
    size_t bytes = width(type);
    if (g->failed) return NULL;
    for (int i = 0; i < n_dims; i++) bytes *= (size_t)dims[i];
    for (int i = 0; i < g->n_tensors; i++)
        if (same(&g->tensors[i], type, value, bytes, n_dims, dims)) return g->tensors[i].name;
    void *copy = at_alloc_raw(g->arena, bytes, 1);
    tensor *t = add_tensor(g, at_format(g->arena, "constant_%d", g->n_tensors), type, n_dims, dims);
    if (!copy || !t) {
        g->failed = 1;
        return NULL;
    }
    memcpy(copy, value, bytes);
    t->value = copy;
    return t->name;
}

const char *at_onnx_floats(at_onnx *g, const float *value, int n_dims, const int64_t *dims) {
    return constant(g, AT_ONNX_FLOAT, value, n_dims, dims);
}

const char *at_onnx_doubles(at_onnx *g, const double *value, int n_dims, const int64_t *dims) {
    return constant(g, AT_ONNX_DOUBLE, value, n_dims, dims);
}

const char *at_onnx_int64s(at_onnx *g, const int64_t *value, int n_dims, const int64_t *dims) {
    return constant(g, AT_ONNX_INT64, value, n_dims, dims);
}

const char *at_onnx_tensor(at_onnx *g, const char *name, int index, int n_dims, const int64_t *dims) {
    if (g->failed) return NULL;
    for (int i = 0; i < g->n_tensors; i++)
        if (!strcmp(g->tensors[i].name, name)) return g->tensors[i].name;
    tensor *t = add_tensor(g, name, AT_ONNX_FLOAT, n_dims, dims);
    if (!t) return NULL;
    t->index = index;
    return t->name;
}

/* ---- inputs, outputs, metadata ---- */

/* ValueInfo { name, Type { Tensor { element, Shape { Dim* } } } } */
static void put_value(at_onnx *g, int number, const char *name, at_onnx_type type, const at_onnx_dim *dims, int n_dims) {
    at_str shape = {.arena = g->arena}, of = shape, kind = shape, value = shape;
    for (int i = 0; i < n_dims; i++) {
        at_str dim = {.arena = g->arena};
        if (dims[i].name) put_text(&dim, 2, dims[i].name);
        else put_int(&dim, 1, dims[i].size);
        put_message(&shape, 1, &dim);
    }
    put_int(&of, 1, type);
    put_message(&of, 2, &shape);
    put_message(&kind, 1, &of);
    put_text(&value, 1, name);
    put_message(&value, 2, &kind);
    put_message(&g->values, number, &value);
}

void at_onnx_input(at_onnx *g, const char *name, at_onnx_type type, const at_onnx_dim *dims, int n_dims) {
    put_value(g, GRAPH_INPUT, name, type, dims, n_dims);
}

void at_onnx_output(at_onnx *g, const char *name, at_onnx_type type, const at_onnx_dim *dims, int n_dims) {
    put_value(g, GRAPH_OUTPUT, name, type, dims, n_dims);
}

void at_onnx_metadata(at_onnx *g, const char *key, const char *value) {
    at_str pair = {.arena = g->arena};
    put_text(&pair, 1, key);
    put_text(&pair, 2, value);
    put_message(&g->metadata, MODEL_METADATA, &pair);
}

/* ---- the file ---- */

/* Everything of a tensor's message up to the bytes of its values. */
static void put_tensor_head(at_str *s, const tensor *t) {
    for (int i = 0; i < t->n_dims; i++) put_int(s, TENSOR_DIMS, t->dims[i]);
    put_int(s, TENSOR_TYPE, t->type);
    put_text(s, TENSOR_NAME, t->name);
    put_key(s, TENSOR_RAW, 2);
    put_varint(s, t->bytes);
}

/* The heads of all tensors, each with its own key and length; *total gets the bytes of heads and values. */
static at_str *tensor_heads(at_onnx *g, uint64_t *total) {
    at_str *heads = AT_NEW_ARRAY(g->arena, at_str, g->n_tensors);
    for (int i = 0; heads && i < g->n_tensors; i++) {
        at_str inside = {.arena = g->arena};
        heads[i].arena = g->arena;
        put_tensor_head(&inside, &g->tensors[i]);
        put_key(&heads[i], GRAPH_TENSOR, 2);
        put_varint(&heads[i], inside.len + g->tensors[i].bytes);
        at_str_add_bytes(&heads[i], inside.text, inside.len);
        *total += heads[i].len + g->tensors[i].bytes;
        if (inside.failed || heads[i].failed) return NULL;
    }
    return heads;
}

static at_status write_tensor(at_writer *w, const tensor *t, at_onnx_fill *fill, void *context, at_error *err) {
    if (t->value || !t->bytes) return at_writer_add(w, t->value, t->bytes, err);
    float *values = malloc(t->bytes);
    at_status st = values ? fill(context, t->index, values, err) : at_fail_memory(err, t->bytes);
    if (st) at_writer_abandon(w);
    else st = at_writer_add(w, values, t->bytes, err);
    free(values);
    return st;
}

static at_status write_parts(at_onnx *g, at_writer *w, const at_str *model, const at_str *graph, const at_str *heads, at_onnx_fill *fill,
                             void *context,
                             at_error *err) {
    AT_TRY(at_writer_add(w, model->text, model->len, err));
    AT_TRY(at_writer_add(w, graph->text, graph->len, err));
    for (int i = 0; i < g->n_tensors; i++) {
        AT_TRY(at_writer_add(w, heads[i].text, heads[i].len, err));
        AT_TRY(write_tensor(w, &g->tensors[i], fill, context, err));
    }
    return at_writer_commit(w, err);
}

at_status at_onnx_write(at_onnx *g, const char *path, const char *graph_name, at_onnx_fill *fill, void *context, at_error *err) {
    at_str model = {.arena = g->arena}, graph = model, opset = model;
    uint64_t bytes = 0;
    if (g->failed) return at_fail_memory(err, 0);
    at_str *heads = tensor_heads(g, &bytes);
    at_str_add_bytes(&graph, g->nodes.text, g->nodes.len);
    put_text(&graph, GRAPH_NAME, graph_name);
    at_str_add_bytes(&graph, g->values.text, g->values.len);
    put_int(&model, MODEL_IR, AT_ONNX_IR);
    put_text(&model, MODEL_PRODUCER, "attune");
    put_text(&model, MODEL_PRODUCER_VERSION, at_version());
    put_text(&opset, 1, "");
    put_int(&opset, 2, AT_ONNX_OPSET);
    put_message(&model, MODEL_OPSET, &opset);
    if (g->metadata.len) at_str_add_bytes(&model, g->metadata.text, g->metadata.len);
    put_key(&model, MODEL_GRAPH, 2);
    put_varint(&model, graph.len + bytes);
    if (!heads || model.failed || graph.failed || g->values.failed || g->metadata.failed) return at_fail_memory(err, 0);
    if (model.len + graph.len + bytes > MOST_BYTES)
        return at_fail(err, AT_USAGE,
                       "%s: the model takes %.2f GB, and an ONNX file holds 2.15 GB at most; weights in files beside it are not written",
                       path, (double)bytes / 1e9);
    at_writer *w = calloc(1, sizeof *w);
    if (!w) return at_fail_memory(err, sizeof *w);
    at_status st = at_writer_open(w, path, err);
    if (!st) st = write_parts(g, w, &model, &graph, heads, fill, context, err);
    free(w);
    return st;
}
