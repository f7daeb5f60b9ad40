/* The inside of the cache, for the two ways in (fetch.c, import.c). */
#ifndef AT_HUB_CACHE_H
#define AT_HUB_CACHE_H

#include "hub/hub.h"

typedef struct at_hashes {
    char sha256[65];
    char git[41]; /* SHA-1 of "blob LENGTH\0" and the bytes: git's name of a file */
    uint64_t bytes;
} at_hashes;
at_status at_hash_file(const char *path, at_hashes *hashes, at_error *err);

/* CACHE/models--ORG--NAME; the name is checked. */
at_status at_cache_model(at_arena *arena, const at_hub *hub, const char *name, const char **folder, at_error *err);
int at_cache_revision_is_safe(const char *revision);
int at_is_hex(const char *text, size_t len);

/* The snapshot of a request that is in the cache as a whole with the weights that were asked for, or NULL. */
const char *at_cache_have(at_arena *arena, const at_hub *hub, const at_hub_request *request);

/* Opens (and makes) blobs/NAME.incomplete and holds it locked: no other process writes it. *size: bytes that are there already. */
at_status at_blob_open(at_arena *arena, const char *model, const char *name, const char **path, int *fd, uint64_t *size,
                       at_error *err);
/* Syncs, closes, and gives it its name. */
at_status at_blob_keep(at_arena *arena, const char *model, const char *path, int fd, const char *name, at_error *err);
char *at_blob_path(at_arena *arena, const char *model, const char *name);

typedef struct at_cached_file {
    const char *name; /* in the model folder */
    const char *blob;
} at_cached_file;

/* Links the files into snapshots/COMMIT, then points refs/REVISION to it. */
at_status at_cache_publish(at_arena *arena, const char *model, const char *commit, const char *revision,
                           const at_cached_file *files, int n, const char **snapshot, at_error *err);

#endif
