/* The chat template of a model: from messages to the one text that the model reads, as transformers' apply_chat_template gives it. The text
 * holds the special tokens by their names; it is tokenised without further ones (at_encode_options.no_special). */
#ifndef AT_TEXT_CHAT_H
#define AT_TEXT_CHAT_H

#include "text/jinja.h"

typedef struct at_chat at_chat; /* read-only once opened */

/* chat_template.jinja (and additional_chat_templates/), else the chat_template of tokenizer_config.json: one, or several with names, of
 * which "tool_use" is taken where there are tools and "default" otherwise. Special tokens are those of tokenizer_config.json, or
 * special_tokens_map.json. AT_BAD_MODEL where the folder has no template, or one that is not understood: a sentence with file, line and
 * column. */
at_status at_chat_open(const char *folder, at_chat **chat, at_error *err);
/* A template from elsewhere (a GGUF file); tokens: an object of strings, {"bos_token": "<s>", ...}, or NULL. */
at_status at_chat_open_text(const char *name, const char *text, size_t len, const json_t *tokens, at_chat **chat, at_error *err);
void at_chat_close(at_chat *chat);

typedef struct at_chat_request {
    const json_t *messages;    /* a list of {"role": .., "content": ..} and what else the template knows */
    const json_t *tools;       /* a list of JSON schemas, or NULL */
    const json_t *documents;   /* a list, or NULL */
    const json_t *more;        /* an object of further variables of the template ("enable_thinking": false), or NULL */
    int add_generation_prompt; /* ends with what the answer begins with */
    time_t now;                /* what strftime_now shows; 0: the clock */
} at_chat_request;

/* AT_BAD_DATA: they are no list of objects. */
at_status at_chat_check(const json_t *messages, at_error *err);

/* out->span: what the model itself said, where the template marks it. */
at_status at_chat_text(const at_chat *chat, const at_chat_request *request, at_arena *arena, at_jinja_text *out, at_error *err);

#endif
