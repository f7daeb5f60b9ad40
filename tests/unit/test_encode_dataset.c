#include "check.h"

#include "base/file.h"
#include "base/str.h"
#include "train/dataset.h"

static char folder[] = "/tmp/attune-encode-XXXXXX";
static at_tokenizer *tokenizer;
static at_table *table;
enum { ROWS = 20000, LIMIT = 12 }; /* more than two waves */

static void write_files(void) {
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\nday\n##s\nnight\n.\n";
    at_arena arena = {0};
    at_error err;
    at_str csv = {.arena = &arena};
    at_str_add(&csv, "text,other\n");
    for (int i = 0; i < ROWS; i++) {
        for (int w = 0; w < i % 17; w++) at_str_add(&csv, (i + w) % 3 ? "good " : "nights ");
        at_str_addf(&csv, "%s,%s\n", i % 17 || i % 2 ? "day" : "\"\"", i % 5 ? "bad day" : "");
    }
    check_ok(at_file_write(at_path_join(&arena, folder, "vocab.txt"), vocab, strlen(vocab), &err), &err);
    check_ok(at_file_write(at_path_join(&arena, folder, "data.csv"), csv.text, csv.len, &err), &err);
    check_ok(at_tokenizer_open(folder, &tokenizer, &err), &err);
    check_ok(at_table_read(at_path_join(&arena, folder, "data.csv"), &(at_table_options){0}, &table, &err), &err);
    at_arena_free(&arena);
}

static void rows_are_encoded_one_by_one_in_order(void **state) {
    (void)state;
    at_error err;
    at_pool *pool;
    at_encoding e = {0};
    const at_encode_options options = {.max_tokens = LIMIT};
    check_ok(at_pool_open(&pool, 3, &err), &err);
    for (int second = -1; second <= 1; second += 2) {
        at_dataset *d, *single;
        check_ok(at_dataset_encode(table, 0, second, tokenizer, LIMIT, pool, &d, &err), &err);
        check_ok(at_dataset_encode(table, 0, second, tokenizer, LIMIT, NULL, &single, &err), &err);
        assert_int_equal(d->n, ROWS);
        assert_true(at_dataset_hash(d) == at_dataset_hash(single));
        int cut = 0;
        uint64_t cut_tokens = 0;
        for (int i = 0; i < ROWS; i++) {
            at_cell a = at_table_cell(table, i, 0), b = at_table_cell(table, i, 1);
            check_ok(at_encode(tokenizer, a.text ? a.text : "", a.len, second < 0 ? NULL : b.text ? b.text : "", b.len, &options, &e, &err), &err);
            assert_int_equal(at_dataset_length(d, i), e.n);
            assert_memory_equal(d->ids + d->token_at[i], e.ids, (size_t)e.n * sizeof *e.ids);
            assert_memory_equal(d->types + d->token_at[i], e.types, (size_t)e.n);
            assert_int_equal(d->line[i], table->line[i]);
            cut += e.n_cut > 0;
            cut_tokens += (uint64_t)e.n_cut;
        }
        assert_true(cut > 0);
        assert_int_equal(d->n_cut_examples, cut);
        assert_int_equal(d->n_cut_tokens, cut_tokens);
        assert_int_equal(d->longest, LIMIT);
        at_dataset_close(d);
        at_dataset_close(single);
    }
    at_encoding_free(&e);
    at_pool_close(pool);
}

static void a_limit_without_room_is_refused(void **state) {
    (void)state;
    at_error err;
    at_dataset *d;
    check_fails(at_dataset_encode(table, 0, -1, tokenizer, 2, NULL, &d, &err), AT_USAGE, &err, "at least 3");
    check_fails(at_dataset_encode(table, 0, 1, tokenizer, 4, NULL, &d, &err), AT_USAGE, &err, "at least 5");
}

int main(void) {
    if (!mkdtemp(folder)) return 1;
    write_files();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_encoded_one_by_one_in_order),
        cmocka_unit_test(a_limit_without_room_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    at_table_close(table);
    at_tokenizer_close(tokenizer);
    at_folder_remove(folder, NULL);
    return failed;
}
