#include "io/table_ids.h"

#include <string.h>

int at_id_order(const void *a, const void *b) {
    const at_id_row *x = a, *y = b;
    uint32_t n = x->id.len < y->id.len ? x->id.len : y->id.len;
    int order = n ? memcmp(x->id.text, y->id.text, n) : 0;
    if (order) return order;
    return (x->id.len > y->id.len) - (x->id.len < y->id.len);
}

int at_id_row_order(const void *a, const void *b) {
    int order = at_id_order(a, b);
    return order ? order : ((const at_id_row *)a)->row - ((const at_id_row *)b)->row;
}
