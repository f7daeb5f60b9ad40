/* attune generate: a language model continues a text, which is told as it comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "infer/writing.h"
#include "model/gguf.h"
#include "run/chat_file.h"
#include "run/models.h"
#include "run/session.h"
#include "run/unread.h"

enum { MOST_STOPS = 64, PROMPT_BYTES = 16 << 20 };

typedef struct generating {
    const at_options *options;
    const at_listener *listener;
    at_arena arena;
    at_model *model;
    at_tokenizer *tokenizer;
    const at_backend *backend;
    int threads;
    at_chooser sampler;
    at_continuation_options how;
    at_writing writing;
    const char *stop[MOST_STOPS];
    int index; /* of the text */
    int templated; /* the text has its special tokens already */
    at_chat *chat;
    json_t *tools; /* of the questions; NULL: none */
} generating;

/* ---- what ends a text ---- */

/* One text, or several as a JSON list. \n and \t stand for a line's end and a tab. */
static at_status find_stops(generating *g, at_error *err) {
    const char *given = at_options_text(g->options, "stop", NULL);
    json_t *list = NULL;
    g->how.stop = g->stop;
    if (!given) return AT_OK;
    if (*given == '[') AT_TRY(at_json_parse(given, strlen(given), "--stop", AT_USAGE, &list, err));
    size_t n = list ? json_array_size(list) : 1;
    at_status st = n <= MOST_STOPS ? AT_OK : at_fail(err, AT_USAGE, "--stop: more than %d texts", MOST_STOPS);
    for (size_t i = 0; i < n && !st; i++) {
        const char *text = list ? json_string_value(json_array_get(list, i)) : given;
        char *copy = text ? at_strdup(&g->arena, text) : NULL, *to = copy;
        if (!text || !*text) st = at_fail(err, AT_USAGE, "--stop: a text, or a JSON list of texts, none of them empty");
        else if (!copy) st = at_fail_memory(err, strlen(text));
        for (const char *p = copy; !st && !list && p && *p; p++) {
            int escaped = p[0] == '\\' && (p[1] == 'n' || p[1] == 't');
            *to++ = escaped ? (p[1] == 'n' ? '\n' : '\t') : *p;
            p += escaped;
        }
        if (!st && !list) *to = '\0';
        if (!st) g->stop[g->how.n_stop++] = copy;
    }
    json_decref(list);
    return st;
}

/* ---- opening ---- */

/* Asking for any of the ways to draw is asking to draw. */
static at_sampling sampling_of(const at_options *o) {
    int draws = at_options_given(o, "top_k") || at_options_given(o, "top_p") || at_options_given(o, "min_p");
    return (at_sampling){.temperature = at_options_real(o, "temperature", draws ? 1 : 0), .top_k = (int)at_options_int(o, "top_k", 0),
                         .top_p = at_options_real(o, "top_p", 1), .min_p = at_options_real(o, "min_p", 0),
                         .repetition_penalty = at_options_real(o, "repetition_penalty", 1),
                         .seed = (uint64_t)at_options_int(o, "seed", 42)};
}

static at_status open_model(generating *g, at_error *err) {
    const at_options *o = g->options;
    const char *name = at_options_text(o, "model", NULL), *path;
    at_pool *pool;
    if (!name) return at_fail(err, AT_USAGE, "--model is missing: the folder of a language model, or a GGUF file");
    AT_TRY(at_model_folder_find(&g->arena, name, &path, err));
    AT_TRY(at_backend_choose(at_options_text(o, "cpu", NULL), &g->backend, err));
    g->threads = (int)at_options_int(o, "threads", at_cpu_count());
    AT_TRY(at_pool_open(&pool, g->threads, err));
    at_model_options options = {.head = AT_HEAD_LM, .keep_head = 1, .pool = pool, .weights = (at_weights)at_options_choice(o, "weights")};
    at_status st = at_model_open(path, &options, &g->model, err);
    at_pool_close(pool);
    if (!st) at_tell_unread(g->listener, g->model);
    return st ? st : at_model_tokenizer_open(path, &g->tokenizer, err);
}

/* Beams take the most probable texts as a whole: nothing is drawn, and nothing is told on the way. What was asked for wins over the
 * folder. */
static at_status settle_beams(generating *g, const at_sampling *sampling, at_error *err) {
    at_beams *beams = &g->writing.beams;
    const char *other = sampling->temperature > 0 ? "a temperature, --top-k, --top-p or --min-p draws tokens"
                                                  : at_options_text(g->options, "stop", NULL) ? "--stop is looked for in one text" : NULL;
    if (beams->n <= 1 || !other) return AT_OK;
    if (at_options_given(g->options, "num_beams"))
        return at_fail(err, AT_USAGE, "--num-beams %d: %s, and beams write several; leave one of them out", beams->n, other);
    at_tell_note(g->listener, "%s asks for %d beams; %s, so that one text is written.", g->model->folder, beams->n, other);
    beams->n = 1;
    return AT_OK;
}

static at_status open_all(generating *g, const at_options *o, const at_listener *listener, at_error *err) {
    *g = (generating){.options = o, .listener = listener};
    if (at_options_text(o, "tools", NULL) && !at_options_text(o, "chat", NULL) && !at_options_flag(o, "ask"))
        return at_fail(err, AT_USAGE, "--tools are for a conversation: give --chat FILE, or --ask with a question");
    AT_TRY(open_model(g, err));
    at_sampling sampling = sampling_of(o);
    AT_TRY(at_chooser_make(&g->sampler, &g->arena, &sampling, g->model->arch.vocab_size, err));
    const at_writing_wishes wishes = at_settings_wishes(o);
    AT_TRY(at_writing_read(g->model, g->tokenizer, &wishes, &g->writing, err));
    AT_TRY(settle_beams(g, &sampling, err));
    at_writing_apply(&g->writing, &g->how);
    return find_stops(g, err);
}

static void close_all(generating *g) {
    at_chat_close(g->chat);
    json_decref(g->tools);
    at_tokenizer_close(g->tokenizer);
    at_model_close(g->model);
    at_arena_free(&g->arena);
}

/* ---- one text ---- */

static int listen(void *context, const char *text, size_t len) {
    generating *g = context;
    at_arena scratch = {0};
    char *piece = len ? at_strndup(&scratch, text, len) : NULL;
    if (piece) at_tell_text(g->listener, "text", json_pack("{s:i, s:o}", "index", g->index, "text", json_stringn(text, len)), piece);
    at_arena_free(&scratch);
    return at_asked_to_stop(g->listener);
}

/* The prompt's tokens in the arena; a model that begins every text with a token can begin with nothing else. */
static at_status encode(const generating *g, at_arena *arena, const char *text, size_t len, int32_t **ids, int *n, at_error *err) {
    at_encoding e = {0};
    at_encode_options options = {.no_special = g->templated || at_options_flag(g->options, "no_special")};
    int32_t begin = at_tokenizer_special(g->tokenizer, "bos");
    at_status st = at_encode(g->tokenizer, text, len, NULL, 0, &options, &e, err);
    *ids = AT_NEW_ARRAY(arena, int32_t, e.n + 1);
    if (!st && !*ids) st = at_fail_memory(err, (size_t)e.n * sizeof **ids);
    for (int i = 0; i < e.n && !st; i++) (*ids)[i] = e.ids[i];
    *n = e.n;
    at_encoding_free(&e);
    if (st || *n) return st;
    if (begin < 0) return at_fail(err, AT_USAGE, "the prompt is empty, and the model has no token that begins a text");
    (*ids)[(*n)++] = begin;
    return AT_OK;
}

static at_status check_prompt(const generating *g, const int32_t *ids, int n, at_error *err) {
    const at_arch *a = &g->model->arch;
    for (int i = 0; i < n; i++)
        if (ids[i] >= a->vocab_size)
            return at_fail(err, AT_BAD_MODEL,
                           "the tokenizer gives the token %d, the model has %d words: they do not belong together", ids[i], a->vocab_size);
    if (n < a->max_positions) return AT_OK;
    return at_fail(err, AT_BAD_DATA, "the prompt has %d tokens; the model reads %d, with those that it adds", n, a->max_positions);
}

static json_t *fields(const generating *g, int n_prompt, const at_continuation *c) {
    json_t *ids = json_array();
    for (int i = 0; i < c->n; i++) json_array_append_new(ids, json_integer(c->ids[i]));
    double speed = c->n > 1 && c->seconds > 0 ? (c->n - 1) / c->seconds : 0;
    return json_pack("{s:i, s:o, s:o, s:i, s:i, s:s, s:f, s:f, s:f, s:I}", "index", g->index, "text",
                     json_stringn(c->text, c->len), "ids", ids,
                     "prompt_tokens", n_prompt, "tokens", c->n, "finish", at_finish_name(c->finish), "prompt_seconds", c->prompt_seconds,
                     "seconds", c->seconds, "tokens_per_second", speed, "weight_bytes", (json_int_t)at_params_bytes(&g->model->params));
}

static int texts_of(const generating *g) { return g->how.beams.n > 1 ? g->how.beams.n : 1; }

static at_status continue_from(generating *g, at_arena *arena, const int32_t *ids, int n, at_continuation *c, at_error *err) {
    at_generator *generator;
    AT_TRY(at_generator_open_room(g->model, g->backend, g->threads, (at_generator_room){0, n + g->how.most_new, texts_of(g)},
                                  &generator, err));
    at_status st = at_continue(generator, &g->sampler, g->tokenizer, ids, n, &g->how, arena, c, err);
    at_generator_close(generator);
    return st;
}

/* The encoder reads the prompt; the decoder writes from its start token on. */
static at_status write_to(generating *g, at_arena *arena, const int32_t *ids, int n, at_continuation *c, at_error *err) {
    at_generator *generator;
    AT_TRY(at_generator_open_room(g->model, g->backend, g->threads, (at_generator_room){n, 1 + g->how.most_new, texts_of(g)},
                                  &generator, err));
    at_status st = at_generator_read(generator, ids, n, err);
    if (!st) st = at_continue(generator, &g->sampler, g->tokenizer, &g->writing.start, 1, &g->how, arena, c, err);
    at_generator_close(generator);
    return st;
}

static at_status continue_text(generating *g, at_arena *arena, const char *text, size_t len, at_error *err) {
    int32_t *ids;
    int n;
    at_continuation c;
    AT_TRY(encode(g, arena, text, len, &ids, &n, err));
    AT_TRY(check_prompt(g, ids, n, err));
    int writes = g->writing.start >= 0;
    int room = g->model->arch.max_positions - (writes ? 1 : n), most = g->writing.most_new;
    g->how.most_new = most < room ? most : room;
    g->how.listen = listen;
    g->how.context = g;
    AT_TRY((writes ? write_to : continue_from)(g, arena, ids, n, &c, err));
    at_tell(g->listener, "generated", fields(g, n, &c), "%d tokens behind %d, %.1f tokens a second (%s)", c.n, n,
            c.n > 1 && c.seconds > 0 ? (c.n - 1) / c.seconds : 0.0, at_finish_name(c.finish));
    g->index++;
    return c.finish == AT_FINISH_ASKED ? at_fail(err, AT_STOPPED, "stopped") : AT_OK;
}

static at_status take_question(generating *g, const char *text, at_error *err);

static at_status take(generating *g, const char *name, const char *text, size_t len, at_error *err) {
    at_arena arena = {0};
    size_t valid = at_utf8_check(text, len);
    if (valid == len && at_options_flag(g->options, "ask")) return take_question(g, text, err);
    at_status st = valid == len ? continue_text(g, &arena, text, len, err)
                                : at_fail(err, AT_BAD_DATA, "%s: byte %zu is not valid UTF-8", name, valid + 1);
    at_arena_free(&arena);
    return st;
}

/* ---- conversations ---- */

/* The template's text, up to where the answer begins. */
static at_status answer(generating *g, const at_chat_request *request, at_error *err) {
    at_arena arena = {0};
    at_jinja_text text;
    at_status st = at_conversation_text(g->chat, request, g->listener, &arena, &text, err);
    g->templated = 1;
    if (!st) st = continue_text(g, &arena, text.text, text.len, err);
    at_arena_free(&arena);
    return st;
}

static at_status take_conversation(generating *g, const char *path, at_error *err) {
    at_conversation conversation = {0};
    AT_TRY(at_model_chat_open(g->model->folder, &g->chat, err));
    at_status st = at_conversation_read(path, at_options_text(g->options, "tools", NULL), &conversation, err);
    conversation.request.add_generation_prompt = 1;
    if (!st) st = answer(g, &conversation.request, err);
    at_conversation_close(&conversation);
    return st;
}

static at_status take_question(generating *g, const char *text, at_error *err) {
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", text);
    const char *path = at_options_text(g->options, "tools", NULL);
    if (!messages) return at_fail(err, AT_BAD_DATA, "prompt: not valid UTF-8");
    at_status st = g->chat ? AT_OK : at_model_chat_open(g->model->folder, &g->chat, err);
    if (!st && path && !g->tools) st = at_tools_read(path, &g->tools, err);
    at_chat_request request = {.messages = messages, .tools = g->tools, .add_generation_prompt = 1};
    if (!st) st = answer(g, &request, err);
    json_decref(messages);
    return st;
}

/* ---- where prompts come from ---- */

/* All of standard input is one prompt. */
static at_status take_stream(generating *g, at_error *err) {
    at_str text = {.arena = &g->arena};
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, stdin)) > 0 && text.len <= PROMPT_BYTES;) at_str_add_bytes(&text, piece, n);
    if (ferror(stdin)) return at_fail_errno(err, AT_BAD_DATA, "standard input", "cannot read");
    if (text.failed) return at_fail_memory(err, text.len);
    if (text.len > PROMPT_BYTES) return at_fail(err, AT_BAD_DATA, "standard input: the prompt is longer than 16 MiB");
    while (text.len && text.text[text.len - 1] == '\n') text.len--; /* the line's end is not meant */
    return take(g, "standard input", text.text ? text.text : "", text.len, err);
}

static at_status take_file(generating *g, const char *path, at_error *err) {
    char *text;
    size_t len;
    AT_TRY(at_file_read(&g->arena, path, PROMPT_BYTES, AT_BAD_DATA, &text, &len, err));
    while (len && text[len - 1] == '\n') len--;
    return take(g, path, text, len, err);
}

at_status at_generate(const at_options *options, const at_listener *listener, at_error *err) {
    generating g;
    at_status st = open_all(&g, options, listener, err);
    const char *input = at_options_text(options, "input", NULL), *chat = at_options_text(options, "chat", NULL);
    if (!st && chat && input) st = at_fail(err, AT_USAGE, "--chat and --input are both given; one of them says what is continued");
    if (!st && chat) st = take_conversation(&g, chat, err);
    else if (!st) st = input && strcmp(input, "-") ? take_file(&g, input, err) : take_stream(&g, err);
    close_all(&g);
    return st;
}

at_status at_generate_texts(const at_options *options, const char *const *texts, int n, const at_listener *listener, at_error *err) {
    generating g;
    at_status st = open_all(&g, options, listener, err);
    if (!st && at_options_text(options, "chat", NULL)) st = at_fail(err, AT_USAGE, "--chat and prompts are both given; one of them says what is continued");
    for (int i = 0; i < n && !st; i++) st = take(&g, "prompt", texts[i], strlen(texts[i]), err);
    close_all(&g);
    return st;
}
