#include "text/normalizer.h"

#include <string.h>

#include "text/spec.h"
#include "text/unicode.h"

static const char *const kinds[] = {"BertNormalizer", "NFC",   "NFD",     "NFKC",     "NFKD", "Lowercase",
                                    "StripAccents",   "Strip", "Replace", "Sequence", NULL};

static at_status read_bert(at_spec spec, const json_t *part, at_normalizer *n, at_error *err) {
    AT_TRY(at_spec_bool(spec, part, "clean_text", 1, &n->clean_text, err));
    AT_TRY(at_spec_bool(spec, part, "handle_chinese_chars", 1, &n->handle_chinese_chars, err));
    AT_TRY(at_spec_bool(spec, part, "lowercase", 1, &n->lowercase, err));
    return at_spec_bool(spec, part, "strip_accents", n->lowercase, &n->strip_accents, err);
}

static at_status read_replace(at_arena *arena, at_spec spec, const json_t *part, at_normalizer *n, at_error *err) {
    const char *pattern = json_string_value(json_object_get(json_object_get(part, "pattern"), "String")), *content;
    if (!pattern)
        return at_fail(err, AT_BAD_MODEL, "%s: the pattern of a Replace normalizer is no plain string", spec.path);
    if (!*pattern || strlen(pattern) > AT_TOKEN_BYTES)
        return at_fail(err, AT_BAD_MODEL, "%s: the pattern of a Replace normalizer is empty or too long", spec.path);
    AT_TRY(at_spec_string(spec, part, "content", NULL, &content, err));
    AT_TRY(at_spec_code_points(arena, pattern, &n->pattern, &n->n_pattern, err));
    return at_spec_code_points(arena, content, &n->content, &n->n_content, err);
}

static at_status read_part(at_arena *arena, at_spec spec, const json_t *part, at_normalizers *list, int depth,
                           at_error *err) {
    int kind = -1;
    AT_TRY(at_spec_kind(spec, part, kinds, &kind, err));
    if (kind == AT_NORMALIZER_SEQUENCE) {
        const json_t *children, *child;
        size_t i;
        if (depth >= AT_SPEC_DEPTH) return at_fail(err, AT_BAD_MODEL, "%s: the normalizer is nested too deep", spec.path);
        AT_TRY(at_spec_array(spec, part, "normalizers", &children, err));
        json_array_foreach((json_t *)children, i, child) AT_TRY(read_part(arena, spec, child, list, depth + 1, err));
        return AT_OK;
    }
    if (list->n == AT_SPEC_STEPS) return at_fail(err, AT_BAD_MODEL, "%s: too many normalizers", spec.path);
    at_normalizer *n = &list->item[list->n++];
    n->kind = (at_normalizer_kind)kind;
    if (kind == AT_NORMALIZER_BERT) return read_bert(spec, part, n, err);
    if (kind == AT_NORMALIZER_REPLACE) return read_replace(arena, spec, part, n, err);
    if (kind != AT_NORMALIZER_STRIP) return AT_OK;
    AT_TRY(at_spec_bool(spec, part, "strip_left", 1, &n->left, err));
    return at_spec_bool(spec, part, "strip_right", 1, &n->right, err);
}

at_status at_normalizers_read(at_arena *arena, const char *path, const json_t *part, at_normalizers *normalizers,
                              at_error *err) {
    *normalizers = (at_normalizers){0};
    if (!part || json_is_null(part)) return AT_OK;
    normalizers->item = AT_NEW_ARRAY(arena, at_normalizer, AT_SPEC_STEPS);
    if (!normalizers->item) return at_fail_memory(err, AT_SPEC_STEPS * sizeof *normalizers->item);
    return read_part(arena, (at_spec){path, "normalizer"}, part, normalizers, 0, err);
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

static at_status bert(const at_normalizer *n, at_chars *chars, at_error *err) {
    if (n->clean_text) clean(chars);
    if (n->handle_chinese_chars) AT_TRY(set_han_apart(chars, err));
    if (n->strip_accents) {
        AT_TRY(at_chars_normal_form(chars, 0, 0, err));
        at_chars_remove(chars, AT_CP_NONSPACING);
    }
    return n->lowercase ? at_chars_lowercase(chars, err) : AT_OK;
}

static int is_space(const at_chars *chars, int i) { return at_cp_flags(chars->item[i].cp) & AT_CP_SPACE; }

static void strip(const at_normalizer *n, at_chars *chars) {
    int begin = 0, end = chars->n;
    while (n->left && begin < end && is_space(chars, begin)) begin++;
    while (n->right && begin < end && is_space(chars, end - 1)) end--;
    memmove(chars->item, chars->item + begin, (size_t)(end - begin) * sizeof *chars->item);
    chars->n = end - begin;
}

static int matches(const at_chars *chars, int at, const at_normalizer *n) {
    if (chars->n - at < n->n_pattern) return 0;
    for (int i = 0; i < n->n_pattern; i++)
        if (chars->item[at + i].cp != n->pattern[i]) return 0;
    return 1;
}

/* What is put in stands for the last character of what it replaces, as in the library. */
static at_status replace(const at_normalizer *n, at_chars *chars, at_error *err) {
    int64_t found = 0;
    for (int i = 0; i < chars->n; i++)
        if (matches(chars, i, n)) found++, i += n->n_pattern - 1;
    if (!found) return AT_OK;
    int64_t size = chars->n + found * (n->n_content - n->n_pattern);
    if (size > INT32_MAX / 2) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(at_chars_begin(chars, (int)size, err));
    for (int i = 0; i < chars->n; i++) {
        if (!matches(chars, i, n)) {
            at_chars_emit(chars, chars->item[i].cp, 0);
            continue;
        }
        at_chars_skip(chars, n->n_pattern);
        for (int k = 0; k < n->n_content; k++) at_chars_emit(chars, n->content[k], 1);
        i += n->n_pattern - 1;
    }
    at_chars_end(chars);
    return AT_OK;
}

static at_status apply(const at_normalizer *n, at_chars *chars, at_error *err) {
    switch (n->kind) {
    case AT_NORMALIZER_BERT: return bert(n, chars, err);
    case AT_NORMALIZER_NFC: return at_chars_normal_form(chars, 0, 1, err);
    case AT_NORMALIZER_NFD: return at_chars_normal_form(chars, 0, 0, err);
    case AT_NORMALIZER_NFKC: return at_chars_normal_form(chars, 1, 1, err);
    case AT_NORMALIZER_NFKD: return at_chars_normal_form(chars, 1, 0, err);
    case AT_NORMALIZER_LOWERCASE: return at_chars_lowercase(chars, err);
    case AT_NORMALIZER_STRIP_ACCENTS: at_chars_remove(chars, AT_CP_MARK); return AT_OK;
    case AT_NORMALIZER_STRIP: strip(n, chars); return AT_OK;
    case AT_NORMALIZER_REPLACE: return replace(n, chars, err);
    case AT_NORMALIZER_SEQUENCE: break; /* read flat */
    }
    return AT_OK;
}

at_status at_normalize(const at_normalizers *normalizers, at_chars *chars, at_error *err) {
    for (int i = 0; i < normalizers->n && chars->n; i++) AT_TRY(apply(&normalizers->item[i], chars, err));
    return AT_OK;
}
