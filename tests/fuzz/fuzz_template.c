/* A chat template from a stranger, on one conversation. Small limits: what is looked for is a fault, not a long loop. */
#include "fuzz.h"

#include "text/jinja.h"

static json_t *variables(void) {
    return json_pack("{s:[{s:s, s:s}, {s:s, s:s, s:[{s:s, s:{s:s, s:{s:i}}}]}], s:n, s:b, s:s, s:s, s:i, s:f}", "messages", "role", "user",
                     "content", "h\xc3\xa9llo",
                     "role", "assistant", "content", "", "tool_calls", "id", "c1", "function", "name", "f", "arguments", "a", 1,
                     "tools", "add_generation_prompt", 1,
                     "bos_token", "<s>", "eos_token", "</s>", "n", 7, "x", 2.5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const at_jinja_limits limits = {.steps = 20000, .output_bytes = 1 << 16, .memory_bytes = 32 << 20};
    at_arena arena = {0};
    at_error err;
    at_jinja *jinja;
    at_jinja_text out;
    if (!at_jinja_parse(&arena, "template", (const char *)data, size, &jinja, &err)) {
        json_t *given = variables();
        at_jinja_render(jinja, given, &limits, 1785000000, &arena, &out, &err);
        json_decref(given);
    }
    at_arena_free(&arena);
    return 0;
}
