#include "text/bytepass.h"

#include "base/str.h"

static size_t ascii_prefix(const char *text, size_t len) {
    size_t i = 0;
    uint64_t bytes;
    for (; i + 8 <= len; i += 8) {
        memcpy(&bytes, text + i, 8);
        if (bytes & 0x8080808080808080u) break;
    }
    while (i < len && !(text[i] & 0x80)) i++;
    return i;
}

int at_bytepass_fits(const at_bytepass *pass, const char *text, size_t len) {
    size_t at = ascii_prefix(text, len);
    if (at == len) return 1;
    if (at_utf8_check(text + at, len - at) != len - at) return 0;
    for (; pass->latin_only && at < len; at++)
        if ((unsigned char)text[at] >= 0xcc) return 0; /* U+0300 and on */
    return 1;
}

/* Copies the text into word->bytes, after a space where one is wanted, and says of each byte which character it is. */
static at_status copy(const at_bytepass *pass, const char *text, size_t len, int first, at_word *word, int *n_chars, at_error *err) {
    word->len = 0;
    if (len > INT32_MAX / 4) return at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised");
    AT_TRY(at_word_reserve(word, (int)len + 1, err));
    int shift = pass->add_prefix_space && text[0] != ' ', at = first - 1;
    word->bytes[0] = ' ';
    word->start[0] = first; /* what is put before a text stands for its first character */
    memcpy(word->bytes + shift, text, len);
    for (size_t i = 0; i < len; i++) {
        at += ((unsigned char)text[i] & 0xc0) != 0x80;
        word->start[i + (size_t)shift] = at;
    }
    word->len = (int)len + shift;
    *n_chars = at + 1 - first;
    return AT_OK;
}

at_status at_bytepass_encode(const at_bytepass *pass, at_bpe_work *work, const char *text, size_t len, int first, const at_spaces *spaces,
                             at_tokens *tokens, at_word *word, int *n_chars, at_error *err) {
    *n_chars = 0;
    if (!len) return AT_OK;
    AT_TRY(copy(pass, text, len, first, word, n_chars, err));
    for (int at = 0, end, n; at < word->len; at = end) {
        end = pass->scan.kind
                  ? (int)at_scan_word(&pass->scan, (const unsigned char *)word->bytes, (size_t)word->len, (size_t)at)
                  : word->len;
        AT_TRY(at_bpe_split_bytes(pass->bpe, work, word->bytes + at, end - at, word->piece, &n, err));
        AT_TRY(at_tokens_reserve(tokens, n, err));
        int number = tokens->n_words++;
        for (int i = 0; i < n; i++) {
            at_piece p = word->piece[i];
            at_tokens_put(tokens, p.id, word->start[at + p.begin], word->start[at + p.end - 1] + 1, number);
            if (spaces->lead) at_tokens_put_space(tokens, spaces->lead[p.id], spaces->trail[p.id]);
        }
    }
    return AT_OK;
}
