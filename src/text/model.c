#include "text/model.h"

void at_model_work_free(at_model_work *work) {
    at_bpe_work_free(&work->bpe);
    at_unigram_work_free(&work->unigram);
}

static at_status split_wordpiece(const at_model *model, at_model_work *work, at_word *word, int *n, at_error *err) {
    (void)work;
    (void)err;
    *n = at_wordpiece_split(&model->as.wordpiece, word->bytes, word->len, word->n_chars, word->piece);
    return AT_OK;
}

static at_status split_bpe(const at_model *model, at_model_work *work, at_word *word, int *n, at_error *err) {
    return at_bpe_split(&model->as.bpe, &work->bpe, word, n, err);
}

static at_status split_unigram(const at_model *model, at_model_work *work, at_word *word, int *n, at_error *err) {
    return at_unigram_split(&model->as.unigram, &work->unigram, word, n, err);
}

static at_status split_wordlevel(const at_model *model, at_model_work *work, at_word *word, int *n, at_error *err) {
    (void)work;
    int32_t id = at_vocab_find(model->as.wordlevel, &model->as.wordlevel->whole, word->bytes, (size_t)word->len);
    if (id < 0) id = model->unknown;
    if (id < 0) return at_fail(err, AT_BAD_DATA, "a word is not in the tokenizer's vocabulary, which has no unknown token");
    word->piece[0] = (at_piece){id, 0, word->len};
    *n = 1;
    return AT_OK;
}

const at_model_type at_model_wordpiece = {"WordPiece", split_wordpiece};
const at_model_type at_model_bpe = {"BPE", split_bpe};
const at_model_type at_model_unigram = {"Unigram", split_unigram};
const at_model_type at_model_wordlevel = {"WordLevel", split_wordlevel};

/* Bytes from .. to-1 of a word by themselves: more pieces behind the n. */
static at_status split_range(const at_model *model, at_model_work *work, const at_word *word, int from, int to, int *n, at_error *err) {
    at_word part = {word->bytes + from, word->start + from, word->end + from, word->piece + *n, to - from, word->n_chars, word->cap - from};
    int found = 0;
    if (from == to) return AT_OK;
    AT_TRY(model->type->split(model, work, &part, &found, err));
    for (int i = 0; i < found; i++) {
        part.piece[i].begin += from;
        part.piece[i].end += from;
    }
    *n += found;
    return AT_OK;
}

at_status at_model_split(const at_model *model, at_model_work *work, at_word *word, int *n, at_error *err) {
    int done = 0, at = 0;
    int32_t id = -1;
    *n = 0;
    if (!model->whole) return model->type->split(model, work, word, n, err);
    while (at < word->len) {
        int len = (int)at_trie_longest(model->whole, word->bytes + at, (size_t)(word->len - at), &id);
        if (!len) {
            at++; /* within a character no token begins */
            continue;
        }
        AT_TRY(split_range(model, work, word, done, at, n, err));
        word->piece[(*n)++] = (at_piece){id, at, at + len};
        done = at += len;
    }
    return split_range(model, work, word, done, word->len, n, err);
}
