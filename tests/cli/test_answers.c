/* predict and eval from outside, on a tiny trained model. */
#include <jansson.h>
#include <poll.h>

#include "cli/tiny_folder.h"

static void texts_are_answered_in_every_form(void **state) {
    (void)state;
    program_expect("$A predict --model $D/model good 'a, b'", 0, "  good\n", "");
    program_expect("$A predict --model $D/model --format csv 'a, \"b\"' | head -2 | tail -1", 0, "\"a, \"\"b\"\"\",class ", "");
    program_expect("$A predict --model $D/model --format csv good", 0, "text,label,score,probability_class a,probability_class b,probability_class c\n", "");
    program_expect("$A predict --model $D/model --format tsv good", 0, "text\tlabel\tscore\t", "");
    program_expect("$A predict --model $D/model --format jsonl good", 0, "{\"text\": \"good\", \"label\": \"class ", "");
    program_expect("$A predict --model $D/model --pairs --format jsonl $'good\\tbad'", 0, "\"text\": \"good\", \"text2\": \"bad\"", "");
    program_expect("$A predict --model $D/model -- --good", 0, "--good\n", "");
}

static void probabilities_are_those_of_the_model(void **state) {
    (void)state;
    program_run run = program_shell("$A predict --model $D/model --format jsonl 'a bad d'");
    json_t *row = json_loads(run.out, 0, NULL), *value;
    const char *label = json_string_value(json_object_get(row, "label")), *key;
    double sum = 0, best = 0;
    json_object_foreach(json_object_get(row, "probabilities"), key, value) {
        sum += json_number_value(value);
        if (json_number_value(value) > best) best = json_number_value(value);
    }
    assert_true(sum > 0.9999 && sum < 1.0001);
    assert_true(best == json_number_value(json_object_get(row, "score")));
    assert_true(best == json_number_value(json_object_get(json_object_get(row, "probabilities"), label)));
    json_decref(row);
    program_free(&run);
}

static void what_is_no_text_is_not_answered_as_one(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model model nosuch.csv", 3, "", "error: nosuch.csv: cannot open");
    program_expect("cd $D && $A predict --model model 'see nosuch.csv'", 0, "see nosuch.csv\n", "");
    program_expect("cd $D && $A predict --model model -- nosuch.csv", 0, "nosuch.csv\n", "");
    program_expect("cd $D && cp rows.csv same.csv && ln -s same.csv link.csv && $A predict --model model same.csv --output link.csv; c=$?; cmp rows.csv same.csv && exit $c", 2, "",
                   "error: --output link.csv: is the input itself; choose another file");
    program_expect("cd $D && $A eval model rows.csv", 2, "", "unexpected 'rows.csv': one value too many; the form is: attune eval --model FOLDER [--data] FILE [--output FOLDER]\n");
    program_expect("cd $D && command -v script > /dev/null || { echo 'Ctrl-D ends'; exit 0; }; printf 'good\\n\\004' | script -qec \"$A predict --model model\" /dev/null", 0, "Ctrl-D ends", "");
}

static void files_keep_columns_and_order(void **state) {
    (void)state;
    program_expect("cd $D && $A predict --model model rows.csv | cut -d, -f1-3", 0,
                   "text,label,id\ngood,class a,1\n\"a, b\",class b\nc,class c,3\nd bad,class a,4\n", "text from column 'text'");
    program_expect("cd $D && $A predict --model model rows.csv", 0, "text,label,id,predicted_label,score,probability_class a", "");
    program_expect("cd $D && $A predict --model model --input rows.csv --output out.jsonl && wc -l < out.jsonl", 0, "4 answers are in out.jsonl.\n4\n", "");
    program_expect("cd $D && $A predict --model model --input rows.csv --output out.tsv --quiet && head -1 out.tsv", 0, "text\tlabel\tid\tpredicted_label", "");
    program_expect("cd $D && printf '{\"text\": \"good\", \"n\": 7}\\n' > r.jsonl && $A predict --model model r.jsonl", 0, "{\"text\": \"good\", \"n\": ", "");
    program_expect("cd $D && cat rows.csv rows.csv > twice.csv && $A predict --model model --input twice.csv --output out.csv && "
                   "$A predict --model model --input out.csv --text-column text", 0, "predicted_predicted_label", "");
}

static void what_fails_leaves_nothing(void **state) {
    (void)state;
    program_expect("$A predict --model /nonexistent good", 4, "", "neither a folder nor the name of a model");
    program_expect("$A predict good", 2, "", "error: --model is missing");
    program_expect("cd $D && $A predict --model model --input nothing.csv --output x.csv; c=$?; ls x.csv 2> /dev/null; ls -a | grep tmp; exit $c", 3, "",
                   "error: nothing.csv: cannot open: No such file or directory");
    program_expect("cd $D && $A predict --model model --input rows.csv --output no/such/folder.csv", 5, "", "error: no/such/folder.csv");
    program_expect("cd $D && $A predict --model model --input rows.csv --text-column tex", 2, "", "Did you mean 'text'?");
    program_expect("printf 'good\\nb\\xff\\n' | $A predict --model $D/model", 3, "  good\n", "error: standard input:2: byte 2 is not valid UTF-8\n");
    program_expect("cd $D && printf 'good\\n' > one.txt && $A predict --model model --input one.txt good", 2, "", "unexpected 'good': the input is named already");
    program_expect("cd $D && cp one.txt two.txt && $A predict --model model one.txt two.txt", 2, "", "unexpected 'two.txt': one file at a time");
    program_expect("cd $D && $A predict --model model -- one.txt two.txt && $A predict --model model one.txt three.txt", 0, "  three.txt\n", "");
    program_expect("printf 'a\\0b\\n' | $A predict --model $D/model", 3, "", "error: standard input:1: there is a NUL byte");
    program_expect("printf 'good\\n' | $A predict --model $D/model --pairs", 3, "", "error: standard input:1: there is no tab");
    program_expect("$A predict --model $D/model --max-length 17 good", 2, "", "--max-length 17 is more than the 16 positions");
    program_expect("$A predict --model $D/model --cpu magic good", 2, "", "cpu: 'magic' is not one of");
}

/* Every column of the input comes back as the very JSON it was; new ones stand behind. */
static void jsonl_keeps_the_types_of_its_columns(void **state) {
    (void)state;
    static const char *const ROWS[] = {
        "{\"text\": \"good\", \"n\": 7, \"big\": 12345678901234567890123, \"x\": -1.50e+3, \"yes\": true, \"none\": null, \"list\": [1, {\"a\": \"b\"}], \"looks\": \"[1, 2]\", \"word\": \"12\"}",
        "{\"text\": \"a b\", \"n\": \"seven\", \"yes\": \"true\", \"none\": \"null\", \"list\": {}, \"looks\": \"\\u00e9\\n\"}",
    };
    char line[4096];
    snprintf(line, sizeof line, "cd $D && cat > types.jsonl <<'END'\n%s\n%s\nEND\n$A predict --model model types.jsonl > typed.jsonl; $A predict --model model types.jsonl --output typed2.jsonl > done.txt; "
             "cmp typed.jsonl typed2.jsonl && cat typed.jsonl", ROWS[0], ROWS[1]);
    program_run run = program_shell(line);
    assert_int_equal(run.code, 0);
    if (strncmp(run.out, ROWS[0], strlen(ROWS[0]) - 1)) fail_msg("%s", run.out); /* to the letter */
    char *rest, *second = (strtok_r(run.out, "\n", &rest), strtok_r(NULL, "\n", &rest));
    json_t *was = json_loads(ROWS[1], 0, NULL), *is = json_loads(second, 0, NULL), *value;
    const char *key;
    json_object_foreach(was, key, value)
        if (!json_equal(value, json_object_get(is, key))) fail_msg("%s: %s", key, second);
    assert_true(json_is_string(json_object_get(is, "label")));
    json_decref(was);
    json_decref(is);
    program_free(&run);
    program_expect("cd $D && $A predict --model model types.jsonl --format csv | sed -n 2p", 0, "good,7,12345678901234567890123,-1.50e+3,true,,\"[1, {\"\"a\"\": \"\"b\"\"}]\",\"[1, 2]\",12,", "");
}

/* Weights that are finite, and larger than any that can be computed with. */
static void answers_that_are_no_numbers_are_not_given(void **state) {
    (void)state;
    program_expect("cd $D && rm -rf huge && cp -r model huge && for i in {1..60}; do printf '\\xff\\xff\\x7f\\x7f'; done | "
                   "dd of=huge/model.safetensors bs=1 seek=$(($(stat -c %s huge/model.safetensors) - 6000)) conv=notrunc status=none", 0, "", "");
    program_expect("cd $D && $A predict --model huge 'a good b'", 4, "", "error: text:1: the model's answer is not a finite number; its weights are damaged");
    program_expect("cd $D && $A predict --model huge rows.csv --output never.csv; c=$?; ls never.csv; exit $c", 4, "", "error: rows.csv:2: the model's answer");
    program_expect("cd $D && $A eval --model huge rows.csv", 4, "", "error: rows.csv:2: the model's answer");
}

/* One line in, its answer out, while standard input stays open; an unfinished line waits. */
static void lines_are_answered_as_they_come(void **state) {
    (void)state;
    int in[2], out[2];
    assert_int_equal(pipe(in) || pipe(out), 0);
    char model[4200];
    snprintf(model, sizeof model, "%s/model", getenv("D"));
    pid_t child = fork();
    if (!child) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl(program_path(), "attune", "predict", "--model", model, "--format", "jsonl", (char *)NULL);
        _exit(126);
    }
    close(in[0]);
    close(out[1]);
    char answer[4096];
    for (int i = 0; i < 3; i++) {
        char line[32];
        int n = snprintf(line, sizeof line, "line %d\r\nhalf", i);
        assert_int_equal(write(in[1], line, (size_t)n), n);
        struct pollfd ready = {.fd = out[0], .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 20000), 1);
        ssize_t got = read(out[0], answer, sizeof answer - 1);
        assert_true(got > 0);
        answer[got] = '\0';
        snprintf(line, sizeof line, i ? "\"halfline %d\"" : "\"line %d\"", i);
        assert_non_null(strstr(answer, line));
        assert_ptr_equal(strchr(answer, '\n'), answer + got - 1);
    }
    close(in[1]);
    ssize_t got = read(out[0], answer, sizeof answer - 1);
    assert_true(got > 0);
    answer[got] = '\0';
    assert_non_null(strstr(answer, "\"half\""));
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(out[0]);
}

static void many_lines_keep_their_order(void **state) {
    (void)state;
    program_expect("seq 1 3000 | $A predict --model $D/model --format csv --output $D/many.csv --quiet && tail -n +2 $D/many.csv | cut -d, -f1 | cmp - <(seq 1 3000)",
                   0, "", "");
    program_expect("seq 1 3000 > $D/many.txt && $A predict --model $D/model --input $D/many.txt --format csv > $D/file.csv && cmp $D/many.csv $D/file.csv", 0, "", "");
}

static void events_are_one_object_a_line(void **state) {
    (void)state;
    static const char *const LINES[] = {
        "cd $D && $A predict --model model --json good bad", "cd $D && $A predict --model model --json rows.csv",
        "cd $D && $A eval --model model rows.csv --json",    "cd $D && $A eval --model model nothing.csv --json",
        "cd $D && $A check rows.csv --json",               "cd $D && $A info model --json",
    };
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        program_run run = program_shell(LINES[i]);
        int n = 0;
        for (char *rest, *line = strtok_r(run.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
            json_error_t where;
            json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, &where);
            if (!json_is_string(json_object_get(event, "event")) || !json_is_number(json_object_get(event, "time")))
                fail_msg("%s: not an event (%s): %s", LINES[i], where.text, line);
            json_decref(event);
        }
        if (!n) fail_msg("%s: no event\n%s", LINES[i], run.err);
        program_free(&run);
    }
    program_expect("cd $D && $A eval --model model nothing.csv --json", 3, "{\"event\":\"error\"", "error: nothing.csv");
}

static void evaluation_prints_and_writes_its_results(void **state) {
    (void)state;
    program_expect("cd $D && $A eval --model model rows.csv", 0, "right label (rows), answer (columns)", "");
    program_expect("cd $D && $A eval --model model rows.csv", 0, "\nlabel    precision  recall      f1    rows\n", "");
    program_expect("cd $D && $A eval --model model rows.csv --mistakes 1", 0, "Most confident mistakes (1 of ", "");
    program_expect("cd $D && $A eval --model model rows.csv", 0, "rows.csv:3: labelled class b, answered class ", "");
    program_expect("cd $D && $A eval --model model rows.csv --output results && ls results", 0, "all_results.json\neval_results.json\npredictions.csv\n", "");
    program_run run = program_shell("cat $D/results/eval_results.json");
    json_t *results = json_loads(run.out, 0, NULL);
    double accuracy = json_real_value(json_object_get(results, "eval_accuracy"));
    assert_int_equal(json_integer_value(json_object_get(results, "eval_samples")), 4);
    assert_true(json_real_value(json_object_get(results, "eval_loss")) > 0);
    json_decref(results);
    program_free(&run);
    run = program_shell("tail -n +2 $D/results/predictions.csv | sed 's/\"a, b\"/x/' | awk -F, '$2 == $4' | wc -l");
    assert_true(atoi(run.out) == (int)(accuracy * 4 + 0.5));
    program_free(&run);
    program_expect("cd $D && echo '{\"train_loss\": 1}' > results/all_results.json && $A eval --model model rows.csv --output results --quiet && cat results/all_results.json",
                   0, "\"train_loss\": 1", "");
    program_expect("cd $D && $A eval --model model rows.csv --min-score 1.1 --quiet", 9, "", "error: accuracy ");
    program_expect("cd $D && sed s/class.b/clas_b/ rows.csv > odd.csv && $A eval --model model odd.csv", 3, "", "odd.csv:3: label 'clas_b' is not one of class a, class b, class c. Did you mean 'class b'?");
    program_expect("cd $D && $A eval --model model", 2, "", "error: the file to evaluate on is missing");
}

static void the_predictor_agrees_with_the_program(void **state) {
    (void)state;
    char model[4200];
    snprintf(model, sizeof model, "%s/model", getenv("D"));
    at_error err = {AT_OK, ""};
    at_predictor *predictor;
    at_prediction answers[3];
    check_ok(at_predictor_open(model, 2, &predictor, &err), &err);
    const char *const *names;
    assert_int_equal(at_predictor_labels(predictor, &names), 3);
    assert_string_equal(names[1], "class b");
    check_ok(at_predict(predictor, (const char *const[]){"good", "a, b", "a bad d"}, NULL, 3, answers, &err), &err);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(answers[i].label, names[answers[i].index]);
        assert_true(answers[i].probabilities[answers[i].index] > answers[i].score - 1e-6);
    }
    program_run run = program_shell("$A predict --model $D/model --format jsonl 'a bad d'");
    json_t *row = json_loads(run.out, 0, NULL);
    double score = json_number_value(json_object_get(row, "score"));
    assert_true(score > answers[2].score - 1e-6 && score < answers[2].score + 1e-6);
    json_decref(row);
    program_free(&run);
    check_fails(at_predict(predictor, (const char *const[]){"\xff"}, NULL, 1, answers, &err), AT_BAD_DATA, &err, "text 1: byte 1 is not valid UTF-8");
    check_ok(at_predict(predictor, (const char *const[]){"good"}, (const char *const[]){"bad"}, 1, answers, &err), &err);
    check_ok(at_predict(predictor, NULL, NULL, 0, answers, &err), &err);
    at_predictor_close(predictor);
    check_fails(at_predictor_open("/nonexistent", 0, &predictor, &err), AT_BAD_MODEL, &err, "/nonexistent");
    assert_null(predictor);
}

static void a_signal_ends_a_prediction(void **state) {
    (void)state;
    program_expect("mkfifo $D/fifo; sleep 60 > $D/fifo & s=$!; $A predict --model $D/model --output $D/never.txt < $D/fifo & p=$!; sleep 0.5; "
                   "kill -TERM $p; wait $p; echo code $?; kill $s; ls $D/never.txt",
                   2, "code 130", "error: stopped");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_answered_in_every_form),
        cmocka_unit_test(probabilities_are_those_of_the_model),
        cmocka_unit_test(what_is_no_text_is_not_answered_as_one),
        cmocka_unit_test(files_keep_columns_and_order),
        cmocka_unit_test(what_fails_leaves_nothing),
        cmocka_unit_test(jsonl_keeps_the_types_of_its_columns),
        cmocka_unit_test(answers_that_are_no_numbers_are_not_given),
        cmocka_unit_test(lines_are_answered_as_they_come),
        cmocka_unit_test(many_lines_keep_their_order),
        cmocka_unit_test(events_are_one_object_a_line),
        cmocka_unit_test(evaluation_prints_and_writes_its_results),
        cmocka_unit_test(the_predictor_agrees_with_the_program),
        cmocka_unit_test(a_signal_ends_a_prediction),
    };
    return cmocka_run_group_tests(tests, tiny_folder_make, tiny_folder_remove);
}
