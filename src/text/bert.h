/* BERT's path in one pass: BertNormalizer, BertPreTokenizer and WordPiece over the bytes of a text, without the arrays of
 * code points that the general path walks through. Exact because BertNormalizer changes every character by itself, with
 * one exception: strip_accents sorts combining marks, which shows only where one survives that is no nonspacing mark. Such
 * a text is left to the general path. */
#ifndef AT_TEXT_BERT_H
#define AT_TEXT_BERT_H

#include "text/normalizer.h"
#include "text/wordpiece.h"

/* What a character of the text means once normalised. */
typedef enum at_bert_class {
    AT_BERT_KEEP,  /* stands for itself, within a word */
    AT_BERT_DROP,  /* nothing */
    AT_BERT_SPACE, /* between words */
    AT_BERT_ALONE, /* a word by itself: punctuation, Chinese characters */
    AT_BERT_MAP,   /* another character of the first plane, within a word */
    AT_BERT_OTHER, /* anything else: asked for each time */
    AT_BERT_SORTS  /* the general path must do it */
} at_bert_class;

typedef struct at_bert {
    at_normalizer normalizer;
    const at_wordpiece *model;
    uint8_t ascii_kept[256]; /* what an ASCII byte becomes within a word; 0: something else happens */
    int32_t ascii_alone[128]; /* the token of a word of this one character */
    uint8_t *classes;         /* of the first plane: 0x10000 at_bert_class */
    uint16_t *mapped;         /* of the first plane, where the class is AT_BERT_MAP */
} at_bert;

at_status at_bert_init(at_arena *arena, const at_normalizer *normalizer, const at_wordpiece *model, at_bert *bert,
                       at_error *err);

/* Adds the tokens of text, whose first character has number `first` and first word tokens->n_words; *n_chars: its
 * characters. *general is 1 where nothing was added because the general path must do it. */
at_status at_bert_encode(const at_bert *bert, const char *text, size_t len, int first, at_tokens *tokens, at_word *word,
                         int *n_chars, int *general, at_error *err);

#endif
