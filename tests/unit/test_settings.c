#include "check.h"

#include "base/arena.h"
#include "run/events.h"
#include "run/settings.h"

static const unsigned COMMANDS[] = {AT_CMD_TRAIN, AT_CMD_EVAL, AT_CMD_PREDICT, AT_CMD_INFO, AT_CMD_CHECK, AT_CMD_FETCH, AT_CMD_TOKENIZE, AT_CMD_EXPORT,
                                    AT_CMD_SCORE, AT_CMD_GENERATE};
enum { N_COMMANDS = sizeof COMMANDS / sizeof *COMMANDS };

static void every_default_is_a_value_that_may_be_set(void **state) {
    (void)state;
    int n;
    at_error err;
    const at_setting *s = at_settings(&n);
    assert_true(n > 50);
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < N_COMMANDS; c++) {
            if (!(s[i].commands & COMMANDS[c])) continue;
            at_options *o = at_options_new(COMMANDS[c]);
            assert_ptr_equal(at_setting_find(COMMANDS[c], s[i].name), &s[i]);
            if (s[i].fallback) check_ok(at_options_set(o, s[i].name, s[i].fallback, &err), &err);
            at_options_free(o);
        }
        size_t len = strlen(s[i].help);
        assert_true(len > 10 && s[i].help[len - 1] == '.');
        assert_true(s[i].commands && s[i].group && s[i].name[0]);
        assert_true((s[i].type == AT_SETTING_FLAG) == !s[i].value);
        assert_true((s[i].type == AT_SETTING_CHOICE) == (s[i].choices != NULL));
    }
}

static void no_name_or_alias_of_a_command_has_two_meanings(void **state) {
    (void)state;
    int n;
    const at_setting *s = at_settings(&n);
    for (int c = 0; c < N_COMMANDS; c++)
        for (int i = 0; i < n; i++) {
            if (!(s[i].commands & COMMANDS[c]) || !s[i].aliases) continue;
            char aliases[256], *rest;
            snprintf(aliases, sizeof aliases, "%s", s[i].aliases);
            for (char *a = strtok_r(aliases, " ", &rest); a; a = strtok_r(NULL, " ", &rest))
                if (at_setting_find(COMMANDS[c], a) != &s[i])
                    fail_msg("%s of %s: alias %s means %s", s[i].name, at_command_name(COMMANDS[c]), a,
                             at_setting_find(COMMANDS[c], a)->name);
        }
}

static void values_are_read_by_type(void **state) {
    (void)state;
    at_error err;
    at_options *o = at_options_new(AT_CMD_TRAIN);
    assert_true(at_options_is_auto(o, "learning_rate"));
    assert_true(at_options_real(o, "learning_rate", -1) == -1);
    assert_false(at_options_given(o, "lr"));
    check_ok(at_options_set(o, "LR", "2e-5", &err), &err);
    assert_true(at_options_real(o, "learning-rate", -1) == 2e-5);
    assert_true(at_options_given(o, "learning_rate"));
    check_ok(at_options_set(o, "lr", "auto", &err), &err);
    assert_true(at_options_is_auto(o, "learning_rate"));
    assert_int_equal(at_options_int(o, "seed", 0), 42);
    assert_false(at_options_flag(o, "dry_run"));
    check_ok(at_options_set(o, "dry-run", NULL, &err), &err);
    assert_true(at_options_flag(o, "dry_run"));
    check_ok(at_options_set(o, "method", "full", &err), &err);
    assert_int_equal(at_options_choice(o, "method"), 2);
    assert_null(at_options_get(o, "eval", NULL));
    check_ok(at_options_set(o, "output", "auto", &err), &err); /* a folder may have that name */
    assert_string_equal(at_options_text(o, "output", NULL), "auto");
    check_ok(at_options_set(o, "freeze", " embeddings , layers:0-3,", &err), &err);
    at_arena arena = {0};
    int n;
    char **items = at_options_list(o, "freeze", &arena, &n);
    assert_int_equal(n, 2);
    assert_string_equal(items[0], "embeddings");
    assert_string_equal(items[1], "layers:0-3");
    json_t *all = at_options_json(o);
    assert_true(json_is_null(json_object_get(all, "train")));
    assert_int_equal(json_integer_value(json_object_get(all, "seed")), 42);
    assert_true(json_is_true(json_object_get(all, "dry_run")));
    json_decref(all);
    at_arena_free(&arena);
    at_options_free(o);
}

static void wrong_settings_get_a_sentence(void **state) {
    (void)state;
    static const struct { const char *name, *value, *words; } CASES[] = {
        {"learning_rat", "1", "unknown setting 'learning_rat'. Did you mean 'learning_rate'?"},
        {"save-steps", "10", "'save-steps' is not a setting here: checkpoints are written at evaluations and by time (--save-seconds)"},
        {"bf16", NULL, "'bf16' is not a setting here: say --precision bf16"},
        {"zzzzzzzzz", "1", "`attune train --help` lists them all"},
        {"mistakes", "1", "'mistakes' is a setting of `eval`, not of `train`"},
        {"learning_rate", "fast", "learning_rate: 'fast' is not a number (or auto)"},
        {"learning_rate", "-1", "out of bounds"},
        {"learning_rate", "nan", "not a number"},
        {"seed", "1.5", "'1.5' is not a whole number"},
        {"seed", "auto", "not a whole number"},
        {"lr", NULL, "learning_rate: a value is missing"},
        {"method", "twostep", "Did you mean 'two-step'?"},
        {"method", "magic", "is not one of two-step, head, full, gradual"},
        {"dry_run", "maybe", "is not true or false"},
        {"train", "", "the value is empty"},
        {"text_column", "\xff", "not valid UTF-8"},
        {"config", "/nonexistent.yaml", "/nonexistent.yaml"},
    };
    at_options *o = at_options_new(AT_CMD_TRAIN);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        at_error err;
        check_fails(at_options_set(o, CASES[i].name, CASES[i].value, &err), AT_USAGE, &err, CASES[i].words);
    }
    at_options_free(o);
}

static at_status parse(at_options *o, const char *text, at_error *err) {
    return at_options_parse_yaml(o, "run.yaml", text, strlen(text), err);
}

static void a_file_sets_and_a_call_wins(void **state) {
    (void)state;
    at_error err;
    at_options *o = at_options_new(AT_CMD_TRAIN);
    check_ok(at_options_set(o, "epochs", "3", &err), &err);
    check_ok(parse(o,
                   "# a comment\ntrain: a.csv\nlr: 1e-4\nnum-train-epochs: 9\nfreeze: [embeddings, \"layers:0-3\"]\n"
                   "class_weights: {positive: 1, negative: 2.5}\ndry_run: yes\neval: ~\n",
                   &err), &err);
    assert_string_equal(at_options_text(o, "train", ""), "a.csv");
    assert_true(at_options_real(o, "learning_rate", 0) == 1e-4);
    assert_true(at_options_real(o, "num_train_epochs", 0) == 3);
    assert_string_equal(at_options_text(o, "freeze", ""), "embeddings,layers:0-3");
    assert_string_equal(at_options_text(o, "class_weights", ""), "positive=1,negative=2.5");
    assert_true(at_options_flag(o, "dry_run"));
    assert_null(at_options_get(o, "eval", NULL));
    check_ok(at_options_set(o, "output", "auto", &err), &err); /* a folder may have that name */
    assert_string_equal(at_options_text(o, "output", NULL), "auto");
    check_ok(at_options_set(o, "learning_rate", "5e-5", &err), &err);
    assert_true(at_options_real(o, "learning_rate", 0) == 5e-5);
    check_ok(parse(o, "", &err), &err);
    check_ok(parse(o, "# nothing\n", &err), &err);
    at_options_free(o);
}

static void wrong_files_name_line_and_column(void **state) {
    (void)state;
    static const struct { const char *text, *words; } CASES[] = {
        {"train: a.csv\nlearning_rat: 1\n", "run.yaml:2:1: unknown setting 'learning_rat'. Did you mean 'learning_rate'?"},
        {"seed: x\n", "run.yaml:1:7: seed: 'x' is not a whole number"},
        {"mistakes: 3\n", "run.yaml:1:1: 'mistakes' is a setting of `eval`"},
        {"seed: 1\nseed: 2\n", "run.yaml:2:1: 'seed' is set a second time"},
        {"lr: 1\nlearning_rate: 2\n", "run.yaml:2:1: 'learning_rate' is set a second time"},
        {"- a\n- b\n", "run.yaml:1:1: lines of `name: value` were expected"},
        {"just text\n", "lines of `name: value` were expected"},
        {"freeze: [[a]]\n", "run.yaml:1:10: a plain value was expected"},
        {"freeze: [\"a,b\"]\n", "has a comma"},
        {"a: &x 1\n", "unknown setting 'a'"},
        {"train: &x a.csv\neval: *x\n", "run.yaml:2:7: aliases"},
        {"train: \"a\\0b\"\n", "NUL"},
        {"train: [a\n", "not valid YAML"},
        {"seed: 1\n---\nseed: 2\n", "a second document begins"},
        {"config: other.yaml\n", "cannot name another one"},
        {"train: \xff\xfe\n", "run.yaml"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "expected"},
        {"? [a, b]\n: 1\n", "the name of a setting was expected"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        at_error err;
        at_options *o = at_options_new(AT_CMD_TRAIN);
        check_fails(parse(o, CASES[i].text, &err), AT_USAGE, &err, CASES[i].words);
        at_options_free(o);
    }
}

static void a_file_over_the_limit_is_refused(void **state) {
    (void)state;
    char path[] = "/tmp/attune-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    close(fd);
    at_error err;
    at_options *o = at_options_new(AT_CMD_TRAIN);
    check_fails(at_options_load(o, path, &err), AT_USAGE, &err, "limit");
    at_options_free(o);
    unlink(path);
}

static void remember(void *context, const at_event *event) {
    snprintf(context, 256, "%s|%s|%s", event->kind, event->text ? event->text : "", event->json ? event->json : "");
}

static void events_have_words_and_json(void **state) {
    (void)state;
    char heard[256];
    at_listener listener = {.context = heard, .event = remember};
    at_tell_note(&listener, "%d rows", 3);
    assert_string_equal(heard, "note|3 rows|{\"text\":\"3 rows\"}");
    at_tell(&listener, "eval", json_pack("{s:o}", "loss", at_json_number(0.0 / 0.0)), NULL);
    assert_string_equal(heard, "eval||{\"loss\":null}");
    at_tell_progress(&listener, &(at_event_progress){.step = 1, .n_steps = 2, .loss = 0.5});
    assert_non_null(strstr(heard, "\"step\":1,\"steps\":2"));
    at_tell(NULL, "eval", json_object(), "unheard");
    assert_false(at_asked_to_stop(&listener));
}

static void the_environment_sets_the_default_cpu(void **state) {
    (void)state;
    setenv("ATTUNE_CPU", "portable", 1);
    at_options *o = at_options_new(AT_CMD_TRAIN);
    assert_string_equal(at_options_text(o, "cpu", NULL), "portable");
    assert_false(at_options_given(o, "cpu"));
    at_error err;
    check_ok(at_options_set(o, "cpu", "avx2", &err), &err);
    assert_string_equal(at_options_text(o, "cpu", NULL), "avx2");
    at_options_free(o);
    unsetenv("ATTUNE_CPU");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_a_value_that_may_be_set),
        cmocka_unit_test(no_name_or_alias_of_a_command_has_two_meanings),
        cmocka_unit_test(values_are_read_by_type),
        cmocka_unit_test(wrong_settings_get_a_sentence),
        cmocka_unit_test(a_file_sets_and_a_call_wins),
        cmocka_unit_test(wrong_files_name_line_and_column),
        cmocka_unit_test(a_file_over_the_limit_is_refused),
        cmocka_unit_test(events_have_words_and_json),
        cmocka_unit_test(the_environment_sets_the_default_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
