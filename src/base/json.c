#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* Deeper than the limit of 64? The parser descends by recursion, so this is asked before it runs. */
static int too_deep(const char *text, size_t len) {
    int depth = 0, in_string = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = 0;
        } else if (c == '"') in_string = 1;
        else if (c == '{' || c == '[') {
            if (++depth > 64) return 1;
        } else if (c == '}' || c == ']') depth--;
    }
    return 0;
}

/* jansson does not say that memory was refused: it fails as on a fault of the text. So a text that fails is read once more, and where memory is
 * still refused, that is taken for the cause. */
static json_t *decode(const char *text, size_t len, size_t flags, json_error_t *where, int *refused) {
    json_t *root = json_loadb(text, len, flags, where);
    if (!root) root = json_loadb(text, len, flags, where);
    void *some = root ? NULL : malloc(4096);
    *refused = !root && !some;
    free(some);
    return root;
}

/* Characters of the number at text[0]; *whole: it has neither a point nor an exponent. */
static size_t number_length(const char *text, size_t len, int *whole) {
    size_t n = 0;
    *whole = 1;
    for (; n < len && text[n] && strchr("0123456789.eE+-", text[n]); n++) *whole &= !strchr(".eE", text[n]);
    return n;
}

/* The text with ".0" behind the integers that 64 bits may not hold; NULL: no memory. */
static char *with_reals(const char *text, size_t *len) {
    enum { DIGITS = 18 };
    char *made = malloc(*len + *len / DIGITS * 2 + 1);
    size_t n = 0;
    int in_string = 0, whole;
    for (size_t i = 0, step; made && i < *len; i += step) {
        size_t number = in_string ? 0 : number_length(text + i, *len - i, &whole);
        step = number ? number : in_string && text[i] == '\\' && i + 1 < *len ? 2 : 1;
        if (text[i] == '"') in_string = !in_string;
        memcpy(made + n, text + i, step);
        n += step;
        if (number <= DIGITS || !whole) continue;
        memcpy(made + n, ".0", 2);
        n += 2;
    }
    *len = n;
    return made;
}

/* Numbers beyond 64 bits are legal: 10^30 is how transformers writes "model_max_length" where there is no limit. */
static json_t *decode_large(const char *text, size_t len, size_t flags, json_error_t *where, int *refused) {
    char *other = with_reals(text, &len);
    json_t *root = other ? decode(other, len, flags, where, refused) : NULL;
    *refused |= !other;
    free(other);
    return root;
}

at_status at_json_parse_as(const char *text, size_t len, size_t flags, const char *name, at_status code, json_t **root, at_error *err) {
    json_error_t where;
    int refused;
    *root = NULL;
    if (too_deep(text, len)) return at_fail(err, code, "%s: nested more than 64 deep", name);
    if ((*root = decode(text, len, flags, &where, &refused))) return AT_OK;
    if (!refused && json_error_code(&where) == json_error_numeric_overflow && (*root = decode_large(text, len, flags, &where, &refused))) return AT_OK;
    if (refused) return at_fail_memory(err, 0);
    return at_fail(err, code, "%s:%d:%d: not valid JSON: %s", name, where.line, where.column, where.text);
}

at_status at_json_parse(const char *text, size_t len, const char *name, at_status code, json_t **root, at_error *err) {
    return at_json_parse_as(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, name, code, root, err);
}

at_status at_json_load(const char *path, size_t max_bytes, at_status code, json_t **root, at_error *err) {
    at_arena arena = {0};
    char *text;
    size_t len;
    at_status st = at_file_read(&arena, path, max_bytes, code, &text, &len, err);
    if (!st) st = at_json_parse(text, len, path, code, root, err);
    at_arena_free(&arena);
    return st;
}

at_status at_json_save(const char *path, const json_t *root, at_error *err) {
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (!text) return at_fail_memory(err, 0);
    size_t len = strlen(text);
    text[len] = '\n'; /* the terminator is not needed by the write */
    at_status st = at_file_write(path, text, len + 1, err);
    free(text);
    return st;
}
