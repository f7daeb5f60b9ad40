/* Loaded before the C library (LD_PRELOAD): the program is killed just before its n-th change of the file system (KILL_AT=n). So a
 * test visits every state that a kill -9 can leave, by number and not by luck. The count is written to KILL_COUNT at the end, and
 * nothing is synced: what a power failure does is another test. */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int changes;

static void count(void) {
    const char *at = getenv("KILL_AT");
    if (atomic_fetch_add(&changes, 1) + 1 == (at ? atoi(at) : 0)) kill(getpid(), SIGKILL);
}

/* dlsym's answer as a function, by way of memory: ISO C has no cast between the two. */
#define REAL(result, name, ...)                           \
    result (*real)(__VA_ARGS__);                          \
    *(void **)&real = dlsym(RTLD_NEXT, name);             \
    count()

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return real(from, to);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    return real(path);
}

int rmdir(const char *path) {
    REAL(int, "rmdir", const char *);
    return real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    return real(path, mode);
}

int fsync(int fd) {
    (void)fd;
    count();
    return 0;
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("KILL_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%d\n", atomic_load(&changes));
    fclose(file);
}
