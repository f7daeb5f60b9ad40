/* Filters over many values. What Jinja gives bit by bit (map, select, unique ...) is a stream: true whatever is in it, and walked once. */
#include <stdlib.h>
#include <string.h>

#include "text/jinja_filters.h"
#include "text/unicode.h"

#define FILTER(name) static at_jvalue name(at_jrun *r, at_jvalue self, const at_jvalue *const *slot, const at_jargs *args)
#define UNUSED (void)r, (void)self, (void)slot, (void)args

int at_jis_word(uint32_t cp) { return (at_cp_flags(cp) & AT_CP_WORD) != 0; }

static int flag(const at_jvalue *v) { return v && at_jtrue(v); }
static int is_given(const at_jvalue *v) { return v && v->type != AT_J_NONE; }

/* ---- parts of items, and their order ---- */

/* "a.b.0" of an item, or one number; otherwise the item itself. What is not there becomes `otherwise` (may be NULL). */
static at_jvalue part_of(at_jrun *r, at_jvalue item, const at_jvalue *path, const at_jvalue *otherwise) {
    if (!is_given(path)) return item;
    if (path->type != AT_J_STRING) return at_jitem(r, item, *path);
    for (const char *p = path->text, *end = p + path->len; p <= end && !r->status;) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        size_t len = (size_t)((dot ? dot : end) - p), digits = 0;
        while (digits < len && p[digits] >= '0' && p[digits] <= '9') digits++;
        item = at_jitem(r, item, len && len < 10 && digits == len ? at_jint(strtoll(p, NULL, 10)) : at_jtext(p, len));
        if (is_given(otherwise) && item.type == AT_J_UNDEFINED) item = *otherwise;
        if (!dot) break;
        p = dot + 1;
    }
    return item;
}

static at_jvalue folded(at_jrun *r, at_jvalue v, int keep_case) { return v.type == AT_J_STRING && !keep_case ? at_jcase(r, v, 'l') : v; }

static int in_order(at_jrun *r, const at_jvalue *a, const at_jvalue *b) {
    int ok, order = at_jcompare(a, b, &ok);
    if (!ok) at_jfail(r, AT_BAD_DATA, "%s and %s have no order", at_jtype_name(a), at_jtype_name(b));
    return at_jcharge(r, 0) ? order : 0;
}

/* Sorts items [n] by keys [n]; equal ones stay in their order (reversed, too). Merges runs that double in length. */
static void sort_by(at_jrun *r, at_jvalue *item, at_jvalue *key, int n, int reverse) {
    at_jvalue *to = at_jcharge(r, (size_t)n) ? AT_NEW_ARRAY(&r->arena, at_jvalue, 2 * (size_t)n) : NULL;
    if (!to) {
        at_jfail(r, AT_NO_MEMORY, "not enough memory to sort");
        return;
    }
    for (int width = 1; width < n && !r->status; width *= 2) {
        for (int from = 0; from < n; from += 2 * width) {
            int a = from, end_a = from + width < n ? from + width : n, b = end_a, end_b = from + 2 * width < n ? from + 2 * width : n;
            for (int k = from; k < end_b; k++) {
                int order = a < end_a && b < end_b ? in_order(r, &key[a], &key[b]) : 0;
                int first = b >= end_b || (a < end_a && (reverse ? order >= 0 : order <= 0));
                to[k] = item[first ? a : b];
                to[n + k] = key[first ? a : b];
                if (first) a++;
                else b++;
            }
        }
        memcpy(item, to, (size_t)n * sizeof *item);
        memcpy(key, to + n, (size_t)n * sizeof *key);
    }
}

/* A list of its own, and the key of every item. */
static at_jvalue keyed(at_jrun *r, at_jvalue self, const at_jvalue *path, const at_jvalue *otherwise, int keep_case, at_jvalue *keys) {
    const at_jlist *items = at_jitems(r, &self);
    at_jvalue list = at_jlist_new(r, AT_J_LIST, items ? items->n : 0);
    *keys = at_jlist_new(r, AT_J_LIST, items ? items->n : 0);
    for (int i = 0; items && i < items->n && !r->status; i++) {
        at_jlist_add(r, list.list, items->item[i]);
        at_jlist_add(r, keys->list, folded(r, part_of(r, items->item[i], path, otherwise), keep_case));
    }
    return list;
}

FILTER(sort) {
    UNUSED;
    at_jvalue keys, list = keyed(r, self, slot[2], NULL, flag(slot[1]), &keys);
    if (is_given(slot[2]) && slot[2]->type == AT_J_STRING && memchr(slot[2]->text, ',', slot[2]->len))
        return at_jfail(r, AT_BAD_DATA, "sort by several attributes is not supported");
    if (!r->status) sort_by(r, list.list->item, keys.list->item, list.list->n, flag(slot[0]));
    return list;
}

FILTER(dictsort) {
    UNUSED;
    if (self.type != AT_J_DICT) return at_jfail(r, AT_BAD_DATA, "dictsort of %s", at_jtype_name(&self));
    at_jvalue pairs = at_jcall_builtin(r, at_jmethod_find(AT_J_DICT, "items", 5), self, &(at_jargs){0}), keys;
    at_jvalue by = slot[1] ? at_jstring(r, slot[1]) : at_jtext("key", 3), which = at_jint(by.len == 5);
    if (r->status) return pairs;
    if (memcmp(by.text, by.len == 5 ? "value" : "key", by.len == 5 ? 5 : by.len == 3 ? 3 : 0) || (by.len != 3 && by.len != 5))
        return at_jfail(r, AT_BAD_DATA, "dictsort sorts by 'key' or 'value'");
    at_jvalue list = keyed(r, pairs, &which, NULL, flag(slot[0]), &keys);
    if (!r->status) sort_by(r, list.list->item, keys.list->item, list.list->n, flag(slot[2]));
    return list;
}

static at_jvalue extreme(at_jrun *r, at_jvalue self, const at_jvalue *const *slot, int sign) {
    at_jvalue keys, list = keyed(r, self, slot[1], NULL, flag(slot[0]), &keys);
    int best = 0;
    for (int i = 1; !r->status && i < list.list->n; i++)
        if (sign * in_order(r, &keys.list->item[i], &keys.list->item[best]) > 0) best = i;
    return r->status ? list : list.list->n ? list.list->item[best] : at_jundefined("the extreme of nothing");
}

FILTER(least) { UNUSED; return extreme(r, self, slot, -1); }
FILTER(largest) { UNUSED; return extreme(r, self, slot, 1); }

FILTER(unique) {
    UNUSED;
    at_jvalue keys, list = keyed(r, self, slot[1], NULL, flag(slot[0]), &keys), kept = at_jlist_new(r, AT_J_STREAM, 0);
    for (int i = 0; !r->status && i < list.list->n; i++) {
        int known = 0;
        for (int k = 0; k < i && !known && at_jcharge(r, 0); k++) known = at_jequal(&keys.list->item[k], &keys.list->item[i], 0);
        if (!known) at_jlist_add(r, kept.list, list.list->item[i]);
    }
    return kept;
}

static at_jvalue pair(at_jrun *r, at_jvalue a, at_jvalue b) {
    at_jvalue made = at_jlist_new(r, AT_J_TUPLE, 2);
    if (r->status) return made;
    at_jlist_add(r, made.list, a);
    at_jlist_add(r, made.list, b);
    return made;
}

/* Groups of neighbours after sorting; a group is (the first one's own key, the items). */
FILTER(groupby) {
    UNUSED;
    at_jvalue keys, list = keyed(r, self, slot[0], slot[1], flag(slot[2]), &keys);
    at_jvalue groups = at_jlist_new(r, AT_J_LIST, 0), group = at_jnone();
    if (!r->status) sort_by(r, list.list->item, keys.list->item, list.list->n, 0);
    for (int i = 0; !r->status && i < list.list->n; i++) {
        if (!i || !at_jequal(&keys.list->item[i - 1], &keys.list->item[i], 0)) {
            group = at_jlist_new(r, AT_J_LIST, 0);
            if (!r->status) at_jlist_add(r, groups.list, pair(r, part_of(r, list.list->item[i], slot[0], slot[1]), group));
        }
        if (!r->status) at_jlist_add(r, group.list, list.list->item[i]);
    }
    return groups;
}

/* ---- choosing and changing ---- */

static at_jargs without_first(const at_jargs *args, int n) {
    return (at_jargs){.item = args->item + n, .n = args->n - n, .named = args->named};
}

FILTER(map) {
    (void)slot;
    if (!at_jtrue(&self)) return at_jlist_new(r, AT_J_STREAM, 0); /* none and 0 too, whatever is asked of it */
    const at_jvalue *path = at_jdict_find(&args->named, "attribute"), *otherwise = at_jdict_find(&args->named, "default");
    const at_jbuiltin *filter = NULL;
    at_jargs rest = {0};
    if (args->n) {
        at_jvalue name = at_jstring(r, &args->item[0]);
        if (!r->status) filter = at_jfilter_find(name.text, name.len);
        if (!r->status && (!filter || !filter->call))
            return at_jfail(r, AT_BAD_DATA, "map: there is no filter '%.*s'", name.len > 60 ? 60 : (int)name.len, name.text);
        rest = without_first(args, 1);
    } else if (!path) {
        return at_jfail(r, AT_BAD_DATA, "map takes the name of a filter or attribute=");
    }
    const at_jlist *items = at_jitems(r, &self);
    at_jvalue list = at_jlist_new(r, AT_J_STREAM, items ? items->n : 0);
    for (int i = 0; items && i < items->n && !r->status; i++)
        at_jlist_add(r, list.list, filter ? at_jcall_builtin(r, filter, items->item[i], &rest)
                                          : part_of(r, items->item[i], path, otherwise));
    return list;
}

/* Keeps the items whose value (or, by_part, whose part) passes a test, or fails it. */
static at_jvalue choose(at_jrun *r, at_jvalue self, const at_jargs *args, int by_part, int wanted) {
    const at_jbuiltin *test = NULL;
    at_jargs rest = {0};
    if (!at_jtrue(&self)) return at_jlist_new(r, AT_J_STREAM, 0);
    if (args->n < by_part) return at_jfail(r, AT_BAD_DATA, "the name of the attribute is missing");
    if (args->n > by_part) {
        at_jvalue name = at_jstring(r, &args->item[by_part]);
        if (!r->status) test = at_jtest_find(name.text, name.len);
        if (!r->status && (!test || !test->call))
            return at_jfail(r, AT_BAD_DATA, "there is no test '%.*s'", name.len > 60 ? 60 : (int)name.len, name.text);
        rest = without_first(args, by_part + 1);
    }
    const at_jlist *items = at_jitems(r, &self);
    at_jvalue list = at_jlist_new(r, AT_J_STREAM, 0);
    for (int i = 0; items && i < items->n && !r->status; i++) {
        at_jvalue v = by_part ? part_of(r, items->item[i], &args->item[0], NULL) : items->item[i];
        int passes = test ? at_jtest_true(r, test, v, &rest) : at_jtrue(&v);
        if (!r->status && passes == wanted) at_jlist_add(r, list.list, items->item[i]);
    }
    return list;
}

FILTER(select_items) { UNUSED; return choose(r, self, args, 0, 1); }
FILTER(reject_items) { UNUSED; return choose(r, self, args, 0, 0); }
FILTER(select_by_part) { UNUSED; return choose(r, self, args, 1, 1); }
FILTER(reject_by_part) { UNUSED; return choose(r, self, args, 1, 0); }

FILTER(list) {
    UNUSED;
    const at_jlist *items = at_jitems(r, &self);
    at_jvalue made = at_jlist_new(r, AT_J_LIST, items ? items->n : 0);
    for (int i = 0; items && i < items->n && !r->status; i++) at_jlist_add(r, made.list, items->item[i]);
    return made;
}

FILTER(reverse) {
    UNUSED;
    at_jvalue none = at_jnone(), back = at_jint(-1);
    at_jvalue whole = self.type == AT_J_STRING ? self : list(r, self, slot, args);
    at_jvalue turned = r->status ? whole : at_jslice(r, whole, &none, &none, &back);
    if (!r->status && turned.type == AT_J_LIST) turned.type = AT_J_STREAM;
    return turned;
}

FILTER(join) {
    UNUSED;
    at_str s = {.arena = &r->arena};
    at_jvalue by = slot[0] ? at_jstring(r, slot[0]) : at_jtext("", 0);
    const at_jlist *items = at_jitems(r, &self);
    for (int i = 0; items && i < items->n && !r->status; i++) {
        at_jvalue v = part_of(r, items->item[i], slot[1], NULL);
        if (i) at_jadd(r, &s, by.text, by.len);
        if (!r->status) at_jprint(r, &s, &v);
    }
    return at_jtext_of(r, &s);
}

FILTER(first) {
    UNUSED;
    const at_jlist *items = at_jitems(r, &self);
    return items && items->n ? items->item[0] : at_jundefined("the first of nothing");
}

FILTER(last) {
    UNUSED;
    if (self.type == AT_J_STREAM) return at_jfail(r, AT_BAD_DATA, "last of a stream; make it a list first");
    const at_jlist *items = at_jitems(r, &self);
    return items && items->n ? items->item[items->n - 1] : at_jundefined("the last of nothing");
}

FILTER(sum) {
    UNUSED;
    at_jvalue total = slot[1] ? *slot[1] : at_jint(0);
    const at_jlist *items = at_jitems(r, &self);
    for (int i = 0; items && i < items->n && !r->status; i++)
        total = at_jarithmetic(r, '+', total, part_of(r, items->item[i], slot[0], NULL));
    return total;
}

FILTER(items) {
    UNUSED;
    if (self.type == AT_J_UNDEFINED) return at_jlist_new(r, AT_J_STREAM, 0);
    if (self.type != AT_J_DICT) return at_jfail(r, AT_BAD_DATA, "items of %s", at_jtype_name(&self));
    at_jvalue pairs = at_jcall_builtin(r, at_jmethod_find(AT_J_DICT, "items", 5), self, &(at_jargs){0});
    if (!r->status) pairs.type = AT_J_STREAM;
    return pairs;
}

static int64_t count_of(at_jrun *r, const at_jvalue *v) {
    if (!at_jis_whole(v) || v->integer < 1 || v->integer > 100000) at_jfail(r, AT_BAD_DATA, "a number from 1 to 100000 is wanted");
    return r->status ? 1 : v->integer;
}

/* Items from `begin` to `end`, and to that many more of the filling. */
static at_jvalue piece(at_jrun *r, const at_jlist *items, int64_t begin, int64_t end, int64_t more, const at_jvalue *fill) {
    at_jvalue made = at_jlist_new(r, AT_J_LIST, 0);
    for (int64_t i = begin; i < end && i < items->n && !r->status; i++) at_jlist_add(r, made.list, items->item[i]);
    for (int64_t i = 0; i < more && is_given(fill) && !r->status; i++) at_jlist_add(r, made.list, *fill);
    return made;
}

FILTER(batch) {
    UNUSED;
    int64_t size = count_of(r, slot[0]);
    const at_jlist *items = at_jitems(r, &self);
    at_jvalue made = at_jlist_new(r, AT_J_STREAM, 0);
    for (int64_t i = 0; items && i < items->n && !r->status; i += size)
        at_jlist_add(r, made.list, piece(r, items, i, i + size, i + size > items->n ? i + size - items->n : 0, slot[1]));
    return made;
}

FILTER(slice) {
    UNUSED;
    int64_t n = count_of(r, slot[0]), begin = 0;
    const at_jlist *items = at_jitems(r, &self);
    at_jvalue made = at_jlist_new(r, AT_J_STREAM, 0);
    for (int64_t i = 0; items && i < n && !r->status; i++) {
        int64_t longer = i < items->n % n, size = items->n / n + longer;
        at_jlist_add(r, made.list, piece(r, items, begin, begin + size, longer ? 0 : 1, slot[1]));
        begin += size;
    }
    return made;
}

static const at_jbuiltin FILTERS[] = {
    {"batch", "linecount fill_with", 1, batch}, {"dictsort", "case_sensitive by reverse", 0, dictsort}, {"first", "", 0, first},
    {"groupby", "attribute default case_sensitive", 1, groupby}, {"items", "", 0, items}, {"join", "d attribute", 0, join},
    {"last", "", 0, last},
    {"list", "", 0, list}, {"map", "*", 0, map}, {"max", "case_sensitive attribute", 0, largest},
    {"min", "case_sensitive attribute", 0, least},
    {"reject", "*", 0, reject_items}, {"rejectattr", "*", 0, reject_by_part}, {"reverse", "", 0, reverse}, {"select", "*", 0, select_items},
    {"selectattr", "*", 0, select_by_part}, {"slice", "slices fill_with", 1, slice}, {"sort", "reverse case_sensitive attribute", 0, sort},
    {"sum", "attribute start", 0, sum}, {"unique", "case_sensitive attribute", 0, unique}};

const at_jbuiltin *at_jlist_filter_find(const char *name, size_t len) {
    for (size_t i = 0; i < sizeof FILTERS / sizeof *FILTERS; i++)
        if (strlen(FILTERS[i].name) == len && !memcmp(FILTERS[i].name, name, len)) return &FILTERS[i];
    return NULL;
}
