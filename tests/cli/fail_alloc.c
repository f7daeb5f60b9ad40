/* Loaded before the C library (LD_PRELOAD): memory is refused. The n-th request of the process fails (NO_MEMORY_AT=n), or all from the n-th on
 * (NO_MEMORY_FROM=n); their number goes to NO_MEMORY_COUNT at the end. Requests are those of the heap, and of pages without a file. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library's own, under the names that stay when the usual ones are taken. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t boundary, size_t bytes);

static atomic_int requests;
static int at, from, ready; /* read once, before main: getenv is not for every request */

__attribute__((constructor)) static void begin(void) {
    const char *one = getenv("NO_MEMORY_AT"), *all = getenv("NO_MEMORY_FROM");
    at = one ? atoi(one) : 0;
    from = all ? atoi(all) : 0;
    ready = 1;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("NO_MEMORY_COUNT");
    ready = 0;
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%d\n", atomic_load(&requests));
    fclose(file);
}

static int refused(void) {
    if (!ready) return 0;
    int n = atomic_fetch_add(&requests, 1) + 1;
    if (n != at && !(from && n >= from)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t bytes) { return refused() ? NULL : __libc_malloc(bytes); }
void *calloc(size_t n, size_t bytes) { return refused() ? NULL : __libc_calloc(n, bytes); }
void *realloc(void *old, size_t bytes) { return refused() ? NULL : __libc_realloc(old, bytes); }
void *aligned_alloc(size_t boundary, size_t bytes) { return refused() ? NULL : __libc_memalign(boundary, bytes); }

int posix_memalign(void **result, size_t boundary, size_t bytes) {
    *result = refused() ? NULL : __libc_memalign(boundary, bytes);
    return *result ? 0 : ENOMEM;
}

void *mmap(void *where, size_t bytes, int protection, int flags, int fd, off_t offset) {
    if ((flags & MAP_ANONYMOUS) && refused()) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, where, bytes, protection, flags, fd, offset);
}
