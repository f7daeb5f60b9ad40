/* Old folders: vocab.txt, a token a line, and tokenizer_config.json. What comes out is what BertTokenizer of `transformers` makes of them, and its
 * relatives with the same parts; MPNetTokenizer has other special tokens, and other places for them. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "text/parts.h"
#include "text/spec.h"

#define MAX_ENTRIES 4096 /* added tokens of an old folder */

/* The end of the line at p; lines end as Python reads them, with \n, \r\n or \r. */
static const char *line_end(const char *p, const char *end) {
    while (p < end && *p != '\n' && *p != '\r') p++;
    return p;
}

static const char *next_line(const char *p, const char *end) {
    if (p < end && *p == '\r' && p + 1 < end && p[1] == '\n') return p + 2;
    return p < end ? p + 1 : end;
}

static at_status check_line(const char *path, int number, const char *line, size_t len, at_error *err) {
    if (number > AT_VOCAB_MAX) return at_fail(err, AT_BAD_MODEL, "%s: more than %d tokens", path, AT_VOCAB_MAX);
    if (len > AT_TOKEN_BYTES)
        return at_fail(err, AT_BAD_MODEL, "%s:%d: the token is longer than %d bytes", path, number, AT_TOKEN_BYTES);
    if (at_utf8_check(line, len) != len) return at_fail(err, AT_BAD_MODEL, "%s:%d: not valid UTF-8", path, number);
    if (memchr(line, 0, len)) return at_fail(err, AT_BAD_MODEL, "%s:%d: a NUL byte in a token", path, number);
    return AT_OK;
}

static at_status read_lines(at_tokenizer *t, const char *path, const char *text, size_t len, at_error *err) {
    const char *end = text + len;
    int n = 0;
    for (const char *p = text, *stop; p < end; p = next_line(stop, end)) {
        stop = line_end(p, end);
        AT_TRY(check_line(path, ++n, p, (size_t)(stop - p), err));
    }
    if (!n) return at_fail(err, AT_BAD_MODEL, "%s: is empty", path);
    AT_TRY(at_vocab_init(&t->arena, &t->vocab, n, len, err));
    n = 0;
    for (const char *p = text, *stop; p < end; p = next_line(stop, end)) {
        stop = line_end(p, end);
        at_vocab_add(&t->vocab, n++, p, (size_t)(stop - p));
    }
    return AT_OK;
}

typedef struct at_entries {
    at_added_entry *item;
    int n;
} at_entries;

static int flag(const json_t *value, const char *key, int absent) {
    const json_t *found = json_object_get(value, key);
    return json_is_boolean(found) ? json_is_true(found) : absent;
}

/* "[CLS]" or {"content": "[CLS]", "lstrip": ...}; a text that is there already is left as it is. */
static at_status add_entry(at_tokenizer *t, at_entries *entries, const json_t *value, int special, at_error *err) {
    const char *content = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    if (!content || !*content || strlen(content) > AT_TOKEN_BYTES) return AT_OK;
    for (int i = 0; i < entries->n; i++)
        if (!strcmp(entries->item[i].token.content, content)) return AT_OK;
    if (entries->n == MAX_ENTRIES) return at_fail(err, AT_BAD_MODEL, "more than %d added tokens", MAX_ENTRIES);
    at_added_entry *entry = &entries->item[entries->n++];
    special = flag(value, "special", special);
    entry->id = -1;
    entry->token = (at_added_token){.content = at_strdup(&t->arena, content),
                                    .single_word = (uint8_t)flag(value, "single_word", 0),
                                    .lstrip = (uint8_t)flag(value, "lstrip", 0),
                                    .rstrip = (uint8_t)flag(value, "rstrip", 0),
                                    .normalized = (uint8_t)flag(value, "normalized", !special),
                                    .special = (uint8_t)special};
    return entry->token.content ? AT_OK : at_fail_memory(err, strlen(content));
}

static const char *content_of(const json_t *config, const char *key, const char *usual) {
    const json_t *value = json_object_get(config, key);
    const char *content = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    return content ? content : usual;
}

static int by_id(const void *left, const void *right) {
    const at_added_entry *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Those that the files number, in the order of the numbers: "added_tokens_decoder" {"7": {"content": "x"}} and
 * added_tokens.json {"x": 7}. The ids themselves follow from the order. */
static at_status add_numbered(at_tokenizer *t, const json_t *config, const json_t *added, at_entries *entries,
                              at_error *err) {
    const char *key;
    const json_t *value;
    int before = 0;
    json_object_foreach((json_t *)json_object_get(config, "added_tokens_decoder"), key, value) {
        AT_TRY(add_entry(t, entries, value, 0, err));
        if (entries->n > before) entries->item[before++].id = strtoll(key, NULL, 10);
    }
    json_object_foreach((json_t *)added, key, value) {
        json_t *content = json_string(key);
        at_status st = content ? add_entry(t, entries, content, 0, err) : at_fail_memory(err, strlen(key));
        json_decref(content);
        AT_TRY(st);
        if (entries->n > before) entries->item[before++].id = (json_int_t)json_number_value(value);
    }
    qsort(entries->item, (size_t)entries->n, sizeof *entries->item, by_id);
    for (int i = 0; i < entries->n; i++) entries->item[i].id = -1;
    return AT_OK;
}

/* The special tokens in the order in which those that are not there get ids; NULL: the class has none. */
static const char *const ROLES[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
enum { UNK = 2, SEP, PAD, CLS, MASK, N_ROLES };

typedef struct family {
    const char *usual[N_ROLES];
    int is_mpnet; /* the mask takes the space before it; <s> a </s> </s> b </s> */
} family;

static const family BERT = {{NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}, 0};
static const family MPNET = {{"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"}, 1};

static const struct {
    const char *class;
    const family *family;
} CLASSES[] = {{"BertTokenizer", &BERT},       {"DistilBertTokenizer", &BERT},  {"ElectraTokenizer", &BERT},   {"MobileBertTokenizer", &BERT},
               {"ConvBertTokenizer", &BERT},   {"SqueezeBertTokenizer", &BERT}, {"LxmertTokenizer", &BERT},    {"LayoutLMTokenizer", &BERT},
               {"RetriBertTokenizer", &BERT},  {"DPRReaderTokenizer", &BERT},   {"DPRContextEncoderTokenizer", &BERT},
               {"DPRQuestionEncoderTokenizer", &BERT}, {"MPNetTokenizer", &MPNET}};

static at_status family_of(const char *path, const json_t *config, const family **found, at_error *err) {
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    *found = &BERT;
    if (!class) return AT_OK;
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++) {
        size_t len = strlen(CLASSES[i].class);
        if (strncmp(class, CLASSES[i].class, len) || (class[len] && strcmp(class + len, "Fast"))) continue;
        *found = CLASSES[i].family;
        return AT_OK;
    }
    return at_fail(err, AT_BAD_MODEL, "%s: how a %.80s reads a vocab.txt is not known here; save the model with a tokenizer.json", path, class);
}

static at_status add_entries(at_tokenizer *t, const family *f, const json_t *config, const json_t *added, at_entries *entries, at_error *err) {
    const json_t *value;
    size_t i;
    AT_TRY(add_numbered(t, config, added, entries, err));
    for (i = 0; i < N_ROLES; i++) {
        if (!f->usual[i]) continue;
        const json_t *given = json_object_get(config, ROLES[i]);
        json_t *usual = json_pack("{s:s, s:b}", "content", content_of(config, ROLES[i], f->usual[i]), "lstrip", i == MASK && f->is_mpnet);
        at_status st = usual ? add_entry(t, entries, json_is_object(given) ? given : usual, 1, err) : at_fail_memory(err, 16);
        json_decref(usual);
        AT_TRY(st);
    }
    json_array_foreach((json_t *)json_object_get(config, "additional_special_tokens"), i, value)
        AT_TRY(add_entry(t, entries, value, 1, err));
    return AT_OK;
}

static at_status set_bert(at_tokenizer *t, const char *path, const json_t *config, at_error *err) {
    int lowercase = flag(config, "do_lower_case", 1);
    at_build build = {.arena = &t->arena, .patterns = &t->patterns, .path = path};
    at_normalizer settings = {.clean_text = 1,
                              .handle_chinese_chars = flag(config, "tokenize_chinese_chars", 1),
                              .strip_accents = flag(config, "strip_accents", lowercase),
                              .lowercase = lowercase};
    json_t *bert = json_pack("{s:s}", "type", "BertPreTokenizer");
    at_status st = bert ? at_pretokenizers_read(&build, bert, &t->pretokenizers, err) : at_fail_memory(err, 64);
    json_decref(bert);
    AT_TRY(st);
    AT_TRY(at_normalizers_bert(&t->arena, &settings, &t->normalizers, err));
    AT_TRY(at_decoders_wordpiece(&t->arena, &t->decoders, err));
    return at_tokenizer_set_wordpiece(t, path, content_of(config, "unk_token", "[UNK]"), "##", 100, err);
}

static at_status set_template(at_tokenizer *t, const family *f, const char *path, const json_t *config, at_error *err) {
    const char *cls = content_of(config, "cls_token", f->usual[CLS]), *sep = content_of(config, "sep_token", f->usual[SEP]);
    int32_t cls_id = at_tokenizer_id(t, cls), sep_id = at_tokenizer_id(t, sep);
    if (cls_id < 0 || sep_id < 0)
        return at_fail(err, AT_BAD_MODEL, "%s: the token '%.80s' is not there", path, cls_id < 0 ? cls : sep);
    if (!f->is_mpnet) return at_templates_bert(&t->arena, cls_id, sep_id, &t->templates, err);
    AT_TRY(at_templates_roberta(&t->arena, cls_id, sep_id, 0, &t->templates, err));
    t->templates.n_trims = 0; /* no token of WordPiece has a space to trim */
    return AT_OK;
}

/* What a tokenizer.json would say of it. */
static json_t *as_json(const at_tokenizer *t, const json_t *config) {
    json_t *vocab = json_object(), *added = json_array();
    int lowercase = flag(config, "do_lower_case", 1);
    for (int32_t id = 0; id < t->vocab.size; id++)
        if (at_vocab_text(&t->vocab, id)) json_object_set_new(vocab, at_vocab_text(&t->vocab, id), json_integer(id));
    for (int i = 0; i < t->added.n; i++) {
        const at_added_token *token = &t->added.item[i];
        json_array_append_new(added, json_pack("{s:s, s:b, s:b}", "content", token->content, "special", token->special, "normalized", token->normalized));
    }
    return json_pack("{s:{s:s, s:b, s:b, s:b, s:b}, s:{s:s}, s:{s:s, s:s, s:s, s:o}, s:o}", "normalizer", "type", "BertNormalizer", "clean_text", 1,
                     "handle_chinese_chars", flag(config, "tokenize_chinese_chars", 1), "strip_accents", flag(config, "strip_accents", lowercase), "lowercase",
                     lowercase, "pre_tokenizer", "type", "BertPreTokenizer", "model", "type", "WordPiece", "unk_token", content_of(config, "unk_token", "[UNK]"),
                     "continuing_subword_prefix", "##", "vocab", vocab, "added_tokens", added);
}

at_status at_tokenizer_read_vocab_txt(at_tokenizer *t, const char *folder, const json_t *config, const json_t *added,
                                      at_error *err) {
    char *path = at_path_join(&t->arena, folder, "vocab.txt"), *text;
    size_t len;
    const family *f;
    at_entries entries = {AT_NEW_ARRAY(&t->arena, at_added_entry, MAX_ENTRIES), 0};
    if (!path || !entries.item) return at_fail_memory(err, MAX_ENTRIES * sizeof *entries.item);
    AT_TRY(family_of(path, config, &f, err));
    AT_TRY(at_file_read(&t->arena, path, AT_JSON_TOKENIZER_BYTES, AT_BAD_MODEL, &text, &len, err));
    AT_TRY(read_lines(t, path, text, len, err));
    AT_TRY(set_bert(t, path, config, err));
    AT_TRY(add_entries(t, f, config, added, &entries, err));
    AT_TRY(at_tokenizer_set_added(t, path, entries.item, entries.n, err));
    if (t->keeps && !(t->root = as_json(t, config))) return at_fail_memory(err, len);
    return set_template(t, f, path, config, err);
}
