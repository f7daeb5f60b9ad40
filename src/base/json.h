/* JSON by jansson, with the limits that every file from outside has: size, depth 64, no duplicate keys. */
#ifndef AT_BASE_JSON_H
#define AT_BASE_JSON_H

#include <jansson.h>

#include "base/arena.h"

#define AT_JSON_CONFIG_BYTES ((size_t)1 << 20)
#define AT_JSON_TOKENIZER_BYTES ((size_t)64 << 20)

/* A whole file; the caller json_decrefs *root. Errors name file, line and column and have `code`. */
at_status at_json_load(const char *path, size_t max_bytes, at_status code, json_t **root, at_error *err);
/* A text, with `name` for its errors; _as: with jansson's flags in place of the usual ones. */
at_status at_json_parse(const char *text, size_t len, const char *name, at_status code, json_t **root, at_error *err);
at_status at_json_parse_as(const char *text, size_t len, size_t flags, const char *name, at_status code, json_t **root, at_error *err);

/* Atomic, indented by 2, keys in the order they have, a newline at the end. */
at_status at_json_save(const char *path, const json_t *root, at_error *err);

#endif
