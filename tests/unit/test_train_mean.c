/* The mean of the weights of several trainings, through files that outlive a stop. */
#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "run/train_run.h"

enum { N = 7, FOLDS = 3 };
static char folder[] = "/tmp/attune-mean-XXXXXX";

static at_real weight(int training, int i) { return (at_real)(0.25 * (training + 1) * (i - 3)); }

static at_params params_of(int training, at_real values[N]) {
    for (int i = 0; i < N; i++) values[i] = weight(training, i);
    return (at_params){.values = values, .total = N};
}

/* Every training's weights count alike, and each fold is added by a process of its own. */
static void each_training_counts_alike(void **state) {
    (void)state;
    at_error err;
    at_real values[N];
    for (int f = 0; f < FOLDS; f++) {
        at_train_run run = {.folder.path = folder};
        at_params p = params_of(f, values);
        check_ok(at_train_mean_add(&run, f, &p, &err), &err);
        check_ok(at_train_mean_add(&run, f, &p, &err), &err); /* stopped behind it: the fold is trained again */
        at_train_mean_forget(&run, f - 1);
    }
    at_train_run run = {.folder.path = folder};
    at_params p = params_of(FOLDS, values);
    check_ok(at_train_mean_take(&run, FOLDS, &p, &err), &err);
    for (int i = 0; i < N; i++) assert_float_equal(values[i], (at_real)(0.25 * 2.5 * (i - 3)), (at_real)1e-6);
}

/* Only one sum stays, and one that is missing is said. */
static void a_sum_that_is_gone_is_said(void **state) {
    (void)state;
    at_error err;
    at_real values[N];
    at_train_run run = {.folder.path = folder};
    at_params p = params_of(0, values);
    check_fails(at_train_mean_take(&run, 1, &p, &err), AT_BAD_DATA, &err, "the weights of fold 1 are not there any more; start anew with --restart");
    assert_float_equal(values[0], weight(0, 0), 0);
}

static int make(void **state) {
    (void)state;
    return !mkdtemp(folder);
}

static int clean(void **state) {
    (void)state;
    at_error err;
    return at_folder_remove(folder, &err) != AT_OK;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_training_counts_alike),
        cmocka_unit_test(a_sum_that_is_gone_is_said),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
