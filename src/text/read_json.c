/* tokenizer.json: the file of the `tokenizers` library. */
#include <string.h>

#include "base/str.h"
#include "text/parts.h"
#include "text/spec.h"

static at_status read_added_entry(at_tokenizer *t, const char *path, const json_t *part, at_added_entry *entry,
                                  at_error *err) {
    at_spec spec = {path, "added token"};
    const char *content;
    int single_word, lstrip, rstrip, special, normalized;
    AT_TRY(at_spec_string(spec, part, "content", NULL, &content, err));
    AT_TRY(at_spec_int(spec, part, "id", -1, &entry->id, err));
    AT_TRY(at_spec_bool(spec, part, "single_word", 0, &single_word, err));
    AT_TRY(at_spec_bool(spec, part, "lstrip", 0, &lstrip, err));
    AT_TRY(at_spec_bool(spec, part, "rstrip", 0, &rstrip, err));
    AT_TRY(at_spec_bool(spec, part, "special", 0, &special, err));
    AT_TRY(at_spec_bool(spec, part, "normalized", !special, &normalized, err));
    if (!*content) return at_fail(err, AT_BAD_MODEL, "%s: an added token is empty", path);
    entry->token = (at_added_token){.content = at_strdup(&t->arena, content),
                                    .single_word = (uint8_t)single_word,
                                    .lstrip = (uint8_t)lstrip,
                                    .rstrip = (uint8_t)rstrip,
                                    .normalized = (uint8_t)normalized,
                                    .special = (uint8_t)special};
    return entry->token.content ? AT_OK : at_fail_memory(err, strlen(content));
}

static at_status read_added(at_tokenizer *t, const char *path, const json_t *list, at_error *err) {
    const json_t *part;
    size_t i, n = json_array_size(list);
    if (n > AT_VOCAB_MAX) return at_fail(err, AT_BAD_MODEL, "%s: more than %d added tokens", path, AT_VOCAB_MAX);
    at_added_entry *entry = AT_NEW_ARRAY(&t->arena, at_added_entry, n);
    if (!entry) return at_fail_memory(err, n * sizeof *entry);
    json_array_foreach((json_t *)list, i, part) AT_TRY(read_added_entry(t, path, part, &entry[i], err));
    return at_tokenizer_set_added(t, path, entry, (int)n, err);
}

static at_status is_left(at_spec spec, const json_t *part, int *left, at_error *err) {
    static const char *const sides[] = {"Right", "Left", NULL};
    const char *side;
    AT_TRY(at_spec_string(spec, part, "direction", "Right", &side, err));
    *left = at_word_index(side, sides);
    return *left < 0 ? at_fail(err, AT_BAD_MODEL, "%s: the direction '%.80s' of %s is not known", spec.path, side, spec.what) : AT_OK;
}

static at_status read_truncation(at_tokenizer *t, const char *path, const json_t *truncation, at_error *err) {
    static const char *const strategies[] = {"LongestFirst", "OnlyFirst", "OnlySecond", NULL};
    at_spec spec = {path, "truncation"};
    at_tokenizer_settings *s = &t->settings;
    const char *strategy;
    json_int_t limit, stride;
    if (!truncation || json_is_null(truncation)) return AT_OK;
    AT_TRY(at_spec_int(spec, truncation, "max_length", 512, &limit, err));
    AT_TRY(at_spec_int(spec, truncation, "stride", 0, &stride, err));
    AT_TRY(at_spec_string(spec, truncation, "strategy", "LongestFirst", &strategy, err));
    AT_TRY(is_left(spec, truncation, &s->truncate_left, err));
    int cut = at_word_index(strategy, strategies);
    if (cut < 0) return at_fail(err, AT_BAD_MODEL, "%s: the strategy '%.80s' of truncation is not known", path, strategy);
    t->truncate_left = s->truncate_left;
    if (limit < 1 || limit > AT_VOCAB_MAX) return AT_OK;
    s->truncates = 1;
    s->cut = (at_cut)cut;
    s->stride = stride > 0 && stride < limit ? (int)stride : 0;
    t->max_length = s->max_length = (int)limit;
    t->max_length_source = "tokenizer.json: truncation";
    return AT_OK;
}

static at_status read_padding(at_tokenizer *t, const char *path, const json_t *padding, at_error *err) {
    at_spec spec = {path, "padding"};
    at_tokenizer_settings *s = &t->settings;
    const json_t *strategy = json_object_get(padding, "strategy");
    json_int_t multiple, id, type, fixed = json_integer_value(json_object_get(strategy, "Fixed"));
    if (!padding || json_is_null(padding)) return AT_OK;
    AT_TRY(at_spec_int(spec, padding, "pad_to_multiple_of", 0, &multiple, err));
    AT_TRY(at_spec_int(spec, padding, "pad_id", 0, &id, err));
    AT_TRY(at_spec_int(spec, padding, "pad_type_id", 0, &type, err));
    AT_TRY(is_left(spec, padding, &s->pad_left, err));
    if (id < 0 || id >= at_tokenizer_n_ids(t))
        return at_fail(err, AT_BAD_MODEL, "%s: the padding's id %lld is no token", path, (long long)id);
    if (type < 0 || type > 255 || multiple < 0 || multiple > AT_VOCAB_MAX || fixed < 0 || fixed > AT_VOCAB_MAX)
        return at_fail(err, AT_BAD_MODEL, "%s: a number of the padding is out of range", path);
    s->pads = 1;
    s->pad_to = (int)fixed;
    s->pad_multiple = (int)multiple;
    s->pad_id = (int32_t)id;
    s->pad_type = (int)type;
    return AT_OK;
}

at_status at_tokenizer_read_json(at_tokenizer *t, const char *path, const json_t *root, at_error *err) {
    at_build build = {.arena = &t->arena, .patterns = &t->patterns, .path = path};
    if (!json_is_object(root)) return at_fail(err, AT_BAD_MODEL, "%s: is no JSON object", path);
    if (t->keeps && json_object_get(root, "model")) t->root = json_incref((json_t *)(uintptr_t)root);
    AT_TRY(at_normalizers_read(&build, json_object_get(root, "normalizer"), &t->normalizers, err));
    AT_TRY(at_pretokenizers_read(&build, json_object_get(root, "pre_tokenizer"), &t->pretokenizers, err));
    if (!t->model.type) AT_TRY(at_tokenizer_read_model(t, path, json_object_get(root, "model"), err));
    AT_TRY(read_added(t, path, json_object_get(root, "added_tokens"), err));
    AT_TRY(at_templates_read(&t->arena, path, json_object_get(root, "post_processor"), at_tokenizer_n_ids(t),
                             &t->templates, err));
    AT_TRY(at_decoders_read(&build, json_object_get(root, "decoder"), &t->decoders, err));
    AT_TRY(read_truncation(t, path, json_object_get(root, "truncation"), err));
    return read_padding(t, path, json_object_get(root, "padding"), err);
}
