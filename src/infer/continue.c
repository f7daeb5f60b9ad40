#include "infer/continue.h"

#include <string.h>
#include <time.h>

#include "base/str.h"
#include "infer/beam.h"
#include "infer/rules.h"

typedef struct continuing {
    at_generator *generator;
    at_chooser *sampler;
    const at_tokenizer *tokenizer;
    const at_continuation_options *options;
    at_continuation *result;
    int32_t *all;  /* the prompt's tokens and, behind them, the result's */
    int n_prompt;
    at_decode_stream stream;
    at_str text;   /* all of it */
    size_t told;   /* bytes of it that the listener has */
    int stopped;   /* a stop string was found, or the listener has enough */
} continuing;

const char *at_finish_name(at_finish finish) {
    static const char *const NAMES[] = {"length", "end", "stop", "asked"};
    return NAMES[finish];
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void tell(continuing *c, size_t upto) {
    const at_continuation_options *o = c->options;
    if (upto > c->told && o->listen && o->listen(o->context, c->text.text + c->told, upto - c->told) && !c->stopped) {
        c->stopped = 1;
        c->result->finish = AT_FINISH_ASKED;
    }
    if (upto > c->told) c->told = upto;
}

/* Whether a stop string begins at this byte; the text may hold NUL bytes. */
static int stops_at(const continuing *c, size_t at) {
    for (int i = 0; i < c->options->n_stop; i++) {
        size_t n = strlen(c->options->stop[i]);
        if (n <= c->text.len - at && !memcmp(c->text.text + at, c->options->stop[i], n)) return 1;
    }
    return 0;
}

/* Where the first stop string begins, or -1. What was told before holds none. */
static ptrdiff_t find_stop(const continuing *c) {
    for (size_t at = c->told; at < c->text.len; at++)
        if (stops_at(c, at)) return (ptrdiff_t)at;
    return -1;
}

/* Bytes at the end of the text that may be the beginning of a stop string. */
static size_t held_back(const continuing *c) {
    size_t most = 0, left = c->text.len - c->told;
    for (int i = 0; i < c->options->n_stop; i++) {
        const char *stop = c->options->stop[i];
        size_t n = strlen(stop) - 1;
        for (n = n < left ? n : left; n > most; n--)
            if (!memcmp(c->text.text + c->text.len - n, stop, n)) most = n;
    }
    return most;
}

/* New text of the decoder; `last`: nothing follows. */
static at_status add_text(continuing *c, const char *text, size_t len, int last, at_error *err) {
    at_str_add_bytes(&c->text, text, len);
    if (c->text.failed) return at_fail_memory(err, len);
    if (!c->text.text || c->stopped) return AT_OK;
    ptrdiff_t stop = find_stop(c);
    if (stop >= 0) {
        c->stopped = 1;
        c->result->finish = AT_FINISH_STOP;
        c->text.len = (size_t)stop;
        c->text.text[stop] = '\0';
    }
    tell(c, stop >= 0 || last ? c->text.len : c->text.len - held_back(c));
    return AT_OK;
}

/* Takes a token; *done where it was the last. */
static at_status take(continuing *c, int32_t id, int *done, at_error *err) {
    const char *text;
    size_t len;
    if (at_rules_ends(c->options, id)) {
        c->result->finish = AT_FINISH_END;
        *done = 1;
        return AT_OK;
    }
    c->result->ids[c->result->n++] = id;
    at_chooser_see(c->sampler, &id, 1);
    AT_TRY(at_decode_step(c->tokenizer, &c->stream, id, &text, &len, err));
    AT_TRY(add_text(c, text, len, 0, err));
    *done = c->stopped || c->result->n == c->options->most_new;
    return AT_OK;
}

static const at_real NEVER = (at_real)-1e30;

static at_status choose(continuing *c, at_real *logits, int32_t *id, at_error *err) {
    int n = c->result->n;
    const int32_t *forced = at_rules_forced(c->options, n);
    at_rules_forbid(c->options, c->all, c->n_prompt, n, NEVER, logits, c->sampler->n);
    AT_TRY(at_chooser_filter(c->sampler, logits, err));
    *id = forced ? *forced : at_chooser_draw(c->sampler, (uint64_t)n);
    return AT_OK;
}

static at_status read_prompt(continuing *c, at_real **logits, at_error *err) {
    int begin = at_generator_length(c->generator);
    return at_generator_feed(c->generator, c->all + begin, c->n_prompt - begin, logits, err);
}

static at_status run(continuing *c, at_error *err) {
    at_continuation *r = c->result;
    double began = now(), first = 0;
    at_real *logits;
    at_chooser_forget(c->sampler);
    at_chooser_see(c->sampler, c->all, c->n_prompt);
    AT_TRY(read_prompt(c, &logits, err));
    for (int done = 0; !done;) {
        int32_t id;
        AT_TRY(choose(c, logits, &id, err));
        if (first == 0) r->prompt_seconds = (first = now()) - began;
        AT_TRY(take(c, id, &done, err));
        if (!done) AT_TRY(at_generator_feed(c->generator, &id, 1, &logits, err));
    }
    r->seconds = now() - first;
    return AT_OK;
}

/* The best text of several, decoded when it is there. */
static at_status run_beams(continuing *c, at_error *err) {
    at_continuation *r = c->result;
    const at_beam_search search = {c->generator, c->all, c->n_prompt, c->sampler->n, c->sampler->how.repetition_penalty, c->options};
    double began = now(), first;
    at_real *logits;
    AT_TRY(read_prompt(c, &logits, err));
    r->prompt_seconds = (first = now()) - began;
    AT_TRY(at_beam_search_run(&search, logits, c->text.arena, r->ids, &r->n, &r->finish, err));
    r->seconds = now() - first;
    for (int i = 0; i < r->n; i++) {
        const char *text;
        size_t len;
        AT_TRY(at_decode_step(c->tokenizer, &c->stream, r->ids[i], &text, &len, err));
        at_str_add_bytes(&c->text, text, len);
    }
    return c->text.failed ? at_fail_memory(err, c->text.len) : AT_OK;
}

/* What the decoder still holds is told too, unless a stop string ended the text. */
static at_status end(continuing *c, at_error *err) {
    const char *text;
    size_t len;
    AT_TRY(at_decode_end(c->tokenizer, &c->stream, &text, &len, err));
    if (!c->stopped) AT_TRY(add_text(c, text, len, 1, err));
    c->result->text = c->text.text ? c->text.text : "";
    c->result->len = c->text.len;
    return AT_OK;
}

at_status at_continue(at_generator *generator, at_chooser *sampler, const at_tokenizer *tokenizer, const int32_t *prompt, int n_prompt,
                      const at_continuation_options *options, at_arena *arena, at_continuation *result, at_error *err) {
    continuing c = {generator, sampler, tokenizer, options, result, .stream = {.skip_special = 1}, .text = {.arena = arena}};
    *result = (at_continuation){.finish = AT_FINISH_LENGTH, .text = ""};
    if (n_prompt <= at_generator_length(generator))
        return at_fail(err, AT_BUG, "%d tokens to continue, %d are there", n_prompt, at_generator_length(generator));
    if (options->most_new < 1) return AT_OK;
    c.n_prompt = n_prompt;
    c.all = AT_NEW_ARRAY(arena, int32_t, n_prompt + options->most_new);
    if (!c.all) return at_fail_memory(err, (size_t)(n_prompt + options->most_new) * sizeof(int32_t));
    memcpy(c.all, prompt, (size_t)n_prompt * sizeof *prompt);
    result->ids = c.all + n_prompt;
    at_status st = options->beams.n > 1 ? run_beams(&c, err) : run(&c, err);
    if (!st) st = end(&c, err);
    at_decode_stream_free(&c.stream);
    return st;
}
