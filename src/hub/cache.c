#include "hub/cache.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

/* --- environment ----------------------------------------------------------------------------------- */

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int is_on(const char *value) {
    static const char *const ON[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; value && i < sizeof ON / sizeof *ON; i++)
        if (!strcasecmp(value, ON[i])) return 1;
    return 0;
}

static const char *expand_home(at_arena *arena, const char *path) {
    const char *home = variable("HOME");
    if (path[0] != '~' || path[1] != '/' || !home) return path;
    return at_path_join(arena, home, path + 2);
}

static const char *cache_folder(at_arena *arena) {
    const char *direct = variable("HF_HUB_CACHE"), *home = variable("HF_HOME"), *xdg = variable("XDG_CACHE_HOME");
    if (!direct) direct = variable("HUGGINGFACE_HUB_CACHE");
    if (direct) return expand_home(arena, direct);
    if (home) return at_path_join(arena, expand_home(arena, home), "hub");
    if (xdg) return at_path_join(arena, expand_home(arena, xdg), "huggingface/hub");
    return variable("HOME") ? expand_home(arena, "~/.cache/huggingface/hub") : "";
}

at_status at_hub_from_environment(at_arena *arena, at_hub *hub, at_error *err) {
    const char *endpoint = variable("HF_ENDPOINT"), *token = variable("HF_TOKEN");
    const char *cache = cache_folder(arena);
    char *copy = at_strdup(arena, endpoint ? endpoint : "https://huggingface.co");
    *hub = (at_hub){.cache = cache ? at_strdup(arena, cache) : NULL, .endpoint = copy, .offline = is_on(variable("HF_HUB_OFFLINE"))};
    if (token) hub->token = at_strdup(arena, token);
    if (!hub->cache || !copy || (token && !hub->token)) return at_fail_memory(err, 4096);
    if (!*hub->cache) return at_fail(err, AT_USAGE, "neither HOME nor HF_HOME is set: there is no place for the model cache");
    for (size_t n = strlen(copy); n && copy[n - 1] == '/';) copy[--n] = '\0';
    return AT_OK;
}

/* --- names ----------------------------------------------------------------------------------------- */

int at_is_hex(const char *text, size_t len) {
    if (strlen(text) != len) return 0;
    for (const char *p = text; *p; p++)
        if (!strchr("0123456789abcdef", *p)) return 0;
    return 1;
}

static int part_is_safe(const char *part, size_t len) {
    if (!len || len > 96 || part[0] == '.' || part[0] == '-' || part[len - 1] == '.' || part[len - 1] == '-') return 0;
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)part[i]) && !strchr("._-", part[i])) return 0;
        if (i && part[i] == part[i - 1] && (part[i] == '.' || part[i] == '-')) return 0;
    }
    return 1;
}

static int name_is_safe(const char *name) {
    const char *slash = strchr(name, '/');
    if (!slash) return part_is_safe(name, strlen(name));
    return part_is_safe(name, (size_t)(slash - name)) && part_is_safe(slash + 1, strlen(slash + 1));
}

int at_cache_revision_is_safe(const char *revision) {
    size_t len = strlen(revision);
    if (!at_name_is_safe(revision) || len > 200 || revision[len - 1] == '/') return 0;
    for (const char *p = revision; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-/", *p)) return 0;
    return revision[0] != '.' && !strstr(revision, "/.") && !strstr(revision, "//");
}

at_status at_cache_model(at_arena *arena, const at_hub *hub, const char *name, const char **folder, at_error *err) {
    if (!name_is_safe(name))
        return at_fail(err, AT_BAD_MODEL, "'%.200s' is neither a folder nor the name of a model (org/name)", name);
    at_str path = {.arena = arena};
    at_str_addf(&path, "%s/models--", hub->cache);
    for (const char *p = name; *p; p++) at_str_add_bytes(&path, *p == '/' ? "--" : p, *p == '/' ? 2 : 1);
    if (path.failed) return at_fail_memory(err, path.len);
    *folder = path.text;
    return AT_OK;
}

/* --- what is there --------------------------------------------------------------------------------- */

static int shards_are_there(at_arena *arena, const char *folder, const char *index) {
    json_t *root, *value;
    const char *key;
    if (at_json_load(index, (size_t)16 << 20, AT_BAD_MODEL, &root, NULL)) return 0;
    int whole = 1;
    json_object_foreach(json_object_get(root, "weight_map"), key, value) {
        const char *name = json_string_value(value);
        at_mark mark = at_arena_mark(arena);
        const char *path = name && at_name_is_safe(name) ? at_path_join(arena, folder, name) : NULL;
        if (path && !at_file_exists(path)) whole = 0;
        at_arena_rewind(arena, mark);
    }
    json_decref(root);
    return whole;
}

/* A folder with a config and weights of some kind; which kinds can be used is for the model's opening to say. */
static int is_whole(at_arena *arena, const char *folder) {
    static const char *const WEIGHTS[] = {"model.safetensors", "adapter_model.safetensors", "pytorch_model.bin"};
    const char *index = at_path_join(arena, folder, "model.safetensors.index.json");
    const char *config = at_path_join(arena, folder, "config.json");
    const char *adapter = at_path_join(arena, folder, "adapter_config.json");
    if (!index || !config || !adapter || (!at_file_exists(config) && !at_file_exists(adapter))) return 0;
    for (size_t i = 0; i < sizeof WEIGHTS / sizeof *WEIGHTS; i++) {
        const char *path = at_path_join(arena, folder, WEIGHTS[i]);
        if (path && at_file_exists(path)) return 1;
    }
    return at_file_exists(index) && shards_are_there(arena, folder, index);
}

/* The commit that a revision stands for here, or NULL. */
static const char *read_ref(at_arena *arena, const char *model, const char *revision) {
    char *text;
    size_t len;
    if (at_is_hex(revision, 40)) return revision;
    const char *path = at_format(arena, "%s/refs/%s", model, revision);
    if (!path || at_file_read(arena, path, 256, AT_BAD_MODEL, &text, &len, NULL)) return NULL;
    while (len && isspace((unsigned char)text[len - 1])) text[--len] = '\0';
    return at_is_hex(text, 40) ? text : NULL;
}

static const char *find_snapshot(at_arena *arena, const char *model, const char *revision) {
    if (!revision) revision = "main";
    const char *commit = at_cache_revision_is_safe(revision) ? read_ref(arena, model, revision) : NULL;
    const char *folder = commit ? at_format(arena, "%s/snapshots/%s", model, commit) : NULL;
    return folder && is_whole(arena, folder) ? folder : NULL;
}

/* The blob's name is the hash that was checked when it came; a file that is no link is read. */
static int weights_are(at_arena *arena, const char *folder, const char *sha256) {
    const char *path = at_path_join(arena, folder, "model.safetensors");
    char target[4096];
    ssize_t n = path ? readlink(path, target, sizeof target - 1) : -1;
    if (n > 0) {
        target[n] = '\0';
        const char *base = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
        return !strcmp(base, sha256);
    }
    at_hashes hashes;
    return path && !at_hash_file(path, &hashes, NULL) && !strcmp(hashes.sha256, sha256);
}

const char *at_cache_have(at_arena *arena, const at_hub *hub, const at_hub_request *request) {
    const char *model;
    if (at_cache_model(arena, hub, request->name, &model, NULL)) return NULL;
    const char *folder = find_snapshot(arena, model, request->revision);
    if (folder && request->sha256 && !weights_are(arena, folder, request->sha256)) return NULL;
    return folder;
}

at_status at_hub_find(at_arena *arena, const at_hub *hub, const char *name, const char *revision, const char **folder,
                      at_error *err) {
    const char *model;
    if (at_is_folder(name)) {
        *folder = at_strdup(arena, name);
        return *folder ? AT_OK : at_fail_memory(err, strlen(name));
    }
    if (at_file_exists(name)) return at_fail(err, AT_BAD_MODEL, "%s: is a file, a model folder was expected", name);
    AT_TRY(at_cache_model(arena, hub, name, &model, err));
    *folder = find_snapshot(arena, model, revision);
    if (*folder) return AT_OK;
    return at_fail(err, AT_BAD_MODEL, "'%s' is neither a folder nor a model in the cache (%s)%s; fetch it with: attune fetch %s", name,
                   hub->cache, at_is_folder(model) ? ", where it is not whole" : "", name);
}

/* --- hashes ---------------------------------------------------------------------------------------- */

static void to_hex(const unsigned char *bytes, size_t n, char *hex) {
    for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static at_status hash_open(int fd, const char *path, EVP_MD_CTX *sha256, EVP_MD_CTX *git, at_hashes *hashes, at_error *err) {
    struct stat info;
    unsigned char piece[1 << 15], digest[EVP_MAX_MD_SIZE];
    char head[64];
    unsigned n_digest;
    if (fstat(fd, &info)) return at_fail_errno(err, AT_DISK, path, "cannot read");
    int n_head = snprintf(head, sizeof head, "blob %lld", (long long)info.st_size);
    if (!sha256 || !git || !EVP_DigestInit_ex(sha256, EVP_sha256(), NULL) || !EVP_DigestInit_ex(git, EVP_sha1(), NULL))
        return at_fail(err, AT_NO_MEMORY, "%s: its hash cannot be computed", path);
    EVP_DigestUpdate(git, head, (size_t)n_head + 1);
    hashes->bytes = 0;
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return at_fail_errno(err, AT_DISK, path, "cannot read");
        if (n == 0) break;
        EVP_DigestUpdate(sha256, piece, (size_t)n);
        EVP_DigestUpdate(git, piece, (size_t)n);
        hashes->bytes += (uint64_t)n;
    }
    EVP_DigestFinal_ex(sha256, digest, &n_digest);
    to_hex(digest, 32, hashes->sha256);
    EVP_DigestFinal_ex(git, digest, &n_digest);
    to_hex(digest, 20, hashes->git);
    return AT_OK;
}

at_status at_hash_file(const char *path, at_hashes *hashes, at_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return at_fail_errno(err, AT_DISK, path, "cannot open");
    EVP_MD_CTX *sha256 = EVP_MD_CTX_new(), *git = EVP_MD_CTX_new();
    at_status st = hash_open(fd, path, sha256, git, hashes, err);
    EVP_MD_CTX_free(sha256);
    EVP_MD_CTX_free(git);
    close(fd);
    return st;
}

/* --- blobs ----------------------------------------------------------------------------------------- */

char *at_blob_path(at_arena *arena, const char *model, const char *name) {
    return at_format(arena, "%s/blobs/%s", model, name);
}

/* The file that the lock was taken on may have been renamed by who held it before: then it is not ours. */
static int is_still(const char *path, int fd) {
    struct stat by_name, by_fd;
    return !stat(path, &by_name) && !fstat(fd, &by_fd) && by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

at_status at_blob_open(at_arena *arena, const char *model, const char *name, const char **path, int *fd, uint64_t *size,
                       at_error *err) {
    const char *blobs = at_path_join(arena, model, "blobs");
    *path = at_format(arena, "%s/blobs/%s.incomplete", model, name);
    if (!blobs || !*path) return at_fail_memory(err, 4096);
    AT_TRY(at_folder_make(blobs, err));
    for (;;) {
        struct stat info;
        *fd = open(*path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (*fd < 0) return at_fail_errno(err, AT_DISK, *path, "cannot write");
        while (flock(*fd, LOCK_EX) && errno == EINTR) {}
        if (is_still(*path, *fd) && !fstat(*fd, &info)) {
            *size = (uint64_t)info.st_size;
            return AT_OK;
        }
        close(*fd);
    }
}

at_status at_blob_keep(at_arena *arena, const char *model, const char *path, int fd, const char *name, at_error *err) {
    const char *blob = at_blob_path(arena, model, name), *blobs = at_path_join(arena, model, "blobs");
    int failed = !blob || !blobs || fsync(fd) || rename(path, blob);
    at_status st = failed ? at_fail_errno(err, AT_DISK, path, "cannot write") : AT_OK;
    close(fd);
    return st ? st : at_folder_sync(blobs, err);
}

/* --- publishing ------------------------------------------------------------------------------------ */

static at_status make_parent(at_arena *arena, const char *path, at_error *err) {
    char *copy = at_strdup(arena, path);
    return copy ? at_folder_make(dirname(copy), err) : at_fail_memory(err, strlen(path));
}

static at_status link_file(at_arena *arena, const char *snapshot, const at_cached_file *file, at_error *err) {
    at_str target = {.arena = arena};
    const char *path = at_path_join(arena, snapshot, file->name);
    const char *temporary = at_format(arena, "%s/.link.tmp.%ld", snapshot, (long)getpid());
    at_str_add(&target, "../../");
    for (const char *p = file->name; (p = strchr(p, '/')); p++) at_str_add(&target, "../");
    at_str_addf(&target, "blobs/%s", file->blob);
    if (!path || !temporary || target.failed) return at_fail_memory(err, 4096);
    AT_TRY(make_parent(arena, path, err));
    unlink(temporary);
    /* The temporary link stands in the snapshot itself; only its text counts, which fits the place that it moves to. */
    if (symlink(target.text, temporary) || rename(temporary, path)) {
        at_status st = at_fail_errno(err, AT_DISK, path, "cannot link");
        unlink(temporary);
        return st;
    }
    return AT_OK;
}

at_status at_cache_publish(at_arena *arena, const char *model, const char *commit, const char *revision,
                           const at_cached_file *files, int n, const char **snapshot, at_error *err) {
    const char *folder = at_format(arena, "%s/snapshots/%s", model, commit);
    const char *ref = at_format(arena, "%s/refs/%s", model, revision ? revision : "main");
    if (!folder || !ref) return at_fail_memory(err, 4096);
    AT_TRY(at_folder_make(folder, err));
    for (int i = 0; i < n; i++) AT_TRY(link_file(arena, folder, &files[i], err));
    AT_TRY(at_folder_sync(folder, err));
    if (!revision || !at_is_hex(revision, 40)) {
        AT_TRY(make_parent(arena, ref, err));
        AT_TRY(at_file_write(ref, commit, strlen(commit), err));
    }
    *snapshot = folder;
    return AT_OK;
}
