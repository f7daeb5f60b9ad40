#include "check.h"

#include <math.h>

#include "train/schedule.h"

/* transformers.get_scheduler(name, optimizer at 1.0, num_warmup_steps=3, num_training_steps=10), rates of steps 0..9. */
static void factors_equal_those_of_transformers(void **state) {
    (void)state;
    static const double linear[] = {0, 1. / 3, 2. / 3, 1, 6. / 7, 5. / 7, 4. / 7, 3. / 7, 2. / 7, 1. / 7};
    static const double cosine[] = {0, 0.3333333333333333, 0.6666666666666666, 1, 0.9504844339512095, 0.8117449009293668,
                                    0.6112604669781572, 0.38873953302184283, 0.1882550990706332, 0.04951556604879043};
    for (int i = 0; i < 10; i++) {
        assert_true(fabs(at_schedule_factor(AT_SCHEDULE_LINEAR, i, 3, 10) - linear[i]) < 1e-15);
        assert_true(fabs(at_schedule_factor(AT_SCHEDULE_COSINE, i, 3, 10) - cosine[i]) < 1e-15);
        assert_true(fabs(at_schedule_factor(AT_SCHEDULE_CONSTANT, i, 3, 10) - (i < 3 ? i / 3. : 1)) < 1e-15);
    }
    assert_true(at_schedule_factor(AT_SCHEDULE_LINEAR, 0, 0, 10) == 1);
    assert_true(at_schedule_factor(AT_SCHEDULE_LINEAR, 12, 0, 10) == 0);
}

static void steps_and_warmup_are_counted_as_transformers_does(void **state) {
    (void)state;
    at_hyper h = {.num_train_epochs = 2.5, .warmup_ratio = 0.1};
    assert_int_equal(at_schedule_steps(&h, 7), 18);
    assert_int_equal(at_schedule_warmup(&h, 18), 2);
    h.max_steps = 5;
    h.warmup_steps = 4;
    assert_int_equal(at_schedule_steps(&h, 7), 5);
    assert_int_equal(at_schedule_warmup(&h, 5), 4);
}

static void rates_fall_towards_the_input(void **state) {
    (void)state;
    at_hyper h = {.learning_rate = 1, .head_learning_rate = 3, .layer_decay = 0.5};
    at_weight w = {.rate_scale = 1, .depth = 4};
    assert_true(at_schedule_rate(&h, &w, 4) == 1);
    w.depth = 0;
    assert_true(at_schedule_rate(&h, &w, 4) == 0.0625);
    w.is_head = 1;
    w.depth = 5;
    assert_true(at_schedule_rate(&h, &w, 4) == 3);
    h.head_learning_rate = 0;
    assert_true(at_schedule_rate(&h, &w, 4) == 1);
}

static void blocks_join_from_the_top(void **state) {
    (void)state;
    at_hyper h = {.unfreeze_epochs = 0.5};
    int expected[] = {3, 3, 2, 2, 1, 1, 0, 0, 0};
    for (int step = 0; step < 9; step++) assert_int_equal(at_schedule_lowest_depth(&h, step, 4, 2), expected[step]);
    h.unfreeze_epochs = 0;
    assert_int_equal(at_schedule_lowest_depth(&h, 0, 4, 2), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_equal_those_of_transformers),
        cmocka_unit_test(steps_and_warmup_are_counted_as_transformers_does),
        cmocka_unit_test(rates_fall_towards_the_input),
        cmocka_unit_test(blocks_join_from_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
