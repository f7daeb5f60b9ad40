#include "check.h"

#include <math.h>

#include "base/random.h"
#include "task/tasks.h"
#include "train/headfit.h"

enum { N = 60, HIDDEN = 5, CLASSES = 3 };

/* At the minimum of  mean loss + penalty / 2 |W|^2  the gradient, computed here in double, is zero. */
static void the_fit_is_the_minimum_of_the_penalised_loss(void **state) {
    (void)state;
    at_error err = {0};
    at_arena arena = {0};
    at_model model = {0};
    float features[N * HIDDEN];
    int32_t label[N];
    const char *names[] = {"a", "b", "c"};
    const double penalty = 0.05;
    for (int i = 0; i < N; i++) {
        label[i] = i % CLASSES;
        for (int j = 0; j < HIDDEN; j++)
            features[i * HIDDEN + j] = (float)(at_random_normal(3, (uint64_t)(i * HIDDEN + j)) + (j == label[i]));
    }
    at_dataset data = {.path = "x", .n = N, .label = label};
    at_task_state task = {.task = &at_task_classify, .labels = {names, CLASSES}};
    at_arch arch = {.hidden = HIDDEN, .initializer_range = 0.02};
    at_head_problem problem = {.arch = &arch, .kind = AT_HEAD_MEAN, .state = &task, .data = &data, .features = features};
    check_ok(at_backend_choose(NULL, &problem.backend, &err), &err);
    check_ok(at_params_init(&model.params, &arena, 2, &err), &err);
    check_ok(at_params_add(&model.params, &arena, "w", AT_WEIGHT_LINEAR, CLASSES, HIDDEN, 1, 1, &model.head.classifier, &err), &err);
    check_ok(at_params_add(&model.params, &arena, "b", AT_WEIGHT_VECTOR, CLASSES, 1, 1, 0, &model.head.classifier_bias, &err), &err);
    check_ok(at_params_allocate(&model.params, &err), &err);
    check_ok(at_head_fit(&problem, penalty, &model, NULL, &err), &err);
    float w[CLASSES * HIDDEN], b[CLASSES];
    at_weight_get(&model.params, model.head.classifier, w);
    at_weight_get(&model.params, model.head.classifier_bias, b);
    double gradient[CLASSES * HIDDEN] = {0}, size = 0;
    for (int i = 0; i < N; i++) {
        double p[CLASSES], sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            double z = b[c];
            for (int j = 0; j < HIDDEN; j++) z += (double)w[c * HIDDEN + j] * features[i * HIDDEN + j];
            sum += p[c] = exp(z);
        }
        for (int c = 0; c < CLASSES; c++)
            for (int j = 0; j < HIDDEN; j++) gradient[c * HIDDEN + j] += (p[c] / sum - (c == label[i])) * features[i * HIDDEN + j] / N;
    }
    for (int k = 0; k < CLASSES * HIDDEN; k++) {
        assert_true(fabs(gradient[k] + penalty * w[k]) < 2e-3);
        size = fmax(size, fabs(penalty * w[k]));
    }
    assert_true(size > 1e-2); /* so that a penalty left out would show */
    at_params_free(&model.params);
    at_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_fit_is_the_minimum_of_the_penalised_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
