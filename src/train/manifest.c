#include "train/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

static const char FORMAT[] = "attune checkpoint 2";
enum { READ_BYTES = 1 << 18 };

void at_hash_text(XXH128_hash_t hash, char text[33]) {
    snprintf(text, 33, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

static int hash_open(int fd, void *buffer, XXH3_state_t *state, uint64_t *bytes) {
    for (;;) {
        ssize_t n = read(fd, buffer, READ_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return 0;
        if (n == 0) return 1;
        XXH3_128bits_update(state, buffer, (size_t)n);
        *bytes += (uint64_t)n;
    }
}

at_status at_file_hash(const char *path, XXH128_hash_t *hash, uint64_t *bytes, at_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return at_fail_errno(err, AT_DISK, path, "cannot open");
    void *buffer = malloc(READ_BYTES);
    XXH3_state_t *state = XXH3_createState();
    at_status st = AT_OK;
    *bytes = 0;
    if (!buffer || !state) st = at_fail_memory(err, READ_BYTES);
    else {
        XXH3_128bits_reset(state);
        if (!hash_open(fd, buffer, state, bytes)) st = at_fail_errno(err, AT_DISK, path, "cannot read");
        *hash = XXH3_128bits_digest(state);
    }
    XXH3_freeState(state);
    free(buffer);
    close(fd);
    return st;
}

static int newest_first(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x < y) - (x > y);
}

at_status at_checkpoint_list(const char *folder, at_arena *arena, int **steps, int *n, at_error *err) {
    char **names;
    int count;
    AT_TRY(at_folder_list(arena, folder, &names, &count, err));
    *steps = AT_NEW_ARRAY(arena, int, count);
    *n = 0;
    if (!*steps) return at_fail_memory(err, 0);
    for (int i = 0; i < count; i++) {
        long long step;
        if (strncmp(names[i], "checkpoint-", 11) || !at_parse_int(names[i] + 11, &step)) continue;
        if (step >= 0 && step <= INT32_MAX) (*steps)[(*n)++] = (int)step;
    }
    qsort(*steps, (size_t)*n, sizeof **steps, newest_first);
    return AT_OK;
}

/* The manifest's own hash: of its text without the hash. */
static int hash_manifest(const json_t *manifest, char text[33]) {
    char *dump = json_dumps(manifest, JSON_COMPACT | JSON_SORT_KEYS);
    if (!dump) return 0;
    at_hash_text(XXH3_128bits(dump, strlen(dump)), text);
    free(dump);
    return 1;
}

at_status at_manifest_write(const char *path, int step, const at_checkpoint_owner *o, const at_saved_entry *entries, int n,
                            at_error *err) {
    char data[17], own[33];
    snprintf(data, sizeof data, "%016llx", (unsigned long long)o->data_hash);
    json_t *root = json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:i, s:[]}", "format", FORMAT, "step", step, "configuration",
                             o->fingerprint, "data", data, "backend", o->backend, "lanes", o->lanes, "chunk_rows",
                             o->chunk_rows, "files");
    for (int i = 0; i < n; i++)
        json_array_append_new(json_object_get(root, "files"),
                              json_pack("{s:s, s:I, s:s}", "name", entries[i].name, "bytes", (json_int_t)entries[i].bytes,
                                        "xxh3_128", entries[i].hash));
    if (!root || !hash_manifest(root, own)) {
        json_decref(root);
        return at_fail(err, AT_BUG, "%s: the manifest cannot be written as JSON", path);
    }
    json_object_set_new(root, "xxh3_128", json_string(own));
    at_status st = at_json_save(path, root, err);
    json_decref(root);
    return st;
}

static void drop(json_t **manifest) {
    json_decref(*manifest);
    *manifest = NULL;
}

/* Parses the manifest and checks it against its own hash. */
static at_status read_manifest(const char *folder, json_t **manifest, at_error *err) {
    char path[4200], own[33], told[33] = "";
    *manifest = NULL;
    snprintf(path, sizeof path, "%s/manifest.json", folder);
    AT_TRY(at_json_load(path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, manifest, err));
    const char *text = json_string_value(json_object_get(*manifest, "xxh3_128"));
    if (text) snprintf(told, sizeof told, "%s", text);
    json_object_del(*manifest, "xxh3_128");
    const char *format = json_string_value(json_object_get(*manifest, "format"));
    at_status st = AT_OK;
    if (!hash_manifest(*manifest, own) || strcmp(own, told)) st = at_fail(err, AT_BAD_MODEL, "%s: is damaged", path);
    else if (!format || strcmp(format, FORMAT)) st = at_fail(err, AT_BAD_MODEL, "%s: is not of the format '%s'", path, FORMAT);
    if (st) drop(manifest);
    return st;
}

static int is_of(const json_t *manifest, const at_checkpoint_owner *o) {
    char data[17];
    snprintf(data, sizeof data, "%016llx", (unsigned long long)o->data_hash);
    const char *configuration = json_string_value(json_object_get(manifest, "configuration"));
    const char *told = json_string_value(json_object_get(manifest, "data"));
    return configuration && told && !strcmp(configuration, o->fingerprint) && !strcmp(told, data);
}

int at_manifest_is_ours(const char *folder, const at_checkpoint_owner *owner) {
    json_t *manifest;
    if (read_manifest(folder, &manifest, NULL)) return 0;
    int ours = is_of(manifest, owner);
    json_decref(manifest);
    return ours;
}

static at_status check_file(const char *folder, const json_t *entry, at_error *err) {
    char path[4400], text[33];
    const char *name = json_string_value(json_object_get(entry, "name"));
    const char *hash = json_string_value(json_object_get(entry, "xxh3_128"));
    if (!name || !hash || !at_name_is_safe(name)) return at_fail(err, AT_BAD_MODEL, "%s/manifest.json: is damaged", folder);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    XXH128_hash_t now;
    uint64_t bytes;
    if (at_file_hash(path, &now, &bytes, err)) return err ? err->code = AT_BAD_MODEL : AT_BAD_MODEL;
    json_int_t told = json_integer_value(json_object_get(entry, "bytes"));
    at_hash_text(now, text);
    if ((json_int_t)bytes != told)
        return at_fail(err, AT_BAD_MODEL, "%s: has %llu bytes, %lld were written", path, (unsigned long long)bytes, (long long)told);
    return strcmp(text, hash) ? at_fail(err, AT_BAD_MODEL, "%s: is damaged, its hash is not the one that was written", path) : AT_OK;
}

at_status at_manifest_check(const char *folder, const at_checkpoint_owner *owner, json_t **manifest, at_error *err) {
    AT_TRY(read_manifest(folder, manifest, err));
    at_status st = AT_OK;
    const json_t *files = json_object_get(*manifest, "files");
    if (!is_of(*manifest, owner)) st = at_fail(err, AT_USAGE, "%s: belongs to other settings or other data and is left alone", folder);
    for (size_t i = 0; i < json_array_size(files) && !st; i++) st = check_file(folder, json_array_get(files, i), err);
    if (st) drop(manifest);
    return st;
}
