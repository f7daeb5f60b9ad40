/* attune tokenize: what a model sees of a text, and how well its tokenizer fits the texts of a file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "io/table.h"
#include "model/gguf.h"
#include "run/chat_file.h"
#include "run/events.h"
#include "run/models.h"
#include "run/session.h"
#include "task/columns.h"
#include "text/unicode.h"

static const size_t LINE_BYTES = 16 << 20;

typedef struct tokenizing {
    const at_options *options;
    const at_listener *listener;
    at_arena arena;
    const char *folder;
    at_tokenizer *tokenizer;
    at_encoding encoding;
    at_encode_options encode;
    int stats;
    long texts, words, characters, tokens, unknown, over; /* tokens without those that the tokenizer adds */
    int *length; /* of each text, with them */
    long length_cap;
} tokenizing;

static at_status open_tokenizer(tokenizing *t, const at_options *o, const at_listener *listener, at_error *err) {
    *t = (tokenizing){.options = o, .listener = listener, .stats = at_options_flag(o, "stats")};
    const char *name = at_options_text(o, "model", NULL);
    if (!name) return at_fail(err, AT_USAGE, "--model is missing: the folder of a model or of a tokenizer");
    if (at_options_text(o, "tools", NULL) && !at_options_text(o, "chat", NULL))
        return at_fail(err, AT_USAGE, "--tools are for a conversation: give --chat FILE");
    if (at_options_flag(o, "add_generation_prompt") && !at_options_text(o, "chat", NULL))
        return at_fail(err, AT_USAGE, "--add-generation-prompt ends a conversation: give --chat FILE");
    t->encode.no_special = at_options_flag(o, "no_special");
    t->encode.max_tokens = (int)at_options_int(o, "max_length", 0);
    AT_TRY(at_model_folder_find(&t->arena, name, &t->folder, err));
    return at_model_tokenizer_open(t->folder, &t->tokenizer, err);
}

static void close_tokenizer(tokenizing *t) {
    at_encoding_free(&t->encoding);
    at_tokenizer_close(t->tokenizer);
    at_arena_free(&t->arena);
    free(t->length);
}

/* ---- one text, token by token ---- */

static json_t *tokens_json(const tokenizing *t, const char *text, const char *second) {
    const at_encoding *e = &t->encoding;
    json_t *ids = json_array(), *pieces = json_array(), *offsets = json_array(), *types = json_array(), *special = json_array(),
           *words = json_array();
    for (int i = 0; i < e->n; i++) {
        json_array_append_new(ids, json_integer(e->ids[i]));
        json_array_append_new(pieces, json_string(at_tokenizer_token(t->tokenizer, e->ids[i])));
        json_array_append_new(offsets, json_pack("[i, i]", e->start[i], e->end[i]));
        json_array_append_new(types, json_integer(e->types[i]));
        json_array_append_new(special, json_integer(e->special[i]));
        json_array_append_new(words, e->word[i] < 0 ? json_null() : json_integer(e->word[i]));
    }
    return json_pack("{s:s, s:s?, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "text", text, "text2", second, "n", e->n, "cut", e->n_cut,
                     "ids", ids, "pieces", pieces, "offsets", offsets, "types", types, "special", special, "words", words);
}

/* The bytes of characters [start, end) of a text. */
static const char *slice(const char *text, int start, int end, int *len) {
    const char *p = text, *from;
    int at = 0;
    while (*p && at < start) at += ((unsigned char)*++p & 0xc0) != 0x80;
    for (from = p; *p && at < end;) at += ((unsigned char)*++p & 0xc0) != 0x80;
    *len = (int)(p - from);
    return from;
}

/* One line a token: id, piece, where in the text, and the text there. A line's end in it is shown as a space. */
static char *tokens_words(tokenizing *t, at_arena *arena, const char *text, const char *second) {
    const at_encoding *e = &t->encoding;
    at_str s = {.arena = arena};
    at_str_addf(&s, "%d tokens%s", e->n, e->n_cut ? ", and some cut off" : "");
    for (int i = 0; i < e->n; i++) {
        int len = 0;
        at_str_addf(&s, "\n%8d  %-20s", e->ids[i], at_tokenizer_token(t->tokenizer, e->ids[i]));
        if (e->special[i]) continue;
        const char *of = second && e->types[i] ? second : text, *part = slice(of, e->start[i], e->end[i], &len);
        at_str_addf(&s, "  %6d-%-6d  %.*s", e->start[i], e->end[i], len, part);
    }
    for (char *p = s.text; p && !s.failed && *p; p++)
        if (*p == '\r' || *p == '\t') *p = ' ';
    return s.failed ? NULL : s.text;
}

static at_status show_tokens(tokenizing *t, const char *text, const char *second, at_error *err) {
    at_arena scratch = {0};
    char *words = tokens_words(t, &scratch, text, second);
    if (words) at_tell_text(t->listener, "tokens", tokens_json(t, text, second), words);
    at_arena_free(&scratch);
    return words ? AT_OK : at_fail_memory(err, 0);
}

/* ---- many texts, in numbers ---- */

/* Characters, and words as white space divides them. */
static void count_words(tokenizing *t, const char *text, size_t len) {
    int within = 0;
    uint32_t cp;
    for (size_t i = 0; i < len; t->characters++) {
        int size = at_utf8_decode((const unsigned char *)text + i, len - i, &cp);
        if (!size) return;
        int space = at_cp_flags(cp) & AT_CP_SPACE;
        t->words += !space && !within;
        within = !space;
        i += (size_t)size;
    }
}

static at_status count_text(tokenizing *t, const char *text, size_t len, const char *second, size_t second_len, at_error *err) {
    const at_encoding *e = &t->encoding;
    int32_t unknown = at_tokenizer_special(t->tokenizer, "unk");
    int limit = at_tokenizer_max_length(t->tokenizer, NULL);
    if (t->texts == t->length_cap) {
        long cap = t->length_cap ? 2 * t->length_cap : 1024;
        int *length = realloc(t->length, (size_t)cap * sizeof *length);
        if (!length) return at_fail_memory(err, (size_t)cap * sizeof *length);
        t->length = length;
        t->length_cap = cap;
    }
    count_words(t, text, len);
    if (second) count_words(t, second, second_len);
    for (int i = 0; i < e->n; i++) {
        t->tokens += !e->special[i];
        t->unknown += !e->special[i] && e->ids[i] == unknown;
    }
    t->length[t->texts++] = e->n + e->n_cut;
    t->over += limit && e->n + e->n_cut > limit;
    return AT_OK;
}

static int by_size(const void *left, const void *right) {
    int a = *(const int *)left, b = *(const int *)right;
    return a < b ? -1 : a > b;
}

static double ratio(long a, long b) { return b ? (double)a / (double)b : 0; }

static void tell_stats(tokenizing *t) {
    static const int SHARES[] = {50, 90, 95, 99, 100};
    int quantile[5] = {0}, limit = at_tokenizer_max_length(t->tokenizer, NULL);
    double mean = 0;
    qsort(t->length, (size_t)t->texts, sizeof *t->length, by_size);
    for (long i = 0; i < t->texts; i++) mean += (double)t->length[i] / (double)t->texts;
    for (int i = 0; i < 5 && t->texts; i++) quantile[i] = t->length[((t->texts - 1) * SHARES[i] + 99) / 100];
    json_t *lengths = json_pack("{s:f, s:i, s:i, s:i, s:i, s:i}", "mean", mean, "p50", quantile[0], "p90", quantile[1], "p95", quantile[2],
                                "p99", quantile[3], "max", quantile[4]);
    json_t *fields = json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:f, s:o, s:i, s:I}", "texts", (json_int_t)t->texts, "characters",
                               (json_int_t)t->characters, "words", (json_int_t)t->words, "pieces", (json_int_t)t->tokens, "pieces_per_word",
                               ratio(t->tokens, t->words), "characters_per_piece", ratio(t->characters, t->tokens), "unknown",
                               (json_int_t)t->unknown, "unknown_share", ratio(t->unknown, t->tokens), "lengths", lengths,
                               "max_length", limit, "longer", (json_int_t)t->over);
    char over[96] = "";
    if (limit) snprintf(over, sizeof over, "\nlonger        %ld texts than the %d tokens that the folder asks for", t->over, limit);
    at_tell(t->listener, "stats", fields,
            "texts         %ld, %ld words, %ld characters\n"
            "pieces        %ld: %.3f a word, %.2f characters a piece\n"
            "unknown       %ld (%.3f%%)\n"
            "length        mean %.1f, half up to %d, 90%% up to %d, 95%% up to %d, 99%% up to %d, longest %d%s",
            t->texts, t->words, t->characters, t->tokens, ratio(t->tokens, t->words), ratio(t->characters, t->tokens), t->unknown,
            100 * ratio(t->unknown, t->tokens), mean, quantile[0], quantile[1], quantile[2], quantile[3], quantile[4], over);
}

/* ---- where texts come from ---- */

static at_status take(tokenizing *t, const char *name, long line, const char *text, size_t len, const char *second, size_t second_len,
                      at_error *err) {
    if (at_asked_to_stop(t->listener)) return at_fail(err, AT_STOPPED, "stopped");
    if (at_encode(t->tokenizer, text, len, second, second_len, &t->encode, &t->encoding, err))
        return at_fail_prefix(err, "%s:%ld", name, line);
    return t->stats ? count_text(t, text, len, second, second_len, err) : show_tokens(t, text, second, err);
}

/* A text, or with --pairs two with a tab between; it is written into. */
static at_status take_line(tokenizing *t, const char *name, long line, char *text, size_t len, at_error *err) {
    char *tab = at_options_flag(t->options, "pairs") ? memchr(text, '\t', len) : NULL;
    if (memchr(text, '\0', len)) return at_fail(err, AT_BAD_DATA, "%s:%ld: there is a NUL byte in the text", name, line);
    if (!at_options_flag(t->options, "pairs")) return take(t, name, line, text, len, NULL, 0, err);
    if (!tab) return at_fail(err, AT_BAD_DATA, "%s:%ld: there is no tab between the two texts of a pair", name, line);
    *tab = '\0';
    return take(t, name, line, text, (size_t)(tab - text), tab + 1, len - (size_t)(tab - text) - 1, err);
}

static at_status take_stream(tokenizing *t, at_error *err) {
    char *text = NULL;
    size_t cap = 0;
    ssize_t len;
    at_status st = AT_OK;
    for (long line = 1; !st && (len = getline(&text, &cap, stdin)) > 0; line++) {
        while (len && (text[len - 1] == '\n' || text[len - 1] == '\r')) text[--len] = '\0';
        if ((size_t)len > LINE_BYTES) st = at_fail(err, AT_BAD_DATA, "standard input:%ld: the line is longer than 16 MiB", line);
        else st = take_line(t, "standard input", line, text, (size_t)len, err);
    }
    if (!st && ferror(stdin)) st = at_fail_errno(err, AT_BAD_DATA, "standard input", "cannot read");
    free(text);
    return st;
}

static at_status take_table(tokenizing *t, const char *path, at_error *err) {
    at_table_options options = at_settings_table(t->options);
    at_columns wanted = at_settings_columns(t->options);
    at_table *table = NULL;
    at_found_columns found;
    at_arena scratch = {0};
    AT_TRY(at_table_read(path, &options, &table, err));
    at_status st = at_columns_find(table, &wanted, 0, &scratch, &found, NULL, err);
    for (int row = 0; !st && row < table->n_rows; row++) {
        at_cell first = at_table_cell(table, row, found.text), second = {0};
        if (found.text2 >= 0) second = at_table_cell(table, row, found.text2);
        const char *other = found.text2 < 0 ? NULL : second.text ? second.text : "";
        st = take(t, path, (long)table->line[row], first.text ? first.text : "", first.len, other, second.len, err);
    }
    at_table_close(table);
    at_arena_free(&scratch);
    return st;
}

/* ---- a conversation ---- */

/* The text that the chat template makes, then its tokens: the template has put the special ones. */
static at_status show_text(tokenizing *t, const at_jinja_text *text, const char *name, at_error *err) {
    json_t *spans = json_array();
    for (int i = 0; i < text->n_spans; i++)
        json_array_append_new(spans, json_pack("[I, I]", (json_int_t)text->span[i].begin, (json_int_t)text->span[i].end));
    at_tell_text(t->listener, "chat", json_pack("{s:s%, s:o}", "text", text->text, text->len, "generation", spans), t->stats ? NULL : text->text);
    t->encode.no_special = 1;
    return take(t, name, 1, text->text, text->len, NULL, 0, err);
}

static at_status take_chat(tokenizing *t, const char *path, at_error *err) {
    at_chat *chat = NULL;
    at_conversation conversation = {0};
    at_jinja_text text;
    at_status st = at_model_chat_open(t->folder, &chat, err);
    if (!st) st = at_conversation_read(path, at_options_text(t->options, "tools", NULL), &conversation, err);
    conversation.request.add_generation_prompt = at_options_flag(t->options, "add_generation_prompt");
    if (!st) st = at_conversation_text(chat, &conversation.request, t->listener, &t->arena, &text, err);
    if (!st) st = show_text(t, &text, path, err);
    at_conversation_close(&conversation);
    at_chat_close(chat);
    return st;
}

at_status at_tokenize(const at_options *options, const at_listener *listener, at_error *err) {
    tokenizing t;
    at_status st = open_tokenizer(&t, options, listener, err);
    const char *input = at_options_text(options, "input", NULL), *chat = at_options_text(options, "chat", NULL);
    if (!st && chat && input) st = at_fail(err, AT_USAGE, "--chat and --input are both given; one of them says what is shown");
    if (!st && chat) st = take_chat(&t, chat, err);
    else if (!st) st = input && strcmp(input, "-") ? take_table(&t, input, err) : take_stream(&t, err);
    if (!st && t.stats) tell_stats(&t);
    close_tokenizer(&t);
    return st;
}

at_status at_tokenize_texts(const at_options *options, const char *const *texts, int n, const at_listener *listener, at_error *err) {
    tokenizing t;
    at_status st = open_tokenizer(&t, options, listener, err);
    if (!st && at_options_text(options, "chat", NULL)) st = at_fail(err, AT_USAGE, "--chat and texts are both given; one of them says what is shown");
    for (int i = 0; !st && i < n; i++) {
        size_t len = strlen(texts[i]);
        char *copy = at_strndup(&t.arena, texts[i], len);
        st = copy ? take_line(&t, "text", i + 1, copy, len, err) : at_fail_memory(err, len);
    }
    if (!st && t.stats) tell_stats(&t);
    close_tokenizer(&t);
    return st;
}
