#include "check.h"

#include "base/file.h"
#include "base/str.h"
#include "train/dataset.h"
#include "train/dataset_file.h"

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

static void check_same(const at_dataset *a, const at_dataset *b) {
    assert_int_equal(a->n, b->n);
    assert_true(at_dataset_hash(a) == at_dataset_hash(b));
    assert_memory_equal(a->line, b->line, (size_t)a->n * sizeof *a->line);
    if (a->row) assert_memory_equal(a->row, b->row, (size_t)a->n * sizeof *a->row);
    assert_int_equal(a->row != NULL, b->row != NULL);
    assert_int_equal(a->span != NULL, b->span != NULL);
    if (a->span) assert_memory_equal(a->span, b->span, 2 * at_dataset_outputs(a) * sizeof *a->span);
    assert_int_equal(a->longest, b->longest);
    assert_int_equal(a->max_tokens, b->max_tokens);
    assert_int_equal(a->n_cut_examples, b->n_cut_examples);
    assert_true(a->n_cut_tokens == b->n_cut_tokens);
    assert_int_equal(a->max_id, b->max_id);
    assert_int_equal(a->max_type, b->max_type);
    assert_string_equal(a->path, b->path);
}

/* What a file gives back, or nothing: then it is tokenised again. */
static at_dataset *load(const char *path, uint64_t key) {
    at_dataset *d;
    at_error err;
    check_ok(at_dataset_load(path, key, table->path, table, &d, &err), &err);
    return d;
}

static void a_kept_dataset_is_the_same_and_no_private_memory(void **state) {
    (void)state;
    at_error err;
    at_dataset *d, *kept;
    char path[128];
    snprintf(path, sizeof path, "%s/tokens", folder);
    assert_null(load(path, 7));
    check_ok(at_dataset_encode(table, 0, 1, tokenizer, LIMIT, NULL, &d, &err), &err);
    uint32_t outputs = 0, *place = calloc(3 * ROWS, sizeof *place);
    int32_t *span = calloc(6 * ROWS, sizeof *span);
    float *target = calloc(6 * ROWS, sizeof *target);
    d->place_at = calloc(ROWS + 1, sizeof *d->place_at);
    d->row = calloc(ROWS, sizeof *d->row);
    d->label = calloc(3 * ROWS, sizeof *d->label);
    for (int i = 0; i < ROWS; i++) {
        d->row[i] = (uint32_t)i / 2;
        for (int k = 0; k < i % 3; k++, outputs++) place[outputs] = (uint32_t)k, span[2 * outputs] = i, d->label[outputs] = k - 1, target[2 * outputs] = (float)i;
        d->place_at[i + 1] = outputs;
    }
    d->place = place;
    for (int all = 0; all < 2; all++) { /* without and with all that a dataset may have */
        uint64_t *place_at = d->place_at;
        uint32_t *row = d->row;
        if (!all) d->place_at = NULL, d->row = NULL, d->place = NULL;
        else d->span = span, d->target = target, d->target_width = 2, d->table = table, d->place = place, d->draw = AT_DRAW_ROWS;
        check_ok(at_dataset_store(d, path, 7, &err), &err);
        assert_null(load(path, 8));
        kept = load(path, 7);
        assert_non_null(kept);
        assert_non_null(kept->map);
        assert_true(kept->table == (all ? table : NULL));
        assert_int_equal(kept->draw, all ? AT_DRAW_ROWS : AT_DRAW_EXAMPLES);
        check_same(d, kept);
        at_dataset_close(kept);
        d->place_at = place_at;
        d->row = row;
    }
    at_arena arena = {0};
    char *bytes;
    size_t n;
    check_ok(at_file_read(&arena, path, (size_t)1 << 30, AT_BAD_DATA, &bytes, &n, &err), &err);
    for (size_t i = 0; i < 40; i++) { /* every bit counts, in the header and in the arrays */
        size_t at = i < 20 ? i * 13 : n / 20 * (i - 20) + i;
        bytes[at] ^= 4;
        check_ok(at_file_write(path, bytes, n, &err), &err);
        if (load(path, 7)) fail_msg("byte %zu was changed unseen", at);
        bytes[at] ^= 4;
    }
    for (size_t cut = 0; cut <= n; cut += n / 7 + 1) {
        check_ok(at_file_write(path, bytes, cut, &err), &err);
        assert_null(load(path, 7));
    }
    at_arena_free(&arena);
    free(d->place_at), free(d->row), free(d->label), free(place), free(span), free(target);
    at_dataset_close(d);
}

int main(void) {
    if (!mkdtemp(folder)) return 1;
    write_files();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_encoded_one_by_one_in_order),
        cmocka_unit_test(a_kept_dataset_is_the_same_and_no_private_memory),
        cmocka_unit_test(a_limit_without_room_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    at_table_close(table);
    at_tokenizer_close(tokenizer);
    at_folder_remove(folder, NULL);
    return failed;
}
