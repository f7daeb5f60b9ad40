/* The labels that stand in one cell: with something between them, or as a JSON list. */
#ifndef AT_TASK_LABEL_PARTS_H
#define AT_TASK_LABEL_PARTS_H

#include "base/str.h"
#include "io/table.h"
#include "model/model.h"

typedef struct at_parts {
    const char **name; /* [n] copies in the arena */
    int n, cap;
    at_arena *arena;
    const at_labels *names; /* of those that are whole numbers (at_label_name); NULL: they are called what they are */
    int failed;        /* memory ran out */
} at_parts;

/* One more, without white space at its ends; empty ones are left out. */
void at_parts_add(at_parts *parts, const char *text, size_t len);
void at_parts_split(at_parts *parts, at_cell cell, const char *separator);
/* Those of a row in place of what was there; separator NULL: a JSON list. AT_BAD_DATA with the line. */
at_status at_parts_read(at_parts *parts, const at_table *table, int row, int column, const char *separator, at_error *err);

#endif
