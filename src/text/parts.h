/* What a tokenizer consists of. Private to src/text. */
#ifndef AT_TEXT_PARTS_H
#define AT_TEXT_PARTS_H

#include "text/added.h"
#include "text/bert.h"
#include "text/bytepass.h"
#include "text/decoder.h"
#include "text/model.h"
#include "text/pretokenizer.h"
#include "text/template.h"
#include "text/tokenizer.h"

enum { AT_ROLE_CLS, AT_ROLE_SEP, AT_ROLE_PAD, AT_ROLE_MASK, AT_ROLE_UNK, AT_ROLE_BOS, AT_ROLE_EOS, AT_ROLES };

struct at_tokenizer {
    at_arena arena;
    at_patterns patterns;
    at_normalizers normalizers;
    at_pretokenizers pretokenizers;
    at_vocab vocab;       /* the model's */
    at_model model;
    at_spaces spaces;     /* where offsets are trimmed */
    at_added added;
    at_vocab added_vocab; /* texts of all added tokens by their ids */
    const at_added_token **added_by_id; /* below added_vocab.size; NULL: none */
    at_templates templates;
    at_decoders decoders;
    int cleans;           /* the decoded text, of the spaces before punctuation */
    at_bert *bert;        /* the one-pass path, where the parts are BERT's; else NULL */
    at_bytepass *bytepass; /* the one for byte-level BPE; else NULL */
    at_tokenizer_settings settings;
    int truncate_left;
    int max_length;
    const char *max_length_source;
    int32_t special[AT_ROLES];
    int keeps;            /* what it was made from is wanted as a tokenizer.json: */
    json_t *root;         /* owned; NULL: not wanted, or there is no way to say it */
};

/* What an added token is made from, in whatever file it stands. */
typedef struct at_added_entry {
    at_added_token token;
    json_int_t id; /* the file's; -1: it gives none */
} at_added_entry;

/* A tokenizer from the text of a tokenizer.json alone; `name` is for errors. */
at_status at_tokenizer_open_text(const char *name, const char *text, size_t len, at_tokenizer **tokenizer, at_error *err);

/* Steps of opening, shared by the formats. `path` is for errors. A model that t has already stays. */
at_status at_tokenizer_read_json(at_tokenizer *t, const char *path, const json_t *root, at_error *err);
/* `config` is tokenizer_config.json with what only special_tokens_map.json says, and the tokenizer_class that config.json's model_type stands for where
 * it names none; `added` added_tokens.json; or NULL. */
at_status at_tokenizer_read_vocab_txt(at_tokenizer *t, const char *folder, const json_t *config, const json_t *added,
                                      at_error *err);
at_status at_tokenizer_set_wordpiece(at_tokenizer *t, const char *path, const char *unknown, const char *prefix,
                                     json_int_t max_chars, at_error *err);
/* read_model.c: "model" of tokenizer.json. */
at_status at_tokenizer_read_model(at_tokenizer *t, const char *path, const json_t *model, at_error *err);
/* A BPE over t->vocab, which is filled but not indexed, with room for n_merges; then merge by merge, `number` being its rank. */
at_status at_tokenizer_set_bpe(at_tokenizer *t, const char *path, const at_bpe *settings, const char *unknown, size_t n_merges,
                               at_error *err);
at_status at_tokenizer_add_merge(at_tokenizer *t, const char *path, size_t number, const char *left, size_t left_len, const char *right,
                                 size_t right_len, at_error *err);
/* A SentencePiece model; `config` and `added` as of at_tokenizer_read_vocab_txt. */
at_status at_tokenizer_read_spm(at_tokenizer *t, const char *path, const void *bytes, size_t len, const json_t *config, const json_t *added,
                                at_error *err);
/* The model alone; config NULL: without a tokenizer_config.json. */
at_status at_tokenizer_open_spm(const char *name, const void *bytes, size_t len, const json_t *config, at_tokenizer **tokenizer, at_error *err);
/* vocab.json and merges.txt. */
at_status at_tokenizer_read_bpe_files(at_tokenizer *t, const char *folder, const json_t *config, const json_t *added, at_error *err);
at_status at_tokenizer_set_added(at_tokenizer *t, const char *path, const at_added_entry *entry, int n, at_error *err);
int at_tokenizer_n_ids(const at_tokenizer *t);
/* The fast paths and what trimming needs, once all parts are known. */
at_status at_tokenizer_finish(at_tokenizer *t, at_error *err);

/* encode.c: white space (and U+0120) that a text begins and ends with, in characters. */
void at_count_spaces(const char *text, size_t len, int32_t *lead, int32_t *trail);

#endif
