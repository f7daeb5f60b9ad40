#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_LIMIT 2000000
#define DEPTH_LIMIT 200000
#define HEAP_LIMIT_KIB (64 * 1024)

struct at_pattern {
    pcre2_code *code; /* NULL: plain */
    const char *plain;
    size_t plain_len;
    at_pattern *next;
};

static void *arena_malloc(size_t size, void *arena) { return at_alloc_raw(arena, size, 1); }
static void arena_free(void *block, void *arena) {
    (void)block;
    (void)arena;
}

void at_patterns_free(at_patterns *patterns) {
    for (at_pattern *p = patterns->first; p; p = p->next)
        if (p->code) pcre2_code_free(p->code);
    patterns->first = NULL;
}

void at_matcher_free(at_matcher *matcher) {
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    *matcher = (at_matcher){0};
}

static at_status compile(at_arena *arena, const char *text, pcre2_code **code, at_error *err) {
    at_str rewritten = {.arena = arena};
    AT_TRY(at_regex_translate(text, &rewritten, err));
    if (rewritten.failed) return at_fail_memory(err, strlen(text));
    pcre2_general_context *general = pcre2_general_context_create(arena_malloc, arena_free, arena);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    if (!context) return at_fail_memory(err, 1024);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 64);
    int number;
    PCRE2_SIZE at;
    *code = pcre2_compile((PCRE2_SPTR)rewritten.text, rewritten.len, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                          &number, &at, context);
    if (!*code) {
        PCRE2_UCHAR words[128] = "";
        pcre2_get_error_message(number, words, sizeof words);
        return at_fail(err, AT_BAD_MODEL, "the regular expression '%.160s' is not understood: %s", text, (const char *)words);
    }
    pcre2_jit_compile(*code, PCRE2_JIT_COMPLETE); /* where it fails, the expression is interpreted */
    return AT_OK;
}

at_status at_pattern_compile(at_arena *arena, at_patterns *patterns, const char *text, int is_regex, at_pattern **pattern,
                             at_error *err) {
    at_pattern *p = AT_NEW(arena, at_pattern);
    if (!p) return at_fail_memory(err, sizeof *p);
    if (is_regex) AT_TRY(compile(arena, text, &p->code, err));
    else {
        p->plain = at_strdup(arena, text);
        p->plain_len = strlen(text);
        if (!p->plain) return at_fail_memory(err, p->plain_len);
    }
    p->next = patterns->first;
    patterns->first = p;
    *pattern = p;
    return AT_OK;
}

int at_pattern_is_regex(const at_pattern *pattern) { return pattern->code != NULL; }

static at_status prepare(at_matcher *matcher, at_error *err) {
    if (matcher->data && matcher->context) return AT_OK;
    if (!matcher->data) matcher->data = pcre2_match_data_create(1, NULL);
    if (!matcher->context) matcher->context = pcre2_match_context_create(NULL);
    if (!matcher->data || !matcher->context) return at_fail_memory(err, 1024);
    pcre2_set_match_limit(matcher->context, MATCH_LIMIT);
    pcre2_set_depth_limit(matcher->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(matcher->context, HEAP_LIMIT_KIB);
    return AT_OK;
}

static at_status next_regex(const at_pattern *p, at_matcher *matcher, const char *text, size_t len, size_t from, int *found,
                            size_t *begin, size_t *end, at_error *err) {
    AT_TRY(prepare(matcher, err));
    int rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, from, PCRE2_NO_UTF_CHECK, matcher->data, matcher->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, matcher->data, matcher->context);
    *found = rc >= 0;
    if (rc >= 0) {
        const PCRE2_SIZE *pair = pcre2_get_ovector_pointer(matcher->data);
        *begin = pair[0] < pair[1] ? pair[0] : pair[1]; /* \K in a lookahead may turn them round */
        *end = pair[1];
        return AT_OK;
    }
    if (rc == PCRE2_ERROR_NOMATCH) return AT_OK;
    if (rc == PCRE2_ERROR_NOMEMORY) return at_fail_memory(err, len);
    return at_fail(err, AT_BAD_DATA, "a regular expression of the tokenizer takes too long on this text");
}

static void next_plain(const at_pattern *p, const char *text, size_t len, size_t from, int *found, size_t *begin, size_t *end) {
    for (const char *at = text + from; (size_t)(text + len - at) >= p->plain_len; at++) {
        at = memchr(at, p->plain[0], (size_t)(text + len - at) - p->plain_len + 1);
        if (!at) break;
        if (memcmp(at, p->plain, p->plain_len)) continue;
        *begin = (size_t)(at - text);
        *end = *begin + p->plain_len;
        *found = 1;
        return;
    }
    *found = 0;
}

at_status at_pattern_next(const at_pattern *pattern, at_matcher *matcher, const char *text, size_t len, at_search *search, int *found,
                          size_t *begin, size_t *end, at_error *err) {
    for (;;) {
        *found = 0;
        if (search->from > len) return AT_OK;
        if (!pattern->code) next_plain(pattern, text, len, search->from, found, begin, end);
        else AT_TRY(next_regex(pattern, matcher, text, len, search->from, found, begin, end, err));
        if (!*found) return AT_OK;
        if (*begin != *end || (int64_t)*end != search->ended) break;
        uint32_t cp;
        int size = search->from < len ? at_utf8_decode((const unsigned char *)text + search->from, len - search->from, &cp) : 1;
        search->from += size ? (size_t)size : 1;
    }
    search->from = *end;
    search->ended = (int64_t)*end;
    return AT_OK;
}
