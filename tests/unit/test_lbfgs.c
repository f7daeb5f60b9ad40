#include "check.h"

#include <math.h>

#include "train/lbfgs.h"

/* Rosenbrock's valley in pairs: minimum 0 at all ones. */
static double rosenbrock(void *context, const double *x, double *g) {
    int n = *(int *)context;
    double value = 0;
    for (int i = 0; i < n; i += 2) {
        double a = 1 - x[i], b = x[i + 1] - x[i] * x[i];
        value += a * a + 100 * b * b;
        g[i] = -2 * a - 400 * b * x[i];
        g[i + 1] = 200 * b;
    }
    return value;
}

static void finds_the_minimum_of_a_valley(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    double x[20], value;
    int n = 20, iterations;
    for (int i = 0; i < n; i++) x[i] = i % 2 ? 1 : -1.2;
    at_lbfgs_options o = {.max_iterations = 500, .gradient_tolerance = 1e-8};
    check_ok(at_lbfgs(rosenbrock, &n, x, (size_t)n, &o, &arena, &iterations, &value, &err), &err);
    for (int i = 0; i < n; i++) assert_true(fabs(x[i] - 1) < 1e-5);
    assert_true(value < 1e-12 && iterations < 200);
    at_arena_free(&arena);
}

static double not_a_number(void *context, const double *x, double *g) {
    (void)context;
    g[0] = x[0];
    return NAN;
}

static void a_loss_that_is_not_finite_is_an_error(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    double x = 1;
    at_lbfgs_options o = {.max_iterations = 5};
    check_fails(at_lbfgs(not_a_number, NULL, &x, 1, &o, &arena, NULL, NULL, &err), AT_DIVERGED, &err, "not finite");
    at_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_minimum_of_a_valley),
        cmocka_unit_test(a_loss_that_is_not_finite_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
