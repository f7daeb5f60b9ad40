/* Long texts from outside, on the tiny model of 16 positions: what --long does in train, eval and predict, and that it is kept with the model. */
#include <jansson.h>

#include "cli/tiny_folder.h"

#define QUICK " --folds 1 --epochs 2 --quiet --method full "

static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    program_run run = program_shell("cd $D && for i in {1..40}; do f=$(printf 'a b c %.0s' {1..9}); echo \"good $f,$((i % 2)).5,x\"; echo \"$f bad,4.25,y\"; echo 'c d,1,x'; done > body && "
                                    "(echo text,score,label; cat body) > rows.csv && $A train --model model --train rows.csv --task regress --label-column score --long window "
                                    "--output windows" QUICK " && $A train --model model --train rows.csv --task classify --label-column label --long middle --output middle" QUICK);
    int failed = run.code;
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    return failed;
}

static double prediction(const char *line) {
    program_run run = program_shell(line);
    json_t *root = json_loads(run.out, JSON_DISABLE_EOF_CHECK, NULL);
    if (!json_is_number(json_object_get(root, "prediction"))) fail_msg("%s: %s%s", line, run.out, run.err);
    double value = json_number_value(json_object_get(root, "prediction"));
    json_decref(root);
    program_free(&run);
    return value;
}

/* 14 tokens a window, 3 of which overlap: 25 words are two windows. */
static void windows_are_averaged(void **state) {
    (void)state;
    double all = prediction("$A predict --model $D/windows --format jsonl 'good a b c d e f g h i j k l m n o p q r s t u v w bad'");
    double first = prediction("$A predict --model $D/windows --format jsonl 'good a b c d e f g h i j k l m'");
    double second = prediction("$A predict --model $D/windows --format jsonl 'k l m n o p q r s t u v w bad'"), d = all - (first + second) / 2;
    if (!(d < 1e-4 && d > -1e-4)) fail_msg("%g, but the windows' mean is %g", all, (first + second) / 2);
    double cut = prediction("$A predict --model $D/windows --long truncate-tail --format jsonl 'good a b c d e f g h i j k l m n o p q r s t u v w bad' 2> /dev/null");
    double head = prediction("$A predict --model $D/windows --long truncate-head --format jsonl 'good a b c d e f g h i j k l m n o p q r s t u v w bad' 2> /dev/null"),
           end = prediction("$A predict --model $D/windows --format jsonl 'j k l m n o p q r s t u v w bad' --long truncate-head 2> /dev/null");
    assert_true(cut == first && head == end);
}

static void it_is_kept_and_said(void **state) {
    (void)state;
    program_expect("cd $D && grep -A3 '\"attune\"' windows/config.json", 0, "\"long\": \"window\"", "");
    program_expect("cd $D && grep -o 'overlapping windows and takes the mean' windows/README.md && grep -o 'reads beginning and end' middle/README.md", 0, "mean\nreads beginning", "");
    program_expect("cd $D && grep '_cut_\\|\"long\\|examples' windows/all_results.json", 0, "\"train_cut_rows\": 0", "");
    program_expect("cd $D && grep '_cut_\\|\"long' middle/all_results.json", 0, "\"long\": \"middle\",\n  \"train_cut_rows\": 80,\n  \"train_cut_tokens\": 1120", "");
    program_expect("cd $D && $A train --model model --train rows.csv --task classify --label-column label --long window --output plan --dry-run", 0,
                   "Long texts: window; 120 rows are read as 280 examples.", "");
    program_expect("cd $D && $A train --model model --train rows.csv --task classify --label-column label --output plan --dry-run", 0,
                   "Long texts: truncate-tail; 80 of 120 rows lose 1120 tokens.", "");
    program_expect("cd $D && $A eval --model middle rows.csv --label-column label --output e && grep _cut_ e/eval_results.json", 0, "\"eval_cut_rows\": 80",
                   "");
    program_expect("cd $D && $A eval --model middle rows.csv --label-column label", 0, "warning: rows.csv: 80 of 120 texts are longer than 16 tokens and lose their middle; 1120 tokens are lost", "");
    program_expect("cd $D && $A eval --model windows rows.csv --label-column score", 0, "read in overlapping windows (280 examples of 120 rows)", "");
    program_expect("cd $D && $A eval --model windows rows.csv --label-column score | grep ^examples", 0, "examples                    120", "");
}

static void rows_come_back_as_they_were(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model middle rows.csv --long window --format csv --quiet | cut -d, -f1-3 | cmp - rows.csv && echo same", 0, "same\n", "");
    program_expect("cd $D && $A predict --model middle rows.csv --format csv --output o.csv", 0, "", "80 of 120 texts are longer than the model reads and lose their middle; 1120 tokens were not read");
}

static void what_cannot_be_is_said(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train rows.csv --task classify --label-column label --long error --output x", 3, "",
                   "error: rows.csv:2: 30 tokens, 14 more than the model reads (--long error)");
    program_expect("cd $D && $A predict --model middle --long error rows.csv", 3, "", "error: rows.csv:2: 30 tokens");
    program_expect("cd $D && $A train --model model --train rows.csv --task mask --long window --output x", 2, "", "--long: the task mask reads long texts in overlapping windows by itself");
    program_expect("cd $D && $A train --model model --train rows.csv --long hed --output x", 2, "", "'hed' is not one of auto, truncate-tail, truncate-head, middle, window, error");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows_are_averaged), cmocka_unit_test(it_is_kept_and_said), cmocka_unit_test(rows_come_back_as_they_were),
                                       cmocka_unit_test(what_cannot_be_is_said)};
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
