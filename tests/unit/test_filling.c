/* Files of a checkpoint: what lies between the ranges is zero, what the disk gives back is compared, files made beforehand are used. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "io/safetensors.h"
#include "train/filling.h"
#include "train/optimizer.h"

enum { COUNT = 300000, SMALL = 5 };
static char folder[] = "/tmp/attune-filling-XXXXXX";
static float numbers[COUNT];
static int32_t steps[SMALL] = {3, 1, 4, 1, 5};
static const at_saved_range ranges[] = {{7, 1}, {1000, 100000}, {101000, 3}, {299999, 1}};
static const atomic_int hurry = 1;

static int make(void **state) {
    (void)state;
    for (int i = 0; i < COUNT; i++) numbers[i] = (float)at_random_below(1, (uint64_t)i, 1000) - 500;
    return !mkdtemp(folder);
}

static int clean(void **state) {
    (void)state;
    at_error err;
    return at_folder_remove(folder, &err) != AT_OK;
}

static const char *in_folder(const char *name) {
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Two arrays, the first one with ranges. */
static void lay(at_filling *f, at_arena *arena) {
    static const at_saved_array arrays[] = {{"numbers", 0, numbers, COUNT, ranges, 4}, {.name = "steps", .is_int = 1, .data = steps, .count = SMALL}};
    const at_saved_file file = {.name = "two.safetensors", .arrays = arrays, .n = 2};
    uint64_t bytes;
    at_part *parts;
    int n;
    at_error err;
    check_ok(at_filling_lay(&file, arena, &bytes, &parts, &n, &err), &err);
    check_ok(at_filling_open(f, in_folder(file.name), bytes, &err), &err);
    f->part = parts;
    f->n = n;
}

static void what_is_between_ranges_is_zero(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    at_filling f;
    XXH128_hash_t hash;
    at_safetensors *file;
    static float read[COUNT];
    int32_t read_steps[SMALL];
    at_pool *pool;
    check_ok(at_pool_open(&pool, 3, &err), &err);
    lay(&f, &arena);
    check_ok(at_fillings_write(&f, 1, pool, &arena, &err), &err);
    check_ok(at_filling_check(&f, &hurry, &hash, &err), &err);
    check_ok(at_safetensors_open(in_folder("two.safetensors"), &file, &err), &err);
    check_ok(at_saved_array_load(file, "numbers", 0, read, COUNT, &err), &err);
    check_ok(at_saved_array_load(file, "steps", 1, read_steps, SMALL, &err), &err);
    assert_memory_equal(read_steps, steps, sizeof steps);
    for (size_t i = 0, k = 0; i < COUNT; i++) {
        if (k < 4 && i >= ranges[k].start + ranges[k].n) k++;
        if (read[i] != (k < 4 && i >= ranges[k].start ? numbers[i] : 0)) fail_msg("%zu: %g", i, (double)read[i]);
    }
    at_safetensors_close(file);
    at_pool_close(pool);
    at_arena_free(&arena);
}

/* Any byte, in a range or between two. */
static void what_the_disk_changed_is_seen(void **state) {
    (void)state;
    for (uint64_t at = 9; at < 4 * COUNT; at += 4 * COUNT / 40) {
        at_arena arena = {0};
        at_error err;
        at_filling f;
        XXH128_hash_t hash;
        char byte;
        lay(&f, &arena);
        check_ok(at_filling_write_slowly(&f, &hurry, &err), &err);
        assert_int_equal(pread(f.fd, &byte, 1, (off_t)at), 1);
        byte ^= 16;
        assert_int_equal(pwrite(f.fd, &byte, 1, (off_t)at), 1);
        assert_int_equal(at_filling_check(&f, &hurry, &hash, &err), AT_DISK);
        assert_non_null(strstr(err.text, "not what was written"));
        at_arena_free(&arena);
    }
}

static void what_is_not_finite_is_named(void **state) {
    (void)state;
    at_arena arena = {0};
    at_error err;
    at_filling f;
    float was = numbers[101001];
    numbers[101001] = (float)(1e308 * 10);
    lay(&f, &arena);
    assert_int_equal(at_fillings_write(&f, 1, NULL, &arena, &err), AT_DIVERGED);
    assert_non_null(strstr(err.text, "numbers"));
    at_filling_close(&f);
    numbers[101001] = was;
    at_arena_free(&arena);
}

/* ---- files made beforehand ---- */

static void write_step(at_saver *saver, int step, const at_saved_file *files, at_error *err) {
    json_t *state = json_object();
    check_ok(at_saver_write(saver, step, files, 2, state, NULL, err), err);
    check_ok(at_saver_wait(saver, err), err);
    json_decref(state);
}

static ino_t number_of_file(const char *name) {
    struct stat info;
    if (stat(in_folder(name), &info)) fail_msg("%s is not there", name);
    return info.st_ino;
}

static void files_made_beforehand_are_used(void **state) {
    (void)state;
    const at_saved_array all = {.name = "numbers", .data = numbers, .count = COUNT}, some = {"numbers", 0, numbers, COUNT, ranges, 4};
    const at_saved_file files[] = {{"changes.safetensors", &all, 1, 0}, {"stays.safetensors", &some, 1, 1}};
    const at_checkpoint_owner owner = {"settings", 7, "kernels", 1, 2};
    at_arena arena = {0};
    at_saver *saver;
    at_error err;
    json_t *manifest;
    const char *path;
    check_ok(at_saver_open(in_folder("run"), &owner, &saver, &err), &err);
    write_step(saver, 1, files, &err);
    assert_int_equal(at_saver_prepare(saver, files, 2), 1);
    at_saver_settle(saver);
    assert_int_equal(at_saver_prepare(saver, files, 2), 1); /* is done already */
    ino_t made = number_of_file("run/.checkpoint-next.tmp/changes.safetensors");
    write_step(saver, 2, files, &err);
    assert_true(number_of_file("run/checkpoint-2/changes.safetensors") == made);
    check_ok(at_saver_find(saver, &arena, &path, &manifest, NULL, NULL, &err), &err);
    assert_non_null(strstr(path, "checkpoint-2"));
    json_decref(manifest);
    assert_int_equal(at_saver_prepare(saver, files, 2), 1);
    at_saver_close(saver);
    assert_false(at_file_exists(in_folder("run/.checkpoint-next.tmp")));
    at_arena_free(&arena);
}

/* ---- what an optimiser has to save ---- */

static void rows_without_history_are_left_out(void **state) {
    (void)state;
    enum { DENSE = 100, ROWS = 200, COLS = 4, TOTAL = DENSE + ROWS * COLS + DENSE };
    at_weight weights[] = {{.size = DENSE, .moments = 0}, {.size = ROWS * COLS, .moments = DENSE, .out = ROWS, .in = COLS},
                           {.size = DENSE, .moments = DENSE + ROWS * COLS}};
    at_params params = {.weights = weights, .n = 3, .n_moments = TOTAL};
    for (uint64_t round = 0; round < 50; round++) {
        unsigned char history[ROWS] = {0}, covered[TOTAL] = {0};
        at_table_state table = {.weight = &weights[1], .history = history};
        const at_optimizer o = {.params = &params, .tables = &table, .n_tables = 1};
        at_arena arena = {0};
        at_saved_range *range;
        int n, rows = 0, many = 0;
        at_error err;
        for (uint64_t r = 0; r < ROWS; r++) rows += history[r] = !at_random_below(round, r, 1 + 2 * round);
        check_ok(at_optimizer_history(&o, &arena, &range, &n, &err), &err);
        for (int i = 0; i < n; i++) {
            assert_true(range[i].n > 0 && range[i].start + range[i].n <= TOTAL);
            assert_true(!i || range[i].start >= range[i - 1].start + range[i - 1].n);
            memset(covered + range[i].start, 1, range[i].n);
        }
        for (int at = 0; at < TOTAL; at++) {
            int row = at < DENSE || at >= DENSE + ROWS * COLS ? -1 : (at - DENSE) / COLS;
            assert_true(covered[at] || (row >= 0 && !history[row]));
            many += covered[at];
        }
        if (!rows) assert_int_equal(many, 2 * DENSE);
        at_arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_between_ranges_is_zero), cmocka_unit_test(what_the_disk_changed_is_seen),
        cmocka_unit_test(what_is_not_finite_is_named),    cmocka_unit_test(files_made_beforehand_are_used),
        cmocka_unit_test(rows_without_history_are_left_out)};
    return cmocka_run_group_tests(tests, make, clean);
}
