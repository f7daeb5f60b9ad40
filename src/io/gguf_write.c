#include "io/gguf_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { ALIGNMENT = 32 };

static void add_u32(at_str *s, uint32_t v) { at_str_add_bytes(s, (const char *)&v, sizeof v); } /* little-endian: see gguf_read.c */
static void add_u64(at_str *s, uint64_t v) { at_str_add_bytes(s, (const char *)&v, sizeof v); }

static void add_text(at_str *s, const char *text, size_t len) {
    add_u64(s, len);
    at_str_add_bytes(s, text, len);
}

static void begin(at_gguf_metadata *m, const char *key, at_gguf_kind kind) {
    add_text(&m->bytes, key, strlen(key));
    add_u32(&m->bytes, (uint32_t)kind);
    m->n++;
}

void at_gguf_put_text(at_gguf_metadata *m, const char *key, const char *text) {
    begin(m, key, AT_GGUF_STRING);
    add_text(&m->bytes, text, strlen(text));
}

void at_gguf_put_u32(at_gguf_metadata *m, const char *key, uint32_t value) {
    begin(m, key, AT_GGUF_U32);
    add_u32(&m->bytes, value);
}

void at_gguf_put_f32(at_gguf_metadata *m, const char *key, float value) {
    begin(m, key, AT_GGUF_FLOAT32);
    at_str_add_bytes(&m->bytes, (const char *)&value, sizeof value);
}

void at_gguf_put_flag(at_gguf_metadata *m, const char *key, int value) {
    char byte = value != 0;
    begin(m, key, AT_GGUF_BOOL);
    at_str_add_bytes(&m->bytes, &byte, 1);
}

static void begin_array(at_gguf_metadata *m, const char *key, at_gguf_kind element, uint64_t n) {
    begin(m, key, AT_GGUF_ARRAY);
    add_u32(&m->bytes, (uint32_t)element);
    add_u64(&m->bytes, n);
}

void at_gguf_put_texts(at_gguf_metadata *m, const char *key, const char *const *text, const size_t *length, uint64_t n) {
    begin_array(m, key, AT_GGUF_STRING, n);
    for (uint64_t i = 0; i < n; i++) add_text(&m->bytes, text[i], length[i]);
}

void at_gguf_put_i32s(at_gguf_metadata *m, const char *key, const int32_t *values, uint64_t n) {
    begin_array(m, key, AT_GGUF_I32, n);
    at_str_add_bytes(&m->bytes, (const char *)values, (size_t)n * sizeof *values);
}

void at_gguf_put_f32s(at_gguf_metadata *m, const char *key, const float *values, uint64_t n) {
    begin_array(m, key, AT_GGUF_FLOAT32, n);
    at_str_add_bytes(&m->bytes, (const char *)values, (size_t)n * sizeof *values);
}

static uint64_t count_of(const at_gguf_tensor_out *t) {
    uint64_t n = 1;
    for (int i = 0; i < t->n_dims; i++) n *= t->dims[i];
    return n;
}

static uint64_t bytes_of(const at_gguf_tensor_out *t) {
    at_gguf_packing p = at_gguf_packing_of((uint32_t)t->type);
    return count_of(t) / (uint64_t)p.count * (uint64_t)p.bytes;
}

static uint64_t aligned(uint64_t n) { return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void add_table(at_str *s, const at_gguf_tensor_out *tensors, int n) {
    uint64_t offset = 0;
    for (int i = 0; i < n; i++) {
        const at_gguf_tensor_out *t = &tensors[i];
        add_text(s, t->name, strlen(t->name));
        add_u32(s, (uint32_t)t->n_dims);
        for (int d = 0; d < t->n_dims; d++) add_u64(s, t->dims[d]);
        add_u32(s, (uint32_t)t->type);
        add_u64(s, offset);
        offset += aligned(bytes_of(t));
    }
}

static at_status pad(at_writer *w, at_error *err) {
    static const char zeros[ALIGNMENT];
    return at_writer_add(w, zeros, (size_t)(aligned(w->bytes) - w->bytes), err);
}

static at_status write_tensor(at_writer *w, const at_gguf_tensor_out *t, int i, at_gguf_fill *fill, void *context, at_error *err) {
    uint64_t count = count_of(t), bytes = bytes_of(t);
    float *values = malloc((size_t)count * sizeof *values);
    void *packed = malloc((size_t)bytes);
    at_status st = values && packed ? fill(context, i, values, err) : at_fail_memory(err, (size_t)count * sizeof *values);
    if (!st) {
        at_gguf_pack(t->type, values, packed, (size_t)count);
        st = at_writer_add(w, packed, (size_t)bytes, err);
    } else {
        at_writer_abandon(w);
    }
    free(values);
    free(packed);
    return st ? st : pad(w, err);
}

at_status at_gguf_write(const char *path, const at_gguf_metadata *metadata, const at_gguf_tensor_out *tensors, int n, at_gguf_fill *fill,
                        void *context, at_error *err) {
    at_arena arena = {0};
    at_str head = {.arena = &arena};
    at_writer *w = malloc(sizeof *w);
    at_str_add_bytes(&head, "GGUF", 4);
    add_u32(&head, 3);
    add_u64(&head, (uint64_t)n);
    add_u64(&head, metadata->n);
    if (metadata->bytes.text) at_str_add_bytes(&head, metadata->bytes.text, metadata->bytes.len);
    add_table(&head, tensors, n);
    at_status st = w && !head.failed && !metadata->bytes.failed ? at_writer_open(w, path, err) : at_fail_memory(err, head.len);
    if (!st) st = at_writer_add(w, head.text, head.len, err);
    if (!st) st = pad(w, err);
    for (int i = 0; i < n && !st; i++) st = write_tensor(w, &tensors[i], i, fill, context, err);
    if (!st) st = at_writer_commit(w, err);
    free(w);
    at_arena_free(&arena);
    return st;
}
