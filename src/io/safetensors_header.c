#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "io/safetensors_parse.h"

static const char *const DTYPE_NAMES[] = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "I16", "I8", "U8", "BOOL", NULL};
static const size_t DTYPE_BYTES[] = {8, 4, 2, 2, 1, 1, 8, 4, 2, 1, 1, 1};

const char *at_dtype_name(at_dtype dtype) { return DTYPE_NAMES[dtype]; }
size_t at_dtype_bytes(at_dtype dtype) { return DTYPE_BYTES[dtype]; }

typedef struct parser {
    const char *path;
    uint64_t data_start, file_bytes;
    at_error *err;
} parser;

static at_status check_name(const parser *p, const char *name) {
    size_t len = strlen(name);
    if (!len || len > AT_SAFETENSORS_NAME_BYTES)
        return at_fail(p->err, AT_BAD_MODEL, "%s: header: the name of a tensor is %zu bytes long (1 to %d are allowed): '%.60s'",
                       p->path, len, AT_SAFETENSORS_NAME_BYTES, name);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return at_fail(p->err, AT_BAD_MODEL, "%s: header: the name of a tensor has a control character (byte 0x%02x)",
                           p->path, (unsigned)(unsigned char)*c);
    return AT_OK;
}

static at_status parse_dtype(const parser *p, const json_t *value, at_stored_tensor *t) {
    if (!json_is_string(value)) return at_fail(p->err, AT_BAD_MODEL, "%s: tensor '%s': no dtype", p->path, t->name);
    for (int i = 0; DTYPE_NAMES[i]; i++)
        if (!strcmp(json_string_value(value), DTYPE_NAMES[i])) {
            t->dtype = (at_dtype)i;
            return AT_OK;
        }
    return at_fail(p->err, AT_BAD_MODEL,
                   "%s: tensor '%s': dtype '%.30s' is not one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U8, BOOL", p->path,
                   t->name, json_string_value(value));
}

static at_status parse_shape(const parser *p, const json_t *value, at_stored_tensor *t) {
    if (!json_is_array(value)) return at_fail(p->err, AT_BAD_MODEL, "%s: tensor '%s': no shape", p->path, t->name);
    size_t n = json_array_size(value);
    if (n > 8) return at_fail(p->err, AT_BAD_MODEL, "%s: tensor '%s': %zu dimensions, more than 8", p->path, t->name, n);
    t->n_dims = (int)n;
    t->count = 1;
    for (size_t d = 0; d < n; d++) {
        const json_t *size = json_array_get(value, d);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return at_fail(p->err, AT_BAD_MODEL, "%s: tensor '%s': dimension %zu is not a whole number of 0 or more", p->path,
                           t->name, d);
        t->shape[d] = json_integer_value(size);
        if (__builtin_mul_overflow(t->count, t->shape[d], &t->count))
            return at_fail(p->err, AT_BAD_MODEL, "%s: tensor '%s': the product of its dimensions is too large", p->path,
                           t->name);
    }
    return AT_OK;
}

static at_status parse_offsets(const parser *p, const json_t *value, at_stored_tensor *t) {
    const json_t *first = json_array_get(value, 0), *last = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(first) || !json_is_integer(last) || json_integer_value(first) < 0 ||
        json_integer_value(last) < json_integer_value(first))
        return at_fail(p->err, AT_BAD_MODEL, "%s: tensor '%s': data_offsets must be [begin, end] with 0 <= begin <= end",
                       p->path, t->name);
    uint64_t begin = (uint64_t)json_integer_value(first), end = (uint64_t)json_integer_value(last), needed;
    t->bytes = end - begin;
    if (__builtin_mul_overflow((uint64_t)t->count, (uint64_t)at_dtype_bytes(t->dtype), &needed) || needed != t->bytes)
        return at_fail(p->err, AT_BAD_MODEL, "%s: tensor '%s': data_offsets span %llu bytes, %lld elements of %s need %s%llu",
                       p->path, t->name, (unsigned long long)t->bytes, (long long)t->count, at_dtype_name(t->dtype),
                       needed / at_dtype_bytes(t->dtype) == (uint64_t)t->count ? "" : "more than ",
                       (unsigned long long)needed);
    if (end > p->file_bytes - p->data_start)
        return at_fail(p->err, AT_BAD_MODEL,
                       "%s: truncated: tensor '%s' ends at byte %llu, the file has %llu bytes; fetch the file again", p->path,
                       t->name, (unsigned long long)(p->data_start + end), (unsigned long long)p->file_bytes);
    t->offset = p->data_start + begin;
    return AT_OK;
}

static at_status parse_tensor(const parser *p, const json_t *value, at_stored_tensor *t) {
    if (!json_is_object(value))
        return at_fail(p->err, AT_BAD_MODEL, "%s: tensor '%s': an object was expected in the header", p->path, t->name);
    AT_TRY(parse_dtype(p, json_object_get(value, "dtype"), t));
    AT_TRY(parse_shape(p, json_object_get(value, "shape"), t));
    return parse_offsets(p, json_object_get(value, "data_offsets"), t);
}

static at_status parse_metadata(const parser *p, json_t *value, json_t **metadata) {
    const char *key;
    json_t *text;
    if (!json_is_object(value)) return at_fail(p->err, AT_BAD_MODEL, "%s: header: __metadata__ is not an object", p->path);
    json_object_foreach(value, key, text) {
        if (!json_is_string(text))
            return at_fail(p->err, AT_BAD_MODEL, "%s: header: __metadata__: '%.60s' is not a string", p->path, key);
    }
    *metadata = value;
    return AT_OK;
}

static int by_offset(const void *a, const void *b) {
    const at_stored_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The tensors in order of offset must tile the data exactly. */
static at_status check_layout(const parser *p, const at_stored_tensor *tensors, int n) {
    uint64_t at = p->data_start;
    for (int i = 0; i < n; i++) {
        const at_stored_tensor *t = &tensors[i];
        if (t->offset > at)
            return at_fail(p->err, AT_BAD_MODEL, "%s: byte %llu: a hole of %llu bytes before tensor '%s'", p->path,
                           (unsigned long long)at, (unsigned long long)(t->offset - at), t->name);
        if (t->offset < at)
            return at_fail(p->err, AT_BAD_MODEL, "%s: byte %llu: tensor '%s' overlaps tensor '%s'", p->path,
                           (unsigned long long)t->offset, t->name, tensors[i - 1].name);
        at += t->bytes;
    }
    if (at != p->file_bytes)
        return at_fail(p->err, AT_BAD_MODEL, "%s: byte %llu: the file is %llu bytes longer than its header says", p->path,
                       (unsigned long long)at, (unsigned long long)(p->file_bytes - at));
    return AT_OK;
}

static at_status parse_root(const parser *p, at_arena *arena, json_t *root, at_header *header) {
    if (!json_is_object(root)) return at_fail(p->err, AT_BAD_MODEL, "%s: header: not a JSON object", p->path);
    size_t n = json_object_size(root);
    if (n > AT_SAFETENSORS_TENSORS)
        return at_fail(p->err, AT_BAD_MODEL, "%s: header: %zu tensors, more than %d", p->path, n, AT_SAFETENSORS_TENSORS);
    header->tensors = AT_NEW_ARRAY(arena, at_stored_tensor, n);
    if (!header->tensors) return at_fail_memory(p->err, n * sizeof *header->tensors);
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        if (!strcmp(key, "__metadata__")) {
            AT_TRY(parse_metadata(p, value, &header->metadata));
            continue;
        }
        AT_TRY(check_name(p, key));
        at_stored_tensor *t = &header->tensors[header->n++];
        t->name = at_strdup(arena, key);
        if (!t->name) return at_fail_memory(p->err, strlen(key));
        AT_TRY(parse_tensor(p, value, t));
    }
    qsort(header->tensors, (size_t)header->n, sizeof *header->tensors, by_offset);
    return check_layout(p, header->tensors, header->n);
}

at_status at_header_parse(at_arena *arena, const char *path, const char *json, size_t len, uint64_t file_bytes,
                          at_header *header, at_error *err) {
    *header = (at_header){0};
    parser p = {path, 8 + (uint64_t)len, file_bytes, err};
    if (p.data_start > file_bytes)
        return at_fail(err, AT_BAD_MODEL, "%s: truncated: the header ends at byte %llu, the file has %llu bytes", path,
                       (unsigned long long)p.data_start, (unsigned long long)file_bytes);
    if (!len || json[0] != '{') return at_fail(err, AT_BAD_MODEL, "%s: byte 8: the header does not begin with '{'", path);
    char name[4200];
    snprintf(name, sizeof name, "%s: header", path);
    json_t *root;
    AT_TRY(at_json_parse(json, len, name, AT_BAD_MODEL, &root, err));
    at_status st = parse_root(&p, arena, root, header);
    if (st) header->metadata = NULL;
    json_incref(header->metadata);
    json_decref(root);
    return st;
}
