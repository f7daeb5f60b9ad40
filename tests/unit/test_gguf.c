/* GGUF: numbers of every type bit for bit as gguf's quants.py has them, golden models through gguf's names and llama.cpp's layouts, vocabularies
 * against tokenizers and sentencepiece (tests/oracle/make_gguf_vectors.py), what we write read back, and damaged files. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "export/export.h"
#include "io/gguf_parse.h"
#include "io/safetensors.h"
#include "model/gguf.h"

static const char *data(const char *name) {
    static char relative[256];
    snprintf(relative, sizeof relative, "unit/data/gguf/%.100s", name);
    return check_source(relative);
}

static float *expected(at_arena *arena, const at_safetensors *file, const char *name, size_t *n) {
    at_error err;
    const at_stored_tensor *t = at_safetensors_find(file, name);
    if (!t) fail_msg("no reference %s", name);
    float *values = AT_NEW_ARRAY(arena, float, t->count);
    check_ok(at_safetensors_read_f32(file, t, values, 0, &err), &err);
    *n = (size_t)t->count;
    return values;
}

static void every_type_gives_the_same_bits(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    at_gguf *file;
    at_safetensors *want;
    int types = 0;
    check_ok(at_gguf_open(data("types.gguf"), &file, &err), &err);
    check_ok(at_safetensors_open(data("types.safetensors"), &want, &err), &err);
    for (int i = 0; i < at_gguf_count(file); i++) {
        const at_gguf_tensor *t = at_gguf_at(file, i);
        size_t n;
        float *numbers = expected(&arena, want, t->name, &n), *got = AT_NEW_ARRAY(&arena, float, t->count);
        assert_int_equal(n, t->count);
        check_ok(at_gguf_read(file, t, got, &err), &err);
        if (memcmp(got, numbers, n * sizeof *got)) fail_msg("%s: other numbers", t->name);
        types++;
    }
    assert_int_equal(types, 8 + 11);
    at_gguf_close(file);
    at_safetensors_close(want);
    at_arena_free(&arena);
}

static void what_is_packed_is_what_gguf_packs(void **state) {
    (void)state;
    static const struct { const char *name; at_gguf_type type; } MADE[] = {
        {"F32", AT_GGUF_F32}, {"F16", AT_GGUF_F16}, {"BF16", AT_GGUF_BF16}, {"Q8_0", AT_GGUF_Q8_0}};
    at_error err;
    at_arena arena = {0};
    at_safetensors *want;
    check_ok(at_safetensors_open(data("types.safetensors"), &want, &err), &err);
    for (size_t k = 0; k < sizeof MADE / sizeof *MADE; k++) {
        size_t n;
        float *from = expected(&arena, want, at_format(&arena, "from.%s", MADE[k].name), &n);
        float *numbers = expected(&arena, want, at_format(&arena, "made.%s", MADE[k].name), &n), *got = AT_NEW_ARRAY(&arena, float, n);
        void *packed = at_alloc(&arena, n, 4);
        at_gguf_pack(MADE[k].type, from, packed, n);
        at_gguf_unpack(MADE[k].type, packed, got, n);
        if (memcmp(got, numbers, n * sizeof *got)) fail_msg("%s: packed otherwise", MADE[k].name);
    }
    at_safetensors_close(want);
    at_arena_free(&arena);
}

/* ---- models ---- */

static void same_number(const char *name, const char *what, double a, double b) {
    if (fabs(a - b) > 1e-6 * fabs(b)) fail_msg("%s: %s is %g, not %g", name, what, a, b);
}

static void same_arch(const char *name, const at_arch *a, const at_arch *b) {
#define SAME(field) same_number(name, #field, (double)a->field, (double)b->field)
    SAME(vocab_size), SAME(hidden), SAME(layers), SAME(heads), SAME(kv_heads), SAME(head_dim), SAME(intermediate), SAME(max_positions), SAME(type_vocab);
    SAME(activation), SAME(gated), SAME(block), SAME(norm), SAME(norm_epsilon), SAME(position), SAME(causal), SAME(soft_cap), SAME(final_cap), SAME(tied);
    SAME(embedding_scale), SAME(qkv_bias), SAME(out_bias), SAME(mlp_bias), SAME(rope[0].dim), SAME(rope[0].factor);
    for (int i = 0; i < a->rope[0].dim / 2; i++) SAME(rope[0].inverse[i]);
}

static void same_model(const char *name, const at_model *theirs, const at_model *ours) {
    same_arch(name, &theirs->arch, &ours->arch);
    for (int i = 0; i < theirs->params.n; i++) {
        const at_weight *w = &theirs->params.weights[i], *v = at_params_find(&ours->params, w->name);
        if (!v || v->size != w->size) fail_msg("%s: %s is not there", name, w->name);
        for (size_t e = 0; e < w->size; e++)
            if (fabs((double)at_weight_values(&theirs->params, w)[e] - (double)at_weight_values(&ours->params, v)[e]) > 2e-7)
                fail_msg("%s: %s differs", name, w->name);
    }
}

static void models_are_those_of_the_folders(void **state) {
    (void)state;
    static const struct { const char *name, *folder; int window; } MODELS[] = {
        {"llama", "lm/llama", 1}, {"llama-3", "lm/llama-3", 1}, {"llama-linear", "lm/llama-linear", 1}, {"mistral", "lm/mistral", 0},
        {"qwen2-plain", "lm/qwen2-plain", 1}, {"qwen3", "lm/qwen3", 1}, {"gemma2", "lm/gemma2", 1}, {"gemma3_text", "lm/gemma3_text", 0}, {"phi3", "lm/phi3", 1},
        {"phi3-long", "lm/phi3-long", 1}, {"gpt2", "lm/gpt2", 1}, {"gpt_neox", "lm/gpt_neox", 1}, {"olmo2", "lm/olmo2", 1}, {"pooler", "data/pooler", 1}};
    for (size_t k = 0; k < sizeof MODELS / sizeof *MODELS; k++) {
        at_error err;
        at_model *ours, *theirs;
        char relative[128], path[4096];
        at_model_options options = {.head = strncmp(MODELS[k].folder, "lm/", 3) ? AT_HEAD_NONE : AT_HEAD_LM};
        snprintf(relative, sizeof relative, "golden/%s", MODELS[k].folder);
        snprintf(path, sizeof path, "%.4000s", check_source(relative));
        check_ok(at_model_open(path, &options, &ours, &err), &err);
        snprintf(relative, sizeof relative, "model-%s.gguf", MODELS[k].name);
        check_ok(at_model_open(data(relative), &options, &theirs, &err), &err);
        same_model(MODELS[k].name, theirs, ours);
        if (MODELS[k].window) same_number(MODELS[k].name, "window", theirs->arch.window, ours->arch.window);
        assert_int_equal(theirs->report.n_fresh, 0);
        at_model_close(ours);
        at_model_close(theirs);
    }
}

/* ---- out and in again ---- */

/* The golden model in a folder of its own, with one key of its config set and a vocabulary of one token. */
static void make_folder(const char *folder, const char *golden, const char *key, const char *value) {
    static const char TOKENIZER[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                                    "\"add_prefix_space\":false},\"decoder\":{\"type\":\"ByteLevel\"}}";
    at_arena arena = {0};
    at_error err;
    json_t *config, *set = NULL;
    const char *source = at_strdup(&arena, check_source(golden));
    check_ok(at_json_load(at_path_join(&arena, source, "config.json"), 1 << 20, AT_BAD_MODEL, &config, &err), &err);
    if (key) check_ok(at_json_parse(value, strlen(value), "value", AT_BUG, &set, &err), &err);
    if (key) json_object_set_new(config, key, set);
    check_ok(at_json_save(at_path_join(&arena, folder, "config.json"), config, &err), &err);
    check_ok(at_file_copy(at_path_join(&arena, source, "model.safetensors"), at_path_join(&arena, folder, "model.safetensors"), &err), &err);
    check_ok(at_file_write(at_path_join(&arena, folder, "tokenizer.json"), TOKENIZER, strlen(TOKENIZER), &err), &err);
    json_decref(config);
    at_arena_free(&arena);
}

/* Every family that has a place there, and what has none: refused in words, and no file is left. */
static void models_go_out_and_come_back(void **state) {
    (void)state;
    static const struct { const char *golden, *key, *value, *refused; } CASES[] = {
        {"lm/llama", NULL, NULL, NULL}, {"lm/llama-3", NULL, NULL, NULL}, {"lm/llama-linear", NULL, NULL, NULL}, {"lm/qwen2-plain", NULL, NULL, NULL},
        {"lm/mistral", "sliding_window", "null", NULL}, {"lm/mistral", NULL, NULL, "no window of 4 tokens for a mistral"},
        {"lm/qwen3", NULL, NULL, NULL}, {"lm/phi3", NULL, NULL, NULL}, {"lm/phi3-long", NULL, NULL, NULL}, {"lm/olmo2", NULL, NULL, NULL},
        {"lm/gpt2", NULL, NULL, NULL}, {"lm/gpt2", "activation_function", "\"relu\"", "its activation"},
        {"lm/gpt2", "scale_attn_weights", "false", "the scale of its scores"}, {"lm/gpt_neox", NULL, NULL, NULL},
        {"lm/gpt_neox", "use_parallel_residual", "false", NULL}, {"lm/gpt_neox-serial", NULL, NULL, "no gpt_neox without biases"},
        {"lm/gemma2", "query_pre_attn_scalar", "10", NULL}, {"lm/gemma2", NULL, NULL, "the scale of its scores"},
        {"lm/gemma3_text", "query_pre_attn_scalar", "10", "which of its layers have a window"}, {"data/pooler", NULL, NULL, NULL},
        {"lm/llama-dynamic", NULL, NULL, "rotary positions of type 'dynamic' are not written"},
        {"data/pooler", "hidden_act", "\"silu\"", "its activation"}};
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        char folder[] = "/tmp/attune-gguf-XXXXXX", golden[64], path[64];
        at_error err = {0};
        at_model *ours, *theirs;
        at_model_options options = {.head = strncmp(CASES[k].golden, "lm/", 3) ? AT_HEAD_NONE : AT_HEAD_LM};
        assert_non_null(mkdtemp(folder));
        snprintf(golden, sizeof golden, "golden/%s", CASES[k].golden);
        snprintf(path, sizeof path, "%s/out.gguf", folder);
        make_folder(folder, golden, CASES[k].key, CASES[k].value);
        check_ok(at_model_open(folder, &options, &ours, &err), &err);
        at_status st = at_export_gguf(ours, "f32", path, &err);
        if (CASES[k].refused) {
            if (st != AT_USAGE || !strstr(err.text, CASES[k].refused)) fail_msg("%s: not refused: %s", CASES[k].golden, err.text);
            assert_int_not_equal(access(path, F_OK), 0);
        } else {
            check_ok(st, &err);
            check_ok(at_model_open(path, &options, &theirs, &err), &err);
            assert_int_equal(theirs->report.n_fresh, 0);
            same_model(CASES[k].golden, theirs, ours);
            at_model_close(theirs);
        }
        at_model_close(ours);
        check_ok(at_folder_remove(folder, &err), &err);
    }
}

/* A model of a GGUF file is saved as a folder that holds the same. */
static void a_saved_file_is_a_folder(void **state) {
    (void)state;
    at_error err;
    at_model *first;
    at_model_options options = {.head = AT_HEAD_LM};
    char folder[] = "/tmp/attune-gguf-XXXXXX";
    assert_non_null(mkdtemp(folder));
    check_ok(at_model_open(data("model-llama-3.gguf"), &options, &first, &err), &err);
    assert_int_equal(at_model_save(first, NULL, folder, &err), AT_BAD_MODEL); /* this file has no vocabulary */
    assert_non_null(strstr(err.text, "has no vocabulary"));
    at_model_close(first);
    check_ok(at_folder_remove(folder, &err), &err);
}

/* ---- vocabularies ---- */

static void vocabularies_give_the_same_ids(void **state) {
    (void)state;
    at_error err;
    json_t *all, *of_kind;
    const char *kind;
    check_ok(at_json_load(data("vocab.json"), 1 << 20, AT_BAD_DATA, &all, &err), &err);
    const json_t *texts = json_object_get(all, "texts");
    int kinds = 0, bad = 0;
    json_object_foreach(json_object_get(all, "ids"), kind, of_kind) {
        char name[64];
        at_tokenizer *t;
        at_encoding e = {0};
        const at_encode_options options = {0};
        snprintf(name, sizeof name, "vocab-%s.gguf", kind);
        check_ok(at_model_tokenizer_open(data(name), &t, &err), &err);
        for (size_t i = 0; i < json_array_size(texts); i++) {
            const char *text = json_string_value(json_array_get(texts, i));
            const json_t *want = json_array_get(of_kind, i);
            check_ok(at_encode(t, text, strlen(text), NULL, 0, &options, &e, &err), &err);
            int same = (size_t)e.n == json_array_size(want);
            for (int k = 0; same && k < e.n; k++) same = e.ids[k] == json_integer_value(json_array_get(want, (size_t)k));
            if (!same) print_error("%s: other ids of '%s'\n", kind, text);
            bad += !same;
        }
        at_encoding_free(&e);
        at_tokenizer_close(t);
        kinds++;
    }
    assert_int_equal(kinds, 5);
    assert_int_equal(bad, 0);
    json_decref(all);
}

/* ---- damage ---- */

static at_status parse(const unsigned char *bytes, size_t len, size_t file_bytes, at_error *err) {
    at_arena arena = {0};
    at_gguf_header header;
    int more;
    at_status st = at_gguf_parse(&arena, "damaged.gguf", bytes, len, file_bytes, &more, &header, err);
    at_arena_free(&arena);
    return st;
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    char *text;
    size_t len;
    check_ok(at_file_read(&arena, data("vocab-llama.gguf"), 1 << 20, AT_BAD_MODEL, &text, &len, &err), &err);
    unsigned char *bytes = at_alloc(&arena, len, 1);
    memcpy(bytes, text, len);
    check_ok(parse(bytes, len, len, &err), &err);
    for (size_t cut = 0; cut < len - 32; cut += cut < 600 ? 1 : 37) assert_int_equal(parse(bytes, cut, cut, &err), AT_BAD_MODEL);
    for (size_t at = 0; at < len; at++) { /* whatever it says, it says it without harm */
        for (int bit = 0; bit < 8; bit += at < 400 ? 1 : 5) {
            bytes[at] ^= (unsigned char)(1 << bit);
            parse(bytes, len, len, &err);
            bytes[at] ^= (unsigned char)(1 << bit);
        }
    }
    bytes[4] = 1; /* version */
    assert_int_equal(parse(bytes, len, len, &err), AT_BAD_MODEL);
    assert_non_null(strstr(err.text, "GGUF version 1"));
    bytes[4] = 3;
    memset(bytes + 8, 255, 8); /* tensors */
    assert_int_equal(parse(bytes, len, len, &err), AT_BAD_MODEL);
    assert_non_null(strstr(err.text, "more tensors"));
    at_arena_free(&arena);
}

/* The tiny model with other bytes in the place of some: `at` is a key or a name, `skip` bytes behind its begin. */
static void refused_with(const char *at, size_t skip, const void *bytes, size_t n, const char *words) {
    at_arena arena = {0};
    at_error err;
    at_model *m;
    char *text, *found = NULL, path[] = "/tmp/attune-gguf-XXXXXX.gguf";
    size_t len;
    check_ok(at_file_read(&arena, data("tiny.gguf"), 1 << 24, AT_BAD_MODEL, &text, &len, &err), &err);
    for (size_t i = 0; i + strlen(at) < len && !found; i++)
        if (!memcmp(text + i, at, strlen(at))) found = text + i;
    assert_non_null(found);
    memcpy(found + skip, bytes, n);
    int file = mkstemps(path, 5);
    assert_true(file >= 0);
    close(file);
    check_ok(at_file_write(path, text, len, &err), &err);
    at_model_options options = {.head = AT_HEAD_LM};
    check_fails(at_model_open(path, &options, &m, &err), AT_BAD_MODEL, &err, words);
    unlink(path);
    at_arena_free(&arena);
}

/* Errors speak of what is in the file, not of the config.json that is made from it. */
static void errors_name_the_files_own_keys(void **state) {
    (void)state;
    static const unsigned char HUGE_COUNT[] = {0xf0, 0xff, 0xff, 0x7f}, NO_NUMBER[] = {0, 0, 0xc0, 0x7f}, SEVEN[] = {7, 0, 0, 0};
    refused_with("llama.block_count", 16, "X", 1, "has no 'llama.block_count'");
    refused_with("llama.attention.head_count_kv", 29 + 4, SEVEN, 4, "'llama.attention.head_count_kv' is 7, not a whole number");
    refused_with("llama.embedding_length", 22 + 4, HUGE_COUNT, 4, "'llama.embedding_length' is 2147483632");
    refused_with("llama.attention.layer_norm_rms_epsilon", 38 + 4, NO_NUMBER, 4, "'llama.attention.layer_norm_rms_epsilon' is no number");
    refused_with("token_embd.weight", 0, "X", 1, "has no 'token_embd.weight (rows)'");
    refused_with("blk.0.attn_q.weight", 11, "z", 1, "no tensor blk.0.attn_q.weight");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_gives_the_same_bits),
        cmocka_unit_test(what_is_packed_is_what_gguf_packs),
        cmocka_unit_test(models_are_those_of_the_folders),
        cmocka_unit_test(models_go_out_and_come_back), cmocka_unit_test(a_saved_file_is_a_folder),
        cmocka_unit_test(vocabularies_give_the_same_ids),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(errors_name_the_files_own_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
