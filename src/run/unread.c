#include "run/unread.h"

#include <string.h>

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
