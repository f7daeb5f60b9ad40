/* attune check from outside: exit codes, what goes where, and the last line. */
#include "program.h"

static void write_rows(char folder[32], const char *rows) {
    char path[64];
    strcpy(folder, "/tmp/attune-check-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/rows.csv", folder);
    program_write_file(path, rows);
    setenv("ROWS", path, 1);
}

static void remove_rows(const char *folder) {
    unlink(getenv("ROWS"));
    rmdir(folder);
}

static void trouble_ends_with_3_and_names_the_line(void **state) {
    (void)state;
    char folder[32];
    write_rows(folder, "text,label\nfine,good\n,bad\nfine,bad\n");
    program_run run = program_shell("\"$A\" check \"$ROWS\"");
    assert_int_equal(run.code, 3);
    assert_non_null(strstr(run.out, "rows.csv:3: the text (column 'text') is empty"));
    assert_non_null(strstr(run.out, "rows.csv:4: the same text as in line 2, labelled 'good' there and 'bad' here"));
    assert_non_null(strstr(run.err, "error: 1 error in the data"));
    program_free(&run);
    run = program_shell("\"$A\" check --json \"$ROWS\" | grep -c '\"event\":\"finding\"'");
    assert_int_equal(atoi(run.out), 4); /* those two, and two rare labels */
    program_free(&run);
    remove_rows(folder);
}

static void clean_data_is_one_line_with_quiet(void **state) {
    (void)state;
    setenv("ROWS", check_source("../examples/support-sentiment/train.csv"), 1);
    program_run run = program_shell("\"$A\" check --quiet \"$ROWS\"");
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "train.csv (445 rows): nothing found"));
    assert_ptr_equal(strchr(run.out, '\n'), run.out + strlen(run.out) - 1);
    assert_string_equal(run.err, "");
    program_free(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(trouble_ends_with_3_and_names_the_line), cmocka_unit_test(clean_data_is_one_line_with_quiet)};
    return check_run(tests);
}
