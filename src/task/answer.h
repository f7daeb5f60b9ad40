/* What the files of the task answer share. Positions are characters of the context, from 0, the end excluded. */
#ifndef AT_TASK_ANSWER_H
#define AT_TASK_ANSWER_H

#include "task/columns.h"

struct at_lint;
struct at_mending;

enum { AT_ANSWER_BEST = 20, AT_ANSWER_TOKENS = 30 }; /* candidates that are kept, and the tokens of the longest: as transformers' run_qa */
/* Bits of a dataset's labels: what stands at a token. The first token of a window stands for "no answer in this window". */
enum { AT_SPAN_BEGIN = 1, AT_SPAN_END = 2, AT_SPAN_FIRST = 4 };

typedef struct at_answer_state {
    int unanswerable;       /* the model may answer that there is no answer */
    double threshold;       /* it does where the null score is better than the best answer's by more than this */
} at_answer_state;
static inline at_answer_state *at_answer_of(const at_task_state *s) { return s->data; }

typedef struct at_answer_columns {
    int question, context, answers, start, impossible; /* -1: none; start: of an answer that stands as text */
} at_answer_columns;
/* By the names in the state, else by usual names. */
at_status at_answer_find(const at_table *t, const at_columns *wanted, int need_answers, at_answer_columns *c, at_error *err);

typedef struct at_gold {
    const char *text;
    size_t len;
    long long start;        /* -1: not given */
} at_gold;
/* By what messages name a row beside its line: "question 'ID': ", or "" where there is no id. Published files are one line. */
const char *at_answer_name(const at_table *t, int row, char name[AT_QUESTION_NAME]);
/* Whether a row says that it has no answer. */
int at_answer_impossible(const at_table *t, int row, const at_answer_columns *c);
/* The right answers of a row; *n is 0 where there is none. A cell that cannot be read: AT_BAD_DATA with the line. */
at_status at_answer_gold(const at_table *t, int row, const at_answer_columns *c, at_arena *arena, at_gold **gold, int *n, at_error *err);
/* Where the answer stands: at its own start, or, where it has none, at the first place. Elsewhere or nowhere: AT_BAD_DATA. */
at_status at_answer_place(const at_table *t, int row, const at_answer_columns *c, at_gold *gold, at_error *err);
/* The only place of the answer in its text, in characters; -1: there is none, or several. */
long long at_answer_only_place(at_cell context, const at_gold *gold);
/* The bytes of characters [start, end) of a cell. */
at_cell at_answer_cut(at_cell context, int start, int end);

/* Windows of the context behind the question; labels where `labelled`. */
at_status at_answer_encode(const at_task_state *s, const at_table *t, const at_answer_columns *c, const at_tokenizer *tokenizer,
                           int max_tokens, int labelled, at_dataset **dataset, at_error *err);

typedef struct at_candidate {
    int start, end;
    double logit, probability;
} at_candidate;
typedef struct at_best {
    at_candidate of[AT_ANSWER_BEST]; /* best first */
    int n;
    double null_score, null_probability;
} at_best;
/* The best answers of a row over all of its windows; `null` 1: probabilities are shared with "no answer". */
void at_answer_best(const at_dataset *d, const at_row_outputs *r, const float *logits, int null, at_best *best);

at_answer_format at_answer_usual_format(const at_table *input);
at_status at_answer_write(const at_task_state *s, at_answer_format format, at_answer_part part, const at_table *t, int row,
                          const void *answer, at_str *to, at_error *err);

at_status at_answer_mend(const at_task_state *s, struct at_mending *mending, at_error *err);
at_status at_answer_lint(const at_task_state *s, struct at_lint *lint, at_error *err);

#endif
