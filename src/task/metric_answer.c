#include "task/metric_answer.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"

static int is_punctuation(uint32_t cp) {
    return cp < 128 && cp > ' ' && cp != 127 && !((cp | 32) >= 'a' && (cp | 32) <= 'z') && !(cp >= '0' && cp <= '9');
}

/* str.isspace and str.split of Python: White_Space and the four separators U+001C..U+001F. */
static int is_space(uint32_t cp) { return (at_cp_flags(cp) & AT_CP_SPACE) || (cp >= 0x1C && cp <= 0x1F); }

/* \w of Python: letters, numbers and '_'; marks are none. */
static int is_word(uint32_t cp) {
    int c = at_cp_category(cp);
    return cp == '_' || (c >= AT_CAT_LU && c <= AT_CAT_LO) || (c >= AT_CAT_ND && c <= AT_CAT_NO);
}

/* The final form of sigma, as str.lower has it, is left to the ordinary one: both sides are lowered alike. */
static void add_lower(at_str *s, uint32_t cp) {
    char out[4];
    if (cp == 0x130) at_str_add(s, "i\xcc\x87");
    else at_str_add_bytes(s, out, (size_t)at_utf8_encode(at_cp_lower(cp), out));
}

static void lower_without_punctuation(at_str *s, const char *text, size_t len) {
    uint32_t cp;
    for (size_t i = 0; i < len;) {
        int n = at_utf8_decode((const unsigned char *)text + i, len - i, &cp);
        if (n < 1) n = 1, cp = 0xFFFD;
        i += (size_t)n;
        if (!is_punctuation(cp)) add_lower(s, cp);
    }
}

/* Bytes of an article that stands alone at p, or 0. */
static size_t article_at(const char *p, const char *end) {
    static const char *const ARTICLES[] = {"a", "an", "the"};
    uint32_t cp;
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(ARTICLES[i]);
        if ((size_t)(end - p) < n || memcmp(p, ARTICLES[i], n)) continue;
        if (p + n == end || (at_utf8_decode((const unsigned char *)p + n, (size_t)(end - p) - n, &cp) > 0 && !is_word(cp))) return n;
    }
    return 0;
}

char *at_answer_normalise(at_arena *arena, const char *text, size_t len) {
    at_str low = {.arena = arena}, out = {.arena = arena};
    int before_word = 0, gap = 0;
    uint32_t cp;
    lower_without_punctuation(&low, text, len);
    at_str_add(&out, "");
    for (const char *p = low.text, *end = p + low.len; p && p < end;) {
        size_t article = before_word ? 0 : article_at(p, end);
        int n = article ? (int)article : at_utf8_decode((const unsigned char *)p, (size_t)(end - p), &cp);
        if (article || is_space(cp)) gap = 1;
        else {
            if (gap && out.len) at_str_add(&out, " ");
            gap = 0;
            at_str_add_bytes(&out, p, (size_t)n);
        }
        before_word = article ? 1 : is_word(cp);
        p += n;
    }
    return low.failed || out.failed ? NULL : out.text ? out.text : at_strdup(arena, "");
}

/* ---- F1 ---- */

typedef struct words {
    char **of;
    int n;
} words;

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Sorted; cuts the text up. */
static words split(at_arena *arena, char *text) {
    words w = {AT_NEW_ARRAY(arena, char *, strlen(text) / 2 + 1), 0};
    char *rest = NULL;
    for (char *p = w.of ? strtok_r(text, " ", &rest) : NULL; p; p = strtok_r(NULL, " ", &rest)) w.of[w.n++] = p;
    if (w.n) qsort(w.of, (size_t)w.n, sizeof *w.of, by_text);
    return w;
}

static double f1_of(const words *a, const words *b, int with_null) {
    int i = 0, k = 0, same = 0;
    if (with_null && (!a->n || !b->n)) return a->n == b->n;
    while (i < a->n && k < b->n) {
        int order = strcmp(a->of[i], b->of[k]);
        same += !order;
        i += order <= 0;
        k += order >= 0;
    }
    if (!same) return 0;
    double precision = (double)same / a->n, recall = (double)same / b->n;
    return 2 * precision * recall / (precision + recall);
}

static at_status compare(at_arena *arena, const char *answer, at_answer_text right, int with_null, double *exact, double *f1,
                         at_error *err) {
    char *mine = at_strdup(arena, answer), *gold = at_answer_normalise(arena, right.text, right.len);
    if (!mine || !gold) return at_fail_memory(err, right.len);
    if (!strcmp(mine, gold)) *exact = 1;
    words a = split(arena, mine), b = split(arena, gold);
    if (!a.of || !b.of) return at_fail_memory(err, right.len);
    double f = f1_of(&a, &b, with_null);
    if (f > *f1) *f1 = f;
    return AT_OK;
}

at_status at_metrics_answer(at_answer_text answer, const at_answer_text *right, int n_right, int with_null, double *exact, double *f1,
                            at_error *err) {
    static const at_answer_text NOTHING = {"", 0};
    at_arena arena = {0};
    char *mine = at_answer_normalise(&arena, answer.text, answer.len);
    at_status st = mine ? AT_OK : at_fail_memory(err, answer.len);
    int used = 0;
    *exact = *f1 = 0;
    for (int i = 0; i < n_right && !st; i++) {
        char *gold = at_answer_normalise(&arena, right[i].text, right[i].len);
        if (!gold) st = at_fail_memory(err, right[i].len);
        else if (*gold || !with_null) {
            st = compare(&arena, mine, right[i], with_null, exact, f1, err);
            used++;
        }
    }
    if (!st && !used && with_null) st = compare(&arena, mine, NOTHING, 1, exact, f1, err);
    at_arena_free(&arena);
    return st;
}

/* ---- threshold ---- */

static int by_difference(const void *a, const void *b) {
    const at_null_case *x = a, *y = b;
    if (x->difference != y->difference) return x->difference < y->difference ? -1 : 1;
    return x->gain > y->gain ? -1 : x->gain < y->gain;
}

double at_threshold_null(at_null_case *cases, int n) {
    double sum = 0, most = 0, threshold;
    if (!n) return 0;
    qsort(cases, (size_t)n, sizeof *cases, by_difference);
    threshold = cases[0].difference - 1; /* nothing is answered */
    for (int i = 0; i < n; i++) {
        sum += cases[i].gain;
        if (sum <= most || (i + 1 < n && cases[i + 1].difference == cases[i].difference)) continue;
        most = sum;
        threshold = cases[i].difference;
    }
    return threshold;
}
