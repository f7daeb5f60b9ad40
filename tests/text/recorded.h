/* What the tokenizer tests share: a tokenizer from recorded parts, and answers as lines or hashes. Include after check.h. */
#ifndef AT_TESTS_RECORDED_H
#define AT_TESTS_RECORDED_H

#include <jansson.h>

#include "base/file.h"
#include "base/str.h"
#include "text/tokenizer.h"

/* The answer of one encoding, "id,start,end,word,type,special" a token with a space between, and what made it. */
typedef struct recorded_line {
    char *text;
    size_t len, cap;
    at_encoding encoding;
} recorded_line;

static inline void recorded_line_free(recorded_line *line) {
    free(line->text);
    at_encoding_free(&line->encoding);
}

static inline json_t *recorded_load(const char *path) {
    json_error_t where;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &where);
    if (root) return root;
    printf("%s:%d: %s\n", path, where.line, where.text);
    exit(1);
}

static inline const char *recorded_name(const json_t *one) { return json_string_value(json_object_get(one, "name")); }

static inline at_tokenizer *recorded_open_folder(const char *folder) {
    at_tokenizer *tokenizer = NULL;
    at_error err;
    check_ok(at_tokenizer_open(folder, &tokenizer, &err), &err);
    return tokenizer;
}

/* A folder with one file of the given text; opened and removed again. */
static inline at_tokenizer *recorded_open_file(const char *name, const char *text, size_t len, const char *config) {
    char folder[64], path[160];
    at_error err;
    snprintf(folder, sizeof folder, "/tmp/attune-vectors-%d", (int)getpid());
    check_ok(at_folder_make(folder, &err), &err);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_ok(at_file_write(path, text, len, &err), &err);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    if (config) check_ok(at_file_write(path, config, strlen(config), &err), &err);
    at_tokenizer *tokenizer = recorded_open_folder(folder);
    check_ok(at_folder_remove(folder, &err), &err);
    return tokenizer;
}

/* tokenizer.json made of the parts and a vocabulary, a list of tokens. */
static inline at_tokenizer *recorded_open(const json_t *vocab, json_t *parts) {
    json_t *object = json_object(), *token;
    size_t i;
    json_array_foreach((json_t *)vocab, i, token)
        json_object_set_new(object, json_string_value(token), json_integer((json_int_t)i));
    json_object_set_new(json_object_get(parts, "model"), "vocab", object);
    char *text = json_dumps(parts, 0);
    at_tokenizer *tokenizer = recorded_open_file("tokenizer.json", text, strlen(text), NULL);
    free(text);
    return tokenizer;
}

static inline void recorded_encode(const at_tokenizer *t, const json_t *text, const json_t *second, int limit,
                                   recorded_line *line) {
    at_encoding *e = &line->encoding;
    at_error err;
    check_ok(at_encode(t, json_string_value(text), json_string_length(text), json_string_value(second),
                       json_string_length(second), &(at_encode_options){.max_tokens = limit}, e, &err),
             &err);
    line->len = 0;
    if (line->cap < (size_t)e->n * 64 + 1) line->text = realloc(line->text, line->cap = (size_t)e->n * 64 + 1);
    line->text[0] = '\0';
    for (int i = 0; i < e->n; i++)
        line->len += (size_t)sprintf(line->text + line->len, "%s%d,%d,%d,%d,%d,%d", i ? " " : "", e->ids[i], e->start[i],
                                     e->end[i], e->word[i], e->types[i], e->special[i]);
}

/* The upper half of the 64-bit FNV-1a as 8 hexadecimal digits and a NUL. */
static inline void recorded_hash(const char *text, size_t len, char digits[9]) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    snprintf(digits, 9, "%08x", (unsigned)(hash >> 32));
}

static inline int recorded_hash_is(const recorded_line *line, const char *digits) {
    char text[9];
    recorded_hash(line->text, line->len, text);
    return !strncmp(text, digits, 8);
}

/* The text of the ids, at once and as they come; `steps` must equal it. In the arena. */
static inline char *recorded_text(const at_tokenizer *t, at_arena *arena, const json_t *ids, int skip_special) {
    at_decode_stream stream = {.skip_special = skip_special};
    at_str steps = {.arena = arena};
    at_error err;
    char *text;
    const char *some;
    size_t n = json_array_size(ids), len, whole;
    int32_t *list = AT_NEW_ARRAY(arena, int32_t, n);
    for (size_t i = 0; i < n; i++) list[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    check_ok(at_decode_bytes(t, arena, list, (int)n, skip_special, &text, &whole, &err), &err);
    for (size_t i = 0; i <= n; i++) {
        at_status st = i < n ? at_decode_step(t, &stream, list[i], &some, &len, &err) : at_decode_end(t, &stream, &some, &len, &err);
        check_ok(st, &err);
        at_str_add_bytes(&steps, some, len);
    }
    assert_int_equal(steps.len, whole);
    assert_memory_equal(steps.text, text, whole);
    at_decode_stream_free(&stream);
    return text;
}

static inline void recorded_decode(const at_tokenizer *t, const json_t *ids, int skip_special, const json_t *want) {
    at_arena arena = {0};
    assert_string_equal(recorded_text(t, &arena, ids, skip_special), json_string_value(want));
    at_arena_free(&arena);
}

#endif
