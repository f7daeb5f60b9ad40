#include "run/models.h"

#include "hub/hub.h"
#include "io/gguf.h"

at_status at_model_folder_find(at_arena *arena, const char *name, const char **folder, at_error *err) {
    at_hub hub;
    if (at_gguf_is(name)) {
        *folder = at_strdup(arena, name);
        return *folder ? AT_OK : at_fail_memory(err, 0);
    }
    AT_TRY(at_hub_from_environment(arena, &hub, err));
    return at_hub_find(arena, &hub, name, NULL, folder, err);
}
