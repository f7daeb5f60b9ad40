/* Trainings of the tasks beyond classification, killed at some changes of the file system and given again, come to the same end: the scale
 * of numbers, thresholds, schemes and windows are what they would have been. */
#include "cli/same_run.h"

#define RUN "$A train --model model --train %s --eval %s --task %s%s --num-train-epochs 2 --save-seconds 0 --threads 1 --quiet --output "

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    program_run run = program_shell(
        "cd $D && (echo text,score; for i in {1..40}; do echo \"a $( ((i % 3)) && echo good) b,$((i % 7)).5\"; done) > regress.csv && "
        "(echo text,fine,poor; for i in {1..40}; do echo \"$( ((i % 2)) && echo good) c $( ((i % 3)) || echo bad),$((i % 2)),$((i % 3 == "
        "0))\"; done) > multi.csv && for i in {1..30}; do for w in {1..4}; do printf 'a O\\ngood B-X\\nb I-X\\nc O\\nd O\\n'; done; printf "
        "'\\n'; done > tag.conll && for i in {1..30}; do echo \"{\\\"question\\\": \\\"good\\\", \\\"context\\\": \\\"a b c d e f g h i j "
        "k l m good n\\\", \\\"answers\\\": [$( ((i % 4)) && echo '{\"text\": \"good\", \"answer_start\": 26}')]}\"; done > answer.jsonl");
    int failed = run.code;
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    return failed;
}

static void kill_and_go_on(const char *file, const char *task, const char *more) {
    char command[512];
    snprintf(command, sizeof command, RUN, file, file, task, more);
    kills_do_not_show(command, 2, 3);
}

static void numbers(void **state) {
    (void)state;
    kill_and_go_on("regress.csv", "regress", " --long window");
}

static void several_labels(void **state) {
    (void)state;
    kill_and_go_on("multi.csv", "multi-label", "");
}

static void tags(void **state) {
    (void)state;
    kill_and_go_on("tag.conll", "tag", "");
}

static void answers(void **state) {
    (void)state;
    kill_and_go_on("answer.jsonl", "answer", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers), cmocka_unit_test(several_labels), cmocka_unit_test(tags),
                                       cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
