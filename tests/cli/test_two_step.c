/* What two-step keeps: the mean of both steps' weights, step 1 where it is clearly better, and the head that cross-validation prefers. */
#include <math.h>

#include "io/safetensors.h"
#include "tiny_rows.h"

enum { MOST = 1 << 20 };
#define TRAIN "cd $D && $A train --model model --train train.csv --quiet --threads 2 "

/* Rows whose first word tells the label. */
static void tiny_rows_write_first(const char *name, int n) {
    char line[512];
    snprintf(line, sizeof line, "cd $D && awk 'BEGIN { print \"text,label\"; for (i = 0; i < %d; i++) printf(\"%%s %%c %%c,%%s\\n\", i %% 2 ? \"good\" : \"bad\", "
             "97 + i * 7 %% 26, 97 + i * i %% 26, i %% 2 ? \"fine\" : \"poor\") }' > %s", n, name);
    program_expect(line, 0, "", "");
}

/* All weights of a trained folder, in order of name. */
static size_t weights_of(const char *folder, float *values) {
    char path[4200];
    at_safetensors *file;
    at_error err;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", getenv("D"), folder);
    check_ok(at_safetensors_open_folder(path, &file, &err), &err);
    for (int i = 0; i < at_safetensors_count(file); i++) {
        const at_stored_tensor *t = at_safetensors_at(file, i);
        assert_true(n + (size_t)t->count <= MOST);
        check_ok(at_safetensors_read_f32(file, t, values + n, 0, &err), &err);
        n += (size_t)t->count;
    }
    at_safetensors_close(file);
    return n;
}

static float head[MOST], tuned[MOST], mixed[MOST], start[MOST];

/* w = mix * step 2 + (1 - mix) * step 1, weight by weight; step 1 alone is what --method head leaves. */
static void what_is_kept_is_the_mean_of_both_steps(void **state) {
    (void)state;
    program_expect(TRAIN "--head pooler --method head --output head", 0, "", "");
    program_expect(TRAIN "--head pooler --folds 1 --soften-head 1 --mix 1 --output tuned", 0, "", "");
    program_expect(TRAIN "--head pooler --folds 1 --soften-head 1 --mix 0.25 --output mixed", 0, "", "");
    size_t n = weights_of("head", head);
    assert_int_equal(weights_of("tuned", tuned), n);
    assert_int_equal(weights_of("mixed", mixed), n);
    double far = 0;
    for (size_t i = 0; i < n; i++) {
        double expected = 0.25 * (double)tuned[i] + 0.75 * (double)head[i];
        if (fabs(mixed[i] - expected) > 1e-6) fail_msg("weight %zu: %g, expected %g", i, mixed[i], expected);
        far = fmax(far, fabs(tuned[i] - head[i]));
    }
    assert_true(far > 1e-4); /* step 2 moved them: leaving a step out would show */
}

/* --average through the whole program: other weights than the last ones, which are evaluated as they are left. */
static void the_mean_of_the_last_steps_is_saved(void **state) {
    (void)state;
    program_expect(TRAIN "--eval train.csv --head pooler --average 0.5 --output meaned", 0, "", "");
    program_run told = program_shell("cd $D && grep -o '\"eval_loss\": [0-9.]*' meaned/all_results.json | cut -d' ' -f2 | cut -c1-8");
    assert_true(strlen(told.out) > 6);
    program_expect("cd $D && $A eval --model meaned --data train.csv --json | grep -o '\"loss\":[0-9.]*' | head -1 | cut -d: -f2 | cut -c1-8", 0, told.out, "");
    program_free(&told);
    program_expect(TRAIN "--eval train.csv --head pooler --average 0 --patience 0 --output last", 0, "", "");
    size_t n = weights_of("meaned", mixed);
    assert_int_equal(weights_of("last", tuned), n);
    double far = 0;
    for (size_t i = 0; i < n; i++) far = fmax(far, fabs(mixed[i] - tuned[i]));
    assert_true(far > 1e-5);
}

/* By default the share is the recipe's, on folds as in the final training. */
static void the_mean_is_the_default_on_few_examples(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --head pooler --folds 1 --output default", 0, "Kept: 70% of step 2 and 30% of where it began", "");
    program_expect(TRAIN "--head pooler --folds 1 --mix 1 --output end", 0, "", "");
    program_expect(TRAIN "--head pooler --folds 1 --mix 0 --output start", 0, "", "");
    size_t n = weights_of("default", mixed);
    assert_int_equal(weights_of("end", tuned), n);
    assert_int_equal(weights_of("start", start), n);
    for (size_t i = 0; i < n; i++) assert_true(fabs(mixed[i] - (0.7 * (double)tuned[i] + 0.3 * (double)start[i])) < 1e-6);
}

/* Step 2 begins with the body as it came and a head that is smaller than step 1's. */
static void step_2_starts_from_a_softened_head(void **state) {
    (void)state;
    double of_head = 0, of_start = 0;
    program_expect(TRAIN "--head pooler --folds 1 --mix 0 --soften-head 30 --output soft", 0, "", "");
    size_t n = weights_of("head", head);
    assert_int_equal(weights_of("soft", start), n);
    for (size_t i = 0; i < n; i++) {
        if (head[i] == start[i]) continue;
        of_head += (double)head[i] * (double)head[i];
        of_start += (double)start[i] * (double)start[i];
    }
    if (!(of_start > 0 && of_start < 0.9 * of_head)) fail_msg("squares of the head: %g, of the start: %g", of_head, of_start);
    program_expect(TRAIN "--head pooler --folds 1 --mix 0 --soften-head 1 --output same && cmp head/model.safetensors same/model.safetensors", 0, "", "");
}

/* A rate at which step 2 forgets all it had: what step 1 left is what is kept, to the bit. */
static void a_step_2_that_does_harm_is_given_up(void **state) {
    (void)state;
    tiny_rows_write_first("first.csv", 120);
    program_expect("cd $D && $A train --model model --train first.csv --head pooler --method head --folds 2 --output alone", 0, "", "");
    program_expect("cd $D && $A train --model model --train first.csv --head pooler --lr 0.5 --folds 2 --max-steps 30 --mix 1 --output harm", 0,
                   "Step 1 is better on unseen data: it, the fitted head on the body as it came, is kept (accuracy: step 1 ", "");
    program_expect("cd $D && cmp alone/model.safetensors harm/model.safetensors && cat harm/all_results.json", 0, "\"kept\": \"head\"", "");
}

/* Eight letters each; which of two comes first is the label, and the mean of a frozen body's tokens hardly knows. */
static void write_orders(const char *name, int n) {
    char path[4200];
    unsigned seed = 5;
    snprintf(path, sizeof path, "%s/%s", getenv("D"), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "text,label\n");
    for (int i = 0; i < n; i++) {
        int place[8] = {0};
        for (int k = 0; k < 8; k++) place[k] = 'c' + (int)((seed = seed * 1664525u + 1013904223u) >> 16) % 20;
        int a = (int)((seed >> 8) % 8), b = (a + 1 + (int)((seed >> 24) % 7)) % 8;
        place[a] = 'a';
        place[b] = 'b';
        for (int k = 0; k < 8; k++) fprintf(file, "%c ", place[k]);
        fprintf(file, ",%s\n", a < b ? "fine" : "poor");
    }
    fclose(file);
}

/* Where the frozen body has little of the task and step 2 learns it, nothing of the beginning is kept. */
static void a_step_2_that_mends_most_is_kept_in_whole(void **state) {
    (void)state;
    write_orders("orders.csv", 400);
#define ORDERS "cd $D && $A train --model model --train orders.csv --head mean --folds 2 --lr 5e-3 --epochs 20 "
    program_expect(ORDERS "--output auto --restart", 0, "Kept: all of step 2 (accuracy 0.", "");
    program_expect(ORDERS "--output asked --mix 1 && cmp auto/model.safetensors asked/model.safetensors", 0, "Step 2 beats step 1 on unseen data", "");
    program_expect(ORDERS "--output mixed --mix 0.7 --quiet --restart && ! cmp -s auto/model.safetensors mixed/model.safetensors", 0, "", "");
}

/* The same with an evaluation file, where step 2 began with another head. */
static void it_is_given_up_beside_an_evaluation_file_too(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train first.csv --eval first.csv --head pooler --method head --output alone --restart", 0, "", "");
    program_expect("cd $D && $A train --model model --train first.csv --eval first.csv --head pooler --lr 0.5 --max-steps 30 --output harm --restart", 0,
                   ", the fitted head on the body as it came, is kept (accuracy: step 1 ", "");
    program_expect("cd $D && cmp alone/model.safetensors harm/model.safetensors && cat harm/all_results.json", 0, "\"kept\": \"head\"", "");
}

/* The mean with the beginning is none of the states that were evaluated: what is reported is its own score. */
static void a_mean_beside_an_evaluation_file_is_judged_itself(void **state) {
    (void)state;
    static const char *const METHOD[] = {"full", "two-step", "gradual"};
    char line[2048];
    for (int m = 0; m < 3; m++) {
        snprintf(line, sizeof line, "cd $D && $A train --model model --train train.csv --eval dev.csv --method %s --mix 0.3 --lr 1e-2 --patience 0 --output mean --restart --quiet && "
                 "$A eval --model mean dev.csv --output judged --quiet > report && for k in eval_accuracy eval_loss; do grep -o \"\\\"$k\\\": [0-9.]*\" mean/all_results.json | cut -c1-21 > a; "
                 "grep -o \"\\\"$k\\\": [0-9.]*\" judged/all_results.json | cut -c1-21 | diff a - || exit 1; done", METHOD[m]);
        program_expect(line, 0, "", "");
    }
    program_expect("cd $D && $A train --model model --train train.csv --eval dev.csv --head pooler --method head --output alone --restart --quiet && "
                   "$A train --model model --train train.csv --eval dev.csv --head pooler --lr 0.5 --mix 0.9 --patience 0 --max-steps 20 --output harm --restart", 0,
                   "step 1, the fitted head on the body as it came, is kept", "");
    program_expect("cd $D && cmp alone/model.safetensors harm/model.safetensors", 0, "", "");
}

static double number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    if (!at) fail_msg("no %s in %s", key, text);
    return strtod(at + strlen(key), NULL);
}

/* The head of the model is the one that the comparison on the frozen features speaks for. */
static void the_head_is_the_one_that_wins(void **state) {
    (void)state;
    static const char *const FILES[] = {"more", "first"};
    char line[512];
    tiny_rows_write("more.csv", 160, 7);
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "cd $D && $A train --model model --train %s.csv --method head --json --output auto --restart | grep '\"event\":\"head\"'", FILES[i]);
        program_run run = program_shell(line);
        double gain = number_after(run.out, "\"gain\":"), error = number_after(run.out, "\"standard_error\":");
        double lost = number_after(run.out, "\"pooler_loss\":") - number_after(run.out, "\"mean_loss\":");
        assert_true(error > 0 && fabs(gain - lost) < 1e-4);
        const char *wins = gain > error ? "mean" : "pooler";
        snprintf(line, sizeof line, "\"head\":\"%s\"", wins);
        if (!strstr(run.out, line)) fail_msg("%s should win: %s", wins, run.out);
        program_free(&run);
        snprintf(line, sizeof line, "cd $D && $A info auto | grep '^head *%s'", wins);
        program_expect(line, 0, "", "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_the_mean_of_both_steps),
        cmocka_unit_test(the_mean_of_the_last_steps_is_saved),
        cmocka_unit_test(the_mean_is_the_default_on_few_examples),
        cmocka_unit_test(step_2_starts_from_a_softened_head),
        cmocka_unit_test(a_step_2_that_does_harm_is_given_up),
        cmocka_unit_test(a_step_2_that_mends_most_is_kept_in_whole),
        cmocka_unit_test(it_is_given_up_beside_an_evaluation_file_too),
        cmocka_unit_test(a_mean_beside_an_evaluation_file_is_judged_itself),
        cmocka_unit_test(the_head_is_the_one_that_wins),
    };
    return cmocka_run_group_tests(tests, tiny_rows_make, tiny_folder_remove);
}
