#include "run/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/str.h"

static const size_t CONFIG_BYTES = (size_t)1 << 20;

typedef struct value {
    char *text; /* owned; NULL: the default */
    int rank;   /* 0 default, 1 file, 2 call */
} value;

struct at_options {
    unsigned command;
    const at_setting *settings;
    int n;
    const char *cpu; /* ATTUNE_CPU, the default of `cpu` */
    value values[];  /* [n] */
};

at_options *at_options_new(unsigned command) {
    int n;
    const at_setting *settings = at_settings(&n);
    at_options *options = calloc(1, sizeof *options + (size_t)n * sizeof options->values[0]);
    if (!options) return NULL;
    options->command = command;
    options->settings = settings;
    options->n = n;
    const char *cpu = getenv("ATTUNE_CPU");
    options->cpu = cpu && *cpu ? cpu : NULL;
    return options;
}

void at_options_free(at_options *options) {
    if (!options) return;
    for (int i = 0; i < options->n; i++) free(options->values[i].text);
    free(options);
}

unsigned at_options_command(const at_options *options) { return options->command; }

/* ---- What may be wrong with a name or a value, as sentences ---- */

/* Every name and alias of a command, in the arena. */
static const char **known_names(const at_options *options, at_arena *arena, int *n) {
    at_str all = {.arena = arena};
    int count = 0;
    for (int i = 0; i < options->n; i++) {
        const at_setting *s = &options->settings[i];
        if (!(s->commands & options->command)) continue;
        at_str_addf(&all, "%s %s%s", s->name, s->aliases ? s->aliases : "", s->aliases ? " " : "");
    }
    if (all.failed || !all.text) return NULL;
    const char **names = AT_NEW_ARRAY(arena, const char *, all.len);
    for (char *p = all.text; names && *p;) {
        size_t len = strcspn(p, " ");
        names[count++] = p;
        p += len;
        if (*p) *p++ = '\0';
    }
    *n = count;
    return names;
}

static const char *other_command(const at_options *options, const char *name) {
    for (unsigned bit = 1; at_command_name(bit); bit <<= 1)
        if (bit != options->command && at_setting_find(bit, name)) return at_command_name(bit);
    return NULL;
}

static at_status fail_unknown(const at_options *options, const char *name, at_error *err) {
    at_arena arena = {0};
    int n = 0;
    const char *command = at_command_name(options->command);
    const char **names = known_names(options, &arena, &n);
    const char *near = names ? at_nearest(name, names, n) : NULL, *other = other_command(options, name);
    const char *instead = options->command == AT_CMD_TRAIN ? at_setting_instead(name) : NULL;
    at_status st;
    if (instead)
        st = at_fail(err, AT_USAGE, "'%.100s' is not a setting here: %s", name, instead);
    else if (other && command)
        st = at_fail(err, AT_USAGE, "'%s' is a setting of `%s`, not of `%s`", name, other, command);
    else if (near)
        st = at_fail(err, AT_USAGE, "unknown setting '%.100s'. Did you mean '%s'?", name, near);
    else
        st = at_fail(err, AT_USAGE, "unknown setting '%.100s'; `attune %s --help` lists them all", name, command ? command : "");
    at_arena_free(&arena);
    return st;
}

static at_status check_choice(const at_setting *s, const char *text, at_error *err) {
    at_arena arena = {0};
    char *choices = at_strdup(&arena, s->choices);
    const char *list[16];
    int n = 0, known = 0;
    at_str said = {.arena = &arena};
    for (char *rest, *word = choices ? strtok_r(choices, " ", &rest) : NULL; word && n < 16; word = strtok_r(NULL, " ", &rest)) {
        at_str_addf(&said, "%s%s", n ? ", " : "", word);
        known = known || !strcmp(word, text);
        list[n++] = word;
    }
    at_status st = AT_OK;
    if (!choices || said.failed) st = at_fail_memory(err, 0);
    else if (!known) {
        const char *near = at_nearest(text, list, n);
        st = near ? at_fail(err, AT_USAGE, "%s: '%.100s' is not one of %s. Did you mean '%s'?", s->name, text, said.text, near)
                  : at_fail(err, AT_USAGE, "%s: '%.100s' is not one of %s", s->name, text, said.text);
    }
    at_arena_free(&arena);
    return st;
}

static at_status check_number(const at_setting *s, const char *text, at_error *err) {
    double number = 0;
    long long whole = 0;
    int automatic = s->fallback && !strcmp(s->fallback, "auto"), is_int = s->type == AT_SETTING_INT;
    if (automatic && !strcmp(text, "auto")) return AT_OK;
    int parsed = is_int ? at_parse_int(text, &whole) : at_parse_double(text, &number);
    if (is_int) number = (double)whole;
    if (!parsed)
        return at_fail(err, AT_USAGE, "%s: '%.100s' is not a %snumber%s", s->name, text, is_int ? "whole " : "",
                       automatic ? " (or auto)" : "");
    if (s->low < s->high && (number < s->low || number > s->high))
        return at_fail(err, AT_USAGE, "%s: %s is out of bounds; it goes from %.12g to %.12g", s->name, text, s->low, s->high);
    return AT_OK;
}

/* -1: not a flag's value. */
static int flag_value(const char *text) {
    static const char *const yes[] = {"true", "yes", "on", "1", NULL}, *const no[] = {"false", "no", "off", "0", NULL};
    for (int i = 0; yes[i]; i++) {
        if (!strcasecmp(text, yes[i])) return 1;
        if (!strcasecmp(text, no[i])) return 0;
    }
    return -1;
}

static at_status check_value(const at_setting *s, const char *text, at_error *err) {
    switch (s->type) {
    case AT_SETTING_CHOICE: return check_choice(s, text, err);
    case AT_SETTING_INT:
    case AT_SETTING_REAL: return check_number(s, text, err);
    case AT_SETTING_FLAG:
        if (flag_value(text) < 0) return at_fail(err, AT_USAGE, "%s: '%.100s' is not true or false", s->name, text);
        return AT_OK;
    case AT_SETTING_TEXT:
    case AT_SETTING_PATH:
        if (!*text) return at_fail(err, AT_USAGE, "%s: the value is empty", s->name);
        if (at_utf8_check(text, strlen(text)) != strlen(text) && s->type == AT_SETTING_TEXT)
            return at_fail(err, AT_USAGE, "%s: the value is not valid UTF-8", s->name);
        return AT_OK;
    }
    return AT_OK;
}

/* ---- Setting ---- */

/* A text's own way to say a line's end and a tab is none within JSON. */
static json_t *plain_text(const char *text) {
    char *copy = strdup(text), *to = copy;
    for (const char *p = copy; p && *p; p++) {
        int escaped = p[0] == '\\' && (p[1] == 'n' || p[1] == 't');
        *to++ = escaped ? (p[1] == 'n' ? '\n' : '\t') : *p;
        p += escaped;
    }
    if (copy) *to = '\0';
    json_t *plain = copy ? json_string(copy) : NULL;
    free(copy);
    return plain;
}

/* "x" or ["x", "y"], as the items of a list; what is neither stays a text, which reading it then refuses. */
static void append_texts(json_t *all, const char *text) {
    json_t *list = *text == '[' ? json_loads(text, 0, NULL) : NULL;
    if (json_is_array(list)) json_array_extend(all, list);
    else json_array_append_new(all, plain_text(text));
    json_decref(list);
}

/* Given again, a text that ends a text joins those before it. */
static char *joined(const char *before, const char *text) {
    json_t *all = json_array();
    append_texts(all, before);
    append_texts(all, text);
    char *list = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return list;
}

at_status at_options_put(at_options *options, const char *name, const char *text, int rank, at_error *err) {
    const at_setting *s = at_setting_find(options->command, name);
    if (!s) return fail_unknown(options, name, err);
    if (!text && s->type != AT_SETTING_FLAG) return at_fail(err, AT_USAGE, "%s: a value is missing", s->name);
    if (!text) text = "true";
    AT_TRY(check_value(s, text, err));
    value *v = &options->values[s - options->settings];
    if (v->rank > rank) return AT_OK;
    if (s->type == AT_SETTING_FLAG) text = flag_value(text) ? "true" : "false";
    char *copy = v->text && v->rank == rank && !strcmp(s->name, "stop") ? joined(v->text, text) : strdup(text);
    if (!copy) return at_fail_memory(err, strlen(text));
    free(v->text);
    v->text = copy;
    v->rank = rank;
    return AT_OK;
}

at_status at_options_set(at_options *options, const char *name, const char *text, at_error *err) {
    AT_TRY(at_options_put(options, name, text, 2, err));
    if (at_setting_find(options->command, name) == at_setting_find(options->command, "config"))
        return at_options_load(options, text, err);
    return AT_OK;
}

at_status at_options_load(at_options *options, const char *path, at_error *err) {
    at_arena arena = {0};
    char *text;
    size_t len;
    at_status st = at_file_read(&arena, path, CONFIG_BYTES, AT_USAGE, &text, &len, err);
    if (!st) st = at_options_parse_yaml(options, path, text, len, err);
    at_arena_free(&arena);
    return st;
}

/* ---- Reading ---- */

static const value *find_value(const at_options *options, const char *name, const at_setting **s) {
    *s = at_setting_find(options->command, name);
    return *s ? &options->values[*s - options->settings] : NULL;
}

const char *at_options_get(const at_options *options, const char *name, int *given) {
    const at_setting *s;
    const value *v = find_value(options, name, &s);
    if (given) *given = v && v->rank > 0;
    if (!v) return NULL;
    if (v->text) return v->text;
    return options->cpu && !strcmp(s->name, "cpu") ? options->cpu : s->fallback;
}

int at_options_given(const at_options *options, const char *name) {
    int given;
    at_options_get(options, name, &given);
    return given;
}

/* Only where the setting can be chosen by the program: a folder may be called auto. */
int at_options_is_auto(const at_options *options, const char *name) {
    const at_setting *s = at_setting_find(options->command, name);
    const char *text = at_options_get(options, name, NULL);
    return text && s->fallback && !strcmp(s->fallback, "auto") && !strcmp(text, "auto");
}

const char *at_options_text(const at_options *options, const char *name, const char *otherwise) {
    assert(at_setting_find(options->command, name));
    const char *text = at_options_get(options, name, NULL);
    return text && !at_options_is_auto(options, name) ? text : otherwise;
}

double at_options_real(const at_options *options, const char *name, double otherwise) {
    const char *text = at_options_text(options, name, NULL);
    double number;
    return text && at_parse_double(text, &number) ? number : otherwise;
}

long long at_options_int(const at_options *options, const char *name, long long otherwise) {
    const char *text = at_options_text(options, name, NULL);
    long long number;
    return text && at_parse_int(text, &number) ? number : otherwise;
}

int at_options_flag(const at_options *options, const char *name) {
    const char *text = at_options_text(options, name, "false");
    return flag_value(text) == 1;
}

int at_options_choice(const at_options *options, const char *name) {
    const at_setting *s = at_setting_find(options->command, name);
    assert(s && s->choices);
    const char *text = at_options_get(options, name, NULL), *p = s->choices;
    for (int i = 0; *p; i++) {
        size_t len = strcspn(p, " ");
        if (!strncmp(text, p, len) && !text[len]) return i;
        p += len + (p[len] == ' ');
    }
    return 0;
}

char **at_options_list(const at_options *options, const char *name, at_arena *arena, int *n) {
    const char *text = at_options_text(options, name, "");
    char *copy = at_strdup(arena, text), **items = AT_NEW_ARRAY(arena, char *, strlen(text) / 2 + 2);
    if (!copy || !items) return NULL;
    *n = 0;
    for (char *rest, *item = strtok_r(copy, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        item += strspn(item, " \t");
        size_t len = strlen(item);
        while (len && (item[len - 1] == ' ' || item[len - 1] == '\t')) item[--len] = '\0';
        if (len) items[(*n)++] = item;
    }
    return items;
}

static json_t *value_json(const at_setting *s, const char *text) {
    double number;
    long long whole;
    if (!text) return json_null();
    if (s->type == AT_SETTING_FLAG) return json_boolean(flag_value(text) == 1);
    if (s->type == AT_SETTING_INT && at_parse_int(text, &whole)) return json_integer(whole);
    if (s->type == AT_SETTING_REAL && at_parse_double(text, &number)) return json_real(number);
    json_t *string = json_string(text);
    return string ? string : json_null(); /* a path may be no UTF-8 */
}

json_t *at_options_json(const at_options *options) {
    json_t *object = json_object();
    for (int i = 0; object && i < options->n; i++) {
        const at_setting *s = &options->settings[i];
        if (!(s->commands & options->command)) continue;
        if (json_object_set_new(object, s->name, value_json(s, at_options_get(options, s->name, NULL)))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}
