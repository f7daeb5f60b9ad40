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

/* "model.layers.3.mlp.up_proj.weight": a part of the name is a number. */
static int is_in_block(const char *name) {
    for (const char *part = name; part; part = strchr(part, '.')) {
        part += *part == '.';
        size_t digits = strspn(part, "0123456789");
        if (digits && part[digits] == '.') return 1;
    }
    return 0;
}

/* The second stack of a model of two stays where it is when the first goes alone. */
static int is_left_on_purpose(const at_model *m, const char *name) { return !m->arch.decoder.layers && !strncmp(name, "decoder.", 8); }

int at_model_unread(const at_model *m, const char **first) {
    int n = 0;
    for (int i = 0; i < m->report.n_dropped; i++) {
        const char *name = m->report.dropped[i];
        if (!is_in_block(name) || is_left_on_purpose(m, name)) continue;
        if (!n++) *first = name;
    }
    return n;
}

void at_tell_unread(const at_listener *listener, const at_model *m) {
    const char *first;
    int n = at_model_unread(m, &first);
    if (n) at_tell_warning(listener, "%s: %d tensor%s of the blocks %s no part of the model that config.json describes, and %s left out (%s%s); what it answers is not what was "
                           "trained", m->folder, n, n > 1 ? "s" : "", n > 1 ? "are" : "is", n > 1 ? "are" : "is", first, n > 1 ? ", ..." : "");
}
