/* Encodes what it is told, for the live comparison with the `tokenizers` library (tests/oracle/live_tokenizer.py).
 *
 *     tokenizer_driver FOLDER < requests > answers
 *
 * A request is one line of JSON, [text, second or null, max_tokens, no_special]; the answer is one line with
 * "id,start,end,word,type,special" for every token, a space between them, or "error: ...". {"decode": [ids], "skip": 0 or 1} is
 * answered with a JSON list, the decoded text and what a stream gives of it. A request that is a string opens that folder from there on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/tokenizer.h"

static void answer(const at_tokenizer *tokenizer, const json_t *request, at_encoding *e) {
    const json_t *text = json_array_get(request, 0), *second = json_array_get(request, 1);
    at_encode_options options = {.max_tokens = (int)json_integer_value(json_array_get(request, 2)),
                                 .no_special = (int)json_integer_value(json_array_get(request, 3))};
    at_error err;
    if (at_encode(tokenizer, json_string_value(text), json_string_length(text), json_string_value(second),
                  json_string_length(second), &options, e, &err)) {
        printf("error: %s\n", err.text);
        return;
    }
    for (int i = 0; i < e->n; i++)
        printf("%s%d,%d,%d,%d,%d,%d", i ? " " : "", e->ids[i], e->start[i], e->end[i], e->word[i], e->types[i],
               e->special[i]);
    putchar('\n');
}

static void stream(const at_tokenizer *t, const int32_t *ids, int n, int skip, json_t *list) {
    at_decode_stream s = {.skip_special = skip};
    at_error err;
    const char *text;
    size_t len;
    for (int i = 0; i <= n; i++) {
        at_status st = i < n ? at_decode_step(t, &s, ids[i], &text, &len, &err) : at_decode_end(t, &s, &text, &len, &err);
        if (st) json_array_append_new(list, json_string(err.text));
        else json_array_append_new(list, json_stringn(text, len));
    }
    at_decode_stream_free(&s);
}

static void decode(const at_tokenizer *t, const json_t *request) {
    const json_t *list = json_object_get(request, "decode");
    int n = (int)json_array_size(list), skip = (int)json_integer_value(json_object_get(request, "skip"));
    at_arena arena = {0};
    at_error err;
    int32_t *ids = AT_NEW_ARRAY(&arena, int32_t, n);
    char *text;
    size_t len;
    json_t *out = json_array(), *steps = json_array();
    for (int i = 0; ids && i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, (size_t)i));
    if (!ids || at_decode_bytes(t, &arena, ids, n, skip, &text, &len, &err)) printf("error: %s\n", err.text);
    else {
        json_array_append_new(out, json_stringn(text, len));
        stream(t, ids, n, skip, steps);
        json_array_append(out, steps);
        json_dumpf(out, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
        putchar('\n');
    }
    json_decref(out);
    json_decref(steps);
    at_arena_free(&arena);
}

static void reopen(at_tokenizer **tokenizer, const char *folder) {
    at_error err;
    at_tokenizer_close(*tokenizer);
    if (!at_tokenizer_open(folder, tokenizer, &err)) return;
    fprintf(stderr, "error: %s\n", err.text);
    exit((int)err.code);
}

int main(int argc, char **argv) {
    at_tokenizer *tokenizer = NULL;
    at_encoding encoding = {0};
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    if (argc != 2) {
        fprintf(stderr, "usage: tokenizer_driver FOLDER\n");
        return 2;
    }
    reopen(&tokenizer, argv[1]);
    while ((len = getline(&line, &cap, stdin)) > 0) {
        json_error_t where;
        json_t *request = json_loadb(line, (size_t)len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
        if (json_is_string(request)) reopen(&tokenizer, json_string_value(request));
        else if (json_is_object(request)) decode(tokenizer, request);
        else if (json_is_string(json_array_get(request, 0))) answer(tokenizer, request, &encoding);
        else printf("error: no request\n");
        json_decref(request);
    }
    at_encoding_free(&encoding);
    at_tokenizer_close(tokenizer);
    free(line);
    return 0;
}
