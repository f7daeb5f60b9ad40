/* Checkpoints on disk.
 *
 *   checkpoint-STEP/weights.safetensors     trainable weights in the packed layout (backend.h), by name
 *                   moments.safetensors     first moments, and how many steps each weight has made
 *                   squares.safetensors     second moments
 *                   best.safetensors        the best state, where it is not this one
 *                   state.json              counters, history, best score
 *                   manifest.json           written last: names, sizes and XXH3-128 of the others, what they belong to,
 * and a hash of itself
 *
 * Writing. The caller's threads hand all bytes to the system, several files at once (a copy into the page cache, so the arrays
 * may change at once and no second copy of them is held). A thread of the saver, which leaves most of the time to others, then
 * writes what does not change, syncs the files, reads them back and compares the hashes, writes the manifest, renames
 * `.checkpoint-STEP.tmp` to its name and syncs the folder. Only then older checkpoints of the same run go, all but one
 * (at_saver_keep). So a crash at any point leaves the old checkpoints or the new one, whole; a full disk leaves the old ones.
 * at_saver_prepare makes the files of the next one beforehand.
 *
 * Reading walks from the newest to the first whole one. Checkpoints of another configuration or other data are left
 * alone. */
#ifndef AT_TRAIN_SAVER_H
#define AT_TRAIN_SAVER_H

#include "base/json.h"
#include "base/thread.h"

/* What a checkpoint belongs to. */
typedef struct at_checkpoint_owner {
    const char *fingerprint;
    uint64_t data_hash;
    const char *backend;
    int lanes, chunk_rows;
} at_checkpoint_owner;

typedef struct at_saved_range {
    size_t start, n;    /* elements */
} at_saved_range;

typedef struct at_saved_array {
    const char *name;
    int is_int;         /* 32-bit integers, else floats (which must be finite) */
    const void *data;
    size_t count;
    const at_saved_range *range; /* [n_ranges] what may be other than zero, ascending; NULL: all. The rest is neither read nor written */
    int n_ranges;
} at_saved_array;

typedef struct at_saved_file {
    const char *name;
    const at_saved_array *arrays;
    int n;
    int stays;          /* its arrays do not change before at_saver_settle: they are written by the saver's thread */
} at_saved_file;

typedef struct at_saver at_saver;
/* Removes what a crash left half written. */
at_status at_saver_open(const char *folder, const at_checkpoint_owner *owner, at_saver **saver, at_error *err);
void at_saver_keep(at_saver *saver, int n); /* how many checkpoints stay; 2 where nobody says, at least 1 */
void at_saver_close(at_saver *saver); /* waits */

/* Writes checkpoint-STEP; the arrays may change when it returns (all but those of files that stay). Waits for the one before.
 * state is dumped, not kept. A failure of the rest is told by the next at_saver_wait. AT_DIVERGED: a number is not finite, nothing
 * was written. pool: threads that help; NULL: the caller alone. */
at_status at_saver_write(at_saver *s, int step, const at_saved_file *files, int n_files, const json_t *state, at_pool *pool,
                         at_error *err);
/* Some time before a checkpoint: its files are made in the background, as large as these, so that writing takes no longer than
 * copying. 0: the checkpoint before is being written still; ask again. That nothing could be prepared is no failure. */
int at_saver_prepare(at_saver *s, const at_saved_file *files, int n_files);
void at_saver_settle(at_saver *s); /* what stays may change now */
at_status at_saver_wait(at_saver *s, at_error *err); /* until the last one is whole on disk: its outcome, told once */

/* The newest whole checkpoint: *path in the arena or NULL, *manifest (owned by the caller). `note` gets a sentence for
 * each that was passed over. */
at_status at_saver_find(at_saver *s, at_arena *arena, const char **path, json_t **manifest,
                        void (*note)(void *context, const char *sentence), void *context, at_error *err);
/* Fills an array from a file of a checkpoint that was found whole; its count must agree. */
typedef struct at_safetensors at_safetensors;
at_status at_saved_array_load(const at_safetensors *file, const char *name, int is_int, void *data, size_t count, at_error *err);

#endif
