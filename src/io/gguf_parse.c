#include "io/gguf_parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

typedef struct parsing {
    at_arena *arena;
    const char *path;
    at_reader r;
    uint64_t file_bytes;
    int ended; /* the bytes end here */
    uint64_t alignment;
    at_gguf_header *header;
    at_error *err;
} parsing;

static at_status bad(parsing *p, const char *what) {
    return at_fail(p->err, AT_BAD_MODEL, "%s: byte %zu: %s", p->path, p->r.pos, what);
}

static at_status ended(parsing *p) {
    p->ended = 1;
    return at_fail(p->err, AT_BAD_MODEL,
                   "%s: byte %zu: truncated: the header goes on behind the end of the file; fetch the file again", p->path, p->r.len);
}

static at_status get_u32(parsing *p, uint32_t *value) { return at_read_u32(&p->r, value) ? AT_OK : ended(p); }
static at_status get_u64(parsing *p, uint64_t *value) { return at_read_u64(&p->r, value) ? AT_OK : ended(p); }

/* n bytes of the header; what the file cannot hold is an error at once. */
static at_status get_bytes(parsing *p, uint64_t n, const unsigned char **bytes) {
    if (n > p->file_bytes - p->r.pos) return bad(p, "a length that is larger than the rest of the file, which is incomplete or damaged");
    if (n > p->r.len - p->r.pos) return ended(p);
    at_read_bytes(&p->r, (size_t)n, bytes);
    return AT_OK;
}

/* A key or a name: unique strings that are looked for. */
static at_status get_name(parsing *p, const char **name) {
    uint64_t len;
    const unsigned char *bytes;
    AT_TRY(get_u64(p, &len));
    if (!len || len > AT_GGUF_NAME_BYTES) return bad(p, "a name that is empty or longer than 1,024 bytes");
    AT_TRY(get_bytes(p, len, &bytes));
    if (memchr(bytes, 0, (size_t)len) || at_utf8_check((const char *)bytes, (size_t)len) != len) return bad(p, "a name that is no text");
    *name = at_strndup(p->arena, (const char *)bytes, (size_t)len);
    return *name ? AT_OK : at_fail_memory(p->err, (size_t)len);
}

/* ---- metadata ---- */

static size_t scalar_bytes(uint32_t kind) {
    static const unsigned char SIZES[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return kind < sizeof SIZES ? SIZES[kind] : 0;
}

static double scalar(at_gguf_kind kind, const unsigned char *b) {
    uint64_t u = 0;
    float f;
    double d;
    for (size_t i = 0; i < scalar_bytes(kind); i++) u |= (uint64_t)b[i] << (8 * i);
    uint32_t low = (uint32_t)u;
    memcpy(&f, &low, sizeof f);
    memcpy(&d, &u, sizeof d);
    switch (kind) {
    case AT_GGUF_I8: return (double)(int8_t)(uint8_t)u;
    case AT_GGUF_I16: return (double)(int16_t)(uint16_t)u;
    case AT_GGUF_I32: return (double)(int32_t)(uint32_t)u;
    case AT_GGUF_I64: return (double)(int64_t)u;
    case AT_GGUF_FLOAT32: return (double)f;
    case AT_GGUF_FLOAT64: return d;
    case AT_GGUF_BOOL: return u != 0;
    default: return (double)u;
    }
}

static at_status get_string_array(parsing *p, at_gguf_value *v) {
    const unsigned char *bytes;
    size_t begin = p->r.pos;
    if (v->count > (p->file_bytes - p->r.pos) / 8) return bad(p, "an array of more strings than the file has bytes for");
    for (uint64_t i = 0; i < v->count; i++) {
        uint64_t len;
        AT_TRY(get_u64(p, &len));
        AT_TRY(get_bytes(p, len, &bytes));
    }
    v->bytes = p->r.ptr + begin;
    v->n_bytes = p->r.pos - begin;
    return AT_OK;
}

static at_status get_array(parsing *p, at_gguf_value *v) {
    uint32_t element;
    AT_TRY(get_u32(p, &element));
    AT_TRY(get_u64(p, &v->count));
    v->element = (at_gguf_kind)element;
    if (element == AT_GGUF_STRING) return get_string_array(p, v);
    size_t size = scalar_bytes(element);
    if (!size) return bad(p, "an array of arrays, or of a type that is not known");
    if (v->count > (p->file_bytes - p->r.pos) / size) return bad(p, "an array that is larger than the rest of the file");
    v->n_bytes = (size_t)v->count * size;
    return get_bytes(p, v->n_bytes, &v->bytes);
}

static at_status get_string(parsing *p, at_gguf_value *v) {
    uint64_t len;
    const unsigned char *bytes;
    AT_TRY(get_u64(p, &len));
    AT_TRY(get_bytes(p, len, &bytes));
    if (at_utf8_check((const char *)bytes, (size_t)len) != len) return bad(p, "a string that is not valid UTF-8 ends here");
    v->text = at_strndup(p->arena, (const char *)bytes, (size_t)len);
    return v->text ? AT_OK : at_fail_memory(p->err, (size_t)len);
}

static at_status get_value(parsing *p, at_gguf_value *v) {
    uint32_t kind;
    const unsigned char *bytes;
    AT_TRY(get_name(p, &v->key));
    AT_TRY(get_u32(p, &kind));
    v->kind = (at_gguf_kind)kind;
    if (kind == AT_GGUF_STRING) return get_string(p, v);
    if (kind == AT_GGUF_ARRAY) return get_array(p, v);
    if (!scalar_bytes(kind)) return bad(p, "a metadata value of a type that is not known");
    AT_TRY(get_bytes(p, scalar_bytes(kind), &bytes));
    v->number = scalar(v->kind, bytes);
    return AT_OK;
}

/* ---- tensors ---- */

static at_status check_size(parsing *p, at_gguf_tensor *t) {
    at_gguf_packing packing = at_gguf_packing_of(t->type);
    t->count = 1;
    for (int i = 0; i < t->n_dims; i++)
        if (!t->dims[i] || __builtin_mul_overflow(t->count, t->dims[i], &t->count) || t->count > (uint64_t)INT64_MAX / 8)
            return bad(p, "a tensor of no size, or of one beyond any memory");
    if (!packing.count) return AT_OK; /* reading it says so; its bytes are not known */
    if (t->dims[0] % (uint64_t)packing.count) return bad(p, "a tensor whose rows are not whole blocks of its type");
    t->bytes = t->count / (uint64_t)packing.count * (uint64_t)packing.bytes;
    return AT_OK;
}

static at_status get_tensor(parsing *p, at_gguf_tensor *t) {
    uint32_t n_dims;
    AT_TRY(get_name(p, &t->name));
    AT_TRY(get_u32(p, &n_dims));
    if (n_dims < 1 || n_dims > 4) return bad(p, "a tensor that has not 1 to 4 dimensions");
    t->n_dims = (int)n_dims;
    for (uint32_t i = 0; i < n_dims; i++) AT_TRY(get_u64(p, &t->dims[i]));
    AT_TRY(get_u32(p, &t->type));
    AT_TRY(get_u64(p, &t->offset));
    return check_size(p, t);
}

static int by_key(const void *a, const void *b) { return strcmp(((const at_gguf_value *)a)->key, ((const at_gguf_value *)b)->key); }
static int by_name(const void *a, const void *b) { return strcmp(((const at_gguf_tensor *)a)->name, ((const at_gguf_tensor *)b)->name); }
static int by_offset(const void *a, const void *b) {
    const at_gguf_tensor *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Offsets count from the data's begin, which is the header's end, aligned. */
static at_status place_tensors(parsing *p) {
    at_gguf_header *h = p->header;
    uint64_t begin = (p->r.pos + p->alignment - 1) / p->alignment * p->alignment, end = 0;
    qsort(h->tensors, (size_t)h->n_tensors, sizeof *h->tensors, by_offset);
    for (int i = 0; i < h->n_tensors; i++) {
        at_gguf_tensor *t = &h->tensors[i];
        uint64_t last;
        if (t->offset % p->alignment || t->offset < end || __builtin_add_overflow(t->offset, t->bytes, &last))
            return at_fail(p->err, AT_BAD_MODEL, "%s: tensor %s: its data are not aligned, or overlap others", p->path, t->name);
        if (begin > p->file_bytes || last > p->file_bytes - begin)
            return at_fail(p->err, AT_BAD_MODEL,
                           "%s: truncated: the data of tensor %s end behind the end of the file, which is incomplete; fetch the file again",
                           p->path, t->name);
        end = last;
        t->offset += begin;
    }
    qsort(h->tensors, (size_t)h->n_tensors, sizeof *h->tensors, by_name);
    for (int i = 1; i < h->n_tensors; i++)
        if (!strcmp(h->tensors[i].name, h->tensors[i - 1].name))
            return at_fail(p->err, AT_BAD_MODEL, "%s: tensor %s stands there twice", p->path, h->tensors[i].name);
    return AT_OK;
}

static at_status find_alignment(parsing *p) {
    at_gguf_header *h = p->header;
    p->alignment = 32;
    qsort(h->values, (size_t)h->n_values, sizeof *h->values, by_key);
    for (int i = 0; i < h->n_values; i++) {
        if (i && !strcmp(h->values[i].key, h->values[i - 1].key))
            return at_fail(p->err, AT_BAD_MODEL, "%s: the key %s stands there twice", p->path, h->values[i].key);
        if (strcmp(h->values[i].key, "general.alignment")) continue;
        double a = h->values[i].number;
        if (h->values[i].kind != AT_GGUF_U32 || a < 8 || a > 1 << 20 || (uint32_t)a & ((uint32_t)a - 1))
            return at_fail(p->err, AT_BAD_MODEL, "%s: general.alignment is no power of two from 8 to 1,048,576", p->path);
        p->alignment = (uint64_t)a;
    }
    return AT_OK;
}

static at_status parse(parsing *p) {
    const unsigned char *magic;
    uint32_t version;
    uint64_t n_tensors, n_values;
    AT_TRY(get_bytes(p, 4, &magic));
    if (memcmp(magic, "GGUF", 4)) return at_fail(p->err, AT_BAD_MODEL, "%s: not a GGUF file", p->path);
    AT_TRY(get_u32(p, &version));
    if (version != 2 && version != 3)
        return at_fail(p->err, AT_BAD_MODEL, "%s: GGUF version %u; 2 and 3, little-endian, are read", p->path, version);
    AT_TRY(get_u64(p, &n_tensors));
    AT_TRY(get_u64(p, &n_values));
    /* The least that a value and a tensor take. */
    if (n_values > AT_GGUF_KEYS || n_values > (p->file_bytes - p->r.pos) / 14)
        return bad(p, "more metadata than the file can hold, or than 16,384 keys");
    if (n_tensors > AT_GGUF_TENSORS || n_tensors > (p->file_bytes - p->r.pos) / 33)
        return bad(p, "more tensors than the file can hold, or than 65,536");
    at_gguf_header *h = p->header;
    h->values = AT_NEW_ARRAY(p->arena, at_gguf_value, n_values);
    h->tensors = AT_NEW_ARRAY(p->arena, at_gguf_tensor, n_tensors);
    if (!h->values || !h->tensors) return at_fail_memory(p->err, (size_t)n_tensors * sizeof *h->tensors);
    for (; h->n_values < (int)n_values; h->n_values++) AT_TRY(get_value(p, &h->values[h->n_values]));
    for (; h->n_tensors < (int)n_tensors; h->n_tensors++) AT_TRY(get_tensor(p, &h->tensors[h->n_tensors]));
    AT_TRY(find_alignment(p));
    return place_tensors(p);
}

at_status at_gguf_parse(at_arena *arena, const char *path, const unsigned char *bytes, size_t len, uint64_t file_bytes, int *more,
                        at_gguf_header *header, at_error *err) {
    parsing p = {.arena = arena, .path = path, .r = {bytes, len, 0}, .file_bytes = file_bytes, .header = header, .err = err};
    *header = (at_gguf_header){0};
    at_status st = parse(&p);
    *more = st && p.ended && len < file_bytes;
    return st;
}
