#include "text/wordpiece.h"

/* The longest key at `text` of at most `left` bytes that ends with a character; its length, or 0. */
static int longest(const at_vocab *vocab, const at_vocab_table *table, const char *text, int left, int32_t *id) {
    int len = left;
    if ((uint32_t)len > table->longest) {
        len = (int)table->longest;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) len--;
    }
    while (len > 0) {
        *id = at_vocab_find(vocab, table, text, (size_t)len);
        if (*id >= 0) return len;
        do len--;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80);
    }
    return 0;
}

at_status at_wordpiece_init(at_arena *arena, at_wordpiece *model, const char *prefix, at_error *err) {
    const at_vocab *vocab = model->vocab;
    uint32_t node = 0;
    if (vocab->whole.longest <= AT_WORDPIECE_LONG) return AT_OK;
    at_trie *trie = AT_NEW(arena, at_trie);
    if (!trie) return at_fail_memory(err, sizeof *trie);
    AT_TRY(at_trie_init(arena, trie, vocab, NULL, err));
    for (const char *p = prefix; *p && node != UINT32_MAX; p++) {
        node = at_trie_follow(trie, node, (unsigned char)*p);
        if (!node) node = UINT32_MAX;
    }
    model->trie = trie;
    model->behind_prefix = node;
    return AT_OK;
}

/* As longest(), in one walk. */
static int longest_in_trie(const at_wordpiece *model, int continues, const char *text, int left, int32_t *id) {
    uint32_t node = continues ? model->behind_prefix : 0;
    int len = 0;
    if (node == UINT32_MAX) return 0;
    for (int i = 0; i < left && (node = at_trie_follow(model->trie, node, (unsigned char)text[i])); i++) {
        if (model->trie->id[node] < 0) continue;
        *id = model->trie->id[node];
        len = i + 1;
    }
    return len;
}

int at_wordpiece_split(const at_wordpiece *model, const char *word, int len, int n_chars, at_piece *out) {
    const at_vocab *vocab = model->vocab;
    out[0] = (at_piece){model->unknown, 0, len};
    if (n_chars > model->max_chars) return 1;
    int n = 0;
    for (int begin = 0; begin < len; n++) {
        int32_t id = -1;
        int taken = model->trie ? longest_in_trie(model, begin > 0, word + begin, len - begin, &id)
                                : longest(vocab, begin ? &vocab->continuing : &vocab->whole, word + begin, len - begin, &id);
        if (!taken) {
            out[0] = (at_piece){model->unknown, 0, len};
            return 1;
        }
        out[n] = (at_piece){id, begin, begin + taken};
        begin += taken;
    }
    return n;
}
