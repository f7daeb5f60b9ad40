/* Loaded before the C library (LD_PRELOAD): memory is refused. The n-th request of the process fails (NO_MEMORY_AT=n), or all from the n-th on
 * (NO_MEMORY_FROM=n); their number goes to NO_MEMORY_COUNT at the end. Requests are those of the heap, and of pages without a file.
 *
 * PEAK_BYTES=FILE: the most that the heap ever held goes there at the end. */
#include <errno.h>
#include <malloc.h>
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
void __libc_free(void *old);

static atomic_int requests;
static atomic_llong held, most;
static int at, from, ready; /* read once, before main: getenv is not for every request */

__attribute__((constructor)) static void begin(void) {
    const char *one = getenv("NO_MEMORY_AT"), *all = getenv("NO_MEMORY_FROM");
    at = one ? atoi(one) : 0;
    from = all ? atoi(all) : 0;
    ready = 1;
}

static void tell(const char *variable, long long number) {
    const char *path = getenv(variable);
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lld\n", number);
    fclose(file);
}

__attribute__((destructor)) static void end(void) {
    ready = 0;
    tell("NO_MEMORY_COUNT", atomic_load(&requests));
    tell("PEAK_BYTES", atomic_load(&most));
}

/* What was given, as the heap counts it. */
static void *given(void *block) {
    long long now = atomic_fetch_add(&held, (long long)malloc_usable_size(block)) + (long long)malloc_usable_size(block), peak = atomic_load(&most);
    while (now > peak && !atomic_compare_exchange_weak(&most, &peak, now)) {}
    return block;
}

static void taken_back(void *block) { atomic_fetch_sub(&held, (long long)malloc_usable_size(block)); }

static int refused(void) {
    if (!ready) return 0;
    int n = atomic_fetch_add(&requests, 1) + 1;
    if (n != at && !(from && n >= from)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t bytes) { return refused() ? NULL : given(__libc_malloc(bytes)); }
void *calloc(size_t n, size_t bytes) { return refused() ? NULL : given(__libc_calloc(n, bytes)); }
void *aligned_alloc(size_t boundary, size_t bytes) { return refused() ? NULL : given(__libc_memalign(boundary, bytes)); }

void *realloc(void *old, size_t bytes) {
    if (refused()) return NULL;
    taken_back(old);
    void *block = __libc_realloc(old, bytes);
    given(block || !bytes ? block : old);
    return block;
}

void free(void *block) {
    taken_back(block);
    __libc_free(block);
}

int posix_memalign(void **result, size_t boundary, size_t bytes) {
    *result = refused() ? NULL : given(__libc_memalign(boundary, bytes));
    return *result ? 0 : ENOMEM;
}

void *mmap(void *where, size_t bytes, int protection, int flags, int fd, off_t offset) {
    if ((flags & MAP_ANONYMOUS) && refused()) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, where, bytes, protection, flags, fd, offset);
}
