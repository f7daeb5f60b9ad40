/* Texts that are nearly the same. A text is the set of all runs of CHARACTERS letters and digits of it, folded (shingles); two texts are as
 * alike as their sets have members in common (Jaccard). Which pairs are worth that comparison is found by MinHash (Broder 1997): a set's
 * signature has the least of its members by each of HASHES orders, so that two signatures agree in as large a share as the sets do; rows
 * meet where a band of ROWS_A_BAND of them agrees (locality-sensitive hashing), which at a likeness of 0.8 they do in 999 of 1,000 cases.
 *
 * Of pairs the shorter text is what rows meet by, and both texts must be alike. */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "task/lint.h"
#include "text/unicode.h"

enum { CHARACTERS = 5, FEWEST = 20 /* shingles */, HASHES = 64, ROWS_A_BAND = 4, BANDS = HASHES / ROWS_A_BAND, MOST_IN_BUCKET = 16 };
static const double ALIKE = 0.8, WORTH_A_LOOK = 0.65; /* of sets; of signatures */

typedef struct near_row {
    int split, row;
    uint64_t text;           /* hash of the folded text or pair */
    uint32_t least[HASHES];
} near_row;

/* Sorted, each once. */
typedef struct shingles {
    uint32_t *of;
    size_t n, cap;
} shingles;

typedef struct near_pass {
    at_lint *lint;
    at_arena scratch;
    near_row *row;           /* [n] */
    int n;
    int *slot, *next;        /* row + 1 of a bucket's newest, by bucket and band; the one before it, by row and band */
    size_t mask;             /* of the buckets of a band */
    at_str key;
    shingles set[2];
    int by_second;           /* rows meet by the second text */
    int failed;
} near_pass;

static uint32_t mix(uint64_t x) {
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return (uint32_t)(x >> 32);
}

/* ---- the set of a text ---- */

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int reserve(shingles *s, size_t n) {
    if (n <= s->cap) return 1;
    uint32_t *more = realloc(s->of, 2 * n * sizeof *more);
    if (!more) return 0;
    s->of = more;
    s->cap = 2 * n;
    return 1;
}

static void collect(near_pass *p, at_cell cell, shingles *s) {
    uint32_t last[CHARACTERS] = {0}, cp;
    size_t seen = 0, kept = 0;
    at_lint_fold(&p->key, cell.text ? cell.text : "", cell.text ? cell.len : 0);
    s->n = 0;
    if (p->key.failed || !reserve(s, p->key.len + 1)) {
        p->failed = 1;
        return;
    }
    for (size_t i = 0; i < p->key.len;) {
        int width = at_utf8_decode((const unsigned char *)p->key.text + i, p->key.len - i, &cp);
        i += width > 0 ? (size_t)width : 1;
        if (width < 1 || !(at_cp_flags(cp) & AT_CP_WORD)) continue;
        memmove(last, last + 1, sizeof last - sizeof *last);
        last[CHARACTERS - 1] = cp;
        if (++seen >= CHARACTERS) s->of[s->n++] = (uint32_t)XXH3_64bits(last, sizeof last);
    }
    if (s->n) qsort(s->of, s->n, sizeof *s->of, by_value);
    for (size_t i = 0; i < s->n; i++)
        if (!i || s->of[i] != s->of[i - 1]) s->of[kept++] = s->of[i];
    s->n = kept;
}

static double likeness(const shingles *a, const shingles *b) {
    size_t i = 0, k = 0, common = 0;
    while (i < a->n && k < b->n) {
        common += a->of[i] == b->of[k];
        uint32_t x = a->of[i], y = b->of[k];
        i += x <= y;
        k += y <= x;
    }
    return a->n + b->n ? (double)common / (double)(a->n + b->n - common) : 1;
}

static at_cell cell_of(const near_pass *p, const near_row *r, int second) {
    const at_lint_split *s = &p->lint->split[r->split];
    int column = second ? s->columns.text2 : s->columns.text;
    return column < 0 ? (at_cell){0} : at_table_cell(s->table, r->row, column);
}

/* The smaller likeness of both texts. */
static double compare(near_pass *p, const near_row *a, const near_row *b) {
    double least = 1;
    for (int second = 0; second < 2; second++) {
        collect(p, cell_of(p, a, second), &p->set[0]);
        collect(p, cell_of(p, b, second), &p->set[1]);
        double x = likeness(&p->set[0], &p->set[1]);
        if (x < least) least = x;
    }
    return least;
}

/* ---- meeting ---- */

static int same_signature_share(const near_row *a, const near_row *b) {
    int same = 0;
    for (int i = 0; i < HASHES; i++) same += a->least[i] == b->least[i];
    return same >= (int)(WORTH_A_LOOK * HASHES);
}

/* The row before this one that is most like it, or NULL. */
static const near_row *nearest(near_pass *p, const near_row *r, double *best) {
    const near_row *found = NULL;
    int tried[BANDS * MOST_IN_BUCKET], n_tried = 0;
    *best = ALIKE;
    for (int band = 0; band < BANDS; band++) {
        size_t bucket = (size_t)XXH3_64bits(r->least + band * ROWS_A_BAND, ROWS_A_BAND * sizeof *r->least) & p->mask;
        bucket = bucket * BANDS + (size_t)band;
        int at = p->slot[bucket];
        for (int i = 0; at && i < MOST_IN_BUCKET; i++, at = p->next[(size_t)(at - 1) * BANDS + (size_t)band]) {
            const near_row *other = &p->row[at - 1];
            int known = 0;
            for (int k = 0; k < n_tried && !known; k++) known = tried[k] == at;
            if (known || other->text == r->text || !same_signature_share(r, other)) continue;
            tried[n_tried++] = at;
            double x = compare(p, r, other);
            if (x < *best) continue;
            *best = x;
            found = other;
        }
        p->next[(size_t)(r - p->row) * BANDS + (size_t)band] = p->slot[bucket];
        p->slot[bucket] = (int)(r - p->row) + 1;
    }
    return found;
}

static void tell(near_pass *p, const near_row *r, const near_row *other, double alike) {
    const at_lint_split *s = &p->lint->split[r->split], *o = &p->lint->split[other->split];
    uint32_t line = s->table->line[r->row], there = o->table->line[other->row];
    int elsewhere = r->split != other->split;
    at_cell mine = at_lint_label(s, r->row), its = at_lint_label(o, other->row);
    int same = p->lint->words || !mine.len || !its.len || (mine.len == its.len && !memcmp(mine.text, its.text, mine.len));
    at_finding *f = at_lint_add(p->lint, AT_LINT_NEAR, s->table->path, line, "%snearly the same text (%.0f%%) as in %s%s%u%s%s%s%s%s%s: %s",
                                at_lint_who(p->lint, s, r->row), 100 * alike, elsewhere ? o->table->path : "line", elsewhere ? ":" : " ",
                                (unsigned)there, at_lint_whom(p->lint, o, other->row),
                                same ? "" : ", labelled ", same ? "" : at_lint_quote(p->lint, its), same ? "" : " there and ",
                                same ? "" : at_lint_quote(p->lint, mine), same ? "" : " here", at_lint_quote(p->lint, cell_of(p, r, 0)));
    if (!f) return;
    if (elsewhere) f->severity = AT_SEVERE_WARNING;
    f->file2 = o->table->path;
    f->line2 = there;
}

static void look_at(near_pass *p, int split, int row) {
    near_row *r = &p->row[p->n];
    *r = (near_row){.split = split, .row = row};
    collect(p, cell_of(p, r, p->by_second), &p->set[0]);
    if (p->failed || p->set[0].n < FEWEST) return;
    for (int second = 0; second < 2; second++) {
        at_cell cell = cell_of(p, r, second);
        at_lint_fold(&p->key, cell.text ? cell.text : "", cell.text ? cell.len : 0);
        r->text = XXH3_64bits_withSeed(p->key.text ? p->key.text : "", p->key.len, r->text);
    }
    for (int h = 0; h < HASHES; h++) {
        uint64_t salt = ((uint64_t)h + 1) * UINT64_C(0x9e3779b97f4a7c15);
        uint32_t least = UINT32_MAX;
        for (size_t i = 0; i < p->set[0].n; i++) {
            uint32_t x = mix(p->set[0].of[i] ^ salt);
            if (x < least) least = x;
        }
        r->least[h] = least;
    }
    double alike;
    const near_row *other = nearest(p, r, &alike);
    p->n++;
    if (other) tell(p, r, other, alike);
}

static int second_is_shorter(const at_lint *lint) {
    const at_lint_split *s = &lint->split[0];
    uint64_t bytes[2] = {0};
    if (!lint->n_splits || s->columns.text2 < 0) return 0;
    for (int r = 0; r < s->table->n_rows; r++) {
        bytes[0] += at_table_cell(s->table, r, s->columns.text).len;
        bytes[1] += at_table_cell(s->table, r, s->columns.text2).len;
    }
    return bytes[1] < bytes[0];
}

at_status at_lint_near(at_lint *lint, at_error *err) {
    size_t rows = 0, slots = 1024;
    for (int s = 0; s < lint->n_splits; s++) rows += (size_t)lint->split[s].table->n_rows;
    while (slots < rows) slots *= 2;
    near_pass p = {.lint = lint, .mask = slots - 1, .by_second = second_is_shorter(lint)};
    p.key.arena = &p.scratch;
    p.row = at_alloc_raw(&p.scratch, rows + 1, sizeof *p.row);
    p.slot = AT_NEW_ARRAY(&p.scratch, int, slots * BANDS);
    p.next = at_alloc_raw(&p.scratch, (rows + 1) * BANDS, sizeof *p.next);
    p.failed = !p.row || !p.slot || !p.next;
    for (int s = 0; s < lint->n_splits; s++)
        for (int r = 0; r < lint->split[s].table->n_rows && !p.failed; r++) look_at(&p, s, r);
    free(p.set[0].of);
    free(p.set[1].of);
    at_arena_free(&p.scratch);
    return p.failed || lint->failed ? at_fail_memory(err, rows * sizeof(near_row)) : AT_OK;
}
