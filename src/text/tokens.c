#include "text/tokens.h"

#include <string.h>

#include "base/room.h"

/* *array stays where it fails. */
static int resize(void *array, size_t bytes) {
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    grown = at_room_resize(old, bytes);
    if (grown) memcpy(array, &grown, sizeof grown);
    return grown != NULL;
}

void at_tokens_free(at_tokens *tokens) {
    at_room_free(tokens->id);
    at_room_free(tokens->start);
    at_room_free(tokens->end);
    at_room_free(tokens->word);
    at_room_free(tokens->lead);
    at_room_free(tokens->trail);
    *tokens = (at_tokens){0};
}

void at_word_free(at_word *word) {
    at_room_free(word->bytes);
    at_room_free(word->start);
    at_room_free(word->end);
    at_room_free(word->piece);
    *word = (at_word){0};
}

static at_status larger(int used, int room, int least, size_t *cap, at_error *err) {
    *cap = ((size_t)used + (size_t)room) * 3 / 2 + (size_t)least;
    return *cap > INT32_MAX / 2 ? at_fail(err, AT_BAD_DATA, "a text is too long to be tokenised") : AT_OK;
}

/* A long text's tokens are resident piece by piece: so many more, and those before them are idle. */
static int step(at_tokens *tokens, int room) {
    enum { PIECE = 1 << 15 };
    int32_t *const all[] = {tokens->id, tokens->start, tokens->end, tokens->word, tokens->lead, tokens->trail};
    if (tokens->size - tokens->n < room) return 0;
    for (int i = 0; i < 6; i++) at_room_idle(all[i]);
    tokens->cap = tokens->size - tokens->n - room < PIECE ? tokens->size : tokens->n + room + PIECE;
    return 1;
}

at_status at_tokens_grow(at_tokens *tokens, int room, at_error *err) {
    size_t cap;
    if (step(tokens, room)) return AT_OK;
    AT_TRY(larger(tokens->n, room, 256, &cap, err));
    size_t bytes = cap * sizeof(int32_t);
    if (!resize(&tokens->id, bytes) || !resize(&tokens->start, bytes) || !resize(&tokens->end, bytes) ||
        !resize(&tokens->word, bytes) || !resize(&tokens->lead, bytes) || !resize(&tokens->trail, bytes))
        return at_fail_memory(err, bytes);
    tokens->size = (int)cap;
    step(tokens, room);
    return AT_OK;
}

at_status at_word_grow(at_word *word, int room, at_error *err) {
    size_t cap;
    AT_TRY(larger(word->len, room, 512, &cap, err));
    size_t bytes = cap * sizeof(int32_t);
    if (!resize(&word->bytes, cap + AT_VOCAB_PAD) || !resize(&word->start, bytes) || !resize(&word->end, bytes) ||
        !resize(&word->piece, cap * sizeof *word->piece))
        return at_fail_memory(err, bytes);
    word->cap = (int)cap;
    return AT_OK;
}
