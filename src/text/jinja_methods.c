/* Methods of texts, dicts, lists and loops, and the functions that every template has. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "text/jinja_tree.h"
#include "text/unicode.h"

#define METHOD(name) static at_jvalue name(at_jrun *r, at_jvalue self, const at_jvalue *const *slot, const at_jargs *args)
#define UNUSED (void)r, (void)self, (void)slot, (void)args

/* ---- arguments ---- */

static int is_text(at_jrun *r, const at_jvalue *v) {
    if (v->type == AT_J_STRING) return 1;
    if (v->type == AT_J_UNDEFINED) at_jfail(r, AT_BAD_DATA, "'%s' is undefined where a text is wanted", v->text);
    else at_jfail(r, AT_BAD_DATA, "%s stands where a text is wanted", at_jtype_name(v));
    return 0;
}

static int64_t whole_or(at_jrun *r, const at_jvalue *v, int64_t otherwise) {
    if (!v || v->type == AT_J_NONE) return otherwise;
    if (!at_jis_whole(v)) at_jfail(r, AT_BAD_DATA, "%s stands where a whole number is wanted", at_jtype_name(v));
    return v->integer;
}

/* NULL where the argument is missing or none. */
static const at_jvalue *text_or_none(at_jrun *r, const at_jvalue *v) { return v && v->type != AT_J_NONE && is_text(r, v) ? v : NULL; }

/* ---- texts ---- */

METHOD(text_strip) { UNUSED; return at_jstrip(self, text_or_none(r, slot[0]), 3); }
METHOD(text_lstrip) { UNUSED; return at_jstrip(self, text_or_none(r, slot[0]), 1); }
METHOD(text_rstrip) { UNUSED; return at_jstrip(self, text_or_none(r, slot[0]), 2); }
METHOD(text_upper) { UNUSED; return at_jcase(r, self, 'u'); }
METHOD(text_lower) { UNUSED; return at_jcase(r, self, 'l'); }
METHOD(text_title) { UNUSED; return at_jcase(r, self, 't'); }
METHOD(text_capitalize) { UNUSED; return at_jcase(r, self, 'c'); }
METHOD(text_swapcase) { UNUSED; return at_jcase(r, self, 's'); }
METHOD(text_splitlines) { UNUSED; return at_jsplitlines(r, self); }

/* Words between white space. */
static at_jvalue split_space(at_jrun *r, at_jvalue text, int64_t most) {
    at_jvalue list = at_jlist_new(r, AT_J_LIST, 0);
    const char *p = text.text, *end = p + text.len;
    for (int64_t n = 0; !r->status; n++) {
        for (size_t size; (size = at_jspace_at(p, (size_t)(end - p))) != 0;) p += size;
        if (p >= end) break;
        const char *begin = p;
        if (most >= 0 && n == most) {
            at_jlist_add(r, list.list, at_jstrip(at_jtext(begin, (size_t)(end - begin)), NULL, 2));
            break;
        }
        while (p < end && !at_jspace_at(p, (size_t)(end - p))) p++;
        at_jlist_add(r, list.list, at_jtext(begin, (size_t)(p - begin)));
    }
    return list;
}

METHOD(text_split) {
    UNUSED;
    const at_jvalue *by = text_or_none(r, slot[0]);
    int64_t most = whole_or(r, slot[1], -1);
    if (r->status) return self;
    if (!by) return split_space(r, self, most);
    if (!by->len) return at_jfail(r, AT_BAD_DATA, "split: the separator is empty");
    at_jvalue list = at_jlist_new(r, AT_J_LIST, 0);
    const char *p = self.text, *end = p + self.len;
    for (int64_t n = 0; !r->status && (most < 0 || n < most); n++) {
        const char *found = at_jfind(r, p, (size_t)(end - p), by->text, by->len);
        if (!found) break;
        at_jlist_add(r, list.list, at_jtext(p, (size_t)(found - p)));
        p = found + by->len;
    }
    if (!r->status) at_jlist_add(r, list.list, at_jtext(p, (size_t)(end - p)));
    return list;
}

/* The last place of a word, or NULL. */
static const char *find_last(at_jrun *r, at_jvalue text, const at_jvalue *word) {
    if (!at_jcharge(r, text.len / 64 + (text.len / 64) * (word->len / 64)) || word->len > text.len) return NULL;
    for (const char *p = text.text + (text.len - word->len);; p--) {
        if (!memcmp(p, word->text, word->len)) return p;
        if (p == text.text) return NULL;
    }
}

/* At the end of the list the pieces from the right; turned round after it. */
METHOD(text_rsplit) {
    const at_jvalue *by = text_or_none(r, slot[0]);
    int64_t most = whole_or(r, slot[1], -1);
    if (r->status || most < 0) return text_split(r, self, slot, args);
    if (!by || !by->len) return at_jfail(r, AT_BAD_DATA, "rsplit with a limit takes a separator");
    at_jvalue list = at_jlist_new(r, AT_J_LIST, 0), rest = self;
    for (int64_t n = 0; !r->status && n < most; n++) {
        const char *found = find_last(r, rest, by);
        if (!found) break;
        at_jlist_add(r, list.list, at_jtext(found + by->len, (size_t)(rest.text + rest.len - found) - by->len));
        rest.len = (size_t)(found - rest.text);
    }
    if (r->status) return self;
    at_jlist_add(r, list.list, rest);
    at_jvalue none = at_jnone(), back = at_jint(-1);
    return r->status ? list : at_jslice(r, list, &none, &none, &back);
}

static int has_end(const at_jvalue *text, const at_jvalue *end, int at_begin) {
    return text->len >= end->len && !memcmp(text->text + (at_begin ? 0 : text->len - end->len), end->text, end->len);
}

static at_jvalue ends(at_jrun *r, const at_jvalue *self, const at_jvalue *with, int at_begin) {
    if (with->type != AT_J_TUPLE) return is_text(r, with) ? at_jbool(has_end(self, with, at_begin)) : at_jbool(0);
    for (int i = 0; i < with->list->n && !r->status; i++)
        if (is_text(r, &with->list->item[i]) && has_end(self, &with->list->item[i], at_begin)) return at_jbool(1);
    return at_jbool(0);
}

METHOD(text_startswith) { UNUSED; return ends(r, &self, slot[0], 1); }
METHOD(text_endswith) { UNUSED; return ends(r, &self, slot[0], 0); }

METHOD(text_removeprefix) {
    UNUSED;
    if (is_text(r, slot[0]) && has_end(&self, slot[0], 1)) self.text += slot[0]->len, self.len -= slot[0]->len;
    return self;
}

METHOD(text_removesuffix) {
    UNUSED;
    if (is_text(r, slot[0]) && has_end(&self, slot[0], 0)) self.len -= slot[0]->len;
    return self;
}

METHOD(text_replace) {
    UNUSED;
    int64_t most = whole_or(r, slot[2], -1);
    return is_text(r, slot[0]) && is_text(r, slot[1]) ? at_jreplace(r, self, *slot[0], *slot[1], most) : self;
}

METHOD(text_join) {
    UNUSED;
    at_str s = {.arena = &r->arena};
    const at_jlist *items = at_jitems(r, slot[0]);
    for (int i = 0; items && i < items->n && !r->status; i++) {
        if (i) at_jadd(r, &s, self.text, self.len);
        if (is_text(r, &items->item[i])) at_jadd(r, &s, items->item[i].text, items->item[i].len);
    }
    return at_jtext_of(r, &s);
}

static at_jvalue place(const at_jvalue *self, const char *found) {
    return at_jint(found ? (int64_t)at_jtext_length(self->text, (size_t)(found - self->text)) : -1);
}

METHOD(text_find) {
    UNUSED;
    return is_text(r, slot[0]) ? place(&self, at_jfind(r, self.text, self.len, slot[0]->text, slot[0]->len)) : self;
}
METHOD(text_rfind) { UNUSED; return is_text(r, slot[0]) ? place(&self, find_last(r, self, slot[0])) : self; }

METHOD(text_index) {
    at_jvalue found = text_find(r, self, slot, args);
    return !r->status && found.integer < 0 ? at_jfail(r, AT_BAD_DATA, "index: the text is not there") : found;
}

METHOD(text_count) {
    UNUSED;
    if (!is_text(r, slot[0])) return self;
    if (!slot[0]->len) return at_jint((int64_t)at_jtext_length(self.text, self.len) + 1);
    int64_t n = 0;
    const char *p = self.text, *end = p + self.len;
    while ((p = at_jfind(r, p, (size_t)(end - p), slot[0]->text, slot[0]->len)) != NULL) p += slot[0]->len, n++;
    return at_jint(n);
}

static at_jvalue partition(at_jrun *r, at_jvalue self, const char *found, size_t len, int from_right) {
    at_jvalue list = at_jlist_new(r, AT_J_TUPLE, 3), none = at_jtext("", 0);
    size_t before = found ? (size_t)(found - self.text) : 0;
    if (r->status) return self;
    at_jlist_add(r, list.list, found ? at_jtext(self.text, before) : from_right ? none : self);
    at_jlist_add(r, list.list, found ? at_jtext(found, len) : none);
    at_jlist_add(r, list.list, found ? at_jtext(found + len, self.len - before - len) : from_right ? self : none);
    return list;
}

METHOD(text_partition) {
    UNUSED;
    if (!is_text(r, slot[0])) return self;
    return partition(r, self, at_jfind(r, self.text, self.len, slot[0]->text, slot[0]->len), slot[0]->len, 0);
}

METHOD(text_rpartition) {
    UNUSED;
    return is_text(r, slot[0]) ? partition(r, self, find_last(r, self, slot[0]), slot[0]->len, 1) : self;
}

/* Filled up to a width: 'l'eft, 'r'ight, 'c'entred. */
static at_jvalue justify(at_jrun *r, at_jvalue self, const at_jvalue *const *slot, char how) {
    at_str s = {.arena = &r->arena};
    int64_t missing = whole_or(r, slot[0], 0) - (int64_t)at_jtext_length(self.text, self.len);
    int64_t width = missing + (int64_t)at_jtext_length(self.text, self.len);
    const at_jvalue *fill = slot[1] ? slot[1] : NULL;
    if (fill && !is_text(r, fill)) return self;
    int64_t left = missing <= 0 || how == 'l' ? 0 : how == 'r' ? missing : missing / 2 + (missing & width & 1);
    for (int64_t i = 0; i < left && !r->status; i++) at_jadd(r, &s, fill ? fill->text : " ", fill ? fill->len : 1);
    at_jadd(r, &s, self.text, self.len);
    for (int64_t i = left; i < missing && !r->status; i++) at_jadd(r, &s, fill ? fill->text : " ", fill ? fill->len : 1);
    return at_jtext_of(r, &s);
}

METHOD(text_ljust) { UNUSED; return justify(r, self, slot, 'l'); }
METHOD(text_rjust) { UNUSED; return justify(r, self, slot, 'r'); }
METHOD(text_center) { UNUSED; return justify(r, self, slot, 'c'); }

METHOD(text_zfill) {
    UNUSED;
    at_str s = {.arena = &r->arena};
    int64_t missing = whole_or(r, slot[0], 0) - (int64_t)at_jtext_length(self.text, self.len);
    size_t sign = self.len && (self.text[0] == '-' || self.text[0] == '+');
    at_jadd(r, &s, self.text, sign);
    for (int64_t i = 0; i < missing && !r->status; i++) at_jadd(r, &s, "0", 1);
    at_jadd(r, &s, self.text + sign, self.len - sign);
    return at_jtext_of(r, &s);
}

/* Whether all characters (at least one) are of a kind: 'a'lpha, 'd'igit, al'n'um, 's'pace. */
static at_jvalue all_are(const at_jvalue *self, char kind) {
    for (size_t i = 0; i < self->len;) {
        uint32_t cp = 0;
        int size = at_utf8_decode((const unsigned char *)self->text + i, self->len - i, &cp), c = at_cp_category(cp);
        int letter = c >= AT_CAT_LU && c <= AT_CAT_LO, digit = c == AT_CAT_ND, space = at_jspace_at(self->text + i, self->len - i) != 0;
        if (!(kind == 'a' ? letter : kind == 'd' ? digit : kind == 's' ? space : letter || at_cp_is_number(cp))) return at_jbool(0);
        i += size ? (size_t)size : 1;
    }
    return at_jbool(self->len > 0);
}

METHOD(text_isalpha) { UNUSED; return all_are(&self, 'a'); }
METHOD(text_isdigit) { UNUSED; return all_are(&self, 'd'); }
METHOD(text_isalnum) { UNUSED; return all_are(&self, 'n'); }
METHOD(text_isspace) { UNUSED; return all_are(&self, 's'); }

/* Whether there are letters of the wanted case and none of the other. */
static at_jvalue case_is(const at_jvalue *self, int wanted, int other) {
    int found = 0;
    for (size_t i = 0; i < self->len;) {
        uint32_t cp = 0;
        int size = at_utf8_decode((const unsigned char *)self->text + i, self->len - i, &cp), c = at_cp_category(cp);
        if (c == other || c == AT_CAT_LT) return at_jbool(0);
        found |= c == wanted;
        i += size ? (size_t)size : 1;
    }
    return at_jbool(found);
}

METHOD(text_isupper) { UNUSED; return case_is(&self, AT_CAT_LU, AT_CAT_LL); }
METHOD(text_islower) { UNUSED; return case_is(&self, AT_CAT_LL, AT_CAT_LU); }

/* The value that a place "{...}" names: by number, by name, or the next one. */
static const at_jvalue *format_value(at_jrun *r, const char *name, size_t len, int *next, const at_jargs *args) {
    int64_t number = 0;
    size_t digits = 0;
    while (digits < len && digits < 6 && name[digits] >= '0' && name[digits] <= '9') number = number * 10 + (name[digits++] - '0');
    const at_jvalue *v = NULL;
    if (!len) number = (*next)++;
    if (digits == len) v = number < args->n ? &args->item[number] : NULL;
    else v = at_jdict_get(&args->named, at_jtext(name, len));
    if (!v) at_jfail(r, AT_BAD_DATA, "format: there is no value for the place '{%.*s}'", len > 40 ? 40 : (int)len, name);
    return v;
}

METHOD(text_format) {
    at_str s = {.arena = &r->arena};
    int next = 0;
    (void)slot;
    for (const char *p = self.text, *end = p + self.len; p < end && !r->status;) {
        if ((*p != '{' && *p != '}') || (p + 1 < end && p[1] == *p)) { /* {{ and }} are one */
            at_jadd(r, &s, p, 1);
            p += *p == '{' || *p == '}' ? 2 : 1;
            continue;
        }
        const char *close = *p == '{' ? memchr(p, '}', (size_t)(end - p)) : NULL;
        if (!close) return at_jfail(r, AT_BAD_DATA, "format: a single brace in the text");
        if (memchr(p, ':', (size_t)(close - p)) || memchr(p, '!', (size_t)(close - p)) || memchr(p, '.', (size_t)(close - p)))
            return at_jfail(r, AT_BAD_DATA, "format: places with a form of their own, '%.*s', are not supported", (int)(close - p) + 1, p);
        const at_jvalue *v = format_value(r, p + 1, (size_t)(close - p) - 1, &next, args);
        if (v) at_jprint(r, &s, v);
        p = close + 1;
    }
    return at_jtext_of(r, &s);
}

/* ---- dicts, lists, loops ---- */

METHOD(dict_get) {
    UNUSED;
    const at_jvalue *found = at_jcharge(r, (size_t)self.dict->n / 8) ? at_jdict_get(self.dict, *slot[0]) : NULL;
    return found ? *found : slot[1] ? *slot[1] : at_jnone();
}

static at_jvalue dict_list(at_jrun *r, const at_jdict *d, int keys, int values) {
    at_jvalue list = at_jlist_new(r, AT_J_LIST, d->n);
    for (int i = 0; i < d->n && !r->status; i++) {
        if (!keys || !values) {
            at_jlist_add(r, list.list, keys ? d->key[i] : d->value[i]);
            continue;
        }
        at_jvalue pair = at_jlist_new(r, AT_J_TUPLE, 2);
        if (r->status) break;
        at_jlist_add(r, pair.list, d->key[i]);
        at_jlist_add(r, pair.list, d->value[i]);
        at_jlist_add(r, list.list, pair);
    }
    return list;
}

METHOD(dict_items) { UNUSED; return dict_list(r, self.dict, 1, 1); }
METHOD(dict_keys) { UNUSED; return dict_list(r, self.dict, 1, 0); }
METHOD(dict_values) { UNUSED; return dict_list(r, self.dict, 0, 1); }
METHOD(copy) { UNUSED; return self; } /* nothing can change it */

METHOD(refuse_change) {
    UNUSED;
    return at_jfail(r, AT_BAD_DATA, "%s cannot be changed by a template; transformers refuses it too", at_jtype_name(&self));
}

METHOD(list_index) {
    UNUSED;
    for (int i = 0; i < self.list->n; i++)
        if (at_jequal(&self.list->item[i], slot[0], 0)) return at_jint(i);
    return at_jfail(r, AT_BAD_DATA, "index: the item is not in the list");
}

METHOD(list_count) {
    UNUSED;
    int64_t n = 0;
    for (int i = 0; i < self.list->n; i++) n += at_jequal(&self.list->item[i], slot[0], 0);
    return at_jint(n);
}

METHOD(loop_cycle) {
    (void)slot;
    return args->n ? args->item[self.loop->index % args->n] : at_jfail(r, AT_BAD_DATA, "cycle: there are no items");
}

METHOD(loop_changed) {
    (void)slot;
    at_jvalue now = at_jlist_new(r, AT_J_TUPLE, args->n);
    for (int i = 0; i < args->n && !r->status; i++) at_jlist_add(r, now.list, args->item[i]);
    if (r->status) return now;
    int changed = !self.loop->has_changed || !at_jequal(&self.loop->changed, &now, 0);
    self.loop->changed = now;
    self.loop->has_changed = 1;
    return at_jbool(changed);
}

/* ---- functions ---- */

enum { MOST_RANGE = 100000 };

METHOD(function_range) {
    UNUSED;
    int64_t from = slot[1] ? whole_or(r, slot[0], 0) : 0, to = whole_or(r, slot[1] ? slot[1] : slot[0], 0), by = whole_or(r, slot[2], 1);
    if (!r->status && !by) at_jfail(r, AT_BAD_DATA, "range: the step is 0");
    at_jvalue list = at_jlist_new(r, AT_J_LIST, 0);
    for (int64_t i = from; !r->status && (by > 0 ? i < to : i > to); ) {
        if (list.list->n == MOST_RANGE) return at_jfail(r, AT_BAD_DATA, "range: more than %d numbers", MOST_RANGE);
        at_jlist_add(r, list.list, at_jint(i));
        if (__builtin_add_overflow(i, by, &i)) break;
    }
    return list;
}

/* dict(a=1), dict(other, a=1), dict(pairs). */
METHOD(function_dict) {
    at_jvalue dict = at_jdict_new(r);
    (void)self, (void)slot;
    if (args->n > 1) return at_jfail(r, AT_BAD_DATA, "dict takes one argument without a name");
    if (args->n && args->item[0].type == AT_J_DICT) {
        const at_jdict *from = args->item[0].dict;
        for (int i = 0; i < from->n && !r->status; i++) at_jdict_set(r, dict.dict, from->key[i], from->value[i]);
    } else if (args->n) {
        const at_jlist *pairs = at_jitems(r, &args->item[0]);
        for (int i = 0; pairs && i < pairs->n && !r->status; i++) {
            const at_jlist *pair = at_jitems(r, &pairs->item[i]);
            if (pair && pair->n != 2) at_jfail(r, AT_BAD_DATA, "dict: an item is no pair");
            if (!r->status) at_jdict_set(r, dict.dict, pair->item[0], pair->item[1]);
        }
    }
    for (int i = 0; i < args->named.n && !r->status; i++) at_jdict_set(r, dict.dict, args->named.key[i], args->named.value[i]);
    return dict;
}

METHOD(function_namespace) {
    at_jvalue made = function_dict(r, self, slot, args);
    if (!r->status) made.type = AT_J_NAMESPACE;
    return made;
}

METHOD(function_raise) {
    UNUSED;
    at_jvalue words = at_jstring(r, slot[0]);
    return r->status ? words : at_jfail(r, AT_BAD_DATA, "the template refuses: %.*s", words.len > 400 ? 400 : (int)words.len, words.text);
}

METHOD(function_strftime) {
    UNUSED;
    struct tm parts;
    char text[1024], form[256];
    time_t now = r->now ? r->now : time(NULL);
    if (!is_text(r, slot[0])) return self;
    if (slot[0]->len >= sizeof form || memchr(slot[0]->text, '\0', slot[0]->len))
        return at_jfail(r, AT_BAD_DATA, "strftime_now: the form is too long");
    memcpy(form, slot[0]->text, slot[0]->len);
    form[slot[0]->len] = '\0';
    if (!localtime_r(&now, &parts)) return at_jfail(r, AT_BAD_DATA, "strftime_now: the time is not known");
    size_t len = strftime(text, sizeof text, form, &parts);
    char *kept = at_strndup(&r->arena, text, len);
    return kept ? at_jtext(kept, len) : at_jfail(r, AT_NO_MEMORY, "not enough memory");
}

/* ---- tables ---- */

static const at_jbuiltin TEXT[] = {
    {"strip", "chars", 0, text_strip}, {"lstrip", "chars", 0, text_lstrip}, {"rstrip", "chars", 0, text_rstrip},
    {"upper", "", 0, text_upper},
    {"lower", "", 0, text_lower}, {"casefold", "", 0, text_lower}, {"title", "", 0, text_title}, {"capitalize", "", 0, text_capitalize},
    {"swapcase", "", 0, text_swapcase}, {"split", "sep maxsplit", 0, text_split}, {"rsplit", "sep maxsplit", 0, text_rsplit},
    {"splitlines", "", 0, text_splitlines}, {"startswith", "prefix", 1, text_startswith}, {"endswith", "suffix", 1, text_endswith},
    {"removeprefix", "prefix", 1, text_removeprefix}, {"removesuffix", "suffix", 1, text_removesuffix},
    {"replace", "old new count", 2, text_replace},
    {"join", "iterable", 1, text_join}, {"find", "sub", 1, text_find}, {"rfind", "sub", 1, text_rfind}, {"index", "sub", 1, text_index},
    {"count", "sub", 1, text_count}, {"partition", "sep", 1, text_partition}, {"rpartition", "sep", 1, text_rpartition},
    {"ljust", "width fillchar", 1, text_ljust}, {"rjust", "width fillchar", 1, text_rjust}, {"center", "width fillchar", 1, text_center},
    {"zfill", "width", 1, text_zfill}, {"isalpha", "", 0, text_isalpha}, {"isdigit", "", 0, text_isdigit},
    {"isdecimal", "", 0, text_isdigit},
    {"isnumeric", "", 0, text_isdigit}, {"isalnum", "", 0, text_isalnum}, {"isspace", "", 0, text_isspace},
    {"isupper", "", 0, text_isupper},
    {"islower", "", 0, text_islower}, {"format", "*", 0, text_format}, {"encode", "*", 0, NULL},
    {"expandtabs", "*", 0, NULL}, {"translate", "*", 0, NULL},
    {NULL, NULL, 0, NULL}};
static const at_jbuiltin DICT[] = {
    {"get", "key default", 1, dict_get}, {"items", "", 0, dict_items}, {"keys", "", 0, dict_keys}, {"values", "", 0, dict_values},
    {"copy", "", 0, copy},
    {"pop", "*", 0, refuse_change}, {"popitem", "*", 0, refuse_change}, {"update", "*", 0, refuse_change},
    {"setdefault", "*", 0, refuse_change},
    {"clear", "*", 0, refuse_change}, {NULL, NULL, 0, NULL}};
static const at_jbuiltin LIST[] = {
    {"index", "value", 1, list_index}, {"count", "value", 1, list_count}, {"copy", "", 0, copy}, {"append", "*", 0, refuse_change},
    {"extend", "*", 0, refuse_change}, {"insert", "*", 0, refuse_change}, {"pop", "*", 0, refuse_change}, {"remove", "*", 0, refuse_change},
    {"reverse", "*", 0, refuse_change}, {"sort", "*", 0, refuse_change}, {"clear", "*", 0, refuse_change}, {NULL, NULL, 0, NULL}};
static const at_jbuiltin LOOP[] = {{"cycle", "*", 0, loop_cycle}, {"changed", "*", 0, loop_changed}, {NULL, NULL, 0, NULL}};
static const at_jbuiltin FUNCTIONS[] = {
    {"range", "start stop step", 1, function_range}, {"dict", "*", 0, function_dict}, {"namespace", "*", 0, function_namespace},
    {"raise_exception", "message", 1, function_raise}, {"strftime_now", "format", 1, function_strftime}, {"lipsum", "*", 0, NULL},
    {"cycler", "*", 0, NULL}, {"joiner", "*", 0, NULL}, {NULL, NULL, 0, NULL}};

static const at_jbuiltin *find(const at_jbuiltin *table, const char *name, size_t len) {
    for (; table && table->name; table++)
        if (strlen(table->name) == len && !memcmp(table->name, name, len)) return table;
    return NULL;
}

const at_jbuiltin *at_jmethod_find(at_jtype of, const char *name, size_t len) {
    const at_jbuiltin *table = of == AT_J_STRING ? TEXT : of == AT_J_DICT ? DICT : of == AT_J_LIST ? LIST : of == AT_J_LOOP ? LOOP : NULL;
    if (of == AT_J_TUPLE && len == 5 && (!memcmp(name, "index", 5) || !memcmp(name, "count", 5))) table = LIST;
    return find(table, name, len);
}

const at_jbuiltin *at_jfunction_find(const char *name, size_t len) { return find(FUNCTIONS, name, len); }
