#include "check.h"

#include <math.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/room.h"
#include "base/str.h"
#include "base/thread.h"

/* Large requests lie in a file without a name, or in the heap where none can be made: all else is the same. */
static void a_mapped_arena_is_an_arena(void **state) {
    (void)state;
    for (int nowhere = 0; nowhere < 2; nowhere++) {
        at_arena arena = {.mapped = 1};
        if (nowhere) setenv("TMPDIR", "/nowhere/at/all", 1);
        char *small = at_strdup(&arena, "small");
        at_mark mark = at_arena_mark(&arena);
        unsigned char *large = at_alloc(&arena, 3 << 20, 1), *larger = at_alloc_raw(&arena, 5 << 20, 1);
        assert_non_null(large);
        assert_non_null(larger);
        assert_int_equal((uintptr_t)large % AT_ALIGN, 0);
        for (size_t i = 0; i < 3 << 20; i++) assert_int_equal(large[i], 0);
        memset(large, 7, 3 << 20);
        memset(larger, 8, 5 << 20);
        at_arena_idle(&arena);
        char *after = at_strdup(&arena, "after");
        for (size_t i = 0; i < 3 << 20; i++) assert_int_equal(large[i], 7);
        assert_string_equal(after, "after");
        at_arena_rewind(&arena, mark);
        assert_string_equal(small, "small");
        assert_non_null(at_alloc(&arena, 2 << 20, 1));
        at_arena_free(&arena);
        unsetenv("TMPDIR");
    }
}

/* Through every size from nothing to a file and back, with a disk and without; pages that were given back are as they were. */
static void a_room_keeps_what_it_holds(void **state) {
    (void)state;
    static const size_t SIZES[] = {1, 1000, AT_MAPPED_BYTES / 4 - 1, AT_MAPPED_BYTES / 4, 1 << 20, 3 << 20, AT_MAPPED_BYTES / 4 - 7, 1 << 18};
    for (int nowhere = 0; nowhere < 2; nowhere++) {
        uint32_t *room = NULL;
        size_t had = 0;
        if (nowhere) setenv("TMPDIR", "/nowhere/at/all", 1);
        at_room_idle(room);
        for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) {
            room = at_room_resize(room, SIZES[k] * sizeof *room);
            assert_non_null(room);
            for (size_t i = 0; i < had && i < SIZES[k]; i++) assert_int_equal(room[i], 7 * i);
            for (size_t i = had; i < SIZES[k]; i++) room[i] = (uint32_t)(7 * i);
            had = SIZES[k];
            at_room_idle(room);
        }
        for (size_t i = 0; i < had; i++) assert_int_equal(room[i], 7 * i);
        assert_null(at_room_resize(room, SIZE_MAX));
        assert_int_equal(room[had - 1], 7 * (had - 1));
        at_room_free(room);
        unsetenv("TMPDIR");
    }
}

static void arena_rewinds_to_a_mark(void **state) {
    (void)state;
    at_arena arena = {0};
    int *first = AT_NEW(&arena, int);
    *first = 7;
    at_mark mark = at_arena_mark(&arena);
    for (int i = 0; i < 100; i++) assert_non_null(at_alloc(&arena, 5000, 1));
    assert_true(at_arena_peak(&arena) >= 500000);
    at_arena_rewind(&arena, mark);
    assert_int_equal(arena.total, AT_ALIGN);
    assert_int_equal(*first, 7);
    assert_int_equal((uintptr_t)at_alloc(&arena, 1, 1) % AT_ALIGN, 0);
    at_arena_free(&arena);
}

static void arena_refuses_overflow_and_its_end(void **state) {
    (void)state;
    at_arena arena = {0};
    assert_null(at_alloc(&arena, SIZE_MAX / 2, 4));
    at_arena_free(&arena);
    at_error err;
    check_ok(at_arena_fixed(&arena, 1024, &err), &err);
    assert_non_null(at_alloc(&arena, 1024, 1));
    assert_null(at_alloc(&arena, 1, 1));
    at_arena_free(&arena);
}

static void measuring_arena_counts_without_memory(void **state) {
    (void)state;
    at_arena arena;
    at_error err;
    check_ok(at_arena_measure(&arena, &err), &err);
    for (int i = 0; i < 100; i++) assert_non_null(at_alloc(&arena, (size_t)1 << 30, 1));
    assert_int_equal(at_arena_peak(&arena), (size_t)100 << 30);
    at_arena_free(&arena);
}

static void random_is_a_function_of_its_counters(void **state) {
    (void)state;
    uint64_t key = at_random_key(42, AT_SITE_INIT, 3);
    assert_true(key == at_random_key(42, AT_SITE_INIT, 3));
    assert_true(key != at_random_key(42, AT_SITE_INIT, 4));
    double sum = 0, squares = 0;
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        double x = at_random_normal(key, (uint64_t)i);
        sum += x;
        squares += x * x;
    }
    assert_true(sum / N > -0.03 && sum / N < 0.03);
    assert_true(squares / N > 0.97 && squares / N < 1.03);
}

static void dropout_drops_its_share_without_pattern(void **state) {
    (void)state;
    enum { ROWS = 400, COLS = 384 };
    const uint32_t threshold = 6554;
    long dropped = 0, pairs = 0;
    uint64_t key = at_random_key(1, AT_SITE_DROPOUT, 0);
    for (uint64_t r = 0; r < ROWS; r++) {
        uint64_t row = at_random_row(key, r), next = at_random_row(key, r + 1);
        for (uint32_t c = 0; c < COLS; c++) {
            int drop = !at_dropout_keeps(row, c, threshold);
            dropped += drop;
            pairs += drop && !at_dropout_keeps(next, c, threshold);
            pairs += drop && !at_dropout_keeps(row, c ^ 16, threshold);
        }
    }
    double share = (double)dropped / (ROWS * COLS), both = (double)pairs / (2.0 * ROWS * COLS);
    assert_true(share > 0.097 && share < 0.103);
    assert_true(both > 0.0085 && both < 0.0115);
}

static void permutation_holds_every_number_once(void **state) {
    (void)state;
    uint32_t order[1000];
    unsigned char seen[1000] = {0};
    at_random_permutation(9, order, 1000);
    int moved = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_false(seen[order[i]]);
        seen[order[i]] = 1;
        moved += order[i] != i;
    }
    assert_true(moved > 900);
}

static void nearest_word_is_found(void **state) {
    (void)state;
    const char *list[] = {"negative", "neutral", "positive"};
    assert_string_equal(at_nearest("postive", list, 3), "positive");
    assert_string_equal(at_nearest("Positive", list, 3), "positive");
    assert_null(at_nearest("banana", list, 3));
}

static void utf8_is_strict(void **state) {
    (void)state;
    assert_int_equal(at_utf8_check("h\xc3\xa9llo \xf0\x9f\x98\x80", 11), 11);
    assert_int_equal(at_utf8_check("ab\xc0\x80", 4), 2);
    assert_int_equal(at_utf8_check("\xed\xa0\x80", 3), 0);
    assert_int_equal(at_utf8_check("x\xe2\x82", 3), 1);
    char out[4];
    uint32_t cp;
    assert_int_equal(at_utf8_encode(0x1F600, out), 4);
    assert_int_equal(at_utf8_decode((unsigned char *)out, 4, &cp), 4);
    assert_int_equal(cp, 0x1F600);
}

static void written_files_are_whole(void **state) {
    (void)state;
    char folder[] = "/tmp/attune-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    at_arena arena = {0};
    at_error err;
    char *path = at_path_join(&arena, folder, "a.txt"), *text;
    size_t len;
    check_ok(at_file_write(path, "hello", 5, &err), &err);
    check_ok(at_file_read(&arena, path, 100, AT_BAD_DATA, &text, &len, &err), &err);
    assert_string_equal(text, "hello");
    check_fails(at_file_read(&arena, path, 3, AT_BAD_DATA, &text, &len, &err), AT_BAD_DATA, &err, "limit");
    check_fails(at_file_read(&arena, at_path_join(&arena, folder, "b"), 3, AT_BAD_DATA, &text, &len, &err), AT_BAD_DATA,
                &err, "No such file");
    char **names;
    int n;
    check_ok(at_folder_list(&arena, folder, &names, &n, &err), &err);
    assert_int_equal(n, 1);
    check_ok(at_folder_remove(folder, &err), &err);
    assert_false(at_file_exists(folder));
    at_arena_free(&arena);
}

static void unsafe_names_are_refused(void **state) {
    (void)state;
    assert_true(at_name_is_safe("1_Pooling/config.json"));
    assert_false(at_name_is_safe("../x"));
    assert_false(at_name_is_safe("a/../../x"));
    assert_false(at_name_is_safe("/etc/passwd"));
    assert_false(at_name_is_safe(""));
    assert_true(at_name_is_safe("a..b"));
}

/* Ten to the thirtieth is what transformers writes for "no limit"; the other numbers stay what they are. */
static void json_takes_large_integers(void **state) {
    (void)state;
    static const char text[] = "{\"none\": 1000000000000000019884624838656, \"few\": 5, \"text\": \"a\\\"99999999999999999999,\", \"list\": "
                               "[-99999999999999999999, 123456789012345678, 1.5e3, 0.99999999999999999999]}";
    at_error err;
    json_t *root;
    check_ok(at_json_parse(text, strlen(text), "x.json", AT_BAD_MODEL, &root, &err), &err);
    assert_true(json_is_real(json_object_get(root, "none")) && fabs(json_number_value(json_object_get(root, "none")) / 1e30 - 1) < 1e-12);
    assert_int_equal(json_integer_value(json_object_get(root, "few")), 5);
    assert_string_equal(json_string_value(json_object_get(root, "text")), "a\"99999999999999999999,");
    const json_t *list = json_object_get(root, "list");
    assert_true(fabs(json_number_value(json_array_get(list, 0)) / -1e20 - 1) < 1e-12);
    assert_true(json_integer_value(json_array_get(list, 1)) == 123456789012345678);
    assert_true(json_number_value(json_array_get(list, 2)) == 1500 && fabs(json_number_value(json_array_get(list, 3)) - 1) < 1e-12);
    json_decref(root);
    static const char wrong[] = "{\"none\": 1000000000000000019884624838656,\n \"few\": }";
    check_fails(at_json_parse(wrong, strlen(wrong), "x.json", AT_BAD_MODEL, &root, &err), AT_BAD_MODEL, &err, "x.json:2:");
}

static void json_errors_say_where(void **state) {
    (void)state;
    at_error err;
    json_t *root;
    const char *text = "{\n \"a\": 1,\n \"a\": 2}";
    check_fails(at_json_parse(text, strlen(text), "x.json", AT_BAD_MODEL, &root, &err), AT_BAD_MODEL, &err, "x.json:3:");
}

static void count_task(void *context, int i) { ((int *)context)[i]++; }

static void pool_runs_every_task_once(void **state) {
    (void)state;
    at_pool *pool;
    at_error err;
    check_ok(at_pool_open(&pool, 3, &err), &err);
    int counts[100] = {0};
    for (int round = 0; round < 50; round++) at_pool_run(pool, count_task, counts, 100);
    for (int i = 0; i < 100; i++) assert_int_equal(counts[i], 50);
    at_pool_close(pool);
    assert_true(at_cpu_count() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_rewinds_to_a_mark),
        cmocka_unit_test(a_mapped_arena_is_an_arena),
        cmocka_unit_test(a_room_keeps_what_it_holds),
        cmocka_unit_test(arena_refuses_overflow_and_its_end),
        cmocka_unit_test(measuring_arena_counts_without_memory),
        cmocka_unit_test(random_is_a_function_of_its_counters),
        cmocka_unit_test(dropout_drops_its_share_without_pattern),
        cmocka_unit_test(permutation_holds_every_number_once),
        cmocka_unit_test(nearest_word_is_found),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(written_files_are_whole),
        cmocka_unit_test(unsafe_names_are_refused),
        cmocka_unit_test(json_errors_say_where),
        cmocka_unit_test(json_takes_large_integers),
        cmocka_unit_test(pool_runs_every_task_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
