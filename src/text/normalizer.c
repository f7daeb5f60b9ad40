#include "text/normalizer.h"

#include <string.h>

#include "text/bytelevel.h"
#include "text/spec.h"
#include "text/unicode.h"

static at_spec spec_of(const at_build *build) { return (at_spec){build->path, "normalizer"}; }

static at_status read_bert(at_build *build, const json_t *part, at_normalizer *n, at_error *err) {
    at_spec spec = spec_of(build);
    AT_TRY(at_spec_bool(spec, part, "clean_text", 1, &n->clean_text, err));
    AT_TRY(at_spec_bool(spec, part, "handle_chinese_chars", 1, &n->handle_chinese_chars, err));
    AT_TRY(at_spec_bool(spec, part, "lowercase", 1, &n->lowercase, err));
    return at_spec_bool(spec, part, "strip_accents", n->lowercase, &n->strip_accents, err);
}

static at_status read_strip(at_build *build, const json_t *part, at_normalizer *n, at_error *err) {
    AT_TRY(at_spec_bool(spec_of(build), part, "strip_left", 1, &n->left, err));
    return at_spec_bool(spec_of(build), part, "strip_right", 1, &n->right, err);
}

static at_status read_replace(at_build *build, const json_t *part, at_normalizer *n, at_error *err) {
    const char *content;
    AT_TRY(at_build_pattern(build, "the normalizer Replace", part, "pattern", &n->pattern, err));
    AT_TRY(at_spec_string(spec_of(build), part, "content", NULL, &content, err));
    return at_spec_code_points(build->arena, content, &n->content, &n->n_content, err);
}

static at_status read_prepend(at_build *build, const json_t *part, at_normalizer *n, at_error *err) {
    const char *content;
    AT_TRY(at_spec_string(spec_of(build), part, "prepend", NULL, &content, err));
    return at_spec_code_points(build->arena, content, &n->content, &n->n_content, err);
}

static at_status read_precompiled(at_build *build, const json_t *part, at_normalizer *n, at_error *err) {
    const json_t *map = json_object_get(part, "precompiled_charsmap");
    if (!map || json_is_null(map)) return AT_OK; /* an empty map changes nothing */
    if (!json_is_string(map)) return at_fail(err, AT_BAD_MODEL, "%s: \"precompiled_charsmap\" is not a string", build->path);
    return at_charsmap_read_base64(build->arena, json_string_value(map), json_string_length(map), &n->map, err)
               ? at_fail_prefix(err, "%s: the normalizer Precompiled", build->path)
               : AT_OK;
}

static void clean(at_chars *chars) {
    int n = 0;
    for (int i = 0; i < chars->n; i++) {
        int flags = at_cp_flags(chars->item[i].cp);
        if (flags & AT_CP_DROP) continue;
        chars->item[n] = chars->item[i];
        if (flags & AT_CP_SPACE) chars->item[n].cp = ' ';
        n++;
    }
    chars->n = n;
}

static at_status set_han_apart(at_chars *chars, at_error *err) {
    int n_han = 0;
    for (int i = 0; i < chars->n; i++)
        n_han += chars->item[i].cp >= 0x3400 && at_cp_flags(chars->item[i].cp) & AT_CP_HAN ? 1 : 0;
    if (!n_han) return AT_OK;
    AT_TRY(at_chars_begin(chars, chars->n + 2 * n_han, err));
    for (int i = 0; i < chars->n; i++) {
        uint32_t cp = chars->item[i].cp;
        if (cp >= 0x3400 && at_cp_flags(cp) & AT_CP_HAN) {
            at_chars_emit(chars, ' ', 0);
            at_chars_emit(chars, cp, 1);
            at_chars_emit(chars, ' ', 1);
        } else at_chars_emit(chars, cp, 0);
    }
    at_chars_end(chars);
    return AT_OK;
}

static at_status apply_bert(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)matcher;
    if (n->clean_text) clean(chars);
    if (n->handle_chinese_chars) AT_TRY(set_han_apart(chars, err));
    if (n->strip_accents) {
        AT_TRY(at_chars_normal_form(chars, 0, 0, err));
        at_chars_remove(chars, AT_CP_NONSPACING);
    }
    return n->lowercase ? at_chars_lowercase(chars, err) : AT_OK;
}

static int is_space(const at_chars *chars, int i) { return at_cp_flags(chars->item[i].cp) & AT_CP_SPACE; }

static at_status apply_strip(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)matcher;
    (void)err;
    int begin = 0, end = chars->n;
    while (n->left && begin < end && is_space(chars, begin)) begin++;
    while (n->right && begin < end && is_space(chars, end - 1)) end--;
    memmove(chars->item, chars->item + begin, (size_t)(end - begin) * sizeof *chars->item);
    chars->n = end - begin;
    return AT_OK;
}

static at_status apply_nfc(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)n;
    (void)matcher;
    return at_chars_normal_form(chars, 0, 1, err);
}

static at_status apply_nfd(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)n;
    (void)matcher;
    return at_chars_normal_form(chars, 0, 0, err);
}

static at_status apply_nfkc(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)n;
    (void)matcher;
    return at_chars_normal_form(chars, 1, 1, err);
}

static at_status apply_nfkd(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)n;
    (void)matcher;
    return at_chars_normal_form(chars, 1, 0, err);
}

static at_status apply_lowercase(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)n;
    (void)matcher;
    return at_chars_lowercase(chars, err);
}

static at_status apply_strip_accents(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)n;
    (void)matcher;
    (void)err;
    at_chars_remove(chars, AT_CP_MARK);
    return AT_OK;
}

/* What is put in stands for the last character of what it replaces, as in the library; where nothing is replaced, for the one before. */
static at_status apply_replace(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    at_search search = {.ended = -1};
    size_t begin, end;
    int found;
    AT_TRY(at_chars_write(chars, at_pattern_is_regex(n->pattern), err));
    AT_TRY(at_pattern_next(n->pattern, matcher, chars->utf8, chars->utf8_len, &search, &found, &begin, &end, err));
    if (!found) return AT_OK;
    AT_TRY(at_chars_begin(chars, chars->n, err));
    while (found) {
        int from = chars->char_of[begin], to = chars->char_of[end];
        int64_t size = (int64_t)chars->n_other + (from - chars->read) + n->n_content + (chars->n - to);
        if (size > INT32_MAX / 2) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
        if (size > chars->most) return at_chars_fail_long(err);
        AT_TRY(at_chars_more(chars, (int)size, err));
        while (chars->read < from) at_chars_emit(chars, chars->item[chars->read].cp, 0);
        at_chars_skip(chars, to - from);
        for (int k = 0; k < n->n_content; k++) at_chars_emit(chars, n->content[k], 1);
        AT_TRY(at_pattern_next(n->pattern, matcher, chars->utf8, chars->utf8_len, &search, &found, &begin, &end, err));
    }
    while (chars->read < chars->n) at_chars_emit(chars, chars->item[chars->read].cp, 0);
    at_chars_end(chars);
    return AT_OK;
}

static at_status apply_prepend(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)matcher;
    return at_chars_prepend(chars, n->content, n->n_content, err);
}

static at_status apply_precompiled(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)matcher;
    return n->map.n_units ? at_charsmap_apply(&n->map, chars, err) : AT_OK;
}

static at_status apply_bytelevel(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)n;
    (void)matcher;
    if (chars->n > INT32_MAX / 8) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(at_chars_begin(chars, 4 * chars->n, err));
    for (int i = 0; i < chars->n; i++) {
        char bytes[4];
        int size = at_utf8_encode(chars->item[i].cp, bytes);
        for (int b = 0; b < size; b++) at_chars_emit(chars, at_byte_to_char((unsigned char)bytes[b]), b > 0);
    }
    at_chars_end(chars);
    return AT_OK;
}

/* What SentencePiece's NMT rules drop and take for a space. */
static int is_nmt_dropped(uint32_t c) {
    return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
}

static int is_nmt_space(uint32_t c) {
    return c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 ||
           c == 0x2581 || c == 0xfeff || c == 0xfffd;
}

static at_status apply_nmt(const at_normalizer *n, at_chars *chars, at_matcher *matcher, at_error *err) {
    (void)n;
    (void)matcher;
    (void)err;
    int kept = 0;
    for (int i = 0; i < chars->n; i++) {
        at_char c = chars->item[i];
        if (is_nmt_dropped(c.cp)) continue;
        if (is_nmt_space(c.cp)) c.cp = ' ';
        chars->item[kept++] = c;
    }
    chars->n = kept;
    return AT_OK;
}

static const at_normalizer_type TYPES[] = {
    {"BertNormalizer", read_bert, apply_bert},
    {"NFC", NULL, apply_nfc},
    {"NFD", NULL, apply_nfd},
    {"NFKC", NULL, apply_nfkc},
    {"NFKD", NULL, apply_nfkd},
    {"Lowercase", NULL, apply_lowercase},
    {"StripAccents", NULL, apply_strip_accents},
    {"Strip", read_strip, apply_strip},
    {"Replace", read_replace, apply_replace},
    {"Prepend", read_prepend, apply_prepend},
    {"Precompiled", read_precompiled, apply_precompiled},
    {"ByteLevel", NULL, apply_bytelevel},
    {"Nmt", NULL, apply_nmt},
};
enum { TYPE_BERT, TYPE_NFC, N_TYPES = sizeof TYPES / sizeof *TYPES };

static const char *type_name(int i) { return i < N_TYPES ? TYPES[i].name : NULL; }

typedef struct adding {
    at_build *build;
    at_normalizers *list;
} adding;

static at_status add_step(void *context, const json_t *part, int kind, at_error *err) {
    const adding *to = context;
    at_normalizer *step = &to->list->item[to->list->n++];
    step->type = &TYPES[kind];
    return step->type->read ? step->type->read(to->build, part, step, err) : AT_OK;
}

at_status at_normalizers_read(at_build *build, const json_t *part, at_normalizers *normalizers, at_error *err) {
    *normalizers = (at_normalizers){0};
    if (!part || json_is_null(part)) return AT_OK;
    normalizers->item = AT_NEW_ARRAY(build->arena, at_normalizer, AT_SPEC_STEPS);
    if (!normalizers->item) return at_fail_memory(err, AT_SPEC_STEPS * sizeof *normalizers->item);
    const at_spec_steps steps = {spec_of(build), "normalizers", "normalizers", type_name, add_step, &(adding){build, normalizers}};
    return at_spec_steps_read(&steps, part, err);
}

static at_status set_one(at_arena *arena, const at_normalizer *settings, const at_normalizer_type *type, at_normalizers *normalizers,
                         at_error *err) {
    *normalizers = (at_normalizers){AT_NEW(arena, at_normalizer), 1};
    if (!normalizers->item) return at_fail_memory(err, sizeof *normalizers->item);
    normalizers->item[0] = *settings;
    normalizers->item[0].type = type;
    return AT_OK;
}

at_status at_normalizers_bert(at_arena *arena, const at_normalizer *settings, at_normalizers *normalizers, at_error *err) {
    return set_one(arena, settings, &TYPES[TYPE_BERT], normalizers, err);
}

at_status at_normalizers_sentencepiece(at_arena *arena, const at_charsmap *map, at_spm_rules rules, const at_trie *kept,
                                       at_normalizers *normalizers, at_error *err) {
    static const at_normalizer_type type = {"SentencePiece", NULL, at_normalize_sentencepiece};
    at_normalizer settings = {.map = *map, .rules = rules, .kept = kept};
    return set_one(arena, &settings, &type, normalizers, err);
}

int at_normalizer_is_bert(const at_normalizer *n) { return n->type == &TYPES[TYPE_BERT]; }

int at_normalizers_keep_latin(const at_normalizers *normalizers) {
    for (int i = 0; i < normalizers->n; i++)
        if (normalizers->item[i].type != &TYPES[TYPE_NFC]) return 0;
    return 1;
}

/* A step may make more of a text, and the next more of that: without an end a small file would fill any memory. No Unicode form makes more than 18
 * characters of one, and bytes as characters at most 4; the constant is for what is put before a short text. */
static int64_t most_of(int n) { return 100 * (int64_t)n + 4 * AT_TOKEN_BYTES; }

at_status at_normalize(const at_normalizers *normalizers, at_chars *chars, at_matcher *matcher, at_error *err) {
    at_status st = AT_OK;
    chars->most = most_of(chars->n);
    for (int i = 0; i < normalizers->n && chars->n && !st; i++) {
        const at_normalizer *n = &normalizers->item[i];
        st = n->type->apply(n, chars, matcher, err);
        if (!st && chars->n > chars->most) st = at_chars_fail_long(err);
    }
    chars->most = 0;
    return st;
}
