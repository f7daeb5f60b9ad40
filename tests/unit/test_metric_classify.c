#include "check.h"

#include <math.h>

#include "base/json.h"
#include "task/metric_classify.h"

static void near(double got, const json_t *wanted, const char *what, size_t i) {
    double value = json_number_value(wanted);
    if (!(fabs(got - value) <= 1e-9 * fmax(1, fabs(value)))) fail_msg("case %zu: %s is %.12g, scikit-learn says %.12g", i, what, got, value);
}

static void check_case(const json_t *c, size_t number) {
    at_arena arena = {0};
    at_error err;
    int k = (int)json_integer_value(json_object_get(c, "k"));
    const json_t *labels = json_object_get(c, "labels"), *logits = json_object_get(c, "logits");
    int n = (int)json_array_size(labels);
    float *values = AT_NEW_ARRAY(&arena, float, n * k);
    int32_t *label = AT_NEW_ARRAY(&arena, int32_t, n);
    for (int i = 0; i < n; i++) {
        label[i] = (int32_t)json_integer_value(json_array_get(labels, (size_t)i));
        for (int j = 0; j < k; j++)
            values[i * k + j] = (float)json_number_value(json_array_get(json_array_get(logits, (size_t)i), (size_t)j));
    }
    at_classify_metrics m;
    check_ok(at_metrics_classify(values, label, n, k, &arena, &m, &err), &err);
    near(m.accuracy, json_object_get(c, "accuracy"), "accuracy", number);
    near(m.balanced_accuracy, json_object_get(c, "balanced"), "balanced accuracy", number);
    near(m.matthews, json_object_get(c, "matthews"), "Matthews", number);
    near(m.loss, json_object_get(c, "loss"), "loss", number);
    near(m.calibration_error, json_object_get(c, "ece"), "calibration error", number);
    near(m.micro.f1, json_object_get(c, "micro_f1"), "micro F1", number);
    const at_class_scores *average[] = {&m.macro, &m.weighted};
    const char *name[] = {"macro", "weighted"};
    for (int a = 0; a < 2; a++) {
        const json_t *wanted = json_object_get(c, name[a]);
        near(average[a]->precision, json_array_get(wanted, 0), name[a], number);
        near(average[a]->recall, json_array_get(wanted, 1), name[a], number);
        near(average[a]->f1, json_array_get(wanted, 2), name[a], number);
    }
    for (int i = 0; i < k; i++) {
        near(m.per_class[i].f1, json_array_get(json_object_get(c, "f1"), (size_t)i), "F1 of a class", number);
        near((double)m.per_class[i].support, json_array_get(json_object_get(c, "support"), (size_t)i), "support", number);
    }
    for (int i = 0; i < k * k; i++)
        near((double)m.confusion[i], json_array_get(json_object_get(c, "confusion"), (size_t)i), "confusion", number);
    assert_true(m.accuracy_low <= m.accuracy && m.accuracy <= m.accuracy_high);
    assert_true(m.f1_low <= m.f1_high);
    at_arena_free(&arena);
}

static void equal_to_scikit_learn(void **state) {
    (void)state;
    at_error err;
    json_t *root, *c;
    size_t i;
    check_ok(at_json_load(check_source("unit/data/metrics_classify.json"), AT_JSON_TOKENIZER_BYTES, AT_BAD_DATA, &root, &err), &err);
    assert_int_equal(json_array_size(json_object_get(root, "cases")), 200);
    json_array_foreach(json_object_get(root, "cases"), i, c) check_case(c, i);
    json_decref(root);
}

static void wilson_equals_published_values(void **state) {
    (void)state;
    double low, high;
    at_wilson(8, 10, &low, &high); /* Brown, Cai, DasGupta 2001: 0.490 .. 0.943 */
    assert_true(fabs(low - 0.4901625) < 1e-6 && fabs(high - 0.9433178) < 1e-6);
    at_wilson(0, 0, &low, &high);
    assert_true(low == 0 && high == 1);
}

static void unlabelled_rows_are_not_judged(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    at_classify_metrics m;
    const float logits[] = {1, 0, 0, 1, 3, 0};
    const int32_t label[] = {0, -1, 1};
    check_ok(at_metrics_classify(logits, label, 3, 2, &arena, &m, &err), &err);
    assert_int_equal(m.n, 2);
    assert_true(m.accuracy == 0.5);
    at_arena_free(&arena);
}

static void logits_that_are_no_numbers_make_the_loss_none(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    at_classify_metrics m;
    static const float BAD[] = {NAN, INFINITY};
    const int32_t label[] = {0, 1};
    const char *names[] = {"a", "b"};
    for (int i = 0; i < 2; i++) {
        const float logits[] = {1, 0, BAD[i], 0};
        check_ok(at_metrics_classify(logits, label, 2, 2, &arena, &m, &err), &err);
        assert_true(!isfinite(m.loss));
        assert_true(isfinite(m.accuracy) && isfinite(m.calibration_error));
        json_t *values = at_metrics_classify_json(&m, names);
        assert_true(json_is_null(json_object_get(values, "loss")) && json_is_real(json_object_get(values, "accuracy")));
        json_decref(values);
    }
    at_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_to_scikit_learn),
        cmocka_unit_test(wilson_equals_published_values),
        cmocka_unit_test(unlabelled_rows_are_not_judged),
        cmocka_unit_test(logits_that_are_no_numbers_make_the_loss_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
