/* tokenizer.json: the file of the `tokenizers` library. */
#include <string.h>

#include "text/parts.h"
#include "text/spec.h"

static const char *const models[] = {"WordPiece", NULL};

/* The size and the bytes of a vocabulary, after checks of every id and text. */
static at_status measure(const char *path, const json_t *vocab, int *size, size_t *bytes, at_error *err) {
    const char *token;
    const json_t *value;
    json_int_t highest = -1;
    *bytes = 0;
    if (!json_is_object(vocab)) return at_fail(err, AT_BAD_MODEL, "%s: the model has no vocabulary", path);
    if (json_object_size(vocab) > AT_VOCAB_MAX)
        return at_fail(err, AT_BAD_MODEL, "%s: more than %d tokens", path, AT_VOCAB_MAX);
    json_object_foreach((json_t *)vocab, token, value) {
        size_t len = strlen(token);
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= AT_VOCAB_MAX)
            return at_fail(err, AT_BAD_MODEL, "%s: the token '%.80s' has no id within 0 and %d", path, token,
                           AT_VOCAB_MAX - 1);
        if (len > AT_TOKEN_BYTES)
            return at_fail(err, AT_BAD_MODEL, "%s: the token %lld is longer than %d bytes", path, (long long)id,
                           AT_TOKEN_BYTES);
        if (id > highest) highest = id;
        *bytes += len;
    }
    *size = (int)highest + 1;
    return AT_OK;
}

static at_status read_vocab(at_tokenizer *t, const char *path, const json_t *vocab, at_error *err) {
    const char *token, *other;
    const json_t *value;
    size_t bytes = 0;
    int size = 0;
    AT_TRY(measure(path, vocab, &size, &bytes, err));
    AT_TRY(at_vocab_init(&t->arena, &t->vocab, size, bytes, err));
    json_object_foreach((json_t *)vocab, token, value) {
        int32_t id = (int32_t)json_integer_value(value);
        if ((other = at_vocab_text(&t->vocab, id)))
            return at_fail(err, AT_BAD_MODEL, "%s: the tokens '%.80s' and '%.80s' have the same id %d", path, other, token, id);
        at_vocab_add(&t->vocab, id, token, strlen(token));
    }
    return AT_OK;
}

static at_status read_model(at_tokenizer *t, const char *path, const json_t *model, at_error *err) {
    at_spec spec = {path, "model"};
    const char *unknown, *prefix;
    json_int_t max_chars;
    int kind = -1;
    if (!json_is_object(model)) return at_fail(err, AT_BAD_MODEL, "%s: there is no \"model\"", path);
    /* Files of early versions do not name the type. */
    if (json_object_get(model, "type") || !json_object_get(model, "continuing_subword_prefix"))
        AT_TRY(at_spec_kind(spec, model, models, &kind, err));
    AT_TRY(at_spec_string(spec, model, "unk_token", "[UNK]", &unknown, err));
    AT_TRY(at_spec_string(spec, model, "continuing_subword_prefix", "##", &prefix, err));
    AT_TRY(at_spec_int(spec, model, "max_input_chars_per_word", 100, &max_chars, err));
    AT_TRY(read_vocab(t, path, json_object_get(model, "vocab"), err));
    return at_tokenizer_set_model(t, path, unknown, prefix, max_chars, err);
}

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

static void read_truncation(at_tokenizer *t, const json_t *truncation) {
    json_int_t limit = json_integer_value(json_object_get(truncation, "max_length"));
    const char *direction = json_string_value(json_object_get(truncation, "direction"));
    t->truncate_left = direction && !strcmp(direction, "Left");
    if (limit < 1 || limit > AT_VOCAB_MAX) return;
    t->max_length = (int)limit;
    t->max_length_source = "tokenizer.json: truncation";
}

at_status at_tokenizer_read_json(at_tokenizer *t, const char *path, const json_t *root, at_error *err) {
    if (!json_is_object(root)) return at_fail(err, AT_BAD_MODEL, "%s: is no JSON object", path);
    AT_TRY(at_normalizers_read(&t->arena, path, json_object_get(root, "normalizer"), &t->normalizers, err));
    AT_TRY(at_pretokenizers_read(&t->arena, path, json_object_get(root, "pre_tokenizer"), &t->pretokenizers, err));
    AT_TRY(read_model(t, path, json_object_get(root, "model"), err));
    AT_TRY(read_added(t, path, json_object_get(root, "added_tokens"), err));
    AT_TRY(at_templates_read(&t->arena, path, json_object_get(root, "post_processor"), at_tokenizer_n_ids(t),
                             &t->templates, err));
    AT_TRY(at_decoder_read(&t->arena, path, json_object_get(root, "decoder"), &t->decoder, err));
    read_truncation(t, json_object_get(root, "truncation"));
    return AT_OK;
}
