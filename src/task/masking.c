#include "task/masking.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

static const double SHARE = 0.15, MASKED = 0.8, REPLACED = 0.1;

/* ---- the vocabulary ---- */

static int starts(const char *token, const char *with) { return token && !strncmp(token, with, strlen(with)); }

/* WordPiece marks the pieces inside of words; byte-level BPE and SentencePiece mark where words begin. */
static void find_insides(at_masking *m) {
    int marks_inside = 0, marks_begin = 0;
    for (int id = 0; id < m->vocab; id++) {
        const char *token = at_tokenizer_token(m->tokenizer, id);
        marks_inside += starts(token, "##");
        marks_begin += starts(token, "\xC4\xA0") || starts(token, "\xE2\x96\x81");
    }
    for (int id = 0; id < m->vocab; id++) {
        const char *token = at_tokenizer_token(m->tokenizer, id);
        int begins = starts(token, "\xC4\xA0") || starts(token, "\xE2\x96\x81");
        int inside = marks_inside >= marks_begin ? starts(token, "##") && token[2] : !begins;
        if (inside) m->kind[id] |= AT_TOKEN_INSIDE;
    }
}

at_status at_masking_open(at_masking *m, const at_tokenizer *tokenizer, at_arena *arena, at_error *err) {
    static const char *const ROLES[] = {"unk", "pad", "mask", "cls", "sep", "bos", "eos"};
    enum { FIRST_AROUND = 3 };
    *m = (at_masking){tokenizer, at_tokenizer_special(tokenizer, "mask"), at_tokenizer_size(tokenizer), NULL};
    if (m->mask_id < 0)
        return at_fail(err, AT_BAD_MODEL, "the tokenizer has no mask token: masked-language training needs one, as BERT's [MASK]");
    m->kind = AT_NEW_ARRAY(arena, uint8_t, m->vocab);
    if (!m->kind) return at_fail_memory(err, (size_t)m->vocab);
    find_insides(m);
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES; i++) {
        int32_t id = at_tokenizer_special(tokenizer, ROLES[i]);
        if (id >= 0 && id < m->vocab) m->kind[id] = i < FIRST_AROUND ? AT_TOKEN_SPECIAL : AT_TOKEN_SPECIAL | AT_TOKEN_AROUND;
    }
    return AT_OK;
}

/* ---- drawing ---- */

static int is_special(const at_masking *m, int32_t id) { return id < 0 || id >= m->vocab || m->kind[id] & AT_TOKEN_SPECIAL; }

static int count_free(const at_masking *m, const int32_t *ids, int len) {
    int n = 0;
    for (int i = 0; i < len; i++) n += !is_special(m, ids[i]);
    return n;
}

int at_masking_count(const at_masking *m, const int32_t *ids, int len) {
    int tokens = count_free(m, ids, len), n = (int)lrint(SHARE * tokens);
    return tokens && !n ? 1 : n;
}

/* Pieces of the word that begins at i. */
static int word_length(const at_masking *m, const int32_t *ids, int len, int i) {
    int end = i + 1;
    while (end < len && !is_special(m, ids[end]) && m->kind[ids[end]] & AT_TOKEN_INSIDE) end++;
    return end - i;
}

/* Of a group of `size` tokens, where `need` of the `left` from here on are wanted: how many. A group larger than what is wanted is left
 * out, and cut only where the rest would not be enough. Groups of one: Knuth's selection sampling, every choice of tokens equally likely.
 */
static int take(uint64_t key, int i, int size, int need, int left) {
    int forced = need - (left - size);
    if (size > need) return forced > 0 ? forced : 0;
    int chosen = at_random_uniform(key, 3 * (uint64_t)i) * left < need;
    return chosen || forced > 0 ? size : 0;
}

static int32_t stand_in(const at_masking *m, uint64_t key, int i, int32_t id) {
    double u = at_random_uniform(key, 3 * (uint64_t)i + 1);
    if (u < MASKED) return m->mask_id;
    return u < MASKED + REPLACED ? (int32_t)at_random_below(key, 3 * (uint64_t)i + 2, (uint64_t)m->vocab) : id;
}

void at_masking_draw(const at_masking *m, uint64_t key, int whole_word, int32_t *ids, int len, int32_t *place, int32_t *label, int n) {
    int left = count_free(m, ids, len), found = 0;
    for (int i = 0, size; i < len && found < n; i += size) {
        size = whole_word && !is_special(m, ids[i]) ? word_length(m, ids, len, i) : 1;
        if (is_special(m, ids[i])) continue;
        int taken = take(key, i, size, n - found, left);
        left -= size;
        for (int k = i; k < i + taken; k++) {
            place[found] = k;
            label[found++] = ids[k];
            ids[k] = stand_in(m, key, k, ids[k]);
        }
    }
}
