/* json.dumps, as transformers' tojson calls it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_value.h"

enum { MOST_DEPTH = 64 };

static void add(at_jrun *r, at_str *to, const char *words) { at_jadd(r, to, words, strlen(words)); }

static void escape(at_jrun *r, at_str *to, uint32_t cp) {
    char bytes[16];
    if (cp >= 0x10000) snprintf(bytes, sizeof bytes, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10), 0xDC00 + ((cp - 0x10000) & 0x3ff));
    else snprintf(bytes, sizeof bytes, "\\u%04x", cp);
    add(r, to, bytes);
}

static void text(at_jrun *r, at_str *to, const char *p, size_t len, int ascii) {
    static const char FROM[] = "\"\\\n\r\t\b\f", TO[] = "\"\\nrtbf";
    add(r, to, "\"");
    for (size_t i = 0; i < len && !r->status;) {
        uint32_t cp = 0;
        int size = at_utf8_decode((const unsigned char *)p + i, len - i, &cp);
        const char *known = cp && cp < 0x80 ? strchr(FROM, (int)cp) : NULL;
        if (!size) size = 1;
        if (known) {
            char bytes[2] = {'\\', TO[known - FROM]};
            at_jadd(r, to, bytes, 2);
        } else if (cp < 0x20 || (ascii && cp > 0x7e)) {
            escape(r, to, cp);
        } else {
            at_jadd(r, to, p + i, (size_t)size);
        }
        i += (size_t)size;
    }
    add(r, to, "\"");
}

/* A line of its own where there is an indent. */
static void line(at_jrun *r, at_str *to, const at_jjson *form, int depth) {
    if (!form->indent) return;
    add(r, to, "\n");
    for (int i = 0; i < depth; i++) add(r, to, form->indent);
}

static void list(at_jrun *r, at_str *to, const at_jlist *items, const at_jjson *form, int depth) {
    add(r, to, "[");
    for (int i = 0; i < items->n && !r->status; i++) {
        if (i) add(r, to, form->item_separator);
        line(r, to, form, depth + 1);
        at_jtojson(r, to, &items->item[i], form, depth + 1);
    }
    if (items->n) line(r, to, form, depth);
    add(r, to, "]");
}

/* Keys that are no texts become such: 1, true, null. */
static void key(at_jrun *r, at_str *to, const at_jvalue *v, const at_jjson *form) {
    at_str s = {.arena = &r->arena};
    if (v->type == AT_J_STRING) {
        text(r, to, v->text, v->len, form->ascii);
        return;
    }
    if (v->type > AT_J_STRING || v->type == AT_J_UNDEFINED) {
        at_jfail(r, AT_BAD_DATA, "%s cannot be a key in JSON", at_jtype_name(v));
        return;
    }
    at_jtojson(r, &s, v, form, 0);
    if (!r->status) text(r, to, s.text, s.len, form->ascii);
}

static int by_key(const void *left, const void *right) {
    int ok;
    return at_jcompare(left, right, &ok);
}

static void dict(at_jrun *r, at_str *to, const at_jdict *d, const at_jjson *form, int depth) {
    at_jvalue *keys = AT_NEW_ARRAY(&r->arena, at_jvalue, d->n);
    if (!keys) {
        at_jfail(r, AT_NO_MEMORY, "not enough memory");
        return;
    }
    if (d->n) memcpy(keys, d->key, (size_t)d->n * sizeof *keys);
    if (form->sort && d->n) qsort(keys, (size_t)d->n, sizeof *keys, by_key);
    add(r, to, "{");
    for (int i = 0; i < d->n && !r->status; i++) {
        if (i) add(r, to, form->item_separator);
        line(r, to, form, depth + 1);
        key(r, to, &keys[i], form);
        add(r, to, form->key_separator);
        at_jtojson(r, to, form->sort ? at_jdict_get(d, keys[i]) : &d->value[i], form, depth + 1);
    }
    if (d->n) line(r, to, form, depth);
    add(r, to, "}");
}

void at_jtojson(at_jrun *r, at_str *to, const at_jvalue *v, const at_jjson *form, int depth) {
    if (depth > MOST_DEPTH) {
        at_jfail(r, AT_BAD_DATA, "a value is nested deeper than %d", MOST_DEPTH);
        return;
    }
    if (!at_jcharge(r, 1)) return;
    switch (v->type) {
    case AT_J_NONE: add(r, to, "null"); return;
    case AT_J_BOOL: add(r, to, v->integer ? "true" : "false"); return;
    case AT_J_FLOAT:
        if (isnan(v->real) || isinf(v->real)) add(r, to, isnan(v->real) ? "NaN" : v->real > 0 ? "Infinity" : "-Infinity");
        else at_jrepr(r, to, v, 0);
        return;
    case AT_J_INT: at_jrepr(r, to, v, 0); return;
    case AT_J_STRING: text(r, to, v->text, v->len, form->ascii); return;
    case AT_J_LIST:
    case AT_J_TUPLE: list(r, to, v->list, form, depth); return;
    case AT_J_DICT: dict(r, to, v->dict, form, depth); return;
    default: at_jfail(r, AT_BAD_DATA, "%s cannot be written as JSON", at_jtype_name(v));
    }
}
