#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "io/safetensors_parse.h"

static int by_word(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int by_tensor(const void *a, const void *b) {
    return strcmp(((const at_index_entry *)a)->tensor, ((const at_index_entry *)b)->tensor);
}

static at_status check_shard(const char *path, const char *tensor, const json_t *value, at_error *err) {
    static const char END[] = ".safetensors";
    const char *name = json_string_value(value);
    if (!name) return at_fail(err, AT_BAD_MODEL, "%s: weight_map: '%.200s' is not mapped to a file name", path, tensor);
    size_t len = strlen(name), end = sizeof END - 1;
    if (!at_name_is_safe(name) || len > 255 || len <= end || strcmp(name + len - end, END))
        return at_fail(err, AT_BAD_MODEL,
                       "%s: weight_map: '%.200s' is in '%.100s', which is not a safe name of a .safetensors file in this folder",
                       path, tensor, name);
    return AT_OK;
}

/* The distinct names among the values of the map, sorted. */
static at_status collect_shards(at_arena *arena, const char *path, json_t *map, at_index *index, at_error *err) {
    size_t n = json_object_size(map), i = 0;
    const char **names = AT_NEW_ARRAY(arena, const char *, n);
    if (!names) return at_fail_memory(err, n * sizeof *names);
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value) {
        AT_TRY(check_shard(path, tensor, value, err));
        names[i++] = json_string_value(value);
    }
    qsort(names, n, sizeof *names, by_word);
    for (i = 0; i < n; i++) {
        if (index->n_shards && !strcmp(names[i], names[index->n_shards - 1])) continue;
        names[index->n_shards++] = names[i];
    }
    if (index->n_shards > AT_SAFETENSORS_SHARDS)
        return at_fail(err, AT_BAD_MODEL, "%s: %d shards, more than %d", path, index->n_shards, AT_SAFETENSORS_SHARDS);
    for (int s = 0; s < index->n_shards; s++)
        if (!(names[s] = at_strdup(arena, names[s]))) return at_fail_memory(err, 256);
    index->shards = names;
    return AT_OK;
}

static at_status collect_entries(at_arena *arena, json_t *map, at_index *index, at_error *err) {
    size_t n = json_object_size(map);
    index->entries = AT_NEW_ARRAY(arena, at_index_entry, n);
    if (!index->entries) return at_fail_memory(err, n * sizeof *index->entries);
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value) {
        const char *shard = json_string_value(value);
        const char **found = bsearch(&shard, index->shards, (size_t)index->n_shards, sizeof *index->shards, by_word);
        at_index_entry *entry = &index->entries[index->n++];
        *entry = (at_index_entry){at_strdup(arena, tensor), (int)(found - index->shards)};
        if (!entry->tensor) return at_fail_memory(err, strlen(tensor));
    }
    qsort(index->entries, n, sizeof *index->entries, by_tensor);
    return AT_OK;
}

at_status at_index_parse(at_arena *arena, const char *path, const char *json, size_t len, at_index *index, at_error *err) {
    *index = (at_index){0};
    json_t *root;
    AT_TRY(at_json_parse(json, len, path, AT_BAD_MODEL, &root, err));
    json_t *map = json_object_get(root, "weight_map");
    size_t n = json_object_size(map);
    at_status st = AT_OK;
    if (!json_is_object(map) || !n) st = at_fail(err, AT_BAD_MODEL, "%s: no weight_map in it", path);
    else if (n > AT_SAFETENSORS_TENSORS)
        st = at_fail(err, AT_BAD_MODEL, "%s: %zu tensors, more than %d", path, n, AT_SAFETENSORS_TENSORS);
    if (!st) st = collect_shards(arena, path, map, index, err);
    if (!st) st = collect_entries(arena, map, index, err);
    json_decref(root);
    return st;
}
