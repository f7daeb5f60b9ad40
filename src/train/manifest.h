/* The manifest of a checkpoint, and the checking of one. */
#ifndef AT_TRAIN_MANIFEST_H
#define AT_TRAIN_MANIFEST_H

#include <xxhash.h>

#include "train/saver.h"

typedef struct at_saved_entry {
    const char *name;
    uint64_t bytes;
    char hash[33]; /* XXH3-128, hexadecimal */
} at_saved_entry;

void at_hash_text(XXH128_hash_t hash, char text[33]);
at_status at_file_hash(const char *path, XXH128_hash_t *hash, uint64_t *bytes, at_error *err);

/* Steps of the folders named checkpoint-N, newest first. */
at_status at_checkpoint_list(const char *folder, at_arena *arena, int **steps, int *n, at_error *err);

at_status at_manifest_write(const char *path, int step, const at_checkpoint_owner *owner, const at_saved_entry *entries, int n,
                            at_error *err);
/* 1 where the folder's manifest is whole and of this configuration and data. */
int at_manifest_is_ours(const char *folder, const at_checkpoint_owner *owner);
/* Checks every byte. AT_BAD_MODEL: not whole; AT_USAGE: of another configuration or other data. The caller json_decrefs *manifest. */
at_status at_manifest_check(const char *folder, const at_checkpoint_owner *owner, json_t **manifest, at_error *err);

#endif
