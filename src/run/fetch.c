/* attune fetch: a model from the hub, or out of an archive, into the cache. */
#include <string.h>

#include "hub/hub.h"
#include "run/events.h"
#include "run/settings.h"

typedef struct fetching {
    const at_listener *listener;
    const char *file; /* the one that was told last, and how far in tenths */
    uint64_t tenths;
} fetching;

static int on_progress(void *context, const char *file, uint64_t done, uint64_t total) {
    fetching *f = context;
    uint64_t tenths = total ? done * 10 / total : 0;
    if (total >= 1000000 && (f->file != file || tenths != f->tenths)) {
        json_t *fields = json_pack("{s:s, s:f, s:f}", "file", file, "bytes", (double)done, "total", (double)total);
        at_tell(f->listener, "fetch", fields, "%s: %.1f of %.1f MB", file, (double)done / 1e6, (double)total / 1e6);
        f->file = file;
        f->tenths = tenths;
    }
    return at_asked_to_stop(f->listener);
}

static at_status fetch(const at_options *o, const at_listener *listener, at_arena *arena, at_error *err) {
    at_hub hub;
    fetching f = {.listener = listener};
    const char *archive = at_options_text(o, "archive", NULL), *cache = at_options_text(o, "cache_dir", NULL), *folder;
    at_hub_request request = {.name = at_options_text(o, "model", NULL), .revision = at_options_text(o, "revision", NULL),
                              .sha256 = at_options_text(o, "sha256", NULL), .progress = on_progress, .context = &f};
    if (!request.name) return at_fail(err, AT_USAGE, "the name of the model is missing: attune fetch ORG/NAME");
    if (request.sha256 && (strlen(request.sha256) != 64 || strspn(request.sha256, "0123456789abcdef") != 64))
        return at_fail(err, AT_USAGE, "--sha256: 64 digits 0-9 and a-f are expected");
    AT_TRY(at_hub_from_environment(arena, &hub, err));
    if (cache) hub.cache = cache;
    if (archive) AT_TRY(at_hub_import_zip(arena, &hub, archive, &request, &folder, err));
    else AT_TRY(at_hub_fetch(arena, &hub, &request, &folder, err));
    at_tell(listener, "done", json_pack("{s:s, s:s}", "model", request.name, "folder", folder), "%s is in %s", request.name, folder);
    return AT_OK;
}

at_status at_fetch(const at_options *options, const at_listener *listener, at_error *err) {
    at_arena arena = {0};
    at_status st = fetch(options, listener, &arena, err);
    at_arena_free(&arena);
    return st;
}
