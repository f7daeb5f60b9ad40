/* How the threads of a tape's team share an op: each takes a range of rows, columns or sequences whose results depend on nothing outside of
 * it, so that the team does not show in the bits. Private to src/op. */
#ifndef AT_OP_SHARE_H
#define AT_OP_SHARE_H

#include "tensor/tape.h"

/* Parts that at_team_run will ask for: scratch is theirs one by one. A dry tape has no team but knows how large it will be. */
static inline int at_share_parts(const at_tape *t) {
    if (t->team) return at_team_parts(t->team);
    return t->dry && t->dry_team > 1 ? t->dry_team : 1;
}

/* Part `part` of `total`, cut at multiples of `unit`. */
typedef struct at_range { int from, n; } at_range;

static inline at_range at_share(int total, int unit, int part, int parts) {
    long long units = (total + unit - 1) / unit;
    int from = (int)(units * part / parts) * unit, to = (int)(units * (part + 1) / parts) * unit;
    if (from > total) from = total;
    if (to > total) to = total;
    return (at_range){from, to - from};
}

#endif
