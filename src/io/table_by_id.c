/* Answers by id: one JSON object whose keys are ids and whose values are texts, as SQuAD's scripts read predictions. Columns id, answer. */
#include <string.h>

#include "base/json.h"
#include "io/table_input.h"

/* 1 where the whole text is such an object; its rows are then the table's. */
static int take(at_table_input *in, const json_t *root) {
    at_table *t = in->table;
    const char *key;
    json_t *value;
    size_t n = json_object_size(root);
    t->column = AT_NEW_ARRAY(&t->arena, const char *, 2);
    t->cells = AT_NEW_ARRAY(&t->arena, at_cell, 2 * n);
    t->line = AT_NEW_ARRAY(&t->arena, uint32_t, n);
    if (n > INT32_MAX || !t->column || !t->cells || !t->line) {
        in->status = at_fail_memory(in->err, n * 2 * sizeof *t->cells);
        return 1;
    }
    t->column[0] = "id";
    t->column[1] = "answer";
    t->n_columns = 2;
    json_object_foreach((json_t *)(uintptr_t)root, key, value) {
        at_cell *cell = t->cells + 2 * (size_t)t->n_rows;
        size_t len = json_string_length(value), key_len = strlen(key);
        char *id = at_strndup(&t->arena, key, key_len), *text = at_strndup(&t->arena, json_string_value(value), len);
        if (!id || !text) {
            in->status = at_fail_memory(in->err, len);
            return 1;
        }
        cell[0] = (at_cell){id, (uint32_t)key_len};
        cell[1] = (at_cell){text, (uint32_t)len};
        t->line[t->n_rows++] = 1; /* the parser does not tell */
    }
    return 1;
}

int at_table_read_by_id(at_table_input *in) {
    json_error_t where;
    json_t *root = json_loadb(in->text, in->len, JSON_REJECT_DUPLICATES, &where), *value;
    const char *key;
    int texts = json_object_size(root) > 0;
    json_object_foreach(root, key, value) texts &= json_is_string(value);
    int is_row = json_object_get(root, "id") != NULL; /* a row that happens to be alone */
    int taken = texts && !is_row && take(in, root);
    json_decref(root);
    return taken;
}
