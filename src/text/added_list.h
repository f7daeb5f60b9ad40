/* The "added_tokens" of a tokenizer.json, put together from what other files say of tokens. Private to src/text. */
#ifndef AT_TEXT_ADDED_LIST_H
#define AT_TEXT_ADDED_LIST_H

#include "base/arena.h"
#include "base/json.h"

/* "x" or {"content": "x", ...}: its text, or NULL. */
const char *at_added_content(const json_t *value);
int at_added_flag(const json_t *value, const char *key, int absent);
/* `all` is an object of tokens by their texts, in the order in which they were put. Such a token at its end, unless the text is there already. What the
 * value does not say itself: special, lstrip. */
void at_added_put(json_t *all, const json_t *value, int special, int lstrip);
/* {"7": {"content": "x", ...}, ...}, in the order of the numbers. */
void at_added_put_numbered(at_arena *arena, json_t *all, const json_t *decoder);
/* The list of them; takes over `all`. */
json_t *at_added_listed(json_t *all);
/* {"x": 7, ...}: its keys in the order of the numbers; NULL without memory. */
const char **at_added_in_order(at_arena *arena, const json_t *added);

#endif
