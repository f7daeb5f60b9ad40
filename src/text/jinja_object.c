/* Parts of values: attributes, items, slices; what is in what. */
#include <string.h>

#include "text/jinja_value.h"

static at_jvalue loop_part(at_jrun *r, const at_jloop *loop, const char *name) {
    int n = loop->items->n, i = loop->index;
    (void)r;
    if (!strcmp(name, "index")) return at_jint(i + 1);
    if (!strcmp(name, "index0")) return at_jint(i);
    if (!strcmp(name, "first")) return at_jbool(i == 0);
    if (!strcmp(name, "last")) return at_jbool(i == n - 1);
    if (!strcmp(name, "length")) return at_jint(n);
    if (!strcmp(name, "revindex")) return at_jint(n - i);
    if (!strcmp(name, "revindex0")) return at_jint(n - i - 1);
    if (!strcmp(name, "depth")) return at_jint(1); /* of recursive loops, which are not supported */
    if (!strcmp(name, "depth0")) return at_jint(0);
    if (!strcmp(name, "previtem")) return i ? loop->items->item[i - 1] : at_jundefined("there is no previous item");
    if (!strcmp(name, "nextitem")) return i + 1 < n ? loop->items->item[i + 1] : at_jundefined("there is no next item");
    return at_jundefined(name);
}

/* A method of the value, or undefined. What would change a list or a dict is refused when it is asked for. */
static at_jvalue method(at_jrun *r, at_jvalue of, const char *name, size_t len) {
    const at_jbuiltin *builtin = at_jmethod_find(of.type, name, len);
    at_jmethod *made = builtin ? AT_NEW(&r->arena, at_jmethod) : NULL;
    if (!builtin) return at_jundefined(name);
    if (!made) return at_jfail(r, AT_NO_MEMORY, "not enough memory");
    *made = (at_jmethod){of, builtin};
    return (at_jvalue){.type = AT_J_METHOD, .method = made};
}

at_jvalue at_jattribute(at_jrun *r, at_jvalue of, const char *name, size_t len) {
    if (of.type == AT_J_UNDEFINED) return at_jfail(r, AT_BAD_DATA, "'%s' is undefined, and so has no '%.*s'", of.text, (int)len, name);
    if (of.type == AT_J_NAMESPACE) {
        const at_jvalue *found = at_jdict_get(of.dict, at_jtext(name, len));
        return found ? *found : at_jundefined(name);
    }
    at_jvalue found = at_jundefined(name);
    if (of.type == AT_J_LOOP) found = loop_part(r, of.loop, name);
    if (found.type != AT_J_UNDEFINED || (of.type == AT_J_LOOP && found.text != name)) return found;
    found = method(r, of, name, len);
    if (r->status || found.type != AT_J_UNDEFINED || of.type != AT_J_DICT) return found;
    const at_jvalue *item = at_jdict_get(of.dict, at_jtext(name, len));
    return item ? *item : found;
}

/* What an index that is a text and no key means. */
static at_jvalue by_name(at_jrun *r, at_jvalue of, at_jvalue index) {
    char *name = at_strndup(&r->arena, index.text, index.len);
    if (!name) return at_jfail(r, AT_NO_MEMORY, "not enough memory");
    return of.type == AT_J_NAMESPACE || of.type == AT_J_LOOP ? at_jattribute(r, of, name, index.len) : method(r, of, name, index.len);
}

static at_jvalue by_number(at_jrun *r, at_jvalue of, int64_t i) {
    int64_t n = at_jlength(&of);
    if (!at_jcharge(r, of.type == AT_J_STRING ? of.len / 64 : 0)) return at_jundefined("");
    if (i < 0) i += n;
    if (i < 0 || i >= n) return at_jundefined("an item beyond the end");
    if (of.type != AT_J_STRING) return of.list->item[i];
    const char *p = at_jtext_at(of.text, of.len, (size_t)i), *end = of.text + of.len;
    return at_jtext(p, (size_t)(at_jtext_at(p, (size_t)(end - p), 1) - p));
}

at_jvalue at_jitem(at_jrun *r, at_jvalue of, at_jvalue index) {
    if (of.type == AT_J_UNDEFINED) return at_jfail(r, AT_BAD_DATA, "'%s' is undefined, and so has no items", of.text);
    if (of.type == AT_J_DICT) {
        const at_jvalue *found = at_jcharge(r, (size_t)of.dict->n / 8) ? at_jdict_get(of.dict, index) : NULL;
        if (found) return *found;
    }
    if (r->status) return of;
    if (index.type == AT_J_STRING) return by_name(r, of, index);
    if (at_jis_whole(&index) && (of.type == AT_J_LIST || of.type == AT_J_TUPLE || of.type == AT_J_STRING))
        return by_number(r, of, index.integer);
    return at_jundefined("an item that is not there");
}

/* Begin and end of a slice as Python cuts them to 0 .. n (or -1 .. n-1 backwards). */
static int64_t bound(const at_jvalue *v, int64_t n, int64_t step, int64_t otherwise) {
    if (v->type == AT_J_NONE) return otherwise;
    int64_t i = v->integer < 0 ? v->integer + n : v->integer, low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    return i < low ? low : i > high ? high : i;
}

at_jvalue at_jslice(at_jrun *r, at_jvalue of, const at_jvalue *begin, const at_jvalue *end, const at_jvalue *step) {
    const at_jvalue *parts[3] = {begin, end, step};
    for (int i = 0; i < 3; i++)
        if (parts[i]->type != AT_J_NONE && !at_jis_whole(parts[i]))
            return at_jfail(r, AT_BAD_DATA, "a slice is cut at %s", at_jtype_name(parts[i]));
    if (of.type != AT_J_STRING && of.type != AT_J_LIST && of.type != AT_J_TUPLE)
        return of.type == AT_J_UNDEFINED ? at_jfail(r, AT_BAD_DATA, "'%s' is undefined", of.text)
            : at_jundefined("a slice of what has no order");
    const at_jlist *items = at_jitems(r, &of);
    if (!items) return of;
    int64_t n = items->n, by = step->type == AT_J_NONE ? 1 : step->integer;
    if (!by) return at_jfail(r, AT_BAD_DATA, "a slice with a step of 0");
    if (by > n) by = n + 1;
    if (by < -n) by = -n - 1;
    int64_t from = bound(begin, n, by, by < 0 ? n - 1 : 0), to = bound(end, n, by, by < 0 ? -1 : n);
    at_str s = {.arena = &r->arena};
    at_jvalue list = of.type == AT_J_STRING ? of : at_jlist_new(r, of.type, 0);
    for (int64_t i = from; !r->status && (by < 0 ? i > to : i < to); i += by) {
        if (of.type == AT_J_STRING) at_jadd(r, &s, items->item[i].text, items->item[i].len);
        else at_jlist_add(r, list.list, items->item[i]);
    }
    return of.type == AT_J_STRING ? at_jtext_of(r, &s) : list;
}

int at_jcontains(at_jrun *r, at_jvalue of, at_jvalue item) {
    if (of.type == AT_J_STRING) {
        if (item.type != AT_J_STRING) return at_jfail(r, AT_BAD_DATA, "'in' looks for %s in a text", at_jtype_name(&item)), 0;
        return at_jfind(r, of.text, of.len, item.text, item.len) != NULL;
    }
    if (of.type == AT_J_DICT) return at_jcharge(r, (size_t)of.dict->n / 8) && at_jdict_get(of.dict, item) != NULL;
    if (of.type == AT_J_UNDEFINED) return 0;
    const at_jlist *items = at_jitems(r, &of);
    for (int i = 0; items && i < items->n; i++)
        if (at_jequal(&items->item[i], &item, 0)) return 1;
    return 0;
}
