#include "run/models.h"

#include "hub/hub.h"

at_status at_model_folder_find(at_arena *arena, const char *name, const char **folder, at_error *err) {
    at_hub hub;
    AT_TRY(at_hub_from_environment(arena, &hub, err));
    return at_hub_find(arena, &hub, name, NULL, folder, err);
}
