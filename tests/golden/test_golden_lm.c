/* Language models against transformers in float64 (tests/oracle/make_golden_lm.py): logits, loss and gradients of every decoder family,
 * with a classifier of its own or tied to the words; the folder saved and opened again; and generation: cached steps equal the whole text
 * read at once, and greedy tokens equal those of transformers' generate. */
#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "golden/compare.h"
#include "golden/folders.h"
#include "infer/continue.h"

enum { PROMPT = 7, MOST_TOKENS = 20, MOST_TENSORS = 256 };
static golden_folders folders = {.root = "golden/lm"};

typedef struct golden {
    harness h;
    at_safetensors *expected;
    at_error err;
    char folder[4096];
} golden;

static const char *path_in(const char *folder, const char *name) { return golden_path(&folders, folder, name); }

static int find_folders(void **state) {
    (void)state;
    return golden_find(&folders, 11);
}

/* Every row is asked for its next word. */
static void ask_everywhere(golden *g) {
    at_batch *b = &g->h.batch;
    int32_t *place = AT_NEW_ARRAY(&g->h.memory, int32_t, b->rows);
    uint64_t *row = AT_NEW_ARRAY(&g->h.memory, uint64_t, b->rows);
    for (int r = 0; r < b->rows; r++) place[r] = r;
    b->place = b->output = place;
    b->output_row = row;
    b->n_outputs = b->rows;
    g->h.target = AT_NEW_ARRAY(&g->h.memory, int32_t, b->rows);
    for (int s = 0; s < b->n_seq; s++)
        for (int r = b->cu_seqlens[s]; r < b->cu_seqlens[s + 1]; r++) g->h.target[r] = r + 1 < b->cu_seqlens[s + 1] ? b->ids[r + 1] : -1;
}

static void open_folder(golden *g, const char *folder, const char *name) {
    at_model_options options = {.head = AT_HEAD_LM, .keep_head = 1};
    char batch[4096];
    snprintf(g->folder, sizeof g->folder, "%s", folder);
    snprintf(batch, sizeof batch, "%s", path_in(name, "batch.safetensors"));
    check_ok(harness_open(&g->h, g->folder, &options, batch, &g->err), &g->err);
    check_ok(at_safetensors_open(path_in(name, "expected.safetensors"), &g->expected, &g->err), &g->err);
    harness_pack(&g->h, 0, 1);
    ask_everywhere(g);
}

static void open_golden(golden *g, const char *name) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%.4000s", path_in(name, ""));
    open_folder(g, folder, name);
}

static void close_golden(golden *g) {
    harness_close(&g->h);
    at_safetensors_close(g->expected);
}

static at_status forward(golden *g, int backward) {
    harness *h = &g->h;
    at_tape *t = &h->tape;
    harness_forward(h, backward);
    h->loss = at_op_cross_entropy(t, h->logits, h->target, NULL, 0, h->batch.rows - h->batch.n_seq);
    return backward && h->loss ? at_tape_backward(t, h->loss) : at_tape_status(t);
}

static double logits_distance(golden *g) { return tensor_distance(&g->h, g->expected, "logits", g->h.logits); }

static double from_reference(golden *g) {
    check_ok(forward(g, 1), &g->err);
    double loss = (double)*expected_values(&g->h, g->expected, at_safetensors_find(g->expected, "loss"));
    double d[3] = {logits_distance(g), fabs((double)g->h.loss->data[0] - loss) / (1e-5 * loss),
                   gradients_distance(&g->h, g->expected, 10, 1)};
    print_message("%s: logits %.3g, loss %.3g, gradients %.3g of the bound\n", strrchr(g->folder, '/') + 1, d[0], d[1], d[2]);
    return worse(d[0], worse(d[1], d[2]));
}

static void language_models_equal_the_reference(void **state) {
    (void)state;
    int bad = 0, tied = 0;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        bad += !(from_reference(&g) < 1);
        tied += g.h.model->arch.tied;
        assert_int_equal(g.h.model->arch.tied,
                         !at_safetensors_find(g.expected, "lm_head.weight") && !at_safetensors_find(g.expected, "embed_out.weight"));
        close_golden(&g);
    }
    assert_int_equal(bad, 0);
    assert_in_range(tied, 4, folders.n - 4);
}

/* The comparison would notice a classifier that is not capped, and words that are not scaled. */
static void flipped_switches_are_noticed(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        at_arch *a = &g.h.model->arch;
        if (a->final_cap > 0) {
            double cap = a->final_cap;
            a->final_cap = 0;
            check_ok(forward(&g, 0), &g.err);
            assert_true(logits_distance(&g) > 1);
            a->final_cap = cap;
        }
        a->layers--;
        check_ok(forward(&g, 0), &g.err);
        assert_true(logits_distance(&g) > 1);
        close_golden(&g);
    }
}

static void a_saved_language_model_is_the_same(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0}, again = {0};
        char folder[] = "/tmp/attune-lm-XXXXXX";
        assert_non_null(mkdtemp(folder));
        open_golden(&g, folders.name[i]);
        check_ok(at_model_save(g.h.model, NULL, folder, &g.err), &g.err);
        open_folder(&again, folder, folders.name[i]);
        golden_same_tensors(g.folder, folder);
        assert_string_equal(json_string_value(json_array_get(json_object_get(g.h.model->config, "architectures"), 0)),
                            json_string_value(json_array_get(json_object_get(again.h.model->config, "architectures"), 0)));
        check_ok(forward(&again, 0), &g.err);
        assert_true(logits_distance(&again) < 1);
        close_golden(&g);
        close_golden(&again);
        check_ok(at_folder_remove(folder, &g.err), &g.err);
    }
}

/* ---- one table or two ---- */

typedef struct tables {
    at_safetensors *from;
    const at_stored_tensor *of[MOST_TENSORS];
} tables;

static at_status fill_from(void *context, int i, void *bytes, at_error *err) {
    const tables *t = context;
    return at_safetensors_read_raw(t->from, t->of[i], bytes, err);
}

/* The golden model with this in its config; its words stored as lm_head.weight alone, or there too. */
static void write_variant(const char *name, const char *folder, int tied, int renamed, int twice) {
    at_arena memory = {0};
    at_error err = {0};
    json_t *config;
    tables t;
    at_tensor_out out[MOST_TENSORS];
    int n = 0;
    check_ok(at_json_load(path_in(name, "config.json"), 1 << 20, AT_BAD_MODEL, &config, &err), &err);
    json_object_set_new(config, "tie_word_embeddings", json_boolean(tied));
    assert_int_equal(json_dump_file(config, at_path_join(&memory, folder, "config.json"), 0), 0);
    json_decref(config);
    check_ok(at_safetensors_open_folder(path_in(name, ""), &t.from, &err), &err);
    for (int i = 0; i < at_safetensors_count(t.from); i++) {
        const at_stored_tensor *from = at_safetensors_at(t.from, i);
        int words = !strcmp(from->name, "model.embed_tokens.weight");
        for (int copy = 0; copy < 1 + (words && twice); copy++) {
            out[n] = (at_tensor_out){copy || (words && renamed) ? "lm_head.weight" : from->name, from->dtype, from->n_dims, {0}};
            memcpy(out[n].shape, from->shape, sizeof from->shape);
            t.of[n++] = from;
        }
    }
    check_ok(at_safetensors_write(at_path_join(&memory, folder, "model.safetensors"), out, n, NULL, fill_from, &t, &err), &err);
    at_safetensors_close(t.from);
    at_arena_free(&memory);
}

static void opens_as(const char *name, int tied_config, int renamed, int twice, int tied) {
    golden g = {0};
    char folder[] = "/tmp/attune-lm-XXXXXX", saved[64];
    assert_non_null(mkdtemp(folder));
    write_variant(name, folder, tied_config, renamed, twice);
    open_folder(&g, folder, name);
    assert_int_equal(g.h.model->arch.tied, tied);
    check_ok(forward(&g, 0), &g.err);
    if (!(logits_distance(&g) < 1)) fail_msg("%s, config %d, renamed %d, twice %d: other logits", name, tied_config, renamed, twice);
    snprintf(saved, sizeof saved, "%s/saved", folder);
    check_ok(at_model_save(g.h.model, NULL, saved, &g.err), &g.err);
    golden_same_tensors(path_in(name, ""), saved);
    close_golden(&g);
    check_ok(at_folder_remove(folder, &g.err), &g.err);
}

/* As transformers 5 reads them: a file of two different tables has two, whatever its config says; a tied one may be under either name, or both. */
static void the_file_says_how_many_tables_there_are(void **state) {
    (void)state;
    opens_as("qwen3-window", 1, 0, 0, 0);
    opens_as("llama", 1, 1, 0, 1);
    opens_as("llama", 1, 0, 1, 1);
}

/* ---- generation ---- */

static double row_distance(const at_real *got, const at_real *want, int n) {
    double sum = 0, norm = 0;
    for (int i = 0; i < n; i++) {
        sum += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        norm += (double)want[i] * (double)want[i];
    }
    return sqrt(sum / norm);
}

/* The third sequence has 23 tokens: fed at once, one by one, and in pieces, by one thread and by three. Where a longer text turns more slowly,
 * what was read of a shorter one stays as it is: that is not the same, and not meant to be. */
static void cached_steps_equal_the_whole_text(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        if (g.h.model->arch.rope[0].stretch > 0) {
            close_golden(&g);
            continue;
        }
        check_ok(forward(&g, 0), &g.err);
        int first = g.h.cu[2], n = g.h.cu[3] - first, vocab = g.h.logits->cols;
        const int32_t *ids = g.h.ids + first;
        const at_real *want = g.h.logits->data + (size_t)first * (size_t)vocab;
        double worst = 0;
        for (int threads = 1; threads <= 3; threads += 2)
            for (int step = 1; step < 6; step += 2) {
                at_generator *generator;
                at_real *logits;
                check_ok(at_generator_open(g.h.model, g.h.tape.backend, threads, n, &generator, &g.err), &g.err);
                for (int at = 0; at < n; at += step) {
                    int rows = n - at < step ? n - at : step;
                    check_ok(at_generator_feed(generator, ids + at, rows, &logits, &g.err), &g.err);
                    worst = fmax(worst, row_distance(logits, want + (size_t)(at + rows - 1) * (size_t)vocab, vocab));
                }
                at_generator_forget(generator, n / 2); /* and once more from the middle */
                check_ok(at_generator_feed(generator, ids + n / 2, n - n / 2, &logits, &g.err), &g.err);
                worst = fmax(worst, row_distance(logits, want + (size_t)(n - 1) * (size_t)vocab, vocab));
                at_generator_close(generator);
            }
        print_message("%s: cached logits differ by %.2g\n", folders.name[i], worst);
        assert_true(worst < 1e-5);
        close_golden(&g);
    }
}

static void greedy_tokens_equal_those_of_transformers(void **state) {
    (void)state;
    int bad = 0;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        const at_stored_tensor *t = at_safetensors_find(g.expected, "greedy");
        int32_t want[MOST_TOKENS], id;
        assert_in_range(t->count, 8, MOST_TOKENS);
        check_ok(at_safetensors_read_raw(g.expected, t, want, &g.err), &g.err);
        at_generator *generator;
        at_chooser sampler;
        at_sampling how = at_sampling_greedy();
        at_real *logits;
        check_ok(at_generator_open(g.h.model, g.h.tape.backend, 2, PROMPT + (int)t->count, &generator, &g.err), &g.err);
        check_ok(at_chooser_make(&sampler, &g.h.memory, &how, g.h.model->arch.vocab_size, &g.err), &g.err);
        check_ok(at_generator_feed(generator, g.h.ids, PROMPT, &logits, &g.err), &g.err);
        for (int k = 0; k < (int)t->count; k++) {
            check_ok(at_chooser_filter(&sampler, logits, &g.err), &g.err);
            id = at_chooser_draw(&sampler, (uint64_t)k);
            if (id != want[k]) print_error("%s: token %d is %d, not %d\n", folders.name[i], k, id, want[k]);
            bad += id != want[k];
            check_ok(at_generator_feed(generator, &want[k], 1, &logits, &g.err), &g.err);
        }
        at_generator_close(generator);
        close_golden(&g);
    }
    assert_int_equal(bad, 0);
}

static void a_model_without_its_classifier_is_refused(void **state) {
    (void)state;
    at_error err;
    at_model *model;
    at_model_options options = {.head = AT_HEAD_LM, .keep_head = 1};
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", check_source("golden/data/pooler"));
    assert_int_equal(at_model_open(folder, &options, &model, &err), AT_USAGE);
    assert_non_null(strstr(err.text, "no language model"));
    snprintf(folder, sizeof folder, "%s", check_source("golden/data/olmo2"));
    assert_int_equal(at_model_open(folder, &options, &model, &err), AT_BAD_MODEL);
    assert_non_null(strstr(err.text, "lm_head.weight"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(language_models_equal_the_reference),
        cmocka_unit_test(flipped_switches_are_noticed),
        cmocka_unit_test(a_saved_language_model_is_the_same),
        cmocka_unit_test(the_file_says_how_many_tables_there_are),
        cmocka_unit_test(cached_steps_equal_the_whole_text),
        cmocka_unit_test(greedy_tokens_equal_those_of_transformers),
        cmocka_unit_test(a_model_without_its_classifier_is_refused),
    };
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
