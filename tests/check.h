/* What the tests share: cmocka with its includes, data folders, skipping by name, error text checks. */
#ifndef AT_TESTS_CHECK_H
#define AT_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "attune.h"

/* A path below the test data (ATTUNE_TEST_DATA), or NULL where it is not there. Static buffers: two calls at a time. */
static inline const char *check_data(const char *relative) {
    static char paths[2][4096];
    static int turn;
    const char *base = getenv("ATTUNE_TEST_DATA");
    char *path = paths[turn ^= 1];
    snprintf(path, sizeof paths[0], "%s/%s", base ? base : "../shared/data", relative);
    return access(path, R_OK) ? NULL : path;
}

/* A path below tests/ of the source tree: recorded references and small files. */
static inline const char *check_source(const char *relative) {
    static char paths[2][4096];
    static int turn;
    const char *base = getenv("ATTUNE_TEST_SOURCE");
    char *path = paths[turn ^= 1];
    snprintf(path, sizeof paths[0], "%s/%s", base ? base : "tests", relative);
    return path;
}

/* Ends the whole test program as skipped; CTest shows it by name. */
static inline _Noreturn void check_skip_program(const char *why) {
    printf("SKIPPED: %s\n", why);
    exit(77);
}

/* Ends one test of a program as skipped; check_run then ends the program with 77 unless another test failed. */
static int check_skipped_tests;
#define check_skip(why)                  \
    do {                                 \
        check_skipped_tests++;           \
        print_message("SKIPPED: %s\n", why); \
        skip();                          \
    } while (0)
#define check_run(tests) check_exit_code(cmocka_run_group_tests(tests, NULL, NULL))
static inline int check_exit_code(int failed) { return failed ? 1 : check_skipped_tests ? 77 : 0; }

/* A whole file, without the fsync of at_file_write: tests write thousands. */
static inline void check_write(const char *path, const void *bytes, size_t len) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

#define check_ok(call, err)                                                          \
    do {                                                                             \
        if ((call) != AT_OK) fail_msg("%s: %s", #call, (err)->text);                 \
    } while (0)

#define check_fails(call, status, err, words)                                                              \
    do {                                                                                                   \
        at_status got_ = (call);                                                                           \
        if (got_ != (status)) fail_msg("%s: status %d, expected %d: %s", #call, (int)got_, (int)(status), (err)->text); \
        if (!strstr((err)->text, (words))) fail_msg("%s: \"%s\" does not say \"%s\"", #call, (err)->text, (words));     \
    } while (0)

#endif
