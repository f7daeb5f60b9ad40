#include "text/vocab.h"

#include "text/spec.h"

at_status at_vocab_init(at_arena *arena, at_vocab *vocab, int size, size_t text_bytes, at_error *err) {
    size_t bytes = text_bytes + (size_t)size + AT_VOCAB_PAD;
    *vocab = (at_vocab){0};
    if (bytes >= UINT32_MAX) return at_fail(err, AT_BAD_MODEL, "a vocabulary of %zu bytes is too large", text_bytes);
    vocab->size = size;
    vocab->text = at_alloc(arena, bytes, 1);
    vocab->offset = AT_NEW_ARRAY(arena, uint32_t, size);
    vocab->len = AT_NEW_ARRAY(arena, uint32_t, size);
    if (!vocab->text || !vocab->offset || !vocab->len) return at_fail_memory(err, bytes);
    if (size) memset(vocab->offset, 0xff, (size_t)size * sizeof *vocab->offset);
    return AT_OK;
}

void at_vocab_add(at_vocab *vocab, int32_t id, const char *text, size_t len) {
    vocab->n += vocab->offset[id] == UINT32_MAX;
    vocab->offset[id] = vocab->text_len;
    vocab->len[id] = (uint32_t)len;
    memcpy(vocab->text + vocab->text_len, text, len);
    vocab->text_len += (uint32_t)len + 1;
}

static at_status table_init(at_arena *arena, at_vocab_table *table, int n, size_t skip, at_error *err) {
    uint32_t slots = 16;
    while (slots < 2 * (uint32_t)n) slots *= 2;
    *table = (at_vocab_table){.mask = slots - 1, .skip = (uint32_t)skip};
    table->slot = AT_NEW_ARRAY(arena, at_vocab_slot, slots);
    if (!table->slot) return at_fail_memory(err, slots * sizeof *table->slot);
    memset(table->slot, 0xff, slots * sizeof *table->slot);
    return AT_OK;
}

/* Of two ids with one text the later stays; returns the one that it displaces, or -1. */
static int32_t table_add(const at_vocab *vocab, at_vocab_table *table, int32_t id) {
    const char *key = vocab->text + vocab->offset[id] + table->skip;
    uint32_t len = vocab->len[id] - table->skip;
    uint64_t hash = at_vocab_hash(key, len);
    uint32_t i = (uint32_t)hash & table->mask, tag = (uint32_t)(hash >> 32);
    int32_t other;
    for (; (other = table->slot[i].id) >= 0; i = (i + 1) & table->mask) {
        if (table->slot[i].tag == tag && vocab->len[other] - table->skip == len &&
            !memcmp(vocab->text + vocab->offset[other] + table->skip, key, len))
            break;
    }
    table->slot[i] = (at_vocab_slot){tag, id};
    if (len > table->longest) table->longest = len;
    return other;
}

at_status at_vocab_index(at_arena *arena, at_vocab *vocab, const char *prefix, at_error *err) {
    size_t skip = prefix ? strlen(prefix) : 0;
    AT_TRY(table_init(arena, &vocab->whole, vocab->n, 0, err));
    AT_TRY(table_init(arena, &vocab->continuing, prefix ? vocab->n : 0, skip, err));
    for (int id = 0; id < vocab->size; id++) {
        if (vocab->offset[id] == UINT32_MAX) continue;
        const char *text = vocab->text + vocab->offset[id];
        int32_t displaced = table_add(vocab, &vocab->whole, id);
        if (prefix && vocab->len[id] >= skip && !memcmp(text, prefix, skip)) table_add(vocab, &vocab->continuing, id);
        if (displaced < 0 || vocab->keep_all) continue;
        vocab->offset[displaced] = UINT32_MAX;
        vocab->n--;
    }
    return AT_OK;
}

int32_t at_vocab_id(const at_vocab *vocab, const char *text, size_t len) {
    char padded[AT_TOKEN_BYTES + AT_VOCAB_PAD];
    if (len > AT_TOKEN_BYTES || !vocab->whole.slot) return -1;
    memcpy(padded, text, len);
    memset(padded + len, 0, AT_VOCAB_PAD);
    return at_vocab_find(vocab, &vocab->whole, padded, len);
}
