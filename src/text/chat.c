#include "text/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { MOST_TEMPLATES = 32 };
static const size_t TEMPLATE_BYTES = (size_t)1 << 20;

struct at_chat {
    at_arena arena;
    const char *name[MOST_TEMPLATES];
    at_jinja *jinja[MOST_TEMPLATES];
    int n;
    json_t *tokens; /* {"bos_token": "<s>", ...} */
};

static at_status add_template(at_chat *chat, const char *name, const char *where, const char *text, size_t len, at_error *err) {
    if (chat->n == MOST_TEMPLATES) return at_fail(err, AT_BAD_MODEL, "%s: more than %d chat templates", where, MOST_TEMPLATES);
    AT_TRY(at_jinja_parse(&chat->arena, where, text, len, &chat->jinja[chat->n], err));
    chat->name[chat->n] = at_strdup(&chat->arena, name);
    return chat->name[chat->n++] ? AT_OK : at_fail_memory(err, strlen(name));
}

/* ---- a folder ---- */

static at_status add_file(at_chat *chat, const char *name, const char *path, at_error *err) {
    char *text;
    size_t len;
    AT_TRY(at_file_read(&chat->arena, path, TEMPLATE_BYTES, AT_BAD_MODEL, &text, &len, err));
    return add_template(chat, name, path, text, len, err);
}

/* chat_template.jinja, and by name what additional_chat_templates holds. */
static at_status add_files(at_chat *chat, const char *folder, at_error *err) {
    static const char END[] = ".jinja";
    char **names = NULL;
    int n = 0;
    const char *path = at_path_join(&chat->arena, folder, "chat_template.jinja"), *more = NULL;
    if (path) more = at_path_join(&chat->arena, folder, "additional_chat_templates");
    if (!path || !more) return at_fail_memory(err, strlen(folder));
    if (!at_file_exists(path)) return AT_OK;
    AT_TRY(add_file(chat, "default", path, err));
    if (at_is_folder(more)) AT_TRY(at_folder_list(&chat->arena, more, &names, &n, err));
    for (int i = 0; i < n; i++) {
        size_t len = strlen(names[i]);
        if (len <= strlen(END) || strcmp(names[i] + len - strlen(END), END)) continue;
        char *name = at_strndup(&chat->arena, names[i], len - strlen(END)), *file = at_path_join(&chat->arena, more, names[i]);
        if (!name || !file) return at_fail_memory(err, len);
        AT_TRY(add_file(chat, name, file, err));
    }
    return AT_OK;
}

static at_status add_from_config(at_chat *chat, const char *path, const json_t *config, at_error *err) {
    const json_t *one = json_object_get(config, "chat_template");
    const char *where = at_format(&chat->arena, "%s: chat_template", path);
    if (!where) return at_fail_memory(err, strlen(path));
    if (json_is_string(one)) return add_template(chat, "default", where, json_string_value(one), json_string_length(one), err);
    for (size_t i = 0; i < json_array_size(one); i++) {
        const json_t *item = json_array_get(one, i), *text = json_object_get(item, "template");
        const char *name = json_string_value(json_object_get(item, "name"));
        if (!name || !json_is_string(text)) return at_fail(err, AT_BAD_MODEL, "%s: item %zu has no 'name' or no 'template'", where, i);
        const char *place = at_format(&chat->arena, "%s '%s'", where, name);
        if (!place) return at_fail_memory(err, strlen(where));
        AT_TRY(add_template(chat, name, place, json_string_value(text), json_string_length(text), err));
    }
    return AT_OK;
}

static int ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* Keys that end in "_token", as a text or as {"content": text}. What is there already stays. */
static void take_tokens(json_t *tokens, const json_t *from) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        const json_t *text = json_is_object(value) ? json_object_get(value, "content") : value;
        if (ends_with(key, "_token") && json_is_string(text) && !json_object_get(tokens, key))
            json_object_set(tokens, key, (json_t *)(uintptr_t)text);
    }
}

static at_status load(at_chat *chat, const char *folder, const char *name, json_t **root, const char **path, at_error *err) {
    *path = at_path_join(&chat->arena, folder, name);
    if (!*path) return at_fail_memory(err, strlen(folder));
    return at_file_exists(*path) ? at_json_load(*path, AT_JSON_TOKENIZER_BYTES, AT_BAD_MODEL, root, err) : AT_OK;
}

static at_status open_folder(at_chat *chat, const char *folder, json_t **config, json_t **map, at_error *err) {
    const char *path, *map_path;
    chat->tokens = json_object();
    if (!chat->tokens) return at_fail_memory(err, 0);
    AT_TRY(load(chat, folder, "tokenizer_config.json", config, &path, err));
    AT_TRY(load(chat, folder, "special_tokens_map.json", map, &map_path, err));
    take_tokens(chat->tokens, *config);
    take_tokens(chat->tokens, *map);
    AT_TRY(add_files(chat, folder, err));
    if (!chat->n) AT_TRY(add_from_config(chat, path, *config, err));
    if (chat->n) return AT_OK;
    return at_fail(err, AT_BAD_MODEL,
                   "%s: the model has no chat template: neither chat_template.jinja nor a chat_template in tokenizer_config.json", folder);
}

at_status at_chat_open(const char *folder, at_chat **chat, at_error *err) {
    json_t *config = NULL, *map = NULL;
    *chat = NULL;
    at_chat *c = calloc(1, sizeof *c);
    if (!c) return at_fail_memory(err, sizeof *c);
    at_status st = open_folder(c, folder, &config, &map, err);
    json_decref(config);
    json_decref(map);
    if (st) at_chat_close(c);
    else *chat = c;
    return st;
}

at_status at_chat_open_text(const char *name, const char *text, size_t len, const json_t *tokens, at_chat **chat, at_error *err) {
    *chat = NULL;
    at_chat *c = calloc(1, sizeof *c);
    if (!c) return at_fail_memory(err, sizeof *c);
    c->tokens = json_object();
    at_status st = c->tokens ? add_template(c, "default", name, text, len, err) : at_fail_memory(err, 0);
    if (!st && tokens) take_tokens(c->tokens, tokens);
    if (st) at_chat_close(c);
    else *chat = c;
    return st;
}

void at_chat_close(at_chat *chat) {
    if (!chat) return;
    json_decref(chat->tokens);
    at_arena_free(&chat->arena);
    free(chat);
}

/* ---- a request ---- */

/* As transformers passes a message on: keys without a value are left out; reasoning goes by every name that templates know it by. */
static json_t *plain_message(const json_t *message) {
    static const char *const REASONING[] = {"reasoning_content", "thinking", "reasoning"};
    json_t *made = json_object(), *reasoning = NULL, *value;
    const char *key;
    for (int i = 0; i < 3 && !reasoning; i++) {
        reasoning = json_object_get(message, REASONING[i]);
        if (json_is_null(reasoning)) reasoning = NULL;
    }
    if (reasoning) json_object_set(made, "thinking", reasoning);
    json_object_foreach((json_t *)(uintptr_t)message, key, value) {
        if (!json_is_null(value)) json_object_set(made, key, value);
    }
    if (reasoning) json_object_set(made, "reasoning_content", reasoning);
    return made;
}

at_status at_chat_check(const json_t *messages, at_error *err) {
    if (!json_is_array(messages)) return at_fail(err, AT_BAD_DATA, "the messages are not a list");
    if (!json_array_size(messages)) return at_fail(err, AT_BAD_DATA, "there are no messages");
    for (size_t i = 0; i < json_array_size(messages); i++)
        if (!json_is_object(json_array_get(messages, i)))
            return at_fail(err, AT_BAD_DATA, "message %zu is not an object with role and content", i + 1);
    return AT_OK;
}

static json_t *variables_of(const at_chat *chat, const at_chat_request *request) {
    json_t *all = json_object(), *messages = json_array();
    for (size_t i = 0; i < json_array_size(request->messages); i++)
        json_array_append_new(messages, plain_message(json_array_get(request->messages, i)));
    json_object_update(all, chat->tokens);
    if (request->more) json_object_update(all, (json_t *)(uintptr_t)request->more);
    json_object_set_new(all, "messages", messages);
    json_object_set_new(all, "tools", request->tools ? json_incref((json_t *)(uintptr_t)request->tools) : json_null());
    json_object_set_new(all, "documents", request->documents ? json_incref((json_t *)(uintptr_t)request->documents) : json_null());
    json_object_set_new(all, "add_generation_prompt", json_boolean(request->add_generation_prompt));
    return all;
}

static const at_jinja *choose(const at_chat *chat, int has_tools, at_error *err) {
    const at_jinja *found = NULL;
    for (int i = 0; i < chat->n; i++) {
        if (!strcmp(chat->name[i], "default") && !found) found = chat->jinja[i];
        if (!strcmp(chat->name[i], "tool_use") && has_tools) found = chat->jinja[i];
    }
    if (!found) at_fail(err, AT_BAD_MODEL, "the model has chat templates, and none is called 'default'");
    return found;
}

at_status at_chat_text(const at_chat *chat, const at_chat_request *request, at_arena *arena, at_jinja_text *out, at_error *err) {
    AT_TRY(at_chat_check(request->messages, err));
    const at_jinja *jinja = choose(chat, request->tools != NULL, err);
    if (!jinja) return AT_BAD_MODEL;
    json_t *variables = variables_of(chat, request);
    at_status st = at_jinja_render(jinja, variables, NULL, request->now, arena, out, err);
    json_decref(variables);
    return st;
}
