/* Texts that are longer than the model reads, cut in every way: letters are tokens, so that what is left can be read. */
#include "check.h"

#include "base/file.h"
#include "base/str.h"
#include "train/dataset.h"

static char folder[] = "/tmp/attune-long-XXXXXX";
static at_tokenizer *tokenizer;

static at_table *table_of(const char *first, const char *second) {
    at_arena arena = {0};
    at_error err;
    at_table *table;
    char *path = at_path_join(&arena, folder, "data.csv"), *text = at_format(&arena, "a,b\n%s,%s\nz,z\n", first, second);
    check_ok(at_file_write(path, text, strlen(text), &err), &err);
    check_ok(at_table_read(path, &(at_table_options){0}, &table, &err), &err);
    at_arena_free(&arena);
    return table;
}

/* The examples of the first row as letters, [ for [CLS] and ] for [SEP], a blank between examples; capitals are of type 1. */
static void expect(const char *first, const char *second, int limit, at_long how, const char *wanted, int cut) {
    at_table *table = table_of(first, second ? second : "");
    at_dataset *d;
    at_error err;
    char got[512];
    int n = 0;
    check_ok(at_dataset_encode_long(table, 0, second ? 1 : -1, tokenizer, limit, how, NULL, &d, &err), &err);
    for (int i = 0; i < d->n - 1; i++) {
        assert_int_equal(d->row ? d->row[i] : (uint32_t)i, 0);
        assert_int_equal(d->line[i], 2);
        if (i) got[n++] = ' ';
        for (uint64_t t = d->token_at[i]; t < d->token_at[i + 1]; t++) {
            char c = d->ids[t] == 2 ? '[' : d->ids[t] == 3 ? ']' : (char)('a' + d->ids[t] - 5);
            got[n++] = (char)(d->types[t] && c >= 'a' ? c - 32 : c);
        }
    }
    got[n] = '\0';
    if (strcmp(got, wanted)) fail_msg("'%s' + '%s', %d tokens: %s, expected %s", first, second ? second : "", limit, got, wanted);
    assert_int_equal(d->n_cut_tokens, cut);
    assert_int_equal(d->n_cut_examples, cut > 0);
    assert_int_equal(d->line[d->n - 1], 3);
    at_dataset_close(d);
    at_table_close(table);
}

static const char LONG[] = "a b c d e f g h i j k l m n o p q r s t"; /* 20 */

static void a_text_alone(void **state) {
    (void)state;
    expect(LONG, NULL, 10, AT_LONG_AUTO, "[abcdefgh]", 12);
    expect(LONG, NULL, 10, AT_LONG_TAIL, "[abcdefgh]", 12);
    expect(LONG, NULL, 10, AT_LONG_HEAD, "[mnopqrst]", 12);
    expect(LONG, NULL, 10, AT_LONG_MIDDLE, "[abcdqrst]", 12);
    expect(LONG, NULL, 11, AT_LONG_MIDDLE, "[abcdeqrst]", 11);
    expect(LONG, NULL, 10, AT_LONG_WINDOW, "[abcdefgh] [ghijklmn] [mnopqrst]", 0);
    expect(LONG, NULL, 12, AT_LONG_WINDOW, "[abcdefghij] [ijklmnopqr] [qrst]", 0);
    expect(LONG, NULL, 3, AT_LONG_WINDOW, "[a] [b] [c] [d] [e] [f] [g] [h] [i] [j] [k] [l] [m] [n] [o] [p] [q] [r] [s] [t]", 0);
    for (at_long how = AT_LONG_AUTO; how <= AT_LONG_ERROR; how++) expect(LONG, NULL, 22, how, "[abcdefghijklmnopqrst]", 0);
}

static void a_pair(void **state) {
    (void)state;
    expect("x y", LONG, 13, AT_LONG_AUTO, "[xy]ABCDEFGH]", 12);
    expect("x y", LONG, 13, AT_LONG_HEAD, "[xy]MNOPQRST]", 12);
    expect("x y", LONG, 13, AT_LONG_MIDDLE, "[xy]ABCDQRST]", 12);
    expect("x y", LONG, 13, AT_LONG_WINDOW, "[xy]ABCDEFGH] [xy]GHIJKLMN] [xy]MNOPQRST]", 0);
    expect(LONG, "x y", 13, AT_LONG_WINDOW, "[abcdefgh]XY] [ghijklmn]XY] [mnopqrst]XY]", 0);
    expect(LONG, LONG, 13, AT_LONG_AUTO, "[abcde]ABCDE]", 30);
    expect(LONG, LONG, 13, AT_LONG_HEAD, "[pqrst]PQRST]", 30);
    expect(LONG, LONG, 13, AT_LONG_WINDOW, "[abcde]ABCDE] [abcde]EFGHI] [abcde]IJKLM] [abcde]MNOPQ] [abcde]QRST]", 15);
    for (at_long how = AT_LONG_AUTO; how <= AT_LONG_ERROR; how++) expect("x y", LONG, 25, how, "[xy]ABCDEFGHIJKLMNOPQRST]", 0);
}

static void too_long_is_an_error_where_asked(void **state) {
    (void)state;
    at_table *table = table_of(LONG, "");
    at_dataset *d;
    at_error err;
    check_fails(at_dataset_encode_long(table, 0, -1, tokenizer, 10, AT_LONG_ERROR, NULL, &d, &err), AT_BAD_DATA, &err,
                "data.csv:2: 22 tokens, 12 more than the model reads (--long error)");
    at_table_close(table);
}

int main(void) {
    at_arena arena = {0};
    at_error err;
    at_str vocab = {.arena = &arena};
    if (!mkdtemp(folder)) return 1;
    at_str_add(&vocab, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (char c = 'a'; c <= 'z'; c++) at_str_addf(&vocab, "%c\n", c);
    if (at_file_write(at_path_join(&arena, folder, "vocab.txt"), vocab.text, vocab.len, &err) || at_tokenizer_open(folder, &tokenizer, &err)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_text_alone), cmocka_unit_test(a_pair), cmocka_unit_test(too_long_is_an_error_where_asked)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    at_tokenizer_close(tokenizer);
    at_folder_remove(folder, NULL);
    at_arena_free(&arena);
    return failed;
}
