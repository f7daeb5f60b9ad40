/* The next token: what every filter leaves equals transformers' processors (recorded), draws follow the probabilities, equal seeds draw alike. */
#include "check.h"

#include <math.h>

#include "base/json.h"
#include "infer/sample.h"

enum { MOST_WORDS = 64 };

static double setting(const json_t *settings, const char *key, double otherwise) {
    const json_t *value = json_object_get(settings, key);
    return value ? json_number_value(value) : otherwise;
}

static at_sampling sampling_of(const json_t *settings) {
    return (at_sampling){.temperature = setting(settings, "temperature", 0), .top_k = (int)setting(settings, "top_k", 0),
                         .top_p = setting(settings, "top_p", 1), .min_p = setting(settings, "min_p", 0),
                         .repetition_penalty = setting(settings, "repetition_penalty", 1), .seed = 7};
}

static void filter_case(at_arena *arena, const json_t *one, at_chooser *sampler, at_error *err) {
    const json_t *logits = json_object_get(one, "logits"), *text = json_object_get(one, "text");
    at_sampling how = sampling_of(json_object_get(one, "settings"));
    int n = (int)json_array_size(logits);
    at_real values[MOST_WORDS];
    assert_in_range(n, 10, MOST_WORDS);
    check_ok(at_chooser_make(sampler, arena, &how, n, err), err);
    for (int i = 0; i < n; i++) values[i] = (at_real)json_number_value(json_array_get(logits, (size_t)i));
    for (size_t i = 0; i < json_array_size(text); i++) {
        int32_t id = (int32_t)json_integer_value(json_array_get(text, i));
        at_chooser_see(sampler, &id, 1);
    }
    check_ok(at_chooser_filter(sampler, values, err), err);
}

static json_t *read_cases(void) {
    json_t *cases;
    at_error err;
    check_ok(at_json_load(check_source("unit/data/sampling.json"), 1 << 20, AT_BAD_DATA, &cases, &err), &err);
    assert_true(json_array_size(cases) > 30);
    return cases;
}

static void filters_leave_what_transformers_leaves(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    json_t *cases = read_cases();
    int narrowed = 0;
    for (size_t c = 0; c < json_array_size(cases); c++) {
        const json_t *one = json_array_get(cases, c), *want = json_object_get(one, "probabilities");
        at_chooser sampler;
        filter_case(&arena, one, &sampler, &err);
        double got[MOST_WORDS] = {0};
        for (int i = 0; i < sampler.kept; i++) got[sampler.candidate[i].id] = sampler.candidate[i].probability;
        for (int i = 0; i < sampler.n; i++) {
            double p = json_number_value(json_array_get(want, (size_t)i));
            if (fabs(got[i] - p) > 2e-6 || (p > 0) != (got[i] > 0)) fail_msg("case %zu, token %d: %g, not %g", c, i, got[i], p);
        }
        narrowed += sampler.kept < sampler.n;
    }
    assert_true(narrowed > 15);
    json_decref(cases);
    at_arena_free(&arena);
}

/* Pearson's statistic over 40,000 draws stays within five deviations of its mean. */
static void draws_follow_the_probabilities(void **state) {
    (void)state;
    enum { DRAWS = 40000 };
    at_error err;
    at_arena arena = {0};
    json_t *cases = read_cases();
    for (size_t c = 0; c < json_array_size(cases); c += 5) {
        at_chooser sampler;
        int count[MOST_WORDS] = {0}, classes = 0;
        double statistic = 0;
        filter_case(&arena, json_array_get(cases, c), &sampler, &err);
        for (int d = 0; d < DRAWS; d++) count[at_chooser_draw(&sampler, (uint64_t)d)]++;
        for (int i = 0; i < sampler.kept; i++) {
            double expected = DRAWS * sampler.candidate[i].probability;
            int got = count[sampler.candidate[i].id];
            if (expected < 5) continue;
            statistic += (got - expected) * (got - expected) / expected;
            classes++;
        }
        assert_true(statistic < classes + 5 * sqrt(2.0 * classes) + 5);
        assert_int_equal(at_chooser_draw(&sampler, 3), at_chooser_draw(&sampler, 3));
    }
    json_decref(cases);
    at_arena_free(&arena);
}

static void no_temperature_takes_the_most_probable(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    at_chooser sampler;
    at_sampling how = at_sampling_greedy();
    at_real logits[4] = {1, 3, 3, 2}, broken[4] = {0, (at_real)NAN, 0, 0};
    check_ok(at_chooser_make(&sampler, &arena, &how, 4, &err), &err);
    check_ok(at_chooser_filter(&sampler, logits, &err), &err);
    assert_int_equal(at_chooser_draw(&sampler, 0), 1);
    assert_int_equal(at_chooser_filter(&sampler, broken, &err), AT_BAD_MODEL);
    at_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_leave_what_transformers_leaves),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(no_temperature_takes_the_most_probable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
