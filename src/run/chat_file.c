#include "run/chat_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/gguf.h"
#include "run/events.h"

static const size_t CHAT_BYTES = (size_t)64 << 20;

static at_status read_stdin(json_t **root, at_error *err) {
    char *text = NULL;
    size_t cap = 0, len = 0, got;
    at_status st = AT_OK;
    do {
        if (len + (1 << 16) > cap) {
            char *more = realloc(text, cap = 2 * cap + (1 << 16));
            if (!more) {
                free(text);
                return at_fail_memory(err, cap);
            }
            text = more;
        }
        got = fread(text + len, 1, 1 << 16, stdin);
        len += got;
        if (len > CHAT_BYTES) st = at_fail(err, AT_BAD_DATA, "standard input: a conversation of more than 64 MiB");
    } while (got && !st);
    if (!st) st = at_json_parse(text, len, "standard input", AT_BAD_DATA, root, err);
    free(text);
    return st;
}

static at_status load(const char *path, json_t **root, at_error *err) {
    return strcmp(path, "-") ? at_json_load(path, CHAT_BYTES, AT_BAD_DATA, root, err) : read_stdin(root, err);
}

/* The variables of an object, without those that have a place of their own. */
static json_t *rest_of(const json_t *root) {
    static const char *const OWN[] = {"messages", "tools", "documents"};
    json_t *more = json_copy((json_t *)(uintptr_t)root);
    for (int i = 0; more && i < 3; i++) json_object_del(more, OWN[i]);
    return more;
}

static const json_t *list_of(const json_t *root, const char *key) {
    const json_t *list = json_object_get(root, key);
    return json_is_null(list) ? NULL : list;
}

at_status at_tools_read(const char *path, json_t **tools, at_error *err) {
    AT_TRY(load(path, tools, err));
    if (json_is_array(*tools)) return AT_OK;
    json_decref(*tools);
    *tools = NULL;
    return at_fail(err, AT_BAD_DATA, "%s: the tools are not a list", path);
}

at_status at_conversation_read(const char *path, const char *tools_path, at_conversation *c, at_error *err) {
    *c = (at_conversation){0};
    AT_TRY(load(path, &c->root, err));
    if (tools_path) AT_TRY(at_tools_read(tools_path, &c->tools, err));
    if (json_is_object(c->root) && !(c->more = rest_of(c->root))) return at_fail_memory(err, 0);
    const json_t *tools = c->tools ? c->tools : list_of(c->root, "tools");
    if (tools && !json_is_array(tools)) return at_fail(err, AT_BAD_DATA, "%s: the tools are not a list", path);
    c->request = (at_chat_request){.messages = json_is_object(c->root) ? json_object_get(c->root, "messages") : c->root, .tools = tools,
                                   .documents = list_of(c->root, "documents"), .more = c->more};
    if (!c->request.messages) return at_fail(err, AT_BAD_DATA, "%s: there is no list of messages", path);
    return at_chat_check(c->request.messages, err) ? at_fail_prefix(err, "%s", path) : AT_OK;
}

void at_conversation_close(at_conversation *c) {
    json_decref(c->root);
    json_decref(c->tools);
    json_decref(c->more);
    *c = (at_conversation){0};
}

/* The text is made once more without them; where that is an error, the template asks for them. */
static int leave_no_trace(const at_chat *chat, const at_chat_request *request, const at_jinja_text *with) {
    at_chat_request without = *request;
    at_jinja_text text;
    at_arena arena = {0};
    at_error err;
    without.tools = NULL;
    int same = !at_chat_text(chat, &without, &arena, &text, &err) && text.len == with->len && !memcmp(text.text, with->text, text.len);
    at_arena_free(&arena);
    return same;
}

at_status at_conversation_text(const at_chat *chat, const at_chat_request *request, const at_listener *listener, at_arena *arena, at_jinja_text *out,
                               at_error *err) {
    at_chat_request same = *request;
    if (!same.now) same.now = time(NULL);
    AT_TRY(at_chat_text(chat, &same, arena, out, err));
    if (json_array_size(request->tools) && leave_no_trace(chat, &same, out))
        at_tell_warning(listener, "The model's chat template has no place for tools: the text is the same without them, and the model does not know of them.");
    return AT_OK;
}

static at_status open_packed(const char *path, at_chat **chat, at_error *err) {
    at_gguf *file;
    json_t *tokenizer, *config;
    AT_TRY(at_gguf_open(path, &file, err));
    at_status st = at_gguf_tokenizer(file, &tokenizer, &config, err);
    at_gguf_close(file);
    if (st) return st;
    const char *text = json_string_value(json_object_get(config, "chat_template"));
    st = text ? at_chat_open_text(path, text, strlen(text), config, chat, err)
              : at_fail(err, AT_BAD_MODEL, "%s: has no chat template (tokenizer.chat_template)", path);
    json_decref(tokenizer);
    json_decref(config);
    return st;
}

at_status at_model_chat_open(const char *folder, at_chat **chat, at_error *err) {
    *chat = NULL;
    return at_gguf_is(folder) ? open_packed(folder, chat, err) : at_chat_open(folder, chat, err);
}
