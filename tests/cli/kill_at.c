/* Loaded before the C library (LD_PRELOAD): the program is killed just before its n-th change of the file system (KILL_AT=n). So a
 * test visits every state that a kill -9 can leave, by number and not by luck. The count is written to KILL_COUNT at the end, and
 * nothing is synced: what a power failure does is another test.
 *
 * FULL_FROM=n: the disk is full from the n-th attempt on to write to a file, to sync or to make one; FULL_AT=n: for that attempt alone.
 * Their number goes to FULL_COUNT. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int changes, attempts;

static int number(const char *name) {
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

static int is_full(void) {
    int n = atomic_fetch_add(&attempts, 1) + 1, from = number("FULL_FROM");
    if (n != number("FULL_AT") && !(from && n >= from)) return 0;
    errno = ENOSPC;
    return 1;
}

static int is_file(int fd) {
    struct stat info;
    return !fstat(fd, &info) && S_ISREG(info.st_mode);
}

static void count(void) {
    if (atomic_fetch_add(&changes, 1) + 1 == number("KILL_AT")) kill(getpid(), SIGKILL);
}

/* dlsym's answer as a function, by way of memory: ISO C has no cast between the two. */
#define FIND(result, name, ...)  \
    result (*real)(__VA_ARGS__); \
    *(void **)&real = dlsym(RTLD_NEXT, name)
#define REAL(result, name, ...) \
    FIND(result, name, __VA_ARGS__); \
    count()

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return is_full() ? -1 : real(from, to);
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
    return is_full() ? -1 : real(path, mode);
}

int fsync(int fd) {
    (void)fd;
    count();
    return is_full() ? -1 : 0;
}

ssize_t write(int fd, const void *bytes, size_t n) {
    FIND(ssize_t, "write", int, const void *, size_t);
    return is_file(fd) && is_full() ? -1 : real(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    FIND(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return is_full() ? -1 : real(fd, bytes, n, at);
}

int posix_fallocate(int fd, off_t at, off_t n) {
    FIND(int, "posix_fallocate", int, off_t, off_t);
    return is_full() ? ENOSPC : real(fd, at, n);
}

int msync(void *at, size_t n, int how) {
    FIND(int, "msync", void *, size_t, int);
    return is_full() ? -1 : real(at, n, how);
}

static void write_count(const char *variable, atomic_int *count_of) {
    const char *path = getenv(variable);
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%d\n", atomic_load(count_of));
    fclose(file);
}

__attribute__((destructor)) static void tell(void) {
    write_count("FULL_COUNT", &attempts);
    write_count("KILL_COUNT", &changes);
}
