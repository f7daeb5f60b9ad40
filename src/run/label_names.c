/* --label-names: what the whole numbers in a label column are called. */
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "run/session.h"

enum { MOST_BYTES = 16 << 20 };

/* A list with commas, or the lines of a file. */
static at_status read_names(const char *value, at_arena *arena, char **text, const char **between, at_error *err) {
    size_t len;
    *between = ",";
    *text = at_strdup(arena, value);
    if (!*text) return at_fail_memory(err, strlen(value));
    if (strchr(value, ',') || !at_file_exists(value)) return AT_OK;
    *between = "\r\n";
    AT_TRY(at_file_read(arena, value, MOST_BYTES, AT_BAD_DATA, text, &len, err));
    if (strlen(*text) != len || at_utf8_check(*text, len) != len) return at_fail(err, AT_BAD_DATA, "%s: is not a text with a name a line", value);
    return AT_OK;
}

static char *trimmed(char *name) {
    size_t len;
    name += strspn(name, " \t");
    for (len = strlen(name); len && (name[len - 1] == ' ' || name[len - 1] == '\t'); len--) name[len - 1] = '\0';
    return name;
}

static at_status check_new(const at_labels *names, const char *name, at_error *err) {
    if (at_utf8_check(name, strlen(name)) != strlen(name)) return at_fail(err, AT_USAGE, "--label-names: name %d is not valid UTF-8", names->n + 1);
    for (int i = 0; i < names->n; i++)
        if (!strcmp(names->name[i], name)) return at_fail(err, AT_USAGE, "--label-names: '%.80s' is there twice, for %d and for %d", name, i, names->n);
    return AT_OK;
}

at_status at_settings_label_names(const at_options *o, at_task_state *state, at_error *err) {
    const char *value = at_options_text(o, "label_names", NULL), *between;
    at_labels names = {0};
    char *text, *rest = NULL;
    if (!value) return AT_OK;
    if (!state->task->names_labels)
        return at_fail(err, AT_USAGE, "--label-names: the task %s has no labels that could have names", state->task->name);
    AT_TRY(read_names(value, &state->arena, &text, &between, err));
    names.name = AT_NEW_ARRAY(&state->arena, const char *, strlen(text) / 2 + 1);
    if (!names.name) return at_fail_memory(err, strlen(text));
    for (char *part = strtok_r(text, between, &rest); part; part = strtok_r(NULL, between, &rest)) {
        const char *name = trimmed(part);
        if (!*name) continue;
        AT_TRY(check_new(&names, name, err));
        names.name[names.n++] = name;
    }
    if (names.n < 2) return at_fail(err, AT_USAGE, "--label-names: '%.80s' is one name, and no file; names have commas between them", value);
    state->label_names = names;
    return AT_OK;
}
