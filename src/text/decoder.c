#include "text/decoder.h"

#include <string.h>

#include "text/bytelevel.h"
#include "text/clean.h"
#include "text/spec.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define META "\xe2\x96\x81"

static at_spec spec_of(const at_build *build) { return (at_spec){build->path, "decoder"}; }

static at_status read_text(at_build *build, const json_t *part, const char *key, const char *absent, const char **text, at_error *err) {
    AT_TRY(at_spec_string(spec_of(build), part, key, absent, text, err));
    *text = at_strdup(build->arena, *text);
    return *text ? AT_OK : at_fail_memory(err, AT_TOKEN_BYTES);
}

static at_status read_full_text(at_build *build, const json_t *part, const char *key, const char *absent, const char **text,
                                at_error *err) {
    AT_TRY(read_text(build, part, key, absent, text, err));
    return **text ? AT_OK : at_fail(err, AT_BAD_MODEL, "%s: \"%s\" of the decoder is empty", build->path, key);
}

static const char *text_of(const at_texts *t, int i, size_t *len) {
    size_t begin = i ? t->end[i - 1] : 0;
    *len = t->end[i] - begin;
    return t->text.text + begin;
}

static void add(at_texts *out, const char *text, size_t len) { at_str_add_bytes(&out->text, text, len); }
static void end(at_texts *out) { out->end[out->n++] = out->text.len; }

static at_status read_wordpiece(at_build *build, const json_t *part, at_decoder *d, at_error *err) {
    AT_TRY(at_spec_bool(spec_of(build), part, "cleanup", 1, &d->cleanup, err));
    return read_text(build, part, "prefix", "##", &d->from, err);
}

static at_status run_wordpiece(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)matcher;
    (void)err;
    size_t n_prefix = strlen(d->from), len;
    for (int i = 0; i < in->n; i++) {
        const char *text = text_of(in, i, &len);
        size_t begin = out->text.len;
        int continues = i && len >= n_prefix && !memcmp(text, d->from, n_prefix);
        if (i && !continues) add(out, " ", 1);
        add(out, continues ? text + n_prefix : text, continues ? len - n_prefix : len);
        if (d->cleanup) at_clean_token(&out->text, begin);
        end(out);
    }
    return AT_OK;
}

/* A token whose characters are all of the byte alphabet is their bytes, another stands for itself. */
static void add_bytes(at_str *out, const char *text, size_t len) {
    uint32_t cp;
    int size, byte = 0;
    for (size_t i = 0; i < len && byte >= 0; i += (size_t)size) {
        size = at_utf8_decode((const unsigned char *)text + i, len - i, &cp);
        byte = size ? at_char_to_byte(cp) : -1;
    }
    if (byte < 0) {
        at_str_add_bytes(out, text, len);
        return;
    }
    for (size_t i = 0; i < len; i += (size_t)size) {
        size = at_utf8_decode((const unsigned char *)text + i, len - i, &cp);
        char one = (char)at_char_to_byte(cp);
        at_str_add_bytes(out, &one, 1);
    }
}

/* How many bytes at p one replacement character stands for: the longest beginning of a character, or one byte. */
static size_t broken_length(const unsigned char *p, size_t left) {
    unsigned char low = 0x80, high = 0xbf, b = p[0];
    size_t need = b >= 0xc2 && b <= 0xdf ? 1 : b >= 0xe0 && b <= 0xef ? 2 : b >= 0xf0 && b <= 0xf4 ? 3 : 0, n = 1;
    if (b == 0xe0) low = 0xa0;
    if (b == 0xed) high = 0x9f;
    if (b == 0xf0) low = 0x90;
    if (b == 0xf4) high = 0x8f;
    for (; n <= need && n < left && p[n] >= low && p[n] <= high; n++) low = 0x80, high = 0xbf;
    return n;
}

static void add_lossy(at_str *out, const char *bytes, size_t len) {
    for (size_t at = 0; at < len;) {
        size_t good = at_utf8_check(bytes + at, len - at);
        at_str_add_bytes(out, bytes + at, good);
        at += good;
        if (at == len) return;
        at_str_add(out, REPLACEMENT);
        at += broken_length((const unsigned char *)bytes + at, len - at);
    }
}

static at_status run_bytelevel(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)d;
    (void)matcher;
    at_str bytes = {.arena = out->text.arena};
    size_t len;
    for (int i = 0; i < in->n; i++) {
        const char *text = text_of(in, i, &len);
        add_bytes(&bytes, text, len);
    }
    if (bytes.failed) return at_fail_memory(err, bytes.len);
    if (bytes.len) add_lossy(&out->text, bytes.text, bytes.len);
    if (in->n) end(out);
    return AT_OK;
}

static at_status read_metaspace(at_build *build, const json_t *part, at_decoder *d, at_error *err) {
    const char *scheme;
    uint32_t *cps;
    int add_prefix_space, n;
    AT_TRY(at_spec_bool(spec_of(build), part, "add_prefix_space", 1, &add_prefix_space, err));
    AT_TRY(at_spec_string(spec_of(build), part, "prepend_scheme", add_prefix_space ? "always" : "never", &scheme, err));
    d->keeps_first = !strcmp(scheme, "never");
    AT_TRY(read_full_text(build, part, "replacement", NULL, &d->from, err));
    AT_TRY(at_spec_code_points(build->arena, d->from, &cps, &n, err));
    return n == 1 ? AT_OK : at_fail(err, AT_BAD_MODEL, "%s: the replacement of Metaspace is not one character", build->path);
}

static at_status run_metaspace(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)matcher;
    (void)err;
    size_t len;
    for (int i = 0; i < in->n; i++) {
        const char *text = text_of(in, i, &len);
        size_t begin = out->text.len;
        add(out, text, len);
        at_replace_all(&out->text, begin, d->from, i || d->keeps_first ? " " : "");
        end(out);
    }
    return AT_OK;
}

static at_status read_bpe(at_build *build, const json_t *part, at_decoder *d, at_error *err) {
    return read_full_text(build, part, "suffix", "</w>", &d->from, err);
}

static at_status run_bpe(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)matcher;
    (void)err;
    size_t len;
    for (int i = 0; i < in->n; i++) {
        const char *text = text_of(in, i, &len);
        size_t begin = out->text.len;
        add(out, text, len);
        at_replace_all(&out->text, begin, d->from, i + 1 < in->n ? " " : "");
        end(out);
    }
    return AT_OK;
}

static at_status read_ctc(at_build *build, const json_t *part, at_decoder *d, at_error *err) {
    AT_TRY(at_spec_bool(spec_of(build), part, "cleanup", 1, &d->cleanup, err));
    AT_TRY(read_text(build, part, "pad_token", "<pad>", &d->from, err));
    return read_full_text(build, part, "word_delimiter_token", "|", &d->to, err);
}

static at_status run_ctc(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)matcher;
    (void)err;
    size_t len, before_len = 0;
    const char *before = NULL;
    for (int i = 0; i < in->n; i++) {
        const char *text = text_of(in, i, &len);
        int same = before && before_len == len && !memcmp(before, text, len);
        size_t begin = out->text.len;
        before = text;
        before_len = len;
        if (same) continue;
        add(out, text, len);
        at_replace_all(&out->text, begin, d->from, "");
        if (d->cleanup) {
            at_clean_token(&out->text, begin);
            at_replace_all(&out->text, begin, d->to, " ");
        }
        if (out->text.len > begin) end(out);
    }
    return AT_OK;
}

static at_status run_fuse(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)d;
    (void)matcher;
    (void)err;
    if (in->n) add(out, in->text.text, in->end[in->n - 1]);
    else add(out, "", 0);
    if (in->n) end(out);
    return AT_OK;
}

static at_status read_strip(at_build *build, const json_t *part, at_decoder *d, at_error *err) {
    json_int_t start, stop;
    uint32_t *cps;
    int n;
    AT_TRY(at_spec_int(spec_of(build), part, "start", 0, &start, err));
    AT_TRY(at_spec_int(spec_of(build), part, "stop", 0, &stop, err));
    AT_TRY(read_full_text(build, part, "content", NULL, &d->from, err));
    AT_TRY(at_spec_code_points(build->arena, d->from, &cps, &n, err));
    if (n != 1 || start < 0 || stop < 0 || start > 1 << 20 || stop > 1 << 20)
        return at_fail(err, AT_BAD_MODEL, "%s: the decoder Strip takes one character, from 0 to %d times", build->path, 1 << 20);
    d->start = (int)start;
    d->stop = (int)stop;
    return AT_OK;
}

static at_status run_strip(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)matcher;
    (void)err;
    size_t size = strlen(d->from), len;
    for (int i = 0; i < in->n; i++) {
        const char *text = text_of(in, i, &len);
        for (int k = 0; k < d->start && len >= size && !memcmp(text, d->from, size); k++) text += size, len -= size;
        for (int k = 0; k < d->stop && len >= size && !memcmp(text + len - size, d->from, size); k++) len -= size;
        add(out, text, len);
        end(out);
    }
    return AT_OK;
}

static at_status read_replace(at_build *build, const json_t *part, at_decoder *d, at_error *err) {
    AT_TRY(at_build_pattern(build, "the decoder Replace", part, "pattern", &d->pattern, err));
    return read_text(build, part, "content", NULL, &d->to, err);
}

static at_status fail_long(at_error *err) {
    return at_fail(err, AT_BAD_MODEL, "the tokenizer's decoders make more than 100 times its length of a text");
}

static at_status run_replace(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    size_t len, begin, stop;
    for (int i = 0; i < in->n; i++) {
        const char *text = text_of(in, i, &len);
        at_search search = {.ended = -1};
        size_t done = 0;
        for (int found = len > 0; found;) {
            AT_TRY(at_pattern_next(d->pattern, matcher, text, len, &search, &found, &begin, &stop, err));
            if (!found) break;
            add(out, text + done, begin - done);
            add(out, d->to, strlen(d->to));
            done = stop;
            if (out->text.len > out->most) return fail_long(err);
        }
        add(out, text + done, len - done);
        end(out);
    }
    return AT_OK;
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "<0x41>": its byte, else -1. The library's number may have a sign: "<0x+1>". */
static int byte_token(const char *t, size_t len) {
    if (len != 6 || memcmp(t, "<0x", 3) || t[5] != '>') return -1;
    int high = t[3] == '+' ? 0 : hex(t[3]), low = hex(t[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}

/* Ends a run of byte tokens: one text, or, where it is not UTF-8, a replacement character for each. */
static void end_bytes(at_str *bytes, at_texts *out) {
    if (!bytes->len || bytes->failed) return;
    if (at_utf8_check(bytes->text, bytes->len) == bytes->len) {
        add(out, bytes->text, bytes->len);
        end(out);
    } else {
        for (size_t i = 0; i < bytes->len; i++) {
            add(out, REPLACEMENT, 3);
            end(out);
        }
    }
    at_str_clear(bytes);
}

static at_status run_byte_fallback(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)d;
    (void)matcher;
    at_str bytes = {.arena = out->text.arena};
    size_t len;
    for (int i = 0; i < in->n; i++) {
        const char *text = text_of(in, i, &len);
        int byte = byte_token(text, len);
        if (byte >= 0) {
            at_str_add_bytes(&bytes, (char[]){(char)byte}, 1);
            continue;
        }
        end_bytes(&bytes, out);
        add(out, text, len);
        end(out);
    }
    end_bytes(&bytes, out);
    return bytes.failed ? at_fail_memory(err, bytes.len) : AT_OK;
}

static const at_decoder_type TYPES[] = {
    {"WordPiece", read_wordpiece, run_wordpiece}, {"ByteLevel", NULL, run_bytelevel}, {"Metaspace", read_metaspace, run_metaspace},
    {"BPEDecoder", read_bpe, run_bpe},            {"CTC", read_ctc, run_ctc},         {"Fuse", NULL, run_fuse},
    {"Strip", read_strip, run_strip},             {"Replace", read_replace, run_replace}, {"ByteFallback", NULL, run_byte_fallback},
};
enum { TYPE_WORDPIECE, TYPE_BYTELEVEL, N_TYPES = sizeof TYPES / sizeof *TYPES, TYPE_BYTE_FALLBACK = N_TYPES - 1 };

static const char *type_name(int i) { return i < N_TYPES ? TYPES[i].name : NULL; }

typedef struct adding {
    at_build *build;
    at_decoders *list;
} adding;

static at_status add_step(void *context, const json_t *part, int kind, at_error *err) {
    const adding *to = context;
    at_decoder *step = &to->list->item[to->list->n++];
    step->type = &TYPES[kind];
    return step->type->read ? step->type->read(to->build, part, step, err) : AT_OK;
}

at_status at_decoders_read(at_build *build, const json_t *part, at_decoders *decoders, at_error *err) {
    *decoders = (at_decoders){0};
    if (!part || json_is_null(part)) return AT_OK;
    decoders->any = 1;
    decoders->item = AT_NEW_ARRAY(build->arena, at_decoder, AT_SPEC_STEPS);
    if (!decoders->item) return at_fail_memory(err, AT_SPEC_STEPS * sizeof *decoders->item);
    const at_spec_steps steps = {spec_of(build), "decoders", "decoders", type_name, add_step, &(adding){build, decoders}};
    return at_spec_steps_read(&steps, part, err);
}

static at_status one(at_arena *arena, at_decoder decoder, at_decoders *decoders, at_error *err) {
    *decoders = (at_decoders){AT_NEW(arena, at_decoder), 1, 1};
    if (!decoders->item) return at_fail_memory(err, sizeof *decoders->item);
    decoders->item[0] = decoder;
    return AT_OK;
}

at_status at_decoders_wordpiece(at_arena *arena, at_decoders *decoders, at_error *err) {
    return one(arena, (at_decoder){.type = &TYPES[TYPE_WORDPIECE], .from = "##", .cleanup = 1}, decoders, err);
}

at_status at_decoders_bytelevel(at_arena *arena, at_decoders *decoders, at_error *err) {
    return one(arena, (at_decoder){.type = &TYPES[TYPE_BYTELEVEL]}, decoders, err);
}

/* As SentencePieceProcessor::Decode. */
static at_status run_sentencepiece(const at_decoder *d, at_matcher *matcher, const at_texts *in, at_texts *out, at_error *err) {
    (void)matcher;
    (void)err;
    int begins = !in->goes_on && d->leading != AT_LEADING_STAYS;
    for (int i = 0; i < in->n; i++) {
        size_t len, begin = out->text.len;
        const char *text = text_of(in, i, &len);
        int drops = begins && len >= 3 && !memcmp(text, META, 3);
        add(out, text + 3 * drops, len - 3 * (size_t)drops);
        at_replace_all(&out->text, begin, META, " ");
        end(out);
        begins = begins && !out->text.len && !(drops && d->leading == AT_LEADING_FIRST);
    }
    return AT_OK;
}

at_status at_decoders_sentencepiece(at_arena *arena, at_leading leading, at_decoders *decoders, at_error *err) {
    static const at_decoder_type spaces = {"SentencePiece", NULL, run_sentencepiece};
    *decoders = (at_decoders){AT_NEW_ARRAY(arena, at_decoder, 2), 2, 1};
    if (!decoders->item) return at_fail_memory(err, 2 * sizeof *decoders->item);
    decoders->item[0] = (at_decoder){.type = &spaces, .leading = leading};
    decoders->item[1] = (at_decoder){.type = &TYPES[TYPE_BYTE_FALLBACK]};
    return AT_OK;
}

static at_status run_all(const at_decoders *decoders, at_arena *arena, at_matcher *matcher, const at_texts *tokens, at_str *out,
                         at_error *err) {
    at_texts now = *tokens;
    size_t most = 100 * now.text.len + 16 * AT_TOKEN_BYTES; /* else a few steps that replace would fill any memory */
    for (int i = 0; i < decoders->n; i++) {
        at_texts next = {.text = {.arena = arena}, .most = most, .end = AT_NEW_ARRAY(arena, size_t, now.n + 1)};
        if (!next.end) return at_fail_memory(err, (size_t)now.n * sizeof *next.end);
        at_str_add(&next.text, "");
        AT_TRY(decoders->item[i].type->run(&decoders->item[i], matcher, &now, &next, err));
        if (next.text.failed) return at_fail_memory(err, next.text.len);
        if (next.text.len > most) return fail_long(err);
        now = next;
    }
    for (int i = 0; i < now.n; i++) {
        size_t len;
        const char *text = text_of(&now, i, &len);
        if (i && !decoders->any) at_str_add(out, " ");
        at_str_add_bytes(out, text, len);
    }
    return out->failed ? at_fail_memory(err, out->len) : AT_OK;
}

at_status at_decoders_run(const at_decoders *decoders, at_arena *arena, const at_texts *tokens, at_str *out, at_error *err) {
    at_matcher matcher = {0};
    at_str_add(out, "");
    at_status st = run_all(decoders, arena, &matcher, tokens, out, err);
    at_matcher_free(&matcher);
    return st;
}
