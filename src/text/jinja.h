/* Chat templates: an interpreter of the part of Jinja (jinja.palletsprojects.com, 3.1) that chat templates are written in, set up as
 * transformers sets its sandbox up: trim_blocks, lstrip_blocks, break and continue, {% generation %}, tojson without HTML escapes,
 * raise_exception, strftime_now; lists and dicts cannot be changed by a template.
 *
 * A template is a stranger's program. It has no files, no network and no clock but strftime_now; steps, memory, output and depth are
 * bounded, and what it does wrong or what is not known here is an error with name, line and column. */
#ifndef AT_TEXT_JINJA_H
#define AT_TEXT_JINJA_H

#include <time.h>

#include "base/json.h"

typedef struct at_jinja at_jinja; /* a parsed template, read-only: any number of threads may render it at once */

/* `name` is for errors: "folder/chat_template.jinja". Everything is copied into the arena. AT_BAD_MODEL where the template is not
 * well-formed or uses what is not supported, which is named. */
at_status at_jinja_parse(at_arena *arena, const char *name, const char *source, size_t len, at_jinja **jinja, at_error *err);

typedef struct at_jinja_limits {
    long steps;          /* expressions evaluated, and what long texts and lists take beyond that */
    size_t output_bytes; /* of the text, and of any text within */
    size_t memory_bytes;
} at_jinja_limits;
#define AT_JINJA_LIMITS ((at_jinja_limits){.steps = 5000000, .output_bytes = (size_t)16 << 20, .memory_bytes = (size_t)256 << 20})

/* What {% generation %} ... {% endgeneration %} gave: bytes begin .. end-1 of the text. */
typedef struct at_jinja_span {
    size_t begin, end;
} at_jinja_span;

typedef struct at_jinja_text {
    char *text; /* NUL-terminated; may hold NUL bytes where the variables do */
    size_t len;
    at_jinja_span *span;
    int n_spans;
} at_jinja_text;

/* Renders with the variables of a JSON object. limits NULL: AT_JINJA_LIMITS. now: what strftime_now takes for the time (UTC where utc is
 * set, else local), 0: the clock. AT_BAD_DATA where the template refuses (raise_exception) or cannot go on. */
at_status at_jinja_render(const at_jinja *jinja, const json_t *variables, const at_jinja_limits *limits, time_t now, at_arena *arena,
                          at_jinja_text *out, at_error *err);

#endif
