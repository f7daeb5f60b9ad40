/* tokenizer.json and tokenizer_config.json from the vocabulary of a GGUF file, as convert_hf_to_gguf.py (llama.cpp) made the one from the
 * other.
 *
 *   gpt2   byte-level BPE: tokens and merges as they are; tokenizer.ggml.pre names the expression that cuts words
 *   llama  SentencePiece BPE: scores instead of merges; every way to cut a token in two is a merge of the rank that its score gives
 *   bert   WordPiece: a word begins with U+2581 there, and goes on with ## here
 *
 * Types of tokens: 1 normal, 2 unknown, 3 control, 4 defined by the user, 5 unused, 6 a byte. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "model/gguf.h"

enum { MOST_TOKENS = 1000000, MOST_MERGES = 2000000, MOST_BYTES = 4096 };
enum { UNKNOWN = 2, CONTROL, USER_DEFINED, UNUSED, BYTE };

typedef struct token {
    const char *text;
    size_t len;
    int type;
    float score;
} token;

typedef struct making {
    const at_gguf *file;
    at_arena arena;
    token *token;
    int n;
    json_t *vocab;  /* text -> id */
    json_t *root;   /* tokenizer.json */
    at_error *err;
} making;

static at_status bad(const making *m, const char *what) { return at_fail(m->err, AT_BAD_MODEL, "%s: %s", at_gguf_path(m->file), what); }

static const at_gguf_value *array(const making *m, const char *key, uint64_t count) {
    const at_gguf_value *v = at_gguf_find_value(m->file, key);
    return v && v->kind == AT_GGUF_ARRAY && (!count || v->count == count) ? v : NULL;
}

static at_status read_tokens(making *m) {
    const at_gguf_value *tokens = array(m, "tokenizer.ggml.tokens", 0);
    if (!tokens || tokens->element != AT_GGUF_STRING) return bad(m, "has no vocabulary (tokenizer.ggml.tokens)");
    if (!tokens->count || tokens->count > MOST_TOKENS) return bad(m, "a vocabulary of no tokens, or of more than 1,000,000");
    const at_gguf_value *types = array(m, "tokenizer.ggml.token_type", tokens->count);
    const at_gguf_value *scores = array(m, "tokenizer.ggml.scores", tokens->count);
    m->token = AT_NEW_ARRAY(&m->arena, token, tokens->count);
    m->vocab = json_object();
    if (!m->token || !m->vocab) return at_fail_memory(m->err, (size_t)tokens->count * sizeof(token));
    for (size_t at = 0; at_gguf_next_string(tokens, &at, &m->token[m->n].text, &m->token[m->n].len); m->n++) {
        token *t = &m->token[m->n];
        t->type = types && types->element != AT_GGUF_STRING ? (int)at_gguf_element(types, (uint64_t)m->n) : 1;
        t->score = scores && scores->element == AT_GGUF_FLOAT32 ? (float)at_gguf_element(scores, (uint64_t)m->n) : 0;
        if (t->len > MOST_BYTES || at_utf8_check(t->text, t->len) != t->len || memchr(t->text, 0, t->len))
            return at_fail(m->err, AT_BAD_MODEL, "%s: token %d is no text of at most 4,096 bytes", at_gguf_path(m->file), m->n);
    }
    return AT_OK;
}

/* The later of two equal texts is not there: nothing could tell them apart. */
static at_status add_word(making *m, const char *text, size_t len, int id) {
    if (json_object_getn(m->vocab, text, len)) return AT_OK;
    return json_object_setn_new(m->vocab, text, len, json_integer(id)) ? at_fail_memory(m->err, len) : AT_OK;
}

static json_t *parse(const making *m, const char *text) {
    json_t *made = NULL;
    at_json_parse(text, strlen(text), "tokenizer", AT_BUG, &made, m->err);
    return made;
}

static void put(making *m, const char *key, const char *text) { json_object_set_new(m->root, key, parse(m, text)); }

static const char *token_text(const making *m, const char *key) {
    double id = at_gguf_number(m->file, key, -1);
    if (id < 0 || id >= m->n) return NULL;
    const token *t = &m->token[(int)id];
    return at_strndup((at_arena *)(uintptr_t)&m->arena, t->text, t->len);
}

/* Control tokens, and those of the user, are found in texts before everything else. */
static void put_added(making *m, int with_users) {
    json_t *list = json_array();
    for (int i = 0; i < m->n; i++) {
        const token *t = &m->token[i];
        int special = t->type == CONTROL || (t->type == UNKNOWN && with_users);
        if ((!special && (t->type != USER_DEFINED || !with_users)) || !t->len) continue;
        if (json_integer_value(json_object_getn(m->vocab, t->text, t->len)) != i) continue;
        json_array_append_new(list, json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:b}", "id", i, "content", json_stringn(t->text, t->len),
                                              "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", special));
    }
    json_object_set_new(m->root, "added_tokens", list);
}

/* What stands around a text: `first` before it, `last` behind it; NULL: nothing. */
static void put_template(making *m, const char *first, const char *last) {
    json_t *single = json_array(), *pair = json_array(), *specials = json_object();
    const char *const around[2] = {first, last};
    for (int k = 0; k < 2; k++)
        if (around[k])
            json_object_set_new(specials, around[k],
                                json_pack("{s:s, s:[O], s:[s]}", "id", around[k], "ids", json_object_get(m->vocab, around[k]),
                                          "tokens", around[k]));
    for (int text = 0; text < 2; text++) {
        json_t *part[3] = {first ? json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", first, "type_id", text) : NULL,
                           json_pack("{s:{s:s, s:i}}", "Sequence", "id", text ? "B" : "A", "type_id", text),
                           last ? json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", last, "type_id", text) : NULL};
        for (int k = 0; k < 3; k++) {
            if (!part[k]) continue;
            json_array_append(pair, part[k]);
            if (!text) json_array_append(single, part[k]);
            json_decref(part[k]);
        }
    }
    json_object_set_new(m->root, "post_processor",
                        json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", single, "pair", pair,
                                  "special_tokens", specials));
}

static int flag(const making *m, const char *key, int otherwise) { return at_gguf_number(m->file, key, otherwise) != 0; }

static void put_ends(making *m, int begins) {
    const char *first = flag(m, "tokenizer.ggml.add_bos_token", begins) ? token_text(m, "tokenizer.ggml.bos_token_id") : NULL;
    const char *last = flag(m, "tokenizer.ggml.add_eos_token", 0) ? token_text(m, "tokenizer.ggml.eos_token_id") : NULL;
    if (first || last) put_template(m, first, last);
}

/* ---- gpt2 ---- */

#define BYTES(own) "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": false, \"use_regex\": " own "}"
#define SPLIT(expression) \
    "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" expression "\"}, " \
    "\"behavior\": \"Isolated\", \"invert\": false}, " BYTES("false") "]}"
#define WORDS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}"
#define SPACES "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

/* Several expressions one after the other; DeepSeek's letters are those with a case, as one version of Unicode had them. */
#define ALONE(expression) "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" expression "\"}, \"behavior\": \"Isolated\", \"invert\": false}, "
#define DIGITS(alone) "{\"type\": \"Digits\", \"individual_digits\": " alone "}"
#define EAST "[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+"
#define CASED \
    "A-Za-z\\u00b5\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u01ba\\u01bc-\\u01bf\\u01c4-\\u0293\\u0295-\\u02af\\u0370-\\u0373" \
    "\\u0376\\u0377\\u037b-\\u037d\\u037f\\u0386\\u0388-\\u038a\\u038c\\u038e-\\u03a1\\u03a3-\\u03f5\\u03f7-\\u0481" \
    "\\u048a-\\u052f\\u0531-\\u0556\\u10a0-\\u10c5\\u13a0-\\u13f5\\u13f8-\\u13fd\\u1c90-\\u1cba\\u1cbd-\\u1cbf" \
    "\\u1d00-\\u1d2b\\u1d6b-\\u1d77\\u1d79-\\u1d9a\\u1e00-\\u1f15\\u1f18-\\u1f1d\\u1f20-\\u1f45\\u1f48-\\u1f4d" \
    "\\u1f50-\\u1f57\\u1f59\\u1f5b\\u1f5d\\u1f5f-\\u1f7d\\u1f80-\\u1fb4\\u1fb6-\\u1fbc\\u1fbe\\u1fc2-\\u1fc4\\u1fc6-\\u1fcc" \
    "\\u1fd0-\\u1fd3\\u1fd6-\\u1fdb\\u1fe0-\\u1fec\\u1ff2-\\u1ff4\\u1ff6-\\u1ffc\\u2102\\u2107\\u210a-\\u2113\\u2115" \
    "\\u2119-\\u211d\\u2124\\u2126\\u2128\\u212a-\\u212d\\u212f-\\u2134\\u2139\\u213c-\\u213f\\u2145-\\u2149\\u214e\\u2183" \
    "\\u2184\\u2c00-\\u2c7b\\u2c7e-\\u2ce4\\u2ceb-\\u2cee\\u2cf2\\u2cf3\\ua640-\\ua66d\\ua680-\\ua69b\\ua722-\\ua76f" \
    "\\ua771-\\ua787\\ua78b-\\ua78e\\uab70-\\uabbf\\ufb00-\\ufb06\\ufb13-\\ufb17\\uff21-\\uff3a\\uff41-\\uff5a" \
    "\\ud801\\udc00-\\ud801\\udc4f\\ud801\\udcb0-\\ud801\\udcd3\\ud801\\udcd8-\\ud801\\udcfb\\ud803\\udc80-\\ud803\\udcb2" \
    "\\ud803\\udcc0-\\ud803\\udcf2\\ud806\\udca0-\\ud806\\udcdf\\ud83a\\udd00-\\ud83a\\udd43"
static const char DEEPSEEK_LLM[] =
    "{\"type\": \"Sequence\", \"pretokenizers\": [" ALONE("[\\r\\n]") ALONE("\\\\s?[" CASED "]+")
    ALONE("\\\\s?[!-/:-~\\uff01-\\uff0f\\uff1a-\\uff5e\\u2018-\\u201f\\u3000-\\u3002]+") ALONE("\\\\s+$")
    ALONE(EAST) DIGITS("true") ", " BYTES("false") "]}";
static const char DEEPSEEK_CODER[] =
    "{\"type\": \"Sequence\", \"pretokenizers\": [" ALONE("[\\r\\n]") ALONE("\\\\s?\\\\p{L}+") ALONE("\\\\s?\\\\p{P}+") ALONE(EAST)
    DIGITS("true") ", " BYTES("false") "]}";
static const char FALCON[] =
    "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Punctuation\", \"behavior\": \"Contiguous\"}, " BYTES("true") ", " DIGITS("false") ", "
    "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9][0-9][0-9]\"}, \"behavior\": \"Isolated\", \"invert\": false}]}";

static const struct {
    const char *names; /* separated by spaces, with one before and behind */
    const char *cut;   /* pre_tokenizer */
    int composes;      /* NFC first */
    int begins;        /* with the first token, where the file does not say */
    int whole_words;   /* ignore_merges */
} CUTS[] = {
    {" gpt-2 gpt2 olmo mpt phi-2 jais trillion roberta-bpe jina-v2-es jina-v2-de ", BYTES("true"), 0, 0, 0},
    {" smollm starcoder refact command-r codeshell exaone minerva-7b ",
     "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", \"individual_digits\": true}, " BYTES("true") "]}", 0, 0, 0},
    {" llama-bpe llama3 llama-v3 falcon3 ", SPLIT(WORDS "{1,3}" SPACES), 0, 1, 1},
    {" dbrx smaug-bpe ", SPLIT(WORDS "{1,3}" SPACES), 0, 0, 0},
    {" qwen2 deepseek-r1-qwen hunyuan megrez ", SPLIT(WORDS SPACES), 1, 0, 0},
    {" stablelm2 ", SPLIT(WORDS SPACES), 0, 0, 0},
    {" falcon ", FALCON, 0, 0, 0},
    {" deepseek-llm ", DEEPSEEK_LLM, 0, 1, 0},
    {" deepseek-coder ", DEEPSEEK_CODER, 0, 1, 0},
};
enum { N_CUTS = sizeof CUTS / sizeof *CUTS };

static int find_cut(const making *m, const char **name) {
    char wanted[64];
    *name = at_gguf_text(m->file, "tokenizer.ggml.pre");
    if (!*name || !strcmp(*name, "default")) *name = "gpt-2";
    at_arena *arena = (at_arena *)(uintptr_t)&m->arena;
    const char *spaced = strlen(*name) < sizeof wanted - 3 ? at_format(arena, " %s ", *name) : NULL;
    for (int i = 0; spaced && i < N_CUTS; i++)
        if (strstr(CUTS[i].names, spaced)) return i;
    return -1;
}

static at_status put_merges(making *m, json_t *model) {
    const at_gguf_value *merges = array(m, "tokenizer.ggml.merges", 0);
    json_t *list = json_array();
    const char *text;
    size_t len;
    json_object_set_new(model, "merges", list);
    if (!merges || merges->element != AT_GGUF_STRING) return bad(m, "has no merges (tokenizer.ggml.merges)");
    if (merges->count > MOST_MERGES) return bad(m, "more than 2,000,000 merges");
    for (size_t at = 0; at_gguf_next_string(merges, &at, &text, &len);) {
        const char *space = len > 1 ? memchr(text + 1, ' ', len - 1) : NULL;
        if (!space || len > 2 * MOST_BYTES || at_utf8_check(text, len) != len)
            return bad(m, "a merge is not two tokens with a space between them");
        json_array_append_new(list, json_pack("[o, o]", json_stringn(text, (size_t)(space - text)),
                                              json_stringn(space + 1, len - (size_t)(space - text) - 1)));
    }
    return AT_OK;
}

static at_status make_gpt2(making *m) {
    const char *name;
    int cut = find_cut(m, &name);
    if (cut < 0)
        return at_fail(m->err, AT_BAD_MODEL, "%s: how '%.60s' (tokenizer.ggml.pre) cuts words is not known here",
                       at_gguf_path(m->file), name);
    for (int i = 0; i < m->n; i++) AT_TRY(add_word(m, m->token[i].text, m->token[i].len, i));
    json_t *model = json_pack("{s:s, s:O, s:b, s:b}", "type", "BPE", "vocab", m->vocab, "ignore_merges", CUTS[cut].whole_words,
                              "byte_fallback", 0);
    json_object_set_new(m->root, "model", model);
    AT_TRY(put_merges(m, model));
    if (CUTS[cut].composes) put(m, "normalizer", "{\"type\": \"NFC\"}");
    put(m, "pre_tokenizer", CUTS[cut].cut);
    put(m, "decoder", BYTES("true"));
    put_added(m, 1);
    put_ends(m, CUTS[cut].begins);
    return AT_OK;
}

/* ---- llama ---- */

static int by_score(const void *left, const void *right) {
    const token *a = *(const token *const *)left, *b = *(const token *const *)right;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int joins(const making *m, const char *text, size_t len) {
    const json_t *id = json_object_getn(m->vocab, text, len);
    if (!id) return 0;
    int type = m->token[json_integer_value(id)].type;
    return type != CONTROL && type != UNKNOWN && type != BYTE && type != UNUSED;
}

static at_status put_scored_merges(making *m, json_t *model) {
    const token **order = AT_NEW_ARRAY(&m->arena, const token *, m->n);
    json_t *list = json_array();
    int n = 0;
    json_object_set_new(model, "merges", list);
    if (!order) return at_fail_memory(m->err, (size_t)m->n * sizeof *order);
    for (int i = 0; i < m->n; i++)
        if (m->token[i].len && joins(m, m->token[i].text, m->token[i].len)) order[n++] = &m->token[i];
    qsort(order, (size_t)n, sizeof *order, by_score);
    for (int i = 0; i < n; i++)
        for (size_t cut = 1; cut < order[i]->len; cut++) {
            const char *text = order[i]->text;
            if (((unsigned char)text[cut] & 0xc0) == 0x80 || !joins(m, text, cut) || !joins(m, text + cut, order[i]->len - cut)) continue;
            if (json_array_size(list) >= MOST_MERGES) return bad(m, "more than 2,000,000 merges");
            json_array_append_new(list, json_pack("[o, o]", json_stringn(text, cut), json_stringn(text + cut, order[i]->len - cut)));
        }
    return AT_OK;
}

#define META "\\u2581"

static at_status make_llama(making *m) {
    int prefix = flag(m, "tokenizer.ggml.add_space_prefix", 1);
    const char *unknown = token_text(m, "tokenizer.ggml.unknown_token_id");
    if (!array(m, "tokenizer.ggml.scores", (uint64_t)m->n)) return bad(m, "has no scores (tokenizer.ggml.scores) of its tokens");
    for (int i = 0; i < m->n; i++) AT_TRY(add_word(m, m->token[i].text, m->token[i].len, i));
    if (!unknown && json_object_get(m->vocab, "<unk>")) unknown = "<unk>";
    json_t *model = json_pack("{s:s, s:O, s:s?, s:b, s:b}", "type", "BPE", "vocab", m->vocab, "unk_token", unknown, "fuse_unk", 1,
                              "byte_fallback", 1);
    json_object_set_new(m->root, "model", model);
    AT_TRY(put_scored_merges(m, model));
    put(m, "normalizer", prefix ? "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"" META "\"}, "
                                  "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" META "\"}]}"
                                : "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" META "\"}");
#define BACK "{\"type\": \"Replace\", \"pattern\": {\"String\": \"" META "\"}, \"content\": \" \"}, " \
             "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}"
    put(m, "decoder", prefix ? "{\"type\": \"Sequence\", \"decoders\": [" BACK ", "
                               "{\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}"
                             : "{\"type\": \"Sequence\", \"decoders\": [" BACK "]}");
    put_added(m, 1);
    put_ends(m, 1);
    return AT_OK;
}

/* ---- bert ---- */

static const char META_BYTES[] = "\xe2\x96\x81";

/* Their text of a token as WordPiece has it. */
static const char *wordpiece(making *m, const token *t, size_t *len) {
    int whole = t->len > 1 && t->text[0] == '[' && t->text[t->len - 1] == ']', begins = t->len >= 3 && !memcmp(t->text, META_BYTES, 3);
    *len = whole ? t->len : begins ? t->len - 3 : t->len + 2;
    if (whole) return t->text;
    return begins ? t->text + 3 : at_format(&m->arena, "##%.*s", (int)t->len, t->text);
}

static at_status make_bert(making *m) {
    int cased = 0;
    for (int i = 0; i < m->n; i++) {
        size_t len;
        const char *text = wordpiece(m, &m->token[i], &len);
        if (!text) return at_fail_memory(m->err, m->token[i].len);
        for (size_t k = 0; k < len && text[0] != '['; k++) cased |= text[k] >= 'A' && text[k] <= 'Z';
        AT_TRY(add_word(m, text, len, i));
    }
    json_object_set_new(m->root, "model",
                        json_pack("{s:s, s:O, s:s, s:s, s:i}", "type", "WordPiece", "vocab", m->vocab, "unk_token", "[UNK]",
                                                   "continuing_subword_prefix", "##", "max_input_chars_per_word", 100));
    int lowers = flag(m, "tokenizer.ggml.normalizer.lowercase", !cased); /* a vocabulary with capitals wants them */
    json_object_set_new(m->root, "normalizer",
                        json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", "BertNormalizer", "clean_text", 1, "handle_chinese_chars", 1, "strip_accents",
                                  flag(m, "tokenizer.ggml.normalizer.strip_accents", lowers), "lowercase", lowers));
    put(m, "pre_tokenizer", "{\"type\": \"BertPreTokenizer\"}");
    put(m, "decoder", "{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}");
    put_added(m, 0);
    if (!json_object_get(m->vocab, "[CLS]") || !json_object_get(m->vocab, "[SEP]")) return bad(m, "the vocabulary has no [CLS] and [SEP]");
    json_object_set_new(m->root, "post_processor",
                        json_pack("{s:s, s:[s, O], s:[s, O]}", "type", "BertProcessing", "sep", "[SEP]", json_object_get(m->vocab, "[SEP]"),
                                                            "cls", "[CLS]", json_object_get(m->vocab, "[CLS]")));
    return AT_OK;
}

/* ---- both files ---- */

static json_t *make_config(const making *m) {
    static const char *const ROLES[][2] = {{"tokenizer.ggml.bos_token_id", "bos_token"}, {"tokenizer.ggml.eos_token_id", "eos_token"},
                                           {"tokenizer.ggml.unknown_token_id", "unk_token"},
                                           {"tokenizer.ggml.padding_token_id", "pad_token"},
                                           {"tokenizer.ggml.cls_token_id", "cls_token"}, {"tokenizer.ggml.seperator_token_id", "sep_token"},
                                           {"tokenizer.ggml.mask_token_id", "mask_token"}};
    json_t *config = json_pack("{s:s}", "tokenizer_class", "PreTrainedTokenizerFast");
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES; i++) {
        const char *text = token_text(m, ROLES[i][0]);
        if (text) json_object_set_new(config, ROLES[i][1], json_string(text));
    }
    const char *chat = at_gguf_text(m->file, "tokenizer.chat_template");
    if (chat) json_object_set_new(config, "chat_template", json_string(chat));
    return config;
}

static at_status make(making *m) {
    static const struct {
        const char *name;
        at_status (*make)(making *m);
    } KINDS[] = {{"gpt2", make_gpt2}, {"llama", make_llama}, {"bert", make_bert}};
    const char *kind = at_gguf_text(m->file, "tokenizer.ggml.model");
    AT_TRY(read_tokens(m));
    m->root = json_pack("{s:s}", "version", "1.0");
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (kind && !strcmp(kind, KINDS[i].name)) return KINDS[i].make(m);
    return at_fail(m->err, AT_BAD_MODEL, "%s: a vocabulary of the kind '%.60s' (tokenizer.ggml.model); gpt2, llama and bert are read here",
                   at_gguf_path(m->file), kind ? kind : "");
}

at_status at_gguf_tokenizer(const at_gguf *file, json_t **tokenizer, json_t **config, at_error *err) {
    making m = {.file = file, .err = err};
    at_status st = make(&m);
    *tokenizer = NULL;
    *config = NULL;
    if (!st) *config = make_config(&m);
    if (!st) *tokenizer = json_incref(m.root);
    json_decref(m.root);
    json_decref(m.vocab);
    at_arena_free(&m.arena);
    return st;
}

at_status at_model_tokenizer_open(const char *path, at_tokenizer **tokenizer, at_error *err) {
    at_gguf *file;
    json_t *root, *config;
    *tokenizer = NULL;
    if (!at_gguf_is(path)) return at_tokenizer_open(path, tokenizer, err);
    AT_TRY(at_gguf_open(path, &file, err));
    at_status st = at_gguf_tokenizer(file, &root, &config, err);
    at_gguf_close(file);
    if (st) return st;
    st = at_tokenizer_open_parsed(path, root, config, tokenizer, err);
    json_decref(root);
    json_decref(config);
    return st;
}
