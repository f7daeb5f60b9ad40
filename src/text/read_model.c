/* "model" of tokenizer.json: WordPiece, BPE, Unigram, WordLevel. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text/parts.h"
#include "text/spec.h"

/* The size and the bytes of a vocabulary, after checks of every id and text. */
static at_status measure(const char *path, const json_t *vocab, int *size, size_t *bytes, at_error *err) {
    const char *token;
    const json_t *value;
    json_int_t highest = -1;
    *bytes = 0;
    if (!json_is_object(vocab)) return at_fail(err, AT_BAD_MODEL, "%s: the model has no vocabulary", path);
    if (json_object_size(vocab) > AT_VOCAB_MAX)
        return at_fail(err, AT_BAD_MODEL, "%s: more than %d tokens", path, AT_VOCAB_MAX);
    json_object_foreach((json_t *)vocab, token, value) {
        size_t len = strlen(token);
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= AT_VOCAB_MAX)
            return at_fail(err, AT_BAD_MODEL, "%s: the token '%.80s' has no id within 0 and %d", path, token,
                           AT_VOCAB_MAX - 1);
        if (len > AT_TOKEN_BYTES)
            return at_fail(err, AT_BAD_MODEL, "%s: the token %lld is longer than %d bytes", path, (long long)id,
                           AT_TOKEN_BYTES);
        if (id > highest) highest = id;
        *bytes += len;
    }
    *size = (int)highest + 1;
    return AT_OK;
}

static at_status read_vocab(at_tokenizer *t, const char *path, const json_t *vocab, at_error *err) {
    const char *token, *other;
    const json_t *value;
    size_t bytes = 0;
    int size = 0;
    AT_TRY(measure(path, vocab, &size, &bytes, err));
    AT_TRY(at_vocab_init(&t->arena, &t->vocab, size, bytes, err));
    json_object_foreach((json_t *)vocab, token, value) {
        int32_t id = (int32_t)json_integer_value(value);
        if ((other = at_vocab_text(&t->vocab, id)))
            return at_fail(err, AT_BAD_MODEL, "%s: the tokens '%.80s' and '%.80s' have the same id %d", path, other, token, id);
        at_vocab_add(&t->vocab, id, token, strlen(token));
    }
    return AT_OK;
}

static at_status read_wordpiece(at_tokenizer *t, const char *path, const json_t *model, at_error *err) {
    at_spec spec = {path, "model"};
    const char *unknown, *prefix;
    json_int_t max_chars;
    AT_TRY(at_spec_string(spec, model, "unk_token", "[UNK]", &unknown, err));
    AT_TRY(at_spec_string(spec, model, "continuing_subword_prefix", "##", &prefix, err));
    AT_TRY(at_spec_int(spec, model, "max_input_chars_per_word", 100, &max_chars, err));
    AT_TRY(read_vocab(t, path, json_object_get(model, "vocab"), err));
    return at_tokenizer_set_wordpiece(t, path, unknown, prefix, max_chars, err);
}

static at_status read_wordlevel(at_tokenizer *t, const char *path, const json_t *model, at_error *err) {
    const char *unknown;
    AT_TRY(at_spec_string((at_spec){path, "model"}, model, "unk_token", "<unk>", &unknown, err));
    AT_TRY(read_vocab(t, path, json_object_get(model, "vocab"), err));
    AT_TRY(at_vocab_index(&t->arena, &t->vocab, NULL, err));
    int32_t id = at_vocab_id(&t->vocab, unknown, strlen(unknown));
    t->model = (at_model){.type = &at_model_wordlevel, .unknown = id, .as.wordlevel = &t->vocab};
    return AT_OK;
}

at_status at_tokenizer_set_bpe(at_tokenizer *t, const char *path, const at_bpe *settings, const char *unknown, size_t n_merges,
                               at_error *err) {
    at_bpe *bpe = &t->model.as.bpe;
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    t->model = (at_model){.type = &at_model_bpe, .as.bpe = *settings};
    bpe->vocab = &t->vocab;
    bpe->stamp = at_vocab_mix((uint64_t)(uintptr_t)t ^ at_vocab_mix((uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec)) | 8;
    bpe->prefix = at_strdup(&t->arena, settings->prefix);
    bpe->suffix = at_strdup(&t->arena, settings->suffix);
    if (!bpe->prefix || !bpe->suffix) return at_fail_memory(err, AT_TOKEN_BYTES);
    if (bpe->byte_fallback && (*bpe->prefix || *bpe->suffix))
        return at_fail(err, AT_BAD_MODEL, "%s: BPE with byte_fallback and a prefix or suffix of words is not known here", path);
    AT_TRY(at_vocab_index(&t->arena, &t->vocab, NULL, err));
    bpe->names_unknown = unknown != NULL;
    bpe->unknown = t->model.unknown = unknown ? at_vocab_id(&t->vocab, unknown, strlen(unknown)) : -1;
    return at_bpe_init(&t->arena, bpe, n_merges, err) ? at_fail_prefix(err, "%s", path) : AT_OK;
}

at_status at_tokenizer_add_merge(at_tokenizer *t, const char *path, size_t number, const char *left, size_t left_len, const char *right,
                                 size_t right_len, at_error *err) {
    at_bpe *bpe = &t->model.as.bpe;
    size_t skip = strlen(bpe->prefix);
    char joined[2 * AT_TOKEN_BYTES + 1];
    int32_t a = at_vocab_id(&t->vocab, left, left_len), b = at_vocab_id(&t->vocab, right, right_len), id = -1;
    if (a >= 0 && b >= 0 && right_len >= skip) {
        memcpy(joined, left, left_len);
        memcpy(joined + left_len, right + skip, right_len - skip);
        id = at_vocab_id(&t->vocab, joined, left_len + right_len - skip);
    }
    if (id < 0)
        return at_fail(err, AT_BAD_MODEL, "%s: merge %zu, '%.*s' and '%.*s': %s is not in the vocabulary", path, number + 1,
                       left_len > 80 ? 80 : (int)left_len, left, right_len > 80 ? 80 : (int)right_len, right,
                       a < 0 ? "the first" : b < 0 ? "the second" : "what they become");
    at_bpe_add(bpe, a, b, (uint32_t)number, id);
    return AT_OK;
}

/* ["a", "b"] or "a b". */
static at_status read_merge(at_tokenizer *t, const char *path, size_t rank, const json_t *merge, at_error *err) {
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        if (json_is_string(left) && json_is_string(right))
            return at_tokenizer_add_merge(t, path, rank, json_string_value(left), json_string_length(left), json_string_value(right),
                                          json_string_length(right), err);
    }
    const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL, *more = space ? strchr(space + 1, ' ') : NULL;
    /* Where tokens hold spaces themselves, which the library refuses, the vocabulary tells which space it is. */
    for (const char *at = more ? space : NULL; at; at = strchr(at + 1, ' '))
        if (!at_tokenizer_add_merge(t, path, rank, text, (size_t)(at - text), at + 1, strlen(at + 1), NULL)) return AT_OK;
    if (!space || more)
        return at_fail(err, AT_BAD_MODEL, "%s: merge %zu is neither a pair of tokens nor two tokens with a space between", path, rank + 1);
    return at_tokenizer_add_merge(t, path, rank, text, (size_t)(space - text), space + 1, strlen(space + 1), err);
}

static at_status read_bpe(at_tokenizer *t, const char *path, const json_t *model, at_error *err) {
    at_spec spec = {path, "model"};
    at_bpe settings = {0};
    const json_t *merges = json_object_get(model, "merges"), *merge, *dropout = json_object_get(model, "dropout");
    const char *unknown = json_string_value(json_object_get(model, "unk_token"));
    size_t i, rank = 0;
    AT_TRY(at_spec_string(spec, model, "continuing_subword_prefix", "", &settings.prefix, err));
    AT_TRY(at_spec_string(spec, model, "end_of_word_suffix", "", &settings.suffix, err));
    AT_TRY(at_spec_bool(spec, model, "fuse_unk", 0, &settings.fuse_unk, err));
    AT_TRY(at_spec_bool(spec, model, "byte_fallback", 0, &settings.byte_fallback, err));
    AT_TRY(at_spec_bool(spec, model, "ignore_merges", 0, &settings.ignore_merges, err));
    if (json_number_value(dropout) != 0)
        return at_fail(err, AT_BAD_MODEL, "%s: BPE with a dropout of %g gives other tokens each time; set \"dropout\" to null", path,
                       json_number_value(dropout));
    AT_TRY(at_spec_array(spec, model, "merges", &merges, err));
    AT_TRY(read_vocab(t, path, json_object_get(model, "vocab"), err));
    AT_TRY(at_tokenizer_set_bpe(t, path, &settings, unknown, json_array_size(merges), err));
    json_array_foreach((json_t *)merges, i, merge) {
        const char *text = json_string_value(merge);
        if (text && !strncmp(text, "#version", 8)) continue;
        AT_TRY(read_merge(t, path, rank++, merge, err));
    }
    return AT_OK;
}

/* A number as the library reads it: its JSON reader rounds twice, once the digits and once the quotient, and which of two equal scores
 * wins may hang on the last bit. `exact` is the number that its decimal digits are nearest to. */
static double as_the_library_reads(double exact) {
    char text[40];
    uint64_t digits = 0;
    int precision = 1, exponent = 0;
    if (exact == 0 || !isfinite(exact) || exact == floor(exact)) return exact;
    do snprintf(text, sizeof text, "%.*e", precision - 1, exact);
    while (strtod(text, NULL) != exact && precision++ < 17);
    char *e = strchr(text, 'e');
    if (!e) return exact;
    exponent = (int)strtol(e + 1, NULL, 10) - (precision - 1);
    for (const char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9') digits = digits * 10 + (uint64_t)(*p - '0');
    double value = (double)digits;
    if (exponent < -308 || exponent > 0) return exact;
    value /= pow(10, -exponent);
    return exact < 0 ? -value : value;
}

static at_status measure_scored(const char *path, const json_t *list, size_t *bytes, at_error *err) {
    const json_t *entry;
    size_t i;
    *bytes = 0;
    if (!json_is_array(list)) return at_fail(err, AT_BAD_MODEL, "%s: the model has no vocabulary", path);
    if (json_array_size(list) > AT_VOCAB_MAX) return at_fail(err, AT_BAD_MODEL, "%s: more than %d tokens", path, AT_VOCAB_MAX);
    json_array_foreach((json_t *)list, i, entry) {
        const json_t *token = json_array_get(entry, 0);
        if (!json_is_string(token) || !json_is_number(json_array_get(entry, 1)))
            return at_fail(err, AT_BAD_MODEL, "%s: entry %zu of the vocabulary is no token with a score", path, i);
        if (json_string_length(token) > AT_TOKEN_BYTES)
            return at_fail(err, AT_BAD_MODEL, "%s: the token %zu is longer than %d bytes", path, i, AT_TOKEN_BYTES);
        *bytes += json_string_length(token);
    }
    return AT_OK;
}

static at_status read_unigram(at_tokenizer *t, const char *path, const json_t *model, at_error *err) {
    at_spec spec = {path, "model"};
    at_unigram *u = &t->model.as.unigram;
    const json_t *list = json_object_get(model, "vocab"), *entry;
    json_int_t unknown;
    size_t i, bytes = 0, n = json_array_size(list);
    AT_TRY(measure_scored(path, list, &bytes, err));
    AT_TRY(at_spec_int(spec, model, "unk_id", -1, &unknown, err));
    if (unknown >= (json_int_t)n || unknown < -1)
        return at_fail(err, AT_BAD_MODEL, "%s: the unk_id %lld is no token", path, (long long)unknown);
    double *score = AT_NEW_ARRAY(&t->arena, double, n);
    if (!score) return at_fail_memory(err, n * sizeof *score);
    AT_TRY(at_vocab_init(&t->arena, &t->vocab, (int)n, bytes, err));
    t->vocab.keep_all = 1;
    json_array_foreach((json_t *)list, i, entry) {
        const json_t *token = json_array_get(entry, 0);
        at_vocab_add(&t->vocab, (int32_t)i, json_string_value(token), json_string_length(token));
        score[i] = as_the_library_reads(json_number_value(json_array_get(entry, 1)));
    }
    AT_TRY(at_vocab_index(&t->arena, &t->vocab, NULL, err));
    t->model = (at_model){.type = &at_model_unigram, .unknown = (int32_t)unknown};
    u->vocab = &t->vocab;
    u->score = score;
    u->unknown = (int32_t)unknown;
    AT_TRY(at_spec_bool(spec, model, "byte_fallback", 0, &u->byte_fallback, err));
    return at_unigram_init(&t->arena, u, NULL, err) ? at_fail_prefix(err, "%s", path) : AT_OK;
}

static const struct {
    const char *name;
    at_status (*read)(at_tokenizer *t, const char *path, const json_t *model, at_error *err);
} MODELS[] = {{"WordPiece", read_wordpiece}, {"BPE", read_bpe}, {"Unigram", read_unigram}, {"WordLevel", read_wordlevel}};
enum { N_MODELS = sizeof MODELS / sizeof *MODELS, MODEL_WORDPIECE = 0, MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDLEVEL };

/* Files of early versions do not name the type: the fields tell. */
static int kind_by_fields(const json_t *model) {
    if (json_object_get(model, "merges")) return MODEL_BPE;
    if (json_is_array(json_object_get(model, "vocab"))) return MODEL_UNIGRAM;
    if (json_object_get(model, "continuing_subword_prefix")) return MODEL_WORDPIECE;
    return json_object_get(model, "unk_token") ? MODEL_WORDLEVEL : -1;
}

at_status at_tokenizer_read_model(at_tokenizer *t, const char *path, const json_t *model, at_error *err) {
    const char *names[N_MODELS + 1] = {NULL};
    int kind = -1;
    for (int i = 0; i < N_MODELS; i++) names[i] = MODELS[i].name;
    if (!json_is_object(model)) return at_fail(err, AT_BAD_MODEL, "%s: there is no \"model\"", path);
    if (!json_object_get(model, "type")) kind = kind_by_fields(model);
    if (kind < 0) AT_TRY(at_spec_kind((at_spec){path, "model"}, model, names, &kind, err));
    return MODELS[kind].read(t, path, model, err);
}
