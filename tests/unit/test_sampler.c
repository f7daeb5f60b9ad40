#include "check.h"

#include "tiny_data.h"
#include "train/sampler.h"
#include "train/spool.h"

static void every_example_is_seen_once_an_epoch(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    at_dataset *d = tiny_dataset(37, 20, 100, 3);
    at_sampler s;
    check_ok(at_sampler_init(&s, d, 8, 3, 32, 5, &arena, &err), &err);
    assert_int_equal(s.steps_per_epoch, 5);
    uint32_t first[37], again[37];
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen[37] = {0}, n = 0;
        for (int step = 0; step < 5; step++) {
            const at_step_plan *p = at_sampler_step(&s, 5 * epoch + step);
            for (int i = 0; i < p->n; i++) seen[(epoch ? again : first)[n++] = p->example[i]]++;
        }
        assert_int_equal(n, 37);
        for (int i = 0; i < 37; i++) assert_int_equal(seen[i], 1);
    }
    assert_memory_not_equal(first, again, sizeof first);
    assert_int_equal(at_sampler_step(&s, 0)->example[3], first[3]); /* a step does not depend on those before it */
    at_arena_free(&arena);
    at_dataset_close(d);
}

static void lanes_and_chunks_hold_the_step(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    at_dataset *d = tiny_dataset(200, 60, 100, 3);
    at_sampler s;
    check_ok(at_sampler_init(&s, d, 64, 4, 128, 5, &arena, &err), &err);
    at_step_bounds bounds = at_sampler_bounds(&s, 4);
    for (int step = 0; step < 4; step++) {
        const at_step_plan *p = at_sampler_step(&s, step);
        int seen[64] = {0}, next = 0, most = 0, least = 1 << 30;
        for (int lane = 0; lane < 4; lane++) {
            int lane_rows = 0;
            for (int c = p->chunk_at[lane]; c < p->chunk_at[lane + 1]; c++) {
                int rows = 0;
                assert_int_equal(p->chunk[c].start, next);
                next += p->chunk[c].n;
                for (int i = p->chunk[c].start; i < next; i++) {
                    assert_int_equal(p->dealt[i], p->example[p->seq_id[i]]);
                    seen[p->seq_id[i]]++;
                    rows += at_dataset_length(d, (int)p->dealt[i]);
                }
                assert_in_range(rows, 1, bounds.rows);
                lane_rows += rows;
            }
            assert_int_equal(lane_rows, p->lane_rows[lane]);
            most = lane_rows > most ? lane_rows : most;
            least = lane_rows < least ? lane_rows : least;
        }
        assert_int_equal(next, p->n);
        for (int i = 0; i < p->n; i++) assert_int_equal(seen[i], 1);
        assert_true(most - least <= 60);
        assert_true(bounds.rows <= 192 && bounds.lane_rows >= most);
    }
    at_arena_free(&arena);
    at_dataset_close(d);
}

/* Rows of 2, 1, 3, 2, 1, ... examples. */
static at_dataset *dataset_of_rows(int n) {
    static const int size[] = {2, 1, 3};
    at_dataset *d = tiny_dataset(n, 20, 100, 3);
    d->row = AT_NEW_ARRAY(&d->arena, uint32_t, n);
    d->draw = AT_DRAW_ROWS;
    for (int i = 0, row = 0; i < n; row++)
        for (int k = 0; k < size[row % 3] && i < n; k++) d->row[i++] = (uint32_t)(7 * row); /* numbers may be missing */
    return d;
}

static void rows_stay_together(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    at_dataset *d = dataset_of_rows(39), *part;
    at_sampler s;
    assert_int_equal(at_dataset_units(d), 20);
    check_ok(at_sampler_init(&s, d, 6, 3, 32, 5, &arena, &err), &err);
    assert_int_equal(s.steps_per_epoch, 4);
    at_step_bounds bounds = at_sampler_bounds(&s, 8);
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen[39] = {0};
        for (int step = 0; step < 4; step++) {
            const at_step_plan *p = at_sampler_step(&s, 4 * epoch + step);
            int rows = 0;
            assert_in_range(p->n, 1, bounds.step_seq);
            for (int i = 0; i < p->n; i++) {
                uint32_t e = p->example[i];
                seen[e]++;
                rows += !i || d->row[p->example[i - 1]] != d->row[e];
                if (e > 0 && d->row[e - 1] == d->row[e]) assert_int_equal(p->example[i - 1], e - 1);
            }
            assert_int_equal(rows, step < 3 ? 6 : 2);
        }
        for (int i = 0; i < 39; i++) assert_int_equal(seen[i], 1);
    }
    const uint32_t some[] = {0, 1, 2, 6, 7, 8};
    check_ok(at_dataset_subset(d, some, 6, &part, &err), &err);
    assert_int_equal(at_dataset_units(part), 4);
    at_dataset_close(part);
    at_arena_free(&arena);
    at_dataset_close(d);
}

static void two_of_a_label_follow_each_other(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    at_dataset *d = tiny_dataset(61, 20, 100, 9);
    at_sampler s;
    int count[9] = {0}, seen[61] = {0}, pairs = 0, wanted = 0;
    d->draw = AT_DRAW_LABELS;
    d->label[5] = -1;
    for (int i = 0; i < 61; i++)
        if (d->label[i] >= 0) count[d->label[i]]++;
    for (int c = 0; c < 9; c++) wanted += count[c] / 2;
    check_ok(at_sampler_init(&s, d, 61, 1, 32, 5, &arena, &err), &err);
    for (int epoch = 0; epoch < 2; epoch++) {
        const at_step_plan *p = at_sampler_step(&s, epoch);
        pairs = 0;
        for (int i = 0; i < 61; i++) seen[p->example[i]]++;
        for (int i = 0; i + 1 < 61; i++) {
            int32_t label = d->label[p->example[i]];
            if (label < 0 || label != d->label[p->example[i + 1]]) continue;
            pairs++;
            i++;
        }
        assert_true(pairs >= wanted);
    }
    for (int i = 0; i < 61; i++) assert_int_equal(seen[i], 2);
    at_arena_free(&arena);
    at_dataset_close(d);
}

static void pack_lays_sequences_end_to_end(void **state) {
    (void)state;
    at_error err;
    at_arena arena = {0};
    at_dataset *d = tiny_dataset(10, 9, 100, 3);
    at_batch b;
    const uint32_t index[] = {7, 2, 5}, id[] = {4, 0, 9};
    check_ok(at_dataset_pack(d, index, id, 3, &arena, &b, &err), &err);
    for (int s = 0; s < 3; s++) {
        int len = at_dataset_length(d, (int)index[s]);
        assert_int_equal(b.cu_seqlens[s + 1] - b.cu_seqlens[s], len);
        assert_memory_equal(b.ids + b.cu_seqlens[s], d->ids + d->token_at[index[s]], (size_t)len * 4);
        assert_int_equal(b.example[s], index[s]);
        assert_true(b.seq_row[s] == (uint64_t)id[s] << 32);
        assert_true(b.row_id[b.cu_seqlens[s] + len - 1] == ((uint64_t)id[s] << 32 | (uint64_t)(len - 1)));
        assert_int_equal(b.positions[b.cu_seqlens[s]], 0);
    }
    at_arena_free(&arena);
    at_dataset_close(d);
}

static void subset_and_hash_follow_the_content(void **state) {
    (void)state;
    at_error err;
    at_dataset *d = tiny_dataset(10, 9, 100, 3), *same, *other;
    const uint32_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, some[] = {3, 3, 9};
    check_ok(at_dataset_subset(d, all, 10, &same, &err), &err);
    check_ok(at_dataset_subset(d, some, 3, &other, &err), &err);
    assert_true(at_dataset_hash(d) == at_dataset_hash(same));
    same->label[4] ^= 1;
    assert_true(at_dataset_hash(d) != at_dataset_hash(same));
    assert_int_equal(other->n, 3);
    assert_int_equal(other->label[2], d->label[9]);
    assert_int_equal(other->line[1], d->line[3]);
    assert_int_equal(at_dataset_length(other, 2), at_dataset_length(d, 9));
    assert_memory_equal(other->ids + other->token_at[2], d->ids + d->token_at[9], 4);
    check_fails(at_dataset_fits(d, 50, 2, 512, &err), AT_BAD_MODEL, &err, "token");
    check_fails(at_dataset_fits(d, 100, 2, 3, &err), AT_BAD_MODEL, &err, "at most");
    at_dataset_close(d);
    at_dataset_close(same);
    at_dataset_close(other);
}

/* The same bytes, whether they stayed in memory, went to a file, or the file could not be made. */
static void spool_gives_back_what_was_added(void **state) {
    (void)state;
    at_error err;
    const char *folders[] = {"/tmp", "/no/such/folder"};
    for (int round = 0; round < 3; round++) {
        at_spool *s;
        const void *bytes;
        if (round) setenv("TMPDIR", folders[round - 1], 1);
        check_ok(at_spool_open(round ? 100000 : 1 << 30, &s, &err), &err);
        for (uint32_t i = 0; i < 600000; i++) check_ok(at_spool_add(s, &i, sizeof i, &err), &err);
        check_ok(at_spool_seal(s, &bytes, &err), &err);
        const uint32_t *numbers = bytes;
        for (uint32_t i = 0; i < 600000; i++) assert_int_equal(numbers[i], i);
        at_spool_close(s);
    }
    unsetenv("TMPDIR");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_is_seen_once_an_epoch),
        cmocka_unit_test(lanes_and_chunks_hold_the_step),
        cmocka_unit_test(rows_stay_together),
        cmocka_unit_test(two_of_a_label_follow_each_other),
        cmocka_unit_test(pack_lays_sequences_end_to_end),
        cmocka_unit_test(subset_and_hash_follow_the_content),
        cmocka_unit_test(spool_gives_back_what_was_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
