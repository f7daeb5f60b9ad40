/* Sentence embeddings: what their data are, and what is made of them. Private to src/task/embed*.c. */
#ifndef AT_TASK_EMBED_H
#define AT_TASK_EMBED_H

#include "task/columns.h"
#include "task/metric_regress.h"

struct at_lint;

enum { AT_EMBED_TEXTS = 3 };

/* The columns of a table: one text, or two that belong together, or with a third that does not. */
typedef struct at_embed_columns {
    int text[AT_EMBED_TEXTS], n_texts;
    int label;  /* of a pair: how alike they are; of a text: its class; -1: none */
} at_embed_columns;

typedef enum at_embed_loss { AT_EMBED_IN_BATCH, AT_EMBED_COSINE, AT_EMBED_COSENT, AT_EMBED_TRIPLET } at_embed_loss;

/* at_task_state.data */
typedef struct at_embedding {
    at_embed_loss loss;
    double low, high; /* scores of the data that are learned as 0 and 1 */
    double shown_low, shown_high; /* those of the data that were encoded last, in whose unit mistakes are told */
} at_embedding;

/* What the data are, by their columns: "pairs", "pairs with a score", "triplets", "labelled texts", "texts". */
const char *at_embed_shape(const at_embed_columns *columns);

/* `wanted` and `negative` (may be NULL) name columns, "none" says that there is no such column. need_label 0: a label is not looked for.
 * *why (may be NULL) in the arena. */
at_status at_embed_find(const at_table *table, const at_columns *wanted, const char *negative, int need_label, at_arena *arena,
                        at_embed_columns *columns, const char **why, at_error *err);
/* The name where the table has such a column, or it is "none"; else NULL. */
const char *at_embed_if_there(const at_table *table, const char *name);
/* What nothing can be learned from: texts with nothing beside them (always AT_USAGE); pairs that all have the same score (AT_BAD_DATA,
 * AT_OK where they have not). */
at_status at_embed_refuse_texts(const at_table *table, at_error *err);
at_status at_embed_refuse_constant(const at_table *table, int column, at_error *err);
/* Finds the scale of a table's scores: those within -1 .. 1 are cosines already (0 and 1), others become 0 .. 1. */
at_status at_embed_measure(const at_table *table, int column, at_embedding *unit, at_error *err);
/* 1 where names alone say that these are data for embeddings: anchor, positive, negative. */
int at_embed_names(const at_table *table);

/* JSONL: cells of a column that are lists of texts. */
int at_embed_has_lists(const at_table *table, int column);
/* The texts of a cell, one where it is no list, none where it is absent; copies in the arena. AT_BAD_DATA for what is no text in a list, and for
 * more or less than one unless there may be many: those that are not like the first. */
at_status at_embed_cell_texts(const at_table *table, int row, int column, int may_be_many, at_arena *arena, at_cell **text, int *n, at_error *err);

/* Tokenises: the texts of a row are examples that follow each other. Scores become targets by `unit` (NULL: there is nothing to learn,
 * unlabelled rows are fine; of 0 and 1: by the table's own, which is then the one that is shown), classes labels. */
at_status at_embed_encode(const at_table *table, const at_embed_columns *columns, at_embedding *unit, const at_tokenizer *tokenizer, int max_tokens,
                          at_long how, at_pool *pool, at_dataset **dataset, at_error *err);

/* Of a regression's numbers those that do not depend on the scale, into `values`. */
at_status at_embed_keep_ranks(json_t *values, const at_regress_metrics *metrics, at_error *err);
at_status at_embed_judge(at_task_state *state, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                         at_score *score, at_error *err);
at_status at_embed_lint(const at_task_state *state, struct at_lint *lint, at_error *err);

#endif
