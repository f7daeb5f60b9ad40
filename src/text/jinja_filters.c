/* Filters: value | name(arguments). What walks through many values is in jinja_filters_list.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_filters.h"

#define FILTER(name) static at_jvalue name(at_jrun *r, at_jvalue self, const at_jvalue *const *slot, const at_jargs *args)
#define UNUSED (void)r, (void)self, (void)slot, (void)args

static int64_t whole_or(at_jrun *r, const at_jvalue *v, int64_t otherwise) {
    if (!v || v->type == AT_J_NONE) return otherwise;
    if (!at_jis_whole(v)) at_jfail(r, AT_BAD_DATA, "%s stands where a whole number is wanted", at_jtype_name(v));
    return v->integer;
}

static int flag(const at_jvalue *v) { return v && at_jtrue(v); }

/* ---- texts ---- */

FILTER(upper) { UNUSED; return at_jcase(r, at_jstring(r, &self), 'u'); }
FILTER(lower) { UNUSED; return at_jcase(r, at_jstring(r, &self), 'l'); }
FILTER(capitalize) { UNUSED; return at_jcase(r, at_jstring(r, &self), 'c'); }
FILTER(string) { UNUSED; return at_jstring(r, &self); }
FILTER(safe) { UNUSED; return at_jstring(r, &self); } /* nothing is escaped here, so that nothing has to be exempted */

/* Words begin behind white space and behind - ( { [ <; unlike the method title. */
FILTER(title) {
    UNUSED;
    at_str s = {.arena = &r->arena};
    at_jvalue text = at_jstring(r, &self);
    const char *p = text.text, *end = p + (r->status ? 0 : text.len);
    for (int begins = 1; p < end && !r->status;) {
        const char *next = at_jtext_at(p, (size_t)(end - p), 1);
        at_jvalue one = at_jcase(r, at_jtext(p, (size_t)(next - p)), begins ? 'u' : 'l');
        if (!r->status) at_jadd(r, &s, one.text, one.len);
        begins = strchr("-({[<", *p) != NULL || at_jspace_at(p, (size_t)(end - p));
        p = next;
    }
    return at_jtext_of(r, &s);
}

FILTER(trim) {
    UNUSED;
    at_jvalue text = at_jstring(r, &self);
    const at_jvalue *chars = slot[0] && slot[0]->type == AT_J_STRING ? slot[0] : NULL;
    return r->status ? text : at_jstrip(text, chars, 3);
}

FILTER(replace) {
    UNUSED;
    at_jvalue text = at_jstring(r, &self), old = at_jstring(r, slot[0]), by = at_jstring(r, slot[1]);
    int64_t most = whole_or(r, slot[2], -1);
    return r->status ? text : at_jreplace(r, text, old, by, most);
}

/* Every line but the first (with `first` that too) gets a margin; empty ones only with `blank`. */
FILTER(indent) {
    UNUSED;
    at_str s = {.arena = &r->arena}, margin = s;
    at_jvalue text = at_jstring(r, &self), ended;
    if (slot[0] && slot[0]->type == AT_J_STRING) at_jadd(r, &margin, slot[0]->text, slot[0]->len);
    else
        for (int64_t i = whole_or(r, slot[0], 4); i > 0 && !r->status; i--) at_jadd(r, &margin, " ", 1);
    ended = at_jarithmetic(r, '+', text, at_jtext("\n", 1));
    at_jvalue lines = r->status ? ended : at_jsplitlines(r, ended);
    for (int i = 0; !r->status && i < lines.list->n; i++) {
        const at_jvalue *line = &lines.list->item[i];
        if (i) at_jadd(r, &s, "\n", 1);
        if (i ? flag(slot[2]) || line->len : flag(slot[1])) at_jadd(r, &s, margin.text ? margin.text : "", margin.len);
        at_jadd(r, &s, line->text, line->len);
    }
    return at_jtext_of(r, &s);
}

FILTER(truncate) {
    UNUSED;
    at_jvalue text = at_jstring(r, &self), end = slot[2] ? at_jstring(r, slot[2]) : at_jtext("...", 3);
    int64_t most = whole_or(r, slot[0], 255), leeway = whole_or(r, slot[3], 5);
    if (r->status) return text;
    int64_t n = (int64_t)at_jtext_length(text.text, text.len), tail = (int64_t)at_jtext_length(end.text, end.len);
    if (most < tail || leeway < 0) return at_jfail(r, AT_BAD_DATA, "truncate: a length below that of the ending");
    if (n <= most || n - most <= leeway) return text;
    text.len = (size_t)(at_jtext_at(text.text, text.len, (size_t)(most - tail)) - text.text);
    if (!flag(slot[1]))
        for (size_t i = text.len; i > 0; i--)
            if (text.text[i - 1] == ' ') {
                text.len = i - 1;
                break;
            }
    return at_jarithmetic(r, '+', text, end);
}

FILTER(center) {
    UNUSED;
    at_jvalue text = at_jstring(r, &self), width = at_jint(whole_or(r, slot[0], 80));
    at_jargs one = {.item = &width, .n = 1};
    return r->status ? text : at_jcall_builtin(r, at_jmethod_find(AT_J_STRING, "center", 6), text, &one);
}

FILTER(wordcount) {
    UNUSED;
    at_jvalue text = at_jstring(r, &self);
    int64_t n = 0;
    int within = 0;
    for (size_t i = 0; !r->status && i < text.len;) {
        uint32_t cp = 0;
        int size = at_utf8_decode((const unsigned char *)text.text + i, text.len - i, &cp), word = at_jis_word(cp);
        n += word && !within;
        within = word;
        i += size ? (size_t)size : 1;
    }
    return at_jint(n);
}

FILTER(escape) {
    UNUSED;
    static const struct { char c; const char *by; } MARKS[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"},
                                                               {'"', "&#34;"}};
    at_jvalue text = at_jstring(r, &self);
    for (size_t i = 0; !r->status && i < sizeof MARKS / sizeof *MARKS; i++)
        text = at_jreplace(r, text, at_jtext(&MARKS[i].c, 1), at_jtext(MARKS[i].by, strlen(MARKS[i].by)), -1);
    return text;
}

FILTER(urlencode) {
    UNUSED;
    static const char SAFE[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~/", HEX[] = "0123456789ABCDEF";
    at_str s = {.arena = &r->arena};
    if (self.type == AT_J_DICT || self.type == AT_J_LIST)
        return at_jfail(r, AT_BAD_DATA, "urlencode of %s is not supported", at_jtype_name(&self));
    at_jvalue text = at_jstring(r, &self);
    for (size_t i = 0; i < text.len && !r->status; i++) {
        unsigned char c = (unsigned char)text.text[i];
        char code[3] = {'%', HEX[c >> 4], HEX[c & 15]};
        if (c && strchr(SAFE, c)) at_jadd(r, &s, text.text + i, 1);
        else at_jadd(r, &s, code, 3);
    }
    return at_jtext_of(r, &s);
}

FILTER(format) {
    (void)slot;
    at_jvalue text = at_jstring(r, &self);
    return r->status ? text : at_jformat_percent(r, text, args);
}

/* tojson(ensure_ascii, indent, separators, sort_keys) as transformers has it. */
FILTER(tojson) {
    UNUSED;
    at_str s = {.arena = &r->arena}, margin = s;
    int has_indent = slot[1] && slot[1]->type != AT_J_NONE;
    at_jjson form = {.item_separator = has_indent ? "," : ", ", .key_separator = ": ", .ascii = flag(slot[0]), .sort = flag(slot[3])};
    if (has_indent && slot[1]->type == AT_J_STRING) at_jadd(r, &margin, slot[1]->text, slot[1]->len);
    else if (has_indent)
        for (int64_t i = whole_or(r, slot[1], 0); i > 0 && !r->status; i--) at_jadd(r, &margin, " ", 1);
    if (has_indent) form.indent = margin.text ? margin.text : "";
    if (slot[2] && slot[2]->type != AT_J_NONE) {
        const at_jlist *pair = at_jitems(r, slot[2]);
        if (!pair || pair->n != 2 || pair->item[0].type != AT_J_STRING || pair->item[1].type != AT_J_STRING)
            return at_jfail(r, AT_BAD_DATA, "tojson: separators are two texts");
        form.item_separator = at_strndup(&r->arena, pair->item[0].text, pair->item[0].len);
        form.key_separator = at_strndup(&r->arena, pair->item[1].text, pair->item[1].len);
        if (!form.item_separator || !form.key_separator) return at_jfail(r, AT_NO_MEMORY, "not enough memory");
    }
    at_jtojson(r, &s, &self, &form, 0);
    return at_jtext_of(r, &s);
}

/* ---- numbers ---- */

FILTER(absolute) {
    UNUSED;
    if (!at_jis_number(&self)) return at_jfail(r, AT_BAD_DATA, "abs of %s", at_jtype_name(&self));
    if (self.type == AT_J_FLOAT) return at_jreal(fabs(self.real));
    return self.integer < 0 ? at_jarithmetic(r, '-', at_jint(0), self) : at_jint(self.integer);
}

/* A number as a person writes it, white space around it; 0 where it is none. */
static int parse_real(at_jvalue text, double *value) {
    char word[64];
    text = at_jstrip(text, NULL, 3);
    if (!text.len || text.len >= sizeof word || !strchr("+-.0123456789", text.text[0])) return 0;
    memcpy(word, text.text, text.len);
    word[text.len] = '\0';
    char *end;
    *value = strtod(word, &end);
    return !*end && !strpbrk(word, "xX");
}

FILTER(to_int) {
    UNUSED;
    double value = 0;
    int64_t base = whole_or(r, slot[1], 10);
    if (at_jis_whole(&self)) return at_jint(self.integer);
    if (self.type == AT_J_UNDEFINED) return at_jfail(r, AT_BAD_DATA, "'%s' is undefined", self.text);
    if (self.type == AT_J_STRING && base >= 2 && base <= 36 && base != 10) {
        at_jvalue text = at_jstrip(self, NULL, 3);
        char word[80], *end;
        if (text.len && text.len < sizeof word) {
            memcpy(word, text.text, text.len);
            word[text.len] = '\0';
            long long whole = strtoll(word, &end, (int)base);
            if (!*end) return at_jint(whole);
        }
    }
    int known = self.type == AT_J_FLOAT ? (value = self.real, 1) : self.type == AT_J_STRING && parse_real(self, &value);
    if (known && isfinite(value) && fabs(value) < 9.2e18) return at_jint((int64_t)value);
    return slot[0] ? *slot[0] : at_jint(0);
}

FILTER(to_float) {
    UNUSED;
    double value = 0;
    if (at_jis_number(&self)) return at_jreal(at_jnumber(&self));
    if (self.type == AT_J_UNDEFINED) return at_jfail(r, AT_BAD_DATA, "'%s' is undefined", self.text);
    if (self.type == AT_J_STRING && parse_real(self, &value)) return at_jreal(value);
    return slot[0] ? *slot[0] : at_jreal(0);
}

FILTER(round_number) {
    UNUSED;
    int64_t digits = whole_or(r, slot[0], 0);
    if (r->status || !at_jis_number(&self)) return at_jfail(r, AT_BAD_DATA, "round of %s", at_jtype_name(&self));
    at_jvalue how = slot[1] ? at_jstring(r, slot[1]) : at_jtext("common", 6);
    double scale = pow(10, (double)digits), v = at_jnumber(&self);
    if (digits < -300 || digits > 300) return at_jfail(r, AT_BAD_DATA, "round: that many digits");
    if (how.len == 4 && !memcmp(how.text, "ceil", 4)) return at_jreal(ceil(v * scale) / scale);
    if (how.len == 5 && !memcmp(how.text, "floor", 5)) return at_jreal(floor(v * scale) / scale);
    if (self.type != AT_J_FLOAT) return at_jint(digits >= 0 ? self.integer : (int64_t)(nearbyint(v * scale) / scale));
    if (digits < 0) return at_jreal(nearbyint(v * scale) / scale);
    char word[420]; /* decimal rounding of the exact value, ties to even, as Python's */
    snprintf(word, sizeof word, "%.*f", (int)digits, v);
    return at_jreal(strtod(word, NULL));
}

/* ---- anything ---- */

FILTER(default_value) {
    UNUSED;
    if (self.type != AT_J_UNDEFINED && !(flag(slot[1]) && !at_jtrue(&self))) return self;
    return slot[0] ? *slot[0] : at_jtext("", 0);
}

FILTER(length) {
    UNUSED;
    int n = at_jlength(&self);
    return n < 0 ? at_jfail(r, AT_BAD_DATA, "%s has no length", at_jtype_name(&self)) : at_jint(n);
}

FILTER(attribute) {
    UNUSED;
    at_jvalue name = at_jstring(r, slot[0]);
    char *text = r->status ? NULL : at_strndup(&r->arena, name.text, name.len);
    if (!text) return at_jfail(r, AT_NO_MEMORY, "not enough memory");
    return self.type == AT_J_DICT ? at_jundefined("an attribute of a dict") : at_jattribute(r, self, text, name.len);
}

static const at_jbuiltin FILTERS[] = {
    {"abs", "", 0, absolute}, {"attr", "name", 1, attribute}, {"capitalize", "", 0, capitalize}, {"center", "width", 0, center},
    {"count", "", 0, length}, {"d", "default_value boolean", 0, default_value}, {"default", "default_value boolean", 0, default_value},
    {"e", "", 0, escape}, {"escape", "", 0, escape}, {"forceescape", "", 0, escape}, {"float", "default", 0, to_float},
    {"format", "*", 0, format},
    {"indent", "width first blank", 0, indent}, {"int", "default base", 0, to_int}, {"length", "", 0, length}, {"lower", "", 0, lower},
    {"replace", "old new count", 2, replace}, {"round", "precision method", 0, round_number}, {"safe", "", 0, safe},
    {"string", "", 0, string},
    {"title", "", 0, title}, {"tojson", "ensure_ascii indent separators sort_keys", 0, tojson}, {"trim", "chars", 0, trim},
    {"truncate", "length killwords end leeway", 0, truncate}, {"upper", "", 0, upper}, {"urlencode", "", 0, urlencode},
    {"wordcount", "", 0, wordcount},
    {"filesizeformat", "*", 0, NULL}, {"pprint", "*", 0, NULL}, {"random", "*", 0, NULL}, {"striptags", "*", 0, NULL},
    {"urlize", "*", 0, NULL},
    {"wordwrap", "*", 0, NULL}, {"xmlattr", "*", 0, NULL}};

const at_jbuiltin *at_jfilter_find(const char *name, size_t len) {
    for (size_t i = 0; i < sizeof FILTERS / sizeof *FILTERS; i++)
        if (strlen(FILTERS[i].name) == len && !memcmp(FILTERS[i].name, name, len)) return &FILTERS[i];
    return at_jlist_filter_find(name, len);
}
