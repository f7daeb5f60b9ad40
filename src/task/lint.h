/* Data lint: what is wrong, or will be a nuisance, in labelled texts, each finding with its file and line.
 *
 * The caller reads the tables (bad rows kept apart: at_lint_bad_row), finds their columns, and runs the passes it wants;
 * at_lint_sort then puts the findings in the order in which they are shown: errors first, then by kind, each kind in the
 * order of the rows. Everything lives in the arena of the caller. The same rows give the same findings. */
#ifndef AT_TASK_LINT_H
#define AT_TASK_LINT_H

#include "base/str.h"
#include "task/columns.h"

typedef enum at_severity {
    AT_SEVERE_ERROR,   /* training or evaluation would refuse the data */
    AT_SEVERE_WARNING, /* it would run, and the result would be worse or look better than it is */
    AT_SEVERE_NOTE     /* worth a look */
} at_severity;

typedef enum at_lint_kind { /* in the order in which they are shown */
    AT_LINT_BAD_ROW,          /* the row cannot be read */
    AT_LINT_NO_ROWS,
    AT_LINT_HEADER,           /* the header line looks like a row of data */
    AT_LINT_EMPTY_TEXT,
    AT_LINT_EMPTY_LABEL,
    AT_LINT_BAD_LABEL,        /* what is to be predicted cannot be read: no number, not 0 or 1, no list */
    AT_LINT_SCHEME,           /* a tag that its scheme does not allow there */
    AT_LINT_OVERLAP,          /* spans that share characters */
    AT_LINT_RANGE,            /* a number out of the range that was declared */
    AT_LINT_CUT_WORD,         /* a span that begins or ends inside a word */
    AT_LINT_ANSWER_PLACE,     /* an answer that does not stand where it is said to */
    AT_LINT_CONTRADICTION,    /* a question that is said to have no answer, and has one */
    AT_LINT_ID_TWICE,         /* two rows with one id */
    AT_LINT_UNANSWERABLE,     /* the share of questions without an answer, once a file */
    AT_LINT_NO_LABELS,        /* one label only, fewer rows than labels, a column of free text */
    AT_LINT_UNKNOWN_LABEL,    /* of the evaluation or test data, not in the training data */
    AT_LINT_TWO_LABELS,       /* the same text with two labels */
    AT_LINT_BOTH_SPLITS,      /* the same text in two files */
    AT_LINT_LABEL_SPELLING,   /* labels that differ by case or white space only */
    AT_LINT_LABEL_TEXT,       /* one label that reads like a text */
    AT_LINT_LABEL_MISSING,    /* a label that does not occur in one of the files */
    AT_LINT_RARE_LABEL,       /* too few rows to learn it or to judge it */
    AT_LINT_IMBALANCE,
    AT_LINT_DUPLICATE,        /* the same text with the same label */
    AT_LINT_NEAR,             /* nearly the same text; across files a warning */
    AT_LINT_SHARED,           /* texts that questions of two files are about, once a file */
    AT_LINT_MOJIBAKE,         /* UTF-8 that was once read as Windows-1252 */
    AT_LINT_REPLACEMENT,      /* U+FFFD: what stood there is lost */
    AT_LINT_CONTROL,          /* control characters */
    AT_LINT_CUT,              /* texts longer than the model reads */
    AT_LINT_CUT_SHARE,        /* the share of all tokens that this costs, once a file */
    AT_LINT_WINDOWS,          /* or that nothing is cut, once a file */
    AT_LINT_HTML,             /* entities and tags of HTML */
    AT_LINT_SHORT_TEXT,
    AT_LINT_KINDS
} at_lint_kind;

typedef struct at_finding {
    at_lint_kind kind;
    at_severity severity;
    const char *file;
    uint32_t line;       /* 0: the file as a whole */
    const char *file2;   /* the other place, where there are two; else NULL */
    uint32_t line2;
    const char *text;    /* one sentence that begins with "file:line: " */
    size_t order;        /* private: when it was found */
} at_finding;

enum { AT_LINT_SPLITS = 3, AT_LINT_FEW = 8 /* rows of a label, below which it counts as rare */ };

typedef struct at_lint_split {
    const char *name;          /* "train" "eval" "test" */
    const at_table *table;
    at_found_columns columns;  /* label -1: not labelled */
    int text3;                 /* 1 + the column of a third text; 0: there is none */
    int question_id;           /* 1 + the column whose ids messages name beside the line; 0: the line says which row it is */
} at_lint_split;

typedef struct at_lint {
    at_arena *arena;
    at_lint_split split[AT_LINT_SPLITS]; /* [n_splits] in the order train, eval, test; those that are there */
    int n_splits;
    at_finding *finding;       /* [n] */
    size_t n, cap;
    int words;                 /* a row is a sentence with a tag for each word: it may be short, and its label is a list */
    int has_range;             /* numbers are declared to be from low to high */
    double low, high;
    int range_used;            /* and there were numbers */
    /* 1 where two rows whose texts are the same have the same labels; NULL: where the label columns have the same letters */
    int (*same_labels)(const void *of, const at_lint_split *s, int row, const at_lint_split *other, int first);
    const void *same_labels_of;
    int blank_ok;              /* an empty text is passed over, as training does: no finding */
    int failed;                /* memory ran out: the findings are incomplete */
} at_lint;

/* What programs call a kind: "empty_text". */
const char *at_lint_kind_name(at_lint_kind kind);
/* What to call many of a kind ("rows with an empty text"), and what to do about it (a sentence, or NULL). */
const char *at_lint_kind_plural(at_lint_kind kind);
const char *at_lint_kind_advice(at_lint_kind kind);
const char *at_severity_name(at_severity severity); /* "error" "warning" "note" */

/* Adds a finding of its kind's usual severity; the text is put behind "file:line: ". */
at_finding *at_lint_add(at_lint *lint, at_lint_kind kind, const char *file, uint32_t line, const char *fmt, ...) AT_PRINTF(5, 6);
/* The same with the whole sentence, its place included. */
void at_lint_sentence(at_lint *lint, at_lint_kind kind, const char *file, uint32_t line, const char *sentence);
/* A row that the reader of tables could not read. */
void at_lint_bad_row(at_lint *lint, const char *file, uint32_t line, const char *sentence);

/* The passes. Each looks at every split; AT_NO_MEMORY is the only failure. */
at_status at_lint_texts(at_lint *lint, at_error *err);    /* empty, short, twice, with two labels, in two files */
at_status at_lint_near(at_lint *lint, at_error *err);     /* nearly the same, by MinHash */
at_status at_lint_labels(at_lint *lint, at_error *err);   /* empty, unknown, spelling, missing, rare, imbalance, free text */
at_status at_lint_encoding(at_lint *lint, at_error *err); /* mojibake, U+FFFD, control characters, HTML */
/* One file's lengths in tokens [table->n_rows] against the limit, and what becomes of the texts beyond it. */
at_status at_lint_lengths(at_lint *lint, int split, const int *tokens, int limit, at_long how, at_error *err);

void at_lint_sort(at_lint *lint);

/* A text as it is compared: lower case, runs of white space one space, none at the ends. Into `key` (cleared first). */
void at_lint_fold(at_str *key, const char *text, size_t len);
/* The beginning of a text for a message, in quotes, on one line, whole characters. In the arena of the lint. */
const char *at_lint_quote(at_lint *lint, at_cell cell);
/* "question 'ID': " where rows are named so, else ""; the other row's name: ", question 'ID'". In the arena of the lint. */
const char *at_lint_who(at_lint *lint, const at_lint_split *split, int row);
const char *at_lint_whom(at_lint *lint, const at_lint_split *split, int row);
/* The label's column has to hold numbers, in the declared range. */
void at_lint_numbers(at_lint *lint, const at_lint_split *split);
/* What occurs too seldom (below AT_LINT_FEW) to be learned or judged; `unit`: "row". */
void at_lint_rare(at_lint *lint, const char *file, uint32_t line, const char *name, int count, const char *unit);
/* The label of a row; text NULL where there is none. */
at_cell at_lint_label(const at_lint_split *split, int row);

#endif
