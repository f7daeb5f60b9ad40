/* train from outside, on a tiny body: events, stopping and going on, settings that meet an earlier run. */
#include <jansson.h>

#include "cli/tiny_folder.h"

/* Labelled rows beside the model, and a body without its head's labels known: two labels that the model does not have. */
static int make(void **state) {
    if (tiny_folder_make(state)) return 1;
    program_run run = program_shell("cd $D && awk 'BEGIN { print \"text,label\"; for (i = 0; i < 60; i++) printf(i % 2 ? \"good %c a,plus\\n\" : \"bad %c o,minus\\n\", 97 + i % 26) }' > train.csv");
    int failed = run.code;
    program_free(&run);
    return failed;
}

static void a_training_leaves_a_model_that_answers(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --output out", 0, "Done: the model is in out.", "");
    program_expect("cd $D && ls out", 0, "all_results.json\n", "");
    program_expect("cd $D && $A predict --model out 'good b a' 'bad c o'", 0, "plus ", "");
    program_expect("cd $D && $A eval --model out train.csv", 0, "accuracy", "");
    program_expect("cd $D && $A info out", 0, "labels      2: minus, plus\n", "");
    program_expect("cd $D && $A train --model model --train train.csv --output out", 0, "already done", "");
    program_expect("cd $D && $A train --model model --train train.csv --output out --lr 1e-3", 2, "", "--restart");
    program_expect("cd $D && $A train --model model --train train.csv --output out --lr 1e-3 --restart --quiet", 0, "Done", "");
}

static void a_classifier_goes_on_learning_with_its_own_head(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --output first --method full --epochs 1 --quiet", 0, "Done", "");
    program_expect("cd $D && sed -i 's/\"0\": \"minus\"/\"0\": \"plus\"/; s/\"1\": \"plus\"/\"1\": \"minus\"/; "
                   "s/\"minus\": 0/\"minus\": 1/; s/\"plus\": 1/\"plus\": 0/' first/config.json && $A info first", 0, "labels      2: plus, minus\n", "");
    program_expect("cd $D && $A train --model first --train train.csv --output second --method full --epochs 1", 0, "its own head goes on learning", "");
    program_expect("cd $D && $A info second", 0, "labels      2: plus, minus\n", "");
}

static void quiet_prints_the_result_alone(void **state) {
    (void)state;
    program_run run = program_shell("cd $D && $A train --model model --train train.csv --output quiet --quiet");
    assert_int_equal(run.code, 0);
    assert_int_equal(strncmp(run.out, "Done", 4), 0);
    assert_ptr_equal(strchr(run.out, '\n'), run.out + strlen(run.out) - 1);
    program_free(&run);
}

static void lines_of_progress_come_from_the_first_step_on(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --output lines --method full --max-steps 40 --patience 0 --logging-steps 20 | grep -cE '^step (1|20|40)/40  epoch .* tokens/s'; true",
                   0, "\n", "");
    program_expect("cd $D && $A train --model model --train train.csv --eval train.csv --output lines2 --method full --max-steps 40 --patience 0 --logging-steps 20 | grep -E '^step' | cut -d' ' -f2 | tr '\\n' ' '",
                   0, "1/40 20/40 40/40", "");
}

static void a_terminal_gets_a_bar_of_its_width(void **state) {
    (void)state;
    program_run run = program_shell("command -v script > /dev/null || exit 0; cd $D && script -qec \"stty cols 80; $A train --model model --train train.csv "
                                    "--eval train.csv --output bar --method full --max-steps 40 --patience 0\" /dev/null | tr '\\r' '\\n'");
    assert_int_equal(run.code, 0);
    if (*run.out && !strstr(run.out, "[##########")) fail_msg("no bar: %s", run.out);
    if (*run.out) assert_non_null(strstr(run.out, "] 40/40  loss "));
    for (char *rest, *line = strtok_r(run.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strchr(line, '#') && strlen(line) > 3 + 79) fail_msg("too wide: %s", line);
    program_free(&run);
}

static void every_event_is_valid_and_steps_are_among_them(void **state) {
    (void)state;
    program_run run = program_shell("cd $D && $A train --model model --train train.csv --eval train.csv --output events --json --max-steps 20 --patience 0 --tensorboard board --save-total-limit 1");
    int steps = 0, evals = 0, done = 0, phases = 0;
    assert_int_equal(run.code, 0);
    for (char *rest, *line = strtok_r(run.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_error_t where;
        json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, &where);
        const char *kind = json_string_value(json_object_get(event, "event"));
        if (!kind) fail_msg("not an event: %s", line);
        if (!strcmp(kind, "note") && !json_is_string(json_object_get(event, "text"))) fail_msg("without its words: %s", line);
        if (!strcmp(kind, "phase")) phases++;
        steps += !strcmp(kind, "step");
        evals += !strcmp(kind, "eval");
        done += !strcmp(kind, "done");
        json_decref(event);
    }
    assert_true(steps >= 3 && evals >= 1);
    assert_int_equal(done, 1);
    assert_int_equal(phases, 2);
    program_free(&run);
    program_expect("cd $D && $A train --model model --train train.csv --output events2 --quiet --method head --tensorboard board2 && "
                   "cat board2/events.out.tfevents.* | grep -c -a eval/accuracy", 0, "", "");
    program_expect("cd $D && cat board/events.out.tfevents.* | grep -c -a -E 'train/loss|eval/accuracy'", 0, "", "");
}

static void the_first_signal_saves_and_the_same_command_goes_on(void **state) {
    (void)state;
    static const char TRAIN[] = "$A train --model model --train train.csv --eval train.csv --method full --max-steps 30000 --patience 0 --eval-steps 1000 --output ";
    char line[1024];
    snprintf(line, sizeof line, "cd $D; %s 'stopped run' > log & p=$!; for i in {1..200}; do grep -qs '^step' $D/log && break; sleep 0.05; done; sleep 0.3; kill -TERM $p; wait $p", TRAIN);
    program_expect(line, 75, "", "stopped and saved; this goes on from there:\n  attune train --model model");
    program_expect("ls \"$D/stopped run\" | grep -c '^checkpoint-'", 0, "", "");
    snprintf(line, sizeof line, "cd $D; %s 'stopped run' --json > log2 & p=$!; for i in {1..200}; do grep -qs '\"step\"' $D/log2 && break; sleep 0.05; done; kill -INT $p; wait $p; "
             "grep -m1 '\"event\":\"step\"' $D/log2", TRAIN);
    program_run run = program_shell(line);
    json_t *event = json_loads(run.out, 0, NULL);
    assert_true(json_integer_value(json_object_get(event, "step")) > 1); /* it did not begin at the beginning */
    json_decref(event);
    program_free(&run);
}

/* The second waits for nobody: it says why at once, and the first is not disturbed. A kill takes the lock away. */
static void one_training_at_a_time_writes_into_a_folder(void **state) {
    (void)state;
    static const char TRAIN[] = "$A train --model model --train train.csv --eval train.csv --method full --max-steps 3000000 --patience 0 --output busy";
    char line[2048];
    snprintf(line, sizeof line,
             "cd $D; %s > busy.log & p=$!; for i in {1..400}; do grep -qs '^step' busy.log && break; sleep 0.05; done; %s; echo code $?; %s --restart --quiet; echo code $?; "
             "%s --seed 7; echo code $?; %s --dry-run > /dev/null; echo dry $?; kill -9 $p; wait $p; echo first $?; $A train --model model --train train.csv --method head --output busy --restart --quiet",
             TRAIN, TRAIN, TRAIN, TRAIN, TRAIN);
    program_run run = program_shell(line);
    if (run.code || !strstr(run.out, "code 2\ncode 2\ncode 2\ndry 0\nfirst 137\nDone")) fail_msg("%s%s", run.out, run.err);
    if (!strstr(run.err, "error: busy: another training is at work in this folder; wait for its end, or choose another --output\n")) fail_msg("%s", run.err);
    program_free(&run);
}

static void a_plan_is_printed_and_nothing_trained(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --dry-run", 0, "Plan: 60 examples", "");
    program_expect("cd $D && $A train --model model --train train.csv --dry-run --output planned && ! ls planned", 0, "Plan: 60 examples", "No such file");
}

/* What runs, and is likely not meant. */
static void what_looks_like_a_mistake_is_said(void **state) {
    (void)state;
    program_expect("cd $D && sed 1d train.csv > bare.csv && $A train --model model --train bare.csv --method head --output bare", 0,
                   "warning: bare.csv:1: the label column is called 'minus', as one of its labels is: is the first line a row, not a header? If so, say --no-header", "");
    program_expect("cd $D && $A train --model model --train bare.csv --method head --output bare2 --no-header | grep -c 'not a header'", 1, "0\n", "");
    program_expect("cd $D && cp train.csv copy.csv && $A train --model model --train train.csv --test copy.csv --method head --output 'on itself'", 0,
                   "warning: --test is the training file itself: a score on it says nothing about new texts", "");
    program_expect("ls -d \"$D/on itself\" && cd $D && $A train --model model --train train.csv --method head --output 'two words'", 0, "Try: attune predict --model 'two words' ", "");
    program_expect("cd $D && $A train --model model --train train.csv --output typo --metric acuracy; c=$?; ls typo 2>&1; exit $c", 2, "typo': No such file", "Did you mean 'accuracy'?");
}

/* All choices are told before the body reads a single text. */
static void the_plan_comes_before_the_work(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --output early > log && sed -n '/^Plan/,$p' log | grep -c '^Step 1: the body'", 0, "1\n", "");
    program_expect("cd $D && sed '/^Plan/q' log | grep -cE '^(Model|Judged|Rate|Length|Stop): '", 0, "5\n", "");
    program_expect("cd $D && $A train --model model --train train.csv --dry-run | grep -c '^Step'", 1, "0\n", "");
}

#define PLAN "cd $D && $A train --model model --train train.csv --dry-run "

/* The plan is of what was asked for, not of what the recipe would have chosen. */
static void the_plan_tells_what_was_asked_for(void **state) {
    (void)state;
    program_expect(PLAN "--method head | tail -1", 0, "Plan: 60 examples, ", "");
    program_expect(PLAN "--method head", 0, " parameters (0.0 M frozen).", "");
    program_expect(PLAN "--eval train.csv --patience 7", 0, "Stop: the best evaluated state is kept; 7 evaluations without a higher score end the training.", "");
    program_expect(PLAN "--eval train.csv --patience 0", 0, "Stop: the best evaluated state is kept; all steps are taken.", "");
    program_expect(PLAN "--eval-share 0.3", 0, "Stop: the best evaluated state is kept; all steps are taken.", "");
    program_expect(PLAN "--eval train.csv --average 0.25", 0,
                   "Stop: all steps are taken; the mean of the weights over the last 25% of them is kept (--average).", "");
    program_expect(PLAN "--eval train.csv --average 0.25 --patience 7", 2, "", "--average and --early-stopping-patience exclude each other");
    program_expect(PLAN "--patience 3", 0, "Stop: a fixed number of steps: on folds there is nothing to stop early by.", "");
    program_expect(PLAN "--layer-decay 0.5", 0, "; each block nearer to the input learns 0.5 times as fast.", "");
    program_expect(PLAN "--lr 2e-4 --head-lr 1e-3", 0, "Rate: 2.0e-04, as given; 1.0e-03 for the head", "");
    program_expect(PLAN "--batch-size 7", 0, "Length: as given: 60 examples in batches of 7: ", "");
    program_expect(PLAN "--max-steps 5", 0, "Length: 5 steps, as given, of 16 examples.", "");
    program_expect(PLAN "--method gradual --max-steps 12", 0, "Gradual: the head alone at first, from the top a further block every 0.5 epochs; everything from epoch 1.5 on.", "");
    program_expect(PLAN "--method gradual --max-steps 12 --unfreeze-epochs 2", 0, "a further block every 2 epochs; the end comes before the last one joins.", "");
    program_expect(PLAN "--batch-size 65536 --gradient-accumulation-steps 65536", 2, "", "are 4294967296 examples a step");
    program_expect(PLAN "--class-weights plus=0,minus=0", 2, "", "nothing would be learned");
    program_expect(PLAN "--class-weights balance", 2, "", "'balance' is neither none, nor balanced, nor LABEL=WEIGHT");
    program_expect(PLAN "--freeze embedings", 2, "", "Did you mean 'embeddings'?");
    program_expect(PLAN "--freeze layers:1-0", 2, "", "the lower one first");
}

static void what_is_trained_is_said_as_it_is(void **state) {
    (void)state;
#define SAYS "cd $D && $A train --model model --train train.csv --eval train.csv --max-steps 2 --restart --output says "
    program_expect(SAYS "--method gradual", 0, "Step 2: from there block after block is trained, from the top.", "");
    program_expect(SAYS "--freeze layers:0", 0, "Step 2: everything but what is frozen is trained from there.", "");
    program_expect(SAYS "--method full --freeze layers:0", 0, "\nEverything but what is frozen is trained.", "");
    program_expect("cd $D && $A train --model model --train train.csv --method full --max-steps 2 --restart --output says", 0, "\nTrained, out of fold: accuracy ", "");
    program_expect("cd $D && $A train --model model --train train.csv --method full --max-steps 2 --restart --output says | grep -c 'Step [12]'", 1, "0\n", "");
}

/* With --method head, too, which has no head of its own to go on with. */
static void a_classifier_gets_a_new_head_where_only_that_is_trained(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model out --train train.csv --method head --output again", 0, "The model knows them; its head is fitted anew.", "");
    program_expect("cd $D && cat again/all_results.json", 0, "\"eval_accuracy\": ", "");
}

/* A loss is what it is, whichever way selection turns it. */
static void a_loss_is_shown_as_it_is(void **state) {
    (void)state;
    static const char *const NAME[] = {"loss", "eval_loss"};
    char line[1024];
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "cd $D && $A train --model model --train train.csv --eval train.csv --test train.csv --metric %s --max-steps 8 --output lossy --restart > log && "
                 "! grep -E 'loss -|loss [0-9.]+, loss' log", NAME[i]);
        program_expect(line, 0, "", "");
        program_expect("cd $D && grep -cE '^  step 8, epoch 2.00: loss 0|^Step [12].*: loss 0|^Test .60 examples.: loss 0|step 1 0[.0-9]*, step 2 0' log", 0, "5\n", "");
        program_expect("cd $D && grep best_metric lossy/trainer_state.json | grep -c '\": -'", 1, "0\n", "");
    }
}

static void epochs_are_those_that_were_trained(void **state) {
    (void)state;
    program_expect("cd $D && $A train --model model --train train.csv --eval train.csv --method full --lr 1e-9 --patience 2 --output short --quiet && "
                   "grep -h '\"epoch\"' short/all_results.json", 0, "\"epoch\": 2.0,\n", "");
    program_expect("cd $D && sed -n 2,3p short/trainer_state.json && grep '| epochs |' short/README.md", 0, "\"epoch\": 2.0,\n  \"global_step\": 8,\n| epochs | 2 |", "");
}

static void what_is_wrong_has_its_code(void **state) {
    (void)state;
    program_expect("cd $D && $A train --train train.csv --output x", 2, "", "error: --model is missing");
    program_expect("cd $D && $A train --json --train train.csv --outptu x", 2, "{\"event\":\"error\",\"time\":0.000,\"code\":2,\"text\":\"unknown setting 'outptu'", "error: unknown");
    program_expect("cd $D && $A eval --model out train.csv --output train.csv > log; c=$?; cat log; exit $c", 2, "", "train.csv: is a file; --output names a folder");
    program_expect("cd $D && $A train --model model --output x", 2, "", "error: --train is missing");
    program_expect("cd $D && $A train --model model --train nothing.csv --output x; c=$?; ls x 2> /dev/null; exit $c", 3, "", "nothing.csv: cannot open");
    program_expect("cd $D && $A train --model model --train train.csv --output x --text-column textt", 2, "", "there is no column 'textt'; the columns are text, label. Did you mean 'text'?");
    program_expect("cd $D && $A train --model model --train train.csv --output x --freeze layer:1", 2, "", "--freeze");
    program_expect("cd $D && $A train --model model --train train.csv --output model", 2, "", "model");
    program_expect("cd $D && sed s/plus/minus/ train.csv > one.csv && $A train --model model --train one.csv --output x", 3, "", "every row has the label 'minus'");
    program_expect("cd $D && sed '5s/,plus/,pluss/' train.csv > eval.csv && $A train --model model --train train.csv --eval eval.csv --output x", 3, "", "eval.csv:5: label 'pluss' is not one of minus, plus. Did you mean 'plus'?");
    program_expect("cd $D && $A train --model model --train train.csv --output best --min-score 1.5 --quiet", 9, "", "below --min-score");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_leaves_a_model_that_answers),
        cmocka_unit_test(a_classifier_goes_on_learning_with_its_own_head),
        cmocka_unit_test(quiet_prints_the_result_alone),
        cmocka_unit_test(lines_of_progress_come_from_the_first_step_on),
        cmocka_unit_test(a_terminal_gets_a_bar_of_its_width),
        cmocka_unit_test(every_event_is_valid_and_steps_are_among_them),
        cmocka_unit_test(the_first_signal_saves_and_the_same_command_goes_on),
        cmocka_unit_test(one_training_at_a_time_writes_into_a_folder),
        cmocka_unit_test(a_plan_is_printed_and_nothing_trained),
        cmocka_unit_test(what_looks_like_a_mistake_is_said),
        cmocka_unit_test(the_plan_comes_before_the_work),
        cmocka_unit_test(the_plan_tells_what_was_asked_for),
        cmocka_unit_test(what_is_trained_is_said_as_it_is),
        cmocka_unit_test(a_classifier_gets_a_new_head_where_only_that_is_trained),
        cmocka_unit_test(a_loss_is_shown_as_it_is),
        cmocka_unit_test(epochs_are_those_that_were_trained),
        cmocka_unit_test(what_is_wrong_has_its_code),
    };
    return cmocka_run_group_tests(tests, make, tiny_folder_remove);
}
