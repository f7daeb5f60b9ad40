/* A conversation in a file: a JSON list of messages, or an object with `messages`, maybe `tools` and `documents`, and further variables of
 * the chat template. For the commands that show or answer a conversation. */
#ifndef AT_RUN_CHAT_FILE_H
#define AT_RUN_CHAT_FILE_H

#include "text/chat.h"

typedef struct at_conversation {
    json_t *root, *tools; /* owned: what the two files hold; tools may be NULL */
    json_t *more;         /* owned */
    at_chat_request request; /* refers to them */
} at_conversation;

/* path "-": standard input. tools_path NULL: none but those of the file. Errors name the file. Close it in every case. */
at_status at_conversation_read(const char *path, const char *tools_path, at_conversation *conversation, at_error *err);
void at_conversation_close(at_conversation *conversation);

/* As at_chat_text. Tools that leave no trace in the text are warned of: the template has no place for them, so the model does not know of them. */
at_status at_conversation_text(const at_chat *chat, const at_chat_request *request, const at_listener *listener, at_arena *arena, at_jinja_text *out,
                               at_error *err);

/* A list of tools in a file of its own; path "-": standard input. The caller gives up the reference. */
at_status at_tools_read(const char *path, json_t **tools, at_error *err);

/* The chat template of a model folder or of a GGUF file. */
at_status at_model_chat_open(const char *folder, at_chat **chat, at_error *err);

#endif
