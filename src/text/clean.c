#include "text/clean.h"

#include <string.h>

void at_replace_all(at_str *s, size_t begin, const char *from, const char *to) {
    size_t n_from = strlen(from), n_to = strlen(to), w = begin;
    if (s->failed || !n_from) return;
    for (size_t r = begin; r < s->len;) {
        if (s->len - r >= n_from && !memcmp(s->text + r, from, n_from)) {
            memcpy(s->text + w, to, n_to);
            w += n_to;
            r += n_from;
        } else s->text[w++] = s->text[r++];
    }
    s->len = w;
    if (s->text) s->text[w] = '\0';
}

typedef struct rule {
    const char *from, *to;
    int of_tokens; /* only of those */
} rule;

/* In the order of both libraries. */
static const rule RULES[] = {{" .", ".", 0},     {" ?", "?", 0},   {" !", "!", 0},           {" ,", ",", 0},   {" ' ", "'", 0}, {" n't", "n't", 0},
                             {" 'm", "'m", 0}, {" do not", " don't", 1}, {" 's", "'s", 0}, {" 've", "'ve", 0}, {" 're", "'re", 0}};

static void clean(at_str *s, size_t begin, int of_tokens) {
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if (of_tokens || !RULES[i].of_tokens) at_replace_all(s, begin, RULES[i].from, RULES[i].to);
}

void at_clean_token(at_str *s, size_t begin) { clean(s, begin, 1); }
void at_clean_text(at_str *s, size_t begin) { clean(s, begin, 0); }

/* A space and what follows up to the next one. These alone take part in a rule together with what comes behind that: " '" of " ' ", " n" of what
 * becomes " n't" by it, and a space that stands before either. */
static int goes_on(const char *text, size_t len) {
    return len && len <= 2 && text[0] == ' ' && (len == 1 || text[1] == '\'' || text[1] == 'n');
}

size_t at_clean_ready(const char *text, size_t len) {
    size_t ready = 0, begin = 0;
    for (size_t i = 1; i < len; i++) {
        if (text[i] != ' ') continue;
        if (!goes_on(text + begin, i - begin)) ready = i;
        begin = i;
    }
    return ready;
}
