/* attune with memory refused at any of its requests: it ends with 7 and a sentence, or as if nothing had been, and the same command with memory
 * again comes to the same end. */
#include "cli/same_run.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { REFUSES = 0 }; /* the sanitizers have a heap of their own, which cannot be replaced */
#else
enum { REFUSES = 1 };
#endif

static int count_requests(const char *command) {
    program_run run = program_shell(line_of("cd $D && rm -rf calm && NO_MEMORY_COUNT=$D/count LD_PRELOAD=$FAIL_ALLOC_LIBRARY %s > said && cat count", command));
    if (run.code) fail_msg("%s: %d\n%s%s", command, run.code, run.out, run.err);
    int n = atoi(run.out);
    program_free(&run);
    assert_true(n > 100);
    return n;
}

/* Points close together at the start, where most kinds of requests are, and over the whole run. */
static int point(int i, int points, int n) {
    double share = (double)i / (points - 1);
    return 1 + (int)((n - 1) * share * share);
}

static void refused_anywhere(const char *command, const char *again, int points) {
    if (!REFUSES) return;
    int n = count_requests(command), wrong = 0;
    for (int i = 0; i < points; i++) {
        const char *how = i % 2 ? "AT" : "FROM";
        int at = point(i, points, n);
        program_run run = program_shell(line_of(SAME "cd $D && rm -rf none; NO_MEMORY_%s=%d LD_PRELOAD=$FAIL_ALLOC_LIBRARY %s > said 2> told; c=$?; "
                                                "case $c in 0) ;; 7) grep -q '^error: [a-z]' told || { cat told; exit 20; }; %s ;; *) cat told; exit $c;; esac", how, at, command, again));
        if (run.code) print_error("%s, refused %s %d of %d: %d\n%s%s", command, how, at, n, run.code, run.out, run.err);
        wrong += run.code != 0;
        program_free(&run);
    }
    assert_int_equal(wrong, 0);
}

static void in_a_training(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --test test.csv --num-train-epochs 1 --folds 2 --head mean --save-seconds 1e-6 --output right", 0, "Done", "");
    refused_anywhere("$A train --model model --train train.csv --test test.csv --num-train-epochs 1 --folds 2 --head mean --save-seconds 1e-6 --output none",
                     "$A train --model model --train train.csv --test test.csv --num-train-epochs 1 --folds 2 --head mean --save-seconds 1e-6 --output none > said && same right none || exit 21", 60);
}

static void in_an_answer(void **state) {
    (void)state;
    refused_anywhere("$A predict --model right --input test.csv", "", 40);
    refused_anywhere("$A eval --model right test.csv", "", 30);
    refused_anywhere("$A check train.csv --test test.csv --model model", "", 30);
    refused_anywhere("$A info right", "", 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_a_training), cmocka_unit_test(in_an_answer)};
    return cmocka_run_group_tests(tests, tiny_rows_make, tiny_folder_remove);
}
