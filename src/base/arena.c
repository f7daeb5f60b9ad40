#include "base/room.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 16, PAGE_BYTES = 4096 };
static const size_t MEASURE_BYTES = (size_t)1 << 42, MEASURE_BYTES_LEAST = (size_t)1 << 20;

struct at_arena_block {
    at_arena_block *before;
    size_t size, used_before; /* of the block before this one */
    size_t mapped;            /* bytes of the mapping that data is; 0: data follows the header */
    char *data;
};

static size_t align_up(size_t n) { return (n + AT_ALIGN - 1) & ~(size_t)(AT_ALIGN - 1); }

void *at_pages_take(size_t bytes) {
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return NULL;
    madvise(pages, bytes, MADV_HUGEPAGE); /* only advice: without it everything works, more slowly */
    return pages;
}

void *at_pages_map(size_t bytes) {
    char path[4096];
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder) folder = "/var/tmp";
    if (snprintf(path, sizeof path, "%s/attune-XXXXXX", folder) >= (int)sizeof path) return NULL;
    int fd = mkstemp(path);
    if (fd < 0) return NULL;
    unlink(path);
    /* posix_fallocate: a full disk is seen here and is no signal later. */
    void *pages = posix_fallocate(fd, 0, (off_t)bytes) ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return pages == MAP_FAILED ? NULL : pages;
}

void at_pages_sparse(void *start, size_t bytes) {
    uintptr_t first = ((uintptr_t)start + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1), end = ((uintptr_t)start + bytes) & ~(uintptr_t)(PAGE_BYTES - 1);
    if (end > first) madvise((void *)first, end - first, MADV_NOHUGEPAGE);
}

void at_pages_return(void *pages, size_t bytes) {
    if (pages) munmap(pages, bytes);
}

at_status at_arena_fixed(at_arena *arena, size_t bytes, at_error *err) {
    *arena = (at_arena){0};
    bytes = align_up(bytes ? bytes : 1);
    void *base = at_pages_take(bytes);
    if (!base) return at_fail_memory(err, bytes);
    arena->base = base;
    arena->size = bytes;
    return AT_OK;
}

at_status at_arena_measure(at_arena *arena, at_error *err) {
    *arena = (at_arena){0};
    for (size_t bytes = MEASURE_BYTES; bytes >= MEASURE_BYTES_LEAST; bytes /= 2) { /* limits on addresses, and sanitizers, allow less */
        void *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base == MAP_FAILED) continue;
        if (bytes < MEASURE_BYTES) { /* where addresses are few, half of them stays for the next */
            bytes /= 2;
            munmap((char *)base + bytes, bytes);
        }
        arena->base = base;
        arena->size = bytes;
        arena->measuring = 1;
        return AT_OK;
    }
    return at_fail_memory(err, 0);
}

static void drop_block(at_arena *arena) {
    at_arena_block *block = arena->block;
    arena->block = block->before;
    arena->size = arena->block ? arena->block->size : 0;
    arena->used = block->used_before;
    if (block->mapped) at_pages_return(block->data, block->mapped);
    free(block);
}

void at_arena_free(at_arena *arena) {
    at_pages_return(arena->base, arena->size);
    while (arena->block) drop_block(arena);
    *arena = (at_arena){0};
}

void at_arena_idle(const at_arena *arena) {
    for (const at_arena_block *b = arena->block; b; b = b->before)
        if (b->mapped) madvise(b->data, b->mapped, MADV_DONTNEED); /* the file keeps what they hold */
}

void at_arena_copy(const at_arena *arena, void *to, const void *from, size_t bytes) {
    enum { PIECE = 1 << 20 };
    for (size_t at = 0; at < bytes; at += PIECE) {
        memcpy((char *)to + at, (const char *)from + at, bytes - at < PIECE ? bytes - at : PIECE);
        if (bytes - at >= PIECE) at_arena_idle(arena);
    }
}

/* A block of its own for a large request; where the disk has no room for it, it comes from the heap. */
static int push_mapped_block(at_arena *arena, size_t size) {
    at_arena_block *block = malloc(sizeof *block);
    void *data = block ? at_pages_map(size) : NULL;
    if (!data) {
        free(block);
        return 0;
    }
    *block = (at_arena_block){arena->block, size, arena->used, size, data};
    arena->block = block;
    arena->size = size;
    arena->used = 0;
    return 1;
}

static int push_block(at_arena *arena, size_t need) {
    size_t size = need > BLOCK_BYTES ? need : BLOCK_BYTES;
    size_t header = align_up(sizeof(at_arena_block));
    if (arena->mapped && size >= AT_MAPPED_BYTES && push_mapped_block(arena, size)) return 1;
    if (size > SIZE_MAX - header) return 0;
    at_arena_block *block = aligned_alloc(AT_ALIGN, header + size);
    if (!block) return 0;
    *block = (at_arena_block){arena->block, size, arena->used, 0, (char *)block + header};
    arena->block = block;
    arena->size = size;
    arena->used = 0;
    return 1;
}

void *at_alloc_raw(at_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
    bytes = align_up(bytes ? bytes : 1);
    if (bytes > arena->size - arena->used) {
        if (arena->base || !push_block(arena, bytes)) return NULL;
    }
    char *start = arena->base ? arena->base : arena->block->data;
    void *result = start + arena->used;
    arena->used += bytes;
    arena->total += bytes;
    if (arena->total > arena->peak) arena->peak = arena->total;
    return result;
}

void *at_alloc(at_arena *arena, size_t count, size_t size) {
    void *result = at_alloc_raw(arena, count, size);
    int fresh = result && arena->block && arena->block->mapped && result == arena->block->data; /* it is one request's, of zeroed pages */
    if (result && !arena->measuring && !fresh) memset(result, 0, count * size);
    return result;
}

char *at_strndup(at_arena *arena, const char *text, size_t len) {
    char *copy = at_alloc_raw(arena, len + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *at_strdup(at_arena *arena, const char *text) { return at_strndup(arena, text, strlen(text)); }

char *at_format(at_arena *arena, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = len < 0 ? NULL : at_alloc_raw(arena, (size_t)len + 1, 1);
    if (text) vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

at_mark at_arena_mark(const at_arena *arena) { return (at_mark){arena->block, arena->used, arena->total}; }

void at_arena_rewind(at_arena *arena, at_mark mark) {
    while (arena->block != mark.block) drop_block(arena);
    arena->used = mark.used;
    arena->total = mark.total;
}
