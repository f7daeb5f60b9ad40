#include "task/metric_rouge.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/str.h"
#include "text/unicode.h"

/* The words of a text by their hashes. */
typedef struct words {
    uint64_t *word;
    int n;
} words;

static int is_part(uint32_t cp) {
    int category = at_cp_category(cp);
    return (category >= AT_CAT_LU && category <= AT_CAT_NO) && cp != '_';
}

static at_status cut(at_arena *arena, const char *text, size_t len, words *w, at_error *err) {
    char *low = at_alloc(arena, 2 * len + 4, 1);
    w->word = AT_NEW_ARRAY(arena, uint64_t, len / 2 + 1);
    w->n = 0;
    if (!low || !w->word) return at_fail_memory(err, len);
    size_t at = 0, begin = 0;
    for (size_t i = 0; i <= len;) {
        uint32_t cp = ' ';
        int n = i < len ? at_utf8_decode((const unsigned char *)text + i, len - i, &cp) : 1;
        if (n < 1) n = 1;
        if (i < len && is_part(cp)) at += (size_t)at_utf8_encode(at_cp_lower(cp), low + at);
        else if (at > begin) {
            w->word[w->n++] = XXH3_64bits(low + begin, at - begin);
            begin = at;
        }
        i += (size_t)n;
    }
    return AT_OK;
}

static double f1(double hits, double right, double answer) {
    return hits > 0 ? 2 * hits / (right + answer) : 0;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Runs of n words, sorted; *count of them. */
static uint64_t *runs_of(at_arena *arena, const words *w, int n, int *count) {
    *count = w->n >= n ? w->n - n + 1 : 0;
    uint64_t *runs = AT_NEW_ARRAY(arena, uint64_t, *count + 1);
    for (int i = 0; runs && i < *count; i++) runs[i] = n == 1 ? w->word[i] : XXH3_64bits(w->word + i, (size_t)n * sizeof *w->word);
    if (runs) qsort(runs, (size_t)*count, sizeof *runs, ascending);
    return runs;
}

static at_status overlap(at_arena *arena, const words *right, const words *answer, int n, double *f, at_error *err) {
    int n_right, n_answer, hits = 0;
    const uint64_t *a = runs_of(arena, right, n, &n_right), *b = runs_of(arena, answer, n, &n_answer);
    if (!a || !b) return at_fail_memory(err, 0);
    for (int i = 0, k = 0; i < n_right && k < n_answer;) {
        hits += a[i] == b[k];
        uint64_t x = a[i], y = b[k];
        i += x <= y;
        k += y <= x;
    }
    *f = f1(hits, n_right, n_answer);
    return AT_OK;
}

/* The rows of the usual table, one after the other. */
static at_status common(at_arena *arena, const words *right, const words *answer, double *f, at_error *err) {
    int *row = AT_NEW_ARRAY(arena, int, answer->n + 1);
    if (!row) return at_fail_memory(err, (size_t)answer->n * sizeof *row);
    for (int i = 0; i < right->n; i++)
        for (int k = 0, before = 0; k < answer->n; k++) {
            int above = row[k + 1];
            if (right->word[i] == answer->word[k]) row[k + 1] = before + 1;
            else if (row[k] > above) row[k + 1] = row[k];
            before = above;
        }
    *f = f1(row[answer->n], right->n, answer->n);
    return AT_OK;
}

at_status at_metric_rouge(const char *right, size_t right_len, const char *answer, size_t answer_len, at_rouge *rouge, at_error *err) {
    at_arena arena = {0};
    words a, b;
    *rouge = (at_rouge){0};
    at_status st = cut(&arena, right, right_len, &a, err);
    if (!st) st = cut(&arena, answer, answer_len, &b, err);
    if (!st) st = overlap(&arena, &a, &b, 1, &rouge->one, err);
    if (!st) st = overlap(&arena, &a, &b, 2, &rouge->two, err);
    if (!st) st = common(&arena, &a, &b, &rouge->longest, err);
    at_arena_free(&arena);
    return st;
}
