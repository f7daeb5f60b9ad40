#include "task/label_parts.h"

#include <string.h>

#include "base/json.h"
#include "task/labels.h"

void at_parts_add(at_parts *p, const char *text, size_t len) {
    while (len && (unsigned char)*text <= ' ') text++, len--;
    while (len && (unsigned char)text[len - 1] <= ' ') len--;
    if (!len) return;
    if (p->n == p->cap) {
        int cap = 2 * p->cap + 16;
        const char **more = AT_NEW_ARRAY(p->arena, const char *, cap);
        if (more && p->n) memcpy(more, p->name, (size_t)p->n * sizeof *more);
        p->name = more ? more : p->name;
        p->cap = more ? cap : p->cap;
    }
    char *copy = at_strndup(p->arena, text, len);
    if (!copy || p->n == p->cap) p->failed = 1;
    else p->name[p->n++] = copy;
}

void at_parts_split(at_parts *p, at_cell cell, const char *separator) {
    size_t width = strlen(separator);
    const char *from = cell.text, *end = cell.text + cell.len, *at;
    while (from && (at = strstr(from, separator)) != NULL && at < end) {
        at_parts_add(p, from, (size_t)(at - from));
        from = at + width;
    }
    if (from) at_parts_add(p, from, (size_t)(end - from));
}

static at_status split_list(at_parts *p, const at_table *t, int row, int column, at_error *err) {
    at_cell cell = at_table_cell(t, row, column);
    json_t *list = cell.len ? json_loadb(cell.text, cell.len, 0, NULL) : NULL;
    size_t i;
    const json_t *item;
    unsigned line = t->line[row];
    at_status st = AT_OK;
    if (!json_is_array(list)) st = at_fail(err, AT_BAD_DATA, "%s:%u: '%s' is not a list of labels%s", t->path, line, t->column[column],
                                             cell.len > 1 && cell.text[0] == '[' && strchr(cell.text, '\'') ? ": lists are JSON, with double quotes: [\"a\", \"b\"]" : "");
    json_array_foreach(list, i, item) {
        char number[32];
        const char *name = json_string_value(item);
        if (json_is_integer(item)) snprintf(number, sizeof number, "%lld", (long long)json_integer_value(item));
        if (json_is_integer(item)) name = number;
        if (!name && !st)
            st = at_fail(err, AT_BAD_DATA, "%s:%u: label %zu of the list '%s' is neither a text nor a whole number", t->path, line, i + 1,
                         t->column[column]);
        if (name) at_parts_add(p, name, strlen(name));
    }
    json_decref(list);
    return st;
}

at_status at_parts_read(at_parts *p, const at_table *t, int row, int column, const char *separator, at_error *err) {
    at_cell cell = at_table_cell(t, row, column);
    p->n = 0;
    if (!separator) AT_TRY(split_list(p, t, row, column, err));
    else if (!cell.text)
        return at_fail(err, AT_BAD_DATA, "%s:%u: there is no '%s'; a row without labels has an empty one", t->path, (unsigned)t->line[row],
                       t->column[column]);
    else at_parts_split(p, cell, separator);
    for (int i = 0; p->names && i < p->n; i++) AT_TRY(at_label_name(p->names, t->path, t->line[row], p->name[i], &p->name[i], err));
    return p->failed ? at_fail_memory(err, cell.len) : AT_OK;
}
