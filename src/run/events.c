#include "run/events.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/str.h"

static int is_heard(const at_listener *listener) { return listener && listener->event; }

void at_tell_text(const at_listener *listener, const char *kind, json_t *fields, const char *text) {
    if (is_heard(listener)) {
        char *json = fields ? json_dumps(fields, JSON_COMPACT) : NULL;
        at_event event = {.kind = kind, .text = text, .json = json};
        listener->event(listener->context, &event);
        free(json);
    }
    json_decref(fields);
}

/* The words of a format in the arena; NULL where there is no format or no memory. */
static char *words(at_arena *arena, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = fmt ? vsnprintf(NULL, 0, fmt, args) : -1;
    char *text = len < 0 ? NULL : at_alloc_raw(arena, (size_t)len + 1, 1);
    if (text) vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

void at_tell(const at_listener *listener, const char *kind, json_t *fields, const char *text, ...) {
    at_arena arena = {0};
    va_list args;
    va_start(args, text);
    at_tell_text(listener, kind, fields, is_heard(listener) ? words(&arena, text, args) : NULL);
    va_end(args);
    at_arena_free(&arena);
}

static void tell_sentence(const at_listener *listener, const char *kind, const char *fmt, va_list args) {
    if (!is_heard(listener)) return;
    at_arena arena = {0};
    char *text = words(&arena, fmt, args);
    json_t *fields = text ? json_pack("{s:s}", "text", text) : NULL;
    at_tell_text(listener, kind, fields, text);
    at_arena_free(&arena);
}

void at_tell_note(const at_listener *listener, const char *text, ...) {
    va_list args;
    va_start(args, text);
    tell_sentence(listener, "note", text, args);
    va_end(args);
}

void at_tell_warning(const at_listener *listener, const char *text, ...) {
    va_list args;
    va_start(args, text);
    tell_sentence(listener, "warning", text, args);
    va_end(args);
}

json_t *at_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

void at_tell_progress(const at_listener *listener, const at_event_progress *p) {
    if (!is_heard(listener)) return;
    json_t *fields = json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "step", p->step, "steps", p->n_steps, "epoch",
                               at_json_number(p->epoch), "loss", at_json_number(p->loss), "learning_rate",
                               at_json_number(p->learning_rate), "tokens_per_second", at_json_number(p->tokens_per_second),
                               "seconds_left", at_json_number(p->seconds_left));
    char *json = fields ? json_dumps(fields, JSON_COMPACT) : NULL;
    at_event event = {.kind = "step", .json = json, .progress = p};
    listener->event(listener->context, &event);
    free(json);
    json_decref(fields);
}

int at_asked_to_stop(const at_listener *listener) {
    return listener && listener->stop && listener->stop(listener->context);
}
