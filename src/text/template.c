#include "text/template.h"

#include <string.h>

#include "text/spec.h"

#define MAX_PARTS 1024

static const char *const kinds[] = {"TemplateProcessing", "BertProcessing", NULL};
enum { KIND_TEMPLATE, KIND_BERT };

static void add(at_template *t, int sequence, int32_t id, int type) {
    t->part[t->n++] = (at_template_part){sequence, id, (uint8_t)type};
    t->n_added += sequence < 0;
}

static at_status init(at_arena *arena, at_templates *templates, at_error *err) {
    *templates = (at_templates){0};
    templates->single.part = AT_NEW_ARRAY(arena, at_template_part, MAX_PARTS);
    templates->pair.part = AT_NEW_ARRAY(arena, at_template_part, MAX_PARTS);
    return templates->single.part && templates->pair.part ? AT_OK : at_fail_memory(err, MAX_PARTS);
}

at_status at_templates_bert(at_arena *arena, int32_t cls, int32_t sep, at_templates *templates, at_error *err) {
    AT_TRY(init(arena, templates, err));
    at_template *both[] = {&templates->single, &templates->pair};
    for (int i = 0; i < 2; i++) {
        add(both[i], -1, cls, 0);
        add(both[i], 0, 0, 0);
        add(both[i], -1, sep, 0);
    }
    add(&templates->pair, 1, 0, 1);
    add(&templates->pair, -1, sep, 1);
    return AT_OK;
}

/* ["[SEP]", 102] */
static at_status read_bert_token(const char *path, const json_t *part, const char *key, int n_ids, int32_t *id,
                                 at_error *err) {
    const json_t *value = json_array_get(json_object_get(part, key), 1);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number >= n_ids)
        return at_fail(err, AT_BAD_MODEL, "%s: \"%s\" of BertProcessing names no token of the vocabulary", path, key);
    *id = (int32_t)number;
    return AT_OK;
}

static at_status read_type(const char *path, const json_t *value, int *type, at_error *err) {
    json_int_t number = json_integer_value(value);
    if (number < 0 || number > 255)
        return at_fail(err, AT_BAD_MODEL, "%s: the post-processor's type_id %lld is not within 0 and 255", path,
                       (long long)number);
    *type = (int)number;
    return AT_OK;
}

static at_status read_special(const char *path, const json_t *specials, const char *name, int type, int n_ids,
                              at_template *t, at_error *err) {
    const json_t *ids = json_object_get(json_object_get(specials, name), "ids"), *value;
    size_t i;
    if (!json_is_array(ids))
        return at_fail(err, AT_BAD_MODEL, "%s: the post-processor uses '%.80s' but its special_tokens lack it", path, name);
    json_array_foreach((json_t *)ids, i, value) {
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= n_ids)
            return at_fail(err, AT_BAD_MODEL, "%s: the post-processor's '%.80s' has the id %lld, the vocabulary has %d",
                           path, name, (long long)id, n_ids);
        if (t->n == MAX_PARTS) return at_fail(err, AT_BAD_MODEL, "%s: the post-processor is too long", path);
        add(t, -1, (int32_t)id, type);
    }
    return AT_OK;
}

static at_status read_sequence(const char *path, const json_t *sequence, int type, int pair, at_template *t,
                               at_error *err) {
    const char *name = json_string_value(json_object_get(sequence, "id"));
    int which = name && !strcmp(name, "A") ? 0 : name && !strcmp(name, "B") ? 1 : -1;
    if (which < 0 || which > pair)
        return at_fail(err, AT_BAD_MODEL, "%s: the post-processor uses the sequence '%.80s' where it has none", path,
                       name ? name : "");
    if (t->n == MAX_PARTS) return at_fail(err, AT_BAD_MODEL, "%s: the post-processor is too long", path);
    add(t, which, 0, type);
    return AT_OK;
}

static at_status read_template(at_spec spec, const json_t *part, const char *key, int n_ids, at_template *t,
                               at_error *err) {
    const json_t *list, *entry, *specials = json_object_get(part, "special_tokens");
    size_t i;
    int type = 0, pair = !strcmp(key, "pair");
    AT_TRY(at_spec_array(spec, part, key, &list, err));
    json_array_foreach((json_t *)list, i, entry) {
        const json_t *special = json_object_get(entry, "SpecialToken"), *sequence = json_object_get(entry, "Sequence");
        const char *name = json_string_value(json_object_get(special, "id"));
        AT_TRY(read_type(spec.path, json_object_get(special ? special : sequence, "type_id"), &type, err));
        if (name) AT_TRY(read_special(spec.path, specials, name, type, n_ids, t, err));
        else if (sequence) AT_TRY(read_sequence(spec.path, sequence, type, pair, t, err));
        else return at_fail(err, AT_BAD_MODEL, "%s: part %zu of the post-processor's \"%s\" is neither a token nor a text",
                            spec.path, i, key);
    }
    return AT_OK;
}

at_status at_templates_read(at_arena *arena, const char *path, const json_t *part, int n_ids, at_templates *templates,
                            at_error *err) {
    at_spec spec = {path, "post-processor"};
    int kind = -1;
    if (part && !json_is_null(part)) AT_TRY(at_spec_kind(spec, part, kinds, &kind, err));
    if (kind == KIND_BERT) {
        int32_t cls = -1, sep = -1;
        AT_TRY(read_bert_token(path, part, "cls", n_ids, &cls, err));
        AT_TRY(read_bert_token(path, part, "sep", n_ids, &sep, err));
        return at_templates_bert(arena, cls, sep, templates, err);
    }
    AT_TRY(init(arena, templates, err));
    if (kind == KIND_TEMPLATE) {
        AT_TRY(read_template(spec, part, "single", n_ids, &templates->single, err));
        return read_template(spec, part, "pair", n_ids, &templates->pair, err);
    }
    add(&templates->single, 0, 0, 0);
    add(&templates->pair, 0, 0, 0);
    add(&templates->pair, 1, 0, 1);
    return AT_OK;
}
