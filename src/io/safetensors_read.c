#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "io/safetensors_parse.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors data are read as they lie: little-endian");

typedef struct shard {
    const char *path;
    int fd;
    uint64_t bytes;
} shard;

struct at_safetensors {
    at_arena arena;
    shard *shards;
    int n_shards;
    at_stored_tensor *tensors; /* in order of name */
    int n;
    json_t *metadata; /* of the first shard that has some */
};

/* --- opening -------------------------------------------------------------------------------------- */

static at_safetensors *new_handle(int n_shards) {
    at_arena arena = {0};
    at_safetensors *f = AT_NEW(&arena, at_safetensors);
    shard *shards = f ? AT_NEW_ARRAY(&arena, shard, n_shards) : NULL;
    if (!shards) {
        at_arena_free(&arena);
        return NULL;
    }
    for (int s = 0; s < n_shards; s++) shards[s].fd = -1;
    *f = (at_safetensors){.arena = arena, .shards = shards, .n_shards = n_shards};
    return f;
}

void at_safetensors_close(at_safetensors *file) {
    if (!file) return;
    for (int s = 0; s < file->n_shards; s++)
        if (file->shards[s].fd >= 0) close(file->shards[s].fd);
    json_decref(file->metadata);
    at_arena arena = file->arena;
    at_arena_free(&arena);
}

static at_status read_at(const shard *s, void *bytes, size_t len, uint64_t offset, at_error *err) {
    char *to = bytes;
    while (len) {
        ssize_t n = pread(s->fd, to, len, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return at_fail_errno(err, AT_DISK, s->path, "cannot read");
        if (n == 0)
            return at_fail(err, AT_BAD_MODEL, "%s: byte %llu: the file ends here, it was longer when it was opened", s->path,
                           (unsigned long long)offset);
        to += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return AT_OK;
}

/* What people hand over in place of a safetensors file, by its first bytes. */
static const char *other_kind(const unsigned char *head, size_t n) {
    static const char LFS[] = "version ";
    if (n >= 4 && !memcmp(head, "PK\3\4", 4)) return "a PyTorch pickle (a zip file): convert it to safetensors first";
    if (n >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5)
        return "a Python pickle, which can run code when it is opened: convert it to safetensors first";
    if (n >= sizeof LFS - 1 && !memcmp(head, LFS, sizeof LFS - 1))
        return "a Git LFS pointer, not the weights: run `git lfs pull` in its repository";
    if (n >= 4 && !memcmp(head, "GGUF", 4)) return "a GGUF file";
    return NULL;
}

static at_status open_file(shard *s, at_error *err) {
    struct stat info;
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe of that name must not make us wait */
    if (s->fd < 0) return at_fail_errno(err, AT_BAD_MODEL, s->path, "cannot open");
    if (fstat(s->fd, &info)) return at_fail_errno(err, AT_BAD_MODEL, s->path, "cannot read");
    if (!S_ISREG(info.st_mode)) return at_fail(err, AT_BAD_MODEL, "%s: not a regular file", s->path);
    s->bytes = (uint64_t)info.st_size;
    return AT_OK;
}

static at_status header_length(const shard *s, uint64_t *len, at_error *err) {
    unsigned char head[8] = {0};
    size_t have = s->bytes < sizeof head ? (size_t)s->bytes : sizeof head;
    AT_TRY(read_at(s, head, have, 0, err));
    const char *other = other_kind(head, have);
    if (other) return at_fail(err, AT_BAD_MODEL, "%s: not a safetensors file but %s", s->path, other);
    if (have < sizeof head)
        return at_fail(err, AT_BAD_MODEL, "%s: truncated: %llu bytes, too short for a safetensors file", s->path,
                       (unsigned long long)s->bytes);
    at_reader r = {head, sizeof head, 0};
    at_read_u64(&r, len);
    if (*len > AT_SAFETENSORS_HEADER_BYTES)
        return at_fail(err, AT_BAD_MODEL, "%s: byte 0: the header claims %llu bytes, more than the limit of 16 MiB", s->path,
                       (unsigned long long)*len);
    if (*len > s->bytes - sizeof head)
        return at_fail(err, AT_BAD_MODEL, "%s: truncated: the header claims %llu bytes, the file has %llu; fetch the file again",
                       s->path, (unsigned long long)*len, (unsigned long long)s->bytes);
    return AT_OK;
}

static at_status open_shard(at_safetensors *f, int i, at_header *header, at_error *err) {
    shard *s = &f->shards[i];
    uint64_t len = 0;
    AT_TRY(open_file(s, err));
    AT_TRY(header_length(s, &len, err));
    char *json = malloc((size_t)len + 1);
    if (!json) return at_fail_memory(err, (size_t)len);
    at_status st = read_at(s, json, (size_t)len, 8, err);
    if (!st) st = at_header_parse(&f->arena, s->path, json, (size_t)len, s->bytes, header, err);
    free(json);
    if (st) return st;
    for (int t = 0; t < header->n; t++) header->tensors[t].shard = i;
    if (f->metadata) json_decref(header->metadata);
    else f->metadata = header->metadata;
    return AT_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const at_stored_tensor *)a)->name, ((const at_stored_tensor *)b)->name);
}

static at_status open_single(at_safetensors *f, const char *path, at_error *err) {
    at_header header;
    f->shards[0].path = at_strdup(&f->arena, path);
    if (!f->shards[0].path) return at_fail_memory(err, strlen(path));
    AT_TRY(open_shard(f, 0, &header, err));
    f->tensors = header.tensors;
    f->n = header.n;
    qsort(f->tensors, (size_t)f->n, sizeof *f->tensors, by_name);
    return AT_OK;
}

at_status at_safetensors_open(const char *path, at_safetensors **file, at_error *err) {
    *file = NULL;
    at_safetensors *f = new_handle(1);
    if (!f) return at_fail_memory(err, sizeof *f);
    at_status st = open_single(f, path, err);
    if (st) at_safetensors_close(f);
    else *file = f;
    return st;
}

/* --- shards --------------------------------------------------------------------------------------- */

static int entry_by_name(const void *key, const void *entry) { return strcmp(key, ((const at_index_entry *)entry)->tensor); }

/* Takes the tensors of one shard; each must be mapped to this very shard. */
static at_status take_shard(at_safetensors *f, const char *index_path, const at_index *index, int s, at_error *err) {
    at_header header;
    AT_TRY(open_shard(f, s, &header, err));
    for (int t = 0; t < header.n; t++) {
        const at_stored_tensor *tensor = &header.tensors[t];
        const at_index_entry *entry = bsearch(tensor->name, index->entries, (size_t)index->n, sizeof *entry, entry_by_name);
        if (!entry)
            return at_fail(err, AT_BAD_MODEL, "%s: weight_map does not name tensor '%s', which is in %s", index_path,
                           tensor->name, index->shards[s]);
        if (entry->shard != s)
            return at_fail(err, AT_BAD_MODEL, "%s: weight_map says that tensor '%s' is in %s, but it is in %s", index_path,
                           tensor->name, index->shards[entry->shard], index->shards[s]);
        f->tensors[f->n++] = *tensor; /* at most index->n: names are unique within a shard and each has one shard */
    }
    return AT_OK;
}

static at_status check_complete(const at_safetensors *f, const char *index_path, const at_index *index, at_error *err) {
    for (int i = 0; i < index->n; i++)
        if (i >= f->n || strcmp(f->tensors[i].name, index->entries[i].tensor))
            return at_fail(err, AT_BAD_MODEL, "%s: weight_map says that tensor '%s' is in %s, but it is not there", index_path,
                           index->entries[i].tensor, index->shards[index->entries[i].shard]);
    return AT_OK;
}

static at_status take_shards(at_safetensors *f, const char *folder, const char *index_path, const at_index *index,
                             at_error *err) {
    f->tensors = AT_NEW_ARRAY(&f->arena, at_stored_tensor, index->n);
    if (!f->tensors) return at_fail_memory(err, (size_t)index->n * sizeof *f->tensors);
    for (int s = 0; s < index->n_shards; s++) {
        f->shards[s].path = at_path_join(&f->arena, folder, index->shards[s]);
        if (!f->shards[s].path) return at_fail_memory(err, 4096);
        if (!at_file_exists(f->shards[s].path))
            return at_fail(err, AT_BAD_MODEL, "%s: the shard %s is missing; fetch the model again", index_path,
                           index->shards[s]);
        AT_TRY(take_shard(f, index_path, index, s, err));
    }
    qsort(f->tensors, (size_t)f->n, sizeof *f->tensors, by_name);
    return check_complete(f, index_path, index, err);
}

static at_status open_index(at_arena *arena, const char *folder, const char *path, at_safetensors **file, at_error *err) {
    at_index index;
    char *text;
    size_t len;
    AT_TRY(at_file_read(arena, path, AT_SAFETENSORS_HEADER_BYTES, AT_BAD_MODEL, &text, &len, err));
    AT_TRY(at_index_parse(arena, path, text, len, &index, err));
    at_safetensors *f = new_handle(index.n_shards);
    if (!f) return at_fail_memory(err, sizeof *f);
    at_status st = take_shards(f, folder, path, &index, err);
    if (st) at_safetensors_close(f);
    else *file = f;
    return st;
}

/* --- a folder ------------------------------------------------------------------------------------- */

static int ends_with(const char *name, const char *end) {
    size_t n = strlen(name), e = strlen(end);
    return n >= e && !strcmp(name + n - e, end);
}

/* No weights that we read: name what is there instead, and the way out. */
static at_status fail_no_weights(at_arena *arena, const char *folder, at_error *err) {
    char **names;
    int n;
    if (at_folder_list(arena, folder, &names, &n, err)) return at_fail_prefix(err, "no weights");
    for (int i = 0; i < n; i++) {
        const char *name = names[i];
        if (ends_with(name, ".bin") || ends_with(name, ".ckpt") || ends_with(name, ".pt") || ends_with(name, ".pth") ||
            ends_with(name, ".pkl"))
            return at_fail(err, AT_BAD_MODEL,
                           "%s: no model.safetensors, only the pickle %s, which can run code when it is opened; attune does not "
                           "read it. Convert it once, where you trust it: python3 -c \"import torch, safetensors.torch as s; "
                           "s.save_file({k: v.clone().contiguous() for k, v in torch.load('%s', map_location='cpu', "
                           "weights_only=True).items()}, 'model.safetensors', metadata={'format': 'pt'})\"",
                           folder, name, name);
        if (ends_with(name, ".h5") || ends_with(name, ".msgpack") || ends_with(name, ".onnx"))
            return at_fail(err, AT_BAD_MODEL,
                           "%s: no model.safetensors, only %s, which attune does not read; save the model as safetensors", folder,
                           name);
    }
    return at_fail(err, AT_BAD_MODEL, "%s: no weights: neither model.safetensors nor model.safetensors.index.json is there",
                   folder);
}

static at_status open_folder(at_arena *arena, const char *folder, at_safetensors **file, at_error *err) {
    if (!at_file_exists(folder)) return at_fail(err, AT_BAD_MODEL, "%s: no such folder", folder);
    if (!at_is_folder(folder)) return at_fail(err, AT_BAD_MODEL, "%s: is a file, a model folder was expected", folder);
    const char *single = at_path_join(arena, folder, "model.safetensors");
    const char *index = at_path_join(arena, folder, "model.safetensors.index.json");
    if (!single || !index) return at_fail_memory(err, strlen(folder));
    if (at_file_exists(single)) return at_safetensors_open(single, file, err);
    if (at_file_exists(index)) return open_index(arena, folder, index, file, err);
    return fail_no_weights(arena, folder, err);
}

at_status at_safetensors_open_folder(const char *folder, at_safetensors **file, at_error *err) {
    at_arena arena = {0};
    *file = NULL;
    at_status st = open_folder(&arena, folder, file, err);
    at_arena_free(&arena);
    return st;
}

/* --- questions and data --------------------------------------------------------------------------- */

int at_safetensors_count(const at_safetensors *file) { return file->n; }
const at_stored_tensor *at_safetensors_at(const at_safetensors *file, int i) { return &file->tensors[i]; }

const at_stored_tensor *at_safetensors_find(const at_safetensors *file, const char *name) {
    at_stored_tensor key = {.name = name};
    return bsearch(&key, file->tensors, (size_t)file->n, sizeof key, by_name);
}

const char *at_safetensors_metadata(const at_safetensors *file, const char *key) {
    return json_string_value(json_object_get(file->metadata, key));
}

const char *at_safetensors_path(const at_safetensors *file, const at_stored_tensor *t) { return file->shards[t->shard].path; }

at_status at_safetensors_read_raw(const at_safetensors *file, const at_stored_tensor *t, void *bytes, at_error *err) {
    return read_at(&file->shards[t->shard], bytes, (size_t)t->bytes, t->offset, err);
}

static void convert(at_dtype dtype, const void *from, float *to, size_t n) {
    const double *f64 = from;
    const uint16_t *half = from;
    const uint8_t *eighth = from;
    if (dtype == AT_F8_E4M3)
        for (size_t i = 0; i < n; i++) to[i] = at_from_f8_e4m3(eighth[i]);
    else if (dtype == AT_F8_E5M2)
        for (size_t i = 0; i < n; i++) to[i] = at_from_f8_e5m2(eighth[i]);
    else if (dtype == AT_F64)
        for (size_t i = 0; i < n; i++) to[i] = (float)f64[i];
    else if (dtype == AT_F16)
        for (size_t i = 0; i < n; i++) to[i] = at_from_f16(half[i]);
    else
        for (size_t i = 0; i < n; i++) to[i] = at_from_bf16(half[i]);
}

/* n, or the index of the first value that is not finite. Blocks without a branch, so that it vectorises. */
static size_t first_nonfinite(const float *x, size_t n) {
    for (size_t start = 0; start < n; start += 256) {
        size_t end = start + 256 < n ? start + 256 : n;
        int bad = 0;
        for (size_t i = start; i < end; i++) bad |= !(fabsf(x[i]) <= 3.402823466e+38f);
        if (!bad) continue;
        for (size_t i = start; i < end; i++)
            if (!isfinite(x[i])) return i;
    }
    return n;
}

static at_status read_numbers(const at_safetensors *file, const at_stored_tensor *t, size_t first, size_t count, float *values, int allow_nonfinite,
                              at_error *err) {
    enum { PIECE = 8192 }; /* elements: what is converted is still in L2 */
    double piece[PIECE];
    const shard *s = &file->shards[t->shard];
    if (t->dtype > AT_F8_E5M2)
        return at_fail(err, AT_BAD_MODEL, "%s: tensor '%s' is %s, a floating-point type was expected", s->path, t->name,
                       at_dtype_name(t->dtype));
    size_t size = at_dtype_bytes(t->dtype);
    for (size_t done = 0; done < count; done += PIECE) {
        size_t n = count - done < PIECE ? count - done : PIECE;
        void *to = t->dtype == AT_F32 ? (void *)(values + done) : piece;
        AT_TRY(read_at(s, to, n * size, t->offset + (first + done) * size, err));
        if (t->dtype != AT_F32) convert(t->dtype, piece, values + done, n);
        size_t bad = allow_nonfinite ? n : first_nonfinite(values + done, n);
        if (bad < n)
            return at_fail(err, AT_BAD_MODEL, "%s: tensor '%s': element %zu is %s; the weights are damaged", s->path, t->name,
                           first + done + bad, isnan(values[done + bad]) ? "not a number (NaN)" : "infinite");
    }
    return AT_OK;
}

/* ---- scales of F8 tensors ---- */

static const char *const SCALES[] = {"_scale_inv", "_scale"};

static const at_stored_tensor *find_scale(const at_safetensors *file, const at_stored_tensor *t) {
    char name[AT_SAFETENSORS_NAME_BYTES + 16];
    for (size_t i = 0; i < sizeof SCALES / sizeof *SCALES; i++) {
        snprintf(name, sizeof name, "%s%s", t->name, SCALES[i]);
        const at_stored_tensor *found = at_safetensors_find(file, name);
        if (found) return found;
    }
    return NULL;
}

int at_safetensors_is_scale(const at_safetensors *file, const at_stored_tensor *t) {
    char name[AT_SAFETENSORS_NAME_BYTES + 1];
    for (size_t i = 0; i < sizeof SCALES / sizeof *SCALES; i++) {
        size_t n = strlen(t->name), m = strlen(SCALES[i]);
        if (n <= m || strcmp(t->name + n - m, SCALES[i])) continue;
        snprintf(name, sizeof name, "%.*s", (int)(n - m), t->name);
        const at_stored_tensor *scaled = at_safetensors_find(file, name);
        if (scaled && (scaled->dtype == AT_F8_E4M3 || scaled->dtype == AT_F8_E5M2)) return 1;
    }
    return 0;
}

/* Blocks are squares whose side is a power of two, cut off at the edges; with one column of scales each row has its own. */
static at_status block_of(const char *path, const at_stored_tensor *t, const at_stored_tensor *scale, int64_t block[2], at_error *err) {
    int64_t rows = t->n_dims ? t->shape[0] : 1, cols = t->count && rows ? t->count / rows : 1;
    int64_t high = scale->n_dims ? scale->shape[0] : 1, wide = scale->n_dims > 1 ? scale->shape[1] : 1;
    int fits = scale->n_dims <= 2 && high > 0 && wide > 0;
    block[0] = rows;
    block[1] = cols;
    if (fits && high * wide == 1) return AT_OK;
    if (fits && high == rows && wide == 1) return block[0] = 1, AT_OK;
    for (int64_t side = 1; fits && side <= 1 << 20; side *= 2)
        if ((rows + side - 1) / side == high && (cols + side - 1) / side == wide) return block[0] = block[1] = side, AT_OK;
    return at_fail(err, AT_BAD_MODEL, "%s: the scales '%s' of tensor '%s' are neither one number, nor one a row, nor one a square block", path, scale->name, t->name);
}

/* Elements first .. first + count - 1. */
static at_status multiply_scales(const at_safetensors *file, const at_stored_tensor *t, const at_stored_tensor *scale, size_t first, size_t count, float *values,
                                 at_error *err) {
    int64_t block[2], cols = t->n_dims && t->shape[0] ? t->count / t->shape[0] : 1;
    AT_TRY(block_of(at_safetensors_path(file, t), t, scale, block, err));
    float *by = malloc((size_t)scale->count * sizeof *by);
    at_status st = by ? read_numbers(file, scale, 0, (size_t)scale->count, by, 0, err) : at_fail_memory(err, (size_t)scale->count * sizeof *by);
    int64_t wide = (cols + block[1] - 1) / block[1];
    for (size_t i = 0; i < count && !st; i++) {
        int64_t at = (int64_t)(first + i), r = at / cols, c = at % cols;
        values[i] *= by[r / block[0] * wide + c / block[1]];
    }
    free(by);
    return st;
}

at_status at_safetensors_read_part(const at_safetensors *file, const at_stored_tensor *t, size_t first, size_t count, float *values,
                                   int allow_nonfinite, at_error *err) {
    AT_TRY(read_numbers(file, t, first, count, values, allow_nonfinite, err));
    const at_stored_tensor *scale = t->dtype == AT_F8_E4M3 || t->dtype == AT_F8_E5M2 ? find_scale(file, t) : NULL;
    return scale && count ? multiply_scales(file, t, scale, first, count, values, err) : AT_OK;
}

at_status at_safetensors_read_f32(const at_safetensors *file, const at_stored_tensor *t, float *values, int allow_nonfinite, at_error *err) {
    return at_safetensors_read_part(file, t, 0, (size_t)t->count, values, allow_nonfinite, err);
}
