/* A row of a table as words with tags: CoNLL columns, lists of tokens and tags (JSONL), a text with marked spans (JSONL), or a text alone.
 */
#ifndef AT_TASK_SENTENCE_H
#define AT_TASK_SENTENCE_H

#include "train/task.h"

typedef enum at_sentence_form { AT_FORM_COLUMNS, AT_FORM_LISTS, AT_FORM_SPANS, AT_FORM_TEXT } at_sentence_form;

/* The words of a long text are idle (room.h) after so many. */
enum { AT_IDLE_WORDS = 1 << 14 };

typedef struct at_word {
    const char *text;       /* [len] */
    uint32_t len;
    int start, end;         /* characters of the sentence's text */
    size_t at;              /* byte of it */
    uint32_t line;          /* of the file */
} at_word;

typedef struct at_sentence {
    const char *text;       /* the row's text; for forms with words given: they with one space between */
    size_t len;
    at_word *word;          /* [n] */
    int n;
    const char **tag;       /* [n] or NULL: the row has none */
} at_sentence;

typedef struct at_span {
    int start, end;         /* characters */
    const char *label;
} at_span;

/* Where words and tags stand. */
typedef struct at_sentence_columns {
    at_sentence_form form;
    int text, label;        /* columns of the table; label -1: none */
    const at_labels *names; /* of tags that are numbers; NULL: they are called what they are */
    int fine;               /* every punctuation character of a text is a word of its own; else only those at the ends of words */
} at_sentence_columns;

/* By the user's names, by the format, by usual names. need_label: AT_USAGE where there are none. *why in the arena. */
at_status at_sentence_find_columns(const at_table *table, const at_columns *wanted, int need_label, at_arena *arena,
                                   at_sentence_columns *columns, const char **why, at_error *err);

/* Row `row` in memory of the arena. AT_BAD_DATA with file and line. Spans become IOB2 tags of the words that they cover. */
at_status at_sentence_read(const at_table *table, int row, const at_sentence_columns *columns, int need_tags, at_arena *arena,
                           at_sentence *sentence, at_error *err);

/* The spans of a row as they stand in it, and its text in characters, for the lint. */
at_status at_sentence_spans(const at_table *table, int row, const at_sentence_columns *columns, at_arena *arena, at_span **span, int *n,
                            at_error *err);

#endif
