/* Post-processors: what is put around the tokens of a text or a pair. BertProcessing, RobertaProcessing and TemplateProcessing become the
 * same thing, a list of parts for a single text and one for a pair; ByteLevel and RobertaProcessing also trim: the white space that a
 * token begins or ends with is taken from its offsets. A Sequence may hold one that puts and any number that trim. */
#ifndef AT_TEXT_TEMPLATE_H
#define AT_TEXT_TEMPLATE_H

#include "base/json.h"

typedef struct at_template_part {
    int sequence; /* 0: the first text, 1: the second, -1: the token `id` */
    int32_t id;
    uint8_t type;
} at_template_part;

typedef struct at_template {
    at_template_part *part;
    int n;
    int n_added; /* tokens that are not of the texts */
} at_template;

/* One pass of trimming. */
typedef struct at_trim {
    int add_prefix_space; /* a first token's single leading space was put there by the tokenizer, so there is nothing to trim */
    int after;            /* the pass comes after the special tokens are put */
} at_trim;

enum { AT_TRIMS = 8 };

typedef struct at_templates {
    at_template single, pair;
    at_trim trim[AT_TRIMS];
    int n_trims;
    int around; /* special tokens join their text before a later trim: its first token is then not the first of all */
} at_templates;

/* `part` is the value of "post_processor"; null or absent: the texts one after the other, types 0 and 1. Ids must be below
 * n_ids. */
at_status at_templates_read(at_arena *arena, const char *path, const json_t *part, int n_ids, at_templates *templates,
                            at_error *err);

/* [CLS] A [SEP] and [CLS] A [SEP] B [SEP] with type 1 from B on, as BERT has it. */
at_status at_templates_bert(at_arena *arena, int32_t cls, int32_t sep, at_templates *templates, at_error *err);
/* <s> A </s> and <s> A </s> </s> B </s>, all of type 0, as RoBERTa has it; trims. */
at_status at_templates_roberta(at_arena *arena, int32_t cls, int32_t sep, int add_prefix_space, at_templates *templates, at_error *err);

#endif
