/* Encoder-decoders write: cached steps equal the whole pair read at once; greedy tokens equal those of transformers' generate, also where
 * tokens are forced, forbidden to end or to repeat; what is saved is what was opened. */
#include "golden/seq2seq.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "infer/continue.h"

enum { LONGEST = 2, MOST_TOKENS = 20, START = 3 }; /* LONGEST: the pair whose source has 23 tokens */

static double row_distance(const at_real *got, const at_real *want, int n) {
    double sum = 0, norm = 0;
    for (int i = 0; i < n; i++) {
        sum += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        norm += (double)want[i] * (double)want[i];
    }
    return sqrt(sum / norm);
}

/* The decoder's rows of every pair: one by one and in pieces, by one thread and by three. */
static void cached_steps_equal_the_whole_pair(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        at_generator *generator;
        at_real *logits;
        double worst = 0;
        open_golden(&g, folders.name[i]);
        check_ok(forward(&g, 0), &g.err);
        int vocab = g.h.logits->cols;
        for (int threads = 1; threads <= 3; threads += 2) {
            check_ok(at_generator_open_source(g.h.model, g.h.tape.backend, threads, 23, 21, &generator, &g.err), &g.err);
            for (int s = 0; s < g.h.n_seq; s++) {
                int first = g.decoder_cu[s], n = g.decoder_cu[s + 1] - first, step = 1 + s % 3;
                check_ok(at_generator_read(generator, g.h.ids + g.h.cu[s], g.h.cu[s + 1] - g.h.cu[s], &g.err), &g.err);
                for (int at = 0; at < n; at += step) {
                    int rows = n - at < step ? n - at : step;
                    check_ok(at_generator_feed(generator, g.decoder_ids + first + at, rows, &logits, &g.err), &g.err);
                    worst = fmax(worst, row_distance(logits, g.h.logits->data + (size_t)(first + at + rows - 1) * (size_t)vocab, vocab));
                }
                assert_int_equal(at_generator_length(generator), n);
            }
            at_generator_close(generator);
        }
        print_message("%s: cached logits differ by %.2g\n", folders.name[i], worst);
        assert_true(worst < 1e-5);
        close_golden(&g);
    }
}

static int read_tokens(golden *g, const char *name, int32_t *ids) {
    const at_stored_tensor *t = at_safetensors_find(g->expected, name);
    if (!t || t->count > MOST_TOKENS) fail_msg("%s: no %s", g->folder, name);
    check_ok(at_safetensors_read_raw(g->expected, t, ids, &g->err), &g->err);
    return (int)t->count;
}

/* What is written to the longest source. */
static at_continuation write_to(golden *g, at_continuation_options *o) {
    at_generator *generator;
    at_chooser sampler;
    at_sampling how = at_sampling_greedy();
    at_continuation c;
    at_tokenizer *tokenizer;
    const int32_t start = START;
    json_t *root = json_pack("{s:{s:s, s:s, s:{s:i}}}", "model", "type", "WordLevel", "unk_token", "x", "vocab", "x", 0);
    check_ok(at_tokenizer_open_parsed("letters", root, NULL, &tokenizer, &g->err), &g->err);
    check_ok(at_chooser_make(&sampler, &g->h.memory, &how, g->h.model->arch.vocab_size, &g->err), &g->err);
    check_ok(at_generator_open_source(g->h.model, g->h.tape.backend, 2, 23, 1 + o->most_new, &generator, &g->err), &g->err);
    check_ok(at_generator_read(generator, g->h.ids + g->h.cu[LONGEST], 23, &g->err), &g->err);
    check_ok(at_continue(generator, &sampler, tokenizer, &start, 1, o, &g->h.memory, &c, &g->err), &g->err);
    at_generator_close(generator);
    at_tokenizer_close(tokenizer);
    json_decref(root);
    return c;
}

static int same_tokens(golden *g, const char *what, const at_continuation *c, const int32_t *want, int n) {
    int same = c->n == n && !memcmp(c->ids, want, (size_t)n * sizeof *want);
    for (int i = 0; !same && i < c->n && i < n; i++) print_error("%s, %s: token %d is %d, not %d\n", g->folder, what, i,
                                                                 c->ids[i], want[i]);
    if (!same) print_error("%s, %s: %d tokens, not %d\n", g->folder, what, c->n, n);
    return same;
}

static void greedy_tokens_equal_those_of_transformers(void **state) {
    (void)state;
    int bad = 0;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        int32_t want[MOST_TOKENS];
        open_golden(&g, folders.name[i]);
        at_continuation_options o = {.most_new = read_tokens(&g, "greedy", want)};
        at_continuation c = write_to(&g, &o);
        bad += !same_tokens(&g, "greedy", &c, want, o.most_new);
        close_golden(&g);
    }
    assert_int_equal(bad, 0);
}

/* forced_bos_token_id 5, forced_eos_token_id 2, eos_token_id 2 and greedy_end, min_new_tokens 9, no_repeat_ngram_size 2. */
static void forced_and_forbidden_tokens_are_those_of_transformers(void **state) {
    (void)state;
    static const int32_t first = 5, last = 2;
    int bad = 0;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        int32_t want[MOST_TOKENS], ends[2] = {2};
        open_golden(&g, folders.name[i]);
        int n = read_tokens(&g, "greedy_forced", want), ended;
        read_tokens(&g, "greedy_end", ends + 1);
        ended = want[n - 1] == ends[0] || want[n - 1] == ends[1];
        at_continuation_options o = {.most_new = 12, .end = ends, .n_end = 2, .least_new = 9, .forced_first = &first, .forced_last = &last};
        at_continuation c = write_to(&g, &o);
        bad += !same_tokens(&g, "forced", &c, want, n - ended); /* the end itself is not part of ours */
        bad += ended != (c.finish == AT_FINISH_END);
        n = read_tokens(&g, "greedy_unrepeated", want);
        o = (at_continuation_options){.most_new = n, .no_repeat = 2};
        c = write_to(&g, &o);
        bad += !same_tokens(&g, "unrepeated", &c, want, n);
        close_golden(&g);
    }
    assert_int_equal(bad, 0);
}

static void a_saved_model_is_the_same(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0}, again = {0};
        char folder[] = "/tmp/attune-seq2seq-XXXXXX";
        assert_non_null(mkdtemp(folder));
        open_golden(&g, folders.name[i]);
        check_ok(at_model_save(g.h.model, NULL, folder, &g.err), &g.err);
        open_folder(&again, folder, folders.name[i]);
        golden_same_tensors(g.folder, folder);
        if (!json_equal(g.h.model->config, again.h.model->config)) fail_msg("%s: the config is another", folders.name[i]);
        close_golden(&g);
        close_golden(&again);
        check_ok(at_folder_remove(folder, &g.err), &g.err);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cached_steps_equal_the_whole_pair),
        cmocka_unit_test(greedy_tokens_equal_those_of_transformers),
        cmocka_unit_test(forced_and_forbidden_tokens_are_those_of_transformers),
        cmocka_unit_test(a_saved_model_is_the_same),
    };
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
