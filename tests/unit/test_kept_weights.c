/* Decoders whose matrices are kept as bf16 or Q8_0: every family gives what the fp32 model of the very same numbers gives; threads change no bit;
 * `auto` keeps what the file has. */
#include "check.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "export/export.h"
#include "infer/generator.h"

enum { N = 12, FAMILIES = 64 };

static const int32_t ids[N] = {3, 5, 7, 11, 2, 9, 8, 4, 6, 10, 1, 3};

static at_model *open_as(const char *folder, at_weights weights) {
    at_error err;
    at_model *m;
    const at_model_options options = {.head = AT_HEAD_LM, .keep_head = 1, .weights = weights};
    check_ok(at_model_open(folder, &options, &m, &err), &err);
    return m;
}

/* Every weight of `to` gets the numbers of `from`. */
static void copy_numbers(const at_model *from, at_model *to) {
    assert_int_equal(from->params.n, to->params.n);
    for (int i = 0; i < from->params.n; i++) {
        const at_weight *w = &from->params.weights[i];
        float *values = malloc((size_t)w->out * (size_t)w->in * sizeof *values);
        at_weight_get(&from->params, w, values);
        at_weight_put(&to->params, &to->params.weights[i], values);
        free(values);
    }
}

/* Logits behind all tokens, fed `step` at a time. */
static at_real *logits_of(const at_model *m, int threads, int step) {
    at_error err;
    at_generator *g;
    at_real *logits, *copy;
    const at_backend *backend;
    check_ok(at_backend_choose(getenv("ATTUNE_CPU"), &backend, &err), &err);
    check_ok(at_generator_open(m, backend, threads, N, &g, &err), &err);
    for (int at = 0; at < N; at += step) check_ok(at_generator_feed(g, ids + at, N - at < step ? N - at : step, &logits, &err), &err);
    size_t bytes = (size_t)m->arch.vocab_size * sizeof *logits;
    copy = malloc(bytes);
    memcpy(copy, logits, bytes);
    at_generator_close(g);
    return copy;
}

static double difference(const at_real *a, const at_real *b, int n) {
    double sum = 0, size = 0;
    for (int i = 0; i < n; i++) {
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(sum / size);
}

static int is_kept(const at_model *m, const at_weight *w) { return w->kind == AT_WEIGHT_LINEAR || w == m->body.token; }

static void check_form(const char *folder, at_weights weights, at_form form) {
    at_model *kept = open_as(folder, weights), *plain = open_as(folder, AT_WEIGHTS_FP32);
    int vocab = kept->arch.vocab_size;
    for (int i = 0; i < kept->params.n; i++) {
        const at_weight *w = &kept->params.weights[i];
        assert_int_equal(w->form, is_kept(kept, w) ? form : AT_FORM_FP32);
        assert_true(w->form == AT_FORM_FP32 || w->size == 0); /* no master beside it */
    }
    copy_numbers(kept, plain);
    for (int step = 1; step <= N; step += N - 1) {
        at_real *one = logits_of(kept, 1, step), *three = logits_of(kept, 3, step), *want = logits_of(plain, 1, step);
        assert_memory_equal(one, three, (size_t)vocab * sizeof *one);
        if (form == AT_FORM_BF16) assert_memory_equal(one, want, (size_t)vocab * sizeof *one);
        else if (!(difference(one, want, vocab) < 2e-4)) fail_msg("%s: differs by %g", folder, difference(one, want, vocab));
        free(one);
        free(three);
        free(want);
    }
    at_model_close(kept);
    at_model_close(plain);
}

static void every_family_gives_what_its_numbers_give(void **state) {
    (void)state;
    char folder[4096];
    int families = 0;
    DIR *dir = opendir(check_source("golden/lm"));
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        snprintf(folder, sizeof folder, "%.3000s/%.255s", check_source("golden/lm"), e->d_name);
        check_form(folder, AT_WEIGHTS_BF16, AT_FORM_BF16);
        check_form(folder, AT_WEIGHTS_Q8_0, AT_FORM_Q8_0);
        families++;
    }
    closedir(dir);
    assert_in_range(families, 10, FAMILIES);
}

static void auto_keeps_what_the_file_has(void **state) {
    (void)state;
    static const struct { const char *type; at_form form; } TYPES[] = {{"f32", AT_FORM_FP32}, {"f16", AT_FORM_FP32}, {"bf16", AT_FORM_BF16}, {"q8_0", AT_FORM_Q8_0}};
    char source[4096], folder[] = "/tmp/attune-kept-XXXXXX", path[64];
    at_error err;
    assert_non_null(mkdtemp(folder));
    snprintf(source, sizeof source, "%.4000s", check_source("unit/data/gguf/tiny.gguf"));
    at_model *original = open_as(source, AT_WEIGHTS_FP32);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        snprintf(path, sizeof path, "%s/%s.gguf", folder, TYPES[i].type);
        check_ok(at_export_gguf(original, TYPES[i].type, path, &err), &err);
        at_model *kept = open_as(path, AT_WEIGHTS_AUTO), *plain = open_as(path, AT_WEIGHTS_FP32);
        int vocab = kept->arch.vocab_size;
        for (int w = 0; w < kept->params.n; w++) {
            const at_weight *weight = &kept->params.weights[w];
            if (is_kept(kept, weight)) assert_int_equal(weight->form, TYPES[i].form);
            size_t n = (size_t)weight->out * (size_t)weight->in;
            float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
            at_weight_get(&kept->params, weight, a);
            at_weight_get(&plain->params, &plain->params.weights[w], b);
            for (size_t k = 0; k < n; k++) assert_true(a[k] == b[k]); /* no number changes */
            free(a);
            free(b);
        }
        at_real *got = logits_of(kept, 2, 1), *want = logits_of(plain, 2, 1);
        if (TYPES[i].form != AT_FORM_Q8_0) assert_memory_equal(got, want, (size_t)vocab * sizeof *got);
        else assert_true(difference(got, want, vocab) < 2e-4);
        free(got);
        free(want);
        at_model_close(kept);
        at_model_close(plain);
        unlink(path);
    }
    at_model_close(original);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_gives_what_its_numbers_give),
        cmocka_unit_test(auto_keeps_what_the_file_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
