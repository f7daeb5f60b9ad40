#include "export/gguf_vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "model/gguf.h"

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

typedef struct vocab {
    at_gguf_metadata *out;
    const at_model *model;
    at_arena *arena;
    at_error *err;
    json_t *root, *config; /* tokenizer.json; tokenizer_config.json or NULL */
    const json_t *rules;   /* root.model */
    const char **text;     /* [n] */
    size_t *len;
    int32_t *type;
    int n;                 /* the model's words */
} vocab;

static at_status cannot(const vocab *v, const char *what) {
    return at_fail(v->err, AT_USAGE, "%s: %s is not written to GGUF", v->model->folder, what);
}

static const char *text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- reading ---- */

static at_status load(vocab *v, const char *name, size_t most, json_t **root) {
    const char *path = at_path_join(v->arena, v->model->folder, name);
    if (!path) return at_fail_memory(v->err, 0);
    return at_file_exists(path) ? at_json_load(path, most, AT_BAD_MODEL, root, v->err) : AT_OK;
}

static at_status read_files(vocab *v) {
    at_gguf *file;
    if (!at_gguf_is(v->model->folder)) {
        if (!at_tokenizer_is_in(v->model->folder)) return cannot(v, "a model without a tokenizer");
        AT_TRY(at_tokenizer_as_json(v->model->folder, &v->root, v->err));
        if (!v->root)
            return at_fail(v->err, AT_USAGE,
                           "%s: a SentencePiece model is not written to GGUF; make a tokenizer.json of it first: python -c \"from transformers import AutoTokenizer; "
                           "AutoTokenizer.from_pretrained('%s').save_pretrained('%s')\"",
                           v->model->folder, v->model->folder, v->model->folder);
        return load(v, "tokenizer_config.json", AT_JSON_CONFIG_BYTES, &v->config);
    }
    AT_TRY(at_gguf_open(v->model->folder, &file, v->err));
    at_status st = at_gguf_tokenizer(file, &v->root, &v->config, v->err);
    at_gguf_close(file);
    return st;
}

static void set(vocab *v, const char *text, json_int_t id, int type) {
    if (id < 0 || id >= v->n) return;
    v->text[id] = text;
    v->len[id] = strlen(text);
    v->type[id] = type;
}

/* Every id of the model has a token; what the tokenizer does not use has llama.cpp's name for that. */
static at_status read_tokens(vocab *v) {
    const char *text;
    json_t *id;
    v->n = v->model->arch.vocab_size;
    v->text = AT_NEW_ARRAY(v->arena, const char *, v->n);
    v->len = AT_NEW_ARRAY(v->arena, size_t, v->n);
    v->type = AT_NEW_ARRAY(v->arena, int32_t, v->n);
    if (!v->text || !v->len || !v->type) return at_fail_memory(v->err, (size_t)v->n * sizeof(char *));
    json_object_foreach(json_object_get(v->rules, "vocab"), text, id) set(v, text, json_integer_value(id), NORMAL);
    const json_t *added = json_object_get(v->root, "added_tokens");
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *token = json_array_get(added, i);
        set(v, text_at(token, "content"), json_integer_value(json_object_get(token, "id")),
            json_is_true(json_object_get(token, "special")) ? CONTROL : USER_DEFINED);
    }
    for (int i = 0; i < v->n; i++) {
        if (v->text[i]) continue;
        const char *unused = at_format(v->arena, "[PAD%d]", i);
        if (!unused) return at_fail_memory(v->err, 16);
        set(v, unused, i, UNUSED);
    }
    return AT_OK;
}

/* ---- kinds ---- */

/* The first part of this type in a pre-tokenizer or decoder, which may be a sequence. */
static const json_t *find_part(const json_t *part, const char *list, const char *type) {
    if (!strcmp(text_at(part, "type"), type)) return part;
    const json_t *parts = json_object_get(part, list);
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *found = find_part(json_array_get(parts, i), list, type);
        if (found) return found;
    }
    return NULL;
}

/* Where this id stands in the merges: what they make first has the highest score. */
static at_status put_scores(vocab *v) {
    float *score = AT_NEW_ARRAY(v->arena, float, v->n);
    const json_t *merges = json_object_get(v->rules, "merges"), *ids = json_object_get(v->rules, "vocab");
    if (!score) return at_fail_memory(v->err, (size_t)v->n * sizeof *score);
    for (size_t i = json_array_size(merges); i-- > 0;) {
        const json_t *pair = json_array_get(merges, i);
        at_str joined = {.arena = v->arena};
        if (json_is_string(pair)) {
            const char *text = json_string_value(pair), *space = strchr(text, ' ');
            if (space) at_str_add_bytes(&joined, text, (size_t)(space - text)), at_str_add(&joined, space + 1);
        } else {
            for (size_t k = 0; k < 2; k++) {
                const char *half = json_string_value(json_array_get(pair, k));
                at_str_add(&joined, half ? half : "");
            }
        }
        const json_t *id = joined.text ? json_object_get(ids, joined.text) : NULL;
        if (id && json_integer_value(id) < v->n) score[json_integer_value(id)] = -(float)(i + 1);
    }
    for (int i = 0; i < v->n; i++)
        if (v->type[i] != NORMAL) score[i] = 0;
    at_gguf_put_f32s(v->out, "tokenizer.ggml.scores", score, (uint64_t)v->n);
    return AT_OK;
}

static at_status put_merges(vocab *v) {
    const json_t *merges = json_object_get(v->rules, "merges");
    size_t n = json_array_size(merges), *len = AT_NEW_ARRAY(v->arena, size_t, n);
    const char **text = AT_NEW_ARRAY(v->arena, const char *, n);
    if (!text || !len) return at_fail_memory(v->err, n * sizeof *text);
    for (size_t i = 0; i < n; i++) {
        const json_t *merge = json_array_get(merges, i);
        const char *left = json_string_value(json_array_get(merge, 0)), *right = json_string_value(json_array_get(merge, 1));
        text[i] = json_is_string(merge) ? json_string_value(merge) : at_format(v->arena, "%s %s", left ? left : "", right ? right : "");
        if (!text[i]) return at_fail_memory(v->err, 0);
        len[i] = strlen(text[i]);
    }
    at_gguf_put_texts(v->out, "tokenizer.ggml.merges", text, len, n);
    return AT_OK;
}

/* llama.cpp's name for how words are cut, by what only that way has. */
static const char *cut_name(const vocab *v) {
    const json_t *pre = json_object_get(v->root, "pre_tokenizer"), *split = find_part(pre, "pretokenizers", "Split");
    const json_t *digits = find_part(pre, "pretokenizers", "Digits"), *bytes = find_part(pre, "pretokenizers", "ByteLevel");
    const char *regex = text_at(json_object_get(split, "pattern"), "Regex");
    int composes = !strcmp(text_at(json_object_get(v->root, "normalizer"), "type"), "NFC");
#define WORDS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
#define SPACES "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    if (!strcmp(regex, WORDS "{1,3}" SPACES)) return json_is_true(json_object_get(v->rules, "ignore_merges")) ? "llama-bpe" : "dbrx";
    if (!strcmp(regex, WORDS SPACES)) return composes ? "qwen2" : "stablelm2";
    if (split || json_is_true(json_object_get(bytes, "add_prefix_space")) || !bytes) return NULL;
    return digits ? (json_is_true(json_object_get(digits, "individual_digits")) ? "smollm" : NULL) : "gpt-2";
}

static at_status put_gpt2(vocab *v) {
    const char *name = cut_name(v);
    if (!name) return cannot(v, "this way of cutting words (pre_tokenizer of tokenizer.json)");
    at_gguf_put_text(v->out, "tokenizer.ggml.model", "gpt2");
    at_gguf_put_text(v->out, "tokenizer.ggml.pre", name);
    return put_merges(v);
}

static at_status put_llama(vocab *v) {
    const json_t *normalizer = json_object_get(v->root, "normalizer"), *pre = json_object_get(v->root, "pre_tokenizer");
    const json_t *meta = find_part(pre, "pretokenizers", "Metaspace");
    int prefix = find_part(normalizer, "normalizers", "Prepend") || (meta && strcmp(text_at(meta, "prepend_scheme"), "never"));
    const char *unknown = text_at(v->rules, "unk_token");
    for (int i = 0; i < v->n; i++) {
        if (v->len[i] == 6 && !strncmp(v->text[i], "<0x", 3) && v->text[i][5] == '>') v->type[i] = BYTE;
        if (!strcmp(v->text[i], unknown)) v->type[i] = UNKNOWN;
    }
    at_gguf_put_text(v->out, "tokenizer.ggml.model", "llama");
    at_gguf_put_text(v->out, "tokenizer.ggml.pre", "default");
    at_gguf_put_flag(v->out, "tokenizer.ggml.add_space_prefix", prefix);
    return put_scores(v);
}

static int is_there(const json_t *normalizer, const char *type) { return find_part(normalizer, "normalizers", type) != NULL; }

/* What is done to a text before its words are looked up; llama.cpp before June 2026 makes every letter a small one, and takes the accents off, whatever is said. */
static at_status put_bert_normalizer(vocab *v) {
    const json_t *normalizer = json_object_get(v->root, "normalizer"), *bert = find_part(normalizer, "normalizers", "BertNormalizer");
    const json_t *strip = json_object_get(bert, "strip_accents"), *lower = json_object_get(bert, "lowercase");
    int lowers = bert ? !lower || json_is_true(lower) : is_there(normalizer, "Lowercase");
    if (json_is_false(json_object_get(bert, "handle_chinese_chars"))) return cannot(v, "a BertNormalizer that leaves Chinese characters together");
    at_gguf_put_flag(v->out, "tokenizer.ggml.normalizer.lowercase", lowers);
    at_gguf_put_flag(v->out, "tokenizer.ggml.normalizer.strip_accents",
                     bert ? (json_is_boolean(strip) ? json_is_true(strip) : lowers) : is_there(normalizer, "StripAccents"));
    return AT_OK;
}

/* A word begins with U+2581 there, and goes on without the ## that it has here. */
static at_status put_bert(vocab *v) {
    for (int i = 0; i < v->n; i++) {
        const char *text = v->text[i];
        int whole = v->len[i] > 1 && text[0] == '[' && text[v->len[i] - 1] == ']';
        if (whole) continue;
        v->text[i] = strncmp(text, "##", 2) || !text[2] ? at_format(v->arena, "\xe2\x96\x81%s", text) : text + 2;
        if (!v->text[i]) return at_fail_memory(v->err, v->len[i]);
        v->len[i] = strlen(v->text[i]);
    }
    at_gguf_put_text(v->out, "tokenizer.ggml.model", "bert");
    at_gguf_put_text(v->out, "tokenizer.ggml.pre", "default");
    return put_bert_normalizer(v);
}

/* ---- tokens with a role ---- */

static json_int_t id_of(const vocab *v, const char *token) {
    for (int i = 0; i < v->n && *token; i++)
        if (v->type[i] != UNUSED && !strcmp(v->text[i], token)) return i;
    return -1;
}

static const char *content(const json_t *token) {
    return json_is_object(token) ? text_at(token, "content") : json_is_string(token) ? json_string_value(token) : "";
}

static void put_id(vocab *v, const char *key, json_int_t id) {
    if (id >= 0 && id < v->n) at_gguf_put_u32(v->out, key, (uint32_t)id);
}

/* What config.json says (of a list the first), else tokenizer_config.json. */
static void put_role(vocab *v, const char *key, const char *id_key, const char *token_key, const char *usual) {
    const json_t *id = json_object_get(v->model->config, id_key);
    if (json_is_array(id)) id = json_array_get(id, 0);
    const char *token = content(json_object_get(v->config, token_key));
    put_id(v, key, json_is_integer(id) ? json_integer_value(id) : id_of(v, *token ? token : usual));
}

/* Whether the template begins or ends a text with a token. */
static int is_special(const json_t *part) { return json_object_get(part, "SpecialToken") != NULL; }

static void put_roles(vocab *v, int is_bert) {
    const json_t *processor = json_object_get(v->root, "post_processor");
    const json_t *single = json_object_get(find_part(processor, "processors", "TemplateProcessing"), "single");
    size_t n = json_array_size(single);
    if (is_bert) {
        put_role(v, "tokenizer.ggml.bos_token_id", "", "cls_token", "[CLS]");
        put_role(v, "tokenizer.ggml.seperator_token_id", "", "sep_token", "[SEP]"); /* so it is spelled there */
        put_role(v, "tokenizer.ggml.mask_token_id", "", "mask_token", "[MASK]");
    } else {
        put_role(v, "tokenizer.ggml.bos_token_id", "bos_token_id", "bos_token", "<s>");
        put_role(v, "tokenizer.ggml.eos_token_id", "eos_token_id", "eos_token", "</s>");
        at_gguf_put_flag(v->out, "tokenizer.ggml.add_bos_token", n && is_special(json_array_get(single, 0)));
        at_gguf_put_flag(v->out, "tokenizer.ggml.add_eos_token", n && is_special(json_array_get(single, n - 1)));
    }
    put_role(v, "tokenizer.ggml.unknown_token_id", "", "unk_token", is_bert ? "[UNK]" : "<unk>");
    put_role(v, "tokenizer.ggml.padding_token_id", "pad_token_id", "pad_token", "[PAD]");
}

static at_status put_chat(vocab *v) {
    const char *path = at_path_join(v->arena, v->model->folder, "chat_template.jinja"), *in_config = text_at(v->config, "chat_template");
    char *text = NULL;
    size_t len;
    if (!path) return at_fail_memory(v->err, 0);
    if (at_file_exists(path)) AT_TRY(at_file_read(v->arena, path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &text, &len, v->err));
    if (text || *in_config) at_gguf_put_text(v->out, "tokenizer.chat_template", text ? text : in_config);
    return AT_OK;
}

static at_status put_all(vocab *v) {
    AT_TRY(read_files(v));
    v->rules = json_object_get(v->root, "model");
    const char *type = text_at(v->rules, "type");
    int is_bert = !strcmp(type, "WordPiece"), bytes = find_part(json_object_get(v->root, "decoder"), "decoders", "ByteLevel") != NULL;
    AT_TRY(read_tokens(v));
    if (is_bert) AT_TRY(put_bert(v));
    else if (!strcmp(type, "BPE") && bytes) AT_TRY(put_gpt2(v));
    else if (!strcmp(type, "BPE") && json_is_true(json_object_get(v->rules, "byte_fallback"))) AT_TRY(put_llama(v));
    else if (!strcmp(type, "Unigram"))
        return at_fail(v->err, AT_USAGE,
                       "%s: a vocabulary of the kind Unigram is not written to GGUF: llama.cpp has one for T5 and XLM-RoBERTa, which are not written either",
                       v->model->folder);
    else return cannot(v, at_format(v->arena, "a vocabulary of the kind %s", *type ? type : "that tokenizer.json does not name"));
    at_gguf_put_texts(v->out, "tokenizer.ggml.tokens", v->text, v->len, (uint64_t)v->n);
    at_gguf_put_i32s(v->out, "tokenizer.ggml.token_type", v->type, (uint64_t)v->n);
    put_roles(v, is_bert);
    return put_chat(v);
}

at_status at_gguf_put_vocab(at_gguf_metadata *m, const at_model *model, at_arena *arena, at_error *err) {
    vocab v = {.out = m, .model = model, .arena = arena, .err = err};
    at_status st = put_all(&v);
    json_decref(v.root);
    json_decref(v.config);
    return st;
}
