/* Beams: the tokens of transformers' generate (tests/oracle/make_golden_beams.py), by one thread and three; texts that are written at once
 * are, bit by bit or nearly, what each would be alone, whoever inherits whose keys. */
#include "check.h"

#include <math.h>

#include "base/random.h"
#include "infer/continue.h"

enum { MOST_NEW = 14, START = 3, MOST_TEXT = 16 };

typedef struct opened {
    at_arena memory;
    at_model *model;
    const at_backend *backend;
    at_tokenizer *tokenizer;
    at_chooser sampler;
    int writes; /* there is an encoder */
    at_error err;
} opened;

static void open_model(opened *o, const char *folder, double repetition_penalty) {
    char path[256];
    at_sampling how = at_sampling_greedy();
    at_model_options options = {.head = AT_HEAD_LM, .keep_head = 1};
    json_t *root = json_pack("{s:{s:s, s:s, s:{s:i}}}", "model", "type", "WordLevel", "unk_token", "x", "vocab", "x", 0);
    how.repetition_penalty = repetition_penalty;
    snprintf(path, sizeof path, "golden/%.200s", folder);
    check_ok(at_backend_choose(NULL, &o->backend, &o->err), &o->err);
    check_ok(at_model_open(check_source(path), &options, &o->model, &o->err), &o->err);
    check_ok(at_tokenizer_open_parsed("words", root, NULL, &o->tokenizer, &o->err), &o->err);
    check_ok(at_chooser_make(&o->sampler, &o->memory, &how, o->model->arch.vocab_size, &o->err), &o->err);
    o->writes = o->model->arch.decoder.layers > 0;
    json_decref(root);
}

static void close_model(opened *o) {
    at_tokenizer_close(o->tokenizer);
    at_model_close(o->model);
    at_arena_free(&o->memory);
}

/* ---- what transformers writes ---- */

static int read_ids(const json_t *list, int32_t *ids, int most) {
    int n = (int)json_array_size(list);
    assert_true(n <= most);
    for (int i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, (size_t)i));
    return n;
}

static at_early early_of(const json_t *how) {
    const json_t *value = json_object_get(how, "early_stopping");
    return json_is_string(value) ? AT_EARLY_NEVER : json_is_true(value) ? AT_EARLY_YES : AT_EARLY_NO;
}

static int number_of(const json_t *how, const char *name) { return (int)json_integer_value(json_object_get(how, name)); }

static double real_of(const json_t *how, const char *name) {
    const json_t *value = json_object_get(how, name);
    return value ? json_number_value(value) : 1;
}

static at_continuation continue_text(opened *o, const int32_t *text, int n, const at_continuation_options *options, int threads) {
    at_generator *generator;
    at_continuation c;
    const int32_t start = START;
    at_generator_room room = {o->writes ? n : 0, (o->writes ? 1 : n) + options->most_new, options->beams.n};
    check_ok(at_generator_open_room(o->model, o->backend, threads, room, &generator, &o->err), &o->err);
    if (o->writes) check_ok(at_generator_read(generator, text, n, &o->err), &o->err);
    check_ok(at_continue(generator, &o->sampler, o->tokenizer, o->writes ? &start : text, o->writes ? 1 : n, options, &o->memory, &c,
                         &o->err), &o->err);
    at_generator_close(generator);
    return c;
}

static int compare_case(const json_t *one, int threads) {
    const json_t *how = json_object_get(one, "how");
    const char *folder = json_string_value(json_object_get(one, "folder"));
    int32_t text[MOST_TEXT], want[MOST_NEW], ends[8], first = (int32_t)number_of(how, "forced_bos_token_id"), last = 2;
    int n = read_ids(json_object_get(one, "text"), text, MOST_TEXT);
    int n_want = read_ids(json_object_get(one, "ids"), want, MOST_NEW), ended = 0;
    at_continuation_options options = {.most_new = MOST_NEW, .end = ends, .n_end = read_ids(json_object_get(how, "eos_token_id"), ends, 8),
                                       .least_new = number_of(how, "min_new_tokens"), .no_repeat = number_of(how, "no_repeat_ngram_size"),
                                       .beams = {number_of(how, "num_beams"), real_of(how, "length_penalty"), early_of(how)}};
    if (first) options.forced_first = &first;
    if (json_object_get(how, "forced_eos_token_id")) options.forced_last = &last;
    opened o = {0};
    open_model(&o, folder, real_of(how, "repetition_penalty"));
    at_continuation c = continue_text(&o, text, n, &options, threads);
    for (int i = 0; i < options.n_end; i++) ended |= want[n_want - 1] == ends[i];
    int same = c.n == n_want - ended && !memcmp(c.ids, want, (size_t)c.n * sizeof *want) && ended == (c.finish == AT_FINISH_END);
    if (!same) print_error("%s: %d tokens (%s), not %d:", folder, c.n, at_finish_name(c.finish), n_want - ended);
    for (int i = 0; !same && i < c.n; i++) print_error(" %d", c.ids[i]);
    char *told = same ? NULL : json_dumps(one, 0);
    if (!same) print_error("\n%s\n", told ? told : "");
    free(told);
    close_model(&o);
    return same;
}

static void tokens_are_those_of_transformers(void **state) {
    (void)state;
    at_error err = {0};
    json_t *cases;
    int bad = 0, seen = 0;
    check_ok(at_json_load(check_source("golden/beams.json"), (size_t)1 << 20, AT_BAD_DATA, &cases, &err), &err);
    for (; seen < (int)json_array_size(cases); seen++) bad += !compare_case(json_array_get(cases, (size_t)seen), seen % 3 ? 1 : 3);
    json_decref(cases);
    assert_true(seen > 100);
    assert_int_equal(bad, 0);
}

/* ---- who inherits what ---- */

enum { TEXTS = 5, STEPS = 9 };

static double distance_of(const at_real *got, const at_real *want, int n) {
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs((double)got[i] - (double)want[i]));
    return most;
}

/* Parents and tokens are drawn: texts that die out, that have many heirs, that come back in the order. Each is written alone beside it. */
static double branch_and_compare(opened *o, uint64_t seed) {
    at_generator *together, *alone;
    at_real *logits, *want;
    int32_t text[TEXTS][STEPS + 1] = {{0}}, source[4] = {7, 9, 11, 5};
    int parent[TEXTS], n = 1, vocab = o->model->arch.vocab_size;
    double most = 0;
    at_generator_room room = {o->writes ? 4 : 0, STEPS + 1, TEXTS};
    check_ok(at_generator_open_room(o->model, o->backend, 2, room, &together, &o->err), &o->err);
    room.texts = 1;
    check_ok(at_generator_open_room(o->model, o->backend, 1, room, &alone, &o->err), &o->err);
    if (o->writes) check_ok(at_generator_read(together, source, 4, &o->err), &o->err);
    text[0][0] = START;
    check_ok(at_generator_feed(together, text[0], 1, &logits, &o->err), &o->err);
    for (int step = 1; step <= STEPS; step++) {
        int32_t next[TEXTS][STEPS + 1], ids[TEXTS];
        int now = 1 + (int)(at_random_key(seed, 1, (uint64_t)step) % TEXTS);
        for (int i = 0; i < now; i++) {
            uint64_t drawn = at_random_key(seed, 2 + (uint64_t)i, (uint64_t)step);
            parent[i] = (int)(drawn % (uint64_t)n);
            ids[i] = (int32_t)(5 + drawn / 64 % 4); /* few, so that texts become alike */
            memcpy(next[i], text[parent[i]], sizeof next[i]);
            next[i][step] = ids[i];
        }
        check_ok(at_generator_branch(together, parent, ids, now, &logits, &o->err), &o->err);
        memcpy(text, next, (size_t)now * sizeof next[0]);
        n = now;
        assert_int_equal(at_generator_length(together), step + 1);
        for (int i = 0; i < n; i++) {
            if (o->writes) check_ok(at_generator_read(alone, source, 4, &o->err), &o->err);
            at_generator_forget(alone, 0);
            check_ok(at_generator_feed(alone, text[i], step + 1, &want, &o->err), &o->err);
            most = fmax(most, distance_of(logits + (size_t)i * (size_t)vocab, want, vocab));
        }
    }
    at_generator_close(together);
    at_generator_close(alone);
    return most;
}

static void texts_at_once_are_what_they_are_alone(void **state) {
    (void)state;
    static const char *const FOLDERS[] = {"seq2seq/t5", "seq2seq/bart", "lm/llama", "lm/qwen3-window", "lm/gpt2"};
    for (int i = 0; i < 5; i++) {
        opened o = {0};
        open_model(&o, FOLDERS[i], 1);
        double most = 0;
        for (uint64_t seed = 1; seed <= 4; seed++) most = fmax(most, branch_and_compare(&o, seed));
        print_message("%s: logits differ by %.2g\n", FOLDERS[i], most);
        assert_true(most < 1e-4);
        close_model(&o);
    }
}

/* After several texts one begins anew: another source, or nothing. */
static void one_text_begins_anew(void **state) {
    (void)state;
    opened o = {0};
    at_generator *g;
    at_real *logits;
    const int parent[2] = {0, 0};
    const int32_t ids[3] = {START, 7, 8}, source[2] = {9, 6};
    open_model(&o, "seq2seq/t5", 1);
    check_ok(at_generator_open_room(o.model, o.backend, 1, (at_generator_room){2, 4, 2}, &g, &o.err), &o.err);
    for (int round = 0; round < 2; round++) {
        check_ok(at_generator_read(g, source, 1 + round, &o.err), &o.err);
        check_ok(at_generator_feed(g, ids, 1, &logits, &o.err), &o.err);
        check_ok(at_generator_branch(g, parent, ids + 1, 2, &logits, &o.err), &o.err);
        assert_int_equal(at_generator_feed(g, ids, 1, &logits, &o.err), AT_BUG);
        assert_int_equal(at_generator_branch(g, parent, ids, 3, &logits, &o.err), AT_BUG);
    }
    at_generator_forget(g, 1);
    assert_int_equal(at_generator_length(g), 0);
    check_ok(at_generator_feed(g, ids, 3, &logits, &o.err), &o.err);
    at_generator_close(g);
    close_model(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_transformers),
        cmocka_unit_test(texts_at_once_are_what_they_are_alone),
        cmocka_unit_test(one_text_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
