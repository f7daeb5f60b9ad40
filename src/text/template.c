#include "text/template.h"

#include <string.h>

#include "text/spec.h"

#define MAX_PARTS 1024

static const char *const kinds[] = {"TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence", NULL};
enum { KIND_TEMPLATE, KIND_BERT, KIND_ROBERTA, KIND_BYTELEVEL, KIND_SEQUENCE };

static void add(at_template *t, int sequence, int32_t id, int type) {
    t->part[t->n++] = (at_template_part){sequence, id, (uint8_t)type};
    t->n_added += sequence < 0;
}

static at_status init(at_arena *arena, at_templates *templates, at_error *err) {
    templates->single = templates->pair = (at_template){0};
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

static at_status add_trim(at_templates *templates, const char *path, int add_prefix_space, int after, at_error *err) {
    if (templates->n_trims == AT_TRIMS) return at_fail(err, AT_BAD_MODEL, "%s: too many post-processors", path);
    templates->trim[templates->n_trims++] = (at_trim){add_prefix_space, after};
    return AT_OK;
}

at_status at_templates_roberta(at_arena *arena, int32_t cls, int32_t sep, int add_prefix_space, at_templates *templates, at_error *err) {
    AT_TRY(init(arena, templates, err));
    at_template *both[] = {&templates->single, &templates->pair};
    for (int i = 0; i < 2; i++) {
        add(both[i], -1, cls, 0);
        add(both[i], 0, 0, 0);
        add(both[i], -1, sep, 0);
    }
    add(&templates->pair, -1, sep, 0);
    add(&templates->pair, 1, 0, 0);
    add(&templates->pair, -1, sep, 0);
    return add_trim(templates, "", add_prefix_space, 0, err);
}

/* ["[SEP]", 102] */
static at_status read_bert_token(const char *path, const json_t *part, const char *key, int n_ids, int32_t *id,
                                 at_error *err) {
    const json_t *value = json_array_get(json_object_get(part, key), 1);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number >= n_ids)
        return at_fail(err, AT_BAD_MODEL, "%s: \"%s\" of the post-processor names no token of the vocabulary", path, key);
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

typedef struct reading {
    at_arena *arena;
    const char *path;
    int n_ids, has_template;
    at_templates *out;
} reading;

static at_status read_pair_of_tokens(const reading *r, const json_t *part, int32_t *cls, int32_t *sep, at_error *err) {
    AT_TRY(read_bert_token(r->path, part, "cls", r->n_ids, cls, err));
    return read_bert_token(r->path, part, "sep", r->n_ids, sep, err);
}

static at_status read_putting(reading *r, const json_t *part, int kind, at_error *err) {
    int32_t cls = -1, sep = -1;
    at_spec spec = {r->path, "post-processor"};
    if (r->has_template++)
        return at_fail(err, AT_BAD_MODEL, "%s: more than one post-processor of the sequence puts special tokens", r->path);
    if (kind == KIND_TEMPLATE) {
        AT_TRY(init(r->arena, r->out, err));
        AT_TRY(read_template(spec, part, "single", r->n_ids, &r->out->single, err));
        return read_template(spec, part, "pair", r->n_ids, &r->out->pair, err);
    }
    r->out->around = 1;
    AT_TRY(read_pair_of_tokens(r, part, &cls, &sep, err));
    if (kind == KIND_BERT) return at_templates_bert(r->arena, cls, sep, r->out, err);
    int trims, add_prefix_space, n = r->out->n_trims;
    AT_TRY(at_spec_bool(spec, part, "trim_offsets", 1, &trims, err));
    AT_TRY(at_spec_bool(spec, part, "add_prefix_space", 1, &add_prefix_space, err));
    AT_TRY(at_templates_roberta(r->arena, cls, sep, add_prefix_space, r->out, err));
    if (!trims) r->out->n_trims = n;
    return AT_OK;
}

static at_status read_part(reading *r, const json_t *part, int depth, at_error *err) {
    at_spec spec = {r->path, "post-processor"};
    int kind = -1, trims, add_prefix_space;
    AT_TRY(at_spec_kind(spec, part, kinds, &kind, err));
    if (kind == KIND_SEQUENCE) {
        const json_t *children, *child;
        size_t i;
        if (depth >= AT_SPEC_DEPTH) return at_fail(err, AT_BAD_MODEL, "%s: the post-processor is nested too deep", r->path);
        AT_TRY(at_spec_array(spec, part, "processors", &children, err));
        json_array_foreach((json_t *)children, i, child) AT_TRY(read_part(r, child, depth + 1, err));
        return AT_OK;
    }
    if (kind != KIND_BYTELEVEL) return read_putting(r, part, kind, err);
    AT_TRY(at_spec_bool(spec, part, "trim_offsets", 1, &trims, err));
    AT_TRY(at_spec_bool(spec, part, "add_prefix_space", 1, &add_prefix_space, err));
    return trims ? add_trim(r->out, r->path, add_prefix_space, r->has_template, err) : AT_OK;
}

at_status at_templates_read(at_arena *arena, const char *path, const json_t *part, int n_ids, at_templates *templates,
                            at_error *err) {
    reading r = {arena, path, n_ids, 0, templates};
    *templates = (at_templates){0};
    if (part && !json_is_null(part)) AT_TRY(read_part(&r, part, 0, err));
    if (r.has_template) return AT_OK;
    AT_TRY(init(arena, templates, err));
    add(&templates->single, 0, 0, 0);
    add(&templates->pair, 0, 0, 0);
    add(&templates->pair, 1, 0, 1);
    return AT_OK;
}
