/* Operators between two values, and texts with places for values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_tree.h"

static at_jvalue undefined_operand(at_jrun *r, const at_jvalue *a, const at_jvalue *b) {
    return at_jfail(r, AT_BAD_DATA, "'%s' is undefined", a->type == AT_J_UNDEFINED ? a->text : b->text);
}

static at_jvalue whole(at_jrun *r, int overflows, int64_t v) {
    return overflows ? at_jfail(r, AT_BAD_DATA, "a whole number beyond 64 bits") : at_jint(v);
}

/* Division rounds down, and a remainder has the sign of the divisor. */
static at_jvalue divide_whole(at_jrun *r, int op, int64_t a, int64_t b) {
    if (!b) return at_jfail(r, AT_BAD_DATA, "a division by zero");
    if (op == '/') return at_jreal((double)a / (double)b);
    if (b == -1) return op == '%' ? at_jint(0) : whole(r, a == INT64_MIN, a == INT64_MIN ? 0 : -a);
    int64_t q = a / b, rest = a % b;
    if (rest && (rest < 0) != (b < 0)) q--, rest += b;
    return at_jint(op == '%' ? rest : q);
}

static at_jvalue power(at_jrun *r, int64_t a, int64_t b) {
    int64_t v = 1;
    if (b < 0) return at_jreal(pow((double)a, (double)b));
    if (a >= -1 && a <= 1) return at_jint(!b ? 1 : a == -1 && b % 2 == 0 ? 1 : a);
    for (int64_t i = 0; i < b; i++)
        if (__builtin_mul_overflow(v, a, &v)) return whole(r, 1, 0);
    return at_jint(v);
}

static at_jvalue whole_numbers(at_jrun *r, int op, int64_t a, int64_t b) {
    int64_t v = 0;
    int overflows;
    switch (op) {
    case '+': overflows = __builtin_add_overflow(a, b, &v); return whole(r, overflows, v);
    case '-': overflows = __builtin_sub_overflow(a, b, &v); return whole(r, overflows, v);
    case '*': overflows = __builtin_mul_overflow(a, b, &v); return whole(r, overflows, v);
    case AT_JOP('*', '*'): return power(r, a, b);
    default: return divide_whole(r, op, a, b);
    }
}

static at_jvalue numbers(at_jrun *r, int op, double a, double b) {
    if ((op == '/' || op == '%' || op == AT_JOP('/', '/')) && b == 0) return at_jfail(r, AT_BAD_DATA, "a division by zero");
    switch (op) {
    case '+': return at_jreal(a + b);
    case '-': return at_jreal(a - b);
    case '*': return at_jreal(a * b);
    case '/': return at_jreal(a / b);
    case AT_JOP('*', '*'): return at_jreal(pow(a, b));
    case '%': {
        double rest = fmod(a, b);
        return at_jreal(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    }
    default: return at_jreal(floor(a / b));
    }
}

static at_jvalue join(at_jrun *r, const at_jvalue *a, const at_jvalue *b) {
    at_str s = {.arena = &r->arena};
    if (a->type == AT_J_STRING) {
        at_jadd(r, &s, a->text, a->len);
        at_jadd(r, &s, b->text, b->len);
        return at_jtext_of(r, &s);
    }
    at_jvalue list = at_jlist_new(r, a->type, a->list->n + b->list->n);
    for (int i = 0; i < a->list->n && !r->status; i++) at_jlist_add(r, list.list, a->list->item[i]);
    for (int i = 0; i < b->list->n && !r->status; i++) at_jlist_add(r, list.list, b->list->item[i]);
    return list;
}

static at_jvalue repeat(at_jrun *r, const at_jvalue *v, int64_t times) {
    at_str s = {.arena = &r->arena};
    if (v->type == AT_J_STRING) {
        for (int64_t i = 0; v->len && i < times && !r->status; i++) at_jadd(r, &s, v->text, v->len);
        return at_jtext_of(r, &s);
    }
    at_jvalue list = at_jlist_new(r, v->type, 0);
    for (int64_t t = 0; v->list->n && t < times && !r->status; t++)
        for (int i = 0; i < v->list->n && !r->status; i++) at_jlist_add(r, list.list, v->list->item[i]);
    return list;
}

static int is_sequence(const at_jvalue *v) { return v->type == AT_J_STRING || v->type == AT_J_LIST || v->type == AT_J_TUPLE; }

static at_jvalue format_with(at_jrun *r, at_jvalue form, at_jvalue v) {
    at_jargs args = {.item = &v, .n = 1};
    if (v.type == AT_J_TUPLE) args = (at_jargs){.item = v.list->item, .n = v.list->n};
    if (v.type == AT_J_DICT) args.named = *v.dict;
    return at_jformat_percent(r, form, &args);
}

at_jvalue at_jarithmetic(at_jrun *r, int op, at_jvalue a, at_jvalue b) {
    if (r->status) return a;
    if (a.type == AT_J_STRING && op == '%') return format_with(r, a, b);
    if (a.type == AT_J_UNDEFINED || b.type == AT_J_UNDEFINED) return undefined_operand(r, &a, &b);
    if (at_jis_whole(&a) && at_jis_whole(&b)) return whole_numbers(r, op, a.integer, b.integer);
    if (at_jis_number(&a) && at_jis_number(&b)) return numbers(r, op, at_jnumber(&a), at_jnumber(&b));
    if (op == '+' && a.type == b.type && is_sequence(&a)) return join(r, &a, &b);
    if (op == '*' && is_sequence(&a) && at_jis_whole(&b)) return repeat(r, &a, b.integer);
    if (op == '*' && is_sequence(&b) && at_jis_whole(&a)) return repeat(r, &b, a.integer);
    char words[3] = {(char)(op & 0xff), (char)(op >> 8), '\0'};
    return at_jfail(r, AT_BAD_DATA, "'%s' does not go between %s and %s", words, at_jtype_name(&a), at_jtype_name(&b));
}

/* ---- "%s and %05.2f" ---- */

/* The place at p (behind the '%'): flags, width, precision. *p is left at its letter. */
static void read_place(const char **p, const char *end, char *form, size_t size) {
    size_t n = 0;
    form[n++] = '%';
    while (*p < end && strchr("-+ #0123456789.", **p) && n + 4 < size) form[n++] = *(*p)++;
    form[n] = '\0';
}

/* Widths that a person may mean; others would make a text of any size. */
static int place_is_sane(const char *form) {
    int digits = 0;
    for (const char *p = form; *p; p++) {
        digits = *p >= '0' && *p <= '9' ? digits + 1 : 0;
        if (digits > 3) return 0;
    }
    return 1;
}

static void format_text(at_jrun *r, at_str *to, const char *form, const at_jvalue *v) {
    const char *digits = form + strspn(form, "%+ #0-"), *point = strchr(form, '.');
    size_t width = strtoul(digits, NULL, 10), len = v->len;
    if (*digits == '.') width = 0;
    if (point) len = (size_t)(at_jtext_at(v->text, v->len, strtoul(point + 1, NULL, 10)) - v->text);
    size_t shown = at_jtext_length(v->text, len);
    int left = strchr(form, '-') != NULL;
    for (size_t i = shown; !left && i < width; i++) at_jadd(r, to, " ", 1);
    at_jadd(r, to, v->text, len);
    for (size_t i = shown; left && i < width; i++) at_jadd(r, to, " ", 1);
}

static void format_place(at_jrun *r, at_str *to, char *form, char letter, const at_jvalue *v) {
    char number[1600];
    size_t n = strlen(form);
    at_str own = {.arena = &r->arena};
    if (letter == 's' || letter == 'r') {
        if (letter == 's') at_jprint(r, &own, v);
        else at_jrepr(r, &own, v, 0);
        at_jvalue text = at_jtext_of(r, &own);
        if (!r->status) format_text(r, to, form, &text);
        return;
    }
    if (!strchr("diuxXofFeEgG", letter) || !at_jis_number(v)) {
        at_jfail(r, AT_BAD_DATA, "'%s%c' does not take %s", form, letter, at_jtype_name(v));
        return;
    }
    int real = strchr("fFeEgG", letter) != NULL, len;
    snprintf(form + n, 4, real ? "%c" : "ll%c", letter == 'i' || letter == 'u' ? 'd' : letter);
    if (real) len = snprintf(number, sizeof number, form, at_jnumber(v));
    else len = snprintf(number, sizeof number, form, (long long)(v->type == AT_J_FLOAT ? (int64_t)at_jnumber(v) : v->integer));
    at_jadd(r, to, number, len < (int)sizeof number ? (size_t)len : sizeof number - 1);
}

static const at_jvalue *named_value(at_jrun *r, const char **p, const char *end, const at_jargs *args) {
    const char *close = memchr(*p, ')', (size_t)(end - *p));
    const at_jvalue *v = close ? at_jdict_get(&args->named, at_jtext(*p + 1, (size_t)(close - *p) - 1)) : NULL;
    if (!v) at_jfail(r, AT_BAD_DATA, "the text to format names a value that is not given");
    else *p = close + 1;
    return v;
}

at_jvalue at_jformat_percent(at_jrun *r, at_jvalue form, const at_jargs *args) {
    at_str s = {.arena = &r->arena};
    int used = 0;
    for (const char *p = form.text, *end = p + form.len; p < end && !r->status;) {
        char place[64];
        const char *next = memchr(p, '%', (size_t)(end - p));
        at_jadd(r, &s, p, (size_t)((next ? next : end) - p));
        if (!next) break;
        p = next + 1;
        const at_jvalue *v = p < end && *p == '(' ? named_value(r, &p, end, args) : NULL;
        read_place(&p, end, place, sizeof place - 4);
        if (p >= end || !place_is_sane(place)) return at_jfail(r, AT_BAD_DATA, "the text to format has an unfinished or absurd place");
        if (*p == '%') {
            at_jadd(r, &s, p++, 1);
            continue;
        }
        if (!v && used < args->n) v = &args->item[used++];
        if (!v && !r->status) at_jfail(r, AT_BAD_DATA, "there are fewer values than places in the text to format");
        if (!r->status) format_place(r, &s, place, *p++, v);
    }
    if (!r->status && used < args->n && !args->named.n)
        return at_jfail(r, AT_BAD_DATA, "there are more values than places in the text to format");
    return at_jtext_of(r, &s);
}
