/* Metrics of numbers and of several labels against recorded values of SciPy and scikit-learn (tests/oracle/make_metrics_tasks.py). */
#include "check.h"

#include <math.h>

#include "base/json.h"
#include "task/metric_multi.h"
#include "task/metric_regress.h"
#include "task/metric_tag.h"

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

static const char **tags_of(const json_t *sentences, at_arena *arena, uint64_t *at) {
    const char **all = AT_NEW_ARRAY(arena, const char *, 512);
    size_t i, k, n = 0;
    const json_t *sentence, *tag;
    json_array_foreach(sentences, i, sentence) {
        json_array_foreach(sentence, k, tag) all[n++] = json_string_value(tag);
        at[i + 1] = n;
    }
    return all;
}

static void tag_case(const json_t *c, size_t number) {
    at_arena arena = {0};
    at_error err;
    at_tag_metrics m;
    at_scheme scheme;
    uint64_t sentence_at[16] = {0};
    const char **truth = tags_of(json_object_get(c, "truth"), &arena, sentence_at), **answer = tags_of(json_object_get(c, "answer"), &arena, sentence_at);
    int strict = json_integer_value(json_object_get(c, "strict")) != 0;
    assert_true(at_scheme_find(json_string_value(json_object_get(c, "scheme")), &scheme));
    check_ok(at_metrics_tag(truth, answer, sentence_at, (int)json_array_size(json_object_get(c, "truth")), scheme, strict ? AT_READ_STRICT : AT_READ_LENIENT,
                            &arena, &m, &err), &err);
    near(m.accuracy, json_object_get(c, "accuracy"), "accuracy", number);
    averages(&m.micro, json_object_get(c, "micro"), "micro", number);
    averages(&m.macro, json_object_get(c, "macro"), "macro", number);
    averages(&m.weighted, json_object_get(c, "weighted"), "weighted", number);
    const json_t *types = json_object_get(c, "types");
    if (scheme != AT_SCHEME_PLAIN) assert_int_equal(m.n_types, json_object_size(types));
    for (int i = 0; i < m.n_types && scheme != AT_SCHEME_PLAIN; i++) {
        const json_t *wanted = json_object_get(types, m.type[i].type);
        if (!wanted) fail_msg("case %zu: seqeval has no type %s", number, m.type[i].type);
        averages(&m.type[i].scores, wanted, m.type[i].type, number);
        near((double)m.type[i].scores.support, json_array_get(wanted, 3), "support", number);
    }
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

static void tags_equal_to_seqeval(void **state) {
    (void)state;
    every_case("unit/data/metrics_tag.json", tag_case);
}

static void expect(const char *sentence, at_scheme scheme, int token, const char *wanted) {
    at_arena arena = {0};
    const char *tag[8];
    int n = 0;
    char *copy = at_strdup(&arena, sentence);
    for (char *p = copy, *end; p; p = end ? end + 1 : NULL) {
        end = strchr(p, ' ');
        if (end) *end = '\0';
        tag[n++] = p;
    }
    for (int i = 0; i < n; i++) {
        const char *got = at_scheme_expected(tag, i, n, scheme, &arena);
        if (i == token ? !got || strcmp(got, wanted) != 0 : got != NULL) fail_msg("%s, token %d: expected is %s", sentence, i, got ? got : "nothing");
    }
    at_arena_free(&arena);
}

static void what_a_scheme_expects(void **state) {
    (void)state;
    expect("I-PER I-PER B-PER O", AT_SCHEME_IOB1, -1, "");
    expect("O B-PER", AT_SCHEME_IOB1, 1, "I-PER");
    expect("B-PER I-PER O B-LOC", AT_SCHEME_IOB2, -1, "");
    expect("O I-PER", AT_SCHEME_IOB2, 1, "B-PER");
    expect("B-PER I-LOC", AT_SCHEME_IOB2, 1, "B-LOC");
    expect("B-PER E-PER S-LOC O", AT_SCHEME_IOBES, -1, "");
    expect("B-PER O", AT_SCHEME_IOBES, 1, "I-PER or E-PER");
    expect("O E-PER", AT_SCHEME_IOBES, 1, "B-PER or S-PER");
    expect("O B-PER", AT_SCHEME_IOBES, 1, "S-PER");
    expect("B-PER I-PER", AT_SCHEME_BILOU, 1, "L-PER");
    expect("U-PER B-PER L-PER", AT_SCHEME_BILOU, -1, "");
    expect("O PER", AT_SCHEME_IOB2, 1, "one of BIO with '-' and a type, or O");
}

static void schemes_are_recognised(void **state) {
    (void)state;
    static const struct { const char *tag[6]; at_scheme scheme; } CASES[] = {
        {{"I-A", "I-A", "B-A", "O", "O", "I-B"}, AT_SCHEME_IOB1}, {{"B-A", "I-A", "B-A", "O", "O", "B-B"}, AT_SCHEME_IOB2},
        {{"B-A", "E-A", "O", "S-A", "O", "O"}, AT_SCHEME_IOBES},  {{"B-A", "L-A", "O", "U-A", "O", "O"}, AT_SCHEME_BILOU},
        {{"NN", "VB", "O", "DT", "I", "B"}, AT_SCHEME_PLAIN},     {{"O", "O", "O", "O", "O", "O"}, AT_SCHEME_PLAIN},
    };
    const uint64_t at[] = {0, 6};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) assert_int_equal(at_scheme_detect(CASES[i].tag, at, 1), CASES[i].scheme);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_equal_to_scipy), cmocka_unit_test(labels_equal_to_scikit_learn), cmocka_unit_test(tags_equal_to_seqeval),
                                       cmocka_unit_test(what_a_scheme_expects), cmocka_unit_test(schemes_are_recognised),
                                       cmocka_unit_test(the_best_threshold_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
