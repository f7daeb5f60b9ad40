/* Two runs that must have come to the same end. */
#ifndef AT_TESTS_SAME_RUN_H
#define AT_TESTS_SAME_RUN_H

#include "cli/tiny_rows.h"

/* What must be equal in two folders: names, weights, all that was measured. */
#define SAME \
    "same() { diff <(ls -A $1) <(ls -A $2) && cmp $1/model.safetensors $2/model.safetensors && cmp $1/config.json $2/config.json && " \
    "diff <(grep -v seconds $1/all_results.json) <(grep -v seconds $2/all_results.json) && " \
    "cmp $1/eval_results.json $2/eval_results.json && " \
    "for d in $1/?_Dense; do [ ! -d $d ] || cmp $d/model.safetensors $2/${d##*/}/model.safetensors || return 1; done; }; "

/* A line made as by printf, valid until the next one. */
static inline const char *line_of(const char *format, ...) {
    static char line[8192];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    return line;
}

/* The line of a training, which ends in "--output ", is killed at several changes of the file system: at 1/of, 2/of .. kills/of of all that
 * there are (how many depends on how the disk keeps up; a kill that comes too late kills nothing). Gone on with, it comes to the end of an
 * undisturbed one. */
static inline void kills_do_not_show(const char *command, int kills, int of) {
    if (PROGRAM_SANITIZED) return; /* they want to be the first that is loaded */
    program_expect(line_of("cd $D && rm -rf calm && KILL_COUNT=count LD_PRELOAD=$KILL_AT_LIBRARY %s calm && [ $(cat count) -gt 12 ]",
                           command), 0, "", "");
    for (int part = 1; part <= kills; part++)
        program_expect(line_of(SAME "cd $D && rm -rf killed; { KILL_AT=$(($(cat count) * %d / %d)) LD_PRELOAD=$KILL_AT_LIBRARY %s killed; "
                               "} 2> /dev/null; s=$?; [ $s = 137 ] || [ $s = 0 ] || exit 9; %s killed && same calm killed", part, of,
                               command, command), 0, "", "");
}

/* What a group's set-up returns: 0 where the line succeeds and says all of `says` (a list that ends with NULL). */
static inline int prepared(const char *line, const char *const *says) {
    program_run run = program_shell(line);
    int failed = run.code;
    for (; says && *says; says++) failed |= !strstr(run.out, *says);
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    return failed;
}

#endif
