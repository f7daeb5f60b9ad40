/* SentencePiece .model files and encoding. The input is two bytes, little-endian: 13 bits are the length of a text, 3 the class that reads the model; the
 * text; the model. What comes out must make sense. */
#include "fuzz.h"

#include "text/parts.h"

static int count(const char *text, size_t len) {
    int n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static const char *const CLASSES[8] = {NULL, "AlbertTokenizer", "CamembertTokenizer", "DebertaV2Tokenizer", "GemmaTokenizer", "T5Tokenizer", "XLMRobertaTokenizer",
                                       "LlamaTokenizer"};

/* A class's normalizers may refuse to make too much of a text. */
static void encode(const at_tokenizer *t, const char *text, size_t len, int has_class) {
    at_encoding e = {0};
    at_arena arena = {0};
    at_error err;
    char *decoded;
    int longest = count(text, len), valid = at_utf8_check(text, len) == len;
    at_status st = at_encode(t, text, len, NULL, 0, NULL, &e, &err);
    fuzz_claim(!st || (st == AT_BAD_DATA && (!valid || has_class)));
    for (int i = 0; !st && i < e.n; i++) {
        fuzz_claim(e.ids[i] >= 0 && e.ids[i] < at_tokenizer_size(t) && at_tokenizer_token(t, e.ids[i]));
        fuzz_claim(0 <= e.start[i] && e.start[i] <= e.end[i] && e.end[i] <= longest);
    }
    fuzz_claim(st || !at_decode(t, &arena, e.ids, e.n, 0, &decoded, &err));
    at_encoding_free(&e);
    at_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    at_tokenizer *t = NULL;
    at_error err;
    if (len < 2) return 0;
    size_t n = bytes[0] | (size_t)(bytes[1] & 0x1f) << 8;
    const char *class = CLASSES[bytes[1] >> 5];
    json_t *config = class ? json_pack("{s:s, s:b, s:b, s:f}", "tokenizer_class", class, "add_bos_token", 1, "add_eos_token", 1, "extra_ids", 3.0) : NULL;
    if (n > len - 2) n = len - 2;
    at_status st = at_tokenizer_open_spm("fuzz", bytes + 2 + n, len - 2 - n, config, &t, &err);
    json_decref(config);
    fuzz_check_error(st, AT_BAD_MODEL, &err);
    if (!st) encode(t, (const char *)bytes + 2, n, class != NULL);
    at_tokenizer_close(t);
    return 0;
}
