#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/file.h"
#include "base/str.h"
#include "hub/cache.h"
#include "hub/zip.h"

static const char WEIGHTS[] = "model.safetensors";

static const at_zip_entry *entry_named(const at_zip *zip, const char *folder, size_t len, const char *name) {
    for (int i = 0; i < zip->n; i++) {
        const char *entry = zip->entries[i].name;
        if (!strncmp(entry, folder, len) && !strcmp(entry + len, name)) return &zip->entries[i];
    }
    return NULL;
}

/* The prefix of the folder that holds both files, with its slash; the nearest to the top where there are several. */
static at_status find_model(const at_zip *zip, const char **prefix, size_t *len, at_error *err) {
    *prefix = NULL;
    for (int i = 0; i < zip->n; i++) {
        const char *name = zip->entries[i].name, *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
        size_t n = (size_t)(base - name);
        if (strcmp(base, WEIGHTS) || !entry_named(zip, name, n, "config.json") || (*prefix && *len <= n)) continue;
        *prefix = name;
        *len = n;
    }
    return *prefix ? AT_OK
                   : at_fail(err, AT_BAD_MODEL, "%s: no folder in it holds both config.json and %s", zip->path, WEIGHTS);
}

typedef struct target {
    int fd;
    const char *path, *file;
    uint64_t done, total;
    const at_hub_request *request;
} target;

static at_status take_bytes(void *context, const void *bytes, size_t len, at_error *err) {
    target *t = context;
    for (const char *p = bytes; len;) {
        ssize_t n = write(t->fd, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return at_fail_errno(err, AT_DISK, t->path, "cannot write");
        p += n;
        len -= (size_t)n;
        t->done += (uint64_t)n;
    }
    if (t->request->progress && t->request->progress(t->request->context, t->file, t->done, t->total))
        return at_fail(err, AT_STOPPED, "stopped; the same command goes on");
    return AT_OK;
}

static int ends_with(const char *name, const char *end) {
    size_t n = strlen(name), e = strlen(end);
    return n >= e && !strcmp(name + n - e, end);
}

/* As the hub names blobs: weights by SHA-256, small files by git's hash. */
static const char *blob_name(const char *file, const at_hashes *hashes) {
    return ends_with(file, ".safetensors") ? hashes->sha256 : hashes->git;
}

static at_status check_weights(const at_hub_request *request, const char *zip, const char *file, const at_hashes *hashes,
                               at_error *err) {
    if (!request->sha256 || strcmp(file, WEIGHTS) || !strcmp(hashes->sha256, request->sha256)) return AT_OK;
    return at_fail(err, AT_BAD_MODEL, "%s: the SHA-256 of %s is %s, expected was %s; nothing was taken from it", zip, file,
                   hashes->sha256, request->sha256);
}

static at_status unpack_blob(at_arena *arena, const at_zip *zip, const at_zip_entry *entry, const char *model, target *t,
                             at_cached_file *file, at_error *err) {
    at_hashes hashes = {0};
    if (ftruncate(t->fd, 0)) return at_fail_errno(err, AT_DISK, t->path, "cannot write");
    AT_TRY(at_zip_unpack(zip, entry, take_bytes, t, err));
    AT_TRY(at_hash_file(t->path, &hashes, err));
    AT_TRY(check_weights(t->request, zip->path, file->name, &hashes, err));
    file->blob = at_strdup(arena, blob_name(file->name, &hashes));
    if (!file->blob) return at_fail_memory(err, sizeof hashes);
    int fd = t->fd;
    t->fd = -1;
    return at_blob_keep(arena, model, t->path, fd, file->blob, err);
}

static at_status import_entry(at_arena *arena, const at_zip *zip, const at_zip_entry *entry, const char *model,
                              const at_hub_request *request, at_cached_file *file, at_error *err) {
    target t = {.fd = -1, .file = file->name, .total = entry->size, .request = request};
    uint64_t size;
    AT_TRY(at_blob_open(arena, model, "attune-import", &t.path, &t.fd, &size, err));
    at_status st = unpack_blob(arena, zip, entry, model, &t, file, err);
    if (st && t.fd >= 0) {
        unlink(t.path);
        close(t.fd);
    }
    return st;
}

/* A commit of our own for what is in the zip file: a function of names and contents. */
static at_status make_commit(const at_cached_file *files, int n, char commit[41], at_error *err) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    for (int i = 0; ok && i < n; i++)
        ok = EVP_DigestUpdate(md, files[i].name, strlen(files[i].name) + 1) &&
             EVP_DigestUpdate(md, files[i].blob, strlen(files[i].blob) + 1);
    ok = ok && EVP_DigestFinal_ex(md, digest, NULL);
    EVP_MD_CTX_free(md);
    if (!ok) return at_fail(err, AT_NO_MEMORY, "the hash of the files cannot be computed");
    for (int i = 0; i < 20; i++) snprintf(commit + 2 * i, 3, "%02x", digest[i]);
    return AT_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const at_cached_file *)a)->name, ((const at_cached_file *)b)->name);
}

static at_status import_files(at_arena *arena, const at_zip *zip, const char *model, const at_hub_request *request,
                              const char **folder, at_error *err) {
    const char *prefix;
    size_t len = 0;
    char commit[41];
    int n = 0;
    AT_TRY(find_model(zip, &prefix, &len, err));
    at_cached_file *files = AT_NEW_ARRAY(arena, at_cached_file, zip->n);
    if (!files) return at_fail_memory(err, (size_t)zip->n * sizeof *files);
    const at_zip_entry *weights = entry_named(zip, prefix, len, WEIGHTS);
    for (int i = -1; i < zip->n; i++) { /* the weights first: where they are wrong nothing else is unpacked */
        const at_zip_entry *entry = i < 0 ? weights : &zip->entries[i];
        if (strncmp(entry->name, prefix, len) || (i >= 0 && entry == weights)) continue;
        files[n] = (at_cached_file){.name = entry->name + len};
        if (!at_name_is_safe(files[n].name)) /* "model//etc/x": safe as a whole, not below the folder */
            return at_fail(err, AT_BAD_MODEL, "%s: '%.200s' is refused: its name could lead out of the folder", zip->path, entry->name);
        AT_TRY(import_entry(arena, zip, entry, model, request, &files[n++], err));
    }
    qsort(files, (size_t)n, sizeof *files, by_name);
    AT_TRY(make_commit(files, n, commit, err));
    return at_cache_publish(arena, model, commit, request->revision, files, n, folder, err);
}

at_status at_hub_import_zip(at_arena *arena, const at_hub *hub, const char *zip_path, const at_hub_request *request,
                            const char **folder, at_error *err) {
    const char *model;
    at_zip zip;
    AT_TRY(at_cache_model(arena, hub, request->name, &model, err));
    if (request->revision && !at_cache_revision_is_safe(request->revision))
        return at_fail(err, AT_USAGE, "'%.200s' is not the name of a revision", request->revision);
    *folder = at_cache_have(arena, hub, request);
    if (*folder) return AT_OK;
    AT_TRY(at_zip_open(arena, zip_path, &zip, err));
    at_status st = import_files(arena, &zip, model, request, folder, err);
    at_zip_close(&zip);
    return st;
}
