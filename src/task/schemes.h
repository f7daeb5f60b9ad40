/* How tags of tokens mark parts of a text: IOB1, IOB2 (Ramshaw and Marcus 1995; Tjong Kim Sang and Veenstra 1999), IOBES, BILOU (Ratinov
 * and Roth 2009), or plain tags that mark nothing (part of speech). A tag is a letter, '-' and a type, or "O". */
#ifndef AT_TASK_SCHEMES_H
#define AT_TASK_SCHEMES_H

#include "model/model.h"

typedef enum at_scheme { AT_SCHEME_PLAIN, AT_SCHEME_IOB1, AT_SCHEME_IOB2, AT_SCHEME_IOBES, AT_SCHEME_BILOU } at_scheme;
const char *at_scheme_name(at_scheme scheme); /* "iob2" */
int at_scheme_find(const char *name, at_scheme *scheme); /* 1 where there is one of this name */

/* A marked part: tokens start .. end - 1. `type` points into a tag. */
typedef struct at_entity {
    const char *type;
    int start, end;
} at_entity;

/* How tags are read:
 *   lenient   as conlleval and seqeval's default mode: whatever may begin or end a part does (BILOU's L and U are read as E and S where
 *             map_bilou is 1; seqeval does not)
 *   strict    as seqeval's strict mode: only parts that are written as the scheme says */
typedef enum at_reading { AT_READ_LENIENT, AT_READ_LENIENT_BILOU, AT_READ_STRICT } at_reading;

/* The parts of one sentence, in order; entity has room for 2 * n + 1. Returns how many. */
int at_entities(const char *const *tag, int n, at_scheme scheme, at_reading reading, at_entity *entity);

/* The scheme of a set of sentences (tags [tokens], sentence_at [n_sentences + 1]). */
at_scheme at_scheme_detect(const char *const *tag, const uint64_t *sentence_at, int n_sentences);

/* The prefixes of the scheme's tags, "BI" of IOB; "" of plain ones. */
const char *at_scheme_prefixes(at_scheme scheme);
/* A tag of this scheme: "O", or one of its prefixes, '-' and a type. */
int at_scheme_has(at_scheme scheme, const char *tag);

/* Every type of the labels with every prefix of the scheme, and "O": other files have tags that one happens not to have. What is new comes last. */
at_status at_scheme_complete(at_labels *labels, at_scheme scheme, at_arena *arena, at_error *err);

/* What is wrong with token i of a sentence by the scheme: a few words on what was expected ("B-PER", in the arena), or NULL. The last token
 * is wrong, too, where a part is left open. */
const char *at_scheme_expected(const char *const *tag, int i, int n, at_scheme scheme, at_arena *arena);

/* The tags of n words with these parts (in order, without overlap) as the scheme writes them, [n] in the arena; NULL: no memory. */
const char **at_scheme_write(const at_entity *entity, int n_entities, int n, at_scheme scheme, at_arena *arena);

#endif
