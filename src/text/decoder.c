#include "text/decoder.h"

#include <string.h>

#include "text/spec.h"

static const char *const kinds[] = {"WordPiece", NULL};

at_status at_decoder_read(at_arena *arena, const char *path, const json_t *part, at_decoder *decoder, at_error *err) {
    at_spec spec = {path, "decoder"};
    const char *prefix;
    int kind = -1;
    *decoder = (at_decoder){AT_DECODER_NONE, "", 0};
    if (!part || json_is_null(part)) return AT_OK;
    AT_TRY(at_spec_kind(spec, part, kinds, &kind, err));
    AT_TRY(at_spec_string(spec, part, "prefix", "##", &prefix, err));
    AT_TRY(at_spec_bool(spec, part, "cleanup", 1, &decoder->cleanup, err));
    decoder->kind = AT_DECODER_WORDPIECE;
    decoder->prefix = at_strdup(arena, prefix);
    return decoder->prefix ? AT_OK : at_fail_memory(err, strlen(prefix));
}

/* Replaces every `from` in the token by `to`, which is shorter. */
static void replace(char *token, const char *from, const char *to) {
    size_t n_from = strlen(from), n_to = strlen(to);
    for (char *at = token; (at = strstr(at, from)); at += n_to) {
        memmove(at + n_to, at + n_from, strlen(at + n_from) + 1);
        memcpy(at, to, n_to);
    }
}

/* The library's cleanup, token by token: a token carries the space before it. */
static void clean_up(char *token) {
    static const char *const rules[][2] = {{" .", "."},     {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                           {" ' ", "'"},    {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                           {" 's", "'s"},   {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) replace(token, rules[i][0], rules[i][1]);
}

void at_decoder_add(const at_decoder *decoder, int i, const char *token, at_str *text) {
    char work[2 * AT_TOKEN_BYTES + 16];
    if (decoder->kind == AT_DECODER_NONE) {
        if (i) at_str_add(text, " ");
        at_str_add(text, token);
        return;
    }
    size_t n_prefix = strlen(decoder->prefix);
    int continues = i && !strncmp(token, decoder->prefix, n_prefix);
    snprintf(work, sizeof work, "%s%s", i && !continues ? " " : "", continues ? token + n_prefix : token);
    if (decoder->cleanup) clean_up(work);
    at_str_add(text, work);
}
