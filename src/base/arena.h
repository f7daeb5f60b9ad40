/* Arenas: memory by lifetime. A function that returns memory takes an arena first; nobody frees a
 * single object; an arena is rewound or freed as a whole.
 *
 * Three kinds share one type:
 *   growing  - chunks from the heap, zeroed, for handles and everything of unknown size; where `mapped` is set, large ones from a file
 *              without a name instead (in $TMPDIR, else /var/tmp), so that private memory does not grow with a user's data;
 *   fixed    - one mapping of a known size, for the steps of a training; a request beyond it fails;
 *   measure  - an address range that no memory stands behind: it says how much a run would take
 *              (at_arena_peak) without taking it. What it returns must not be read or written. */
#ifndef AT_BASE_ARENA_H
#define AT_BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"

#define AT_ALIGN 64 /* bytes: a cache line and an AVX-512 register */

typedef struct at_arena_block at_arena_block;

typedef struct at_arena {
    at_arena_block *block; /* newest block of a growing arena */
    char *base;            /* start of the mapping of a fixed or measuring arena, else NULL */
    size_t used;           /* bytes in the current block or mapping */
    size_t size;           /* bytes of the current block or mapping */
    size_t total;          /* bytes handed out and not rewound, in all blocks */
    size_t peak;           /* most that total ever was */
    int measuring;
    int mapped;            /* set by the owner, before the first request */
} at_arena;

typedef struct at_mark {
    at_arena_block *block;
    size_t used, total;
} at_mark;

/* Zeroed pages of their own, large ones where the system has them (a first touch of 480 MB in small pages costs more than a step);
 * NULL where there is no memory. Returned whole. */
void *at_pages_take(size_t bytes);
/* Zeroed memory of a file without a name, shared with the disk: the system may write it there when memory is short. NULL where the disk has no
 * room for it. Returned by at_pages_return. */
void *at_pages_map(size_t bytes);
/* Part of them that will be touched here and there: small pages again, so that what is never touched takes no memory. */
void at_pages_sparse(void *start, size_t bytes);
void at_pages_return(void *pages, size_t bytes);

/* A zero-initialised at_arena is an empty growing arena. */
at_status at_arena_fixed(at_arena *arena, size_t bytes, at_error *err);
at_status at_arena_measure(at_arena *arena, at_error *err);
void at_arena_free(at_arena *arena); /* leaves an empty growing arena */

/* size * count bytes, aligned to AT_ALIGN; NULL where the memory or the arena is at its end or the
 * product overflows. at_alloc zeroes (not in a measuring arena), at_alloc_raw does not. A request for
 * 0 bytes gives a valid pointer. */
void *at_alloc(at_arena *arena, size_t count, size_t size);
void *at_alloc_raw(at_arena *arena, size_t count, size_t size);
#define AT_NEW(arena, type) ((type *)at_alloc((arena), 1, sizeof(type)))
#define AT_NEW_ARRAY(arena, type, count) ((type *)at_alloc((arena), (size_t)(count), sizeof(type)))

char *at_strdup(at_arena *arena, const char *text);
char *at_strndup(at_arena *arena, const char *text, size_t len);
char *at_format(at_arena *arena, const char *fmt, ...) AT_PRINTF(2, 3);

at_mark at_arena_mark(const at_arena *arena);
void at_arena_rewind(at_arena *arena, at_mark mark); /* frees what came after the mark */
static inline size_t at_arena_peak(const at_arena *arena) { return arena->peak; }

#endif
