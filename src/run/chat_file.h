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

/* The chat template of a model folder or of a GGUF file. */
at_status at_model_chat_open(const char *folder, at_chat **chat, at_error *err);

#endif
