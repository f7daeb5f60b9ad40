#include "model/folder.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "model/modules.h"
#include "model/names.h"
#include "model/ties.h"

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

int at_folder_outputs(const at_stored_tensor *t, int in) {
    int fits = t && t->n_dims == 2 && t->shape[1] == in && t->shape[0] > 0 && t->shape[0] <= 1000000;
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
        const at_stored_tensor *t = at_names_lookup(family, file, &place[i]);
        if (!t) return 0;
        if (kind == AT_HEAD_MASK) n = AT_MASK_ANSWERS;
        else if (&params.weights[i] == head.classifier) n = at_folder_outputs(t, arch->hidden);
    }
    return kind == AT_HEAD_MASK && at_ties_mask_has_two(family, file) ? 0 : n;
}

at_status at_folder_find_head(const char *folder, const json_t *config, const at_family *family, const at_arch *arch,
                              const at_safetensors *file, at_arena *arena, at_folder_head *head, at_error *err) {
    static const at_head_kind OWN[] = {AT_HEAD_POOLER, AT_HEAD_TOKEN, AT_HEAD_MASK, AT_HEAD_SPAN, AT_HEAD_LM};
    *head = (at_folder_head){0};
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN && !head->n_out; i++)
        if ((head->n_out = find_own(config, family, arch, file, OWN[i], arena))) head->kind = OWN[i];
    const char *class = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    int is_encoder = class && family->encoder_class && !strcmp(class, family->encoder_class);
    if (arch->decoder.layers && !head->n_out && !is_encoder) { /* it writes already */
        head->kind = AT_HEAD_LM;
        head->n_out = AT_VOCABULARY_ANSWERS;
        return AT_OK;
    }
    AT_TRY(at_modules_find(folder, config, arch, arena, head, err));
    return head->kind == AT_HEAD_NONE ? AT_OK : read_rest(config, folder, arena, head, err);
}
