/* Telling the listener: one function for every kind of event, so that each has its words and its JSON object.
 * The kinds and their fields stand in docs/events.md. */
#ifndef AT_RUN_EVENTS_H
#define AT_RUN_EVENTS_H

#include "base/json.h"

/* Sends an event. `fields` is an object or NULL and is taken over (its reference is given up here, also on failure); the words may be NULL.
 * A listener that is NULL or deaf costs nothing but the fields. */
void at_tell(const at_listener *listener, const char *kind, json_t *fields, const char *text, ...) AT_PRINTF(4, 5);
/* The same with the words as they are: may be long, NULL, of several lines. */
void at_tell_text(const at_listener *listener, const char *kind, json_t *fields, const char *text);
/* "note" and "warning": a sentence, and the JSON object holds it too. */
void at_tell_note(const at_listener *listener, const char *text, ...) AT_PRINTF(2, 3);
void at_tell_warning(const at_listener *listener, const char *text, ...) AT_PRINTF(2, 3);
void at_tell_progress(const at_listener *listener, const at_event_progress *progress);

int at_asked_to_stop(const at_listener *listener);

/* A number as JSON; what is not finite, which JSON has no word for, becomes null. */
json_t *at_json_number(double value);

#endif
