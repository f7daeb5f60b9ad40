/* Small tokenizers of every kind against what the `tokenizers` library made of nasty texts and of their ids
 * (tests/oracle/make_kind_vectors.py): ids, offsets, words, types, special mask; decoding, at once and as a stream. */
#include "check.h"

#include <math.h>

#include "text/recorded.h"

static json_t *vectors;

/* The large map of characters stands in the file once. */
static void put_charsmap(const json_t *normalizer) {
    json_t *part;
    size_t i;
    json_array_foreach(json_object_get(normalizer, "normalizers"), i, part)
        if (json_object_get(part, "precompiled_charsmap"))
            json_object_set(part, "precompiled_charsmap", json_object_get(vectors, "charsmap"));
}

static json_t *shared(const json_t *index) { return json_array_get(json_object_get(vectors, "shared"), (size_t)json_integer_value(index)); }

/* What many cases have in common is named by its place in "shared". */
static json_t *whole(const json_t *indices) {
    json_t *parts = json_object(), *index;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)indices, key, index) json_object_set_new(parts, key, json_deep_copy(shared(index)));
    return parts;
}

/* A piece of more bytes than are tried from each character, which no text has: what a text becomes is then found the other way. */
static void add_long_piece(json_t *model) {
    char text[300];
    json_t *pieces = json_deep_copy(json_object_get(model, "vocab")), *piece;
    double lowest = 0;
    size_t i;
    json_array_foreach(pieces, i, piece) lowest = fmin(lowest, json_number_value(json_array_get(piece, 1)));
    memset(text, 'q', sizeof text);
    json_array_append_new(pieces, json_pack("[s%, f]", text, sizeof text, lowest));
    json_object_set_new(model, "vocab", pieces);
}

static int is_unigram(const json_t *one) {
    const json_t *model = json_array_get(json_object_get(vectors, "models"), (size_t)json_integer_value(json_object_get(one, "model")));
    return !strcmp(json_string_value(json_object_get(model, "type")), "Unigram");
}

static at_tokenizer *open_case(const json_t *one, int with_long) {
    static const char *const SHARED[] = {"vocab", "merges"};
    size_t number = (size_t)json_integer_value(json_object_get(one, "model"));
    json_t *parts = whole(json_object_get(one, "parts")), *model = json_copy(json_array_get(json_object_get(vectors, "models"), number));
    for (int i = 0; i < 2; i++)
        if (json_object_get(model, SHARED[i])) json_object_set(model, SHARED[i], shared(json_object_get(model, SHARED[i])));
    if (with_long) add_long_piece(model);
    json_object_set_new(parts, "model", model);
    put_charsmap(json_object_get(parts, "normalizer"));
    char *text = json_dumps(parts, JSON_REAL_PRECISION(17));
    at_tokenizer *t = recorded_open_file("tokenizer.json", text, strlen(text), NULL);
    free(text);
    json_decref(parts);
    return t;
}

/* Hashes of answers; GROUP of them are recorded as the hash of their hashes. */
enum { GROUP = 10, ANSWERS = 400 };
typedef struct hashes {
    char digits[8 * ANSWERS + 1];
    size_t n;
} hashes;

static void add_hash(hashes *h, const char *text, size_t len) {
    assert_true(h->n < ANSWERS);
    recorded_hash(text, len, h->digits + 8 * h->n++);
}

/* Groups that are not as recorded. */
static size_t compare(const hashes *h, const char *recorded, const char *name, const char *what) {
    size_t bad = 0, groups = (h->n + GROUP - 1) / GROUP;
    assert_int_equal(strlen(recorded), 8 * groups);
    for (size_t g = 0; g < groups; g++) {
        char digits[9];
        size_t n = h->n - g * GROUP < GROUP ? h->n - g * GROUP : GROUP;
        recorded_hash(h->digits + 8 * GROUP * g, 8 * n, digits);
        if (strncmp(digits, recorded + 8 * g, 8) && bad++ < 2)
            print_error("%s: %s %zu to %zu are not as recorded; tests/oracle/live_kinds.py finds the text\n", name, what, g * GROUP, g * GROUP + n - 1);
    }
    return bad;
}

/* Decoding all at once and id by id, whose whole characters together are the same text. */
static int decodes(const at_tokenizer *t, const at_encoding *e, int panics, hashes *decoded) {
    at_arena arena = {0};
    at_decode_stream stream = {0};
    at_error err;
    char *text;
    const char *piece;
    size_t len, piece_len, done = 0;
    int same = 1;
    check_ok(at_decode_bytes(t, &arena, e->ids, e->n, 0, &text, &len, &err), &err);
    add_hash(decoded, text, len);
    if (panics) memcpy(decoded->digits + 8 * (decoded->n - 1), "--------", 8); /* the library has no answer */
    for (int i = 0; i <= e->n; i++) {
        at_status st = i < e->n ? at_decode_step(t, &stream, e->ids[i], &piece, &piece_len, &err)
                                : at_decode_end(t, &stream, &piece, &piece_len, &err);
        check_ok(st, &err);
        same &= done + piece_len <= len && !memcmp(text + done, piece, piece_len);
        done += piece_len;
    }
    same &= done == len || panics;
    at_decode_stream_free(&stream);
    at_arena_free(&arena);
    return same;
}

static int holds(const json_t *list, size_t number) {
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) if ((size_t)json_integer_value(item) == number) return 1;
    return 0;
}

static size_t differences(const json_t *one, const json_t *texts, int with_long) {
    const char *name = recorded_name(one);
    size_t bad = 0, n = json_array_size(texts);
    at_tokenizer *t = open_case(one, with_long);
    recorded_line line = {0};
    hashes answers = {.n = 0}, decoded = {.n = 0};
    for (size_t i = 0; i < n; i++) {
        recorded_encode(t, json_array_get(texts, i), NULL, 0, &line);
        add_hash(&answers, line.text, line.len);
        if (i % 5 == 0 && !decodes(t, &line.encoding, holds(json_object_get(one, "panics"), i / 5), &decoded) && bad++ < 2)
            print_error("%s, text %zu: decoded id by id it is another text\n", name, i);
    }
    bad += compare(&answers, json_string_value(json_object_get(one, "hashes")), name, "texts");
    bad += compare(&decoded, json_string_value(json_object_get(one, "decoded")), name, "decoded texts");
    recorded_line_free(&line);
    at_tokenizer_close(t);
    return bad;
}

static void every_kind_is_as_recorded(void **state) {
    (void)state;
    json_t *cases = json_object_get(vectors, "cases"), *one;
    size_t i, bad = 0;
    assert_true(json_array_size(cases) > 100);
    json_array_foreach(cases, i, one) bad += differences(one, json_object_get(vectors, "texts"), 0);
    assert_int_equal(bad, 0);
}

static void long_pieces_change_nothing_else(void **state) {
    (void)state;
    json_t *cases = json_object_get(vectors, "cases"), *one;
    size_t i, bad = 0, n = 0;
    json_array_foreach(cases, i, one) {
        if (!is_unigram(one)) continue;
        bad += differences(one, json_object_get(vectors, "texts"), 1);
        n++;
    }
    assert_true(n > 5);
    assert_int_equal(bad, 0);
}

static json_t *runs_of(char byte, int from, int till, double score) {
    char text[4096];
    json_t *pieces = json_pack("[[s, i]]", "<unk>", 0);
    memset(text, byte, sizeof text);
    for (int n = from; n <= till; n++) json_array_append_new(pieces, json_pack("[s%, f]", text, (size_t)n, score * n));
    return pieces;
}

/* The time that a text takes does not grow with the length of the pieces, and a vocabulary where it had to is refused. */
static void long_pieces_cost_nothing(void **state) {
    (void)state;
    enum { PIECE = 4000, TEXT = 300 * PIECE + 7 };
    json_t *pieces = runs_of('a', PIECE, PIECE, -1);
    json_array_append_new(pieces, json_pack("[s, i]", "a", -5));
    json_t *root = json_pack("{s:{s:s, s:i, s:o}}", "model", "type", "Unigram", "unk_id", 0, "vocab", pieces);
    char *json = json_dumps(root, JSON_REAL_PRECISION(17)), *text = malloc(TEXT), path[64];
    at_tokenizer *t = recorded_open_file("tokenizer.json", json, strlen(json), NULL);
    at_encoding e = {0};
    at_error err;
    assert_non_null(text);
    memset(text, 'a', TEXT);
    check_ok(at_encode(t, text, TEXT, NULL, 0, NULL, &e, &err), &err);
    assert_int_equal(e.n, 307);
    at_encoding_free(&e);
    at_tokenizer_close(t);
    free(text);
    free(json);
    json_object_set_new(json_object_get(root, "model"), "vocab", runs_of('a', 1, 1100, -1));
    snprintf(path, sizeof path, "/tmp/attune-nested-%d", (int)getpid());
    check_ok(at_folder_make(path, &err), &err);
    char file[96];
    snprintf(file, sizeof file, "%s/tokenizer.json", path);
    json = json_dumps(root, JSON_REAL_PRECISION(17));
    check_ok(at_file_write(file, json, strlen(json), &err), &err);
    check_fails(at_tokenizer_open(path, &t, &err), AT_BAD_MODEL, &err, "more than 1024 tokens are each the end of a longer one");
    check_ok(at_folder_remove(path, &err), &err);
    free(json);
    json_decref(root);
}

/* A regular expression that blows up ends in an error, soon. */
static void a_slow_expression_is_stopped(void **state) {
    (void)state;
    static const char json[] = "{\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"(a|aa)+[bc]\"}},"
                               "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"u\":0}}}";
    at_tokenizer *t = recorded_open_file("tokenizer.json", json, sizeof json - 1, NULL);
    at_encoding e = {0};
    at_error err;
    char text[4000];
    memset(text, 'a', sizeof text);
    check_fails(at_encode(t, text, sizeof text, NULL, 0, NULL, &e, &err), AT_BAD_DATA, &err, "takes too long");
    at_encoding_free(&e);
    at_tokenizer_close(t);
}

/* An encoding may go from one tokenizer to another: words that it remembers are the tokenizer's own. */
static void words_are_not_remembered_across_tokenizers(void **state) {
    (void)state;
    static const char format[] = "{\"model\":{\"type\":\"BPE\",\"unk_token\":null,\"vocab\":{\"a\":%d,\"b\":%d},\"merges\":[]}}";
    at_encoding e = {0};
    at_error err;
    for (int i = 0; i < 4; i++) {
        char json[160];
        int len = snprintf(json, sizeof json, format, i % 2, 1 - i % 2);
        at_tokenizer *t = recorded_open_file("tokenizer.json", json, (size_t)len, NULL);
        check_ok(at_encode(t, "ab", 2, NULL, 0, NULL, &e, &err), &err);
        assert_int_equal(e.n, 2);
        assert_int_equal(e.ids[0], i % 2);
        at_tokenizer_close(t);
    }
    at_encoding_free(&e);
}

/* Of many added tokens at one place the longest is taken, of two that become one text the first, however many there are and however long. */
static void the_longest_of_many_added_tokens(void **state) {
    (void)state;
    enum { MANY = 40, LONG = 300, TEXT = 2000 };
    char text[TEXT], content[LONG + 1];
    json_t *tokens = json_array();
    for (int i = 1; i <= MANY + 2; i++) { /* "<", "<a", "<aa", ...; one that is long; one that is "<aa" once it is normalised */
        memset(content, 'a', sizeof content);
        content[0] = '<';
        content[i <= MANY ? i : i == MANY + 1 ? LONG : 3] = '\0';
        if (i == MANY + 2) content[1] = 'A';
        json_array_append_new(tokens, json_pack("{s:i, s:s, s:b}", "id", i, "content", content, "normalized", 1));
    }
    json_t *root = json_pack("{s:o, s:{s:s}, s:{s:s, s:s, s:{s:i}}}", "added_tokens", tokens, "normalizer", "type", "Lowercase", "model", "type", "WordLevel",
                             "unk_token", "u", "vocab", "u", 0);
    char *json = json_dumps(root, 0);
    at_tokenizer *t = recorded_open_file("tokenizer.json", json, strlen(json), NULL);
    at_encoding e = {0};
    at_error err;
    static const struct { int letters, id; } CASES[] = {{0, 1}, {2, 3}, {7, 8}, {39, 40}, {60, 40}, {LONG - 2, 40}, {LONG - 1, MANY + 1}, {LONG + 5, MANY + 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        memset(text, 'a', sizeof text);
        text[0] = '<';
        check_ok(at_encode(t, text, (size_t)(1 + CASES[i].letters), NULL, 0, NULL, &e, &err), &err);
        assert_int_equal(e.ids[0], CASES[i].id);
    }
    at_encoding_free(&e);
    at_tokenizer_close(t);
    free(json);
    json_decref(root);
}

static void truncation_and_padding_are_told(void **state) {
    (void)state;
    static const char json[] = "{\"truncation\":{\"direction\":\"Left\",\"max_length\":77,\"strategy\":\"OnlySecond\",\"stride\":5},"
                               "\"padding\":{\"strategy\":{\"Fixed\":64},\"direction\":\"Left\",\"pad_to_multiple_of\":8,\"pad_id\":1,"
                               "\"pad_type_id\":0,"
                               "\"pad_token\":\"b\"},\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"b\":1}}}";
    at_tokenizer *t = recorded_open_file("tokenizer.json", json, sizeof json - 1, NULL);
    const at_tokenizer_settings *s = at_tokenizer_asks(t);
    assert_true(s->truncates && s->truncate_left && s->max_length == 77 && s->stride == 5 && s->cut == AT_CUT_SECOND);
    assert_true(s->pads && s->pad_left && s->pad_to == 64 && s->pad_multiple == 8 && s->pad_id == 1);
    at_tokenizer_close(t);
}

static void one_text_of_a_pair_is_cut(void **state) {
    (void)state;
    static const char json[] = "{\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},"
                               "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{\"u\":0}}}";
    at_tokenizer *t = recorded_open_file("tokenizer.json", json, sizeof json - 1, NULL);
    at_encoding e = {0};
    at_error err;
    at_encode_options options = {.max_tokens = 6, .cut = AT_CUT_SECOND};
    check_ok(at_encode(t, "a b c", 5, "d e f g h", 9, &options, &e, &err), &err);
    assert_true(e.n == 6 && e.types[2] == 0 && e.types[3] == 1 && e.n_cut == 2);
    options.max_tokens = 3;
    check_fails(at_encode(t, "a b c", 5, "d e", 3, &options, &e, &err), AT_BAD_DATA, &err, "the second text has 2 tokens");
    options.cut = AT_CUT_FIRST;
    check_ok(at_encode(t, "a b c", 5, "d e", 3, &options, &e, &err), &err);
    assert_true(e.n == 3 && e.types[0] == 0 && e.types[1] == 1);
    at_encoding_free(&e);
    at_tokenizer_close(t);
}

/* vocab.json and merges.txt are read as the class that tokenizer_config.json names reads them. */
static void folders_of_two_files_are_read(void **state) {
    (void)state;
    char folder[64], path[160];
    at_error err;
    at_encoding e = {0};
    at_tokenizer *t;
    static const char *const files[][2] = {
        {"vocab.json", "{\"<s>\":0,\"</s>\":1,\"<unk>\":2,\"<pad>\":3,\"<mask>\":4,"
                       "\"a\":5,\"b\":6,\"ab\":7,\"\\u0120\":8,\"\\u0120ab\":9}"},
        {"merges.txt", "#version: 0.2\na b\n\xc4\xa0 ab\n"},
        {"tokenizer_config.json", "{\"tokenizer_class\":\"RobertaTokenizerFast\"}"}};
    snprintf(folder, sizeof folder, "/tmp/attune-two-files-%d", (int)getpid());
    check_ok(at_folder_make(folder, &err), &err);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
        check_ok(at_file_write(path, files[i][1], strlen(files[i][1]), &err), &err);
    }
    check_ok(at_tokenizer_open(folder, &t, &err), &err);
    check_ok(at_encode(t, "ab ab <mask>a", 13, NULL, 0, NULL, &e, &err), &err);
    const int32_t want[] = {0, 7, 9, 8, 4, 5, 1}, start[] = {0, 0, 3, 6, 6, 12, 0};
    assert_int_equal(e.n, 7);
    for (int i = 0; i < 7; i++) assert_true(e.ids[i] == want[i] && e.start[i] == start[i]);
    assert_int_equal(at_tokenizer_special(t, "mask"), 4);
    at_tokenizer_close(t);
    check_ok(at_file_write(path, "{\"tokenizer_class\":\"ElvishTokenizer\"}", 37, &err), &err);
    check_fails(at_tokenizer_open(folder, &t, &err), AT_BAD_MODEL, &err, "how a ElvishTokenizer reads vocab.json");
    check_ok(at_folder_remove(folder, &err), &err);
    at_encoding_free(&e);
}

int main(void) {
    vectors = recorded_load(check_source("text/data/kinds.json"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_as_recorded),  cmocka_unit_test(long_pieces_change_nothing_else),
        cmocka_unit_test(long_pieces_cost_nothing),        cmocka_unit_test(the_longest_of_many_added_tokens),       cmocka_unit_test(a_slow_expression_is_stopped),
        cmocka_unit_test(words_are_not_remembered_across_tokenizers), cmocka_unit_test(truncation_and_padding_are_told),
        cmocka_unit_test(one_text_of_a_pair_is_cut),       cmocka_unit_test(folders_of_two_files_are_read),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(vectors);
    return failed;
}
