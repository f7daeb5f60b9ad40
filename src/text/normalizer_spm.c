/* SentencePiece's own normaliser (normalizer.cc), for .model files: the longest rule of its character map at each place, spaces made one
 * and trimmed, a space put before, spaces written as U+2581. */
#include <string.h>

#include "base/str.h"
#include "text/normalizer.h"

#define META 0x2581

typedef struct pass {
    const at_normalizer *n;
    at_chars *chars;
    int after_space; /* spaces that follow are dropped */
    at_error *err;
} pass;

/* What stands for characters [from, to) of the text: one code point. */
static void put(pass *p, uint32_t cp, int from, int to) {
    const at_char *item = p->chars->item;
    if (cp == ' ' && p->n->rules.escape) cp = META;
    p->chars->other[p->chars->n_other++] = (at_char){cp, item[from].start, item[to - 1].end};
}

/* The rule at byte `at`, or the character itself: its bytes, and what it becomes. */
static size_t rule_at(const pass *p, size_t at, const char **text, size_t *len) {
    const at_chars *c = p->chars;
    size_t taken = at_charsmap_longest(&p->n->map, c->utf8 + at, c->utf8_len - at, text);
    uint32_t cp;
    if (taken) {
        *len = strlen(*text);
        return taken;
    }
    *text = c->utf8 + at;
    *len = (size_t)at_utf8_decode((const unsigned char *)c->utf8 + at, c->utf8_len - at, &cp);
    return *len;
}

static at_status step(pass *p, size_t *at) {
    at_chars *c = p->chars;
    const char *text;
    size_t len, taken = rule_at(p, *at, &text, &len);
    int from = c->char_of[*at], to = c->char_of[*at + taken];
    uint32_t cp;
    *at += taken;
    while (p->after_space && len && *text == ' ') text++, len--;
    if (len) {
        int64_t need = (int64_t)c->n_other + (int64_t)len + (c->n - to) + 4;
        if (need > INT32_MAX / 4) return at_fail(p->err, AT_BAD_DATA, "a text is too long to be tokenised");
        AT_TRY(at_chars_more(c, (int)need, p->err));
        for (size_t i = 0; i < len;) {
            i += (size_t)at_utf8_decode((const unsigned char *)text + i, len - i, &cp);
            put(p, cp, from, to);
        }
        p->after_space = text[len - 1] == ' ';
    }
    if (!p->n->rules.remove_spaces) p->after_space = 0;
    return AT_OK;
}

at_status at_normalize_sentencepiece(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)matcher;
    pass p = {n, chars, n->rules.remove_spaces, err};
    size_t at = 0, len, taken;
    const char *text;
    AT_TRY(at_chars_write(chars, 0, err));
    AT_TRY(at_chars_begin(chars, chars->n + 4, err));
    while (n->rules.remove_spaces && at < chars->utf8_len) {
        taken = rule_at(&p, at, &text, &len);
        if (len != 1 || *text != ' ') break;
        at += taken;
    }
    int left = at < chars->utf8_len, first = left ? chars->char_of[at] : 0;
    if (left && n->rules.dummy_prefix && !n->rules.suffix) put(&p, ' ', first, first + 1);
    while (at < chars->utf8_len) AT_TRY(step(&p, &at));
    uint32_t space = n->rules.escape ? META : ' ';
    while (n->rules.remove_spaces && chars->n_other && chars->other[chars->n_other - 1].cp == space) chars->n_other--;
    if (left && n->rules.dummy_prefix && n->rules.suffix) {
        AT_TRY(at_chars_more(chars, chars->n_other + 1, err));
        put(&p, ' ', chars->n - 1, chars->n);
    }
    at_chars_end(chars);
    return AT_OK;
}
