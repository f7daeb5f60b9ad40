/* Ids back to text, all at once or as they come. */
#include <stdlib.h>
#include <string.h>

#include "text/clean.h"
#include "text/parts.h"

static const char LOST[] = "\xef\xbf\xbd"; /* U+FFFD */

/* What the decoder is given for an id; NULL: nothing. An added token that is looked for in normalised text counts as that. */
static const char *text_for(const at_tokenizer *t, int32_t id, int skip_special, size_t *len) {
    const at_added_token *added = id >= 0 && id < t->added_vocab.size ? t->added_by_id[id] : NULL;
    const char *text = added ? added->pattern : at_vocab_text(&t->vocab, id);
    if (!text) return NULL;
    *len = added ? added->pattern_len : t->vocab.len[id];
    if (!skip_special) return text;
    const at_added_token *same = added;
    int32_t other = at_vocab_id(&t->added_vocab, text, *len);
    if (other >= 0) same = t->added_by_id[other];
    else if (added) same = NULL;
    return same && same->special ? NULL : text;
}

/* goes_on: of a text whose beginning was given before. */
static at_status decode_part(const at_tokenizer *tokenizer, at_arena *arena, const int32_t *ids, int n, int skip_special, int goes_on, char **text,
                             size_t *len, at_error *err) {
    at_texts tokens = {.text = {.arena = arena}, .end = AT_NEW_ARRAY(arena, size_t, n + 1), .goes_on = goes_on};
    at_str out = {.arena = arena};
    size_t one;
    if (!tokens.end) return at_fail_memory(err, (size_t)n * sizeof *tokens.end);
    at_str_add(&tokens.text, "");
    for (int i = 0; i < n; i++) {
        const char *token = text_for(tokenizer, ids[i], skip_special, &one);
        if (!token) continue;
        at_str_add_bytes(&tokens.text, token, one);
        tokens.end[tokens.n++] = tokens.text.len;
    }
    if (tokens.text.failed) return at_fail_memory(err, tokens.text.len);
    AT_TRY(at_decoders_run(&tokenizer->decoders, arena, &tokens, &out, err));
    *text = out.text;
    *len = out.len;
    return AT_OK;
}

at_status at_decode_bytes(const at_tokenizer *tokenizer, at_arena *arena, const int32_t *ids, int n, int skip_special, char **text,
                          size_t *len, at_error *err) {
    at_str out = {.arena = arena};
    AT_TRY(decode_part(tokenizer, arena, ids, n, skip_special, 0, &out.text, &out.len, err));
    if (tokenizer->cleans) at_clean_text(&out, 0);
    *text = out.text;
    if (len) *len = out.len;
    return AT_OK;
}

at_status at_decode(const at_tokenizer *tokenizer, at_arena *arena, const int32_t *ids, int n, int skip_special,
                    char **text, at_error *err) {
    return at_decode_bytes(tokenizer, arena, ids, n, skip_special, text, NULL, err);
}

void at_decode_stream_free(at_decode_stream *stream) {
    free(stream->ids);
    free(stream->given);
    free(stream->tail);
    at_arena_free(&stream->arena);
    *stream = (at_decode_stream){.skip_special = stream->skip_special};
}

static int ends_lost(const char *text, size_t len) { return len >= 3 && !memcmp(text + len - 3, LOST, 3); }

static at_status remember(at_decode_stream *s, const char *text, size_t len, at_error *err) {
    if (len > s->given_cap || !s->given) {
        char *given = realloc(s->given, 2 * len + 64);
        if (!given) return at_fail_memory(err, 2 * len + 64);
        s->given = given;
        s->given_cap = 2 * len + 64;
    }
    memcpy(s->given, text, len);
    s->given_len = len;
    return AT_OK;
}

static at_status decode_held(const at_tokenizer *t, at_decode_stream *s, char **text, size_t *len, at_error *err) {
    return decode_part(t, &s->arena, s->ids, s->n, s->skip_special, s->begun, text, len, err);
}

static at_status hold(at_decode_stream *s, int32_t id, at_error *err) {
    if (s->n == s->cap) {
        int cap = s->cap ? 2 * s->cap : 32;
        int32_t *ids = realloc(s->ids, (size_t)cap * sizeof *ids);
        if (!ids) return at_fail_memory(err, (size_t)cap * sizeof *ids);
        s->ids = ids;
        s->cap = cap;
    }
    s->ids[s->n++] = id;
    return AT_OK;
}

/* The library's step: decode what was given last together with what has come since; what is new is given, unless it ends within a
 * character, and then only what it came from is held. */
static at_status step(const at_tokenizer *tokenizer, at_decode_stream *s, int32_t id, const char **text, size_t *len, at_error *err) {
    char *whole;
    size_t whole_len;
    *text = "";
    *len = 0;
    at_arena_free(&s->arena);
    if (!s->given_len && s->n) {
        AT_TRY(decode_held(tokenizer, s, &whole, &whole_len, err));
        if (!ends_lost(whole, whole_len)) {
            AT_TRY(remember(s, whole, whole_len, err));
            s->done = s->n;
        }
    }
    AT_TRY(hold(s, id, err));
    AT_TRY(decode_held(tokenizer, s, &whole, &whole_len, err));
    if (whole_len <= s->given_len || ends_lost(whole, whole_len)) return AT_OK;
    size_t same = memcmp(whole, s->given ? s->given : "", s->given_len) ? 0 : s->given_len;
    *text = whole + same;
    *len = whole_len - same;
    int fresh = s->n - s->done;
    memmove(s->ids, s->ids + s->done, (size_t)fresh * sizeof *s->ids);
    s->n = fresh;
    s->begun = 1;
    AT_TRY(decode_held(tokenizer, s, &whole, &whole_len, err));
    AT_TRY(remember(s, whole, whole_len, err));
    s->done = fresh;
    return AT_OK;
}

static at_status last(const at_tokenizer *tokenizer, at_decode_stream *s, const char **text, size_t *len, at_error *err) {
    char *whole = (char *)"";
    size_t whole_len = 0;
    at_arena_free(&s->arena);
    if (s->n) AT_TRY(decode_held(tokenizer, s, &whole, &whole_len, err));
    size_t same = whole_len >= s->given_len && !memcmp(whole, s->given ? s->given : "", s->given_len) ? s->given_len : whole_len;
    *text = whole + same;
    *len = whole_len - same;
    s->n = s->done = s->begun = 0;
    s->given_len = 0;
    return AT_OK;
}

/* Puts the text behind the tail and gives what nothing that follows can change any more, cleaned: all of it at the end. */
static at_status give_clean(at_decode_stream *s, int ends, const char **text, size_t *len, at_error *err) {
    size_t all = s->tail_len + *len;
    at_str out = {.arena = &s->arena};
    if (all > s->tail_cap || !s->tail) {
        char *tail = realloc(s->tail, 2 * all + 64);
        if (!tail) return at_fail_memory(err, 2 * all + 64);
        s->tail = tail;
        s->tail_cap = 2 * all + 64;
    }
    memcpy(s->tail + s->tail_len, *text, *len);
    size_t ready = ends ? all : at_clean_ready(s->tail, all);
    at_str_add_bytes(&out, s->tail, ready);
    if (out.failed) return at_fail_memory(err, ready);
    at_clean_text(&out, 0);
    memmove(s->tail, s->tail + ready, all - ready);
    s->tail_len = all - ready;
    *text = out.text;
    *len = out.len;
    return AT_OK;
}

at_status at_decode_step(const at_tokenizer *tokenizer, at_decode_stream *s, int32_t id, const char **text, size_t *len, at_error *err) {
    AT_TRY(step(tokenizer, s, id, text, len, err));
    return tokenizer->cleans ? give_clean(s, 0, text, len, err) : AT_OK;
}

at_status at_decode_end(const at_tokenizer *tokenizer, at_decode_stream *s, const char **text, size_t *len, at_error *err) {
    AT_TRY(last(tokenizer, s, text, len, err));
    return tokenizer->cleans ? give_clean(s, 1, text, len, err) : AT_OK;
}
