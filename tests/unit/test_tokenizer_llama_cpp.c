/* Ids that llama.cpp publishes for the vocabularies that it tests with (the tokenizers of transformers gave them), by way of GGUF files. Those at
 * hand, in ATTUNE_TEST_DATA/tokenizers/llama.cpp, went through a program that took them for text: each byte that was no UTF-8 became
 * U+FFFD. Texts survived that; lengths above 127 and scores did not. So what is readable is put into whole files again, which are opened as any other. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/file.h"
#include "io/gguf_write.h"
#include "model/gguf.h"
#include "text/clean.h"
#include "text/recorded.h"

enum { N_TEXTS = 46, MOST_TOKENS = 200000, MOST_MERGES = 200000 };

/* A vocabulary as it could be read. */
typedef struct vocabulary {
    at_arena arena;
    char *bytes;
    size_t n_bytes;
    const char *kind, *cut;
    const char **token, **merge;
    size_t *token_len, *merge_len;
    uint64_t n_tokens, n_merges;
    int32_t *type;
} vocabulary;

static int is_lost(const vocabulary *v, size_t at) { return at + 3 <= v->n_bytes && !memcmp(v->bytes + at, "\xef\xbf\xbd", 3); }

static size_t zeros_from(const vocabulary *v, size_t at) {
    size_t n = 0;
    while (at + n < v->n_bytes && n < 7 && !v->bytes[at + n]) n++;
    return n;
}

/* Where the length of the next string stands, behind a text of unknown length: texts have no zeros, and lengths are below 65,536. */
static size_t next_length(const vocabulary *v, size_t text) {
    const char *zero = memchr(v->bytes + text, 0, v->n_bytes - text);
    assert_non_null(zero);
    size_t z = (size_t)(zero - v->bytes), run = zeros_from(v, z), low = run == 7 ? z : z - 1; /* behind the low byte */
    if (run == 1) return z;                                                                   /* the low byte is the zero */
    return low >= 3 && is_lost(v, low - 3) ? low - 3 : low - 1;
}

/* The string at `at`, and behind it; 0 at what is none. */
static int next_string(const vocabulary *v, size_t *at, const char **text, size_t *len) {
    const unsigned char *b = (const unsigned char *)v->bytes + *at;
    int lost = is_lost(v, *at);
    size_t field = lost ? 10 : 8, begin = *at + field;
    if (begin > v->n_bytes || zeros_from(v, begin - 6) < 6) return 0;
    size_t end = lost ? next_length(v, begin) : begin + ((size_t)b[0] | (size_t)b[1] << 8);
    if (end > v->n_bytes || at_utf8_check(v->bytes + begin, end - begin) != end - begin) return 0;
    *text = v->bytes + begin;
    *len = end - begin;
    *at = end;
    return 1;
}

/* Behind a key, which has its length before it, and the kind of its value; 0: there is no such key. */
static size_t value_of(const vocabulary *v, const char *key) {
    char named[64] = {(char)strlen(key)};
    size_t n = 8 + strlen(key);
    memcpy(named + 8, key, strlen(key));
    const char *found = memmem(v->bytes, v->n_bytes, named, n);
    return found ? (size_t)(found - v->bytes) + n + 4 : 0;
}

/* The first string of an array, behind a count that may have lost bytes: its length alone is a byte and seven zeros. */
static size_t first_string(const vocabulary *v, size_t at) {
    for (at += 4; at + 8 < v->n_bytes; at++)
        if (v->bytes[at] && !(v->bytes[at] & 0x80) && zeros_from(v, at + 1) == 7) return at;
    return at;
}

static const char *text_of(vocabulary *v, const char *key) {
    size_t at = value_of(v, key), len;
    const char *text;
    if (!at || !next_string(v, &at, &text, &len)) return NULL;
    return at_strndup(&v->arena, text, len);
}

/* The strings of an array: up to the next key, or the end of the file. */
static uint64_t texts_of(vocabulary *v, const char *key, size_t most, const char ***text, size_t **len) {
    static const char KEY[] = "tokenizer.";
    size_t at = value_of(v, key);
    uint64_t n = 0;
    if (!at) return 0;
    *text = AT_NEW_ARRAY(&v->arena, const char *, most);
    *len = AT_NEW_ARRAY(&v->arena, size_t, most);
    for (at = first_string(v, at); n < most && at < v->n_bytes && next_string(v, &at, *text + n, *len + n); n++)
        if ((*len)[n] > strlen(KEY) && !memcmp((*text)[n], KEY, strlen(KEY))) break;
    return n;
}

/* The types of the tokens, 1 to 6 each; a count stands before them that may have lost bytes. */
static void read_types(vocabulary *v) {
    size_t size = v->n_tokens * sizeof *v->type, at = value_of(v, "tokenizer.ggml.token_type") + 4;
    v->type = AT_NEW_ARRAY(&v->arena, int32_t, v->n_tokens);
    for (uint64_t good = 0; good < v->n_tokens && at + size <= v->n_bytes; at++) {
        memcpy(v->type, v->bytes + at, size);
        for (good = 0; good < v->n_tokens && v->type[good] > 0 && v->type[good] < 7;) good++;
    }
    assert_in_range(v->type[v->n_tokens - 1], 1, 6);
}

static void read_vocabulary(vocabulary *v, const char *name) {
    char path[256];
    at_error err;
    *v = (vocabulary){0};
    snprintf(path, sizeof path, "tokenizers/llama.cpp/ggml-vocab-%s.gguf", name);
    check_ok(at_file_read(&v->arena, check_data(path), (size_t)1 << 26, AT_BAD_MODEL, &v->bytes, &v->n_bytes, &err), &err);
    v->kind = text_of(v, "tokenizer.ggml.model");
    v->cut = text_of(v, "tokenizer.ggml.pre");
    v->n_tokens = texts_of(v, "tokenizer.ggml.tokens", MOST_TOKENS, &v->token, &v->token_len);
    v->n_merges = texts_of(v, "tokenizer.ggml.merges", MOST_MERGES, &v->merge, &v->merge_len);
    assert_true(v->kind && v->cut && v->n_tokens > 30000);
    read_types(v);
}

/* U+2581 alone, twice or more. */
static int is_blanks(const char *text, size_t len) {
    for (size_t i = 0; i < len; i += 3)
        if (len - i < 3 || memcmp(text + i, "\xe2\x96\x81", 3)) return 0;
    return len > 3;
}

/* LLaMA's scores are the tokens' order, behind three special ones and 256 bytes; runs of blanks are only what is left over. */
static const float *scores_of(vocabulary *v) {
    float *scores = AT_NEW_ARRAY(&v->arena, float, v->n_tokens);
    for (uint64_t i = 259; i < v->n_tokens; i++) scores[i] = is_blanks(v->token[i], v->token_len[i]) ? -1e9F : -(float)(i - 259);
    return scores;
}

static at_tokenizer *open_again(vocabulary *v) {
    char path[64];
    at_tokenizer *t = NULL;
    at_error err;
    at_gguf_metadata m = {.bytes.arena = &v->arena};
    snprintf(path, sizeof path, "/tmp/attune-vocab-%d.gguf", (int)getpid());
    at_gguf_put_text(&m, "general.architecture", "llama");
    at_gguf_put_text(&m, "tokenizer.ggml.model", v->kind);
    at_gguf_put_text(&m, "tokenizer.ggml.pre", v->cut);
    at_gguf_put_texts(&m, "tokenizer.ggml.tokens", v->token, v->token_len, v->n_tokens);
    at_gguf_put_i32s(&m, "tokenizer.ggml.token_type", v->type, v->n_tokens);
    if (!strcmp(v->kind, "llama")) at_gguf_put_f32s(&m, "tokenizer.ggml.scores", scores_of(v), v->n_tokens);
    if (v->n_merges) at_gguf_put_texts(&m, "tokenizer.ggml.merges", v->merge, v->merge_len, v->n_merges);
    check_ok(at_gguf_write(path, &m, NULL, 0, NULL, NULL, &err), &err);
    at_status st = at_model_tokenizer_open(path, &t, &err);
    unlink(path);
    check_ok(st, &err);
    return t;
}

/* 0 where the ids of the text are those of the line; the line's end goes to `next`. */
static int differs(const at_tokenizer *t, const char *name, const char *text, size_t len, const char *line, char **next) {
    static const at_encode_options bare = {.no_special = 1};
    at_encoding e = {0};
    at_error err;
    int i = 0, same = 1;
    check_ok(at_encode(t, text, len, NULL, 0, &bare, &e, &err), &err);
    for (char *end; *line && *line != '\n'; line = end, i++) {
        long id = strtol(line, &end, 10);
        if (end == line) break;
        same &= i < e.n && e.ids[i] == id;
    }
    same &= i == e.n;
    if (!same) print_error("%s, \"%.*s\": %d tokens, llama.cpp has %d\n", name, (int)len, text, e.n, i);
    at_encoding_free(&e);
    *next = strchr(line, '\n') + 1;
    return !same;
}

static int texts_that_differ(const char *name) {
    static const char MARK[] = "\n__ggml_vocab_test__\n";
    vocabulary v;
    char path[256], *texts, *ids;
    size_t n, n_ids;
    at_error err;
    int bad = 0, count = 0;
    read_vocabulary(&v, name);
    at_tokenizer *t = open_again(&v);
    snprintf(path, sizeof path, "tokenizers/llama.cpp/ggml-vocab-%s.gguf.inp", name);
    check_ok(at_file_read(&v.arena, check_data(path), 1 << 20, AT_BAD_DATA, &texts, &n, &err), &err);
    snprintf(path, sizeof path, "tokenizers/llama.cpp/ggml-vocab-%s.gguf.out", name);
    check_ok(at_file_read(&v.arena, check_data(path), 1 << 20, AT_BAD_DATA, &ids, &n_ids, &err), &err);
    for (char *end; (end = strstr(texts, MARK)) != NULL; texts = end + strlen(MARK), count++)
        bad += differs(t, name, texts, (size_t)(end - texts), ids, &ids);
    assert_int_equal(count, N_TEXTS);
    at_tokenizer_close(t);
    at_arena_free(&v.arena);
    return bad;
}

/* ids begins with `begins` tokens that the text has not. The text without such (Falcon's) was cleaned of spaces when it was published. */
static int differs_from(const at_tokenizer *t, const char *name, const json_t *text, const json_t *ids, int begins, const json_t *decoded) {
    static const at_encode_options bare = {.no_special = 1};
    at_encoding e = {0};
    at_error err;
    check_ok(at_encode(t, json_string_value(text), json_string_length(text), NULL, 0, &bare, &e, &err), &err);
    int same = (size_t)(e.n + begins) == json_array_size(ids);
    for (int i = 0; same && i < e.n; i++) same = e.ids[i] == json_integer_value(json_array_get(ids, (size_t)(i + begins)));
    if (!same) print_error("%s, \"%.60s\": %d tokens, not %zu\n", name, json_string_value(text), e.n, json_array_size(ids));
    at_encoding_free(&e);
    at_arena arena = {0};
    at_str back = {.arena = &arena};
    at_str_add(&back, recorded_text(t, &arena, ids, 0));
    if (!begins) at_clean_text(&back, 0);
    int equal = !strcmp(back.text, json_string_value(decoded));
    if (!equal) print_error("%s: \"%.60s\", not \"%.60s\"\n", name, back.text, json_string_value(decoded));
    at_arena_free(&arena);
    return !same + !equal;
}

/* What swift-transformers and transformers.js publish for the same vocabularies. */
static void the_same_vocabularies_elsewhere(void **state) {
    (void)state;
    static const char *const JS[] = {"tiiuae/falcon-7b", "Xenova/deepseek-coder-1.3b-instruct"};
    json_t *swift = recorded_load(check_data("tokenizers/swift/tokenizer_tests.json")), *row;
    json_t *one = recorded_load(check_data("tokenizers/swift/falcon_encoded.json"));
    json_t *all = recorded_load(check_data("tokenizers/transformers.js/tokenization_vectors.json"));
    int bad = 0, n = 0;
    for (int i = 0; i < 2; i++) {
        vocabulary v;
        const char *key;
        size_t k;
        read_vocabulary(&v, i ? "deepseek-coder" : "falcon");
        at_tokenizer *t = open_again(&v);
        json_object_foreach(json_object_get(all, JS[i]), key, row) {
            bad += differs_from(t, JS[i], json_object_get(row, "text"), json_object_get(row, "ids"), i, json_object_get(row, "decoded"));
            n++;
        }
        json_array_foreach(json_object_get(swift, JS[i]), k, row) {
            bad += differs_from(t, JS[i], json_object_get(row, "input"), json_object_get(json_object_get(row, "encoded"), "input_ids"), 0,
                                json_object_get(row, "decoded_with_special"));
            n++;
        }
        if (!i) bad += differs_from(t, JS[i], json_object_get(one, "text"), json_object_get(one, "token_ids"), 0, json_object_get(one, "decoded_text"));
        at_tokenizer_close(t);
        at_arena_free(&v.arena);
    }
    json_decref(swift);
    json_decref(one);
    json_decref(all);
    assert_int_equal(n, 24 + 19 + 37);
    assert_int_equal(bad, 0);
}

static void the_vocabularies_of_llama_cpp(void **state) {
    (void)state;
    static const char *const NAMES[] = {"bert-bge", "deepseek-coder", "deepseek-llm", "falcon", "gpt-2", "llama-spm", "mpt", "phi-3", "refact", "starcoder"};
    int bad = 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) bad += texts_that_differ(NAMES[i]);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_vocabularies_of_llama_cpp), cmocka_unit_test(the_same_vocabularies_elsewhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
