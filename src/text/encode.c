#include <stdlib.h>
#include <string.h>

#include "base/room.h"
#include "base/str.h"
#include "text/parts.h"
#include "text/unicode.h"

#define MAX_TEXT_BYTES ((size_t)1 << 26) /* compatibility forms make a text up to 18 times as long */

/* Buffers that an at_encoding keeps between calls. */
typedef struct at_work {
    at_tokens tokens[2];
    at_word word;
    at_chars chars; /* the normalised text */
    at_chars part;  /* what lies between two added tokens of it */
    at_cutting cutting;
    at_matcher matcher;
    at_model_work model;
    at_added_splits raw, normalized;
} at_work;

void at_encoding_free(at_encoding *encoding) {
    at_work *work = encoding->work;
    if (work) {
        for (int i = 0; i < 2; i++) at_tokens_free(&work->tokens[i]);
        at_word_free(&work->word);
        at_chars_free(&work->chars);
        at_chars_free(&work->part);
        at_cutting_free(&work->cutting);
        at_matcher_free(&work->matcher);
        at_model_work_free(&work->model);
        at_added_splits_free(&work->raw);
        at_added_splits_free(&work->normalized);
        free(work);
    }
    at_room_free(encoding->ids);
    at_room_free(encoding->types);
    at_room_free(encoding->start);
    at_room_free(encoding->end);
    at_room_free(encoding->word);
    at_room_free(encoding->special);
    *encoding = (at_encoding){0};
}

/* White space, and the character that stands for a space in byte-level tokens, at the two ends of a text. */
void at_count_spaces(const char *text, size_t len, int32_t *lead, int32_t *trail) {
    uint32_t cp;
    size_t size;
    int32_t n = 0, run = 0;
    *lead = -1;
    for (size_t i = 0; i < len; i += size, n++) {
        size = (size_t)at_utf8_decode((const unsigned char *)text + i, len - i, &cp);
        if (!size) break;
        int space = cp == 0x120 || at_cp_flags(cp) & AT_CP_SPACE;
        run = space ? run + 1 : 0;
        if (!space && *lead < 0) *lead = n;
    }
    *trail = run;
    if (*lead < 0) *lead = n;
}

static void put_piece(const at_tokenizer *t, const at_word *word, at_piece p, int number, at_tokens *tokens) {
    at_tokens_put(tokens, p.id, word->start[p.begin], word->end[p.end - 1], number);
    if (!t->spaces.lead) return;
    int32_t lead = t->spaces.lead[p.id], trail = t->spaces.trail[p.id];
    /* Unigram's unknown tokens keep the text that they stand for. */
    if (t->model.type == &at_model_unigram && p.id == t->model.unknown)
        at_count_spaces(word->bytes + p.begin, (size_t)(p.end - p.begin), &lead, &trail);
    at_tokens_put_space(tokens, lead, trail);
}

/* One word of the general path: code points [begin, end) of chars. */
static at_status encode_word(const at_tokenizer *t, at_work *work, const at_chars *chars, at_span span, at_tokens *tokens, at_error *err) {
    at_word *word = &work->word;
    const at_char *item = chars->item;
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
    int n = 0, number = tokens->n_words++;
    word->n_chars = span.end - span.begin;
    AT_TRY(at_model_split(&t->model, &work->model, word, &n, err));
    AT_TRY(at_tokens_reserve(tokens, n, err));
    for (int i = 0; i < n; i++) put_piece(t, word, word->piece[i], number, tokens);
    return AT_OK;
}

/* All of a normalised text without added tokens. */
static at_status encode_words(const at_tokenizer *t, at_work *work, at_chars *chars, at_tokens *tokens, at_error *err) {
    at_cutting *c = &work->cutting;
    if (chars->n > INT32_MAX / 16) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    c->chars = chars;
    c->matcher = &work->matcher;
    AT_TRY(at_pretokenize(&t->pretokenizers, c, err));
    for (int i = 0; i < c->words.n; i++) AT_TRY(encode_word(t, work, chars, c->words.item[i], tokens, err));
    return AT_OK;
}

/* An added token, found in `text`. */
static at_status add_token(const at_tokenizer *t, at_tokens *tokens, int32_t id, int start, int end, const char *text, size_t len,
                           at_error *err) {
    int32_t lead, trail;
    AT_TRY(at_tokens_reserve(tokens, 1, err));
    at_tokens_put(tokens, id, start, end, tokens->n_words++);
    if (!t->spaces.lead) return AT_OK;
    at_count_spaces(text, len, &lead, &trail);
    at_tokens_put_space(tokens, lead, trail);
    return AT_OK;
}

/* The general path: normalise, look for added tokens in what that gave, cut into words, ask the model. */
static at_status encode_general(const at_tokenizer *t, at_work *work, const char *text, size_t len, int first,
                                at_tokens *tokens, int *n_chars, at_error *err) {
    at_chars *chars = &work->chars;
    AT_TRY(at_chars_decode(chars, text, len, first, err));
    *n_chars = chars->n;
    AT_TRY(at_normalize(&t->normalizers, chars, &work->matcher, err));
    if (!t->added.normalized.n) return encode_words(t, work, chars, tokens, err);
    AT_TRY(at_chars_write(chars, 0, err));
    AT_TRY(at_added_find(&t->added.normalized, chars->utf8, chars->utf8_len, &work->normalized, err));
    for (int i = 0; i < work->normalized.n; i++) {
        const at_added_split *split = &work->normalized.item[i];
        int begin = chars->char_of[split->begin], end = chars->char_of[split->end];
        if (split->token) {
            AT_TRY(add_token(t, tokens, split->token->id, chars->item[begin].start, chars->item[end - 1].end, chars->utf8 + split->begin,
                             split->end - split->begin, err));
            continue;
        }
        AT_TRY(at_chars_copy(&work->part, chars, begin, end, err));
        AT_TRY(encode_words(t, work, &work->part, tokens, err));
    }
    return AT_OK;
}

static int count_chars(const char *text, size_t begin, size_t end) {
    int n = 0;
    for (size_t i = begin; i < end; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* The byte-level path: the text is its own normal form. */
static at_status encode_bytes(const at_tokenizer *t, at_work *work, const char *text, size_t len, int first, at_tokens *tokens,
                              int *n_chars, at_error *err) {
    int n;
    *n_chars = 0;
    AT_TRY(at_added_find(&t->added.normalized, text, len, &work->normalized, err));
    for (int i = 0; i < work->normalized.n; i++) {
        const at_added_split *split = &work->normalized.item[i];
        const char *part = text + split->begin;
        size_t part_len = split->end - split->begin;
        if (i && split->begin < split[-1].end) *n_chars = count_chars(text, 0, split->begin); /* it overlaps the one before */
        int at = first + *n_chars;
        if (split->token) {
            n = count_chars(part, 0, part_len);
            AT_TRY(add_token(t, tokens, split->token->id, at, at + n, part, part_len, err));
        } else {
            AT_TRY(at_bytepass_encode(t->bytepass, &work->model.bpe, part, part_len, at, &t->spaces, tokens, &work->word, &n, err));
        }
        *n_chars += n;
    }
    return AT_OK;
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
            AT_TRY(add_token(t, tokens, split->token->id, at, at + n_chars, part, part_len, err));
            general = 0;
        } else if (t->bytepass && at_bytepass_fits(t->bytepass, part, part_len)) {
            AT_TRY(encode_bytes(t, work, part, part_len, at, tokens, &n_chars, err));
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

static at_status cut(at_cut how, int limit, int pair, int keep[2], at_error *err) {
    int over = keep[0] + keep[1] - limit, *which = &keep[how == AT_CUT_SECOND];
    if (over <= 0) return AT_OK;
    if (how == AT_CUT_LONGEST || !pair) {
        if (pair) cut_longest_first(limit, &keep[0], &keep[1]);
        else keep[0] = limit;
        return AT_OK;
    }
    if (*which <= over)
        return at_fail(err, AT_BAD_DATA, "the %s text has %d tokens, too few to cut the %d that the pair is too long",
                       how == AT_CUT_FIRST ? "first" : "second", *which, over);
    *which -= over;
    return AT_OK;
}

static at_status resize(at_encoding *e, int n, at_error *err) {
    if (n <= e->cap) return AT_OK;
    size_t cap = (size_t)n + (size_t)n / 2 + 64;
    int32_t **wide[] = {&e->ids, &e->start, &e->end, &e->word};
    uint8_t **narrow[] = {&e->types, &e->special};
    for (int i = 0; i < 4; i++) {
        int32_t *grown = at_room_resize(*wide[i], cap * sizeof *grown);
        if (!grown) return at_fail_memory(err, cap * sizeof *grown);
        *wide[i] = grown;
    }
    for (int i = 0; i < 2; i++) {
        uint8_t *grown = at_room_resize(*narrow[i], cap);
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

/* One pass of trimming over the n tokens at `at` of the encoding; `first`: the one at `at` is the first of all that the pass sees. */
static void trim(at_encoding *e, const at_tokens *tokens, int from, int at, int n, int first, const at_trim *pass) {
    for (int i = 0; i < n; i++) {
        int32_t lead = tokens->lead[from + i], trail = tokens->trail[from + i], *start = &e->start[at + i], *end = &e->end[at + i];
        if (lead > 0) {
            if (((first && !i) || !*start) && pass->add_prefix_space && lead == 1) lead = 0;
            *start = *end - *start < lead ? *end : *start + lead;
        }
        if (trail > 0 && *end >= trail) *end = *end - trail > *start ? *end - trail : *start;
    }
}

static void trim_all(const at_templates *templates, at_encoding *e, const at_tokens *tokens, int from, int at, int n, int with_special) {
    for (int i = 0; i < templates->n_trims; i++) {
        const at_trim *pass = &templates->trim[i];
        trim(e, tokens, from, at, n, !(pass->after && with_special && templates->around), pass);
    }
}

static void put_text(at_encoding *e, const at_tokens *tokens, int from, int n, int type) {
    if (n <= 0) return;
    int32_t *const to[] = {e->ids, e->start, e->end, e->word}, *const all[] = {tokens->id, tokens->start, tokens->end, tokens->word};
    for (int i = 0; i < 4; i++) {
        memcpy(to[i] + e->n, all[i] + from, (size_t)n * sizeof(int32_t));
        if (n < AT_MAPPED_BYTES) continue;
        at_room_idle(to[i]);
        at_room_idle(all[i]);
    }
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
        AT_TRY(cut(options->cut, options->max_tokens - n_added, pair, keep, err));
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
        int n = keep[part->sequence], from = t->truncate_left ? tokens->n - n : 0, at = e->n;
        put_text(e, tokens, from, n, part->type);
        trim_all(&t->templates, e, tokens, from, at, n, n_added > 0);
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
