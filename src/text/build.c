#include "text/build.h"

#include <string.h>

#include "text/spec.h"

at_status at_build_pattern(at_build *build, const char *what, const json_t *part, const char *key, at_pattern **pattern, at_error *err) {
    const json_t *value = json_object_get(part, key);
    const char *plain = json_string_value(json_object_get(value, "String")), *regex = json_string_value(json_object_get(value, "Regex"));
    if (!plain && json_is_string(value)) plain = json_string_value(value); /* files of early versions */
    if (!plain && !regex)
        return at_fail(err, AT_BAD_MODEL, "%s: the pattern of %s is neither {\"String\": ...} nor {\"Regex\": ...}", build->path, what);
    if (plain && (!*plain || strlen(plain) > AT_TOKEN_BYTES))
        return at_fail(err, AT_BAD_MODEL, "%s: the pattern of %s is empty or too long", build->path, what);
    at_status st = at_pattern_compile(build->arena, build->patterns, plain ? plain : regex, !plain, pattern, err);
    return st ? at_fail_prefix(err, "%s: %s", build->path, what) : AT_OK;
}
