/* How much of the heap a command of the shell holds at most, by fail_alloc. -1 under the sanitizers, which have a heap of their own. */
#ifndef AT_TESTS_PEAK_H
#define AT_TESTS_PEAK_H

#include "cli/program.h"

static inline long long peak_bytes(const char *command) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)command;
    return -1;
#else
    char line[8192];
    snprintf(line, sizeof line, "cd $D && PEAK_BYTES=$D/peak LD_PRELOAD=$FAIL_ALLOC_LIBRARY %s > said && cat peak", command);
    program_run run = program_shell(line);
    if (run.code) fail_msg("%s: %d\n%s%s", command, run.code, run.out, run.err);
    long long bytes = atoll(run.out);
    program_free(&run);
    assert_true(bytes > 10000);
    return bytes;
#endif
}

#endif
