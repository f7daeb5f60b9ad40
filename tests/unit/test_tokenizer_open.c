/* Opening: what is refused and in which words, old folders, lengths, roles, decoding. Folders are made on the spot. */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "text/recorded.h"

#define VOCAB                                                                                                       \
    "\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,\"un\":5,\"##aff\":6,\"##able\":7,\"a\":8,\",\":9," \
    "\"do\":10,\"not\":11,\"can\":12"
#define MODEL "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":{" VOCAB "}}"
#define BERT "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
#define DECODER "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}"
#define SPECIAL "\"added_tokens\":[{\"id\":2,\"content\":\"[CLS]\",\"special\":true}]"

static char folder[256];

static void put(const char *name, const char *text, size_t len) {
    char path[512];
    at_error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_ok(at_file_write(path, text, len, &err), &err);
}

static void put_text(const char *name, const char *text) { put(name, text, strlen(text)); }

static int empty_folder(void **state) {
    (void)state;
    at_error err;
    snprintf(folder, sizeof folder, "/tmp/attune-tokenizer-%d", (int)getpid());
    at_folder_remove(folder, &err);
    check_ok(at_folder_make(folder, &err), &err);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    at_error err;
    return at_folder_remove(folder, &err) != AT_OK;
}

static at_tokenizer *opened(void) {
    at_tokenizer *tokenizer = NULL;
    at_error err;
    check_ok(at_tokenizer_open(folder, &tokenizer, &err), &err);
    return tokenizer;
}

static void refused(const char *words) {
    at_tokenizer *tokenizer = NULL;
    at_error err;
    check_fails(at_tokenizer_open(folder, &tokenizer, &err), AT_BAD_MODEL, &err, words);
    assert_null(tokenizer);
}

static void json_refused(const char *text, const char *words) {
    put_text("tokenizer.json", text);
    refused(words);
}

static void unknown_parts_are_named(void **state) {
    (void)state;
    json_refused("{\"normalizer\":{\"type\":\"Precompile\"}," MODEL "}", "normalizer type 'Precompile' is not one of Bert");
    json_refused("{\"normalizer\":{\"type\":\"BertNormaliser\"}," MODEL "}", "Did you mean 'BertNormalizer'?");
    json_refused("{\"pre_tokenizer\":{\"type\":\"Bytes\"}," MODEL "}", "pre-tokenizer type 'Bytes' is not one of");
    json_refused("{\"model\":{\"type\":\"BNE\",\"vocab\":{}}}", "model type 'BNE' is not one of WordPiece");
    json_refused("{\"post_processor\":{\"type\":\"X\"}," MODEL "}", "post-processor type 'X'");
    json_refused("{\"decoder\":{\"type\":\"Fused\"}," MODEL "}", "decoder type 'Fused' is not one of WordPiece");
}

#define SPLIT(regex) "{\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"" regex "\"}}," MODEL "}"
#define BPE(more) "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}," more "}}"
#define UNIGRAM(more) "{\"model\":{\"type\":\"Unigram\"," more "}}"

static void what_is_wrong_within_a_part_is_named(void **state) {
    (void)state;
    json_refused(SPLIT("a&&b["), "a class without its end");
    json_refused(SPLIT("[a&&b]"), "the intersection of classes (&&)");
    json_refused(SPLIT("(a"), "a group without its end");
    json_refused(SPLIT("*a"), "a quantifier with nothing before it");
    json_refused(SPLIT("\\\\p{Elvish}"), "is not understood");
    json_refused("{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Glob\":\"a\"},\"content\":\"\"}," MODEL "}", "neither {\"String\"");
    json_refused("{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"////\"}," MODEL "}", "the character map");
    json_refused(BPE("\"merges\":[\"a b c\"]"), "merge 1 is neither a pair");
    json_refused(BPE("\"merges\":[\"a b\",\"b a\"]"), "merge 2, 'b' and 'a': what they become is not in the vocabulary");
    json_refused(BPE("\"merges\":[[\"a\",\"c\"]]"), "the second is not in the vocabulary");
    json_refused(BPE("\"merges\":[],\"dropout\":0.1"), "dropout of 0.1");
    json_refused(BPE("\"merges\":[],\"byte_fallback\":true,\"end_of_word_suffix\":\"</w>\""), "byte_fallback and a prefix or suffix");
    json_refused(UNIGRAM("\"vocab\":{}"), "has no vocabulary");
    json_refused(UNIGRAM("\"vocab\":[[\"a\",-1.0]],\"unk_id\":1"), "the unk_id 1 is no token");
    json_refused(UNIGRAM("\"vocab\":[[\"a\"]]"), "entry 0 of the vocabulary");
    json_refused("{\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"BertProcessing\",\"cls\":[\"a\",0],\"sep\":[\"a\",0]},"
                 "{\"type\":\"BertProcessing\",\"cls\":[\"a\",0],\"sep\":[\"a\",0]}]}," MODEL "}", "more than one post-processor");
}

static void broken_files_are_refused(void **state) {
    (void)state;
    refused("neither tokenizer.json, nor tokenizer.model (spiece.model, sentencepiece.model, sentencepiece.bpe.model, spm.model), nor "
            "vocab.json with merges.txt, nor vocab.txt is there");
    json_refused("{\"model\":", "tokenizer.json:1:");
    json_refused("[]", "is no JSON object");
    json_refused("{}", "there is no \"model\"");
    json_refused("{\"model\":{\"type\":\"WordPiece\"}}", "has no vocabulary");
    json_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":0}}}", "'a' and 'b' have the same id 0");
    json_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"a\":1}}}", "duplicate");
    json_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}}", "'a' has no id within");
    json_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":4000000000}}}", "'a' has no id within");
    json_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":\"0\"}}}", "'a' has no id within");
    json_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", "unknown token '[UNK]' is not in the vocabulary");
    json_refused("{\"model\":{\"type\":\"WordPiece\",\"max_input_chars_per_word\":-5,\"vocab\":{\"[UNK]\":0}}}",
                 "max_input_chars_per_word is -5");
}

static void wrong_references_are_refused(void **state) {
    (void)state;
    json_refused("{" MODEL ",\"added_tokens\":[{\"id\":7,\"content\":\"[CLS]\"}]}", "'[CLS]' has the id 7, but");
    json_refused("{" MODEL ",\"added_tokens\":[{\"content\":\"x\"},{\"content\":\"x\",\"special\":true}]}", "stands there twice");
    json_refused("{" MODEL ",\"added_tokens\":[{\"content\":\"\"}]}", "an added token is empty");
    json_refused("{" BERT "," MODEL ",\"added_tokens\":[{\"content\":\"\\u0301\"}]}", "is nothing once it is normalised");
    json_refused("{" MODEL ",\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",2],\"sep\":[\"[SEP]\",99]}}",
                 "\"sep\" of the post-processor");
    json_refused("{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
                 "\"[CLS]\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}}",
                 "special_tokens lack it");
    json_refused("{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\","
                 "\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}}",
                 "the sequence 'B' where it has none");
}

/* Claude's vocabulary has runs of 2,048 characters. */
static void a_long_token_is_found(void **state) {
    (void)state;
    char *text = malloc(1 << 16);
    size_t n = (size_t)sprintf(text, "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"[UNK]\",\"vocab\":{\"[UNK]\":0,\"");
    memset(text + n, 'x', 4096);
    n += 4096;
    n += (size_t)sprintf(text + n, "\":1}}}");
    at_tokenizer *t = recorded_open_file("tokenizer.json", text, n, NULL);
    at_encoding e = {0};
    at_error err;
    for (size_t len = 4095; len <= 4097; len++) {
        memset(text, 'x', len);
        check_ok(at_encode(t, text, len, NULL, 0, NULL, &e, &err), &err);
        assert_int_equal(e.n, 1);
        assert_int_equal(e.ids[0], len == 4096);
    }
    at_encoding_free(&e);
    at_tokenizer_close(t);
    free(text);
}

/* A WordPiece with very long tokens goes another way to the same ids: aaa.. is 600, 600 and 200 single ones; a character between ends a match. */
static void long_pieces_are_found_as_short_ones_are(void **state) {
    (void)state;
    char *text = malloc(1 << 14), *run = malloc(1 << 12);
    at_error err;
    at_encoding e = {0};
    memset(run, 'a', 4096);
    for (int with = 0; with < 2; with++) {
        snprintf(text, 1 << 14, "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":5000,"
                 "\"vocab\":{\"u\":0,\"a\":1,\"##a\":2,\"##\u00e9\":3,\"##aa\u00e9\":4%s%.*s%s%.*s%s}}}", with ? ",\"" : "", with ? 600 : 0, run,
                 with ? "\":5,\"##" : "", with ? 600 : 0, run, with ? "\":6" : "");
        at_tokenizer *t = recorded_open_file("tokenizer.json", text, strlen(text), NULL);
        check_ok(at_encode(t, run, 1400, NULL, 0, NULL, &e, &err), &err);
        assert_int_equal(e.n, with ? 202 : 1400);
        assert_int_equal(e.ids[0], with ? 5 : 1);
        assert_int_equal(e.ids[1], with ? 6 : 2);
        assert_int_equal(e.ids[e.n - 1], 2);
        check_ok(at_encode(t, "aaaa\xc3\xa9" "a\xc3\xa9", 9, NULL, 0, NULL, &e, &err), &err);
        static const int32_t want[] = {1, 2, 4, 2, 3};
        assert_int_equal(e.n, 5);
        for (int i = 0; i < 5; i++) assert_int_equal(e.ids[i], want[i]);
        check_ok(at_encode(t, "a\xc3\xa8", 3, NULL, 0, NULL, &e, &err), &err);
        assert_true(e.n == 1 && e.ids[0] == 0);
        at_tokenizer_close(t);
    }
    at_encoding_free(&e);
    free(text);
    free(run);
}

static void very_long_and_very_deep_things_are_refused(void **state) {
    (void)state;
    char *text = malloc(1 << 16);
    size_t n = 0;
    n += (size_t)sprintf(text, "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"");
    memset(text + n, 'x', 4097);
    n += 4097;
    sprintf(text + n, "\":1}}}");
    json_refused(text, "the token 1 is longer than 4096 bytes");
    n = (size_t)sprintf(text, "{" MODEL ",\"normalizer\":");
    for (int i = 0; i < 100; i++) n += (size_t)sprintf(text + n, "{\"type\":\"Sequence\",\"normalizers\":[");
    for (int i = 0; i < 100; i++) n += (size_t)sprintf(text + n, "]}");
    sprintf(text + n, "}");
    json_refused(text, "nested");
    free(text);
}

#define GROWS(pattern, content) "{\"type\":\"Replace\",\"pattern\":{" pattern "},\"content\":\"" content "\"}"
#define TEN "aaaaaaaaaa"
#define TWELVE(x) x "," x "," x "," x "," x "," x "," x "," x "," x "," x "," x "," x

/* Small files whose steps would fill any memory. */
static void what_grows_without_an_end_is_refused(void **state) {
    (void)state;
    static const char *const STEPS[] = {TWELVE(GROWS("\"String\":\"a\"", TEN)), TWELVE(GROWS("\"Regex\":\"(?=a)\"", TEN TEN TEN TEN)),
                                        TWELVE("{\"type\":\"Prepend\",\"prepend\":\"" TEN "\"}," GROWS("\"String\":\"aa\"", TEN))};
    char text[8192];
    at_error err;
    at_encoding e = {0};
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[%s]}," MODEL "}", STEPS[i]);
        put_text("tokenizer.json", text);
        at_tokenizer *t = opened();
        check_fails(at_encode(t, "aaaaaaaaaa", 10, NULL, 0, NULL, &e, &err), AT_BAD_MODEL, &err, "more than 100 times its length");
        at_tokenizer_close(t);
    }
    snprintf(text, sizeof text, "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[%s]}," MODEL "}", STEPS[0]);
    put_text("tokenizer.json", text);
    at_tokenizer *t = opened();
    at_arena arena = {0};
    char *decoded;
    check_fails(at_decode(t, &arena, (int32_t[]){8, 12}, 2, 0, &decoded, &err), AT_BAD_MODEL, &err, "more than 100 times its length");
    at_arena_free(&arena);
    at_tokenizer_close(t);
    at_encoding_free(&e);
}

static void length_settings_have_an_order(void **state) {
    (void)state;
    const char *source;
    put_text("tokenizer.json", "{" MODEL "}");
    at_tokenizer *t = opened();
    assert_int_equal(at_tokenizer_max_length(t, &source), 0);
    at_tokenizer_close(t);
    put_text("tokenizer.json", "{\"truncation\":{\"max_length\":128,\"direction\":\"Right\"}," MODEL "}");
    t = opened();
    assert_int_equal(at_tokenizer_max_length(t, &source), 128);
    assert_string_equal(source, "tokenizer.json: truncation");
    at_tokenizer_close(t);
    put_text("tokenizer_config.json", "{\"model_max_length\": 1000000000000000019884624838656}");
    t = opened();
    assert_int_equal(at_tokenizer_max_length(t, &source), 128);
    at_tokenizer_close(t);
    put_text("tokenizer_config.json", "{\"model_max_length\": 512}");
    t = opened();
    assert_int_equal(at_tokenizer_max_length(t, &source), 512);
    assert_string_equal(source, "tokenizer_config.json: model_max_length");
    at_tokenizer_close(t);
    put_text("sentence_bert_config.json", "{\"max_seq_length\": 256, \"do_lower_case\": false}");
    t = opened();
    assert_int_equal(at_tokenizer_max_length(t, &source), 256);
    assert_string_equal(source, "sentence_bert_config.json: max_seq_length");
    at_tokenizer_close(t);
    put_text("tokenizer_config.json", "{\"model_max_length\": ");
    refused("tokenizer_config.json:1:");
}

static void ids_tokens_and_roles(void **state) {
    (void)state;
    put_text("tokenizer.json", "{" BERT "," MODEL ",\"added_tokens\":[{\"id\":13,\"content\":\"<new>\"},{\"id\":2,"
                               "\"content\":\"[CLS]\",\"special\":true}]}");
    put_text("tokenizer_config.json", "{\"mask_token\":{\"content\":\"a\"},\"pad_token\":null}");
    at_tokenizer *t = opened();
    assert_int_equal(at_tokenizer_size(t), 14);
    assert_string_equal(at_tokenizer_token(t, 13), "<new>");
    assert_string_equal(at_tokenizer_token(t, 6), "##aff");
    assert_null(at_tokenizer_token(t, 14));
    assert_null(at_tokenizer_token(t, -1));
    assert_int_equal(at_tokenizer_id(t, "<new>"), 13);
    assert_int_equal(at_tokenizer_id(t, "##able"), 7);
    assert_int_equal(at_tokenizer_id(t, "able"), -1);
    assert_int_equal(at_tokenizer_special(t, "cls"), 2);
    assert_int_equal(at_tokenizer_special(t, "pad"), 0);
    assert_int_equal(at_tokenizer_special(t, "mask"), 8);
    assert_int_equal(at_tokenizer_special(t, "unk"), 1);
    assert_int_equal(at_tokenizer_special(t, "bos"), -1);
    at_tokenizer_close(t);
}

static void encode_checks_what_it_is_given(void **state) {
    (void)state;
    at_error err;
    at_encoding e = {0};
    put_text("tokenizer.json", "{" BERT "," MODEL ",\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",2],"
                               "\"sep\":[\"[SEP]\",3]}}");
    at_tokenizer *t = opened();
    check_fails(at_encode(t, "a \xc3", 3, NULL, 0, NULL, &e, &err), AT_BAD_DATA, &err, "not valid UTF-8 at its character 3");
    check_fails(at_encode(t, "\xed\xa0\x80", 3, NULL, 0, NULL, &e, &err), AT_BAD_DATA, &err, "character 1");
    check_fails(at_encode(t, "a", 1, "a", 1, &(at_encode_options){.max_tokens = 2}, &e, &err), AT_USAGE, &err, "a limit of 2 tokens");
    check_ok(at_encode(t, "unaffable a", 11, NULL, 0, &(at_encode_options){.max_tokens = 4}, &e, &err), &err);
    assert_int_equal(e.n, 4);
    assert_int_equal(e.n_cut, 2);
    assert_int_equal(e.ids[2], 6);
    assert_int_equal(e.start[2], 2);
    assert_int_equal(e.end[2], 5);
    check_ok(at_encode(t, "a", 1, "a", 1, &(at_encode_options){.no_special = 1}, &e, &err), &err);
    assert_int_equal(e.n, 2);
    assert_int_equal(e.types[1], 1);
    at_encoding_free(&e);
    at_tokenizer_close(t);
}

/* The ids are those that BertTokenizerFast of transformers 5.23 gives: numbered ones first, then unk, sep, pad, cls, mask. */
static void old_folders_add_tokens(void **state) {
    (void)state;
    put_text("vocab.txt", "[UNK]\n[CLS]\na\nb\n##b\n[unused5]\n");
    put_text("added_tokens.json", "{\"zz\": 7, \"yy\": 6}");
    put_text("special_tokens_map.json", "{\"mask_token\": \"<m>\", \"additional_special_tokens\": [\"<e>\"]}");
    at_tokenizer *t = opened();
    assert_int_equal(at_tokenizer_id(t, "yy"), 6);
    assert_int_equal(at_tokenizer_id(t, "zz"), 7);
    assert_int_equal(at_tokenizer_id(t, "[SEP]"), 8);
    assert_int_equal(at_tokenizer_id(t, "[PAD]"), 9);
    assert_int_equal(at_tokenizer_special(t, "mask"), 10);
    assert_int_equal(at_tokenizer_id(t, "<e>"), 11);
    at_tokenizer_close(t);
    put_text("tokenizer_config.json", "{\"mask_token\": \"a\", \"added_tokens_decoder\": {\"9\": {\"content\": \"x\"},"
                                      "\"8\": {\"content\": \"zz\"}}}");
    t = opened();
    assert_int_equal(at_tokenizer_special(t, "mask"), 2);
    assert_int_equal(at_tokenizer_id(t, "yy"), 6);
    assert_int_equal(at_tokenizer_id(t, "zz"), 7);
    assert_int_equal(at_tokenizer_id(t, "x"), 8);
    at_tokenizer_close(t);
}

static void too_long_words_are_unknown(void **state) {
    (void)state;
    at_error err;
    at_encoding e = {0};
    put_text("tokenizer.json", "{" BERT ",\"model\":{\"type\":\"WordPiece\",\"max_input_chars_per_word\":2,\"vocab\":{" VOCAB "}}}");
    at_tokenizer *t = opened();
    check_ok(at_encode(t, "do can unaff", 12, NULL, 0, NULL, &e, &err), &err);
    assert_int_equal(e.n, 3);
    assert_int_equal(e.ids[0], 10);
    assert_int_equal(e.ids[1], 1);
    assert_int_equal(e.ids[2], 1);
    at_encoding_free(&e);
    at_tokenizer_close(t);
}

static void decodes_as_its_decoder_says(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    char *text;
    const int32_t ids[] = {2, 5, 6, 7, 9, 8, 4242, 12, 10, 11, 3};
    put_text("tokenizer.json", "{" BERT "," MODEL "," SPECIAL "," DECODER "}");
    at_tokenizer *t = opened();
    check_ok(at_decode(t, &arena, ids, 11, 1, &text, &err), &err);
    assert_string_equal(text, "unaffable, a can do not [SEP]");
    check_ok(at_decode(t, &arena, ids, 2, 0, &text, &err), &err);
    assert_string_equal(text, "[CLS] un");
    check_ok(at_decode(t, &arena, ids, 0, 0, &text, &err), &err);
    assert_string_equal(text, "");
    at_tokenizer_close(t);
    put_text("tokenizer.json", "{" BERT "," MODEL "}");
    t = opened();
    check_ok(at_decode(t, &arena, ids + 1, 3, 0, &text, &err), &err);
    assert_string_equal(text, "un ##aff ##able");
    at_tokenizer_close(t);
    at_arena_free(&arena);
}

static void old_folders_need_their_special_tokens_only(void **state) {
    (void)state;
    at_error err;
    at_encoding e = {0};
    put_text("vocab.txt", "[PAD]\r\n[UNK]\n[CLS]\n[SEP]\n\xc3\x84\xc3\xa4\n\xc3\xa4\xc3\xa4\naa\n");
    at_tokenizer *t = opened(); /* [MASK] is not there and gets the next id */
    assert_int_equal(at_tokenizer_special(t, "mask"), 7);
    check_ok(at_encode(t, "\xc3\x84\xc3\xa4", 4, NULL, 0, NULL, &e, &err), &err);
    assert_int_equal(e.n, 3);
    assert_int_equal(e.ids[1], 6);
    at_tokenizer_close(t);
    put_text("tokenizer_config.json", "{\"do_lower_case\": true, \"strip_accents\": false}");
    t = opened();
    check_ok(at_encode(t, "\xc3\x84\xc3\xa4", 4, NULL, 0, NULL, &e, &err), &err);
    assert_int_equal(e.ids[1], 5);
    at_tokenizer_close(t);
    put_text("tokenizer_config.json", "{\"do_lower_case\": false}");
    t = opened();
    check_ok(at_encode(t, "\xc3\x84\xc3\xa4", 4, NULL, 0, NULL, &e, &err), &err);
    assert_int_equal(e.ids[1], 4);
    at_tokenizer_close(t);
    at_encoding_free(&e);
    put_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n\xff\n");
    refused("vocab.txt:4: not valid UTF-8");
    put_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nb\na\na\n");
    t = opened(); /* of two lines with one token the last counts, as in Python's dictionary */
    assert_int_equal(at_tokenizer_id(t, "a"), 7);
    assert_null(at_tokenizer_token(t, 6));
    at_tokenizer_close(t);
    put_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nb\na\na\n");
    refused("'[MASK]' would get the id 6 of 'a'");
    put_text("vocab.txt", "[PAD]\n");
    refused("the unknown token '[UNK]' is not in the vocabulary");
    put("vocab.txt", "", 0);
    refused("is empty");
}

static void same_ids(const at_tokenizer *t, const char *text, const char *second, const int32_t *ids, int n) {
    at_error err;
    at_encoding e = {0};
    check_ok(at_encode(t, text, strlen(text), second, second ? strlen(second) : 0, NULL, &e, &err), &err);
    assert_int_equal(e.n, n);
    for (int i = 0; i < n; i++) assert_int_equal(e.ids[i], ids[i]);
    for (int i = 0; second && i < n; i++) assert_int_equal(e.types[i], 0);
    at_encoding_free(&e);
}

/* As transformers 5.23: other tokens, two of them between texts, the mask with the space before it; also where config.json alone says what it is. */
static void a_class_of_vocab_txt_is_followed(void **state) {
    (void)state;
    static const char *const SAID[][2] = {{"tokenizer_config.json", "{\"tokenizer_class\": \"MPNetTokenizerFast\", \"mask_token\": \"<mask>\"}"},
                                          {"config.json", "{\"model_type\": \"mpnet\"}"}};
    for (int i = 0; i < 2; i++) {
        empty_folder(state);
        put_text("vocab.txt", "[UNK]\nhello\n<s>\nb\n");
        put_text(SAID[i][0], SAID[i][1]);
        at_tokenizer *t = opened();
        assert_int_equal(at_tokenizer_id(t, "</s>"), 4);
        assert_int_equal(at_tokenizer_id(t, "<pad>"), 5);
        assert_int_equal(at_tokenizer_special(t, "mask"), 6);
        assert_int_equal(at_tokenizer_special(t, "cls"), 2);
        assert_int_equal(at_tokenizer_special(t, "sep"), 4);
        same_ids(t, "Hello <mask> b", NULL, (int32_t[]){2, 1, 6, 3, 4}, 5);
        same_ids(t, "hello", "b", (int32_t[]){2, 1, 4, 4, 3, 4}, 6);
        int32_t start;
        at_encoding e = {0};
        at_error err;
        check_ok(at_encode(t, "b <mask>", 8, NULL, 0, NULL, &e, &err), &err);
        start = e.start[2];
        assert_int_equal(start, 1);
        at_encoding_free(&e);
        at_tokenizer_close(t);
    }
    empty_folder(state);
    put_text("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\n");
    put_text("tokenizer_config.json", "{\"tokenizer_class\": \"DistilBertTokenizer\"}");
    at_tokenizer_close(opened());
    put_text("tokenizer_config.json", "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}");
    refused("how a BertJapaneseTokenizer reads a vocab.txt is not known here; save the model with a tokenizer.json");
}

/* The mask of a RoBERTa takes no space with it unless its file says so, as in transformers 5.23 with or without a class. */
static void a_mask_of_merges_leaves_the_space(void **state) {
    (void)state;
    put_text("vocab.json", "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3,\"a\":4,\"b\":5,\"\xc4\xa0\":6,\"<mask>\":7}");
    put_text("merges.txt", "#version: 0.2\n");
    at_tokenizer *t = opened();
    same_ids(t, "a <mask> b", NULL, (int32_t[]){0, 4, 6, 7, 6, 5, 2}, 7);
    at_tokenizer_close(t);
    put_text("tokenizer_config.json", "{\"tokenizer_class\": \"RobertaTokenizer\", \"mask_token\": {\"content\": \"<mask>\", \"lstrip\": true}}");
    t = opened();
    same_ids(t, "a <mask> b", NULL, (int32_t[]){0, 4, 7, 6, 5, 2}, 6);
    at_tokenizer_close(t);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, empty_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(unknown_parts_are_named),
        TEST(what_is_wrong_within_a_part_is_named),
        TEST(broken_files_are_refused),
        TEST(wrong_references_are_refused),
        TEST(a_long_token_is_found),
        TEST(long_pieces_are_found_as_short_ones_are),
        TEST(very_long_and_very_deep_things_are_refused),
        TEST(what_grows_without_an_end_is_refused),
        TEST(length_settings_have_an_order),
        TEST(ids_tokens_and_roles),
        TEST(encode_checks_what_it_is_given),
        TEST(old_folders_add_tokens),
        TEST(too_long_words_are_unknown),
        TEST(decodes_as_its_decoder_says),
        TEST(old_folders_need_their_special_tokens_only),
        TEST(a_class_of_vocab_txt_is_followed),
        TEST(a_mask_of_merges_leaves_the_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
