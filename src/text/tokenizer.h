/* Tokenizers: text -> token ids with offsets into the original text, exactly as the `tokenizers` library gives them.
 *
 * Opens tokenizer.json (Hugging Face) or, for old folders, vocab.txt with tokenizer_config.json. The opened tokenizer is
 * read-only: any number of threads may encode with it at once, each with an at_encoding of its own. */
#ifndef AT_TEXT_TOKENIZER_H
#define AT_TEXT_TOKENIZER_H

#include "base/arena.h"

typedef struct at_tokenizer at_tokenizer;

/* One encoded text or pair. Zero-initialise; grows as needed and is reused between calls. */
typedef struct at_encoding {
    int32_t *ids;
    uint8_t *types;       /* 0 first text and its special tokens, 1 second */
    int32_t *start, *end; /* offsets in characters (code points) of the text the token is from; 0,0 for added specials */
    int32_t *word;        /* index of the pre-token in its text, -1 for added specials */
    uint8_t *special;     /* 1 where the token was added by the template */
    int n, cap;
    int n_cut;            /* tokens that the limit cut off */
    void *work;           /* private buffers */
} at_encoding;

typedef struct at_encode_options {
    int max_tokens;       /* with special tokens; 0: no limit. A pair is cut longest first, as `tokenizers` does */
    int no_special;       /* 1: without the template */
} at_encode_options;

at_status at_tokenizer_open(const char *folder, at_tokenizer **tokenizer, at_error *err);
void at_tokenizer_close(at_tokenizer *tokenizer);

/* The longest input that the folder's own files ask for, and which file said so ("sentence_bert_config.json: max_seq_length"), or 0.
 * Order: sentence_bert_config.json max_seq_length, tokenizer_config.json model_max_length, tokenizer.json truncation.
 * The caller bounds it by the model's positions. Padding settings in tokenizer.json are never used. */
int at_tokenizer_max_length(const at_tokenizer *tokenizer, const char **source);

int at_tokenizer_size(const at_tokenizer *tokenizer);                          /* highest id + 1 */
const char *at_tokenizer_token(const at_tokenizer *tokenizer, int32_t id);     /* or NULL */
int32_t at_tokenizer_id(const at_tokenizer *tokenizer, const char *token);     /* or -1 */
int32_t at_tokenizer_special(const at_tokenizer *tokenizer, const char *role); /* "cls" "sep" "pad" "mask" "unk"; -1 */

/* `second` NULL: a single text. Texts are UTF-8 of the given bytes, NUL bytes allowed as characters. */
at_status at_encode(const at_tokenizer *tokenizer, const char *text, size_t len, const char *second, size_t second_len,
                    const at_encode_options *options, at_encoding *encoding, at_error *err);
void at_encoding_free(at_encoding *encoding);

/* Ids back to text, by the tokenizer's decoder. */
at_status at_decode(const at_tokenizer *tokenizer, at_arena *arena, const int32_t *ids, int n, int skip_special,
                    char **text, at_error *err);

#endif
