#include "check.h"

#include <math.h>

#include "infer/predict.h"
#include "tiny_data.h"
#include "tiny_model.h"

static char folder[] = "/tmp/attune-predict-XXXXXX";
static const at_backend *backend;
enum { N = 61, OUT = 3 };

static void answers_keep_the_order_of_the_data(void **state) {
    (void)state;
    at_error err;
    at_model *model = tiny_model_open(folder, AT_HEAD_POOLER);
    at_dataset *d = tiny_dataset(N, 30, TINY_VOCAB, OUT);
    float all[N * OUT], one[OUT];
    check_ok(at_predict_logits(model, d, backend, NULL, all, &err), &err);
    for (uint32_t i = 0; i < N; i += 7) {
        at_dataset *single;
        check_ok(at_dataset_subset(d, &i, 1, &single, &err), &err);
        check_ok(at_predict_logits(model, single, backend, NULL, one, &err), &err);
        for (int c = 0; c < OUT; c++) assert_true(fabsf(one[c] - all[i * OUT + (uint32_t)c]) < 1e-5f);
        at_dataset_close(single);
    }
    at_dataset_close(d);
    at_model_close(model);
}

static void threads_do_not_show(void **state) {
    (void)state;
    at_error err;
    at_model *model = tiny_model_open(folder, AT_HEAD_POOLER);
    at_dataset *d = tiny_dataset(N, 30, TINY_VOCAB, OUT);
    float logits[3][N * OUT], first[3][N * TINY_HIDDEN], mean[3][N * TINY_HIDDEN];
    for (int t = 0; t < 3; t++) {
        at_pool *pool;
        check_ok(at_pool_open(&pool, t + 1, &err), &err);
        check_ok(at_predict_logits(model, d, backend, pool, logits[t], &err), &err);
        at_feature_set sets[] = {{AT_HEAD_POOLER, first[t]}, {AT_HEAD_MEAN, mean[t]}};
        check_ok(at_predict_features(model, d, backend, pool, sets, 2, NULL, NULL, &err), &err);
        at_pool_close(pool);
    }
    for (int t = 1; t < 3; t++) {
        assert_memory_equal(logits[0], logits[t], sizeof logits[0]);
        assert_memory_equal(first[0], first[t], sizeof first[0]);
        assert_memory_equal(mean[0], mean[t], sizeof mean[0]);
    }
    assert_memory_not_equal(first[0], mean[0], sizeof first[0]);
    at_dataset_close(d);
    at_model_close(model);
}

static int stop_at_once(void *context, int done) {
    *(int *)context = done;
    return 1;
}

static void features_can_be_stopped(void **state) {
    (void)state;
    at_error err;
    at_model *model = tiny_model_open(folder, AT_HEAD_MEAN);
    at_dataset *d = tiny_dataset(N, 30, TINY_VOCAB, OUT);
    float mean[N * TINY_HIDDEN];
    int done = 0;
    check_fails(at_predict_features(model, d, backend, NULL, &(at_feature_set){AT_HEAD_MEAN, mean}, 1, stop_at_once, &done, &err), AT_STOPPED, &err, "stopped");
    assert_true(done > 0 && done < N);
    at_dataset_close(d);
    at_model_close(model);
}

static void data_that_does_not_fit_is_refused(void **state) {
    (void)state;
    at_error err;
    at_model *model = tiny_model_open(folder, AT_HEAD_MEAN);
    at_dataset *d = tiny_dataset(N, TINY_POSITIONS + 1, TINY_VOCAB, OUT);
    float logits[N * OUT];
    check_fails(at_predict_logits(model, d, backend, NULL, logits, &err), AT_BAD_MODEL, &err, "41 tokens");
    at_dataset_close(d);
    at_model_close(model);
}

int main(void) {
    at_error err;
    if (!mkdtemp(folder) || at_backend_choose(NULL, &backend, &err)) return 1;
    tiny_model_write(folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_keep_the_order_of_the_data),
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(features_can_be_stopped),
        cmocka_unit_test(data_that_does_not_fit_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    at_folder_remove(folder, NULL);
    return failed;
}
