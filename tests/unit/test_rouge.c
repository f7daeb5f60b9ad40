/* ROUGE against recorded values of the package rouge_score (tests/oracle/make_rouge.py), and of letters that it drops. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "task/metric_rouge.h"

static at_rouge rouge_of(const char *right, const char *answer) {
    at_rouge r;
    at_error err;
    check_ok(at_metric_rouge(right, strlen(right), answer, strlen(answer), &r, &err), &err);
    return r;
}

static void rouge_is_that_of_rouge_score(void **state) {
    (void)state;
    json_t *cases = NULL;
    at_error err;
    check_ok(at_json_load(check_source("unit/data/rouge.json"), 1 << 22, AT_BAD_DATA, &cases, &err), &err);
    assert_true(json_array_size(cases) > 100);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        at_rouge r = rouge_of(json_string_value(json_array_get(c, 0)), json_string_value(json_array_get(c, 1)));
        const double got[3] = {r.one, r.two, r.longest};
        for (size_t k = 0; k < 3; k++) {
            double want = json_number_value(json_array_get(c, 2 + k));
            if (!(fabs(got[k] - want) < 1e-12)) fail_msg("case %zu: number %zu is %.12g, the reference says %.12g", i, k, got[k], want);
        }
    }
    json_decref(cases);
}

static void letters_of_every_script_are_words(void **state) {
    (void)state;
    assert_true(rouge_of("Ein Café, bitte", "ein CAFÉ bitte!").longest == 1);
    assert_true(rouge_of("это кошка", "Это собака").one == 0.5);
    assert_true(rouge_of("это", "?").one == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rouge_is_that_of_rouge_score), cmocka_unit_test(letters_of_every_script_are_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
