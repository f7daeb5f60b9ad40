/* tokenizer.json and encoding. The input is a tokenizer.json, a NUL, a text and, after another NUL, perhaps a second
 * text. Where the file is refused, the texts go through a small BERT tokenizer. What comes out must make sense. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "text/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char small[] =
    "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"e\":3,\"##e\":4,\",\":5,\"[CLS]\":6}},"
    "\"added_tokens\":[{\"id\":6,\"content\":\"[CLS]\",\"special\":true},{\"id\":7,\"content\":\"<x>\",\"lstrip\":true}],"
    "\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",6],\"sep\":[\"[CLS]\",6]},"
    "\"decoder\":{\"type\":\"WordPiece\"}}";

static int count(const char *text, size_t len) {
    int n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

#define MUST(what)                                     \
    do {                                               \
        if (!(what)) {                                 \
            fprintf(stderr, "not so: %s\n", #what);    \
            abort();                                   \
        }                                              \
    } while (0)

static void check(const at_tokenizer *t, const at_encoding *e, int longest, int limit) {
    MUST(!limit || e->n <= limit);
    for (int i = 0; i < e->n; i++) {
        MUST(e->ids[i] >= 0 && e->ids[i] < at_tokenizer_size(t) && at_tokenizer_token(t, e->ids[i]));
        MUST(0 <= e->start[i] && e->start[i] <= e->end[i] && e->end[i] <= longest);
        MUST(e->special[i] ? e->word[i] == -1 && e->end[i] == 0 : e->word[i] >= 0);
    }
}

static void encode(const at_tokenizer *t, const char *text, size_t len, const char *second, size_t second_len) {
    at_encoding e = {0};
    at_arena arena = {0};
    char *decoded;
    int a = count(text, len), b = count(second ? second : "", second_len), valid = at_utf8_check(text, len) == len;
    if (second) valid &= at_utf8_check(second, second_len) == second_len;
    for (int limit = 0; limit <= 8; limit += 4) {
        at_error err = {AT_OK, ""};
        at_status st = at_encode(t, text, len, second, second_len, &(at_encode_options){.max_tokens = limit}, &e, &err);
        /* Valid text may be refused too: an expression takes too long, an unknown token lacks. */
        MUST(st == AT_OK || st == AT_USAGE || (st == AT_BAD_DATA && (!valid || strstr(err.text, "tokenizer"))));
        if (st) continue;
        check(t, &e, a > b ? a : b, limit);
        st = at_decode(t, &arena, e.ids, e.n, limit != 0, &decoded, &err);
        MUST(st == AT_OK || (st == AT_BAD_DATA && err.text[0]));
        if (limit) continue;
        at_decode_stream stream = {0};
        const char *part;
        size_t part_len;
        for (int i = 0; i < e.n && !st; i++) st = at_decode_step(t, &stream, e.ids[i], &part, &part_len, &err);
        if (!st) MUST(!at_decode_end(t, &stream, &part, &part_len, &err));
        at_decode_stream_free(&stream);
    }
    at_encoding_free(&e);
    at_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *input = (const char *)data, *end = input + size;
    const char *json_end = size ? memchr(input, 0, size) : NULL;
    const char *text = json_end ? json_end + 1 : input, *text_end = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
    const char *second = text_end ? text_end + 1 : NULL;
    at_tokenizer *t = NULL;
    at_error err;
    at_status st = at_tokenizer_open_text("input", input, (size_t)((json_end ? json_end : end) - input), &t, &err);
    MUST(st == AT_OK || (st == AT_BAD_MODEL && err.text[0]));
    if (st) MUST(!at_tokenizer_open_text("small", small, sizeof small - 1, &t, &err));
    encode(t, text, (size_t)((text_end ? text_end : end) - text), second, second ? (size_t)(end - second) : 0);
    at_tokenizer_close(t);
    return 0;
}
