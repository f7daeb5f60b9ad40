/* Files of a checkpoint that is being written: laid out in parts, filled by all threads at once, read back and checked by one.
 *
 * What is done in the background beside a training takes a core for a fifth of the time, until *hurry: then somebody waits for it. (A lower
 * priority would not do: on a busy machine the one who waits would wait for all others.) */
#ifndef AT_TRAIN_FILLING_H
#define AT_TRAIN_FILLING_H

#include <stdatomic.h>

#include <xxhash.h>

#include "base/thread.h"
#include "train/saver.h"

/* A part of a file. Its hash is taken from memory while it is in the cache, and compared with what the disk gives back. */
typedef struct at_part {
    const void *data;
    const char *finite;      /* name of the array whose numbers must be finite, NULL: not checked */
    uint64_t at;             /* in the file */
    size_t bytes;
    uint64_t hash;
} at_part;

/* What no part covers is zero. */
typedef struct at_filling {
    char path[4200];
    int fd;                  /* -1: not open */
    uint64_t bytes;
    at_part *part;           /* [n], ascending, not empty */
    int n;
} at_filling;

/* Bytes of a safetensors file of these arrays, and, where `parts` is not NULL, its parts in the arena: header and what may be other
 * than zero. */
at_status at_filling_lay(const at_saved_file *file, at_arena *arena, uint64_t *bytes, at_part **parts, int *n, at_error *err);
/* The parts of a file that is these bytes. */
at_status at_filling_lay_bytes(const void *bytes, size_t len, at_arena *arena, at_part **parts, int *n, at_error *err);
/* Makes the file and gives it its size: all zero. */
at_status at_filling_open(at_filling *f, const char *path, uint64_t bytes, at_error *err);
/* Reads a new file in the background until *hurry, so that its pages are there when they are filled: getting them is most of the time that
 * a write takes. */
void at_filling_warm(const at_filling *f, const atomic_int *hurry);
/* Writes the parts of n files, which may change afterwards. pool NULL: in the caller alone. AT_DIVERGED: a number is not finite. */
at_status at_fillings_write(at_filling *files, int n, at_pool *pool, at_arena *scratch, at_error *err);
/* The same of one file, in the background. */
at_status at_filling_write_slowly(at_filling *f, const atomic_int *hurry, at_error *err);
/* Syncs the file, reads it back, compares it with what was in memory, closes it; in the background. *hash is that of the whole file. */
at_status at_filling_check(at_filling *f, const atomic_int *hurry, XXH128_hash_t *hash, at_error *err);
void at_filling_close(at_filling *f);

#endif
