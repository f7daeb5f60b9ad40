/* Chat templates against what jinja2 gave (tests/oracle/make_template_vectors.py), the limits, and the opening of a folder's template. */
#include "check.h"

#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "text/chat.h"

static json_t *vectors(void) {
    json_t *root = NULL;
    at_error err;
    check_ok(at_json_load(check_source("text/data/templates/vectors.json"), (size_t)16 << 20, AT_BAD_DATA, &root, &err), &err);
    return root;
}

static void check_spans(const at_jinja_text *out, const json_t *right, const char *what) {
    if (!right) return;
    if ((size_t)out->n_spans != json_array_size(right)) fail_msg("%s: %d spans, not %zu", what, out->n_spans, json_array_size(right));
    for (int i = 0; i < out->n_spans; i++) {
        const json_t *span = json_array_get(right, (size_t)i);
        assert_int_equal(out->span[i].begin, json_integer_value(json_array_get(span, 0)));
        assert_int_equal(out->span[i].end, json_integer_value(json_array_get(span, 1)));
    }
}

/* The text, or an error with line and column. */
static void check_one(const char *source, size_t len, const json_t *variables, const json_t *right, const char *what) {
    at_arena arena = {0};
    at_error err = {0};
    at_jinja *jinja;
    at_jinja_text out = {0};
    at_status st = at_jinja_parse(&arena, "t", source, len, &jinja, &err);
    if (!st) st = at_jinja_render(jinja, variables, NULL, 0, &arena, &out, &err);
    const json_t *text = json_object_get(right, "text");
    int line, column;
    if (text && st) fail_msg("%s: %s", what, err.text);
    if (!text && !st) fail_msg("%s: is refused by jinja2, and gave \"%s\"", what, out.text);
    if (!text && sscanf(err.text, "t:%d:%d: ", &line, &column) != 2) fail_msg("%s: no line and column: %s", what, err.text);
    if (text && (out.len != json_string_length(text) || memcmp(out.text, json_string_value(text), out.len)))
        fail_msg("%s:\n  is    \"%s\"\n  not   \"%s\"", what, out.text, json_string_value(text));
    if (text) check_spans(&out, json_object_get(right, "spans"), what);
    at_arena_free(&arena);
}

static void small_templates_give_what_jinja2_gives(void **state) {
    (void)state;
    json_t *root = vectors(), *one;
    size_t i;
    json_array_foreach(json_object_get(root, "small"), i, one) {
        const json_t *template = json_object_get(one, "template");
        check_one(json_string_value(template), json_string_length(template), json_object_get(root, "variables"), one,
                  json_string_value(template));
    }
    assert_true(i > 150);
    json_decref(root);
}

static void every_kind_of_chat_model_gets_its_text(void **state) {
    (void)state;
    json_t *root = vectors(), *file, *right;
    const char *name, *chat;
    int n = 0;
    json_object_foreach(json_object_get(root, "files"), name, file) {
        at_arena arena = {0};
        at_error err;
        char relative[256], what[512], *source;
        size_t len;
        snprintf(relative, sizeof relative, "text/data/templates/%s", name);
        check_ok(at_file_read(&arena, check_source(relative), 1 << 20, AT_BAD_DATA, &source, &len, &err), &err);
        json_object_foreach(file, chat, right) {
            snprintf(what, sizeof what, "%s: %s", name, chat);
            check_one(source, len, json_object_get(json_object_get(root, "chats"), chat), right, what);
        }
        at_arena_free(&arena);
        n++;
    }
    assert_true(n >= 20);
    json_decref(root);
}

static at_status render(const char *source, at_arena *arena, at_jinja_text *out, at_error *err) {
    at_jinja *jinja;
    json_t *variables = json_pack("{s:s, s:[i, i, i]}", "x", "abc", "l", 1, 2, 3);
    at_status st = at_jinja_parse(arena, "t", source, strlen(source), &jinja, err);
    if (!st) st = at_jinja_render(jinja, variables, NULL, 1785000000, arena, out, err);
    json_decref(variables);
    return st;
}

static void expect_failure(const char *source, const char *words) {
    at_arena arena = {0};
    at_error err;
    at_jinja_text out;
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    check_fails(render(source, &arena, &out, &err), err.code, &err, words);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    if (after.tv_sec - before.tv_sec > 20) fail_msg("%s: took %ld seconds", source, (long)(after.tv_sec - before.tv_sec));
    at_arena_free(&arena);
}

static void a_template_cannot_run_away(void **state) {
    (void)state;
    expect_failure("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "the template takes more than");
    expect_failure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested deeper");
    expect_failure("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}", "nested deeper");
    expect_failure("{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "grows beyond");
    expect_failure("{{ 'abcdefgh' * 9999999999 }}", "grows beyond");
    expect_failure("{{ [1] * 9999999999 }}", "steps");
    expect_failure("{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}", "steps");
    expect_failure("{{ '%999999999d' % 1 }}", "absurd");
    expect_failure("{{ 'a'.ljust(999999999999) }}", "the template takes more than");
    expect_failure("{{ 9223372036854775807 + 1 }}", "64 bits");
    expect_failure("{{ 2 ** 9999999 }}", "64 bits");
    expect_failure("{{ 99999999999999999999 }}", "no number");
    char deep[600] = "{{ ";
    for (int i = 0; i < 70; i++) deep[3 + i] = '(';
    expect_failure(strcat(deep, "1 }}"), "nested deeper");
    deep[3] = '\0';
    for (int i = 0; i < 70; i++) strcat(deep, "not ");
    expect_failure(strcat(deep, "1 }}"), "nested deeper");
}

static void what_is_not_known_is_named_with_its_place(void **state) {
    (void)state;
    expect_failure("a\n  {{ x | nope }}", "t:2:10: there is no filter 'nope'");
    expect_failure("{{ x|xmlattr }}", "t:1:6: the filter 'xmlattr' is not supported");
    expect_failure("é {% include 'x' %}", "t:1:6: the block 'include' is not supported");
    expect_failure("{% for a in l recursive %}{% endfor %}", "t:1:15: recursive loops are not supported");
    expect_failure("{{ lipsum() }}", "t:1:4: 'lipsum' is not supported");
    expect_failure("{% if x %}\n{% for a in l %}\n{% endif %}", "t:3:4: there is no block 'endif'");
    expect_failure("{% if x %}\n", "t:1:11: the block that begins before here has no 'endif'");
    expect_failure("{{ l.append(1) }}", "t:1:12: a list cannot be changed by a template");
    expect_failure("\n\n{{ x.at.all }}", "t:3:9: 'at' is undefined, and so has no 'all'");
    expect_failure("{{ raise_exception('turn back') }}", "the template refuses: turn back");
}

static void the_clock_is_the_caller_s(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    at_jinja_text out;
    setenv("TZ", "UTC", 1);
    check_ok(render("{{ strftime_now('%d %b %Y') }}", &arena, &out, &err), &err);
    assert_string_equal(out.text, "25 Jul 2026");
    at_arena_free(&arena);
}

/* ---- folders ---- */

static char *said(at_chat *chat, const char *messages, int tools, at_arena *arena) {
    json_t *list = json_loads(messages, 0, NULL), *given = json_loads("[{\"name\": \"f\"}]", 0, NULL);
    at_chat_request request = {.messages = list, .tools = tools ? given : NULL, .add_generation_prompt = 1};
    at_jinja_text out = {0};
    at_error err;
    check_ok(at_chat_text(chat, &request, arena, &out, &err), &err);
    json_decref(list);
    json_decref(given);
    return out.text;
}

static void a_folder_s_template_is_found(void **state) {
    (void)state;
    static const char CONFIG[] = "{\"bos_token\": {\"content\": \"<s>\"}, \"pad_token\": null, \"eos_token\": \"</s>\", "
                                 "\"model_max_length\": 1e30, \"chat_template\": "
                                 "[{\"name\": \"default\", \"template\": \"{{ bos_token }}{{ messages[0].content }}{{ pad_token is "
                                 "defined }}\"}, "
                                 "{\"name\": \"tool_use\", \"template\": \"{{ tools | tojson }}{{ messages[0].thinking }}\"}]}";
    at_arena arena = {0};
    at_error err;
    at_chat *chat;
    mkdir("chat-folder", 0777);
    unlink("chat-folder/chat_template.jinja");
    check_write("chat-folder/tokenizer_config.json", CONFIG, strlen(CONFIG));
    check_ok(at_chat_open("chat-folder", &chat, &err), &err);
    assert_string_equal(said(chat, "[{\"role\": \"user\", \"content\": \"hi\"}]", 0, &arena), "<s>hiFalse");
    assert_string_equal(said(chat, "[{\"role\": \"user\", \"reasoning\": \"r\", \"content\": null}]", 1, &arena), "[{\"name\": \"f\"}]r");
    at_chat_close(chat);
    check_write("chat-folder/chat_template.jinja", "{{ eos_token }}!\n", 17);
    check_ok(at_chat_open("chat-folder", &chat, &err), &err);
    assert_string_equal(said(chat, "[{\"role\": \"user\", \"content\": \"hi\"}]", 1, &arena), "</s>!");
    at_chat_close(chat);
    check_write("chat-folder/chat_template.jinja", "{{ \n x | nope }}", 16);
    check_fails(at_chat_open("chat-folder", &chat, &err), AT_BAD_MODEL, &err,
                "chat-folder/chat_template.jinja:2:6: there is no filter 'nope'");
    at_arena_free(&arena);
}

static void what_is_no_conversation_is_refused(void **state) {
    (void)state;
    static const char *const WRONG[][2] = {{"{}", "not a list"}, {"[]", "no messages"}, {"[1]", "message 1 is not an object"}};
    at_error err;
    at_chat *chat;
    mkdir("chat-empty", 0777);
    check_fails(at_chat_open("chat-empty", &chat, &err), AT_BAD_MODEL, &err, "has no chat template");
    check_ok(at_chat_open_text("gguf", "{{ messages | length }}", 23, NULL, &chat, &err), &err);
    for (int i = 0; i < 3; i++) {
        at_arena arena = {0};
        at_jinja_text out;
        json_t *messages = json_loads(WRONG[i][0], 0, NULL);
        at_chat_request request = {.messages = messages};
        check_fails(at_chat_text(chat, &request, &arena, &out, &err), AT_BAD_DATA, &err, WRONG[i][1]);
        json_decref(messages);
        at_arena_free(&arena);
    }
    at_chat_close(chat);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_templates_give_what_jinja2_gives),
        cmocka_unit_test(every_kind_of_chat_model_gets_its_text),
        cmocka_unit_test(a_template_cannot_run_away),
        cmocka_unit_test(what_is_not_known_is_named_with_its_place),
        cmocka_unit_test(the_clock_is_the_caller_s),
        cmocka_unit_test(a_folder_s_template_is_found),
        cmocka_unit_test(what_is_no_conversation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
