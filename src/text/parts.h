/* What a tokenizer consists of. Private to src/text. */
#ifndef AT_TEXT_PARTS_H
#define AT_TEXT_PARTS_H

#include "text/added.h"
#include "text/bert.h"
#include "text/decoder.h"
#include "text/pretokenizer.h"
#include "text/template.h"
#include "text/tokenizer.h"

enum { AT_ROLE_CLS, AT_ROLE_SEP, AT_ROLE_PAD, AT_ROLE_MASK, AT_ROLE_UNK, AT_ROLES };

struct at_tokenizer {
    at_arena arena;
    at_normalizers normalizers;
    at_pretokenizers pretokenizers;
    at_vocab vocab;       /* the model's */
    at_wordpiece model;
    at_added added;
    at_vocab added_vocab; /* texts of all added tokens by their ids */
    uint8_t *added_special; /* by id below added_vocab.size */
    at_templates templates;
    at_decoder decoder;
    at_bert *bert;        /* the one-pass path, where the parts are BERT's; else NULL */
    int truncate_left;
    int max_length;
    const char *max_length_source;
    int32_t special[AT_ROLES];
};

/* What an added token is made from, in whatever file it stands. */
typedef struct at_added_entry {
    at_added_token token;
    json_int_t id; /* the file's; -1: it gives none */
} at_added_entry;

/* A tokenizer from the text of a tokenizer.json alone; `name` is for errors. */
at_status at_tokenizer_open_text(const char *name, const char *text, size_t len, at_tokenizer **tokenizer, at_error *err);

/* Steps of opening, shared by the formats. `path` is for errors. */
at_status at_tokenizer_read_json(at_tokenizer *t, const char *path, const json_t *root, at_error *err);
/* `config` is tokenizer_config.json with what only special_tokens_map.json says, `added` added_tokens.json; or NULL. */
at_status at_tokenizer_read_vocab_txt(at_tokenizer *t, const char *folder, const json_t *config, const json_t *added,
                                      at_error *err);
at_status at_tokenizer_set_model(at_tokenizer *t, const char *path, const char *unknown, const char *prefix,
                                 json_int_t max_chars, at_error *err);
at_status at_tokenizer_set_added(at_tokenizer *t, const char *path, const at_added_entry *entry, int n, at_error *err);
int at_tokenizer_n_ids(const at_tokenizer *t);

#endif
