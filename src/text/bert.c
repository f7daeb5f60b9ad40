#include "text/bert.h"

#include "base/str.h"
#include "text/unicode.h"

#define MAX_PARTS (3 * AT_DECOMPOSE_MAX)

/* What the normalizer makes of one character, or -1 where that depends on its neighbours. */
static int normalise(const at_normalizer *n, uint32_t cp, uint32_t out[MAX_PARTS]) {
    int flags = at_cp_flags(cp), n_parts = 1, n_out = 0;
    uint32_t parts[AT_DECOMPOSE_MAX] = {cp};
    if (n->clean_text && flags & AT_CP_DROP) return 0;
    if (n->clean_text && flags & AT_CP_SPACE) return out[0] = ' ', 1;
    int apart = n->handle_chinese_chars && flags & AT_CP_HAN;
    if (n->strip_accents) n_parts = at_cp_decompose(cp, 0, parts);
    if (apart) out[n_out++] = ' ';
    for (int i = 0; i < n_parts; i++) {
        if (n->strip_accents && at_cp_flags(parts[i]) & AT_CP_NONSPACING) continue;
        if (n->strip_accents && at_cp_combining_class(parts[i])) return -1;
        if (n->lowercase && parts[i] == 0x130) {
            out[n_out++] = 'i';
            out[n_out++] = 0x307;
        } else out[n_out++] = n->lowercase ? at_cp_lower(parts[i]) : parts[i];
    }
    if (apart) out[n_out++] = ' ';
    return n_out;
}

static at_bert_class classify(const at_normalizer *n, uint32_t cp, uint16_t *mapped) {
    uint32_t out[MAX_PARTS];
    int n_out = normalise(n, cp, out);
    if (n_out < 0) return AT_BERT_SORTS;
    if (n_out == 0) return AT_BERT_DROP;
    if (n_out == 3 && out[0] == ' ' && out[1] == cp && out[2] == ' ') return AT_BERT_ALONE;
    if (n_out > 1) return AT_BERT_OTHER;
    int flags = at_cp_flags(out[0]);
    if (flags & AT_CP_SPACE) return AT_BERT_SPACE;
    if (flags & AT_CP_PUNCT) return out[0] == cp ? AT_BERT_ALONE : AT_BERT_OTHER;
    if (out[0] == cp) return AT_BERT_KEEP;
    if (out[0] > 0xffff) return AT_BERT_OTHER;
    *mapped = (uint16_t)out[0];
    return AT_BERT_MAP;
}

at_status at_bert_init(at_arena *arena, const at_normalizer *normalizer, const at_wordpiece *model, at_bert *bert,
                       at_error *err) {
    *bert = (at_bert){.normalizer = *normalizer, .model = model};
    bert->classes = AT_NEW_ARRAY(arena, uint8_t, 0x10000);
    bert->mapped = AT_NEW_ARRAY(arena, uint16_t, 0x10000);
    if (!bert->classes || !bert->mapped) return at_fail_memory(err, 3 * 0x10000);
    for (uint32_t cp = 0; cp < 0x10000; cp++)
        bert->classes[cp] = (uint8_t)classify(normalizer, cp, &bert->mapped[cp]);
    for (int c = 1; c < 128; c++) {
        char word[1 + AT_VOCAB_PAD] = {(char)c};
        at_piece piece;
        at_wordpiece_split(model, word, 1, 1, &piece);
        bert->ascii_alone[c] = piece.id;
        if (bert->classes[c] == AT_BERT_KEEP) bert->ascii_kept[c] = (uint8_t)c;
        if (bert->classes[c] == AT_BERT_MAP && bert->mapped[c] < 128) bert->ascii_kept[c] = (uint8_t)bert->mapped[c];
    }
    return AT_OK;
}

/* The pass. While a word is `plain`, its bytes are consecutive ASCII characters of the text and the offsets in `word`
 * are not written: character i of the word is character first + i of the text. */
typedef struct at_pass {
    const at_bert *bert;
    at_tokens *tokens;
    at_word *word;
    int32_t first; /* original character of the word's first byte, while plain */
    int plain;
    at_error *err;
} at_pass;

static at_status end_word(at_pass *pass) {
    at_word *word = pass->word;
    at_tokens *tokens = pass->tokens;
    const at_wordpiece *model = pass->bert->model;
    if (!word->len) return AT_OK;
    AT_TRY(at_tokens_reserve(tokens, word->len, pass->err));
    int number = tokens->n_words++, n = 1;
    int32_t id = word->n_chars <= model->max_chars
                     ? at_vocab_find(model->vocab, &model->vocab->whole, word->bytes, (size_t)word->len)
                     : -1;
    if (id >= 0) word->piece[0] = (at_piece){id, 0, word->len};
    else n = at_wordpiece_split(model, word->bytes, word->len, word->n_chars, word->piece);
    for (int i = 0; i < n; i++) {
        at_piece p = word->piece[i];
        if (pass->plain) at_tokens_put(tokens, p.id, pass->first + p.begin, pass->first + p.end, number);
        else at_tokens_put(tokens, p.id, word->start[p.begin], word->start[p.end - 1] + 1, number);
    }
    word->len = word->n_chars = 0;
    pass->plain = 1;
    return AT_OK;
}

/* Begins to write offsets. */
static void leave_plain(at_pass *pass) {
    if (!pass->plain) return;
    for (int i = 0; i < pass->word->len; i++) pass->word->start[i] = pass->first + i;
    pass->plain = 0;
}

/* Adds a character that stands for original character `at`. */
static at_status add(at_pass *pass, uint32_t cp, int32_t at) {
    at_word *word = pass->word;
    AT_TRY(at_word_reserve(word, 4, pass->err));
    leave_plain(pass);
    int size = at_utf8_encode(cp, word->bytes + word->len);
    for (int i = 0; i < size; i++) word->start[word->len + i] = at;
    word->len += size;
    word->n_chars++;
    return AT_OK;
}

static at_status add_alone(at_pass *pass, uint32_t cp, int32_t at) {
    AT_TRY(end_word(pass));
    if (cp < 0x80) {
        AT_TRY(at_tokens_reserve(pass->tokens, 1, pass->err));
        at_tokens_put(pass->tokens, pass->bert->ascii_alone[cp], at, at + 1, pass->tokens->n_words++);
        return AT_OK;
    }
    AT_TRY(add(pass, cp, at));
    return end_word(pass);
}

static at_status add_other(at_pass *pass, uint32_t cp, int32_t at) {
    uint32_t out[MAX_PARTS];
    int n = normalise(&pass->bert->normalizer, cp, out);
    for (int i = 0; i < n; i++) {
        int flags = at_cp_flags(out[i]);
        if (flags & AT_CP_SPACE) AT_TRY(end_word(pass));
        else if (flags & AT_CP_PUNCT) AT_TRY(add_alone(pass, out[i], at));
        else AT_TRY(add(pass, out[i], at));
    }
    if (!n) leave_plain(pass);
    return AT_OK;
}

/* A run of ASCII within a word; returns its length. */
static at_status add_ascii(at_pass *pass, const unsigned char *text, size_t len, int32_t at, int *taken) {
    at_word *word = pass->word;
    const uint8_t *kept = pass->bert->ascii_kept;
    AT_TRY(at_word_reserve(word, 64, pass->err));
    size_t room = (size_t)(word->cap - word->len), n = 0;
    char *out = word->bytes + word->len;
    if (len > room) len = room;
    for (uint8_t byte; n < len && (byte = kept[text[n]]); n++) out[n] = (char)byte;
    if (!word->len) pass->first = at;
    if (!pass->plain)
        for (size_t i = 0; i < n; i++) word->start[word->len + (int)i] = at + (int32_t)i;
    word->len += (int)n;
    word->n_chars += (int)n;
    *taken = (int)n;
    return AT_OK;
}

static at_status add_character(at_pass *pass, uint32_t cp, int32_t at, int *general) {
    const at_bert *bert = pass->bert;
    uint32_t out[MAX_PARTS];
    if (cp > 0xffff) {
        *general = normalise(&bert->normalizer, cp, out) < 0;
        return *general ? AT_OK : add_other(pass, cp, at);
    }
    switch ((at_bert_class)bert->classes[cp]) {
    case AT_BERT_KEEP: return add(pass, cp, at);
    case AT_BERT_MAP: return add(pass, bert->mapped[cp], at);
    case AT_BERT_SPACE: return end_word(pass);
    case AT_BERT_ALONE: return add_alone(pass, cp, at);
    case AT_BERT_DROP: leave_plain(pass); return AT_OK;
    case AT_BERT_OTHER: return add_other(pass, cp, at);
    case AT_BERT_SORTS: *general = 1; return AT_OK;
    }
    return AT_OK;
}

at_status at_bert_encode(const at_bert *bert, const char *text, size_t len, int first, at_tokens *tokens, at_word *word,
                         int *n_chars, int *general, at_error *err) {
    const unsigned char *p = (const unsigned char *)text;
    at_pass pass = {bert, tokens, word, first, 1, err};
    int tokens_before = tokens->n, words_before = tokens->n_words;
    int32_t at = first;
    word->len = word->n_chars = 0;
    *general = 0;
    for (size_t i = 0; i < len && !*general;) {
        uint32_t cp = p[i];
        int taken = 1;
        if (bert->ascii_kept[cp]) {
            AT_TRY(add_ascii(&pass, p + i, len - i, at, &taken));
            at += taken;
        } else {
            if (cp >= 0x80) taken = at_utf8_decode(p + i, len - i, &cp);
            if (!taken) return at_fail(err, AT_BAD_DATA, "a text is not valid UTF-8 at its character %d", at + 1);
            if (cp == ' ') AT_TRY(end_word(&pass));
            else AT_TRY(add_character(&pass, cp, at, general));
            at++;
        }
        i += (size_t)taken;
    }
    *n_chars = at - first;
    if (!*general) return end_word(&pass);
    tokens->n = tokens_before;
    tokens->n_words = words_before;
    return AT_OK;
}
