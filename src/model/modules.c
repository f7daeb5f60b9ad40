#include "model/modules.h"

#include <string.h>

#include "base/file.h"

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
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

/* ---- Pooling ---- */

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
static int pooling_of(json_t *pooling) {
    const char *mode = json_string_value(json_object_get(pooling, "pooling_mode"));
    if (!mode) return pooling_by_flags(pooling);
    for (int i = 0; i < N_POOLINGS; i++)
        if (!strcmp(mode, POOLINGS[i].name)) return 1 + (int)POOLINGS[i].pooling;
    return 0;
}

static at_status read_pooling(const char *folder, const char *sub, at_arena *arena, int *pooling, at_error *err) {
    json_t *config;
    AT_TRY(load_quietly(arena, folder, sub, "config.json", &config, err));
    *pooling = pooling_of(config);
    json_decref(config);
    return AT_OK;
}

/* ---- Dense ---- */

/* torch's classes of what stands behind a Dense. */
static const struct {
    const char *name;
    at_activation activation;
} ACTIVATIONS[] = {{"torch.nn.modules.linear.Identity", AT_ACT_NONE}, {"torch.nn.modules.activation.Tanh", AT_ACT_TANH},
                   {"torch.nn.modules.activation.ReLU", AT_ACT_RELU}, {"torch.nn.modules.activation.GELU", AT_ACT_GELU},
                   {"torch.nn.modules.activation.SiLU", AT_ACT_SILU}};
enum { N_ACTIVATIONS = sizeof ACTIVATIONS / sizeof *ACTIVATIONS };

const char *at_modules_activation(at_activation activation) {
    for (int i = 0; i < N_ACTIVATIONS; i++)
        if (ACTIVATIONS[i].activation == activation) return ACTIVATIONS[i].name;
    return ACTIVATIONS[0].name;
}

/* By the class alone: its module has moved between torch's versions. */
static int find_activation(const char *name, at_activation *activation) {
    for (int i = 0; i < N_ACTIVATIONS; i++)
        if (ends_with(name, strrchr(ACTIVATIONS[i].name, '.'))) {
            *activation = ACTIVATIONS[i].activation;
            return 1;
        }
    return 0;
}

/* 1: it reads the text's vector and replaces it. Old ones name neither input nor output. */
static int is_plain_dense(const json_t *config, at_activation *activation) {
    const char *input = text_of(config, "module_input_name"), *output = text_of(config, "module_output_name");
    return find_activation(text_of(config, "activation_function"), activation) && !json_is_true(json_object_get(config, "use_residual")) &&
           (!*input || !strcmp(input, "sentence_embedding")) && (!*output || !strcmp(output, "sentence_embedding"));
}

/* One more Dense behind those that were found, from vectors of `in` numbers. *known 0: one that is not read here. */
static at_status find_dense(const char *folder, const char *sub, int in, at_arena *arena, at_folder_head *head, int *known, at_error *err) {
    at_folder_dense *dense = &head->dense[head->n_dense];
    json_t *config;
    *known = 0;
    if (head->n_dense == AT_MAX_PROJECTIONS) return AT_OK;
    AT_TRY(load_quietly(arena, folder, sub, "config.json", &config, err));
    int fits = config && is_plain_dense(config, &dense->form.activation);
    json_decref(config);
    const char *path = fits ? at_path_join(arena, folder, sub) : NULL;
    if (fits && !path) return at_fail_memory(err, 0);
    at_status st = fits ? at_safetensors_open_folder(path, &dense->file, NULL) : AT_OK;
    if (st == AT_NO_MEMORY) return at_fail_memory(err, 0);
    if (!fits || st) return AT_OK;
    head->n_dense++;
    dense->form.in = in;
    dense->form.out = at_folder_outputs(at_safetensors_find(dense->file, "linear.weight"), in);
    dense->form.has_bias = at_safetensors_find(dense->file, "linear.bias") != NULL;
    *known = 1;
    return dense->form.out ? AT_OK : at_fail(err, AT_BAD_MODEL, "%s: no linear.weight of [outputs, %d], which is what stands before it", path, in);
}

/* ---- the list ---- */

/* Width of the vectors behind the modules that were found so far. */
static int width_of(const at_folder_head *head, const at_arch *arch) {
    return head->n_dense ? head->dense[head->n_dense - 1].form.out : arch->hidden;
}

/* Transformer, Pooling, then any number of Dense, then Normalize or nothing. */
static at_status read_module(const char *folder, const json_t *module, size_t i, const at_arch *arch, at_arena *arena, at_folder_head *head,
                             int *known, at_error *err) {
    const char *type = text_of(module, "type"), *path = text_of(module, "path");
    *known = 0;
    if (i == 0) {
        *known = ends_with(type, ".Transformer") && !*path;
    } else if (i == 1 && ends_with(type, ".Pooling") && at_name_is_safe(path)) {
        AT_TRY(read_pooling(folder, path, arena, &head->pooling, err));
        *known = head->pooling > 0;
    } else if (i > 1 && !head->unit && ends_with(type, ".Dense") && at_name_is_safe(path)) {
        return find_dense(folder, path, width_of(head, arch), arena, head, known, err);
    } else if (i > 1 && !head->unit && ends_with(type, ".Normalize")) {
        *known = head->unit = 1;
    }
    return AT_OK;
}

static at_status read_modules(const char *folder, const json_t *modules, const at_arch *arch, at_arena *arena, at_folder_head *head, at_error *err) {
    size_t n = json_array_size(modules);
    for (size_t i = 0; i < n && !head->strange; i++) {
        const json_t *module = json_array_get(modules, i);
        int known;
        AT_TRY(read_module(folder, module, i, arch, arena, head, &known, err));
        if (!known && !(head->strange = at_format(arena, "module %zu, %s", i, text_of(module, "type")))) return at_fail_memory(err, 0);
    }
    if (n == 1 && !head->strange) head->strange = "a Transformer without a Pooling";
    return AT_OK;
}

/* Transformer, mean Pooling and a linear Dense whose outputs have names: a classifier, which is the Dense. */
static int is_mean_head(const json_t *config, const at_folder_head *head) {
    const at_projection *form = &head->dense[0].form;
    return head->n_dense == 1 && !head->unit && head->pooling == 1 + AT_POOL_MEAN && form->activation == AT_ACT_NONE && form->has_bias &&
           json_object_get(config, "id2label");
}

at_status at_modules_find(const char *folder, const json_t *config, const at_arch *arch, at_arena *arena, at_folder_head *head, at_error *err) {
    json_t *modules;
    AT_TRY(load_quietly(arena, folder, NULL, "modules.json", &modules, err));
    at_status st = read_modules(folder, modules, arch, arena, head, err);
    json_decref(modules);
    if (st) return st;
    if (head->kind == AT_HEAD_NONE && head->pooling && !head->strange) {
        head->kind = is_mean_head(config, head) ? AT_HEAD_MEAN : AT_HEAD_EMBED;
        head->n_out = width_of(head, arch);
    }
    if (head->kind != AT_HEAD_EMBED && head->n_dense && !head->strange) head->strange = "module 2, a Dense that answers with labels,";
    return AT_OK;
}
