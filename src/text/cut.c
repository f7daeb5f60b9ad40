/* The ways to cut a text into words. Every function takes the words of c->before and leaves those of c->words. */
#include <string.h>

#include "base/room.h"
#include "text/bytelevel.h"
#include "text/pretokenizer.h"
#include "text/unicode.h"

/* Room for one span a code point: words are never empty. */
static at_status reserve(at_spans *spans, int n, at_error *err) {
    if (n <= spans->cap) return AT_OK;
    at_span *item = at_room_resize(spans->item, (size_t)n * sizeof *item);
    if (!item) return at_fail_memory(err, (size_t)n * sizeof *item);
    spans->item = item;
    spans->cap = n;
    return AT_OK;
}

static at_status begin(at_cutting *c, at_error *err) {
    c->words.n = 0;
    return reserve(&c->words, c->chars->n + 1, err);
}

static void add(at_spans *spans, int begin, int end) {
    if (begin < end) spans->item[spans->n++] = (at_span){begin, end};
}

static void split_bert(const at_chars *chars, at_span s, at_spans *out) {
    int begin = s.begin;
    for (int i = s.begin; i < s.end; i++) {
        int flags = at_cp_flags(chars->item[i].cp);
        if (!(flags & (AT_CP_SPACE | AT_CP_PUNCT))) continue;
        add(out, begin, i);
        if (!(flags & AT_CP_SPACE)) add(out, i, i + 1);
        begin = i + 1;
    }
    add(out, begin, s.end);
}

at_status at_cut_bert(const at_pretokenizer *p, at_cutting *c, at_error *err) {
    (void)p;
    AT_TRY(begin(c, err));
    for (int i = 0; i < c->before.n; i++) split_bert(c->chars, c->before.item[i], &c->words);
    return AT_OK;
}

/* Runs of \w, and runs of what is neither \w nor white space. */
static void split_whitespace(const at_chars *chars, at_span s, at_spans *out) {
    int begin = s.begin, before = 0;
    for (int i = s.begin; i < s.end; i++) {
        int flags = at_cp_flags(chars->item[i].cp);
        int now = flags & AT_CP_WORD ? 1 : flags & AT_CP_SPACE ? 0 : 2;
        if (now != before) {
            if (before) add(out, begin, i);
            begin = i;
        }
        before = now;
    }
    if (before) add(out, begin, s.end);
}

at_status at_cut_whitespace(const at_pretokenizer *p, at_cutting *c, at_error *err) {
    (void)p;
    AT_TRY(begin(c, err));
    for (int i = 0; i < c->before.n; i++) split_whitespace(c->chars, c->before.item[i], &c->words);
    return AT_OK;
}

typedef int (*is_delimiter)(const at_pretokenizer *p, uint32_t cp);

static int is_space(const at_pretokenizer *p, uint32_t cp) {
    (void)p;
    return at_cp_flags(cp) & AT_CP_SPACE;
}
static int is_punctuation(const at_pretokenizer *p, uint32_t cp) {
    (void)p;
    return at_cp_flags(cp) & AT_CP_PUNCT;
}
static int is_digit(const at_pretokenizer *p, uint32_t cp) {
    (void)p;
    return at_cp_is_number(cp);
}
static int is_the_one(const at_pretokenizer *p, uint32_t cp) { return cp == p->delimiter; }

/* Isolated and Contiguous and the merges, each delimiter being a match of its own. */
static void split_delimiters(const at_pretokenizer *p, is_delimiter is, const at_chars *chars, at_span s, at_spans *out) {
    int begin = s.begin, previous = 0;
    for (int i = s.begin; i < s.end; i++) {
        int match = is(p, chars->item[i].cp) != 0, cut = 0;
        switch (p->behavior) {
        case AT_SPLIT_REMOVED: cut = match || previous; break;
        case AT_SPLIT_ISOLATED: cut = match || previous; break;
        case AT_SPLIT_MERGED_WITH_PREVIOUS: cut = previous; break;
        case AT_SPLIT_MERGED_WITH_NEXT: cut = match; break;
        case AT_SPLIT_CONTIGUOUS: cut = match != previous; break;
        }
        if (cut && !(p->behavior == AT_SPLIT_REMOVED && previous)) add(out, begin, i);
        if (cut) begin = i;
        previous = match;
    }
    if (!(p->behavior == AT_SPLIT_REMOVED && previous)) add(out, begin, s.end);
}

static at_status cut_at(const at_pretokenizer *p, is_delimiter is, at_cutting *c, at_error *err) {
    AT_TRY(begin(c, err));
    for (int i = 0; i < c->before.n; i++) split_delimiters(p, is, c->chars, c->before.item[i], &c->words);
    return AT_OK;
}

at_status at_cut_at_spaces(const at_pretokenizer *p, at_cutting *c, at_error *err) { return cut_at(p, is_space, c, err); }
at_status at_cut_at_punctuation(const at_pretokenizer *p, at_cutting *c, at_error *err) { return cut_at(p, is_punctuation, c, err); }
at_status at_cut_at_delimiter(const at_pretokenizer *p, at_cutting *c, at_error *err) { return cut_at(p, is_the_one, c, err); }
at_status at_cut_at_digits(const at_pretokenizer *p, at_cutting *c, at_error *err) { return cut_at(p, is_digit, c, err); }

/* What joins any script and stands before the first that does not is lost, as in the library. */
static void split_scripts(const at_chars *chars, at_span s, at_spans *out) {
    int begin = -1, last = -1;
    for (int i = s.begin; i < s.end; i++) {
        int script = at_cp_script(chars->item[i].cp);
        if (!script || script == last) continue;
        if (begin >= 0) add(out, begin, i);
        begin = i;
        last = script;
    }
    if (begin >= 0) add(out, begin, s.end);
}

at_status at_cut_scripts(const at_pretokenizer *p, at_cutting *c, at_error *err) {
    (void)p;
    AT_TRY(begin(c, err));
    for (int i = 0; i < c->before.n; i++) split_scripts(c->chars, c->before.item[i], &c->words);
    return AT_OK;
}

at_status at_cut_fixed(const at_pretokenizer *p, at_cutting *c, at_error *err) {
    AT_TRY(begin(c, err));
    for (int i = 0; i < c->before.n; i++) {
        at_span s = c->before.item[i];
        for (int at = s.begin; at < s.end; at += p->length) add(&c->words, at, s.end - at > p->length ? at + p->length : s.end);
    }
    return AT_OK;
}

static at_status add_stretch(at_cutting *c, int begin, int end, int match, at_error *err) {
    if (c->n_stretches == c->stretch_cap) {
        int cap = c->stretch_cap ? 2 * c->stretch_cap : 256;
        at_stretch *stretch = at_room_resize(c->stretch, (size_t)cap * sizeof *stretch);
        if (!stretch) return at_fail_memory(err, (size_t)cap * sizeof *stretch);
        c->stretch = stretch;
        c->stretch_cap = cap;
    }
    c->stretch[c->n_stretches++] = (at_stretch){begin, end, match};
    return AT_OK;
}

/* The stretches of one word, in code points of the text; `text` its bytes, `char_of` their code points. */
static at_status find_stretches(const at_pretokenizer *p, at_cutting *c, const char *text, size_t len, const int *char_of, at_error *err) {
    at_search search = {.ended = -1};
    size_t done = 0, begin, end;
    int found;
    c->n_stretches = 0;
    for (;;) {
        AT_TRY(at_pattern_next(p->pattern, c->matcher, text, len, &search, &found, &begin, &end, err));
        if (!found) break;
        if (done != begin) AT_TRY(add_stretch(c, char_of[done], char_of[begin], p->invert, err));
        AT_TRY(add_stretch(c, char_of[begin], char_of[end], !p->invert, err));
        done = end;
    }
    return done != len ? add_stretch(c, char_of[done], char_of[len], p->invert, err) : AT_OK;
}

/* Joins neighbours as the behavior says, in place; a match joins what comes before it in the list. */
static int join_matches(at_stretch *s, int n, int same) {
    int out = 0, previous = 0;
    for (int i = 0; i < n; i++) {
        at_stretch now = s[i];
        int join = same ? now.match == previous : now.match && !previous;
        if (join && out) {
            if (now.end > s[out - 1].end) s[out - 1].end = now.end;
            if (now.begin < s[out - 1].begin) s[out - 1].begin = now.begin;
        } else s[out++] = now;
        previous = now.match;
    }
    return out;
}

static void reverse(at_stretch *s, int n) {
    for (int i = 0; i < n / 2; i++) {
        at_stretch swap = s[i];
        s[i] = s[n - 1 - i];
        s[n - 1 - i] = swap;
    }
}

static void add_stretches(at_cutting *c, at_split_behavior behavior) {
    at_stretch *s = c->stretch;
    int n = c->n_stretches;
    if (behavior == AT_SPLIT_CONTIGUOUS) n = join_matches(s, n, 1);
    if (behavior == AT_SPLIT_MERGED_WITH_PREVIOUS) n = join_matches(s, n, 0);
    if (behavior == AT_SPLIT_MERGED_WITH_NEXT) {
        reverse(s, n);
        n = join_matches(s, n, 0);
        reverse(s, n);
    }
    for (int i = 0; i < n; i++)
        if (behavior != AT_SPLIT_REMOVED || !s[i].match) add(&c->words, s[i].begin, s[i].end);
}

/* Where in chars->utf8 each code point begins is found by walking: the words come in order. */
typedef struct walk {
    size_t at;
    const at_chars *chars;
} walk;

static size_t byte_of(walk *w, int i) {
    while (w->at < w->chars->utf8_len && w->chars->char_of[w->at] < i) w->at++;
    return w->at;
}

static void scan_word(const at_pretokenizer *p, at_cutting *c, size_t begin, size_t end) {
    const unsigned char *text = (const unsigned char *)c->chars->utf8;
    for (size_t at = begin, next; at < end; at = next) {
        next = begin + at_scan_word(&p->scan, text + begin, end - begin, at - begin);
        add(&c->words, c->chars->char_of[at], c->chars->char_of[next]);
    }
}

at_status at_cut_split(const at_pretokenizer *p, at_cutting *c, at_error *err) {
    AT_TRY(begin(c, err));
    /* The known expressions leave no gap: every match is a word, or, where the gaps are wanted, nothing is. */
    int every = p->scan.kind && (p->behavior == AT_SPLIT_ISOLATED || (p->behavior == AT_SPLIT_REMOVED && p->invert));
    AT_TRY(at_chars_write(c->chars, !every && at_pattern_is_regex(p->pattern), err));
    walk w = {0, c->chars};
    for (int i = 0; i < c->before.n; i++) {
        size_t from = byte_of(&w, c->before.item[i].begin), to = byte_of(&w, c->before.item[i].end);
        if (every) {
            scan_word(p, c, from, to);
            continue;
        }
        AT_TRY(find_stretches(p, c, c->chars->utf8 + from, to - from, c->chars->char_of + from, err));
        add_stretches(c, p->behavior);
    }
    return AT_OK;
}

/* Writes the words once more, one after the other, each with `cp` before it where `wanted`; c->before are the new spans. */
static at_status prepend_words(at_cutting *c, uint32_t cp, int (*wanted)(const at_pretokenizer *, const at_chars *, at_span),
                               const at_pretokenizer *p, at_error *err) {
    at_chars *chars = c->chars;
    int n = 0;
    if (chars->n > INT32_MAX / 4) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(at_chars_begin(chars, chars->n + c->before.n, err));
    for (int i = 0; i < c->before.n; i++) {
        at_span s = c->before.item[i];
        int first = n;
        if (wanted(p, chars, s)) chars->other[n++] = (at_char){cp, chars->item[s.begin].start, chars->item[s.begin].end};
        memcpy(chars->other + n, chars->item + s.begin, (size_t)(s.end - s.begin) * sizeof *chars->item);
        n += s.end - s.begin;
        c->before.item[i] = (at_span){first, n};
    }
    chars->n_other = n;
    at_chars_end(chars);
    return AT_OK;
}

static int lacks_space(const at_pretokenizer *p, const at_chars *chars, at_span s) {
    (void)p;
    return chars->item[s.begin].cp != ' ';
}

/* Every byte of the words becomes its character of the byte-level alphabet. */
static at_status write_bytes(at_cutting *c, at_error *err) {
    at_chars *chars = c->chars;
    int64_t size = 0;
    int n = 0;
    for (int i = 0; i < chars->n; i++) size += chars->item[i].cp < 0x80 ? 1 : chars->item[i].cp < 0x800 ? 2 : 4;
    if (size > INT32_MAX / 4) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(at_chars_begin(chars, (int)size, err));
    for (int i = 0; i < c->words.n; i++) {
        int first = n;
        for (int k = c->words.item[i].begin; k < c->words.item[i].end; k++) {
            char bytes[4];
            int n_bytes = at_utf8_encode(chars->item[k].cp, bytes);
            for (int b = 0; b < n_bytes; b++)
                chars->other[n++] = (at_char){at_byte_to_char((unsigned char)bytes[b]), chars->item[k].start, chars->item[k].end};
        }
        c->words.item[i] = (at_span){first, n};
    }
    chars->n_other = n;
    at_chars_end(chars);
    return AT_OK;
}

at_status at_cut_bytelevel(const at_pretokenizer *p, at_cutting *c, at_error *err) {
    if (p->add_prefix_space) AT_TRY(prepend_words(c, ' ', lacks_space, p, err));
    AT_TRY(begin(c, err));
    if (p->use_regex) {
        AT_TRY(at_chars_write(c->chars, 0, err));
        walk w = {0, c->chars};
        for (int i = 0; i < c->before.n; i++) {
            size_t from = byte_of(&w, c->before.item[i].begin);
            scan_word(p, c, from, byte_of(&w, c->before.item[i].end));
        }
    } else {
        for (int i = 0; i < c->before.n; i++) add(&c->words, c->before.item[i].begin, c->before.item[i].end);
    }
    return write_bytes(c, err);
}

static int wants_meta(const at_pretokenizer *p, const at_chars *chars, at_span s) {
    at_char first = chars->item[s.begin];
    if (p->prepend == AT_PREPEND_NEVER || first.cp == p->delimiter) return 0;
    return p->prepend == AT_PREPEND_ALWAYS || first.start == 0;
}

at_status at_cut_metaspace(const at_pretokenizer *p, at_cutting *c, at_error *err) {
    for (int i = 0; i < c->chars->n; i++)
        if (c->chars->item[i].cp == ' ') c->chars->item[i].cp = p->delimiter;
    if (p->prepend != AT_PREPEND_NEVER) AT_TRY(prepend_words(c, p->delimiter, wants_meta, p, err));
    AT_TRY(begin(c, err));
    for (int i = 0; i < c->before.n; i++) {
        at_span s = c->before.item[i];
        if (p->split) split_delimiters(p, is_the_one, c->chars, s, &c->words);
        else add(&c->words, s.begin, s.end);
    }
    return AT_OK;
}
