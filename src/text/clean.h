/* The spaces that tokens leave around punctuation and short forms: "you 've done it ." becomes "you've done it.". A rule of the library `tokenizers`
 * for single tokens (its WordPiece and CTC decoders) and of transformers for whole texts (clean_up_tokenization). Private to src/text. */
#ifndef AT_TEXT_CLEAN_H
#define AT_TEXT_CLEAN_H

#include "base/str.h"

/* Replaces every `from` by `to`, which is not longer, in what stands from `begin` on. */
void at_replace_all(at_str *s, size_t begin, const char *from, const char *to);

/* What stands from `begin` on is a token with the space before it. */
void at_clean_token(at_str *s, size_t begin);
/* What stands from `begin` on is a text, or a part that at_clean_ready allows to be taken for itself. */
void at_clean_text(at_str *s, size_t begin);
/* How many bytes at the text's beginning are cleaned alike whatever follows them; what is left is then cleaned for itself, too. */
size_t at_clean_ready(const char *text, size_t len);

#endif
