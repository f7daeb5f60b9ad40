/* A configuration file: one YAML mapping of settings.
 *
 *     model: minilm
 *     learning_rate: 2e-5
 *     freeze: [embeddings, "layers:0-3"]     # lists become comma-separated text
 *     class_weights: {positive: 1, negative: 2.5}  # and mappings name=value,...
 *
 * Read as libyaml's events, so that nothing is built from the file but the values themselves. Every error names line and
 * column. null (or ~) leaves the default. Aliases (*x) and a second document are refused. */
#include "run/settings.h"

#include <string.h>
#include <yaml.h>

#include "base/str.h"

typedef struct reading {
    yaml_parser_t parser;
    at_options *options;
    const char *path;
    at_arena arena;
    at_error *err;
} reading;

#define FAIL_AT(r, mark, ...) fail_at((r), (mark), at_fail((r)->err, AT_USAGE, __VA_ARGS__))

static at_status fail_at(reading *r, yaml_mark_t mark, at_status st) {
    at_fail_prefix(r->err, "%s:%zu:%zu", r->path, mark.line + 1, mark.column + 1);
    return st;
}

static at_status next(reading *r, yaml_event_t *event) {
    if (yaml_parser_parse(&r->parser, event)) return AT_OK;
    if (r->parser.error == YAML_MEMORY_ERROR) return at_fail_memory(r->err, 0);
    yaml_mark_t mark = r->parser.problem_mark;
    if (r->parser.error == YAML_READER_ERROR)
        return at_fail(r->err, AT_USAGE, "%s: byte %zu: %s", r->path, r->parser.problem_offset, r->parser.problem);
    return FAIL_AT(r, mark, "not valid YAML: %s", r->parser.problem ? r->parser.problem : "unexpected text");
}

static int is_null(const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.plain_implicit && (!*text || !strcmp(text, "~") || !strcmp(text, "null"));
}

/* One scalar inside a list or a mapping, appended to `text`. */
static at_status add_scalar(reading *r, const yaml_event_t *event, const char *before, at_str *text) {
    if (event->type != YAML_SCALAR_EVENT)
        return FAIL_AT(r, event->start_mark, "a plain value was expected; lists and mappings cannot lie inside one another here");
    const char *value = (const char *)event->data.scalar.value;
    if (strlen(value) != event->data.scalar.length || strchr(value, ','))
        return FAIL_AT(r, event->start_mark, "'%.60s' has a comma or a NUL, which a list's item cannot have", value);
    at_str_add(text, before);
    at_str_add(text, value);
    return text->failed ? at_fail_memory(r->err, text->len) : AT_OK;
}

/* The rest of a list (`pairs` 0) or of a mapping (1) up to its end, as "a,b" or "k=v,k=v". */
static at_status read_items(reading *r, int pairs, at_str *text) {
    for (int i = 0;; i++) {
        yaml_event_t event;
        AT_TRY(next(r, &event));
        int at_end = event.type == (pairs ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT);
        const char *before = i == 0 ? "" : pairs && i % 2 ? "=" : ",";
        at_status st = at_end ? AT_OK : add_scalar(r, &event, before, text);
        yaml_event_delete(&event);
        if (st || at_end) return st;
    }
}

static at_status put(reading *r, const char *name, const char *value, yaml_mark_t mark) {
    at_status st = at_options_put(r->options, name, value, 1, r->err);
    return st == AT_USAGE ? fail_at(r, mark, st) : st;
}

static at_status read_value(reading *r, const char *name, const yaml_event_t *event) {
    at_str text = {.arena = &r->arena};
    at_str_add(&text, "");
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (is_null(event)) return AT_OK;
        if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
            return FAIL_AT(r, event->start_mark, "the value has a NUL in it");
        return put(r, name, (const char *)event->data.scalar.value, event->start_mark);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        AT_TRY(read_items(r, event->type == YAML_MAPPING_START_EVENT, &text));
        return put(r, name, text.text, event->start_mark);
    case YAML_ALIAS_EVENT: return FAIL_AT(r, event->start_mark, "aliases (*name) are not read here; write the value out");
    default: return FAIL_AT(r, event->start_mark, "a value was expected");
    }
}

/* The key's event -> the setting's name, checked before its value is read, so that the error stands at the key. */
static at_status read_key(reading *r, const yaml_event_t *event, unsigned char *seen, const at_setting **setting) {
    if (event->type != YAML_SCALAR_EVENT) return FAIL_AT(r, event->start_mark, "the name of a setting was expected");
    const char *name = (const char *)event->data.scalar.value;
    int n;
    *setting = at_setting_find(at_options_command(r->options), name);
    if (!*setting) return put(r, name, "", event->start_mark);
    if (!strcmp((*setting)->name, "config")) return FAIL_AT(r, event->start_mark, "a configuration file cannot name another one");
    ptrdiff_t at = *setting - at_settings(&n);
    if (seen[at]) return FAIL_AT(r, event->start_mark, "'%s' is set a second time", (*setting)->name);
    seen[at] = 1;
    return AT_OK;
}

static at_status read_mapping(reading *r, const yaml_event_t *start) {
    int n;
    at_settings(&n);
    if (start->type != YAML_MAPPING_START_EVENT)
        return FAIL_AT(r, start->start_mark, "lines of `name: value` were expected");
    unsigned char *seen = AT_NEW_ARRAY(&r->arena, unsigned char, n);
    if (!seen) return at_fail_memory(r->err, (size_t)n);
    for (;;) {
        yaml_event_t key, value;
        const at_setting *setting = NULL;
        AT_TRY(next(r, &key));
        int at_end = key.type == YAML_MAPPING_END_EVENT;
        at_status st = at_end ? AT_OK : read_key(r, &key, seen, &setting);
        yaml_event_delete(&key);
        if (st || at_end) return st;
        AT_TRY(next(r, &value));
        st = read_value(r, setting->name, &value);
        yaml_event_delete(&value);
        if (st) return st;
    }
}

static at_status read_stream(reading *r) {
    for (int documents = 0;;) {
        yaml_event_t event;
        AT_TRY(next(r, &event));
        at_status st = AT_OK;
        int at_end = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && documents++)
            st = FAIL_AT(r, event.start_mark, "a second document begins; a configuration is one document");
        else if (event.type == YAML_SCALAR_EVENT && is_null(&event))
            st = AT_OK; /* an empty file, or only comments */
        else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_SEQUENCE_START_EVENT ||
                 event.type == YAML_MAPPING_START_EVENT || event.type == YAML_ALIAS_EVENT)
            st = read_mapping(r, &event);
        yaml_event_delete(&event);
        if (st || at_end) return st;
    }
}

at_status at_options_parse_yaml(at_options *options, const char *path, const char *text, size_t len, at_error *err) {
    at_error ignored;
    reading r = {.options = options, .path = path, .err = err ? err : &ignored};
    if (!yaml_parser_initialize(&r.parser)) return at_fail_memory(err, 0);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    at_status st = read_stream(&r);
    yaml_parser_delete(&r.parser);
    at_arena_free(&r.arena);
    return st;
}
