/* Usage, help, manual page, completions: what needs neither model nor data. */
#include "cli/program.h"

static const struct { const char *name; unsigned bit; } COMMANDS[] = {
    {"train", AT_CMD_TRAIN}, {"eval", AT_CMD_EVAL},   {"predict", AT_CMD_PREDICT},
    {"info", AT_CMD_INFO},   {"check", AT_CMD_CHECK}, {"fetch", AT_CMD_FETCH},
    {"tokenize", AT_CMD_TOKENIZE}, {"generate", AT_CMD_GENERATE}, {"export", AT_CMD_EXPORT}, {"score", AT_CMD_SCORE},
};
enum { N_COMMANDS = sizeof COMMANDS / sizeof *COMMANDS };

static void usage_errors_have_a_code_and_a_sentence(void **state) {
    (void)state;
    program_expect("$A", 2, "", "usage: attune COMMAND");
    program_expect("$A trian", 2, "", "error: unknown command 'trian'. Did you mean 'train'?\n");
    program_expect("$A qqqqqq", 2, "", "`attune help` lists them all");
    program_expect("$A --json", 2, "", "error: the command comes first");
    program_expect("$A train --learning-rat 1", 2, "", "error: unknown setting 'learning-rat'. Did you mean 'learning_rate'?\n");
    program_expect("$A train --lr=fast", 2, "", "error: learning_rate: 'fast' is not a number (or auto)\n");
    program_expect("$A train --lr --dry-run", 2, "", "error: learning_rate: a value is missing\n");
    program_expect("$A train --lr", 2, "", "error: learning_rate: a value is missing\n");
    program_expect("$A train -x", 2, "", "error: unknown option '-x'");
    program_expect("$A train --no-train", 2, "", "error: unknown setting 'no-train'");
    program_expect("$A train --mistakes 3", 2, "", "is a setting of `eval`, not of `train`");
    program_expect("$A train a.csv b.csv", 2, "", "error: unexpected 'b.csv'");
    program_expect("$A help trian", 2, "", "Did you mean 'train'?");
    program_expect("$A completions fish", 2, "", "error: completions are made for bash and zsh");
}

static void configuration_errors_name_line_and_column(void **state) {
    (void)state;
    program_expect("cd $(mktemp -d) && printf 'seed: 1\\nlearning_rat: 1\\n' > run.yaml && $A train --config run.yaml", 2, "",
                   "error: run.yaml:2:1: unknown setting 'learning_rat'. Did you mean 'learning_rate'?\n");
    program_expect("$A train --config /nonexistent/run.yaml", 2, "", "error: /nonexistent/run.yaml: cannot open: No such file");
}

static void version_and_overview(void **state) {
    (void)state;
    char line[64];
    snprintf(line, sizeof line, "attune %s\n", at_version());
    program_expect("$A --version", 0, line, "");
    program_expect("$A version", 0, line, "");
    program_expect("$A --help", 0, "Exit codes", "");
    program_expect("$A help", 0, "usage: attune COMMAND", "");
    program_expect("$A --version > /dev/full", 5, "", "error: cannot write to standard output");
}

static void dashed_option(const at_setting *s, char *option, size_t size) {
    snprintf(option, size, "  --%s ", s->name);
    for (char *p = option; *p; p++)
        if (*p == '_') *p = '-';
}

/* 1 where some entry of the table gives the command a setting of that name. */
static int takes(unsigned command, const char *name) {
    int n;
    const at_setting *s = at_settings(&n);
    for (int i = 0; i < n; i++)
        if ((s[i].commands & command) && !strcmp(s[i].name, name)) return 1;
    return 0;
}

static void help_lists_every_setting_and_fits(void **state) {
    (void)state;
    int n;
    const at_setting *s = at_settings(&n);
    for (int c = 0; c < N_COMMANDS; c++) {
        char line[64], option[80];
        snprintf(line, sizeof line, "COLUMNS=200 $A %s --lr x --help", COMMANDS[c].name);
        program_run run = program_shell(line);
        assert_int_equal(run.code, 0);
        for (int i = 0; i < n; i++) {
            dashed_option(&s[i], option, sizeof option);
            int listed = strstr(run.out, option) != NULL;
            if (listed != takes(COMMANDS[c].bit, s[i].name)) fail_msg("help of %s and %s", COMMANDS[c].name, s[i].name);
        }
        for (char *rest, *row = strtok_r(run.out, "\n", &rest); row; row = strtok_r(NULL, "\n", &rest))
            if (strlen(row) > 100) fail_msg("help of %s is too wide: %s", COMMANDS[c].name, row);
        program_free(&run);
    }
}

static void narrow_help_fits_80_columns(void **state) {
    (void)state;
    program_run run = program_shell("COLUMNS=40 $A help train");
    for (char *rest, *row = strtok_r(run.out, "\n", &rest); row; row = strtok_r(NULL, "\n", &rest))
        if (strlen(row) > 80) fail_msg("too wide: %s", row);
    program_free(&run);
}

static void manual_page_has_every_setting_and_no_warning(void **state) {
    (void)state;
    int n;
    const at_setting *s = at_settings(&n);
    program_run run = program_shell("$A manual");
    assert_int_equal(run.code, 0);
    for (int i = 0; i < n; i++) {
        char macro[200] = ".TP\n\\fB\\-\\-", *end = macro + strlen(macro);
        for (const char *p = s[i].name; *p; p++) end += sprintf(end, "%s", *p == '_' ? "\\-" : (char[]){*p, 0});
        if (!strstr(run.out, macro)) fail_msg("the manual page lacks %s", s[i].name);
    }
    program_free(&run);
    program_expect("command -v groff > /dev/null || exit 0; $A manual | groff -man -ww -Tutf8 -K utf8 2>&1 > /dev/null", 0, "", "");
    run = program_shell("command -v groff > /dev/null || exit 0; $A manual | groff -man -ww -Tutf8 -K utf8 > /dev/null");
    assert_string_equal(run.err, "");
    program_free(&run);
}

static void completions_are_valid_and_complete(void **state) {
    (void)state;
    int n;
    const at_setting *s = at_settings(&n);
    program_expect("bash -n <($A completions bash)", 0, "", "");
    program_expect("command -v zsh > /dev/null || exit 0; zsh -n <($A completions zsh)", 0, "", "");
    for (int c = 0; c < N_COMMANDS; c++) {
        char line[300];
        snprintf(line, sizeof line,
                 "source <($A completions bash); COMP_WORDS=(attune %s --); COMP_CWORD=2; _attune; printf ' %%s \\n' \"${COMPREPLY[@]}\"",
                 COMMANDS[c].name);
        program_run run = program_shell(line);
        for (int i = 0; i < n; i++) {
            char option[80];
            dashed_option(&s[i], option, sizeof option);
            if ((strstr(run.out, option + 1) != NULL) != takes(COMMANDS[c].bit, s[i].name))
                fail_msg("completion of %s and %s", COMMANDS[c].name, s[i].name);
        }
        program_free(&run);
    }
    program_expect("source <($A completions bash); COMP_WORDS=(attune train --method h); COMP_CWORD=3; _attune; echo ${COMPREPLY[@]}",
                   0, "head\n", "");
    program_expect("source <($A completions bash); COMP_WORDS=(attune tr); COMP_CWORD=1; _attune; echo ${COMPREPLY[@]}", 0, "train\n", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_errors_have_a_code_and_a_sentence),
        cmocka_unit_test(configuration_errors_name_line_and_column),
        cmocka_unit_test(version_and_overview),
        cmocka_unit_test(help_lists_every_setting_and_fits),
        cmocka_unit_test(narrow_help_fits_80_columns),
        cmocka_unit_test(manual_page_has_every_setting_and_no_warning),
        cmocka_unit_test(completions_are_valid_and_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
