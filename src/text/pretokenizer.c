#include "text/pretokenizer.h"

#include <stdlib.h>

#include "base/str.h"
#include "text/spec.h"
#include "text/unicode.h"

static const char *const kinds[] = {"BertPreTokenizer", "Whitespace",         "WhitespaceSplit",
                                    "Punctuation",      "CharDelimiterSplit", "Sequence",
                                    NULL};
static const char *const behaviors[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous", NULL};

void at_spans_free(at_spans *spans) {
    free(spans->item);
    *spans = (at_spans){0};
}

static at_status read_fields(at_arena *arena, at_spec spec, const json_t *part, at_pretokenizer *p, at_error *err) {
    if (p->kind == AT_PRETOKENIZER_PUNCTUATION) {
        const char *behavior;
        AT_TRY(at_spec_string(spec, part, "behavior", "Isolated", &behavior, err));
        int index = at_word_index(behavior, behaviors);
        if (index < 0)
            return at_fail(err, AT_BAD_MODEL, "%s: the behavior '%.80s' of Punctuation is not known", spec.path, behavior);
        p->behavior = (at_split_behavior)index;
    } else if (p->kind == AT_PRETOKENIZER_CHAR_DELIMITER) {
        const char *delimiter;
        uint32_t *cps;
        int n;
        AT_TRY(at_spec_string(spec, part, "delimiter", NULL, &delimiter, err));
        AT_TRY(at_spec_code_points(arena, delimiter, &cps, &n, err));
        if (n != 1) return at_fail(err, AT_BAD_MODEL, "%s: the delimiter is not one character", spec.path);
        p->delimiter = cps[0];
    }
    return AT_OK;
}

static at_status read_part(at_arena *arena, at_spec spec, const json_t *part, at_pretokenizers *list, int depth,
                           at_error *err) {
    int kind = -1;
    AT_TRY(at_spec_kind(spec, part, kinds, &kind, err));
    if (kind == AT_PRETOKENIZER_SEQUENCE) {
        const json_t *children, *child;
        size_t i;
        if (depth >= AT_SPEC_DEPTH)
            return at_fail(err, AT_BAD_MODEL, "%s: the pre-tokenizer is nested too deep", spec.path);
        AT_TRY(at_spec_array(spec, part, "pretokenizers", &children, err));
        json_array_foreach((json_t *)children, i, child) AT_TRY(read_part(arena, spec, child, list, depth + 1, err));
        return AT_OK;
    }
    if (list->n == AT_SPEC_STEPS) return at_fail(err, AT_BAD_MODEL, "%s: too many pre-tokenizers", spec.path);
    at_pretokenizer *p = &list->item[list->n++];
    p->kind = (at_pretokenizer_kind)kind;
    return read_fields(arena, spec, part, p, err);
}

at_status at_pretokenizers_read(at_arena *arena, const char *path, const json_t *part, at_pretokenizers *pretokenizers,
                                at_error *err) {
    *pretokenizers = (at_pretokenizers){0};
    if (!part || json_is_null(part)) return AT_OK;
    pretokenizers->item = AT_NEW_ARRAY(arena, at_pretokenizer, AT_SPEC_STEPS);
    if (!pretokenizers->item) return at_fail_memory(err, AT_SPEC_STEPS * sizeof *pretokenizers->item);
    return read_part(arena, (at_spec){path, "pre-tokenizer"}, part, pretokenizers, 0, err);
}

/* There is room for one span a code point; see at_pretokenize. */
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

static int is_delimiter(const at_pretokenizer *p, uint32_t cp) {
    if (p->kind == AT_PRETOKENIZER_CHAR_DELIMITER) return cp == p->delimiter;
    return at_cp_flags(cp) & (p->kind == AT_PRETOKENIZER_PUNCTUATION ? AT_CP_PUNCT : AT_CP_SPACE) ? 1 : 0;
}

/* Isolated and Contiguous and the merges, each delimiter being a match of its own. */
static void split_delimiters(const at_pretokenizer *p, const at_chars *chars, at_span s, at_spans *out) {
    int begin = s.begin, previous = 0;
    for (int i = s.begin; i < s.end; i++) {
        int match = is_delimiter(p, chars->item[i].cp), cut = 0;
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

static void split(const at_pretokenizer *p, const at_chars *chars, at_span s, at_spans *out) {
    if (p->kind == AT_PRETOKENIZER_BERT) split_bert(chars, s, out);
    else if (p->kind == AT_PRETOKENIZER_WHITESPACE) split_whitespace(chars, s, out);
    else split_delimiters(p, chars, s, out);
}

static at_status reserve(at_spans *spans, int n, at_error *err) {
    if (n <= spans->cap) return AT_OK;
    at_span *item = realloc(spans->item, (size_t)n * sizeof *item);
    if (!item) return at_fail_memory(err, (size_t)n * sizeof *item);
    spans->item = item;
    spans->cap = n;
    return AT_OK;
}

at_status at_pretokenize(const at_pretokenizers *pretokenizers, const at_chars *chars, at_span whole, at_spans *words,
                         at_spans *scratch, at_error *err) {
    AT_TRY(reserve(words, chars->n + 1, err));
    AT_TRY(reserve(scratch, chars->n + 1, err));
    words->n = 0;
    add(words, whole.begin, whole.end);
    for (int i = 0; i < pretokenizers->n; i++) {
        at_spans from = *words;
        *words = *scratch;
        *scratch = from;
        words->n = 0;
        for (int k = 0; k < from.n; k++) split(&pretokenizers->item[i], chars, from.item[k], words);
    }
    return AT_OK;
}
