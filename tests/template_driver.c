/* Answers tests/oracle/live_templates.py: each line of standard input is {"template": .., "variables": {..}, "now": seconds}; each line of
 * standard output is {"text": .., "spans": [[begin, end] ...]} or {"error": ..}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja.h"

static json_t *answer(const json_t *question, at_arena *arena) {
    const json_t *template = json_object_get(question, "template");
    at_jinja *jinja = NULL;
    at_jinja_text out = {0};
    at_error err = {0};
    at_status st = at_jinja_parse(arena, "template", json_string_value(template), json_string_length(template), &jinja, &err);
    if (!st)
        st = at_jinja_render(jinja, json_object_get(question, "variables"), NULL,
                             (time_t)json_integer_value(json_object_get(question, "now")), arena, &out, &err);
    if (st) return json_pack("{s:s}", "error", err.text);
    json_t *spans = json_array();
    for (int i = 0; i < out.n_spans; i++) json_array_append_new(spans, json_pack("[i, i]", (int)out.span[i].begin, (int)out.span[i].end));
    return json_pack("{s:s%, s:o}", "text", out.text, out.len, "spans", spans);
}

int main(void) {
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        at_arena arena = {0};
        json_t *question = json_loads(line, JSON_ALLOW_NUL, NULL), *given = question ? answer(question, &arena) : NULL;
        if (!given) return 1;
        json_dumpf(given, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(given);
        json_decref(question);
        at_arena_free(&arena);
    }
    free(line);
    return 0;
}
