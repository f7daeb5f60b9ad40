/* Runs the program as a person would: arguments in, exit code and both outputs back. */
#ifndef AT_TESTS_PROGRAM_H
#define AT_TESTS_PROGRAM_H

#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PROGRAM_OUTPUT = 1 << 20 };

typedef struct program_run {
    int code; /* 128 + signal where a signal ended it */
    char *out, *err;
} program_run;

static inline const char *program_path(void) {
    const char *path = getenv("ATTUNE_PROGRAM");
    return path ? path : "attune";
}

static inline char *program_read_file(const char *path) {
    char *text = calloc(PROGRAM_OUTPUT + 1, 1);
    FILE *file = fopen(path, "rb");
    if (!text || !file) fail_msg("cannot read %s", path);
    size_t n = fread(text, 1, PROGRAM_OUTPUT, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

static inline void program_write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    if (!file) fail_msg("cannot write %s", path);
    fputs(text, file);
    fclose(file);
}

static inline void program_free(program_run *run) {
    free(run->out);
    free(run->err);
}

/* A shell command line in which $A is the program; stdin is empty unless the line says otherwise. */
static inline program_run program_shell(const char *line) {
    char out[] = "/tmp/attune-out-XXXXXX", err[] = "/tmp/attune-err-XXXXXX";
    int out_fd = mkstemp(out), err_fd = mkstemp(err);
    assert_true(out_fd >= 0 && err_fd >= 0);
    setenv("A", program_path(), 1);
    pid_t child = fork();
    if (!child) {
        int nothing = open("/dev/null", O_RDONLY);
        dup2(nothing, 0);
        dup2(out_fd, 1);
        dup2(err_fd, 2);
        execl("/bin/bash", "bash", "-c", line, (char *)NULL);
        _exit(126);
    }
    int status = 0;
    waitpid(child, &status, 0);
    program_run run = {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), program_read_file(out), program_read_file(err)};
    close(out_fd);
    close(err_fd);
    unlink(out);
    unlink(err);
    return run;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PROGRAM_SANITIZED = 1 };
#else
enum { PROGRAM_SANITIZED = 0 };
#endif

/* The most memory that any process of the line had, in KB; it must succeed. */
static inline long program_peak(const char *line) {
    struct rusage usage;
    int status = 0;
    setenv("A", program_path(), 1);
    pid_t child = fork();
    if (!child) {
        execl("/bin/bash", "bash", "-c", line, (char *)NULL);
        _exit(126);
    }
    if (wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) || WEXITSTATUS(status)) fail_msg("%s: failed", line);
    return usage.ru_maxrss;
}

/* Runs the line and checks its exit code and what one of the outputs says ("" : nothing is asked). */
static inline void program_expect(const char *line, int code, const char *out, const char *err) {
    program_run run = program_shell(line);
    if (run.code != code) fail_msg("%s: exit code %d, expected %d\n%s%s", line, run.code, code, run.out, run.err);
    if (*out && !strstr(run.out, out)) fail_msg("%s: standard output does not say \"%s\":\n%s", line, out, run.out);
    if (*err && !strstr(run.err, err)) fail_msg("%s: standard error does not say \"%s\":\n%s", line, err, run.err);
    program_free(&run);
}

#endif
