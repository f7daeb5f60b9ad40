/* What is done with texts. */
#include <string.h>
#include <utf8proc.h>

#include "text/jinja_value.h"
#include "text/unicode.h"

size_t at_jspace_at(const char *p, size_t left) {
    uint32_t cp;
    if (!left) return 0;
    if ((unsigned char)*p < 0x80) return (*p >= 9 && *p <= 13) || *p == ' ' || (*p >= 0x1c && *p <= 0x1f);
    int size = at_utf8_decode((const unsigned char *)p, left, &cp);
    return size && at_cp_flags(cp) & AT_CP_SPACE ? (size_t)size : 0;
}

/* A search may compare every byte of the word at every byte of the text: that work is counted before it is done. */
const char *at_jfind(at_jrun *r, const char *text, size_t len, const char *word, size_t word_len) {
    if (!at_jcharge(r, len / 64 + (len / 64) * (word_len / 64))) return NULL;
    if (!word_len) return text;
    for (const char *p = text, *end = text + len; (size_t)(end - p) >= word_len; p++) {
        p = memchr(p, word[0], (size_t)(end - p) - word_len + 1);
        if (!p) return NULL;
        if (!memcmp(p, word, word_len)) return p;
    }
    return NULL;
}

/* ---- letters ---- */

static void add_cp(at_jrun *r, at_str *to, uint32_t cp) {
    char bytes[4];
    at_jadd(r, to, bytes, (size_t)at_utf8_encode(cp, bytes));
}

static void add_upper(at_jrun *r, at_str *to, uint32_t cp, int title) {
    if (cp == 0xDF) at_jadd(r, to, title ? "Ss" : "SS", 2);
    else add_cp(r, to, (uint32_t)(title ? utf8proc_totitle((int32_t)cp) : utf8proc_toupper((int32_t)cp)));
}

static void add_lower(at_jrun *r, at_str *to, uint32_t cp) {
    if (cp == 0x130) at_jadd(r, to, "i\xCC\x87", 3);
    else add_cp(r, to, at_cp_lower(cp));
}

static int is_cased(uint32_t cp) {
    int c = at_cp_category(cp);
    return c == AT_CAT_LU || c == AT_CAT_LL || c == AT_CAT_LT;
}

at_jvalue at_jcase(at_jrun *r, at_jvalue text, char how) {
    at_str s = {.arena = &r->arena};
    int within = 0, first = 1; /* of a word; of the text */
    for (size_t i = 0; i < text.len && !r->status; first = 0) {
        uint32_t cp = 0;
        int size = at_utf8_decode((const unsigned char *)text.text + i, text.len - i, &cp);
        int upper = how == 'u' || (how == 's' && at_cp_category(cp) == AT_CAT_LL) || (how == 't' && !within) || (how == 'c' && first);
        if (upper) add_upper(r, &s, cp, how == 't' || how == 'c');
        else add_lower(r, &s, cp);
        within = is_cased(cp);
        i += size ? (size_t)size : 1;
    }
    return at_jtext_of(r, &s);
}

/* ---- cutting ---- */

static int strips(const char *p, size_t len, const at_jvalue *chars) {
    if (!chars) return at_jspace_at(p, len) == len;
    for (const char *c = chars->text, *end = c + chars->len; c < end;) {
        const char *next = at_jtext_at(c, (size_t)(end - c), 1);
        if ((size_t)(next - c) == len && !memcmp(c, p, len)) return 1;
        c = next;
    }
    return 0;
}

at_jvalue at_jstrip(at_jvalue text, const at_jvalue *chars, int sides) {
    const char *begin = text.text, *end = begin + text.len;
    while (sides & 1 && begin < end) {
        const char *next = at_jtext_at(begin, (size_t)(end - begin), 1);
        if (!strips(begin, (size_t)(next - begin), chars)) break;
        begin = next;
    }
    while (sides & 2 && begin < end) {
        const char *last = end - 1;
        while (last > begin && ((unsigned char)*last & 0xc0) == 0x80) last--;
        if (!strips(last, (size_t)(end - last), chars)) break;
        end = last;
    }
    return at_jtext(begin, (size_t)(end - begin));
}

at_jvalue at_jreplace(at_jrun *r, at_jvalue text, at_jvalue old, at_jvalue by, int64_t most) {
    at_str s = {.arena = &r->arena};
    const char *p = text.text, *end = p + text.len;
    for (int64_t n = 0; !r->status && (most < 0 || n < most); n++) {
        const char *found = at_jfind(r, p, (size_t)(end - p), old.text, old.len);
        if (!found || r->status) break;
        at_jadd(r, &s, p, (size_t)(found - p));
        at_jadd(r, &s, by.text, by.len);
        p = found + old.len;
        if (old.len) continue;
        if (p >= end) return at_jtext_of(r, &s); /* between all characters, and at both ends */
        const char *next = at_jtext_at(p, (size_t)(end - p), 1);
        at_jadd(r, &s, p, (size_t)(next - p));
        p = next;
    }
    at_jadd(r, &s, p, (size_t)(end - p));
    return at_jtext_of(r, &s);
}

/* Bytes of the line's end at p, or 0: what Python's splitlines takes for one. */
static size_t line_end_at(const char *p, size_t left) {
    uint32_t cp = 0;
    int size = at_utf8_decode((const unsigned char *)p, left, &cp);
    if (cp == '\r' && left > 1 && p[1] == '\n') return 2;
    return (cp >= '\n' && cp <= '\r') || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 || cp == 0x2028 || cp == 0x2029 ? (size_t)size : 0;
}

at_jvalue at_jsplitlines(at_jrun *r, at_jvalue text) {
    at_jvalue list = at_jlist_new(r, AT_J_LIST, 0);
    size_t begin = 0;
    for (size_t i = 0; i < text.len && !r->status;) {
        size_t end = line_end_at(text.text + i, text.len - i);
        if (!end) {
            i++;
            continue;
        }
        at_jlist_add(r, list.list, at_jtext(text.text + begin, i - begin));
        begin = i += end;
    }
    if (!r->status && begin < text.len) at_jlist_add(r, list.list, at_jtext(text.text + begin, text.len - begin));
    return list;
}
