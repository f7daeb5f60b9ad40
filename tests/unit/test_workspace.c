/* The batch of dry runs: at least as large as every batch that it stands for, and one that the model could read. */
#include "check.h"

#include "tensor/workspace.h"

/* Positions count from 0 in each text and stay below `len`. */
static void check_positions(const at_batch *b, int len) {
    for (int s = 0; s < b->n_seq; s++)
        for (int r = b->cu_seqlens[s]; r < b->cu_seqlens[s + 1]; r++) {
            assert_in_range(b->positions[r], 0, len - 1);
            if (r - b->cu_seqlens[s] < len) assert_int_equal(b->positions[r], r - b->cu_seqlens[s]);
        }
}

/* Where encoder and decoder have equally many rows the dry run gives the decoder one more, even where all of its texts are as long as the
 * model reads: that row has no position of its own. */
static void a_decoder_stays_within_its_positions(void **state) {
    (void)state;
    static const at_batch_size SIZES[] = {
        {64, 1, 64, 0, 64, 64}, {128, 2, 64, 0, 128, 64}, {70, 7, 64, 60, 70, 64}, {200, 5, 64, 0, 120, 64}, {5, 5, 1, 0, 5, 1}, {65, 2, 64, 0, 64, 64},
    };
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        at_arena arena = {0};
        at_error err = {0};
        at_batch b;
        check_ok(at_batch_largest(&arena, SIZES[i], &b, &err), &err);
        assert_true(b.rows >= SIZES[i].rows && b.decoder->rows >= SIZES[i].decoder_rows && b.rows != b.decoder->rows);
        assert_true(b.decoder->max_len >= SIZES[i].decoder_len);
        check_positions(&b, SIZES[i].max_len);
        check_positions(b.decoder, SIZES[i].decoder_len);
        at_arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_decoder_stays_within_its_positions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
