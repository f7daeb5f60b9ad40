/* Folders of vocab.json and merges.txt: what GPT2Tokenizer, RobertaTokenizer (with its relatives) and Qwen2Tokenizer of `transformers`
 * make of them. The parts are put together as a tokenizer.json, which is then read. */
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "text/added_list.h"
#include "text/parts.h"
#include "text/spec.h"

enum { FAMILY_GPT2, FAMILY_ROBERTA, FAMILY_QWEN2 };

static const struct {
    const char *class;
    int family;
} CLASSES[] = {{"GPT2Tokenizer", FAMILY_GPT2},        {"RobertaTokenizer", FAMILY_ROBERTA}, {"BartTokenizer", FAMILY_ROBERTA},
               {"LongformerTokenizer", FAMILY_ROBERTA}, {"LEDTokenizer", FAMILY_ROBERTA},    {"Qwen2Tokenizer", FAMILY_QWEN2}};
enum { N_CLASSES = sizeof CLASSES / sizeof *CLASSES };

static const char QWEN2[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/* Without a class, a separator tells RoBERTa's kind. */
static at_status family_of(const char *folder, const json_t *config, const json_t *vocab, int *family, at_error *err) {
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    *family = json_object_get(vocab, "</s>") && json_object_get(vocab, "<mask>") ? FAMILY_ROBERTA : FAMILY_GPT2;
    if (!class) return AT_OK;
    for (int i = 0; i < N_CLASSES; i++) {
        size_t len = strlen(CLASSES[i].class);
        if (strncmp(class, CLASSES[i].class, len) || (class[len] && strcmp(class + len, "Fast"))) continue;
        *family = CLASSES[i].family;
        return AT_OK;
    }
    return at_fail(err, AT_BAD_MODEL,
                   "%s: how a %.80s reads vocab.json and merges.txt is not known here; save the model with a tokenizer.json", folder,
                   class);
}

static at_status read_merges(const char *path, json_t **merges, at_error *err) {
    at_arena arena = {0};
    char *text;
    size_t len;
    at_status st = at_file_read(&arena, path, AT_JSON_TOKENIZER_BYTES, AT_BAD_MODEL, &text, &len, err);
    *merges = st ? NULL : json_array();
    if (!st && !*merges) st = at_fail_memory(err, len);
    for (char *line = text, *end; !st && line < text + len; line = end + 1) {
        end = memchr(line, '\n', (size_t)(text + len - line));
        if (!end) end = text + len;
        size_t n = (size_t)(end - line);
        if (n && line[n - 1] == '\r') n--;
        if (!n || (n >= 8 && !memcmp(line, "#version", 8))) continue;
        if (at_utf8_check(line, n) != n || memchr(line, 0, n)) st = at_fail(err, AT_BAD_MODEL, "%s: a line is not valid UTF-8", path);
        else if (json_array_append_new(*merges, json_stringn(line, n))) st = at_fail_memory(err, n);
    }
    at_arena_free(&arena);
    return st;
}

static void add_tokens(at_arena *arena, json_t *all, const json_t *config, const json_t *added, int family) {
    static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
    static const char *const usual[3][7] = {{"<|endoftext|>", "<|endoftext|>", "<|endoftext|>", NULL, NULL, NULL, NULL},
                                            {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
                                            {NULL, "<|endoftext|>", "<|endoftext|>", NULL, "<|endoftext|>", NULL, NULL}};
    const char *key;
    json_t *value;
    size_t i;
    at_added_put_numbered(arena, all, json_object_get(config, "added_tokens_decoder"));
    json_object_foreach((json_t *)added, key, value) {
        json_t *content = json_string(key);
        at_added_put(all, content, 0, 0);
        json_decref(content);
    }
    for (i = 0; i < 7; i++) {
        const json_t *given = json_object_get(config, roles[i]);
        json_t *absent = usual[family][i] ? json_string(usual[family][i]) : NULL;
        at_added_put(all, at_added_content(given) ? given : absent, 1, 0);
        json_decref(absent);
    }
    json_array_foreach((json_t *)json_object_get(config, "additional_special_tokens"), i, value) at_added_put(all, value, 1, 0);
}

/* ["</s>", 2] */
static json_t *with_id(const json_t *vocab, const json_t *config, const char *role, const char *usual) {
    const char *token = at_added_content(json_object_get(config, role));
    if (!token) token = usual;
    json_t *id = json_object_get(vocab, token);
    return json_pack("[s, O]", token, id ? id : json_null());
}

static json_t *parts_of(int family, const json_t *config, json_t *vocab, json_t *merges) {
    int prefix = at_added_flag(config, "add_prefix_space", 0);
    json_t *bytes = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", prefix, "trim_offsets", 1, "use_regex",
                              family != FAMILY_QWEN2);
    json_t *root = json_pack("{s:{s:s, s:O, s:O}, s:{s:s}, s:o}", "model", "type", "BPE", "vocab", vocab, "merges", merges, "decoder",
                             "type", "ByteLevel", "pre_tokenizer", bytes);
    if (root && family == FAMILY_ROBERTA)
        json_object_set_new(root, "post_processor",
                            json_pack("{s:s, s:b, s:b, s:o, s:o}", "type", "RobertaProcessing", "trim_offsets",
                                      at_added_flag(config, "trim_offsets", 1), "add_prefix_space", prefix, "sep",
                                      with_id(vocab, config, "sep_token", "</s>"), "cls", with_id(vocab, config, "cls_token", "<s>")));
    if (root && family == FAMILY_QWEN2) {
        json_object_set_new(root, "normalizer", json_pack("{s:s}", "type", "NFC"));
        json_object_set_new(root, "pre_tokenizer",
                            json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, O]}", "type", "Sequence", "pretokenizers", "type", "Split",
                                      "pattern", "Regex", QWEN2, "behavior", "Isolated", "invert", 0, bytes));
    }
    return root;
}

at_status at_tokenizer_read_bpe_files(at_tokenizer *t, const char *folder, const json_t *config, const json_t *added, at_error *err) {
    char *vocab_path = at_path_join(&t->arena, folder, "vocab.json"), *merges_path = at_path_join(&t->arena, folder, "merges.txt");
    json_t *vocab = NULL, *merges = NULL, *root = NULL;
    int family = FAMILY_GPT2;
    if (!vocab_path || !merges_path) return at_fail_memory(err, strlen(folder));
    at_status st = at_json_load(vocab_path, AT_JSON_TOKENIZER_BYTES, AT_BAD_MODEL, &vocab, err);
    if (!st) st = family_of(folder, config, vocab, &family, err);
    if (!st) st = read_merges(merges_path, &merges, err);
    if (!st && !(root = parts_of(family, config, vocab, merges))) st = at_fail(err, AT_BAD_MODEL, "%s: is no vocabulary", vocab_path);
    if (!st) {
        json_t *all = json_object();
        add_tokens(&t->arena, all, config, added, family);
        json_object_set_new(root, "added_tokens", at_added_listed(all));
        st = at_tokenizer_read_json(t, vocab_path, root, err);
    }
    json_decref(vocab);
    json_decref(merges);
    json_decref(root);
    return st;
}
