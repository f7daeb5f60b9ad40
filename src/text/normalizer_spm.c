/* SentencePiece's own normaliser (normalizer.cc), for .model files: at each place the longest piece that the user defined, as it is, else the longest
 * rule of its character map; spaces made one and trimmed, a space put before, spaces written as U+2581. */
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

/* What stands at a byte of the text: `taken` bytes of it become `len` bytes of `text`. */
typedef struct found {
    const char *text;
    size_t len, taken;
    int stays; /* they are these bytes themselves */
} found;

/* The kept text or the rule at byte `at`, or the character itself. */
static found rule_at(const pass *p, size_t at) {
    const at_chars *c = p->chars;
    const char *here = c->utf8 + at;
    size_t left = c->utf8_len - at;
    uint32_t cp;
    int32_t id;
    found f = {.stays = 1, .taken = p->n->kept ? at_trie_longest(p->n->kept, here, left, &id) : 0};
    if (!f.taken) {
        f.taken = at_charsmap_longest(&p->n->map, here, left, &f.text);
        f.stays = !f.taken;
    }
    if (!f.taken) f.taken = (size_t)at_utf8_decode((const unsigned char *)here, left, &cp);
    if (f.stays) f.text = here;
    f.len = f.stays ? f.taken : strlen(f.text);
    return f;
}

/* What is found at byte `at`, without its first `skipped` bytes: characters that stay keep their places, others stand for all that they replace. */
static void put_all(pass *p, const found *f, size_t at, size_t skipped) {
    const int *char_of = p->chars->char_of;
    uint32_t cp;
    for (size_t i = skipped, size; i < f->len; i += size) {
        size = (size_t)at_utf8_decode((const unsigned char *)f->text + i, f->len - i, &cp);
        int from = char_of[f->stays ? at + i : at];
        put(p, cp, from, f->stays ? from + 1 : char_of[at + f->taken]);
    }
}

static at_status step(pass *p, size_t *at) {
    at_chars *c = p->chars;
    const found f = rule_at(p, *at);
    size_t skipped = 0;
    while (p->after_space && skipped < f.len && f.text[skipped] == ' ') skipped++;
    if (skipped < f.len) {
        int64_t need = (int64_t)c->n_other + (int64_t)f.len + (c->n - c->char_of[*at + f.taken]) + 4;
        if (need > INT32_MAX / 4) return at_fail(p->err, AT_BAD_DATA, "a text is too long to be tokenised");
        AT_TRY(at_chars_more(c, (int)need, p->err));
        put_all(p, &f, *at, skipped);
        p->after_space = f.text[f.len - 1] == ' ';
    }
    *at += f.taken;
    if (!p->n->rules.remove_spaces) p->after_space = 0;
    return AT_OK;
}

at_status at_normalize_sentencepiece(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)matcher;
    pass p = {n, chars, n->rules.remove_spaces, err};
    size_t at = 0;
    AT_TRY(at_chars_write(chars, 0, err));
    AT_TRY(at_chars_begin(chars, chars->n + 4, err));
    while (n->rules.remove_spaces && at < chars->utf8_len) {
        const found f = rule_at(&p, at);
        if (f.len != 1 || *f.text != ' ') break;
        at += f.taken;
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
