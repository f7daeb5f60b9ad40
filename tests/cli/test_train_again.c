/* attune train again and again: every method, the same command, another one, --restart, a stop, a kill anywhere, other threads. */
#include "cli/same_run.h"

#define TRAIN "cd $D && $A train --model model --train train.csv --test test.csv --num-train-epochs 2 --threads 2 --quiet "
static const char *const METHOD[] = {"two-step", "head", "full", "gradual"};

static void every_method_trains_and_its_model_answers(void **state) {
    (void)state;
    for (int m = 0; m < 4; m++) {
        program_expect(line_of(TRAIN "--method %s --output %s", METHOD[m], METHOD[m]), 0, "", "");
        program_expect(line_of("cd $D && $A predict --model %s --format jsonl 'a good b'", METHOD[m]), 0, "\"label\":", "");
        program_expect(line_of("cd $D && $A eval --model %s test.csv", METHOD[m]), 0, "accuracy", "");
        program_expect(line_of("cd $D && ls -A %s", METHOD[m]), 0, "trainer_state.json", "");
        program_expect(line_of("cd $D && ls -A %s | grep -E '^(work|checkpoint|\\.)'", METHOD[m]), 1, "", "");
        program_expect(line_of("cd $D && cat %s/all_results.json", METHOD[m]), 0, "test_accuracy", "");
    }
    program_expect(TRAIN "--method two-step --head mean --output mean && ls mean/2_Dense", 0, "model.safetensors", "");
}

static void the_same_command_again_is_done(void **state) {
    (void)state;
    program_expect("cd $D && stat -c %Y.%i head/* > before", 0, "", "");
    program_expect("cd $D && $A train --model model --train train.csv --test test.csv --num-train-epochs 2 --threads 2 --method head --output head", 0,
                   "this very run is already done. Use --restart", "");
    program_expect("cd $D && stat -c %Y.%i head/* | cmp - before", 0, "", "");
    program_expect(TRAIN "--method head --output head --threads 1", 0, "", "");
    program_expect("cd $D && stat -c %Y.%i head/* | cmp - before", 0, "", "");
}

/* Its score is still below what is asked for. */
static void a_finished_run_is_judged_again(void **state) {
    (void)state;
    program_expect(TRAIN "--method head --output head --min-score 1.5", 9, "this very run is already done", "below --min-score 1.5");
    program_expect(TRAIN "--method head --output head --min-score -1", 0, "", "");
    program_expect(TRAIN "--method head --output head --json", 0, "\"already\":true,\"metric\":\"accuracy\",\"main\":", "");
}

static void a_finished_run_without_its_model_is_not_done(void **state) {
    (void)state;
    program_expect("cd $D && cp -r head gone && rm gone/model.safetensors", 0, "", "");
    program_expect(TRAIN "--method head --output gone", 4, "", "error: gone/model.safetensors: this very run is done, but its model is not there any more");
}

/* What decides is what is in the files, not how their place is written. */
static void the_same_files_elsewhere_are_the_same_command(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model ./model/ --train \"$PWD/train.csv\" --test ./test.csv --num-train-epochs 2 --quiet --method head --output head", 0,
                   "already done", "");
    program_expect("cd $D && cp -r model copy && $A train --model copy --train train.csv --test test.csv --num-train-epochs 2 --quiet --method head --output head", 0,
                   "already done", "");
    program_expect("cd $D && echo '{\"eval_loss\": 1}' > copy/all_results.json && $A train --model copy --train train.csv --test test.csv --num-train-epochs 2 --quiet "
                   "--method head --output head", 0, "already done", "");
    program_expect("cd $D && echo '[unused]' >> copy/vocab.txt && $A train --model copy --train train.csv --test test.csv --num-train-epochs 2 --quiet --method head "
                   "--output head", 2, "", "(model: \"model\" -> \"copy\"). Give");
    program_expect("cd $D && $A train --model model --train train.csv --num-train-epochs 2 --quiet --method head --output head", 2, "",
                   "(test: \"test.csv\" -> none). Give");
    program_expect("cd $D && $A train --model model --train train.csv --quiet --method head --head mean --output base && $A train --model base --train train.csv --quiet --method head --output on && sed -i 's/Tanh/ReLU/; s/Identity/ReLU/' base/2_Dense/config.json && "
                   "$A train --model base --train train.csv --quiet --method head --output on", 2, "", "(the content of model/2_Dense/config.json)");
}

/* --restart would remove it before it is read. */
static void a_model_is_not_trained_into_its_own_folder(void **state) {
    (void)state;
    program_expect("cd $D && cp -r head own && ln -s own link", 0, "", "");
    static const char *const MODEL[] = {"own", "link", "./own/"};
    for (int i = 0; i < 3; i++) {
        program_expect(line_of("cd $D && $A train --model %s --train train.csv --quiet --output own --restart", MODEL[i]), 2, "",
                       "error: own: holds the model that is to be trained; choose another --output");
        program_expect(line_of("cd $D && $A train --model %s --train train.csv --quiet --output own", MODEL[i]), 2, "", "holds the model that is to be trained");
    }
    program_expect("cd $D && diff -r head own", 0, "", "");
    program_expect("cd $D && $A train --model own --train train.csv --quiet --method head --output own2", 0, "", "");
}

static void another_command_is_told_apart(void **state) {
    (void)state;
    program_expect(TRAIN "--method full --output head --seed 7", 2, "", "method: \"head\" -> \"full\"; ");
    program_expect(TRAIN "--method head --output head --seed 7", 2, "", "seed: 42 -> 7). Give --restart to replace it, or another --output\n");
    program_expect("cd $D && cp train.csv kept.csv && echo 'a bad c,poor' >> train.csv", 0, "", "");
    program_expect(TRAIN "--method head --output head", 2, "", "the content of train");
    program_expect("cd $D && mv kept.csv train.csv", 0, "", "");
    program_expect(TRAIN "--method head --output head", 0, "", "");
}

/* What a run computes with stands in its record; `auto` cannot change it unseen. */
static void another_precision_is_told_apart(void **state) {
    (void)state;
    program_expect(TRAIN "--method full --max-steps 2 --cpu amx-model --precision bf16 --output half", 0, "", "");
    program_expect("cd $D && grep -o '\"precision\": *\"[a-z0-9]*\"' half/attune_run.json", 0, "bf16", "");
    program_expect(TRAIN "--method full --max-steps 2 --cpu amx-model --output half", 2, "", "precision: \"bf16\" -> \"fp32\"");
    program_expect(TRAIN "--method full --max-steps 2 --cpu amx-model --precision auto --output half", 0, "", "");
    program_expect("cd $D && $A predict --model half --cpu amx-model --precision bf16 --format jsonl 'a good b'", 0, "\"label\":", "");
    program_expect(TRAIN "--cpu portable --precision bf16 --output other", 2, "", "--precision bf16 needs");
}

static void restart_replaces_the_run_and_nothing_else(void **state) {
    (void)state;
    program_expect(TRAIN "--method two-step --head mean --output r && echo mine > r/notes.txt", 0, "", "");
    program_expect(TRAIN "--method head --head pooler --output r --restart && ls -A r", 0, "notes.txt", "");
    program_expect("ls -A $D/r | grep -E 'modules|Dense|Pooling'", 1, "", "");
    program_expect(SAME "cd $D && rm r/notes.txt && $A train --model model --train train.csv --test test.csv --num-train-epochs 2 --quiet "
                   "--method head --head pooler --output r2 && same r r2", 0, "", "");
}

/* What is wrong with the command or its data is found out before the old run is touched. */
static void a_restart_that_cannot_begin_loses_nothing(void **state) {
    (void)state;
    program_expect("cd $D && cp -r head old && echo 'a b' > broken.csv", 0, "", "");
    program_expect("cd $D && $A train --model model --train broken.csv --output old --restart --quiet", 3, "", "broken.csv");
    program_expect("cd $D && $A train --model nowhere --train train.csv --output old --restart --quiet", 4, "", "nowhere");
    program_expect("cd $D && $A train --model model --train train.csv --output old --restart --dry-run --quiet", 0, "", "");
    program_expect("cd $D && diff -r head old", 0, "", "");
}

static void a_mistake_does_not_claim_the_folder(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train broken.csv --output claimed --quiet", 3, "", "broken.csv");
    program_expect("ls $D/claimed", 2, "", "");
}

static void a_folder_of_something_else_is_refused(void **state) {
    (void)state;
    program_expect("cd $D && mkdir -p other && echo 1 > other/thesis.doc", 0, "", "");
    program_expect(TRAIN "--output other", 2, "", "error: other: holds something else (thesis.doc ...)");
    program_expect(TRAIN "--output other --restart", 2, "", "error: other: holds something else");
    program_expect(TRAIN "--output model", 2, "", "error: model: holds the model that is to be trained");
    program_expect(TRAIN "--output train.csv", 2, "", "error: train.csv: is a file");
    program_expect("cd $D && ls other && ls -A model | wc -l", 0, "thesis.doc\n4\n", "");
    program_expect("cd $D && mkdir blank && " TRAIN "--method head --output blank", 0, "", "");
}

#define LISTED "find . ! -name before -printf '%%p %%s %%i %%T@\\n' | grep -v '^\\. ' | sort"

static void a_dry_run_writes_nothing(void **state) {
    (void)state;
    for (int m = 0; m < 4; m++)
        program_expect(line_of("cd $D && " LISTED " > before && $A train --model model --train train.csv --method %s --output dry --dry-run && " LISTED " | cmp - before && ! ls dry", METHOD[m]),
                       0, "memory", "");
}

static void threads_change_no_bit(void **state) {
    (void)state;
    for (int m = 0; m < 4; m++)
        for (int threads = 1; threads <= 3; threads++)
            program_expect(line_of(SAME TRAIN "--method %s --threads %d --output t%d && same %s t%d && rm -r t%d", METHOD[m], threads, threads, METHOD[m], threads, threads),
                           0, "", "");
}

#define LONG "$A train --model model --train train.csv --eval dev.csv --method full --max-steps 400 --patience 0 --output "

/* A long run is stopped when it has taken a step, and told how it goes on; so it does, to the same end. */
static void a_signal_stops_it_and_the_same_command_goes_on(void **state) {
    (void)state;
    static const char *const SIGNAL[] = {"INT", "TERM"};
    program_expect("cd $D && mkfifo events && " LONG "whole --quiet", 0, "", "");
    for (int i = 0; i < 2; i++) {
        program_expect(line_of("cd $D && { " LONG "'a run' --restart --json > events & }; p=$!; exec 3< events; "
                               "while read -r -t 60 e <&3; do case $e in *'\"step\"'*) break;; esac; done; kill -%s $p; cat <&3 > rest; wait $p; echo code $?",
                               SIGNAL[i]),
                       0, "code 75\n", "stopped and saved; this goes on from there:\n  attune train --model model --train train.csv --eval dev.csv "
                       "--method full --max-steps 400 --patience 0 --output 'a run' --json\n");
        program_expect("cd $D && ls 'a run'", 0, "checkpoint-", "");
        program_expect(SAME "cd $D && " LONG "'a run' && rm -rf stopped && mv 'a run' stopped && same whole stopped", 0, "going on from checkpoint-", "");
    }
}

/* ---- kill -9 ---- */

static int count_changes(const char *command) {
    program_run run = program_shell(line_of("cd $D && rm -rf calm && KILL_COUNT=count LD_PRELOAD=$KILL_AT_LIBRARY %s --output calm > done.txt && cat count", command));
    if (run.code) fail_msg("%s: %d\n%s%s", command, run.code, run.out, run.err);
    int n = atoi(run.out);
    program_free(&run);
    return n;
}

/* Killed at `points` changes of the file system, evenly over the run with the seed's shift; every time it goes on to the same end. */
static void kill_and_go_on(const char *command, int points) {
    int n = count_changes(command);
    assert_true(n > 20);
    for (int i = 0; i < points; i++) {
        int at = 1 + (int)((double)(n - 1) * i / (points - 1));
        program_expect(line_of(SAME "cd $D && rm -rf killed; { KILL_AT=%d LD_PRELOAD=$KILL_AT_LIBRARY %s --output killed; } 2> /dev/null; [ $? = 137 ] || exit 9; "
                               "LD_PRELOAD=$KILL_AT_LIBRARY %s --output killed && same calm killed", at, command, command), 0, "", "");
    }
}

static void a_kill_at_any_change_of_the_folder_leaves_no_trace(void **state) {
    (void)state;
    kill_and_go_on("$A train --model model --train train.csv --test test.csv --num-train-epochs 2 --save-seconds 1e-6 --quiet --head mean", 16);
    kill_and_go_on("$A train --model model --train train.csv --eval dev.csv --method full --num-train-epochs 2 --save-seconds 1e-6 --quiet", 10);
    kill_and_go_on("$A train --model model --train train.csv --method head --quiet", 6);
}

/* The same command again and again, killed at 20 random moments, until one comes to its end. */
static void kills_at_random_moments_add_up_to_the_same_end(void **state) {
    (void)state;
    const char *command = "$A train --model model --train train.csv --test test.csv --num-train-epochs 3 --save-seconds 1e-6 --quiet";
    program_expect(line_of(SAME "cd $D && rm -rf calm killed; export LD_PRELOAD=$KILL_AT_LIBRARY; %s --output calm || exit 8; RANDOM=5; kills=0; "
                           "for i in {1..20}; do timeout -s KILL 0.$(printf %%03d $((RANDOM %% 90 + 5))) %s --output killed; "
                           "case $? in 137) kills=$((kills + 1));; 0) same calm killed || exit 1; rm -rf killed;; *) exit 9;; esac; done 2> /dev/null; "
                           "%s --output killed && same calm killed && echo $kills kills", command, command, command), 0, " kills", "");
}

/* A restart that is killed while it clears the old run begins, given again, as if it had not been. */
static void a_killed_restart_is_given_again(void **state) {
    (void)state;
    for (int at = 1; at <= 13; at += 2)
        program_expect(line_of(SAME "cd $D && rm -rf k && cp -r mean k && { KILL_AT=%d LD_PRELOAD=$KILL_AT_LIBRARY " TRAIN "--method head --output k --restart; } 2> /dev/null; "
                               TRAIN "--method head --output k --restart && same head k", at), 0, "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_trains_and_its_model_answers),
        cmocka_unit_test(the_same_command_again_is_done),
        cmocka_unit_test(a_finished_run_is_judged_again),
        cmocka_unit_test(a_finished_run_without_its_model_is_not_done),
        cmocka_unit_test(the_same_files_elsewhere_are_the_same_command),
        cmocka_unit_test(a_model_is_not_trained_into_its_own_folder),
        cmocka_unit_test(another_command_is_told_apart),
        cmocka_unit_test(another_precision_is_told_apart),
        cmocka_unit_test(restart_replaces_the_run_and_nothing_else),
        cmocka_unit_test(a_restart_that_cannot_begin_loses_nothing),
        cmocka_unit_test(a_mistake_does_not_claim_the_folder),
        cmocka_unit_test(a_folder_of_something_else_is_refused),
        cmocka_unit_test(a_dry_run_writes_nothing),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(a_signal_stops_it_and_the_same_command_goes_on),
        cmocka_unit_test(a_kill_at_any_change_of_the_folder_leaves_no_trace),
        cmocka_unit_test(kills_at_random_moments_add_up_to_the_same_end),
        cmocka_unit_test(a_killed_restart_is_given_again),
    };
    return cmocka_run_group_tests(tests, tiny_rows_make, tiny_folder_remove);
}
