/* Windows of long sentences: every word answered once, at its first piece, where it has most context. */
#include "check.h"

#include "base/file.h"
#include "base/random.h"
#include "task/windows.h"

enum { WORDS = 700, ROWS = 4 };
static const at_arena none;

static char folder[] = "/tmp/attune-windows-XXXXXX";
static at_tokenizer *tokenizer;

static int make(void **state) {
    (void)state;
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nnight\n##s\nday\n";
    char path[64];
    at_error err;
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    check_ok(at_file_write(path, vocab, strlen(vocab), &err), &err);
    check_ok(at_tokenizer_open(folder, &tokenizer, &err), &err);
    return 0;
}

static int clean(void **state) {
    (void)state;
    at_error err;
    at_tokenizer_close(tokenizer);
    return at_folder_remove(folder, &err) != AT_OK;
}

/* Words of 1 to 40 pieces, mostly short; now and then one that leaves no piece at all. */
static void fill(at_sentence *s, int n, uint64_t key, int *pieces, at_arena *arena) {
    s->word = AT_NEW_ARRAY(arena, at_word, n);
    s->n = n;
    for (int i = 0; i < n; i++) {
        int tail = (int)at_random_below(key, (uint64_t)i, 20) ? (int)at_random_below(key, (uint64_t)(i + 10000), 4) : 39;
        int nothing = !at_random_below(key, (uint64_t)(i + 20000), 30);
        char *text = nothing ? at_strdup(arena, "\xe2\x80\x8b") : at_format(arena, "night%.*s", tail, "ssssssssssssssssssssssssssssssssssssssss");
        s->word[i] = (at_word){.text = text, .len = (uint32_t)strlen(text), .line = 1};
        pieces[i] = nothing ? 1 : tail + 1;
    }
}

static long smaller(long a, long b) { return a < b ? a : b; }

/* Context of pieces [from, to) in a window [first, end) of a sentence of n pieces; -1: not in it. */
static long context(long first, long end, long n, long from, long to) {
    if (from < first || to > end) return -1;
    return smaller(first ? from - first : 1000000, end < n ? end - to : 1000000);
}

static void check_row(const at_dataset *d, const at_row_outputs *r, const int *pieces, int n_words, int limit) {
    long piece_at[WORDS + 1] = {0}, first[WORDS], end[WORDS];
    int word = 0, room = limit - 2;
    for (int i = 0; i < n_words; i++) piece_at[i + 1] = piece_at[i] + (pieces[i] < room ? pieces[i] : room);
    assert_int_equal(r->n_outputs, n_words);
    for (int w = 0; w < r->n_examples; w++) { /* where each window lies, by the place of its first answer */
        int e = r->example + w;
        assert_true(at_dataset_length(d, e) <= limit);
        assert_true(at_dataset_n_outputs(d, e) > 0);
        first[w] = piece_at[word] - ((long)d->place[d->place_at[e]] - 1);
        end[w] = first[w] + at_dataset_length(d, e) - 2;
        word += at_dataset_n_outputs(d, e);
    }
    assert_int_equal(word, n_words);
    word = 0;
    for (int w = 0; w < r->n_examples; w++) {
        int e = r->example + w;
        for (uint64_t k = d->place_at[e]; k < d->place_at[e + 1]; k++, word++) {
            long most = -1, mine = context(first[w], end[w], piece_at[n_words], piece_at[word], piece_at[word + 1]);
            for (int other = 0; other < r->n_examples; other++) {
                long there = context(first[other], end[other], piece_at[n_words], piece_at[word], piece_at[word + 1]);
                if (there > most) most = there;
            }
            assert_int_equal((long)d->place[k], piece_at[word] - first[w] + 1);
            if (mine != most) fail_msg("limit %d, word %d: context %ld in window %d, %ld elsewhere", limit, word, mine, w, most);
        }
    }
}

static void every_word_is_answered_where_it_has_most_context(void **state) {
    (void)state;
    static const int LIMITS[] = {3, 4, 7, 16, 45, 64, 200, 5000}, LENGTHS[ROWS] = {WORDS, 1, 40, 150};
    at_arena arena = {0};
    at_error err;
    at_sentence s[ROWS] = {0};
    int pieces[ROWS][WORDS];
    uint32_t line[ROWS] = {1, 2, 3, 4};
    const at_table t = {.path = "t", .n_rows = ROWS, .line = line};
    for (int r = 0; r < ROWS; r++) fill(&s[r], LENGTHS[r], (uint64_t)(100 + r), pieces[r], &arena);
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
        at_dataset *d;
        at_row_outputs row = {0};
        int rows = 0;
        check_ok(at_windows_encode(&t, s, ROWS, &none, tokenizer, LIMITS[i], &d, &err), &err);
        for (; at_dataset_next_row(d, &row); rows++) check_row(d, &row, pieces[row.row], LENGTHS[row.row], LIMITS[i]);
        assert_int_equal(rows, ROWS);
        if (LIMITS[i] == 5000) assert_int_equal(d->n, ROWS);
        at_dataset_close(d);
    }
    at_arena_free(&arena);
}

static void a_row_without_words_has_one_output(void **state) {
    (void)state;
    at_error err;
    at_sentence s = {.text = ""};
    uint32_t line = 7;
    const at_table t = {.path = "t", .n_rows = 1, .line = &line};
    at_dataset *d;
    check_ok(at_windows_encode(&t, &s, 1, &none, tokenizer, 16, &d, &err), &err);
    assert_int_equal(d->n, 1);
    assert_int_equal(at_dataset_outputs(d), 1);
    assert_int_equal(at_dataset_length(d, 0), 2);
    at_dataset_close(d);
    check_fails(at_windows_encode(&t, &s, 1, &none, tokenizer, 2, &d, &err), AT_USAGE, &err, "leaves no room for the text");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_word_is_answered_where_it_has_most_context), cmocka_unit_test(a_row_without_words_has_one_output)};
    return cmocka_run_group_tests(tests, make, clean);
}
