#include "check.h"

#include <math.h>

#include "train/recipe.h"

static at_recipe choose(at_recipe_facts facts) {
    static at_arena arena; /* sentences of a few bytes, kept to the end of the program */
    at_recipe recipe;
    at_error err;
    check_ok(at_recipe_choose(&facts, &arena, &recipe, &err), &err);
    return recipe;
}

static at_recipe_facts facts_of(int n_train, int smallest_class) {
    return (at_recipe_facts){.method = AT_METHOD_TWO_STEP, .n_train = n_train, .n_answers = n_train, .n_classes = 2, .smallest_class = smallest_class,
                             .mean_tokens = 20, .hidden = 384, .layers = 6};
}

static void how_it_is_judged_follows_the_size(void **state) {
    (void)state;
    at_recipe few = choose(facts_of(60, 30)), some = choose(facts_of(500, 200)), more = choose(facts_of(4000, 900)), many = choose(facts_of(20000, 9000));
    assert_int_equal(few.judging, AT_JUDGE_FOLDS);
    assert_int_equal(few.tuned_folds, 5);
    assert_int_equal(some.judging, AT_JUDGE_FOLDS);
    assert_int_equal(some.tuned_folds, 1);
    assert_int_equal(more.judging, AT_JUDGE_FOLDS);
    assert_true(more.folds == 10 && more.tuned_folds == 1 && more.mix == 1 && !more.hyper.keep_best);
    assert_int_equal(many.judging, AT_JUDGE_SPLIT);
    assert_true(many.eval_share * 20000 >= 400 && many.hyper.keep_best);
    at_recipe_facts given = facts_of(60, 30);
    given.has_eval = 1;
    assert_int_equal(choose(given).judging, AT_JUDGE_FILE);
    at_recipe_facts at_once = facts_of(4000, 900);
    at_once.method = AT_METHOD_FULL;
    assert_int_equal(choose(at_once).judging, AT_JUDGE_SPLIT);
    assert_int_equal(choose(facts_of(20, 3)).folds, 3); /* every fold holds one of the rarest label */
}

/* The mean of both steps' weights needs a start that already answers: only where step 1 was fitted, and only on few examples. */
static void the_mean_of_both_steps_is_for_few_examples(void **state) {
    (void)state;
    at_recipe_facts full = facts_of(60, 30);
    full.method = AT_METHOD_FULL;
    double mix = choose(facts_of(60, 30)).mix;
    assert_true(mix > 0 && mix < 1);
    assert_true(choose(full).mix == 1);
    assert_true(choose(facts_of(20000, 9000)).mix == 1);
}

/* Of many examples; a training of the head alone has none that counts. */
static void the_mean_of_the_last_weights_is_for_many_examples(void **state) {
    (void)state;
    at_recipe_facts many = facts_of(20000, 9000), few = facts_of(19000, 9000);
    assert_true(choose(many).hyper.average == 0);
    many.averages = few.averages = 1;
    assert_true(choose(many).hyper.average > 0 && choose(few).hyper.average == 0);
    many.method = AT_METHOD_HEAD;
    assert_true(choose(many).hyper.average == 0);
}

/* A softer head needs steps to make up for it, and a second step that starts from it. */
static void step_2_starts_from_a_softer_head(void **state) {
    (void)state;
    at_recipe_facts full = facts_of(100, 50);
    full.method = AT_METHOD_FULL;
    assert_true(choose(facts_of(100, 50)).softening > 1 && choose(facts_of(20000, 9000)).softening > 1);
    assert_true(choose(facts_of(24, 12)).softening == 1 && choose(full).softening == 1);
}

/* Few examples should not move the blocks near the input much; many may. */
static void lower_blocks_learn_slower_on_few_examples(void **state) {
    (void)state;
    assert_true(choose(facts_of(100, 50)).hyper.layer_decay < 1);
    assert_true(choose(facts_of(5000, 2500)).hyper.layer_decay == 1);
}

static void lengths_stay_sensible(void **state) {
    (void)state;
    static const int SIZES[] = {24, 100, 500, 5000, 100000};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        at_recipe r = choose(facts_of(SIZES[i], SIZES[i] / 2));
        assert_true(r.hyper.num_train_epochs >= 3 && r.hyper.num_train_epochs <= 12);
        assert_true(r.hyper.learning_rate >= 1e-5 && r.hyper.learning_rate <= 1.5e-4);
        assert_true(r.why_judging && r.why_rate && r.why_length && r.why_stop && r.why_mix && r.why_soft);
    }
}

/* Labelled tokens: fewer texts are enough to judge by, and few of them are seen more often. */
static void tokens_are_judged_by_fewer_texts_and_seen_more_often(void **state) {
    (void)state;
    at_recipe_facts many = facts_of(14000, 14000), few = facts_of(300, 300);
    many.n_outputs = many.n_answers = 200000;
    few.steps_share = 2;
    many.fewest_epochs = few.fewest_epochs = 5;
    assert_true(choose(many).hyper.num_train_epochs == 5 && choose(facts_of(14000, 7000)).hyper.num_train_epochs == 3);
    assert_float_equal(choose(many).eval_share, 0.025, 1e-6);
    assert_float_equal(choose(facts_of(14000, 7000)).eval_share, 1000.0 / 14000, 1e-6);
    assert_true(choose(few).hyper.num_train_epochs == 12 && choose(facts_of(300, 150)).hyper.num_train_epochs == 6);
}

/* A body that is trained through a head from nothing is wrong for many steps: small corpora are seen more often, large ones are not. */
static void a_new_head_gets_steps_to_learn(void **state) {
    (void)state;
    at_recipe_facts small = facts_of(4000, 4000), large = facts_of(100000, 100000);
    small.method = large.method = AT_METHOD_FULL;
    at_recipe known = choose(small);
    small.new_head = large.new_head = 1;
    at_recipe fresh = choose(small);
    assert_true(known.hyper.num_train_epochs == 3 && fresh.hyper.num_train_epochs == 8);
    assert_true(strstr(fresh.why_length, "the head is new") && !strstr(known.why_length, "the head is new"));
    assert_true(choose(large).hyper.num_train_epochs == 3 && !strstr(choose(large).why_length, "the head is new"));
}

static int keeps(double step1, double low, double high, double step2) {
    at_score one = {.main = step1, .low = low, .high = high}, two = {.main = step2, .low = NAN, .high = NAN};
    return at_recipe_keeps_step2(&one, &two);
}

static void step_1_is_kept_only_where_it_is_better_by_more_than_its_noise(void **state) {
    (void)state;
    const double wide = 2 * 1.96 * 0.05; /* a standard error of 0.05 */
    assert_true(keeps(0.80, 0.80 - wide / 2, 0.80 + wide / 2, 0.81));
    assert_true(keeps(0.80, 0.80 - wide / 2, 0.80 + wide / 2, 0.76));
    assert_false(keeps(0.80, 0.80 - wide / 2, 0.80 + wide / 2, 0.74));
    assert_false(keeps(0.80, NAN, NAN, 0.79)); /* without an interval there is no excuse */
    assert_true(keeps(0.80, NAN, NAN, 0.81));
    assert_false(keeps(0.80, NAN, NAN, NAN));
}

/* Half of step 1's mistakes are gone: what the frozen body knew is not worth keeping a share of. */
static void step_2_is_kept_in_whole_where_it_mends_most(void **state) {
    (void)state;
    at_score weak = {.main = 0.4}, strong = {.main = 0.8}, tuned = {.main = 0.7}, better = {.main = 0.84}, error = {.main = 3}, none = {.main = NAN};
    assert_true(at_recipe_takes_whole(&weak, &tuned));
    assert_false(at_recipe_takes_whole(&strong, &better) || at_recipe_takes_whole(&strong, &tuned));
    assert_false(at_recipe_takes_whole(&error, &tuned) || at_recipe_takes_whole(&weak, &error));
    assert_false(at_recipe_takes_whole(&none, &tuned) || at_recipe_takes_whole(&weak, &none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_it_is_judged_follows_the_size),
        cmocka_unit_test(the_mean_of_both_steps_is_for_few_examples),
        cmocka_unit_test(the_mean_of_the_last_weights_is_for_many_examples),
        cmocka_unit_test(step_2_starts_from_a_softer_head),
        cmocka_unit_test(lower_blocks_learn_slower_on_few_examples),
        cmocka_unit_test(lengths_stay_sensible),
        cmocka_unit_test(tokens_are_judged_by_fewer_texts_and_seen_more_often),
        cmocka_unit_test(a_new_head_gets_steps_to_learn),
        cmocka_unit_test(step_2_is_kept_in_whole_where_it_mends_most),
        cmocka_unit_test(step_1_is_kept_only_where_it_is_better_by_more_than_its_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
