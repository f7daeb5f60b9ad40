/* Metrics of numbers and of several labels against recorded values of SciPy and scikit-learn (tests/oracle/make_metrics_tasks.py). */
#include "check.h"

#include <math.h>

#include "base/json.h"
#include "task/metric_multi.h"
#include "task/metric_regress.h"

static void near(double got, const json_t *wanted, const char *what, size_t i) {
    double value = json_number_value(wanted);
    if (json_is_null(wanted) && isnan(got)) return;
    if (json_is_null(wanted) || !(fabs(got - value) <= 1e-9 * fmax(1, fabs(value))))
        fail_msg("case %zu: %s is %.12g, the reference says %.12g", i, what, got, json_is_null(wanted) ? (double)NAN : value);
}

static double at(const json_t *list, size_t i) { return json_number_value(json_array_get(list, i)); }

static void regress_case(const json_t *c, size_t number) {
    at_error err;
    at_regress_metrics m;
    const json_t *truth = json_object_get(c, "truth"), *answer = json_object_get(c, "answer");
    double x[64], y[64];
    size_t n = json_array_size(truth);
    for (size_t i = 0; i < n; i++) {
        x[i] = at(truth, i);
        y[i] = at(answer, i);
    }
    check_ok(at_metrics_regress(x, y, (long)n, &m, &err), &err);
    near(m.pearson, json_object_get(c, "pearson"), "Pearson", number);
    near(m.spearman, json_object_get(c, "spearman"), "Spearman", number);
    near(m.mse, json_object_get(c, "mse"), "squared error", number);
    near(m.mae, json_object_get(c, "mae"), "absolute error", number);
    if (n > 1) near(m.r2, json_object_get(c, "r2"), "R2", number);
    if (!isnan(m.pearson_low)) assert_true(m.pearson_low <= m.pearson && m.pearson <= m.pearson_high);
    if (!isnan(m.spearman_low)) assert_true(m.spearman_low <= m.spearman && m.spearman <= m.spearman_high);
}

static void averages(const at_class_scores *got, const json_t *wanted, const char *what, size_t number) {
    near(got->precision, json_array_get(wanted, 0), what, number);
    near(got->recall, json_array_get(wanted, 1), what, number);
    near(got->f1, json_array_get(wanted, 2), what, number);
}

static void multi_case(const json_t *c, size_t number) {
    at_arena arena = {0};
    at_error err;
    at_multi_metrics m;
    int k = (int)json_integer_value(json_object_get(c, "k"));
    const json_t *truth = json_object_get(c, "truth"), *logits = json_object_get(c, "logits");
    size_t cells = json_array_size(truth);
    float *x = AT_NEW_ARRAY(&arena, float, cells), *y = AT_NEW_ARRAY(&arena, float, cells);
    double threshold[8];
    for (size_t i = 0; i < cells; i++) {
        x[i] = (float)at(logits, i);
        y[i] = (float)at(truth, i);
    }
    for (int i = 0; i < k; i++) threshold[i] = at(json_object_get(c, "threshold"), (size_t)i);
    check_ok(at_metrics_multi(x, y, threshold, (long)cells / k, k, &arena, &m, &err), &err);
    averages(&m.micro, json_object_get(c, "micro"), "micro", number);
    averages(&m.macro, json_object_get(c, "macro"), "macro", number);
    averages(&m.weighted, json_object_get(c, "weighted"), "weighted", number);
    averages(&m.samples, json_object_get(c, "samples"), "samples", number);
    near(m.subset_accuracy, json_object_get(c, "subset"), "subset accuracy", number);
    near(m.hamming_loss, json_object_get(c, "hamming"), "Hamming loss", number);
    near(m.ranking_precision, json_object_get(c, "ranking"), "ranking precision", number);
    near(m.loss, json_object_get(c, "loss"), "loss", number);
    for (int i = 0; i < k; i++) near(m.per_label[i].f1, json_array_get(json_object_get(c, "f1"), (size_t)i), "F1 of a label", number);
    assert_true(m.f1_low <= m.f1_high);
    at_arena_free(&arena);
}

static void every_case(const char *file, void (*check)(const json_t *c, size_t number)) {
    at_error err;
    json_t *root, *c;
    size_t i;
    check_ok(at_json_load(check_source(file), AT_JSON_TOKENIZER_BYTES, AT_BAD_DATA, &root, &err), &err);
    assert_int_equal(json_array_size(json_object_get(root, "cases")), 200);
    json_array_foreach(json_object_get(root, "cases"), i, c) check(c, i);
    json_decref(root);
}

static void numbers_equal_to_scipy(void **state) {
    (void)state;
    every_case("unit/data/metrics_regress.json", regress_case);
}

static void labels_equal_to_scikit_learn(void **state) {
    (void)state;
    every_case("unit/data/metrics_multi.json", multi_case);
}

/* Four rows right from 0.3 on, two wrong below: any threshold between them is best; few positives leave 0.5. */
static void the_best_threshold_is_found(void **state) {
    (void)state;
    at_error err;
    double p[] = {0.9, 0.45, 0.4, 0.35, 0.2, 0.1}, threshold;
    float truth[] = {1, 1, 1, 1, 0, 0}, logits[6], sorted_out[6];
    for (int i = 0; i < 6; i++) logits[i] = (float)log(p[i] / (1 - p[i]));
    check_ok(at_threshold_best(logits, truth, 6, 1, 4, &threshold, &err), &err);
    assert_true(threshold > 0.2 && threshold < 0.35);
    check_ok(at_threshold_best(logits, truth, 6, 1, 5, &threshold, &err), &err);
    assert_true(threshold == 0.5);
    for (int i = 0; i < 6; i++) sorted_out[i] = logits[5 - i]; /* all wrong ones high: one threshold for everything is as good as it gets */
    check_ok(at_threshold_best(sorted_out, truth, 6, 1, 1, &threshold, &err), &err);
    assert_true(threshold >= 0 && threshold <= 0.1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_equal_to_scipy), cmocka_unit_test(labels_equal_to_scikit_learn),
                                       cmocka_unit_test(the_best_threshold_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
