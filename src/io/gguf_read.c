#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/gguf_parse.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF data are read as they lie: little-endian");

struct at_gguf {
    at_arena arena;
    const char *path;
    int fd;
    uint64_t bytes;
    unsigned char *head; /* the bytes of the header, which values point into */
    at_gguf_header header;
};

static at_status read_at(const at_gguf *f, void *bytes, size_t len, uint64_t offset, at_error *err) {
    char *to = bytes;
    if (f->fd < 0) { /* all of it is in memory, and the parser looked that every tensor is within */
        memcpy(to, f->head + offset, len);
        return AT_OK;
    }
    while (len) {
        ssize_t n = pread(f->fd, to, len, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return at_fail_errno(err, AT_DISK, f->path, "cannot read");
        if (n == 0)
            return at_fail(err, AT_BAD_MODEL, "%s: byte %llu: the file ends here, it was longer when it was opened", f->path,
                           (unsigned long long)offset);
        to += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return AT_OK;
}

static int open_regular(const char *path, uint64_t *bytes) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe of that name must not make us wait */
    if (fd < 0) return -1;
    if (!fstat(fd, &info) && S_ISREG(info.st_mode)) {
        *bytes = (uint64_t)info.st_size;
        return fd;
    }
    close(fd);
    errno = EINVAL;
    return -1;
}

int at_gguf_is(const char *path) {
    char magic[4];
    uint64_t bytes;
    int fd = open_regular(path, &bytes);
    if (fd < 0) return 0;
    int is = pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && !memcmp(magic, "GGUF", 4);
    close(fd);
    return is;
}

/* The header's length stands nowhere: more and more of the file is taken until the header ends within it. */
static at_status read_header(at_gguf *f, at_error *err) {
    int more = 1;
    at_status st = AT_OK;
    for (size_t len = 1 << 20; more; len *= 4) {
        at_arena scratch = {0};
        size_t have = len < f->bytes ? len : (size_t)f->bytes;
        unsigned char *head = realloc(f->head, have ? have : 1);
        if (!head) return at_fail_memory(err, have);
        f->head = head;
        AT_TRY(read_at(f, head, have, 0, err));
        st = at_gguf_parse(&scratch, f->path, head, have, f->bytes, &more, &f->header, err);
        if (more && have >= AT_GGUF_HEADER_BYTES) {
            more = 0;
            st = at_fail(err, AT_BAD_MODEL, "%s: the header is longer than 256 MiB", f->path);
        }
        if (st) at_arena_free(&scratch);
        else f->arena = scratch;
    }
    return st;
}

at_status at_gguf_open(const char *path, at_gguf **file, at_error *err) {
    *file = NULL;
    at_gguf *f = calloc(1, sizeof *f);
    if (!f) return at_fail_memory(err, sizeof *f);
    f->path = strdup(path);
    f->fd = open_regular(path, &f->bytes);
    at_status st = !f->path ? at_fail_memory(err, strlen(path)) : f->fd < 0 ? at_fail_errno(err, AT_BAD_MODEL, path, "cannot open") : AT_OK;
    if (!st) st = read_header(f, err);
    if (st) at_gguf_close(f);
    else *file = f;
    return st;
}

at_status at_gguf_open_bytes(const char *name, const unsigned char *bytes, size_t len, at_gguf **file, at_error *err) {
    int more;
    *file = NULL;
    at_gguf *f = calloc(1, sizeof *f);
    if (!f) return at_fail_memory(err, sizeof *f);
    f->fd = -1;
    f->bytes = len;
    f->path = strdup(name);
    f->head = malloc(len ? len : 1);
    at_status st = f->path && f->head ? AT_OK : at_fail_memory(err, len);
    if (!st && len) memcpy(f->head, bytes, len);
    if (!st) st = at_gguf_parse(&f->arena, name, f->head, len, len, &more, &f->header, err);
    if (st) at_gguf_close(f);
    else *file = f;
    return st;
}

void at_gguf_close(at_gguf *f) {
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    at_arena_free(&f->arena);
    free(f->head);
    free((char *)(uintptr_t)f->path);
    free(f);
}

const char *at_gguf_path(const at_gguf *f) { return f->path; }

static int key_order(const void *key, const void *value) { return strcmp(key, ((const at_gguf_value *)value)->key); }
static int name_order(const void *name, const void *tensor) { return strcmp(name, ((const at_gguf_tensor *)tensor)->name); }

const at_gguf_value *at_gguf_find_value(const at_gguf *f, const char *key) {
    const at_gguf_header *h = &f->header;
    return h->n_values ? bsearch(key, h->values, (size_t)h->n_values, sizeof *h->values, key_order) : NULL;
}

const char *at_gguf_text(const at_gguf *f, const char *key) {
    const at_gguf_value *v = at_gguf_find_value(f, key);
    return v && v->kind == AT_GGUF_STRING ? v->text : NULL;
}

double at_gguf_number(const at_gguf *f, const char *key, double otherwise) {
    const at_gguf_value *v = at_gguf_find_value(f, key);
    return v && v->kind != AT_GGUF_STRING && v->kind != AT_GGUF_ARRAY ? v->number : otherwise;
}

int at_gguf_next_string(const at_gguf_value *array, size_t *at, const char **text, size_t *len) {
    uint64_t n;
    if (*at >= array->n_bytes) return 0;
    memcpy(&n, array->bytes + *at, sizeof n);
    *text = (const char *)array->bytes + *at + sizeof n;
    *len = (size_t)n;
    *at += sizeof n + (size_t)n;
    return 1;
}

double at_gguf_element(const at_gguf_value *array, uint64_t i) {
    const unsigned char *b = array->bytes;
    switch (array->element) {
#define ELEMENT(KIND, type)                              \
    case KIND: {                                         \
        type x;                                          \
        memcpy(&x, b + i * sizeof x, sizeof x);          \
        return (double)x;                                \
    }
        ELEMENT(AT_GGUF_U8, uint8_t) ELEMENT(AT_GGUF_I8, int8_t) ELEMENT(AT_GGUF_U16, uint16_t) ELEMENT(AT_GGUF_I16, int16_t)
        ELEMENT(AT_GGUF_U32, uint32_t) ELEMENT(AT_GGUF_I32, int32_t) ELEMENT(AT_GGUF_U64, uint64_t) ELEMENT(AT_GGUF_I64, int64_t)
        ELEMENT(AT_GGUF_FLOAT32, float) ELEMENT(AT_GGUF_FLOAT64, double) ELEMENT(AT_GGUF_BOOL, uint8_t)
#undef ELEMENT
    default: return 0;
    }
}

int at_gguf_count(const at_gguf *f) { return f->header.n_tensors; }
const at_gguf_tensor *at_gguf_at(const at_gguf *f, int i) { return &f->header.tensors[i]; }

const at_gguf_tensor *at_gguf_find(const at_gguf *f, const char *name) {
    const at_gguf_header *h = &f->header;
    return h->n_tensors ? bsearch(name, h->tensors, (size_t)h->n_tensors, sizeof *h->tensors, name_order) : NULL;
}

enum { BLOCKS_AT_ONCE = 512 };

at_status at_gguf_read(const at_gguf *f, const at_gguf_tensor *t, float *values, at_error *err) {
    return at_gguf_read_part(f, t, 0, t->count, values, err);
}

at_status at_gguf_read_part(const at_gguf *f, const at_gguf_tensor *t, uint64_t first, uint64_t count, float *values, at_error *err) {
    at_gguf_packing packing = at_gguf_packing_of(t->type);
    if (!packing.count)
        return at_fail(err, AT_BAD_MODEL,
                       "%s: tensor %s is of type %u (%s), which is not read here; make another with llama.cpp's quantize tool",
                       f->path, t->name, t->type, packing.name);
    size_t each = packing.count > 1 ? 1 : 256, at_once = BLOCKS_AT_ONCE * each; /* of single numbers, more at once */
    unsigned char blocks[BLOCKS_AT_ONCE * 256 * 4];
    uint64_t n_blocks = (first + count) / (uint64_t)packing.count;
    for (uint64_t b = first / (uint64_t)packing.count; b < n_blocks; b += at_once) {
        size_t n = n_blocks - b < at_once ? (size_t)(n_blocks - b) : at_once, numbers = n * (size_t)packing.count;
        AT_TRY(read_at(f, blocks, n * (size_t)packing.bytes, t->offset + b * (uint64_t)packing.bytes, err));
        at_gguf_unpack((at_gguf_type)t->type, blocks, values, numbers);
        for (size_t i = 0; i < numbers; i++)
            if (!isfinite(values[i]))
                return at_fail(err, AT_BAD_MODEL, "%s: tensor %s: element %llu is not a finite number", f->path, t->name,
                               (unsigned long long)(b * (uint64_t)packing.count + i));
        values += numbers;
    }
    return AT_OK;
}
