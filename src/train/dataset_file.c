/* The file: a header of 64-bit numbers, then the arrays in the order of FIELDS, each from a multiple of 64 bytes. */
#include "train/dataset_file.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/file.h"

/* The arrays of a dataset: where the pointer stands, and the bytes of an element. */
static const struct field {
    size_t at, size;
} FIELDS[] = {{offsetof(at_dataset, token_at), 8}, {offsetof(at_dataset, place_at), 8}, {offsetof(at_dataset, ids), 4},
              {offsetof(at_dataset, types), 1},    {offsetof(at_dataset, line), 4},     {offsetof(at_dataset, row), 4},
              {offsetof(at_dataset, place), 4},    {offsetof(at_dataset, span), 8},     {offsetof(at_dataset, label), 4},
              {offsetof(at_dataset, target), 4},   {offsetof(at_dataset, source), 4}};
enum { N_FIELDS = sizeof FIELDS / sizeof *FIELDS, MAGIC_BYTES = 16, ALIGN = 64 };
static const char MAGIC[MAGIC_BYTES] = "attune tokens 3";

typedef struct header {
    char magic[MAGIC_BYTES];
    uint64_t key, hash[2]; /* of the header from here on, and of all that follows */
    int64_t n, target_width, max_tokens, n_cut_examples, n_cut_tokens, longest, max_id, max_type, has_table, draw;
    uint64_t count[N_FIELDS], there[N_FIELDS]; /* elements; 0: the pointer is NULL */
} header;

static void *array_of(const at_dataset *d, int field) {
    void *array;
    memcpy(&array, (const char *)d + FIELDS[field].at, sizeof array);
    return array;
}

static uint64_t padded_bytes(const header *h, int field) { return (h->count[field] * FIELDS[field].size + ALIGN - 1) / ALIGN * ALIGN; }

static size_t header_bytes(void) { return (sizeof(header) + ALIGN - 1) / ALIGN * ALIGN; }

/* ---- writing ---- */

static void describe(const at_dataset *d, uint64_t key, header *h) {
    uint64_t n = (uint64_t)d->n, tokens = d->token_at[d->n], outputs = at_dataset_outputs(d);
    const uint64_t count[N_FIELDS] = {n + 1, n + 1, tokens, tokens, n, n, outputs, outputs, outputs, outputs * (uint64_t)d->target_width, n};
    memset(h, 0, sizeof *h);
    memcpy(h->magic, MAGIC, sizeof h->magic);
    h->key = key;
    h->n = d->n;
    h->target_width = d->target_width;
    h->max_tokens = d->max_tokens;
    h->n_cut_examples = d->n_cut_examples;
    h->n_cut_tokens = (int64_t)d->n_cut_tokens;
    h->longest = d->longest;
    h->max_id = d->max_id;
    h->max_type = d->max_type;
    h->has_table = d->table != NULL;
    h->draw = d->draw;
    for (int f = 0; f < N_FIELDS; f++) {
        h->there[f] = array_of(d, f) != NULL;
        h->count[f] = h->there[f] ? count[f] : 0;
    }
}

static const char ZEROS[ALIGN];

/* The bytes that are hashed, in order: given to `take` piece by piece. */
static at_status walk(const at_dataset *d, const header *h, at_status (*take)(void *, const void *, size_t, at_error *), void *context,
                      at_error *err) {
    AT_TRY(take(context, &h->n, sizeof *h - offsetof(header, n), err));
    AT_TRY(take(context, ZEROS, header_bytes() - sizeof *h, err));
    for (int f = 0; f < N_FIELDS; f++) {
        size_t bytes = (size_t)h->count[f] * FIELDS[f].size;
        if (bytes) AT_TRY(take(context, array_of(d, f), bytes, err));
        AT_TRY(take(context, ZEROS, (size_t)padded_bytes(h, f) - bytes, err));
    }
    return AT_OK;
}

static at_status hash_piece(void *state, const void *bytes, size_t n, at_error *err) {
    (void)err;
    XXH3_128bits_update(state, bytes, n);
    return AT_OK;
}

static at_status write_piece(void *writer, const void *bytes, size_t n, at_error *err) {
    return n ? at_writer_add(writer, bytes, n, err) : AT_OK;
}

static at_status write_all(const at_dataset *d, const header *h, at_writer *w, const char *path, at_error *err) {
    AT_TRY(at_writer_open(w, path, err));
    AT_TRY(at_writer_add(w, h, offsetof(header, n), err));
    AT_TRY(walk(d, h, write_piece, w, err));
    return at_writer_commit(w, err);
}

at_status at_dataset_store(const at_dataset *d, const char *path, uint64_t key, at_error *err) {
    header h;
    XXH3_state_t *state = XXH3_createState();
    at_writer *w = calloc(1, sizeof *w);
    at_status st = state && w ? AT_OK : at_fail_memory(err, sizeof *w);
    if (!st) {
        describe(d, key, &h);
        XXH3_128bits_reset(state);
        walk(d, &h, hash_piece, state, NULL);
        XXH128_hash_t hash = XXH3_128bits_digest(state);
        h.hash[0] = hash.low64;
        h.hash[1] = hash.high64;
        st = write_all(d, &h, w, path, err);
    }
    XXH3_freeState(state);
    free(w);
    return st;
}

/* ---- reading ---- */

/* The whole file, mapped; NULL where it cannot be. */
static void *map_file(const char *path, size_t *bytes) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    void *map = MAP_FAILED;
    if (!fstat(fd, &info) && S_ISREG(info.st_mode) && (size_t)info.st_size > header_bytes()) {
        *bytes = (size_t)info.st_size;
        map = mmap(NULL, *bytes, PROT_READ, MAP_SHARED, fd, 0);
    }
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}

static int is_whole(const header *h, size_t bytes, uint64_t key) {
    uint64_t expected = header_bytes();
    if (memcmp(h->magic, MAGIC, sizeof h->magic) || h->key != key) return 0;
    for (int f = 0; f < N_FIELDS; f++) {
        if (h->count[f] > bytes) return 0;
        expected += padded_bytes(h, f);
    }
    if (expected != bytes) return 0;
    XXH128_hash_t hash = XXH3_128bits(&h->n, bytes - offsetof(header, n));
    return hash.low64 == h->hash[0] && hash.high64 == h->hash[1];
}

static void take_arrays(at_dataset *d, const header *h) {
    char *at = (char *)d->map + header_bytes();
    for (int f = 0; f < N_FIELDS; f++) {
        void *array = h->there[f] ? at : NULL;
        memcpy((char *)d + FIELDS[f].at, &array, sizeof array);
        at += padded_bytes(h, f);
    }
}

at_status at_dataset_load(const char *path, uint64_t key, const char *user_path, const at_table *table, at_dataset **dataset,
                          at_error *err) {
    size_t bytes = 0;
    void *map = map_file(path, &bytes);
    const header *h = map;
    *dataset = NULL;
    if (!map) return AT_OK;
    at_dataset *d = is_whole(h, bytes, key) ? calloc(1, sizeof *d) : NULL;
    if (!d) {
        munmap(map, bytes);
        return AT_OK; /* tokenised again */
    }
    *d = (at_dataset){.n = (int)h->n, .target_width = (int)h->target_width, .max_tokens = (int)h->max_tokens,
                      .n_cut_examples = (int)h->n_cut_examples, .n_cut_tokens = (uint64_t)h->n_cut_tokens, .longest = (int)h->longest,
                      .max_id = (int32_t)h->max_id, .max_type = (uint8_t)h->max_type, .draw = (at_draw)h->draw, .table = h->has_table ? table : NULL,
                      .map = map, .map_bytes = bytes};
    take_arrays(d, h);
    d->path = at_strdup(&d->arena, user_path ? user_path : "");
    if (d->path) {
        *dataset = d;
        return AT_OK;
    }
    at_dataset_close(d);
    return at_fail_memory(err, 0);
}
