/* What the whole numbers in a label column are called: --label-names, or as a model has it. */
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "run/label_names.h"
#include "run/session.h"
#include "train/label_names.h"

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

/* ---- names that a model has for numbers ---- */

/* All labels are whole numbers below n; where `all` is 1, the last of them, too. */
static int are_places(const at_labels *labels, int n, int all) {
    long long number, most = -1;
    for (int i = 0; i < labels->n; i++) {
        if (!at_parse_int(labels->name[i], &number) || number < 0 || number >= n) return 0;
        if (number > most) most = number;
    }
    return most >= 0 && (!all || most == n - 1);
}

static void tell_names(const at_labels *names, const at_listener *listener) {
    enum { MOST = 5 };
    at_arena scratch = {0};
    at_str list = {.arena = &scratch};
    for (int i = 0; i < names->n && i < MOST; i++) at_str_addf(&list, "%s%d is %s", i ? ", " : "", i, names->name[i]);
    if (list.text)
        at_tell_note(listener, "The labels are numbers; the model has names for them: %s%s (--label-names gives them others).", list.text,
                     names->n > MOST ? ", ..." : "");
    at_arena_free(&scratch);
}

at_status at_take_label_names(at_task_state *s, const at_model *m, const at_table *t, const at_columns *wanted, int to_train, const at_listener *listener,
                              at_error *err) {
    at_task_state probe = {.task = s->task, .label_separator = s->label_separator};
    at_labels names = {0};
    if (s->label_names.n || !s->task->names_labels || !m->trained_head || at_task_of_model(m) != s->task) return AT_OK;
    AT_TRY(at_task_names_of_numbers(m, &s->arena, &names, err));
    if (!names.n) return AT_OK;
    int told = json_object_get(json_object_get(m->config, "attune"), "label_names") != NULL;
    int fits = !s->task->bind(&probe, t, wanted, 0, NULL) && probe.columns.label && at_table_column(t, probe.columns.label) >= 0 &&
               are_places(&probe.labels, names.n, to_train && !told);
    at_task_close(&probe);
    if (!fits) return AT_OK;
    s->label_names = names;
    tell_names(&s->label_names, listener);
    return AT_OK;
}
