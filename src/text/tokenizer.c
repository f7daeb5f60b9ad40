#include "text/tokenizer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "text/parts.h"
#include "text/spec.h"

static const char *const roles[AT_ROLES] = {"cls", "sep", "pad", "mask", "unk", "bos", "eos"};

/* A JSON file that may be missing (*root NULL). Numbers are read as reals: "model_max_length" is often 1e30 in full. */
static at_status load_optional(const char *folder, const char *name, json_t **root, at_error *err) {
    at_arena arena = {0};
    char *path = at_path_join(&arena, folder, name), *text;
    size_t len;
    at_status st = path ? AT_OK : at_fail_memory(err, strlen(folder));
    *root = NULL;
    if (!st && at_file_exists(path)) {
        st = at_file_read(&arena, path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &text, &len, err);
        if (!st) st = at_json_parse_as(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, path, AT_BAD_MODEL, root, err);
    }
    at_arena_free(&arena);
    return st;
}

/* The highest id + 1 of the model's vocabulary and of the added tokens. */
int at_tokenizer_n_ids(const at_tokenizer *t) {
    return t->vocab.size > t->added_vocab.size ? t->vocab.size : t->added_vocab.size;
}

at_status at_tokenizer_set_wordpiece(at_tokenizer *t, const char *path, const char *unknown, const char *prefix,
                                     json_int_t max_chars, at_error *err) {
    if (max_chars < 0)
        return at_fail(err, AT_BAD_MODEL, "%s: max_input_chars_per_word is %lld", path, (long long)max_chars);
    AT_TRY(at_vocab_index(&t->arena, &t->vocab, prefix, err));
    int32_t id = at_vocab_id(&t->vocab, unknown, strlen(unknown));
    if (id < 0)
        return at_fail(err, AT_BAD_MODEL, "%s: the unknown token '%.80s' is not in the vocabulary", path, unknown);
    t->model = (at_model){.type = &at_model_wordpiece, .unknown = id, .as.wordpiece = {.vocab = &t->vocab, .unknown = id, .max_chars = max_chars}};
    return at_wordpiece_init(&t->arena, &t->model.as.wordpiece, prefix, err) ? at_fail_prefix(err, "%s", path) : AT_OK;
}

/* The id that the library gives: the vocabulary's, else the next free one. */
static int32_t added_id(const at_tokenizer *t, const char *content, int32_t highest) {
    int32_t id = at_vocab_id(&t->vocab, content, strlen(content));
    if (id >= 0) return id;
    return highest >= t->vocab.n ? highest + 1 : t->vocab.n;
}

static at_status give_ids(at_tokenizer *t, const char *path, const at_added_entry *entry, int n, at_added_token *token,
                          int *size, size_t *bytes, at_error *err) {
    int32_t highest = -1;
    for (int i = 0; i < n; i++) {
        token[i] = entry[i].token;
        token[i].id = added_id(t, token[i].content, highest);
        if (entry[i].id >= 0 && entry[i].id != token[i].id)
            return at_fail(err, AT_BAD_MODEL, "%s: the added token '%.80s' has the id %lld, but the vocabulary leads to %d",
                           path, token[i].content, (long long)entry[i].id, token[i].id);
        if (token[i].id > highest) highest = token[i].id;
        *bytes += strlen(token[i].content);
    }
    *size = highest + 1;
    return *size > AT_VOCAB_MAX ? at_fail(err, AT_BAD_MODEL, "%s: more than %d tokens", path, AT_VOCAB_MAX) : AT_OK;
}

/* Every added token must be alone with its id and its text. */
static at_status check_added(const at_tokenizer *t, const char *path, at_error *err) {
    for (int i = 0; i < t->added.n; i++) {
        const at_added_token *token = &t->added.item[i];
        const char *added = at_vocab_text(&t->added_vocab, token->id), *other = at_vocab_text(&t->vocab, token->id);
        if (!added || strcmp(added, token->content))
            return at_fail(err, AT_BAD_MODEL, "%s: the added token '%.80s' stands there twice", path, token->content);
        if (other && strcmp(other, added))
            return at_fail(err, AT_BAD_MODEL, "%s: the added token '%.80s' would get the id %d of '%.80s'", path,
                           token->content, token->id, other);
    }
    return AT_OK;
}

at_status at_tokenizer_set_added(at_tokenizer *t, const char *path, const at_added_entry *entry, int n, at_error *err) {
    int size = 0;
    size_t bytes = 0;
    at_added_token *given = AT_NEW_ARRAY(&t->arena, at_added_token, n);
    t->added.item = AT_NEW_ARRAY(&t->arena, at_added_token, n);
    if (!given || !t->added.item) return at_fail_memory(err, (size_t)n * sizeof *given);
    AT_TRY(give_ids(t, path, entry, n, given, &size, &bytes, err));
    AT_TRY(at_vocab_init(&t->arena, &t->added_vocab, size, bytes, err));
    t->added_by_id = AT_NEW_ARRAY(&t->arena, const at_added_token *, size);
    if (!t->added_by_id) return at_fail_memory(err, (size_t)size * sizeof *t->added_by_id);
    for (int special = 1; special >= 0; special--)
        for (int i = 0; i < n; i++) {
            if (given[i].special != special) continue;
            at_vocab_add(&t->added_vocab, given[i].id, given[i].content, strlen(given[i].content));
            t->added_by_id[given[i].id] = &t->added.item[t->added.n];
            t->added.item[t->added.n++] = given[i];
        }
    AT_TRY(at_vocab_index(&t->arena, &t->added_vocab, NULL, err));
    AT_TRY(check_added(t, path, err));
    return at_added_index(&t->arena, &t->added, &t->normalizers, err) ? at_fail_prefix(err, "%s", path) : AT_OK;
}

static int positive(const json_t *value) {
    double number = json_number_value(value);
    return number >= 1 && number <= 1e6 ? (int)number : 0; /* 1e30 is the library's "no limit" */
}

/* The order is the contract's; tokenizer.json has left its own in max_length already. */
static void read_limits(at_tokenizer *t, const json_t *sentence, const json_t *config) {
    int limit = positive(json_object_get(config, "model_max_length"));
    if (limit) {
        t->max_length = limit;
        t->max_length_source = "tokenizer_config.json: model_max_length";
    }
    if ((limit = positive(json_object_get(sentence, "max_seq_length")))) {
        t->max_length = limit;
        t->max_length_source = "sentence_bert_config.json: max_seq_length";
    }
    const char *side = json_string_value(json_object_get(config, "truncation_side"));
    if (side) t->truncate_left = !strcmp(side, "left");
}

/* As transformers has it: a byte-pair model's own spaces would be lost, so there it takes a second switch. */
static void read_cleaning(at_tokenizer *t, const json_t *config) {
    const char *forced = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";
    t->cleans = json_is_true(json_object_get(config, "clean_up_tokenization_spaces")) &&
                (t->model.type != &at_model_bpe || json_is_true(json_object_get(config, forced)));
}

/* "[CLS]" or {"content": "[CLS]", ...} */
static const char *content(const json_t *value) {
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static void read_roles(at_tokenizer *t, const json_t *config, const json_t *map) {
    static const char *const usual[AT_ROLES][2] = {{"[CLS]", "<s>"},     {"[SEP]", "</s>"}, {"[PAD]", "<pad>"}, {"[MASK]", "<mask>"},
                                                   {"[UNK]", "<unk>"}, {"<s>", NULL},     {"</s>", NULL}};
    for (int i = 0; i < AT_ROLES; i++) {
        char key[16];
        snprintf(key, sizeof key, "%s_token", roles[i]);
        const char *token = content(json_object_get(config, key));
        if (!token) token = content(json_object_get(map, key));
        t->special[i] = at_tokenizer_id(t, token ? token : usual[i][0]);
        if (!token && t->special[i] < 0 && usual[i][1]) t->special[i] = at_tokenizer_id(t, usual[i][1]);
    }
    if (t->special[AT_ROLE_UNK] < 0) t->special[AT_ROLE_UNK] = t->model.unknown;
}

static at_status open_bert(at_tokenizer *t, at_error *err) {
    if (t->normalizers.n != 1 || !at_normalizer_is_bert(&t->normalizers.item[0])) return AT_OK;
    if (t->pretokenizers.n != 1 || t->pretokenizers.item[0].type->cut != at_cut_bert) return AT_OK;
    if (t->added.normalized.n || t->model.type != &at_model_wordpiece || t->templates.n_trims) return AT_OK;
    if (!(t->bert = AT_NEW(&t->arena, at_bert))) return at_fail_memory(err, sizeof *t->bert);
    return at_bert_init(&t->arena, &t->normalizers.item[0], &t->model.as.wordpiece, t->bert, err);
}

/* Whether the pre-tokenizers are ByteLevel alone, or one known expression and then ByteLevel without its own. */
static int cuts_bytes(const at_pretokenizers *p, at_bytepass *pass) {
    const at_pretokenizer *last = p->n ? &p->item[p->n - 1] : NULL, *first = p->item;
    if (!last || last->type->cut != at_cut_bytelevel) return 0;
    pass->add_prefix_space = last->add_prefix_space;
    if (p->n == 1) {
        pass->scan = last->use_regex ? last->scan : (at_scan){0};
        return 1;
    }
    if (p->n != 2 || last->use_regex || last->add_prefix_space || first->type->cut != at_cut_split || !first->scan.kind) return 0;
    pass->scan = first->scan;
    return first->behavior == AT_SPLIT_ISOLATED || (first->behavior == AT_SPLIT_REMOVED && first->invert);
}

static at_status open_bytepass(at_tokenizer *t, at_error *err) {
    at_bytepass pass = {.bpe = &t->model.as.bpe, .latin_only = t->normalizers.n > 0};
    if (t->model.type != &at_model_bpe || !at_normalizers_keep_latin(&t->normalizers)) return AT_OK;
    if (!cuts_bytes(&t->pretokenizers, &pass)) return AT_OK;
    if (*pass.bpe->prefix || *pass.bpe->suffix) return AT_OK;
    for (int b = 0; b < 256; b++)
        if (pass.bpe->alphabet[b] < 0) return AT_OK;
    if (!(t->bytepass = AT_NEW(&t->arena, at_bytepass))) return at_fail_memory(err, sizeof *t->bytepass);
    *t->bytepass = pass;
    return AT_OK;
}

/* The white space that every token begins and ends with, where offsets are trimmed. */
static at_status count_spaces(at_tokenizer *t, at_error *err) {
    int size = t->vocab.size;
    if (!t->templates.n_trims) return AT_OK;
    t->spaces.lead = AT_NEW_ARRAY(&t->arena, uint16_t, size);
    t->spaces.trail = AT_NEW_ARRAY(&t->arena, uint16_t, size);
    if (!t->spaces.lead || !t->spaces.trail) return at_fail_memory(err, (size_t)size * 4);
    for (int32_t id = 0; id < size; id++) {
        int32_t lead, trail;
        const char *text = at_vocab_text(&t->vocab, id);
        if (!text) continue;
        at_count_spaces(text, t->vocab.len[id], &lead, &trail);
        t->spaces.lead[id] = (uint16_t)lead;
        t->spaces.trail[id] = (uint16_t)trail;
    }
    return AT_OK;
}

at_status at_tokenizer_finish(at_tokenizer *t, at_error *err) {
    AT_TRY(count_spaces(t, err));
    AT_TRY(open_bytepass(t, err));
    return open_bert(t, err);
}

static at_status read_file(at_tokenizer *t, const char *path, at_error *err) {
    json_t *root = NULL;
    AT_TRY(at_json_load(path, AT_JSON_TOKENIZER_BYTES, AT_BAD_MODEL, &root, err));
    at_status st = at_tokenizer_read_json(t, path, root, err);
    json_decref(root);
    return st;
}

/* The class that transformers takes for a family whose folder names none. Those of the other families are what is taken anyway. */
static at_status add_class(const char *folder, json_t *config, at_error *err) {
    static const char *const CLASSES[][2] = {{"albert", "AlbertTokenizer"},         {"camembert", "CamembertTokenizer"},
                                             {"deberta-v2", "DebertaV2Tokenizer"},  {"mpnet", "MPNetTokenizer"},
                                             {"gemma", "GemmaTokenizer"},           {"gemma2", "GemmaTokenizer"},
                                             {"gemma3", "GemmaTokenizer"},          {"gemma3_text", "GemmaTokenizer"},
                                             {"mt5", "T5Tokenizer"},                {"t5", "T5Tokenizer"},
                                             {"xlm-roberta", "XLMRobertaTokenizer"}};
    json_t *model = NULL;
    if (json_is_string(json_object_get(config, "tokenizer_class"))) return AT_OK;
    AT_TRY(load_optional(folder, "config.json", &model, err));
    const char *type = json_string_value(json_object_get(model, "model_type"));
    for (size_t i = 0; type && i < sizeof CLASSES / sizeof *CLASSES; i++)
        if (!strcmp(type, CLASSES[i][0])) json_object_set_new(config, "tokenizer_class", json_string(CLASSES[i][1]));
    json_decref(model);
    return AT_OK;
}

static at_status read_spm_file(at_tokenizer *t, const char *path, const json_t *config, const json_t *added, at_error *err) {
    at_arena scratch = {0};
    char *bytes;
    size_t len;
    at_status st = at_file_read(&scratch, path, AT_JSON_TOKENIZER_BYTES, AT_BAD_MODEL, &bytes, &len, err);
    if (!st) st = at_tokenizer_read_spm(t, path, bytes, len, config, added, err);
    at_arena_free(&scratch);
    return st;
}

typedef enum old_kind { OLD_SPM, OLD_BPE, OLD_TXT } old_kind;

/* What only `map` says joins `config`. */
static at_status read_old_folder(at_tokenizer *t, const char *folder, const json_t *config, const json_t *map, old_kind kind, const char *spm,
                                 at_error *err) {
    json_t *both = json_object(), *added = NULL;
    at_status st = both ? AT_OK : at_fail_memory(err, sizeof *both);
    if (map) json_object_update(both, (json_t *)map);
    if (config) json_object_update(both, (json_t *)config);
    if (!st) st = load_optional(folder, "added_tokens.json", &added, err);
    if (!st && kind != OLD_BPE) st = add_class(folder, both, err);
    if (!st)
        st = kind == OLD_SPM   ? read_spm_file(t, spm, both, added, err)
             : kind == OLD_BPE ? at_tokenizer_read_bpe_files(t, folder, both, added, err)
                               : at_tokenizer_read_vocab_txt(t, folder, both, added, err);
    json_decref(both);
    json_decref(added);
    return st;
}

/* The names that SentencePiece models go by; NULL where none is there. */
static const char *find_spm(at_tokenizer *t, const char *folder) {
    static const char *const names[] = {"tokenizer.model", "spiece.model", "sentencepiece.model", "sentencepiece.bpe.model", "spm.model", NULL};
    for (int i = 0; names[i]; i++) {
        const char *path = at_path_join(&t->arena, folder, names[i]);
        if (path && at_file_exists(path)) return path;
    }
    return NULL;
}

static at_status open_parts(at_tokenizer *t, const char *folder, const json_t *config, const json_t *map, at_error *err) {
    char *json = at_path_join(&t->arena, folder, "tokenizer.json"), *merges = at_path_join(&t->arena, folder, "merges.txt");
    char *txt = at_path_join(&t->arena, folder, "vocab.txt");
    if (!json || !txt || !merges) return at_fail_memory(err, strlen(folder));
    if (at_file_exists(json)) return read_file(t, json, err);
    const char *spm = find_spm(t, folder);
    if (spm) return read_old_folder(t, folder, config, map, OLD_SPM, spm, err);
    if (at_file_exists(merges)) return read_old_folder(t, folder, config, map, OLD_BPE, NULL, err);
    if (at_file_exists(txt)) return read_old_folder(t, folder, config, map, OLD_TXT, NULL, err);
    return at_fail(err, AT_BAD_MODEL,
                   "%s: neither tokenizer.json, nor tokenizer.model (spiece.model, sentencepiece.model, sentencepiece.bpe.model, spm.model), nor "
                   "vocab.json with merges.txt, nor vocab.txt is there",
                   folder);
}

int at_tokenizer_is_in(const char *folder) {
    static const char *const OTHERS[] = {"tokenizer.json", "merges.txt", "vocab.txt"};
    at_tokenizer scratch = {0};
    int found = find_spm(&scratch, folder) != NULL;
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS && !found; i++) {
        const char *path = at_path_join(&scratch.arena, folder, OTHERS[i]);
        found = path && at_file_exists(path);
    }
    at_arena_free(&scratch.arena);
    return found;
}

static at_status open_with(at_tokenizer *t, const char *folder, json_t **config, json_t **map, json_t **sentence,
                           at_error *err) {
    AT_TRY(load_optional(folder, "tokenizer_config.json", config, err));
    AT_TRY(load_optional(folder, "special_tokens_map.json", map, err));
    AT_TRY(load_optional(folder, "sentence_bert_config.json", sentence, err));
    AT_TRY(open_parts(t, folder, *config, *map, err));
    read_limits(t, *sentence, *config);
    read_cleaning(t, *config);
    read_roles(t, *config, *map);
    return at_tokenizer_finish(t, err);
}

static at_status open_folder(const char *folder, int keeps, at_tokenizer **tokenizer, at_error *err) {
    json_t *config = NULL, *map = NULL, *sentence = NULL;
    *tokenizer = NULL;
    at_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return at_fail_memory(err, sizeof *t);
    t->keeps = keeps;
    at_status st = open_with(t, folder, &config, &map, &sentence, err);
    json_decref(config);
    json_decref(map);
    json_decref(sentence);
    if (st) at_tokenizer_close(t);
    else *tokenizer = t;
    return st;
}

at_status at_tokenizer_open(const char *folder, at_tokenizer **tokenizer, at_error *err) { return open_folder(folder, 0, tokenizer, err); }

at_status at_tokenizer_as_json(const char *folder, json_t **root, at_error *err) {
    at_tokenizer *t;
    json_t *token;
    size_t i;
    *root = NULL;
    AT_TRY(open_folder(folder, 1, &t, err));
    json_array_foreach(json_object_get(t->root, "added_tokens"), i, token) json_object_set_new(token, "id", json_integer(at_tokenizer_id(t, content(token))));
    *root = json_incref(t->root);
    at_tokenizer_close(t);
    return AT_OK;
}

at_status at_tokenizer_open_parsed(const char *name, const json_t *root, const json_t *config, at_tokenizer **tokenizer, at_error *err) {
    *tokenizer = NULL;
    at_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return at_fail_memory(err, sizeof *t);
    at_status st = at_tokenizer_read_json(t, name, root, err);
    if (!st) {
        read_limits(t, NULL, config);
        read_cleaning(t, config);
        read_roles(t, config, NULL);
        st = at_tokenizer_finish(t, err);
    }
    if (st) at_tokenizer_close(t);
    else *tokenizer = t;
    return st;
}

at_status at_tokenizer_open_text(const char *name, const char *text, size_t len, at_tokenizer **tokenizer, at_error *err) {
    json_t *root = NULL;
    *tokenizer = NULL;
    at_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return at_fail_memory(err, sizeof *t);
    at_status st = at_json_parse(text, len, name, AT_BAD_MODEL, &root, err);
    if (!st) st = at_tokenizer_read_json(t, name, root, err);
    json_decref(root);
    if (!st) {
        read_roles(t, NULL, NULL);
        st = at_tokenizer_finish(t, err);
    }
    if (st) at_tokenizer_close(t);
    else *tokenizer = t;
    return st;
}

at_status at_tokenizer_open_spm(const char *name, const void *bytes, size_t len, const json_t *config, at_tokenizer **tokenizer, at_error *err) {
    *tokenizer = NULL;
    at_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return at_fail_memory(err, sizeof *t);
    at_status st = at_tokenizer_read_spm(t, name, bytes, len, config, NULL, err);
    if (!st) {
        read_roles(t, NULL, NULL);
        st = at_tokenizer_finish(t, err);
    }
    if (st) at_tokenizer_close(t);
    else *tokenizer = t;
    return st;
}

void at_tokenizer_close(at_tokenizer *tokenizer) {
    if (!tokenizer) return;
    at_patterns_free(&tokenizer->patterns);
    json_decref(tokenizer->root);
    at_arena_free(&tokenizer->arena);
    free(tokenizer);
}

int at_tokenizer_max_length(const at_tokenizer *tokenizer, const char **source) {
    if (source) *source = tokenizer->max_length_source;
    return tokenizer->max_length;
}

int at_tokenizer_size(const at_tokenizer *tokenizer) { return at_tokenizer_n_ids(tokenizer); }

const char *at_tokenizer_token(const at_tokenizer *tokenizer, int32_t id) {
    const char *text = at_vocab_text(&tokenizer->added_vocab, id);
    return text ? text : at_vocab_text(&tokenizer->vocab, id);
}

int32_t at_tokenizer_id(const at_tokenizer *tokenizer, const char *token) {
    int32_t id = at_vocab_id(&tokenizer->added_vocab, token, strlen(token));
    return id >= 0 ? id : at_vocab_id(&tokenizer->vocab, token, strlen(token));
}

int32_t at_tokenizer_special(const at_tokenizer *tokenizer, const char *role) {
    for (int i = 0; i < AT_ROLES; i++)
        if (!strcmp(role, roles[i])) return tokenizer->special[i];
    return -1;
}

const at_tokenizer_settings *at_tokenizer_asks(const at_tokenizer *tokenizer) { return &tokenizer->settings; }
