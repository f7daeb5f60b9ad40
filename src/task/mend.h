/* What can be mended in data without judgement (`attune check --fix`). A pass changes cells of a copy and says each change; the table
 * stays.
 *
 *   repeated rows        all columns but an id the same: the first stays
 *   encoding             UTF-8 that was read as Windows-1252 is taken back, control characters go
 *   white space          none at the ends, runs of blanks become one; line breaks stay
 *   tags                 parts as they are read (as seqeval does), written as the scheme says
 *   answers' offsets     where the answer stands at exactly one place of its text
 *
 * Texts that offsets point into stay as they are. */
#ifndef AT_TASK_MEND_H
#define AT_TASK_MEND_H

#include "base/str.h"
#include "task/columns.h"

typedef struct at_mending {
    const at_table *table;
    at_found_columns columns; /* of texts and labels, as the lint has them */
    int text3;                /* 1 + the column of a third text; 0: there is none */
    at_arena *arena;          /* of what is new */
    at_cell *cell;            /* [n_rows * n_columns] what is to be written */
    unsigned char *drop;      /* [n_rows] 1: left out */
    void (*tell)(void *context, const char *kind, uint32_t line, const char *sentence); /* sentence: "file:line: what was done" */
    void *context;
    int failed;               /* memory ran out */
} at_mending;

/* All that the task's data can have mended, then repeated rows. cell and drop are made here. */
at_status at_mend(const at_task_state *state, at_mending *mending, at_error *err);

static inline at_cell *at_mend_cell(at_mending *m, int row, int column) {
    return &m->cell[(size_t)row * (size_t)m->table->n_columns + (size_t)column];
}
/* Says a change; `line` 0: that of the row. */
void at_mend_tell(at_mending *mending, const char *kind, int row, uint32_t line, const char *fmt, ...) AT_PRINTF(5, 6);

/* A text without traces of a wrong encoding and without idle white space, in the arena; the text itself where nothing changed. *what gets
 * words for what was done ("encoding, white space") or NULL. */
at_cell at_mend_text(at_cell text, at_arena *arena, const char **what);
/* The first half of it (lint_encoding.c): appends to `to`, returns how many places were mended. */
int at_mend_encoding(at_cell text, at_str *to);

#endif
