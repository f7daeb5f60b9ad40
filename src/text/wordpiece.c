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

int at_wordpiece_split(const at_wordpiece *model, const char *word, int len, int n_chars, at_piece *out) {
    const at_vocab *vocab = model->vocab;
    out[0] = (at_piece){model->unknown, 0, len};
    if (n_chars > model->max_chars) return 1;
    int n = 0;
    for (int begin = 0; begin < len; n++) {
        int32_t id = -1;
        int taken = longest(vocab, begin ? &vocab->continuing : &vocab->whole, word + begin, len - begin, &id);
        if (!taken) {
            out[0] = (at_piece){model->unknown, 0, len};
            return 1;
        }
        out[n] = (at_piece){id, begin, begin + taken};
        begin += taken;
    }
    return n;
}
