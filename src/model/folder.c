#include "model/folder.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "model/names.h"

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* id2label as a list, or NULL where the config names no labels. */
static at_status read_labels(const json_t *config, const char *path, int n, at_arena *arena, at_labels *labels,
                             at_error *err) {
    const json_t *names = json_object_get(config, "id2label");
    if (names && json_object_size(names) != (size_t)n)
        return at_fail(err, AT_BAD_MODEL, "%s: 'id2label' names %zu labels, the classifier has %d outputs", path,
                       json_object_size(names), n);
    labels->n = n;
    labels->name = AT_NEW_ARRAY(arena, const char *, n);
    for (int i = 0; labels->name && i < n; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        const char *name = json_string_value(json_object_get(names, key));
        if (names && !name) return at_fail(err, AT_BAD_MODEL, "%s: 'id2label' has no name for '%s'", path, key);
        labels->name[i] = name ? at_strdup(arena, name) : at_format(arena, "LABEL_%d", i);
        if (!labels->name[i]) labels->name = NULL;
    }
    return labels->name ? AT_OK : at_fail_memory(err, (size_t)n * 16);
}

static at_status read_rest(const json_t *config, const char *folder, at_arena *arena, at_folder_head *head, at_error *err) {
    const char *problem = json_string_value(json_object_get(config, "problem_type"));
    head->problem_type = problem ? at_strdup(arena, problem) : NULL;
    if (head->kind == AT_HEAD_MASK || head->kind == AT_HEAD_EMBED || head->kind == AT_HEAD_LM) return AT_OK; /* its outputs have no names */
    const char *path = at_path_join(arena, folder, "config.json");
    return path ? read_labels(config, path, head->n_out, arena, &head->labels, err) : at_fail_memory(err, 0);
}

/* Rows of a classifier [n, hidden], 0 where the tensor is none. */
static int outputs(const at_stored_tensor *t, int hidden) {
    int fits = t && t->n_dims == 2 && t->shape[1] == hidden && t->shape[0] > 0 && t->shape[0] <= 1000000;
    return fits ? (int)t->shape[0] : 0;
}

/* The number of outputs of a head of transformers' own kind where the folder has all of it, else 0. */
static int find_own(const json_t *config, const at_family *family, const at_arch *arch, const at_safetensors *file, at_head_kind kind,
                    at_arena *arena) {
    const char *class = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    const char *want = at_names_class(family, arena, kind);
    at_params params;
    at_head head;
    at_place place[AT_HEAD_WEIGHTS];
    if (kind == AT_HEAD_MASK && json_is_false(json_object_get(config, "tie_word_embeddings"))) return 0;
    if (!want || (class ? strcmp(class, want) != 0 : kind != AT_HEAD_POOLER)) return 0;
    if (kind == AT_HEAD_LM) return arch->causal && family->lm ? AT_VOCABULARY_ANSWERS : 0; /* what is missing is told when it is opened */
    if (at_params_init(&params, arena, AT_HEAD_WEIGHTS, NULL) || at_head_declare(&params, arena, arch, kind, 1, &head, place, NULL)) return 0;
    int n = 0;
    for (int i = 0; i < params.n; i++) {
        const at_stored_tensor *t = at_names_lookup(file, &place[i]);
        if (!t) return 0;
        if (kind == AT_HEAD_MASK) n = AT_MASK_ANSWERS;
        else if (&params.weights[i] == head.classifier) n = outputs(t, arch->hidden);
    }
    return n;
}

/* A JSON file of a module folder, or NULL: a folder that is not as expected is a body alone, not an error. Only want of memory is one. */
static at_status load_quietly(at_arena *arena, const char *folder, const char *sub, const char *name, json_t **root, at_error *err) {
    *root = NULL;
    if (sub && !(folder = at_path_join(arena, folder, sub))) return at_fail_memory(err, 0);
    const char *path = at_path_join(arena, folder, name);
    if (!path) return at_fail_memory(err, 0);
    if (!at_file_exists(path)) return AT_OK;
    return at_json_load(path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, root, NULL) == AT_NO_MEMORY ? at_fail_memory(err, 0) : AT_OK;
}

static int ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* sentence-transformers' words, the new ones and the old ones behind "pooling_mode_". */
static const struct {
    const char *name, *flag;
    at_pooling pooling;
} POOLINGS[] = {{"cls", "cls_token", AT_POOL_CLS}, {"mean", "mean_tokens", AT_POOL_MEAN}, {"max", "max_tokens", AT_POOL_MAX},
                {"lasttoken", "lasttoken", AT_POOL_LAST}};
enum { N_POOLINGS = sizeof POOLINGS / sizeof *POOLINGS };

static int pooling_by_flags(json_t *pooling) {
    const char *key;
    json_t *value;
    int found = 0, n = 0;
    json_object_foreach(pooling, key, value) {
        if (strncmp(key, "pooling_mode_", 13) || !json_is_true(value)) continue;
        n++;
        for (int i = 0; i < N_POOLINGS; i++)
            if (!strcmp(key + 13, POOLINGS[i].flag)) found = 1 + (int)POOLINGS[i].pooling;
    }
    return n == 1 ? found : 0;
}

/* 1 + at_pooling; 0: of several kinds at once, or of one that is not known here. */
static int read_pooling(json_t *pooling) {
    const char *mode = json_string_value(json_object_get(pooling, "pooling_mode"));
    if (!mode) return pooling_by_flags(pooling);
    for (int i = 0; i < N_POOLINGS; i++)
        if (!strcmp(mode, POOLINGS[i].name)) return 1 + (int)POOLINGS[i].pooling;
    return 0;
}

static int is_mean(json_t *pooling) { return read_pooling(pooling) == 1 + AT_POOL_MEAN; }

/* modules.json is Transformer, mean Pooling, Dense: the folders of the last two; 0: it is not. */
static int module_folders(const json_t *modules, const char **pooling, const char **dense) {
    static const char *const kinds[3] = {".Transformer", ".Pooling", ".Dense"};
    const char *sub[3];
    if (json_array_size(modules) != 3) return 0;
    for (size_t i = 0; i < 3; i++) {
        const json_t *module = json_array_get(modules, i);
        sub[i] = text_of(module, "path");
        if (!ends_with(text_of(module, "type"), kinds[i])) return 0;
        if (i ? !at_name_is_safe(sub[i]) : *sub[i] != '\0') return 0;
    }
    *pooling = sub[1];
    *dense = sub[2];
    return 1;
}

/* *found: the Dense's folder, or NULL. */
static at_status dense_folder(const char *folder, const json_t *modules, at_arena *arena, const char **found, at_error *err) {
    const char *pooling_name, *dense_name;
    json_t *pooling = NULL, *dense = NULL;
    *found = NULL;
    if (!module_folders(modules, &pooling_name, &dense_name)) return AT_OK;
    at_status st = load_quietly(arena, folder, pooling_name, "config.json", &pooling, err);
    if (!st) st = load_quietly(arena, folder, dense_name, "config.json", &dense, err);
    int fits = !st && is_mean(pooling) && ends_with(text_of(dense, "activation_function"), ".Identity");
    if (fits && !(*found = at_path_join(arena, folder, dense_name))) st = at_fail_memory(err, 0);
    json_decref(pooling);
    json_decref(dense);
    return st;
}

static at_status find_modules(const char *folder, const json_t *config, const at_arch *arch, at_arena *arena,
                              at_folder_head *head, at_error *err) {
    json_t *modules;
    const char *dense = NULL;
    AT_TRY(load_quietly(arena, folder, NULL, "modules.json", &modules, err));
    at_status st = dense_folder(folder, modules, arena, &dense, err);
    json_decref(modules);
    if (st || !dense || !json_object_get(config, "id2label")) return st;
    AT_TRY(at_safetensors_open_folder(dense, &head->dense, err));
    head->n_out = outputs(at_safetensors_find(head->dense, "linear.weight"), arch->hidden);
    if (!head->n_out || !at_safetensors_find(head->dense, "linear.bias"))
        return at_fail(err, AT_BAD_MODEL, "%s: no linear.weight of [labels, %d] with linear.bias", dense, arch->hidden);
    head->kind = AT_HEAD_MEAN;
    return AT_OK;
}

/* sentence-transformers' names of what stands behind a Dense. */
static int find_activation(const char *name, at_activation *activation) {
    int known = ends_with(name, ".Identity") || ends_with(name, ".Tanh");
    *activation = ends_with(name, ".Tanh") ? AT_ACT_TANH : AT_ACT_NONE;
    return known;
}

/* A Dense between pooling and length. *known 0: one that is not read here. */
static at_status find_projection(const char *folder, const char *sub, const at_arch *arch, at_arena *arena, at_folder_head *head, int *known,
                                 at_error *err) {
    json_t *config;
    *known = 0;
    AT_TRY(load_quietly(arena, folder, sub, "config.json", &config, err));
    const char *input = text_of(config, "module_input_name"), *output = text_of(config, "module_output_name"); /* old ones name neither */
    int fits = config && find_activation(text_of(config, "activation_function"), &head->activation) &&
               (!*input || !strcmp(input, "sentence_embedding")) && (!*output || !strcmp(output, "sentence_embedding"));
    json_decref(config);
    const char *path = fits ? at_path_join(arena, folder, sub) : NULL;
    if (fits && !path) return at_fail_memory(err, 0);
    at_status st = fits ? at_safetensors_open_folder(path, &head->dense, NULL) : AT_OK;
    if (st == AT_NO_MEMORY) return at_fail_memory(err, 0);
    if (!fits || st) return AT_OK;
    head->n_out = outputs(at_safetensors_find(head->dense, "linear.weight"), arch->hidden);
    head->has_bias = at_safetensors_find(head->dense, "linear.bias") != NULL;
    *known = head->n_out > 0;
    return AT_OK;
}

/* What becomes of the tokens where the folder has modules. */
static at_status find_pooling(const char *folder, const json_t *modules, const at_arch *arch, at_arena *arena, at_folder_head *head, at_error *err) {
    size_t n = json_array_size(modules);
    for (size_t i = 0; i < n && !head->strange; i++) {
        const json_t *module = json_array_get(modules, i);
        const char *type = text_of(module, "type"), *path = text_of(module, "path");
        int known = 0;
        if (i == 0) known = ends_with(type, ".Transformer") && !*path;
        else if (i == 1 && ends_with(type, ".Pooling") && at_name_is_safe(path)) {
            json_t *pooling;
            AT_TRY(load_quietly(arena, folder, path, "config.json", &pooling, err));
            known = head->pooling = read_pooling(pooling);
            json_decref(pooling);
        } else if (i == 2 && ends_with(type, ".Dense") && at_name_is_safe(path) && head->kind == AT_HEAD_NONE) {
            AT_TRY(find_projection(folder, path, arch, arena, head, &known, err));
        } else if ((i == 2 || (i == 3 && head->dense)) && ends_with(type, ".Normalize")) known = head->unit = 1;
        if (!known) head->strange = at_format(arena, "module %zu, %s", i, type);
    }
    if (n == 1 && !head->strange) head->strange = "a Transformer without a Pooling";
    return AT_OK;
}

static at_status find_embedding(const char *folder, const at_arch *arch, at_arena *arena, at_folder_head *head, at_error *err) {
    json_t *modules;
    AT_TRY(load_quietly(arena, folder, NULL, "modules.json", &modules, err));
    at_status st = find_pooling(folder, modules, arch, arena, head, err);
    json_decref(modules);
    if (st || head->kind != AT_HEAD_NONE || !head->pooling || head->strange) return st;
    head->kind = AT_HEAD_EMBED;
    if (!head->dense) head->n_out = arch->hidden;
    return AT_OK;
}

at_status at_folder_find_head(const char *folder, const json_t *config, const at_family *family, const at_arch *arch,
                              const at_safetensors *file, at_arena *arena, at_folder_head *head, at_error *err) {
    static const at_head_kind OWN[] = {AT_HEAD_POOLER, AT_HEAD_TOKEN, AT_HEAD_MASK, AT_HEAD_SPAN, AT_HEAD_LM};
    *head = (at_folder_head){0};
    if (arch->decoder.layers) { /* it writes already */
        head->kind = AT_HEAD_LM;
        head->n_out = AT_VOCABULARY_ANSWERS;
        return AT_OK;
    }
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN && !head->n_out; i++)
        if ((head->n_out = find_own(config, family, arch, file, OWN[i], arena))) head->kind = OWN[i];
    if (!head->n_out) AT_TRY(find_modules(folder, config, arch, arena, head, err));
    AT_TRY(find_embedding(folder, arch, arena, head, err));
    return head->kind == AT_HEAD_NONE ? AT_OK : read_rest(config, folder, arena, head, err);
}
