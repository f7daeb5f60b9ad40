#include "check.h"

#include "base/file.h"
#include "train/task.h"

/* A training closes the model whose labels it was bound to, and opens it again with another head. */
static void the_labels_of_a_model_are_copied(void **state) {
    (void)state;
    char path[] = "/tmp/attune-bind-XXXXXX", names[2][4] = {"yes", "no"};
    const char *name[] = {names[0], names[1]};
    static const char rows[] = "text,label\nfine,no\ngood,yes\nbad,no\n";
    at_error err;
    at_table *table;
    at_task_state bound = {.task = at_task_find("classify")};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    check_ok(at_file_write(path, rows, strlen(rows), &err), &err);
    check_ok(at_table_read(path, &(at_table_options){0}, &table, &err), &err);
    at_model model = {.labels = {name, 2}, .head = {.kind = AT_HEAD_POOLER, .n_out = 2}};
    check_ok(bound.task->bind(&bound, table, &(at_columns){0}, 0, &err), &err);
    assert_string_equal(bound.labels.name[0], "no");
    check_ok(at_task_adopt(&bound, &model, &err), &err);
    memset(names, 'x', sizeof names);
    memset(name, 0, sizeof name);
    assert_int_equal(bound.labels.n, 2);
    assert_string_equal(bound.labels.name[0], "yes"); /* the model's order, not the alphabet's */
    assert_string_equal(bound.labels.name[1], "no");
    at_table_close(table);
    at_task_close(&bound);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_labels_of_a_model_are_copied)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
