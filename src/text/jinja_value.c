#include "text/jinja_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"

enum { MOST_DEPTH = 64 }; /* of values within values */

/* ---- making ---- */

at_jvalue at_jtext_of(at_jrun *r, const at_str *s) {
    if (s->failed) return at_jfail(r, AT_NO_MEMORY, "not enough memory for a text");
    return at_jtext(s->text ? s->text : "", s->len);
}

at_jvalue at_jlist_new(at_jrun *r, at_jtype type, int cap) {
    at_jlist *list = AT_NEW(&r->arena, at_jlist);
    at_jvalue *item = list && at_jcharge(r, (size_t)cap) ? AT_NEW_ARRAY(&r->arena, at_jvalue, cap) : NULL;
    if (!item) return at_jfail(r, AT_NO_MEMORY, "not enough memory for a list of %d", cap);
    *list = (at_jlist){.item = item, .cap = cap};
    return (at_jvalue){.type = type, .list = list};
}

void at_jlist_add(at_jrun *r, at_jlist *list, at_jvalue item) {
    if (r->status) return;
    if (list->n == list->cap) {
        int cap = list->cap ? 2 * list->cap : 8;
        at_jvalue *more = at_jcharge(r, (size_t)cap) ? AT_NEW_ARRAY(&r->arena, at_jvalue, cap) : NULL;
        if (!more) {
            at_jfail(r, AT_NO_MEMORY, "not enough memory for a list of %d", cap);
            return;
        }
        if (list->n) memcpy(more, list->item, (size_t)list->n * sizeof *more);
        list->item = more;
        list->cap = cap;
    }
    list->item[list->n++] = item;
}

at_jvalue at_jdict_new(at_jrun *r) {
    at_jdict *dict = AT_NEW(&r->arena, at_jdict);
    if (!dict) return at_jfail(r, AT_NO_MEMORY, "not enough memory");
    return (at_jvalue){.type = AT_J_DICT, .dict = dict};
}

static int same_key(const at_jvalue *a, const at_jvalue *b) {
    if (a->type == AT_J_STRING && b->type == AT_J_STRING) return a->len == b->len && !memcmp(a->text, b->text, a->len);
    return at_jequal(a, b, 0);
}

const at_jvalue *at_jdict_get(const at_jdict *dict, at_jvalue key) {
    for (int i = 0; i < dict->n; i++)
        if (same_key(&dict->key[i], &key)) return &dict->value[i];
    return NULL;
}

const at_jvalue *at_jdict_find(const at_jdict *dict, const char *key) { return at_jdict_get(dict, at_jtext(key, strlen(key))); }

static int grow_dict(at_jrun *r, at_jdict *dict) {
    int cap = dict->cap ? 2 * dict->cap : 4;
    at_jvalue *key = at_jcharge(r, (size_t)cap) ? AT_NEW_ARRAY(&r->arena, at_jvalue, cap) : NULL;
    at_jvalue *value = key ? AT_NEW_ARRAY(&r->arena, at_jvalue, cap) : NULL;
    if (!value) {
        at_jfail(r, AT_NO_MEMORY, "not enough memory for a dict of %d", cap);
        return 0;
    }
    if (dict->n) memcpy(key, dict->key, (size_t)dict->n * sizeof *key);
    if (dict->n) memcpy(value, dict->value, (size_t)dict->n * sizeof *value);
    dict->key = key;
    dict->value = value;
    dict->cap = cap;
    return 1;
}

void at_jdict_set(at_jrun *r, at_jdict *dict, at_jvalue key, at_jvalue value) {
    if (r->status || !at_jcharge(r, (size_t)dict->n / 8)) return;
    at_jvalue *known = (at_jvalue *)(uintptr_t)at_jdict_get(dict, key);
    if (known) {
        *known = value;
        return;
    }
    if (dict->n == dict->cap && !grow_dict(r, dict)) return;
    dict->key[dict->n] = key;
    dict->value[dict->n++] = value;
}

static at_jvalue list_from_json(at_jrun *r, const json_t *json) {
    at_jvalue list = at_jlist_new(r, AT_J_LIST, (int)json_array_size(json));
    for (size_t i = 0; !r->status && i < json_array_size(json); i++) at_jlist_add(r, list.list, at_jfrom_json(r, json_array_get(json, i)));
    return list;
}

static at_jvalue dict_from_json(at_jrun *r, const json_t *json) {
    at_jvalue dict = at_jdict_new(r);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        if (r->status) break;
        /* Keys of a JSON object are distinct: no look for an earlier one. */
        if (dict.dict->n == dict.dict->cap && !grow_dict(r, dict.dict)) break;
        dict.dict->key[dict.dict->n] = at_jtext(key, strlen(key));
        at_jvalue made = at_jfrom_json(r, value);
        dict.dict->value[dict.dict->n++] = made;
    }
    return dict;
}

/* Texts are not copied: the JSON lives as long as the rendering. */
at_jvalue at_jfrom_json(at_jrun *r, const json_t *json) {
    at_jvalue value = at_jnone();
    if (++r->depth > MOST_DEPTH) value = at_jfail(r, AT_BAD_DATA, "the variables are nested deeper than %d", MOST_DEPTH);
    else if (json_is_boolean(json)) value = at_jbool(json_is_true(json));
    else if (json_is_integer(json)) value = at_jint(json_integer_value(json));
    else if (json_is_real(json)) value = at_jreal(json_real_value(json));
    else if (json_is_string(json)) value = at_jtext(json_string_value(json), json_string_length(json));
    else if (json_is_array(json)) value = list_from_json(r, json);
    else if (json_is_object(json)) value = dict_from_json(r, json);
    r->depth--;
    return value;
}

/* ---- asking ---- */

int at_jis_whole(const at_jvalue *v) { return v->type == AT_J_INT || v->type == AT_J_BOOL; }
int at_jis_number(const at_jvalue *v) { return at_jis_whole(v) || v->type == AT_J_FLOAT; }
double at_jnumber(const at_jvalue *v) { return v->type == AT_J_FLOAT ? v->real : (double)v->integer; }

int at_jtrue(const at_jvalue *v) {
    switch (v->type) {
    case AT_J_UNDEFINED:
    case AT_J_NONE: return 0;
    case AT_J_BOOL:
    case AT_J_INT: return v->integer != 0;
    case AT_J_FLOAT: return v->real != 0;
    case AT_J_STRING: return v->len > 0;
    case AT_J_LIST:
    case AT_J_TUPLE: return v->list->n > 0;
    case AT_J_DICT: return v->dict->n > 0;
    default: return 1;
    }
}

const char *at_jtype_name(const at_jvalue *v) {
    static const char *const NAMES[] = {"undefined", "none", "a truth value", "a whole number", "a number", "a text", "a list", "a tuple",
                                        "a stream", "a dict", "a namespace", "a macro", "a loop", "a function"};
    return NAMES[v->type];
}

static int is_list(const at_jvalue *v) { return v->type == AT_J_LIST || v->type == AT_J_TUPLE; }

static int equal_dicts(const at_jdict *a, const at_jdict *b, int depth) {
    if (a->n != b->n) return 0;
    for (int i = 0; i < a->n; i++) {
        const at_jvalue *other = at_jdict_get(b, a->key[i]);
        if (!other || !at_jequal(&a->value[i], other, depth + 1)) return 0;
    }
    return 1;
}

int at_jequal(const at_jvalue *a, const at_jvalue *b, int depth) {
    if (depth > MOST_DEPTH) return 0;
    if (at_jis_whole(a) && at_jis_whole(b)) return a->integer == b->integer;
    if (at_jis_number(a) && at_jis_number(b)) return at_jnumber(a) == at_jnumber(b);
    if (a->type != b->type) return 0;
    switch (a->type) {
    case AT_J_UNDEFINED:
    case AT_J_NONE: return 1;
    case AT_J_STRING: return a->len == b->len && !memcmp(a->text, b->text, a->len);
    case AT_J_DICT: return equal_dicts(a->dict, b->dict, depth);
    case AT_J_LIST:
    case AT_J_TUPLE:
        if (a->list->n != b->list->n) return 0;
        for (int i = 0; i < a->list->n; i++)
            if (!at_jequal(&a->list->item[i], &b->list->item[i], depth + 1)) return 0;
        return 1;
    default: return a->dict == b->dict; /* the same one */
    }
}

int at_jcompare(const at_jvalue *a, const at_jvalue *b, int *ok) {
    *ok = 1;
    if (at_jis_whole(a) && at_jis_whole(b)) return (a->integer > b->integer) - (a->integer < b->integer);
    if (at_jis_number(a) && at_jis_number(b)) return (at_jnumber(a) > at_jnumber(b)) - (at_jnumber(a) < at_jnumber(b));
    if (a->type == AT_J_STRING && b->type == AT_J_STRING) { /* bytes of UTF-8 have the order of code points */
        size_t n = a->len < b->len ? a->len : b->len;
        int order = n ? memcmp(a->text, b->text, n) : 0;
        return order ? (order > 0) - (order < 0) : (a->len > b->len) - (a->len < b->len);
    }
    if (is_list(a) && a->type == b->type) {
        for (int i = 0; i < a->list->n && i < b->list->n; i++)
            if (!at_jequal(&a->list->item[i], &b->list->item[i], 0)) return at_jcompare(&a->list->item[i], &b->list->item[i], ok);
        return (a->list->n > b->list->n) - (a->list->n < b->list->n);
    }
    *ok = 0;
    return 0;
}

size_t at_jtext_length(const char *text, size_t len) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

const char *at_jtext_at(const char *text, size_t len, size_t n) {
    const char *p = text, *end = text + len;
    while (p < end && n--)
        do p++;
        while (p < end && ((unsigned char)*p & 0xc0) == 0x80);
    return p;
}

int at_jlength(const at_jvalue *v) {
    switch (v->type) {
    case AT_J_UNDEFINED: return 0;
    case AT_J_STRING: return (int)at_jtext_length(v->text, v->len);
    case AT_J_LIST:
    case AT_J_TUPLE: return v->list->n;
    case AT_J_DICT: return v->dict->n;
    default: return -1;
    }
}

static at_jlist *characters(at_jrun *r, const at_jvalue *v) {
    at_jvalue list = at_jlist_new(r, AT_J_LIST, (int)at_jtext_length(v->text, v->len));
    for (const char *p = v->text, *end = p + v->len; !r->status && p < end;) {
        const char *next = at_jtext_at(p, (size_t)(end - p), 1);
        at_jlist_add(r, list.list, at_jtext(p, (size_t)(next - p)));
        p = next;
    }
    return r->status ? NULL : list.list;
}

at_jlist *at_jitems(at_jrun *r, const at_jvalue *v) {
    at_jvalue list;
    if (r->status) return NULL;
    switch (v->type) {
    case AT_J_UNDEFINED: list = at_jlist_new(r, AT_J_LIST, 0); return r->status ? NULL : list.list;
    case AT_J_STRING: return characters(r, v);
    case AT_J_LIST:
    case AT_J_TUPLE: return at_jcharge(r, (size_t)v->list->n / 4) ? v->list : NULL;
    case AT_J_DICT: list = at_jlist_new(r, AT_J_LIST, v->dict->n);
        for (int i = 0; !r->status && i < v->dict->n; i++) at_jlist_add(r, list.list, v->dict->key[i]);
        return r->status ? NULL : list.list;
    case AT_J_STREAM: list = at_jlist_new(r, AT_J_LIST, 0);
        if (r->status) return NULL;
        *list.list = *v->list;
        v->list->n = v->list->cap = 0;
        return list.list;
    default: at_jfail(r, AT_BAD_DATA, "%s cannot be walked through", at_jtype_name(v)); return NULL;
    }
}

/* ---- words ---- */

void at_jadd(at_jrun *r, at_str *to, const char *text, size_t len) {
    if (r->status) return;
    if (to->len + len > r->limits.output_bytes) {
        at_jfail(r, AT_BAD_DATA, "the text grows beyond %zu bytes", r->limits.output_bytes);
        return;
    }
    if (!at_jcharge(r, len / 64)) return;
    at_str_add_bytes(to, text, len);
    if (to->failed) at_jfail(r, AT_NO_MEMORY, "not enough memory for a text");
}

static void add_words(at_jrun *r, at_str *to, const char *words) { at_jadd(r, to, words, strlen(words)); }

/* The exponent of "d.ddde+xx". */
static int exponent_of(const char *digits) { return (int)strtol(strchr(digits, 'e') + 1, NULL, 10); }

/* As Python's repr of a float: the shortest digits that give it back. */
static void add_real(at_jrun *r, at_str *to, double v) {
    char digits[40], number[420];
    if (isnan(v) || isinf(v)) {
        add_words(r, to, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    int precision = 0;
    do snprintf(digits, sizeof digits, "%.*e", precision, v);
    while (strtod(digits, NULL) != v && ++precision < 17);
    int exponent = exponent_of(digits);
    if (exponent < -4 || exponent >= 16) {
        char *e = strchr(digits, 'e');
        snprintf(number, sizeof number, "%.*se%c%02d", (int)(e - digits), digits, exponent < 0 ? '-' : '+', abs(exponent));
    } else {
        int after = precision - exponent;
        snprintf(number, sizeof number, "%.*f", after > 1 ? after : 1, v);
    }
    add_words(r, to, number);
}

static void add_number(at_jrun *r, at_str *to, const at_jvalue *v) {
    char number[32];
    if (v->type == AT_J_FLOAT) {
        add_real(r, to, v->real);
        return;
    }
    snprintf(number, sizeof number, "%lld", (long long)v->integer);
    add_words(r, to, number);
}

/* What Python's repr shows by a number: what has no look of its own. */
static int is_printable(uint32_t cp) {
    int c = at_cp_category(cp);
    if (cp == ' ') return 1;
    return c != AT_CAT_CN && (c < AT_CAT_ZS || c > AT_CAT_CO); /* separators, controls and the like stand last */
}

static void repr_text(at_jrun *r, at_str *to, const at_jvalue *v) {
    char quote = memchr(v->text, '\'', v->len) && !memchr(v->text, '"', v->len) ? '"' : '\'', bytes[16];
    at_jadd(r, to, &quote, 1);
    for (size_t i = 0; i < v->len && !r->status;) {
        uint32_t cp = 0;
        int size = at_utf8_decode((const unsigned char *)v->text + i, v->len - i, &cp);
        const char *known = cp == '\n' ? "\\n" : cp == '\r' ? "\\r" : cp == '\t' ? "\\t" : cp == '\\' ? "\\\\"
            : cp == (uint32_t)quote && quote == '\'' ? "\\'" : NULL;
        if (!size) size = 1;
        if (known) {
            add_words(r, to, known);
        } else if (!is_printable(cp)) {
            snprintf(bytes, sizeof bytes, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
            add_words(r, to, bytes);
        } else {
            at_jadd(r, to, v->text + i, (size_t)size);
        }
        i += (size_t)size;
    }
    at_jadd(r, to, &quote, 1);
}

static void repr_list(at_jrun *r, at_str *to, const at_jvalue *v, int depth) {
    int is_tuple = v->type == AT_J_TUPLE;
    add_words(r, to, is_tuple ? "(" : "[");
    for (int i = 0; i < v->list->n && !r->status; i++) {
        if (i) add_words(r, to, ", ");
        at_jrepr(r, to, &v->list->item[i], depth + 1);
    }
    if (is_tuple && v->list->n == 1) add_words(r, to, ",");
    add_words(r, to, is_tuple ? ")" : "]");
}

static void repr_dict(at_jrun *r, at_str *to, const at_jvalue *v, int depth) {
    add_words(r, to, "{");
    for (int i = 0; i < v->dict->n && !r->status; i++) {
        if (i) add_words(r, to, ", ");
        at_jrepr(r, to, &v->dict->key[i], depth + 1);
        add_words(r, to, ": ");
        at_jrepr(r, to, &v->dict->value[i], depth + 1);
    }
    add_words(r, to, "}");
}

void at_jrepr(at_jrun *r, at_str *to, const at_jvalue *v, int depth) {
    if (depth > MOST_DEPTH) {
        at_jfail(r, AT_BAD_DATA, "a value is nested deeper than %d", MOST_DEPTH);
        return;
    }
    if (!at_jcharge(r, 1)) return;
    switch (v->type) {
    case AT_J_UNDEFINED: add_words(r, to, "Undefined"); return;
    case AT_J_NONE: add_words(r, to, "None"); return;
    case AT_J_BOOL: add_words(r, to, v->integer ? "True" : "False"); return;
    case AT_J_INT:
    case AT_J_FLOAT: add_number(r, to, v); return;
    case AT_J_STRING: repr_text(r, to, v); return;
    case AT_J_LIST:
    case AT_J_TUPLE: repr_list(r, to, v, depth); return;
    case AT_J_DICT: repr_dict(r, to, v, depth); return;
    default: at_jfail(r, AT_BAD_DATA, "%s cannot be shown as a text", at_jtype_name(v));
    }
}

void at_jprint(at_jrun *r, at_str *to, const at_jvalue *v) {
    if (v->type == AT_J_STRING) at_jadd(r, to, v->text, v->len);
    else if (v->type != AT_J_UNDEFINED) at_jrepr(r, to, v, 0);
}

at_jvalue at_jstring(at_jrun *r, const at_jvalue *v) {
    at_str s = {.arena = &r->arena};
    if (v->type == AT_J_STRING) return *v;
    at_jprint(r, &s, v);
    return at_jtext_of(r, &s);
}
