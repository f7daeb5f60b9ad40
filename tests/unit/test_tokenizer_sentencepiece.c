/* SentencePiece models against the ids of the `sentencepiece` library, recorded by tests/oracle/make_sentencepiece_vectors.py. */
#include "check.h"

#include "text/parts.h"
#include "text/recorded.h"

static json_t *vectors;

static at_tokenizer *open_model(const char *name) {
    at_arena arena = {0};
    at_error err;
    at_tokenizer *t = NULL;
    char path[512], *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/%s.model", check_source("text/data/sentencepiece"), name);
    check_ok(at_file_read(&arena, path, (size_t)1 << 24, AT_BAD_MODEL, &bytes, &len, &err), &err);
    check_ok(at_tokenizer_open_spm(name, bytes, len, NULL, &t, &err), &err);
    at_arena_free(&arena);
    return t;
}

/* The pieces that the user defined stand where the library says: [index, first character, end]. */
static int same_places(const at_encoding *e, const json_t *places) {
    size_t i;
    json_t *place;
    int same = 1;
    json_array_foreach((json_t *)(uintptr_t)places, i, place) {
        json_int_t at = json_integer_value(json_array_get(place, 0));
        same = same && at < e->n && e->start[at] == json_integer_value(json_array_get(place, 1)) &&
               e->end[at] == json_integer_value(json_array_get(place, 2));
    }
    return same;
}

/* All at once, and as a stream. */
static int same_text(const at_tokenizer *t, const at_encoding *e, const json_t *want) {
    at_arena arena = {0};
    at_error err;
    at_decode_stream stream = {0};
    at_str joined = {.arena = &arena};
    char *text;
    const char *part;
    size_t len, part_len;
    if (!json_is_string(want)) return 1; /* one of the pieces is unknown */
    check_ok(at_decode_bytes(t, &arena, e->ids, e->n, 0, &text, &len, &err), &err);
    int same = len == json_string_length(want) && !memcmp(text, json_string_value(want), len);
    for (int i = 0; i <= e->n; i++) {
        if (i < e->n) check_ok(at_decode_step(t, &stream, e->ids[i], &part, &part_len, &err), &err);
        else check_ok(at_decode_end(t, &stream, &part, &part_len, &err), &err);
        at_str_add_bytes(&joined, part, part_len);
    }
    same = same && joined.len == len && !memcmp(joined.text ? joined.text : "", text, len);
    at_decode_stream_free(&stream);
    at_arena_free(&arena);
    return same;
}

static int same_ids(const at_encoding *e, const json_t *ids) {
    int same = (size_t)e->n == json_array_size(ids);
    for (int k = 0; k < e->n && same; k++) same = e->ids[k] == json_integer_value(json_array_get(ids, (size_t)k));
    return same;
}

static void ids_are_sentencepieces_own(void **state) {
    (void)state;
    const char *name;
    json_t *answers, *ids, *texts = json_object_get(vectors, "texts");
    size_t i, bad = 0, n_models = 0, n_defined = 0;
    json_object_foreach(json_object_get(vectors, "ids"), name, answers) {
        at_tokenizer *t = open_model(name);
        at_encoding e = {0};
        at_error err;
        const json_t *decoded = json_object_get(json_object_get(vectors, "decoded"), name);
        const json_t *places = json_object_get(json_object_get(vectors, "places"), name);
        n_models++;
        json_array_foreach(answers, i, ids) {
            const json_t *text = json_array_get(texts, i), *where = json_array_get(places, i);
            check_ok(at_encode(t, json_string_value(text), json_string_length(text), NULL, 0, NULL, &e, &err), &err);
            int same = same_ids(&e, ids) && same_places(&e, where) && same_text(t, &e, json_array_get(decoded, i));
            n_defined += json_array_size(where);
            if (!same && bad++ < 3) print_error("%s, text %zu \"%s\"\n", name, i, json_string_value(text));
        }
        at_encoding_free(&e);
        at_tokenizer_close(t);
    }
    assert_int_equal(n_models, 7);
    assert_true(n_defined > 200);
    assert_int_equal(bad, 0);
}

/* A folder of a T5 or a LLaMA puts its tokens around a text; another class is named. */
static void the_class_decides_what_stands_around(void **state) {
    (void)state;
    static const struct { const char *config; int32_t first, last; } cases[] = {
        {"{\"tokenizer_class\":\"T5Tokenizer\"}", -1, 2}, {"{\"tokenizer_class\":\"MT5Tokenizer\"}", -1, 2},
        {"{\"tokenizer_class\":\"LlamaTokenizerFast\"}", 1, -1},
        {"{\"tokenizer_class\":\"LlamaTokenizer\",\"add_eos_token\":true}", 1, 2},
        {"{\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":false,\"add_eos_token\":true}", -1, 2},
        {"{\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":false}", -1, -1}};
    char path[512], folder[64] = "/tmp/attune-spm-XXXXXX", to[600];
    at_error err;
    at_encoding e = {0};
    at_tokenizer *t;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/unigram.model", check_source("text/data/sentencepiece"));
    snprintf(to, sizeof to, "%s/spiece.model", folder);
    check_ok(at_file_copy(path, to, &err), &err);
    snprintf(to, sizeof to, "%s/tokenizer_config.json", folder);
    for (int i = 0; i < 6; i++) {
        check_ok(at_file_write(to, cases[i].config, strlen(cases[i].config), &err), &err);
        check_ok(at_tokenizer_open(folder, &t, &err), &err);
        check_ok(at_encode(t, "the", 3, NULL, 0, NULL, &e, &err), &err);
        assert_true(cases[i].first < 0 ? !e.special[0] : e.ids[0] == cases[i].first && e.special[0]);
        assert_true(cases[i].last < 0 ? !e.special[e.n - 1] : e.ids[e.n - 1] == cases[i].last && e.special[e.n - 1]);
        assert_int_equal(at_tokenizer_special(t, "eos"), 2);
        at_tokenizer_close(t);
    }
    check_ok(at_file_write(to, "{\"tokenizer_class\":\"ElvishTokenizer\"}", 37, &err), &err);
    check_fails(at_tokenizer_open(folder, &t, &err), AT_BAD_MODEL, &err, "how a ElvishTokenizer reads a SentencePiece model");
    check_ok(at_folder_remove(folder, &err), &err);
    at_encoding_free(&e);
}

static void put_json(const char *folder, const char *name, const json_t *content) {
    char path[600];
    at_error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_ok(at_json_save(path, (json_t *)(uintptr_t)content, &err), &err);
}

static size_t compare_texts(const at_tokenizer *t, const json_t *texts, const json_t *answer) {
    at_encoding e = {0};
    at_error err;
    json_t *text;
    size_t i, bad = 0;
    json_array_foreach((json_t *)(uintptr_t)texts, i, text) {
        at_arena arena = {0};
        char *decoded;
        size_t len;
        const json_t *want = json_array_get(json_object_get(answer, "decoded"), i);
        check_ok(at_encode(t, json_string_value(text), json_string_length(text), NULL, 0, NULL, &e, &err), &err);
        int same = same_ids(&e, json_array_get(json_object_get(answer, "ids"), i));
        check_ok(at_decode_bytes(t, &arena, e.ids, e.n, 1, &decoded, &len, &err), &err);
        int reads = len == json_string_length(want) && !memcmp(decoded, json_string_value(want), len);
        if (!(same && reads) && bad++ < 3)
            print_error("%s, text %zu: %s\n", json_string_value(json_object_get(answer, "model")), i, same ? decoded : "ids");
        at_arena_free(&arena);
    }
    at_encoding_free(&e);
    return bad;
}

/* ALBERT, CamemBERT, DeBERTa-v2, Gemma, T5, XLM-RoBERTa: what transformers makes of the same folders (tests/oracle/make_spm_class_vectors.py). */
static void classes_read_in_their_own_ways(void **state) {
    (void)state;
    json_t *recorded = recorded_load(check_source("text/data/sentencepiece/classes.json")), *answer, *content;
    const char *name;
    size_t i, bad = 0;
    json_array_foreach(json_object_get(recorded, "cases"), i, answer) {
        char folder[64] = "/tmp/attune-spm-XXXXXX", from[600], to[600];
        at_error err;
        at_encoding e = {0};
        at_tokenizer *t;
        assert_non_null(mkdtemp(folder));
        snprintf(from, sizeof from, "%s/%s.model", check_source("text/data/sentencepiece"), json_string_value(json_object_get(answer, "model")));
        snprintf(to, sizeof to, "%s/%s", folder, json_string_value(json_object_get(answer, "file")));
        check_ok(at_file_copy(from, to, &err), &err);
        json_object_foreach(json_object_get(answer, "others"), name, content) put_json(folder, name, content);
        check_ok(at_tokenizer_open(folder, &t, &err), &err);
        size_t differ = compare_texts(t, json_object_get(recorded, "texts"), answer);
        if (differ) print_error("case %zu: %zu texts differ\n", i, differ);
        bad += differ;
        assert_int_equal(at_tokenizer_size(t), json_integer_value(json_object_get(answer, "size")));
        assert_int_equal(at_tokenizer_special(t, "mask"), json_integer_value(json_object_get(answer, "mask")));
        check_ok(at_encode(t, "the cat", 7, "a", 1, NULL, &e, &err), &err);
        assert_true(same_ids(&e, json_object_get(answer, "pair")));
        for (int k = 0; k < e.n; k++) assert_int_equal(e.types[k], json_integer_value(json_array_get(json_object_get(answer, "types"), (size_t)k)));
        at_encoding_free(&e);
        at_tokenizer_close(t);
        check_ok(at_folder_remove(folder, &err), &err);
    }
    assert_int_equal(i, 14);
    assert_int_equal(bad, 0);
    json_decref(recorded);
}

static void refused_by(const char *folder, const char *class, const char *words) {
    char config[128];
    at_error err;
    at_tokenizer *t;
    snprintf(config, sizeof config, "%s/tokenizer_config.json", folder);
    json_t *said = json_pack("{s:s}", "tokenizer_class", class);
    check_ok(at_json_save(config, said, &err), &err);
    json_decref(said);
    check_fails(at_tokenizer_open(folder, &t, &err), AT_BAD_MODEL, &err, words);
}

static void what_a_class_cannot_read_is_refused(void **state) {
    (void)state;
    static const char FEW[] = "\x0a\x05\x0a\x01" "a\x18\x02";
    char folder[64] = "/tmp/attune-spm-XXXXXX", to[600], from[600];
    at_error err;
    assert_non_null(mkdtemp(folder));
    snprintf(from, sizeof from, "%s/bpe.model", check_source("text/data/sentencepiece"));
    snprintf(to, sizeof to, "%s/sentencepiece.bpe.model", folder);
    check_ok(at_file_copy(from, to, &err), &err);
    refused_by(folder, "XLMRobertaTokenizer", "is a BPE model, and the class XLMRobertaTokenizer reads Unigram models: transformers would take its scores "
               "for the other kind's");
    snprintf(from, sizeof from, "%s/unigram.model", check_source("text/data/sentencepiece"));
    check_ok(at_file_copy(from, to, &err), &err);
    refused_by(folder, "GemmaTokenizer", "is a Unigram model, and the class GemmaTokenizer reads BPE models");
    check_ok(at_file_write(to, FEW, sizeof FEW - 1, &err), &err);
    refused_by(folder, "XLMRobertaTokenizer", "has 1 pieces, too few");
    refused_by(folder, "AlbertTokenizer", "has 1 pieces, too few");
    check_ok(at_folder_remove(folder, &err), &err);
}

static void what_is_no_model_is_refused(void **state) {
    (void)state;
    at_error err;
    at_tokenizer *t;
    check_fails(at_tokenizer_open_spm("x", "", 0, NULL, &t, &err), AT_BAD_MODEL, &err, "x: is no SentencePiece model");
    check_fails(at_tokenizer_open_spm("x", "\x0a\xff\xff\x7f", 4, NULL, &t, &err), AT_BAD_MODEL, &err, "x: is no SentencePiece model");
    check_fails(at_tokenizer_open_spm("x", "\x0a\x03\x0a\x01" "a", 5, NULL, &t, &err), AT_BAD_MODEL, &err, "no piece is the unknown one");
    check_fails(at_tokenizer_open_spm("x", "\x0a\x05\x0a\x01" "a\x18\x07", 7, NULL, &t, &err), AT_BAD_MODEL, &err, "x: is no SentencePiece model");
    check_fails(at_tokenizer_open_spm("x", "\x0a\x05\x0a\x01" "a\x18\x02\x12\x02\x18\x03", 11, NULL, &t, &err), AT_BAD_MODEL, &err, "of type 3 is neither");
}

int main(void) {
    vectors = recorded_load(check_source("text/data/sentencepiece/ids.json"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_sentencepieces_own),
        cmocka_unit_test(the_class_decides_what_stands_around),
        cmocka_unit_test(classes_read_in_their_own_ways),
        cmocka_unit_test(what_a_class_cannot_read_is_refused),
        cmocka_unit_test(what_is_no_model_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(vectors);
    return failed;
}
