/* What the `tokenizers` library makes of nasty texts, recorded by tests/oracle/make_tokenizer_vectors.py: ids, offsets,
 * words, types and special mask for every setting, with a cut vocabulary that is in the repository. */
#include "check.h"

#include "text/recorded.h"

static json_t *vectors;

static int same_as_recorded(const at_tokenizer *t, json_t *one, json_t *texts) {
    json_t *own = json_object_get(one, "own_texts"), *answers = json_object_get(one, "answers");
    const char *hashes = json_string_value(json_object_get(one, "hashes")), *name = recorded_name(one);
    size_t n = json_array_size(own ? own : texts), bad = 0;
    assert_true(n > 100 && (answers ? json_array_size(answers) == n : strlen(hashes) == 8 * n));
    recorded_line line = {0};
    for (size_t i = 0; i < n; i++) {
        json_t *request = own ? json_array_get(own, i) : NULL;
        json_t *text = own ? json_array_get(request, 0) : json_array_get(texts, i);
        json_t *second = json_array_get(request, 1);
        recorded_encode(t, text, second, (int)json_integer_value(json_array_get(request, 2)), &line);
        const char *want = answers ? json_string_value(json_array_get(answers, i)) : NULL;
        if (answers ? !strcmp(line.text, want) : recorded_hash_is(&line, hashes + 8 * i)) continue;
        if (bad++ < 3) print_error("%s, text %zu \"%s\":\n got %s\nwant %s\n", name, i, json_string_value(text), line.text,
                                   want ? want : "another hash");
    }
    recorded_line_free(&line);
    return bad == 0;
}

static void every_case_is_as_recorded(void **state) {
    (void)state;
    json_t *cases = json_object_get(vectors, "cases"), *one;
    size_t i, bad = 0;
    assert_true(json_array_size(cases) > 60);
    json_array_foreach(cases, i, one) {
        at_tokenizer *t = recorded_open(json_object_get(vectors, "vocab"), json_object_get(one, "parts"));
        bad += !same_as_recorded(t, one, json_object_get(vectors, "texts"));
        at_tokenizer_close(t);
    }
    assert_int_equal(bad, 0);
}

static void decoding_is_as_recorded(void **state) {
    (void)state;
    json_t *one = json_array_get(json_object_get(vectors, "cases"), 0), *row;
    at_tokenizer *t = recorded_open(json_object_get(vectors, "vocab"), json_object_get(one, "parts"));
    size_t i;
    json_array_foreach(json_object_get(vectors, "decoded"), i, row) {
        recorded_decode(t, json_object_get(row, "ids"), 0, json_object_get(row, "all"));
        recorded_decode(t, json_object_get(row, "ids"), 1, json_object_get(row, "plain"));
    }
    assert_true(i > 100);
    at_tokenizer_close(t);
}

/* One encoding used again and again, in any order of lengths, gives what a fresh one gives; so do two threads' worth. */
static void an_encoding_can_be_used_again(void **state) {
    (void)state;
    json_t *one = json_array_get(json_object_get(vectors, "cases"), 0), *texts = json_object_get(vectors, "texts");
    at_tokenizer *t = recorded_open(json_object_get(vectors, "vocab"), json_object_get(one, "parts"));
    recorded_line used = {0};
    for (size_t i = 0; i < json_array_size(texts); i++) {
        size_t k = (i * 211) % json_array_size(texts);
        recorded_line fresh = {0};
        recorded_encode(t, json_array_get(texts, k), NULL, 0, &used);
        recorded_encode(t, json_array_get(texts, k), NULL, 0, &fresh);
        assert_string_equal(used.text, fresh.text);
        recorded_line_free(&fresh);
    }
    recorded_line_free(&used);
    at_tokenizer_close(t);
}

/* A cut says how much it cut, and what stays is the beginning of the whole. */
static void a_limit_cuts_the_end_and_counts(void **state) {
    (void)state;
    json_t *one = json_array_get(json_object_get(vectors, "cases"), 0);
    at_tokenizer *t = recorded_open(json_object_get(vectors, "vocab"), json_object_get(one, "parts"));
    const char *text = "The quick brown fox jumps over the lazy dog, unaffable and lazy";
    at_encoding whole = {0}, cut = {0};
    at_error err;
    check_ok(at_encode(t, text, strlen(text), NULL, 0, NULL, &whole, &err), &err);
    assert_int_equal(whole.n_cut, 0);
    for (int limit = 2; limit < whole.n + 3; limit++) {
        check_ok(at_encode(t, text, strlen(text), NULL, 0, &(at_encode_options){.max_tokens = limit}, &cut, &err), &err);
        assert_int_equal(cut.n, limit < whole.n ? limit : whole.n);
        assert_int_equal(cut.n_cut, whole.n - cut.n);
        assert_memory_equal(cut.ids, whole.ids, (size_t)(cut.n - 1) * sizeof *cut.ids);
        assert_int_equal(cut.ids[cut.n - 1], whole.ids[whole.n - 1]);
    }
    at_encoding_free(&whole);
    at_encoding_free(&cut);
    at_tokenizer_close(t);
}

int main(void) {
    vectors = recorded_load(check_source("text/data/vectors.json"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_is_as_recorded),
        cmocka_unit_test(decoding_is_as_recorded),
        cmocka_unit_test(an_encoding_can_be_used_again),
        cmocka_unit_test(a_limit_cuts_the_end_and_counts),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(vectors);
    return failed;
}
