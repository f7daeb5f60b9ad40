/* SentencePiece files of ALBERT, CamemBERT, DeBERTa-v2, Gemma, T5 and XLM-RoBERTa: transformers takes pieces and character map from them and nothing else;
 * what is done to a text, which tokens come before and behind the pieces, and what stands around a text is the class's own (tokenization_albert.py and the
 * like, convert_slow_tokenizer.py). The parts are put together as a tokenizer.json, which is then read. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "text/added_list.h"
#include "text/spec.h"
#include "text/spm.h"

enum { BOS, EOS, UNK, SEP, PAD, CLS, MASK, N_ROLES };
static const char *const ROLES[N_ROLES] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

static const char *const KINDS[] = {"Unigram", "BPE"};

enum { OWN = -1, MOST_ADDED = 16384 }; /* OWN: a text of `front` that is no role's */

/* What stands around a text. TYPES: [CLS] a [SEP] b [SEP], with types; DOUBLE: <s> a </s> </s> b </s>; END: a </s> b </s>; ASKED: <bos> a <eos> <bos> b <eos>,
 * each where add_bos_token and add_eos_token say so. */
struct at_spm_class {
    const char *name;
    const char *usual[N_ROLES];
    int front[5], n_front; /* roles of the tokens before the pieces */
    const char *front_text[5];
    int left_out;    /* pieces of the file before which they stand */
    int has_mask;    /* it comes behind the pieces */
    int unknown;     /* its id; -1: where it stands */
    int mask_strips; /* the spaces before it, unless the file says otherwise */
    int extra_ids;   /* that many <extra_id_N> come behind the pieces, the last first, where the config does not say how many */
    int model;       /* AT_SPM_UNIGRAM or AT_SPM_BPE */
    enum { AROUND_TYPES, AROUND_DOUBLE, AROUND_END, AROUND_ASKED } around;
    const char *no_prefix; /* prepend_scheme without add_prefix_space; NULL: spaces are all that becomes of Metaspace */
    int splits;      /* at white space first */
    json_t *(*normalizers)(const json_t *config, json_t *map); /* a list; takes over `map`, which may be NULL */
};

static int flag(const json_t *config, const char *key, int absent) { return at_added_flag(config, key, absent); }

static json_t *type(const char *name) { return json_pack("{s:s}", "type", name); }

static json_t *replace(const char *kind, const char *pattern, const char *content) {
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", kind, pattern, "content", content);
}

static json_t *map_alone(const json_t *config, json_t *map) {
    (void)config;
    json_t *list = json_array();
    if (map) json_array_append_new(list, map);
    return list;
}

static json_t *of_albert(const json_t *config, json_t *map) {
    json_t *list = json_array();
    json_array_append_new(list, replace("String", "``", "\""));
    json_array_append_new(list, replace("String", "''", "\""));
    if (!flag(config, "keep_accents", 0)) {
        json_array_append_new(list, type("NFKD"));
        json_array_append_new(list, type("StripAccents"));
    }
    if (flag(config, "do_lower_case", 1)) json_array_append_new(list, type("Lowercase"));
    if (map) json_array_append_new(list, map);
    return list;
}

static json_t *of_deberta(const json_t *config, json_t *map) {
    json_t *list = json_array();
    json_decref(map); /* the class does not read it */
    if (flag(config, "do_lower_case", 0)) json_array_append_new(list, type("Lowercase"));
    json_array_append_new(list, replace("Regex", "\\s{2,}|[\\n\\r\\t]", " "));
    json_array_append_new(list, type("NFC"));
    json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", 0, "strip_right", 1));
    return list;
}

static json_t *of_gemma(const json_t *config, json_t *map) {
    (void)config;
    json_t *list = json_array();
    json_decref(map); /* the class does not read it */
    json_array_append_new(list, replace("String", " ", "\xe2\x96\x81"));
    return list;
}

#define T5_LIKE .usual = {NULL, "</s>", "<unk>", NULL, "<pad>", NULL, NULL}, .unknown = 2, .extra_ids = 100, .model = AT_SPM_UNIGRAM, .around = AROUND_END, \
                .no_prefix = "always", .splits = 1, .normalizers = map_alone
#define ROBERTA_TOKENS {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}
static const at_spm_class CLASSES[] = {
    {.name = "AlbertTokenizer", .usual = {"[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"}, .unknown = 1, .model = AT_SPM_UNIGRAM,
     .no_prefix = "never", .splits = 1, .normalizers = of_albert},
    {.name = "CamembertTokenizer", .usual = ROBERTA_TOKENS, .front = {OWN, PAD, OWN, UNK, OWN}, .n_front = 5,
     .front_text = {"<s>NOTUSED", NULL, "</s>NOTUSED", NULL, "<unk>NOTUSED"}, .left_out = 1, .has_mask = 1, .unknown = 3, .mask_strips = 1,
     .model = AT_SPM_UNIGRAM, .around = AROUND_DOUBLE, .no_prefix = "never", .splits = 1, .normalizers = map_alone},
    {.name = "DebertaV2Tokenizer", .usual = {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}, .unknown = -1, .model = AT_SPM_UNIGRAM,
     .no_prefix = "first", .normalizers = of_deberta},
    {.name = "GemmaTokenizer", .usual = {"<bos>", "<eos>", "<unk>", NULL, "<pad>", NULL, "<mask>"}, .unknown = -1, .model = AT_SPM_BPE, .around = AROUND_ASKED,
     .normalizers = of_gemma},
    {.name = "MT5Tokenizer", T5_LIKE},
    {.name = "T5Tokenizer", T5_LIKE},
    {.name = "XLMRobertaTokenizer", .usual = ROBERTA_TOKENS, .front = {BOS, PAD, EOS, UNK}, .n_front = 4, .left_out = 3, .has_mask = 1, .unknown = 3,
     .model = AT_SPM_UNIGRAM, .around = AROUND_DOUBLE, .no_prefix = "never", .splits = 1, .normalizers = map_alone},
};
enum { N_CLASSES = sizeof CLASSES / sizeof *CLASSES };

const at_spm_class *at_spm_class_find(const json_t *config) {
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    for (int i = 0; name && i < N_CLASSES; i++) {
        size_t len = strlen(CLASSES[i].name);
        if (!strncmp(name, CLASSES[i].name, len) && (!name[len] || !strcmp(name + len, "Fast"))) return &CLASSES[i];
    }
    return NULL;
}

static const char *token_of(const at_spm_class *class, const json_t *config, int role) {
    const char *given = at_added_content(json_object_get(config, ROLES[role]));
    return given && *given ? given : class->usual[role];
}

static int extra_ids(const at_spm_class *class, const json_t *config) {
    const json_t *given = class->extra_ids ? json_object_get(config, "extra_ids") : NULL;
    double n = json_number_value(given);
    return json_is_number(given) && n >= 0 && n == floor(n) && n < 1e9 ? (int)n : class->extra_ids;
}

static const char *extra_id(char *text, size_t size, int number) {
    snprintf(text, size, "<extra_id_%d>", number);
    return text;
}

static int is_added(const at_spm_piece *piece) { return piece->type == AT_PIECE_CONTROL || piece->type == AT_PIECE_USER_DEFINED; }

static at_status check_size(const char *path, const at_spm *spm, const at_spm_class *class, const json_t *config, at_error *err) {
    int n = 0;
    for (int i = 0; i < spm->n; i++) n += is_added(&spm->piece[i]);
    if (n > MOST_ADDED) return at_fail(err, AT_BAD_MODEL, "%s: more than %d pieces are control symbols or the user's own", path, MOST_ADDED);
    if (extra_ids(class, config) > MOST_ADDED) return at_fail(err, AT_BAD_MODEL, "%s: the 'extra_ids' of tokenizer_config.json are more than %d", path, MOST_ADDED);
    if (spm->n > class->left_out && class->unknown < spm->n) return AT_OK;
    return at_fail(err, AT_BAD_MODEL, "%s: has %d pieces, too few for the class %s", path, spm->n, class->name);
}

/* ---- the parts ---- */

static json_t *base64(const unsigned char *bytes, size_t len) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    at_arena arena = {0};
    char *text = at_alloc_raw(&arena, len / 3 + 1, 4);
    size_t n = 0;
    for (size_t i = 0; text && i < len; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (uint32_t)(i + 1 < len ? bytes[i + 1] : 0) << 8 | (i + 2 < len ? bytes[i + 2] : 0);
        for (int k = 0; k < 4; k++) text[n++] = i + (size_t)k > len ? '=' : DIGITS[bits >> (18 - 6 * k) & 63];
    }
    json_t *made = text ? json_stringn(text, n) : NULL;
    at_arena_free(&arena);
    return made;
}

static json_t *normalizer_of(const at_spm *spm, const at_spm_class *class, const json_t *config) {
    json_t *map = NULL;
    if (spm->charsmap_len) map = json_pack("{s:s, s:o}", "type", "Precompiled", "precompiled_charsmap", base64(spm->charsmap, spm->charsmap_len));
    return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", class->normalizers(config, map));
}

/* As a decoder; as a pre-tokenizer where the class has one. */
static json_t *metaspace(const at_spm_class *class, const json_t *config) {
    if (!class->no_prefix)
        return json_pack("{s:s, s:[o, {s:s}, {s:s}]}", "type", "Sequence", "decoders", replace("String", "\xe2\x96\x81", " "), "type", "ByteFallback", "type", "Fuse");
    return json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", "\xe2\x96\x81", "prepend_scheme",
                     flag(config, "add_prefix_space", 1) ? "always" : class->no_prefix, "split", 1);
}

static json_t *pre_tokenizer_of(const at_spm_class *class, const json_t *config) {
    json_t *list = json_array();
    if (class->splits) json_array_append_new(list, type("WhitespaceSplit"));
    if (!class->splits && flag(config, "split_by_punct", 0))
        json_array_append_new(list, json_pack("{s:s, s:s}", "type", "Punctuation", "behavior", "Isolated"));
    if (class->no_prefix) json_array_append_new(list, metaspace(class, config));
    return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", list);
}

static void put_piece(json_t *list, const char *text, size_t len, double score) {
    json_t *piece = json_array();
    json_array_append_new(piece, json_stringn(text, len));
    json_array_append_new(piece, json_real(score));
    json_array_append_new(list, piece);
}

static json_t *model_of(const at_spm *spm, const at_spm_class *class, const json_t *config) {
    json_t *list = json_array();
    const char *unknown_text = token_of(class, config, UNK);
    int unknown = class->unknown >= 0 ? class->unknown : spm->unknown;
    for (int i = 0; i < class->n_front; i++) {
        const char *text = class->front[i] == OWN ? class->front_text[i] : token_of(class, config, class->front[i]);
        put_piece(list, text, strlen(text), i == 4 ? -100 : 0); /* the fifth is a text that may be met */
    }
    for (int i = class->left_out; i < spm->n; i++) {
        const at_spm_piece *piece = &spm->piece[i];
        put_piece(list, piece->text, piece->len, (double)piece->score);
        if (class->unknown < 0 && piece->score == 0 && piece->len == strlen(unknown_text) && !memcmp(piece->text, unknown_text, piece->len)) unknown = i;
    }
    for (int i = extra_ids(class, config) - 1; i >= 0; i--) {
        char text[32];
        extra_id(text, sizeof text, i);
        put_piece(list, text, strlen(text), 0);
    }
    if (class->has_mask) put_piece(list, token_of(class, config, MASK), strlen(token_of(class, config, MASK)), 0);
    return json_pack("{s:s, s:i, s:b, s:o}", "type", "Unigram", "unk_id", unknown, "byte_fallback", 0, "vocab", list);
}

/* Those of added_tokens.json are looked for in the normalised text. */
static void add_named(json_t *all, const at_spm_class *class, const json_t *config, const char *content) {
    int special = 0;
    for (int i = 0; i < N_ROLES; i++) special |= token_of(class, config, i) && !strcmp(content, token_of(class, config, i));
    json_t *token = json_pack("{s:s, s:b, s:b}", "content", content, "special", special, "normalized", 1);
    at_added_put(all, token, special, 0);
    json_decref(token);
}

static json_t *added_of(at_arena *arena, const at_spm *spm, const at_spm_class *class, const json_t *config, const json_t *added) {
    json_t *all = json_object();
    at_added_put_numbered(arena, all, json_object_get(config, "added_tokens_decoder"));
    size_t n = 0, size = json_object_size(added);
    const char **names = at_added_in_order(arena, added);
    for (; names && n < size; n++) add_named(all, class, config, names[n]);
    for (int i = 0; i < N_ROLES; i++) {
        const json_t *given = json_object_get(config, ROLES[i]);
        json_t *usual = token_of(class, config, i) ? json_string(token_of(class, config, i)) : NULL;
        at_added_put(all, at_added_content(given) ? given : usual, 1, i == MASK && class->mask_strips);
        json_decref(usual);
    }
    for (int i = 0; i < spm->n; i++) {
        int control = spm->piece[i].type == AT_PIECE_CONTROL;
        if (!is_added(&spm->piece[i])) continue;
        json_t *token = json_pack("{s:s%, s:b, s:b}", "content", spm->piece[i].text, spm->piece[i].len, "special", control, "normalized", 0);
        at_added_put(all, token, control, 0);
        json_decref(token);
    }
    for (int i = 0, n_extra = extra_ids(class, config); i < n_extra; i++) {
        char text[32];
        json_t *token = json_string(extra_id(text, sizeof text, i));
        at_added_put(all, token, 1, 0);
        json_decref(token);
    }
    return at_added_listed(all);
}

/* ---- what stands around a text ---- */

static json_t *special(const char *name, int type_id) { return json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", name, "type_id", type_id); }
static json_t *text(const char *name, int type_id) { return json_pack("{s:{s:s, s:i}}", "Sequence", "id", name, "type_id", type_id); }

/* The tokens around a text, one of them or both NULL; the type of the second text's. */
typedef struct at_around {
    const char *begin, *end;
    int doubles_end, begins_both, second;
} at_around;

static at_around around_of(const at_spm_class *class, const json_t *config) {
    const char *bos = token_of(class, config, BOS), *eos = token_of(class, config, EOS);
    switch (class->around) {
    case AROUND_DOUBLE: return (at_around){bos, eos, 1, 0, 0};
    case AROUND_END: return (at_around){NULL, eos, 0, 0, 0};
    case AROUND_ASKED: return (at_around){flag(config, "add_bos_token", 0) ? bos : NULL, flag(config, "add_eos_token", 0) ? eos : NULL, 0, 1, 1};
    default: return (at_around){token_of(class, config, CLS), token_of(class, config, SEP), 0, 0, 1};
    }
}

static void put_special(json_t *list, const char *name, int type_id) {
    if (name) json_array_append_new(list, special(name, type_id));
}

static at_status set_template(at_tokenizer *t, const char *path, const at_spm_class *class, const json_t *config, at_error *err) {
    const at_around a = around_of(class, config);
    const char *const names[] = {a.begin, a.end};
    json_t *ids = json_object(), *single = json_array(), *pair = json_array();
    for (int i = 0; i < 2; i++) {
        if (!names[i]) continue;
        int32_t id = at_tokenizer_id(t, names[i]);
        if (id >= 0) json_object_set_new(ids, names[i], json_pack("{s:[i]}", "ids", id));
        else at_fail(err, AT_BAD_MODEL, "%s: the token '%.80s' is not there", path, names[i]);
    }
    size_t n_ids = json_object_size(ids), wanted = (size_t)(a.begin != NULL) + (a.end && !(a.begin && !strcmp(a.begin, a.end)));
    json_t *const lists[] = {single, pair};
    for (int i = 0; i < 2; i++) {
        put_special(lists[i], a.begin, 0);
        json_array_append_new(lists[i], text("A", 0));
        put_special(lists[i], a.end, 0);
    }
    if (a.doubles_end) put_special(pair, a.end, 0);
    if (a.begins_both) put_special(pair, a.begin, a.second);
    json_array_append_new(pair, text("B", a.second));
    put_special(pair, a.end, a.second);
    json_t *part = json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", single, "pair", pair, "special_tokens", ids);
    at_status st = n_ids == wanted ? at_templates_read(&t->arena, path, part, at_tokenizer_n_ids(t), &t->templates, err) : AT_BAD_MODEL;
    json_decref(part);
    return st;
}

at_status at_tokenizer_read_spm_class(at_tokenizer *t, const char *path, const at_spm *spm, const at_spm_class *class, const json_t *config,
                                      const json_t *added, at_error *err) {
    if (spm->model_type != class->model)
        return at_fail(err, AT_BAD_MODEL,
                       "%s: is a %s model, and the class %s reads %s models: transformers would take its scores for the other kind's and cut words wrongly. "
                       "Name the class that the model was made for in tokenizer_config.json, or save it with a tokenizer.json",
                       path, KINDS[spm->model_type == AT_SPM_BPE], class->name, KINDS[class->model == AT_SPM_BPE]);
    AT_TRY(check_size(path, spm, class, config, err));
    if (class->model == AT_SPM_BPE) AT_TRY(at_tokenizer_set_spm_bpe(t, path, spm, token_of(class, config, UNK), err));
    json_t *root = json_pack("{s:o, s:o, s:o, s:o}", "normalizer", normalizer_of(spm, class, config), "pre_tokenizer", pre_tokenizer_of(class, config), "decoder",
                             metaspace(class, config), "added_tokens", added_of(&t->arena, spm, class, config, added));
    if (!root) return at_fail_memory(err, (size_t)spm->n);
    if (class->model == AT_SPM_UNIGRAM) json_object_set_new(root, "model", model_of(spm, class, config));
    at_status st = at_tokenizer_read_json(t, path, root, err);
    json_decref(root);
    return st ? st : set_template(t, path, class, config, err);
}
