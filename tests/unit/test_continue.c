/* A text as it comes: whole characters, together the text, nothing of a stop text; end tokens, limits, a listener that has enough. */
#include "check.h"

#include "base/str.h"
#include "infer/continue.h"
#include "io/safetensors.h"
#include "model/gguf.h"

enum { ROOM = 60 };

typedef struct fixture {
    at_arena arena;
    at_model *model;
    at_tokenizer *tokenizer;
    const at_backend *backend;
    at_error err;
} fixture;

typedef struct heard {
    at_str text;
    int asked;        /* a search asks once a token, with an empty piece */
    int pieces, most; /* 1 is answered after `most` pieces; 0: never */
} heard;

static int open_all(void **state) {
    static fixture f;
    char path[4096];
    at_model_options options = {.head = AT_HEAD_LM};
    snprintf(path, sizeof path, "%.4000s", check_source("unit/data/gguf/tiny.gguf"));
    check_ok(at_model_open(path, &options, &f.model, &f.err), &f.err);
    check_ok(at_model_tokenizer_open(path, &f.tokenizer, &f.err), &f.err);
    check_ok(at_backend_choose(NULL, &f.backend, &f.err), &f.err);
    *state = &f;
    return 0;
}

static int close_all(void **state) {
    fixture *f = *state;
    at_tokenizer_close(f->tokenizer);
    at_model_close(f->model);
    at_arena_free(&f->arena);
    return 0;
}

static int listen(void *context, const char *text, size_t len) {
    heard *h = context;
    assert_true(len > 0 || h->asked);
    assert_int_equal(at_utf8_check(text, len), len); /* never half a character */
    at_str_add_bytes(&h->text, text, len);
    return ++h->pieces == h->most;
}

static at_continuation run(fixture *f, const at_sampling *how, at_continuation_options *options, heard *h) {
    at_generator *generator;
    at_chooser sampler;
    at_encoding e = {0};
    const at_encode_options plain = {0};
    at_continuation c;
    options->listen = listen;
    options->context = h;
    h->text = (at_str){.arena = &f->arena};
    if (!options->most_new) options->most_new = ROOM - 10;
    check_ok(at_encode(f->tokenizer, "the quick brown fox", 19, NULL, 0, &plain, &e, &f->err), &f->err);
    at_generator_room room = {0, ROOM, options->beams.n > 1 ? options->beams.n : 1};
    check_ok(at_generator_open_room(f->model, f->backend, 2, room, &generator, &f->err), &f->err);
    check_ok(at_chooser_make(&sampler, &f->arena, how, f->model->arch.vocab_size, &f->err), &f->err);
    check_ok(at_continue(generator, &sampler, f->tokenizer, e.ids, e.n, options, &f->arena, &c, &f->err), &f->err);
    at_generator_close(generator);
    at_encoding_free(&e);
    return c;
}

static at_sampling wild(uint64_t seed) { return (at_sampling){.temperature = 3, .top_p = 1, .repetition_penalty = 1, .seed = seed}; }

static void pieces_are_whole_and_make_the_text(void **state) {
    int broken = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        at_sampling how = wild(seed);
        at_continuation_options options = {0};
        heard h = {0};
        at_continuation c = run(*state, &how, &options, &h);
        assert_int_equal(h.text.len, c.len);
        assert_memory_equal(h.text.text ? h.text.text : "", c.text, c.len);
        assert_int_equal(c.n, ROOM - 10);
        assert_int_equal(c.finish, AT_FINISH_LENGTH);
        broken += strstr(c.text, "\xef\xbf\xbd") != NULL;
    }
    assert_true(broken > 5); /* bytes that are no characters were among them */
}

static void a_stop_text_ends_it_and_is_not_told(void **state) {
    int stopped = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        at_sampling how = wild(seed);
        const char *stop[2] = {"e", "t t"};
        at_continuation_options free_run = {0}, options = {.stop = stop, .n_stop = 2};
        heard all = {0}, h = {0};
        at_continuation whole = run(*state, &how, &free_run, &all), c = run(*state, &how, &options, &h);
        size_t want = 0;
        while (want < whole.len && whole.text[want] != 'e' && strncmp(whole.text + want, "t t", 3) != 0) want++;
        int first = want < whole.len;
        assert_int_equal(c.len, want);
        assert_memory_equal(c.text, whole.text, want);
        assert_int_equal(h.text.len, want);
        assert_int_equal(c.finish, first ? AT_FINISH_STOP : AT_FINISH_LENGTH);
        stopped += first;
    }
    assert_in_range(stopped, 5, 40);
}

static void an_end_token_is_no_part_of_it(void **state) {
    at_sampling how = at_sampling_greedy();
    at_continuation_options free_run = {0}, options = {0};
    heard h = {0};
    at_continuation whole = run(*state, &how, &free_run, &h);
    options.end = &whole.ids[3];
    options.n_end = 1;
    at_continuation c = run(*state, &how, &options, &h);
    assert_int_equal(c.finish, AT_FINISH_END);
    assert_true(c.n <= 3);
    for (int i = 0; i < c.n; i++) assert_int_not_equal(c.ids[i], whole.ids[3]);
}

/* A search is asked once a token and then ends without a text. */
static void a_search_may_be_ended(void **state) {
    at_sampling how = at_sampling_greedy();
    at_continuation_options options = {.beams = {.n = 2, .length_penalty = 1}};
    heard free_run = {.asked = 1}, h = {.most = 2, .asked = 1};
    at_continuation whole = run(*state, &how, &options, &free_run), c = run(*state, &how, &options, &h);
    assert_true(whole.n > 0 && whole.finish == AT_FINISH_LENGTH && free_run.text.len == whole.len);
    assert_int_equal(c.finish, AT_FINISH_ASKED);
    assert_int_equal(c.n, 0);
    assert_int_equal(h.pieces, 2);
    assert_int_equal(h.text.len, 0);
}

static void a_listener_may_have_enough(void **state) {
    at_sampling how = at_sampling_greedy();
    at_continuation_options options = {0};
    heard h = {.most = 2};
    at_continuation c = run(*state, &how, &options, &h);
    assert_int_equal(c.finish, AT_FINISH_ASKED);
    assert_int_equal(h.pieces, 2);
}

/* Logits behind the prompt: those of transformers reading the same file, whole and token by token (where keys and values are read in their
 * places: heads are whole vectors wide here). */
static void steps_equal_the_whole_and_transformers(void **state) {
    fixture *f = *state;
    const int32_t ids[4] = {263, 410, 403, 378};
    at_safetensors *file;
    check_ok(at_safetensors_open(check_source("unit/data/gguf/tiny.safetensors"), &file, &f->err), &f->err);
    const at_stored_tensor *t = at_safetensors_find(file, "logits");
    float *want = AT_NEW_ARRAY(&f->arena, float, t->count);
    check_ok(at_safetensors_read_f32(file, t, want, 0, &f->err), &f->err);
    assert_int_equal(t->count, f->model->arch.vocab_size);
    for (int step = 1; step <= 4; step++) {
        at_generator *generator;
        at_real *logits;
        double sum = 0, norm = 0;
        check_ok(at_generator_open(f->model, f->backend, 2, ROOM, &generator, &f->err), &f->err);
        for (int at = 0; at < 4; at += step)
            check_ok(at_generator_feed(generator, ids + at, 4 - at < step ? 4 - at : step, &logits, &f->err), &f->err);
        for (int i = 0; i < f->model->arch.vocab_size; i++) {
            sum += ((double)logits[i] - (double)want[i]) * ((double)logits[i] - (double)want[i]);
            norm += (double)want[i] * (double)want[i];
        }
        assert_true(sum < 1e-10 * norm);
        at_generator_close(generator);
    }
    at_safetensors_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_the_whole_and_transformers),
        cmocka_unit_test(pieces_are_whole_and_make_the_text),
        cmocka_unit_test(a_stop_text_ends_it_and_is_not_told),
        cmocka_unit_test(an_end_token_is_no_part_of_it),
        cmocka_unit_test(a_listener_may_have_enough), cmocka_unit_test(a_search_may_be_ended),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
