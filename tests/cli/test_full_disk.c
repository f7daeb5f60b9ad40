/* attune train on a disk that is full at any of its writes. */
#include "cli/same_run.h"

static int count_attempts(const char *command) {
    program_run run = program_shell(line_of("cd $D && rm -rf calm && FULL_COUNT=count LD_PRELOAD=$KILL_AT_LIBRARY %s --output calm > done.txt && cat count", command));
    if (run.code) fail_msg("%s: %d\n%s%s", command, run.code, run.out, run.err);
    int n = atoi(run.out);
    program_free(&run);
    assert_true(n > 20);
    return n;
}

/* It ends with 5, or with 0 and what a calm run leaves (a checkpoint that could not be written is a warning); with room again the same
 * command comes to the same end. */
static void full_and_go_on(const char *command, const char *how, int at) {
    program_expect(line_of(SAME "cd $D && rm -rf full; FULL_%s=%d LD_PRELOAD=$KILL_AT_LIBRARY %s --output full > said; "
                           "case $? in 0) cmp calm/model.safetensors full/model.safetensors;; 5) %s --output full > said && same calm full;; *) exit 9;; esac",
                           how, at, command, command), 0, "", "");
}

/* The disk is full from one attempt to write on, or for one alone, at places all over the run. */
static void full_anywhere(const char *command, int points) {
    int n = count_attempts(command);
    for (int i = 0; i < points; i++) full_and_go_on(command, i % 2 ? "AT" : "FROM", 1 + (int)((double)(n - 1) * i / (points - 1)));
}

static void two_step(void **state) {
    (void)state;
    full_anywhere("$A train --model model --train train.csv --test test.csv --num-train-epochs 2 --save-seconds 1e-6 --head mean --folds 2", 14);
}

static void full(void **state) {
    (void)state;
    full_anywhere("$A train --model model --train train.csv --eval dev.csv --method full --num-train-epochs 1 --save-seconds 1e-6", 14);
}

static void head(void **state) {
    (void)state;
    full_anywhere("$A train --model model --train train.csv --method head --quiet", 8);
}

/* Nothing of what is written at the end may be missing without a word: not the last sync of a file, nor that of the folder. */
static void the_end_is_never_half_written(void **state) {
    (void)state;
    const char *command = "$A train --model model --train train.csv --method head";
    int n = count_attempts(command);
    for (int at = n - 11; at <= n; at++)
        program_expect(line_of(SAME "cd $D && rm -rf full; FULL_AT=%d LD_PRELOAD=$KILL_AT_LIBRARY %s --output full > said; [ $? = 5 ] || exit 9; "
                               "%s --output full > said && same calm full", at, command, command), 0, "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_step), cmocka_unit_test(full), cmocka_unit_test(head), cmocka_unit_test(the_end_is_never_half_written)};
    return cmocka_run_group_tests(tests, tiny_rows_make, tiny_folder_remove);
}
