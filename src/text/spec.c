#include "text/spec.h"

#include <string.h>

#include "base/str.h"

static at_status unknown(at_spec spec, const char *type, const char *const *known, at_error *err) {
    char list[640] = "";
    int n = 0;
    for (size_t used = 0; known[n]; n++) {
        if (used < sizeof list - 1) snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", known[n]);
        used = strlen(list);
    }
    const char *near = at_nearest(type, known, n);
    return at_fail(err, AT_BAD_MODEL, "%s: the %s type '%.80s' is not one of %s%s%s%s", spec.path, spec.what, type, list,
                   near ? ". Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

at_status at_spec_kind(at_spec spec, const json_t *part, const char *const *known, int *kind, at_error *err) {
    const char *type = json_string_value(json_object_get(part, "type"));
    if (!type) return at_fail(err, AT_BAD_MODEL, "%s: the %s has no \"type\"", spec.path, spec.what);
    *kind = at_word_index(type, known);
    return *kind < 0 ? unknown(spec, type, known, err) : AT_OK;
}

static at_status wrong(at_spec spec, const char *key, const char *expected, at_error *err) {
    return at_fail(err, AT_BAD_MODEL, "%s: \"%s\" of the %s is not %s", spec.path, key, spec.what, expected);
}

static const json_t *field(const json_t *part, const char *key) {
    const json_t *value = json_object_get(part, key);
    return json_is_null(value) ? NULL : value;
}

at_status at_spec_bool(at_spec spec, const json_t *part, const char *key, int absent, int *value, at_error *err) {
    const json_t *found = field(part, key);
    *value = found ? json_is_true(found) : absent;
    return found && !json_is_boolean(found) ? wrong(spec, key, "true or false", err) : AT_OK;
}

at_status at_spec_int(at_spec spec, const json_t *part, const char *key, json_int_t absent, json_int_t *value,
                      at_error *err) {
    const json_t *found = field(part, key);
    *value = found ? json_integer_value(found) : absent;
    return found && !json_is_integer(found) ? wrong(spec, key, "a whole number", err) : AT_OK;
}

at_status at_spec_string(at_spec spec, const json_t *part, const char *key, const char *absent, const char **value,
                         at_error *err) {
    const json_t *found = field(part, key);
    *value = found ? json_string_value(found) : absent;
    if (found && !*value) return wrong(spec, key, "a string", err);
    if (!*value) return at_fail(err, AT_BAD_MODEL, "%s: the %s has no \"%s\"", spec.path, spec.what, key);
    if (strlen(*value) > AT_TOKEN_BYTES) return wrong(spec, key, "at most 4096 bytes long", err);
    return AT_OK;
}

at_status at_spec_code_points(at_arena *arena, const char *text, uint32_t **cps, int *n, at_error *err) {
    size_t len = strlen(text);
    *n = 0;
    *cps = AT_NEW_ARRAY(arena, uint32_t, len + 1);
    if (!*cps) return at_fail_memory(err, len * sizeof **cps);
    for (size_t i = 0; i < len;) {
        int size = at_utf8_decode((const unsigned char *)text + i, len - i, &(*cps)[*n]);
        if (!size) return at_fail(err, AT_BAD_MODEL, "a string of the tokenizer is not valid UTF-8");
        i += (size_t)size;
        ++*n;
    }
    return AT_OK;
}

at_status at_spec_array(at_spec spec, const json_t *part, const char *key, const json_t **array, at_error *err) {
    *array = json_object_get(part, key);
    return json_is_array(*array) ? AT_OK : wrong(spec, key, "a list", err);
}

enum { MOST_TYPES = 30 };

static at_status read_steps(const at_spec_steps *s, const json_t *part, int depth, int *n, at_error *err) {
    const char *names[MOST_TYPES + 2] = {NULL};
    const json_t *children, *child;
    int count = 0, kind = -1;
    size_t i;
    for (; count < MOST_TYPES && s->type(count); count++) names[count] = s->type(count);
    names[count] = "Sequence";
    AT_TRY(at_spec_kind(s->spec, part, names, &kind, err));
    if (kind < count) {
        if (++*n > AT_SPEC_STEPS) return at_fail(err, AT_BAD_MODEL, "%s: too many %s", s->spec.path, s->plural);
        return s->add(s->context, part, kind, err);
    }
    if (depth >= AT_SPEC_DEPTH) return at_fail(err, AT_BAD_MODEL, "%s: the %s is nested too deep", s->spec.path, s->spec.what);
    AT_TRY(at_spec_array(s->spec, part, s->children, &children, err));
    json_array_foreach((json_t *)(uintptr_t)children, i, child) AT_TRY(read_steps(s, child, depth + 1, n, err));
    return AT_OK;
}

at_status at_spec_steps_read(const at_spec_steps *steps, const json_t *part, at_error *err) {
    int n = 0;
    return read_steps(steps, part, 0, &n, err);
}
