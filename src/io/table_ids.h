/* Rows of a table by their ids, to find those that two tables share and those that stand twice. */
#ifndef AT_IO_TABLE_IDS_H
#define AT_IO_TABLE_IDS_H

#include "io/table.h"

typedef struct at_id_row {
    at_cell id;
    int row;
} at_id_row;

/* For qsort and bsearch over at_id_row: by the bytes of the id; and, of equal ids, by row. */
int at_id_order(const void *a, const void *b);
int at_id_row_order(const void *a, const void *b);

#endif
