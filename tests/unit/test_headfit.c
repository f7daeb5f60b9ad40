#include "check.h"

#include <math.h>

#include "base/random.h"
#include "task/tasks.h"
#include "train/headfit.h"

enum { N = 60, HIDDEN = 5, CLASSES = 3 };

/* A head of the kind `mean` with its features: the first CLASSES of them tell the class, the others are noise. */
typedef struct setting {
    at_arena arena;
    at_model model;
    at_task_state task;
    at_arch arch;
    at_dataset data;
    at_head_problem problem;
    float features[N * HIDDEN];
    int32_t label[N];
    uint64_t token_at[N + 1];
    uint32_t line[N];
} setting;

static const char *NAMES[] = {"a", "b", "c"};

static setting *setting_open(double signal) {
    at_error err = {0};
    setting *b = calloc(1, sizeof *b);
    for (int i = 0; i < N; i++) {
        b->label[i] = i % CLASSES;
        b->token_at[i + 1] = (uint64_t)i + 1;
        for (int j = 0; j < HIDDEN; j++)
            b->features[i * HIDDEN + j] = (float)(at_random_normal(3, (uint64_t)(i * HIDDEN + j)) + signal * (j == b->label[i]));
    }
    static const int32_t ids[N];
    static const uint8_t types[N];
    b->data = (at_dataset){.path = "x", .n = N, .label = b->label, .token_at = b->token_at, .line = b->line, .ids = ids, .types = types};
    b->task = (at_task_state){.task = &at_task_classify, .labels = {NAMES, CLASSES}, .n_out = CLASSES};
    b->arch = (at_arch){.family = "bert", .hidden = HIDDEN, .initializer_range = 0.02};
    b->problem = (at_head_problem){.arch = &b->arch, .kind = AT_HEAD_MEAN, .state = &b->task, .data = &b->data, .features = b->features};
    check_ok(at_backend_choose(NULL, &b->problem.backend, &err), &err);
    at_params *p = &b->model.params;
    check_ok(at_params_init(p, &b->arena, AT_HEAD_WEIGHTS, &err), &err);
    check_ok(at_head_declare(p, &b->arena, &b->arch, AT_HEAD_MEAN, CLASSES, &b->model.head, NULL, &err), &err);
    check_ok(at_params_allocate(p, &err), &err);
    return b;
}

static void setting_close(setting *b) {
    at_params_free(&b->model.params);
    at_arena_free(&b->arena);
    free(b);
}

/* At the minimum of  mean loss + penalty / 2 |W|^2  the gradient, computed here in double, is zero. */
static void the_fit_is_the_minimum_of_the_penalised_loss(void **state) {
    (void)state;
    at_error err = {0};
    setting *set = setting_open(1);
    const double penalty = 0.05;
    check_ok(at_head_fit(&set->problem, penalty, &set->model, NULL, &err), &err);
    float w[CLASSES * HIDDEN], b[CLASSES];
    at_weight_get(&set->model.params, set->model.head.classifier, w);
    at_weight_get(&set->model.params, set->model.head.classifier_bias, b);
    double gradient[CLASSES * HIDDEN] = {0}, size = 0;
    for (int i = 0; i < N; i++) {
        double p[CLASSES], sum = 0;
        const float *x = set->features + i * HIDDEN;
        for (int c = 0; c < CLASSES; c++) {
            double z = b[c];
            for (int j = 0; j < HIDDEN; j++) z += (double)w[c * HIDDEN + j] * x[j];
            sum += p[c] = exp(z);
        }
        for (int c = 0; c < CLASSES; c++)
            for (int j = 0; j < HIDDEN; j++) gradient[c * HIDDEN + j] += (p[c] / sum - (c == set->label[i])) * x[j] / N;
    }
    for (int k = 0; k < CLASSES * HIDDEN; k++) {
        assert_true(fabs(gradient[k] + penalty * w[k]) < 2e-3);
        size = fmax(size, fabs(penalty * w[k]));
    }
    assert_true(size > 1e-2); /* so that a penalty left out would show */
    setting_close(set);
}

/* Noise wants a heavy penalty, clear features a light one; what is held out is never trained on. */
static void the_penalty_follows_the_data(void **state) {
    (void)state;
    at_error err = {0};
    at_head_choice choice[2];
    int8_t fold[N];
    for (int clear = 0; clear < 2; clear++) {
        setting *b = setting_open(clear ? 6 : 0);
        at_folds(&b->data, 5, 1, fold);
        check_ok(at_head_choose(&b->problem, fold, 5, NULL, &b->arena, &choice[clear], &err), &err);
        double sum = 0;
        for (int i = 0; i < N; i++) sum += choice[clear].output_loss[i];
        assert_true(fabs(sum / N - choice[clear].loss) < 1e-5);
        assert_true(clear ? choice[1].loss < 0.2 : choice[0].loss > 0.98 * log(CLASSES)); /* nobody tells noise apart */
        choice[clear].penalty /= clear ? 36 * 2. / 3 + 1 : 1; /* in units of the features' spread, roughly */
        setting_close(b);
    }
    assert_true(choice[0].penalty > 3 * choice[1].penalty);
}

static void a_head_is_better_where_the_gain_exceeds_its_error(void **state) {
    (void)state;
    float a[8], b[8];
    double gain, error;
    at_head_choice one = {.output_loss = a}, two = {.output_loss = b};
    for (int i = 0; i < 8; i++) {
        a[i] = 1;
        b[i] = i % 2 ? 0.5f : 1.25f;
    }
    assert_false(at_head_compare(&one, &two, 8, &gain, &error)); /* 0.125 and 0.375 * sqrt(8 / 7 / 8) = 0.1417 */
    assert_true(fabs(gain - 0.125) < 1e-12 && fabs(error - 0.375 / sqrt(7)) < 1e-12);
    b[0] = 0.75f;
    assert_true(at_head_compare(&one, &two, 8, &gain, &error));
    assert_false(at_head_compare(&two, &one, 8, &gain, &error));
    b[0] = a[1] = NAN; /* outside of every fold */
    at_head_compare(&one, &two, 8, &gain, &error);
    assert_true(fabs(gain - (3 * 0.5 - 3 * 0.25) / 6) < 1e-12);
    assert_false(at_head_compare(&one, &two, 1, &gain, &error)); /* one pair tells nothing */
}

static void features_that_are_no_numbers_end_the_fit(void **state) {
    (void)state;
    at_error err = {0};
    int8_t fold[N];
    static const float BAD[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        at_head_choice choice;
        setting *b = setting_open(1);
        at_folds(&b->data, 5, 1, fold);
        b->features[17] = BAD[i];
        check_fails(at_head_choose(&b->problem, fold, 5, NULL, &b->arena, &choice, &err), AT_DIVERGED, &err, "not finite");
        check_fails(at_head_fit(&b->problem, 0.05, &b->model, NULL, &err), AT_DIVERGED, &err, "not finite");
        setting_close(b);
    }
}

static int stop_now(void *context) { return ++*(int *)context > 3; }

static void a_fit_can_be_stopped(void **state) {
    (void)state;
    at_error err = {0};
    int8_t fold[N];
    int asked = 0;
    at_head_choice choice;
    setting *b = setting_open(1);
    at_folds(&b->data, 5, 1, fold);
    b->problem.stop = stop_now;
    b->problem.stop_context = &asked;
    check_fails(at_head_choose(&b->problem, fold, 5, NULL, &b->arena, &choice, &err), AT_STOPPED, &err, "stopped");
    assert_int_equal(asked, 4); /* once said, it is for all folds */
    asked = 0;
    check_fails(at_head_fit(&b->problem, 0.05, &b->model, NULL, &err), AT_STOPPED, &err, "stopped");
    assert_int_equal(asked, 4);
    setting_close(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fit_is_the_minimum_of_the_penalised_loss),
        cmocka_unit_test(the_penalty_follows_the_data),
        cmocka_unit_test(a_head_is_better_where_the_gain_exceeds_its_error),
        cmocka_unit_test(a_fit_can_be_stopped),
        cmocka_unit_test(features_that_are_no_numbers_end_the_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
