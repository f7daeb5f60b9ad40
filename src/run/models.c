#include "run/models.h"

#include <string.h>

#include "base/file.h"
#include "hub/hub.h"
#include "io/gguf.h"

at_status at_model_folder_find(at_arena *arena, const char *name, const char **folder, at_error *err) {
    at_hub hub;
    if (at_gguf_is(name)) {
        *folder = at_strdup(arena, name);
        return *folder ? AT_OK : at_fail_memory(err, 0);
    }
    size_t len = strlen(name);
    if (len > 5 && !strcmp(name + len - 5, ".gguf") && at_file_exists(name) && !at_is_folder(name)) { /* says itself what is wrong with it */
        at_gguf *file = NULL;
        at_status st = at_gguf_open(name, &file, err);
        at_gguf_close(file);
        return st ? st : at_fail(err, AT_BAD_MODEL, "%s: not a GGUF file", name);
    }
    AT_TRY(at_hub_from_environment(arena, &hub, err));
    return at_hub_find(arena, &hub, name, NULL, folder, err);
}
