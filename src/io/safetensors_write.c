#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/safetensors_parse.h"

static int64_t count_of(const at_tensor_out *t) {
    int64_t count = 1;
    for (int d = 0; d < t->n_dims; d++) count *= t->shape[d];
    return count;
}

static size_t bytes_of(const at_tensor_out *t) { return (size_t)count_of(t) * at_dtype_bytes(t->dtype); }

/* NULL: memory was refused. */
static json_t *describe(const at_tensor_out *t, uint64_t begin) {
    json_t *shape = json_array();
    int bad = !shape;
    for (int d = 0; d < t->n_dims; d++) bad |= json_array_append_new(shape, json_integer(t->shape[d])) != 0;
    if (bad) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", at_dtype_name(t->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + bytes_of(t)));
}

static at_status fill_root(json_t *root, const at_tensor_out *tensors, int n, const char *const *metadata_pairs,
                           at_error *err) {
    json_t *metadata = json_object();
    int bad = 0;
    for (const char *const *pair = metadata_pairs; pair && *pair; pair += 2)
        bad |= json_object_set_new(metadata, pair[0], json_string(pair[1])) != 0;
    if (metadata_pairs) bad |= json_object_set(root, "__metadata__", metadata) != 0;
    json_decref(metadata);
    uint64_t at = 0;
    for (int i = 0; i < n; i++) {
        if (json_object_get(root, tensors[i].name)) return at_fail(err, AT_BUG, "tensor '%s' is written twice", tensors[i].name);
        bad |= json_object_set_new(root, tensors[i].name, describe(&tensors[i], at)) != 0;
        at += bytes_of(&tensors[i]);
    }
    return bad ? at_fail_memory(err, 0) : AT_OK; /* the names are UTF-8: they are ours, or came from JSON */
}

/* The header's JSON, padded with spaces to a multiple of 8 (malloc). */
static at_status make_header(const at_tensor_out *tensors, int n, const char *const *metadata_pairs, char **header,
                             at_error *err) {
    json_t *root = json_object();
    at_status st = fill_root(root, tensors, n, metadata_pairs, err);
    char *text = st ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (st) return st;
    size_t len = text ? strlen(text) : 0, padded = (len + 7) / 8 * 8;
    *header = text ? realloc(text, padded + 1) : NULL;
    if (!*header) {
        free(text);
        return at_fail_memory(err, padded);
    }
    memset(*header + len, ' ', padded - len);
    (*header)[padded] = '\0';
    return AT_OK;
}

static at_status write_parts(at_writer *w, const char *header, const at_tensor_out *tensors, int n, at_tensor_fill *fill,
                             void *context, void *buffer, at_error *err) {
    uint64_t len = strlen(header);
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)(len >> (8 * i));
    AT_TRY(at_writer_add(w, prefix, sizeof prefix, err));
    AT_TRY(at_writer_add(w, header, (size_t)len, err));
    for (int i = 0; i < n; i++) {
        AT_TRY(fill(context, i, buffer, err));
        AT_TRY(at_writer_add(w, buffer, bytes_of(&tensors[i]), err));
    }
    return at_writer_commit(w, err);
}

at_status at_safetensors_write(const char *path, const at_tensor_out *tensors, int n, const char *const *metadata_pairs,
                               at_tensor_fill *fill, void *context, at_error *err) {
    size_t largest = 1;
    for (int i = 0; i < n; i++)
        if (bytes_of(&tensors[i]) > largest) largest = bytes_of(&tensors[i]);
    char *header;
    AT_TRY(make_header(tensors, n, metadata_pairs, &header, err));
    at_writer *w = malloc(sizeof *w);
    void *buffer = malloc(largest);
    at_status st = w && buffer ? at_writer_open(w, path, err) : at_fail_memory(err, largest + sizeof *w);
    if (!st) {
        st = write_parts(w, header, tensors, n, fill, context, buffer, err);
        if (st) at_writer_abandon(w);
    }
    free(buffer);
    free(w);
    free(header);
    return st;
}
