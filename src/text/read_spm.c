/* SentencePiece .model files (sentencepiece_model.proto): BPE and Unigram, with ids as SentencePiece itself gives them. What
 * stands around them is LLaMA's; classes with a way of their own are in read_spm_class.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "text/added_list.h"
#include "text/protobuf.h"
#include "text/spec.h"
#include "text/spm.h"

static at_status broken(const char *path, at_error *err) { return at_fail(err, AT_BAD_MODEL, "%s: is no SentencePiece model", path); }

static at_status read_piece(const char *path, at_pb message, int number, at_spm_piece *piece, at_error *err) {
    *piece = (at_spm_piece){.text = "", .type = AT_PIECE_NORMAL};
    while (at_pb_next(&message)) {
        if (message.number == 1 && message.type == AT_PB_BYTES) piece->text = (const char *)message.bytes, piece->len = message.len;
        if (message.number == 2 && message.type == AT_PB_32) piece->score = at_pb_float(&message);
        if (message.number == 3 && message.type == AT_PB_VARINT) piece->type = message.value <= AT_PIECE_BYTE ? (int)message.value : 0;
    }
    if (message.broken || piece->type < AT_PIECE_NORMAL) return broken(path, err);
    if (!piece->len || piece->len > AT_TOKEN_BYTES)
        return at_fail(err, AT_BAD_MODEL, "%s: piece %d is empty or longer than %d bytes", path, number, AT_TOKEN_BYTES);
    if (at_utf8_check(piece->text, piece->len) != piece->len || memchr(piece->text, 0, piece->len))
        return at_fail(err, AT_BAD_MODEL, "%s: piece %d is not valid UTF-8", path, number);
    if (!isfinite(piece->score)) return at_fail(err, AT_BAD_MODEL, "%s: the score of piece %d is no number", path, number);
    return AT_OK;
}

static int read_trainer(at_pb message, at_spm *spm) {
    while (at_pb_next(&message)) {
        if (message.type != AT_PB_VARINT) continue;
        if (message.number == 3) spm->model_type = message.value <= AT_SPM_CHAR ? (int)message.value : 0;
        if (message.number == 24) spm->rules.suffix = message.value != 0;
        if (message.number == 35) spm->byte_fallback = message.value != 0;
    }
    return !message.broken;
}

static int read_normalizer(at_pb message, at_spm *spm) {
    while (at_pb_next(&message)) {
        if (message.number == 2 && message.type == AT_PB_BYTES) spm->charsmap = message.bytes, spm->charsmap_len = message.len;
        if (message.type != AT_PB_VARINT) continue;
        if (message.number == 3) spm->rules.dummy_prefix = message.value != 0;
        if (message.number == 4) spm->rules.remove_spaces = message.value != 0;
        if (message.number == 5) spm->rules.escape = message.value != 0;
    }
    return !message.broken;
}

static int count_pieces(at_pb message) {
    int n = 0;
    while (at_pb_next(&message) && n <= AT_VOCAB_MAX) n += message.number == 1;
    return n;
}

static at_status parse(at_arena *arena, const char *path, const void *bytes, size_t len, at_spm *spm, at_error *err) {
    at_pb message = at_pb_of(bytes, len);
    int n = count_pieces(message), ok = 1;
    *spm = (at_spm){.model_type = AT_SPM_UNIGRAM, .unknown = -1, .rules = {1, 1, 1, 0}};
    if (n > AT_VOCAB_MAX) return at_fail(err, AT_BAD_MODEL, "%s: more than %d pieces", path, AT_VOCAB_MAX);
    spm->piece = AT_NEW_ARRAY(arena, at_spm_piece, n);
    if (!spm->piece) return at_fail_memory(err, (size_t)n * sizeof *spm->piece);
    while (ok && at_pb_next(&message)) {
        at_pb inner = at_pb_of(message.bytes, message.type == AT_PB_BYTES ? message.len : 0);
        if (message.number > 3) continue;
        if (message.type != AT_PB_BYTES) return broken(path, err);
        if (message.number == 1) {
            AT_TRY(read_piece(path, inner, spm->n, &spm->piece[spm->n], err));
            if (spm->piece[spm->n].type == AT_PIECE_UNKNOWN) spm->unknown = spm->n;
            spm->n++;
        } else ok = message.number == 2 ? read_trainer(inner, spm) : read_normalizer(inner, spm);
    }
    if (!ok || message.broken || !spm->n) return broken(path, err);
    if (spm->unknown < 0) return at_fail(err, AT_BAD_MODEL, "%s: no piece is the unknown one", path);
    if (spm->model_type != AT_SPM_UNIGRAM && spm->model_type != AT_SPM_BPE)
        return at_fail(err, AT_BAD_MODEL, "%s: a SentencePiece model of type %d is neither Unigram (1) nor BPE (2)", path, spm->model_type);
    return AT_OK;
}

static at_status set_vocab(at_tokenizer *t, const char *path, const at_spm *spm, at_error *err) {
    size_t bytes = 0;
    for (int i = 0; i < spm->n; i++) bytes += spm->piece[i].len;
    AT_TRY(at_vocab_init(&t->arena, &t->vocab, spm->n, bytes, err));
    for (int i = 0; i < spm->n; i++) at_vocab_add(&t->vocab, i, spm->piece[i].text, spm->piece[i].len);
    AT_TRY(at_vocab_index(&t->arena, &t->vocab, NULL, err));
    return t->vocab.n == spm->n ? AT_OK : at_fail(err, AT_BAD_MODEL, "%s: two pieces have one text", path);
}

/* The pieces that the user defined: they are found before anything else. NULL: there are none. */
static at_status find_defined(at_tokenizer *t, const char *path, const at_spm *spm, at_trie **defined, at_error *err) {
    uint8_t *skip = AT_NEW_ARRAY(&t->arena, uint8_t, spm->n);
    int n = 0;
    *defined = NULL;
    if (!skip) return at_fail_memory(err, (size_t)spm->n);
    for (int i = 0; i < spm->n; i++) {
        skip[i] = spm->piece[i].type != AT_PIECE_USER_DEFINED;
        n += !skip[i];
    }
    if (!n) return AT_OK;
    if (!(*defined = AT_NEW(&t->arena, at_trie))) return at_fail_memory(err, sizeof **defined);
    return at_trie_init(&t->arena, *defined, &t->vocab, skip, err) ? at_fail_prefix(err, "%s", path) : AT_OK;
}

/* SentencePiece 0.2.3 gives a piece that the user defined 0.1 for each byte but the first, where other scores are logarithms of probabilities. */
static float score_of(const at_spm_piece *piece) {
    return piece->type == AT_PIECE_USER_DEFINED ? (float)(0.1 * (double)(piece->len - 1)) : piece->score;
}

/* SentencePiece holds scores, and adds them up, as floats. */
static at_status set_unigram(at_tokenizer *t, const char *path, const at_spm *spm, at_error *err) {
    at_unigram *u = &t->model.as.unigram;
    double *score = AT_NEW_ARRAY(&t->arena, double, spm->n);
    uint8_t *skip = AT_NEW_ARRAY(&t->arena, uint8_t, spm->n);
    float low = INFINITY;
    if (!score || !skip) return at_fail_memory(err, (size_t)spm->n * sizeof *score);
    for (int i = 0; i < spm->n; i++) {
        if (spm->piece[i].type != AT_PIECE_NORMAL) continue;
        low = spm->piece[i].score < low ? spm->piece[i].score : low;
    }
    if (isinf(low)) low = 0;
    for (int i = 0; i < spm->n; i++) {
        score[i] = (double)score_of(&spm->piece[i]);
        skip[i] = spm->piece[i].type != AT_PIECE_NORMAL && spm->piece[i].type != AT_PIECE_USER_DEFINED;
    }
    t->model = (at_model){.type = &at_model_unigram, .unknown = spm->unknown};
    u->vocab = &t->vocab;
    u->score = score;
    u->unknown = spm->unknown;
    u->byte_fallback = spm->byte_fallback;
    u->single = 1;
    AT_TRY(at_unigram_init(&t->arena, u, skip, err) ? at_fail_prefix(err, "%s", path) : AT_OK);
    u->unknown_score = (double)(low - 10.0f);
    return AT_OK;
}

static int higher_score(const void *left, const void *right) {
    const at_spm_piece *a = *(const at_spm_piece *const *)left, *b = *(const at_spm_piece *const *)right;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* Every way to cut a piece in two pieces is a merge, of the rank that the piece's score gives. Calls add or only counts. */
static size_t merges_of(at_tokenizer *t, const at_spm *spm, const at_spm_piece *piece, uint32_t rank, int add) {
    size_t n = 0;
    for (size_t cut = 1; cut < piece->len; cut++) {
        if (((unsigned char)piece->text[cut] & 0xc0) == 0x80) continue;
        int32_t left = at_vocab_id(&t->vocab, piece->text, cut), right = at_vocab_id(&t->vocab, piece->text + cut, piece->len - cut);
        if (left < 0 || right < 0 || spm->piece[left].type != AT_PIECE_NORMAL || spm->piece[right].type != AT_PIECE_NORMAL) continue;
        if (add) at_bpe_add(&t->model.as.bpe, left, right, rank, (int32_t)(piece - spm->piece));
        n++;
    }
    return n;
}

static at_status set_bpe(at_tokenizer *t, const char *path, const at_spm *spm, at_error *err) {
    const at_spm_piece **order = AT_NEW_ARRAY(&t->arena, const at_spm_piece *, spm->n);
    const char *unknown = at_vocab_text(&t->vocab, spm->unknown);
    at_bpe settings = {.prefix = "", .suffix = "", .fuse_unk = 1, .byte_fallback = spm->byte_fallback};
    size_t n_merges = 0;
    int n = 0;
    if (!order) return at_fail_memory(err, (size_t)spm->n * sizeof *order);
    for (int i = 0; i < spm->n; i++) {
        if (spm->piece[i].type == AT_PIECE_UNUSED)
            return at_fail(err, AT_BAD_MODEL,
                           "%s: a BPE model with unused pieces ('%.80s') is not known here without a tokenizer.json",
                           path, at_vocab_text(&t->vocab, i));
        if (spm->piece[i].type == AT_PIECE_NORMAL) order[n++] = &spm->piece[i];
    }
    qsort(order, (size_t)n, sizeof *order, higher_score);
    for (int i = 0; i < n; i++) n_merges += merges_of(t, spm, order[i], 0, 0);
    AT_TRY(at_tokenizer_set_bpe(t, path, &settings, unknown, n_merges, err));
    uint32_t rank = 0;
    for (int i = 0; i < n; i++) {
        if (i && order[i]->score != order[i - 1]->score) rank++; /* of equal scores the leftmost pair is joined first */
        merges_of(t, spm, order[i], rank, 1);
    }
    return AT_OK;
}

static size_t listed_merges_of(at_tokenizer *t, int32_t piece, size_t rank, int add) {
    const char *text = at_vocab_text(&t->vocab, piece);
    size_t n = 0, len = t->vocab.len[piece];
    for (size_t cut = 1; cut < len; cut++) {
        if (((unsigned char)text[cut] & 0xc0) == 0x80) continue;
        int32_t left = at_vocab_id(&t->vocab, text, cut), right = left < 0 ? -1 : at_vocab_id(&t->vocab, text + cut, len - cut);
        if (right < 0) continue;
        if (add) at_bpe_add(&t->model.as.bpe, left, right, (uint32_t)(rank + n), piece);
        n++;
    }
    return n;
}

at_status at_tokenizer_set_spm_bpe(at_tokenizer *t, const char *path, const at_spm *spm, const char *unknown, at_error *err) {
    at_bpe settings = {.prefix = "", .suffix = "", .fuse_unk = 1, .byte_fallback = 1};
    size_t n_merges = 0, rank = 0;
    AT_TRY(set_vocab(t, path, spm, err));
    for (int32_t i = 0; i < t->vocab.size; i++) n_merges += listed_merges_of(t, i, 0, 0);
    AT_TRY(at_tokenizer_set_bpe(t, path, &settings, unknown, n_merges, err));
    for (int32_t i = 0; i < t->vocab.size; i++) rank += listed_merges_of(t, i, rank, 1);
    return AT_OK;
}

static at_status set_decoder(at_tokenizer *t, const at_spm *spm, at_error *err) {
    at_leading leading = spm->rules.remove_spaces ? AT_LEADING_ALL : spm->rules.dummy_prefix ? AT_LEADING_FIRST : AT_LEADING_STAYS;
    return at_decoders_sentencepiece(&t->arena, leading, &t->decoders, err);
}

static at_status set_specials(at_tokenizer *t, const char *path, const at_spm *spm, at_error *err) {
    at_added_entry *entry = AT_NEW_ARRAY(&t->arena, at_added_entry, spm->n);
    int n = 0;
    if (!entry) return at_fail_memory(err, (size_t)spm->n * sizeof *entry);
    for (int i = 0; i < spm->n; i++) {
        if (spm->piece[i].type != AT_PIECE_UNKNOWN && spm->piece[i].type != AT_PIECE_CONTROL) continue;
        entry[n++] = (at_added_entry){{.content = at_vocab_text(&t->vocab, i), .special = 1}, i};
    }
    return at_tokenizer_set_added(t, path, entry, n, err);
}

/* What stands around a text: LLaMA begins it with <s> unless add_bos_token is false, and ends it with </s> where add_eos_token is true. */
static at_status set_template(at_tokenizer *t, at_build *build, const json_t *config, at_error *err) {
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    int llama = class && !strncmp(class, "LlamaTokenizer", 14);
    int begins = llama && at_added_flag(config, "add_bos_token", 1), ends = llama && at_added_flag(config, "add_eos_token", 0);
    int32_t bos = at_tokenizer_id(t, "<s>"), eos = at_tokenizer_id(t, "</s>");
    if (class && !llama)
        return at_fail(err, AT_BAD_MODEL,
                       "%s: how a %.80s reads a SentencePiece model is not known here, as it is of AlbertTokenizer, CamembertTokenizer, DebertaV2Tokenizer, "
                       "GemmaTokenizer, LlamaTokenizer, MT5Tokenizer, T5Tokenizer and XLMRobertaTokenizer; save the model with a tokenizer.json",
                       build->path, class);
    if (!begins && !ends) return at_templates_read(&t->arena, build->path, NULL, t->vocab.size, &t->templates, err);
    if ((begins && bos < 0) || (ends && eos < 0))
        return at_fail(err, AT_BAD_MODEL, "%s: the token '%s' is not there", build->path, begins && bos < 0 ? "<s>" : "</s>");
    char text[1024];
    json_t *part = NULL;
#define BOS(type) "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":" type "}},"
#define TEXT(name, type) "{\"Sequence\":{\"id\":\"" name "\",\"type_id\":" type "}}"
#define EOS(type) ",{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":" type "}}"
    snprintf(text, sizeof text,
             "{\"type\":\"TemplateProcessing\",\"single\":[%s" TEXT("A", "0") "%s],\"pair\":[%s" TEXT("A", "0") "%s,%s" TEXT("B", "1")
             "%s],\"special_tokens\":{\"<s>\":{\"ids\":[%d]},\"</s>\":{\"ids\":[%d]}}}",
             begins ? BOS("0") : "", ends ? EOS("0") : "", begins ? BOS("0") : "", ends ? EOS("0") : "", begins ? BOS("1") : "", ends ? EOS("1") : "",
             bos < 0 ? 0 : bos, eos < 0 ? 0 : eos);
    AT_TRY(at_json_parse(text, strlen(text), build->path, AT_BAD_MODEL, &part, err));
    at_status st = at_templates_read(&t->arena, build->path, part, t->vocab.size, &t->templates, err);
    json_decref(part);
    return st;
}

at_status at_tokenizer_read_spm(at_tokenizer *t, const char *path, const void *bytes, size_t len, const json_t *config, const json_t *added,
                                at_error *err) {
    const at_spm_class *class = at_spm_class_find(config);
    at_build build = {.arena = &t->arena, .patterns = &t->patterns, .path = path};
    at_spm spm;
    at_charsmap map = {0};
    at_trie *defined;
    AT_TRY(parse(&t->arena, path, bytes, len, &spm, err));
    if (class) return at_tokenizer_read_spm_class(t, path, &spm, class, config, added, err);
    AT_TRY(at_charsmap_read(&t->arena, spm.charsmap, spm.charsmap_len, &map, err) ? at_fail_prefix(err, "%s", path) : AT_OK);
    AT_TRY(set_vocab(t, path, &spm, err));
    AT_TRY(find_defined(t, path, &spm, &defined, err));
    AT_TRY(at_normalizers_sentencepiece(&t->arena, &map, spm.rules, defined, &t->normalizers, err));
    AT_TRY(spm.model_type == AT_SPM_BPE ? set_bpe(t, path, &spm, err) : set_unigram(t, path, &spm, err));
    if (spm.model_type == AT_SPM_BPE) t->model.whole = defined;
    AT_TRY(set_specials(t, path, &spm, err));
    AT_TRY(set_decoder(t, &spm, err));
    return set_template(t, &build, config, err);
}
