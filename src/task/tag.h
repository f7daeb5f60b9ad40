/* What the files of the task tag share. */
#ifndef AT_TASK_TAG_H
#define AT_TASK_TAG_H

#include "task/schemes.h"
#include "task/sentence.h"

struct at_lint;
struct at_mending;

typedef struct at_tag_state {
    at_scheme scheme;
    int foreign;            /* the scheme is a guess by the labels of a model that another program trained */
    int fine;               /* how a text alone is cut into words: as the training data was */
    size_t written;         /* of table->raw, by the writer of CoNLL */
    uint32_t line;          /* lines of it */
} at_tag_state;

static inline at_tag_state *at_tag_of(const at_task_state *s) { return s->data; }

/* The columns of a table by the names in the state; where need_labels is 0, tags may be missing. */
at_status at_tag_columns(const at_task_state *s, const at_table *t, int need_labels, at_sentence_columns *c, at_error *err);
/* How predicted tags become parts. */
at_reading at_tag_reading(const at_tag_state *tag);

extern const char *const at_tag_no_part; /* "O" */

/* What a model says of a row: flat arrays in an arena, since a row may be a document of 100,000 words. */
typedef struct at_tagged {
    at_sentence sentence;
    const char **tag;       /* [n] */
    double *score;          /* [n] probability of the tag */
    at_entity *entity;      /* [n_entities] */
    int n, n_entities;
} at_tagged;

at_status at_tag_write(const at_task_state *s, at_answer_format format, at_answer_part part, const at_table *t, int row,
                       const void *answer, at_str *to, at_error *err);
/* The mean of an entity's words. */
double at_tag_entity_score(const at_tagged *answer, const at_entity *entity);
at_answer_format at_tag_usual_format(const at_table *input);
at_status at_tag_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                       at_score *score, at_error *err);
at_status at_tag_mend(const at_task_state *s, struct at_mending *mending, at_error *err);
at_status at_tag_lint(const at_task_state *s, struct at_lint *lint, at_error *err);

#endif
