#include "text/added_list.h"

#include <stdlib.h>
#include <string.h>

const char *at_added_content(const json_t *value) {
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

int at_added_flag(const json_t *value, const char *key, int absent) {
    const json_t *found = json_object_get(value, key);
    return json_is_boolean(found) ? json_is_true(found) : absent;
}

void at_added_put(json_t *all, const json_t *value, int special, int lstrip) {
    const char *content = at_added_content(value);
    if (!content || !*content || json_object_get(all, content)) return;
    special = at_added_flag(value, "special", special);
    json_object_set_new(all, content, json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", content, "special", special, "normalized",
                                          at_added_flag(value, "normalized", !special), "lstrip", at_added_flag(value, "lstrip", lstrip), "rstrip",
                                          at_added_flag(value, "rstrip", 0), "single_word", at_added_flag(value, "single_word", 0)));
}

json_t *at_added_listed(json_t *all) {
    json_t *list = json_array(), *token;
    const char *content;
    json_object_foreach(all, content, token) json_array_append(list, token);
    json_decref(all);
    return list;
}

typedef struct numbered {
    const char *key;
    double number;
} numbered;

static int by_number(const void *left, const void *right) {
    const numbered *a = left, *b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* The keys of an object, by their values or by the numbers that they are. */
static numbered *in_order(at_arena *arena, const json_t *object, int by_key) {
    numbered *all = AT_NEW_ARRAY(arena, numbered, json_object_size(object) + 1);
    const char *key;
    json_t *value;
    size_t n = 0;
    if (!all) return NULL;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) all[n++] = (numbered){key, by_key ? strtod(key, NULL) : json_number_value(value)};
    qsort(all, n, sizeof *all, by_number);
    return all;
}

void at_added_put_numbered(at_arena *arena, json_t *all, const json_t *decoder) {
    const numbered *order = in_order(arena, decoder, 1);
    for (size_t i = 0; order && i < json_object_size(decoder); i++) at_added_put(all, json_object_get(decoder, order[i].key), 0, 0);
}

const char **at_added_in_order(at_arena *arena, const json_t *added) {
    size_t n = json_object_size(added);
    const numbered *all = in_order(arena, added, 0);
    const char **keys = AT_NEW_ARRAY(arena, const char *, n + 1);
    for (size_t i = 0; all && keys && i < n; i++) keys[i] = all[i].key;
    return all ? keys : NULL;
}
