#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "text/parts.h"

#define MAX_TEXT_BYTES ((size_t)1 << 26) /* compatibility forms make a text up to 18 times as long */

/* Buffers that an at_encoding keeps between calls. */
typedef struct at_work {
    at_tokens tokens[2];
    at_word word;
    at_chars chars;
    at_spans words, scratch;
    at_added_splits raw, normalized;
    char *utf8;   /* the normalised text, where added tokens are looked for in it */
    int *char_of; /* for each of its bytes, and its end: the code point */
    size_t utf8_cap;
} at_work;

void at_encoding_free(at_encoding *encoding) {
    at_work *work = encoding->work;
    if (work) {
        for (int i = 0; i < 2; i++) at_tokens_free(&work->tokens[i]);
        at_word_free(&work->word);
        at_chars_free(&work->chars);
        at_spans_free(&work->words);
        at_spans_free(&work->scratch);
        at_added_splits_free(&work->raw);
        at_added_splits_free(&work->normalized);
        free(work->utf8);
        free(work->char_of);
        free(work);
    }
    free(encoding->ids);
    free(encoding->types);
    free(encoding->start);
    free(encoding->end);
    free(encoding->word);
    free(encoding->special);
    *encoding = (at_encoding){0};
}

/* One word of the general path: code points [begin, end) of work->chars. */
static at_status encode_word(const at_tokenizer *t, at_work *work, at_span span, at_tokens *tokens, at_error *err) {
    at_word *word = &work->word;
    const at_char *item = work->chars.item;
    word->len = 0;
    AT_TRY(at_word_reserve(word, 4 * (span.end - span.begin), err));
    for (int i = span.begin; i < span.end; i++) {
        int size = at_utf8_encode(item[i].cp, word->bytes + word->len);
        for (int k = 0; k < size; k++) {
            word->start[word->len + k] = item[i].start;
            word->end[word->len + k] = item[i].end;
        }
        word->len += size;
    }
    int n = at_wordpiece_split(&t->model, word->bytes, word->len, span.end - span.begin, word->piece);
    AT_TRY(at_tokens_reserve(tokens, n, err));
    int number = tokens->n_words++;
    for (int i = 0; i < n; i++) {
        at_piece p = word->piece[i];
        at_tokens_put(tokens, p.id, word->start[p.begin], word->end[p.end - 1], number);
    }
    return AT_OK;
}

static at_status encode_words(const at_tokenizer *t, at_work *work, at_span span, at_tokens *tokens, at_error *err) {
    AT_TRY(at_pretokenize(&t->pretokenizers, &work->chars, span, &work->words, &work->scratch, err));
    for (int i = 0; i < work->words.n; i++) AT_TRY(encode_word(t, work, work->words.item[i], tokens, err));
    return AT_OK;
}

/* work->chars as UTF-8, with the way back. */
static at_status write_utf8(at_work *work, size_t *len, at_error *err) {
    const at_chars *chars = &work->chars;
    size_t need = 4 * (size_t)chars->n + 1;
    if (need > work->utf8_cap) {
        char *utf8 = realloc(work->utf8, need);
        if (utf8) work->utf8 = utf8;
        int *char_of = realloc(work->char_of, need * sizeof *char_of);
        if (char_of) work->char_of = char_of;
        if (!utf8 || !char_of) return at_fail_memory(err, need);
        work->utf8_cap = need;
    }
    *len = 0;
    for (int i = 0; i < chars->n; i++) {
        int size = at_utf8_encode(chars->item[i].cp, work->utf8 + *len);
        for (int k = 0; k < size; k++) work->char_of[*len + (size_t)k] = i;
        *len += (size_t)size;
    }
    work->char_of[*len] = chars->n;
    return AT_OK;
}

static at_status add_token(at_tokens *tokens, int32_t id, int start, int end, at_error *err) {
    AT_TRY(at_tokens_reserve(tokens, 1, err));
    at_tokens_put(tokens, id, start, end, tokens->n_words++);
    return AT_OK;
}

/* The general path: normalise, look for added tokens in what that gave, cut into words, ask the model. */
static at_status encode_general(const at_tokenizer *t, at_work *work, const char *text, size_t len, int first,
                                at_tokens *tokens, int *n_chars, at_error *err) {
    at_chars *chars = &work->chars;
    AT_TRY(at_chars_decode(chars, text, len, first, err));
    *n_chars = chars->n;
    AT_TRY(at_normalize(&t->normalizers, chars, err));
    if (!t->added.normalized.n) return encode_words(t, work, (at_span){0, chars->n}, tokens, err);
    size_t bytes = 0;
    AT_TRY(write_utf8(work, &bytes, err));
    AT_TRY(at_added_find(&t->added.normalized, work->utf8, bytes, &work->normalized, err));
    for (int i = 0; i < work->normalized.n; i++) {
        const at_added_split *split = &work->normalized.item[i];
        at_span span = {work->char_of[split->begin], work->char_of[split->end]};
        if (!split->token) AT_TRY(encode_words(t, work, span, tokens, err));
        else AT_TRY(add_token(tokens, split->token->id, chars->item[span.begin].start, chars->item[span.end - 1].end, err));
    }
    return AT_OK;
}

static int count_chars(const char *text, size_t begin, size_t end) {
    int n = 0;
    for (size_t i = begin; i < end; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static at_status encode_text(const at_tokenizer *t, at_work *work, const char *text, size_t len, at_tokens *tokens,
                             at_error *err) {
    tokens->n = tokens->n_words = 0;
    if (len > MAX_TEXT_BYTES)
        return at_fail(err, AT_BAD_DATA, "a text of %zu bytes is longer than the %zu that can be tokenised", len,
                       MAX_TEXT_BYTES);
    AT_TRY(at_added_find(&t->added.raw, text, len, &work->raw, err));
    int at = 0; /* characters before the split */
    for (int i = 0; i < work->raw.n; i++) {
        const at_added_split *split = &work->raw.item[i];
        const char *part = text + split->begin;
        size_t part_len = split->end - split->begin;
        int n_chars = 0, general = 1;
        if (i && split->begin < split[-1].end) at = count_chars(text, 0, split->begin); /* it overlaps the one before */
        if (split->token) {
            n_chars = count_chars(part, 0, part_len);
            AT_TRY(add_token(tokens, split->token->id, at, at + n_chars, err));
            general = 0;
        } else if (t->bert) {
            AT_TRY(at_bert_encode(t->bert, part, part_len, at, tokens, &work->word, &n_chars, &general, err));
        }
        if (general) AT_TRY(encode_general(t, work, part, part_len, at, tokens, &n_chars, err));
        at += n_chars;
    }
    return AT_OK;
}

/* How much of each text stays, as the library's longest_first does it: the shorter is cut only where both have to be,
 * and then the first one, or the shorter, has the smaller half. */
static void cut_longest_first(int limit, int *n_first, int *n_second) {
    int *shorter = n_first, *longer = n_second;
    if (*n_first > *n_second) shorter = n_second, longer = n_first;
    if (*n_first + *n_second <= limit) return;
    int rest = limit - *shorter;
    if (rest < *shorter) {
        *shorter = limit / 2;
        *longer = limit - limit / 2;
    } else *longer = rest;
}

static at_status resize(at_encoding *e, int n, at_error *err) {
    if (n <= e->cap) return AT_OK;
    size_t cap = (size_t)n + (size_t)n / 2 + 64;
    int32_t **wide[] = {&e->ids, &e->start, &e->end, &e->word};
    uint8_t **narrow[] = {&e->types, &e->special};
    for (int i = 0; i < 4; i++) {
        int32_t *grown = realloc(*wide[i], cap * sizeof *grown);
        if (!grown) return at_fail_memory(err, cap * sizeof *grown);
        *wide[i] = grown;
    }
    for (int i = 0; i < 2; i++) {
        uint8_t *grown = realloc(*narrow[i], cap);
        if (!grown) return at_fail_memory(err, cap);
        *narrow[i] = grown;
    }
    e->cap = (int)cap;
    return AT_OK;
}

static void put_special(at_encoding *e, const at_template_part *part) {
    int i = e->n++;
    e->ids[i] = part->id;
    e->types[i] = part->type;
    e->start[i] = e->end[i] = 0;
    e->word[i] = -1;
    e->special[i] = 1;
}

static void put_text(at_encoding *e, const at_tokens *tokens, int from, int n, int type) {
    if (n <= 0) return;
    size_t bytes = (size_t)n * sizeof(int32_t);
    memcpy(e->ids + e->n, tokens->id + from, bytes);
    memcpy(e->start + e->n, tokens->start + from, bytes);
    memcpy(e->end + e->n, tokens->end + from, bytes);
    memcpy(e->word + e->n, tokens->word + from, bytes);
    memset(e->types + e->n, type, (size_t)n);
    memset(e->special + e->n, 0, (size_t)n);
    e->n += n;
}

static at_status assemble(const at_tokenizer *t, const at_work *work, int pair, const at_encode_options *options,
                          at_encoding *e, at_error *err) {
    const at_template *template = pair ? &t->templates.pair : &t->templates.single;
    int keep[2] = {work->tokens[0].n, pair ? work->tokens[1].n : 0}, total = keep[0] + keep[1];
    int n_added = options && options->no_special ? 0 : template->n_added;
    if (options && options->max_tokens > 0) {
        if (options->max_tokens < n_added)
            return at_fail(err, AT_USAGE, "a limit of %d tokens is less than the %d that the tokenizer itself adds",
                           options->max_tokens, n_added);
        int limit = options->max_tokens - n_added;
        if (pair) cut_longest_first(limit, &keep[0], &keep[1]);
        else if (keep[0] > limit) keep[0] = limit;
    }
    e->n = 0;
    e->n_cut = total - keep[0] - keep[1];
    int64_t most = n_added;
    for (int i = 0; i < template->n; i++)
        if (template->part[i].sequence >= 0) most += keep[template->part[i].sequence];
    if (most > INT32_MAX / 2) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(resize(e, (int)most, err));
    for (int i = 0; i < template->n; i++) {
        const at_template_part *part = &template->part[i];
        if (part->sequence < 0) {
            if (n_added) put_special(e, part);
            continue;
        }
        const at_tokens *tokens = &work->tokens[part->sequence];
        put_text(e, tokens, t->truncate_left ? tokens->n - keep[part->sequence] : 0, keep[part->sequence], part->type);
    }
    return AT_OK;
}

at_status at_encode(const at_tokenizer *tokenizer, const char *text, size_t len, const char *second, size_t second_len,
                    const at_encode_options *options, at_encoding *encoding, at_error *err) {
    encoding->n = encoding->n_cut = 0;
    if (!encoding->work && !(encoding->work = calloc(1, sizeof(at_work)))) return at_fail_memory(err, sizeof(at_work));
    at_work *work = encoding->work;
    AT_TRY(encode_text(tokenizer, work, text, len, &work->tokens[0], err));
    if (second) AT_TRY(encode_text(tokenizer, work, second, second_len, &work->tokens[1], err));
    return assemble(tokenizer, work, second != NULL, options, encoding, err);
}
