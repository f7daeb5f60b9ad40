/* Speed of the tokenizer on one thread, on the lines of a text file.
 *
 *     bench_tokenizer MODEL-FOLDER TEXT-FILE [passes]
 *
 * First a check: one encoding used for all lines gives what a fresh one gives for each. Then the best of the passes (5), in MB/s
 * and tokens/s. bench/peers/tokenizer.py runs it beside the `tokenizers` library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "text/tokenizer.h"

typedef struct lines {
    const char *text;
    size_t len;
} lines;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Calls f for every line, without its newline. */
static int each_line(lines file, int (*f)(void *context, const char *line, size_t len), void *context) {
    const char *end = file.text + file.len;
    for (const char *p = file.text; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        if (f(context, p, (size_t)(stop - p))) return 1;
        p = stop + 1;
    }
    return 0;
}

typedef struct work {
    at_tokenizer *tokenizer;
    at_encoding encoding;
    long long tokens;
    at_error err;
} work;

static int encode(void *context, const char *line, size_t len) {
    work *w = context;
    if (at_encode(w->tokenizer, line, len, NULL, 0, NULL, &w->encoding, &w->err)) return 1;
    w->tokens += w->encoding.n;
    return 0;
}

static int same(const at_encoding *a, const at_encoding *b) {
    size_t bytes = (size_t)a->n * sizeof *a->ids;
    return a->n == b->n && !memcmp(a->ids, b->ids, bytes) && !memcmp(a->start, b->start, bytes) &&
           !memcmp(a->end, b->end, bytes) && !memcmp(a->word, b->word, bytes);
}

static int check(void *context, const char *line, size_t len) {
    work *w = context, fresh = {.tokenizer = w->tokenizer};
    if (encode(w, line, len) || encode(&fresh, line, len)) return 1;
    int ok = same(&w->encoding, &fresh.encoding);
    if (!ok) snprintf(w->err.text, sizeof w->err.text, "a used encoding differs from a fresh one");
    at_encoding_free(&fresh.encoding);
    return !ok;
}

int main(int argc, char **argv) {
    at_arena arena = {0};
    work w = {0};
    char *text;
    lines file;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tokenizer MODEL-FOLDER TEXT-FILE [passes]\n");
        return 2;
    }
    double start = now();
    if (at_tokenizer_open(argv[1], &w.tokenizer, &w.err) ||
        at_file_read(&arena, argv[2], (size_t)1 << 30, AT_BAD_DATA, &text, &file.len, &w.err)) {
        fprintf(stderr, "error: %s\n", w.err.text);
        return (int)w.err.code;
    }
    double opened = now() - start, best = 1e30;
    file.text = text;
    int failed = each_line(file, check, &w);
    for (int pass = argc > 3 ? atoi(argv[3]) : 5; pass > 0 && !failed; pass--) {
        w.tokens = 0;
        start = now();
        failed = each_line(file, encode, &w);
        double took = now() - start;
        if (took < best) best = took;
    }
    if (failed) fprintf(stderr, "error: %s\n", w.err.text);
    else printf("%.2f MB/s %.0f tokens/s %lld tokens, opened in %.1f ms\n", 1e-6 * (double)file.len / best,
                (double)w.tokens / best, w.tokens, 1e3 * opened);
    at_encoding_free(&w.encoding);
    at_tokenizer_close(w.tokenizer);
    at_arena_free(&arena);
    return failed;
}
