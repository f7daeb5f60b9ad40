/* Tokenizers: text -> token ids with offsets into the original text, exactly as the `tokenizers` library gives them.
 *
 * Opens tokenizer.json (Hugging Face) or, for folders without one, a SentencePiece model (tokenizer.model, spiece.model),
 * vocab.json with merges.txt, or vocab.txt, each with tokenizer_config.json.
 * The opened tokenizer is read-only: any number of threads may encode with it at once, each with an at_encoding of its own. */
#ifndef AT_TEXT_TOKENIZER_H
#define AT_TEXT_TOKENIZER_H

#include "base/arena.h"
#include "base/json.h"

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

typedef enum at_cut { AT_CUT_LONGEST, AT_CUT_FIRST, AT_CUT_SECOND } at_cut;

typedef struct at_encode_options {
    int max_tokens;       /* with special tokens; 0: no limit */
    int no_special;       /* 1: without the template */
    at_cut cut;           /* which text of a pair is cut; LONGEST as `tokenizers` does longest_first. A text alone is always cut. FIRST and
                           * SECOND fail with AT_BAD_DATA where the other text leaves no token of this one */
} at_encode_options;

/* What tokenizer.json itself says about truncation and padding; the caller decides whether to follow. */
typedef struct at_tokenizer_settings {
    int truncates, max_length, stride, truncate_left;
    at_cut cut;
    int pads, pad_to;     /* pad_to 0: to the longest of a batch */
    int pad_multiple;     /* 0: none */
    int pad_left, pad_type;
    int32_t pad_id;
} at_tokenizer_settings;

int at_tokenizer_is_in(const char *folder); /* one of the files that at_tokenizer_open reads a vocabulary from is there */
at_status at_tokenizer_open(const char *folder, at_tokenizer **tokenizer, at_error *err);
/* The tokenizer.json of a folder, or what one would say of its vocab.txt, its vocab.json and merges.txt, or its SentencePiece model of Unigram as the classes
 * of transformers read one; every added token with its id. *root NULL: there is no way to say it. The caller decrefs it. */
at_status at_tokenizer_as_json(const char *folder, json_t **root, at_error *err);
/* From what a tokenizer.json and a tokenizer_config.json (or NULL) hold; `name` is for errors. */
at_status at_tokenizer_open_parsed(const char *name, const json_t *root, const json_t *config, at_tokenizer **tokenizer, at_error *err);
void at_tokenizer_close(at_tokenizer *tokenizer);

/* The longest input that the folder's own files ask for, and which file said so ("sentence_bert_config.json: max_seq_length"), or 0.
 * Order: sentence_bert_config.json max_seq_length, tokenizer_config.json model_max_length, tokenizer.json truncation.
 * The caller bounds it by the model's positions. Padding settings in tokenizer.json are never used. */
int at_tokenizer_max_length(const at_tokenizer *tokenizer, const char **source);

int at_tokenizer_size(const at_tokenizer *tokenizer);                          /* highest id + 1 */
const char *at_tokenizer_token(const at_tokenizer *tokenizer, int32_t id);     /* or NULL */
int32_t at_tokenizer_id(const at_tokenizer *tokenizer, const char *token);     /* or -1 */
int32_t at_tokenizer_special(const at_tokenizer *tokenizer, const char *role); /* "cls" "sep" "pad" "mask" "unk" "bos" "eos"; -1 */
const at_tokenizer_settings *at_tokenizer_asks(const at_tokenizer *tokenizer);

/* `second` NULL: a single text. Texts are UTF-8 of the given bytes, NUL bytes allowed as characters. */
at_status at_encode(const at_tokenizer *tokenizer, const char *text, size_t len, const char *second, size_t second_len,
                    const at_encode_options *options, at_encoding *encoding, at_error *err);
void at_encoding_free(at_encoding *encoding);

/* Ids back to text, by the tokenizer's decoder, and without spaces before punctuation where tokenizer_config.json asks for that
 * (clean_up_tokenization_spaces). `text` may hold NUL bytes (byte-level tokens); *len, where not NULL, is its length. */
at_status at_decode(const at_tokenizer *tokenizer, at_arena *arena, const int32_t *ids, int n, int skip_special,
                    char **text, at_error *err);
at_status at_decode_bytes(const at_tokenizer *tokenizer, at_arena *arena, const int32_t *ids, int n, int skip_special, char **text,
                          size_t *len, at_error *err);

/* Ids back to text as they come, as the library's DecodeStream: what a step gives are whole characters, and all of it together is the
 * text of all ids. Zero-initialise with skip_special. */
typedef struct at_decode_stream {
    int skip_special;
    int32_t *ids; /* what the next text depends on */
    int n, cap, done; /* the first `done` of them have been given */
    int begun;    /* text was given that depended on earlier ones */
    char *given;  /* their text */
    size_t given_len, given_cap;
    char *tail;   /* what may still lose a space, where the tokenizer cleans */
    size_t tail_len, tail_cap;
    at_arena arena; /* of the last answer */
} at_decode_stream;
/* *text, of *len bytes and NUL-terminated, is valid until the next call; *len is 0 where the id gives no whole character yet. */
at_status at_decode_step(const at_tokenizer *tokenizer, at_decode_stream *stream, int32_t id, const char **text, size_t *len,
                         at_error *err);
/* What is left: an unfinished character becomes U+FFFD. The stream is then as at the beginning. */
at_status at_decode_end(const at_tokenizer *tokenizer, at_decode_stream *stream, const char **text, size_t *len, at_error *err);
void at_decode_stream_free(at_decode_stream *stream);

#endif
