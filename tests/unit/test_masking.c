/* Which tokens masked language hides: shares over many sequences, the same for the same key, whole words; and its loss over a vocabulary of
 * several blocks against the plain ops. */
#include "check.h"

#include <math.h>

#include "base/random.h"
#include "op/op.h"
#include "task/masking.h"

enum { VOCAB = 1000, MASK = 4, SPECIALS = 5, LEN = 64, SEQUENCES = 4000 };

static uint8_t kinds[VOCAB];
static const at_masking M = {NULL, MASK, VOCAB, kinds};

/* Every third word of the vocabulary goes on with the one before it. */
static int make(void **state) {
    (void)state;
    for (int id = 0; id < VOCAB; id++) kinds[id] = id < SPECIALS ? AT_TOKEN_SPECIAL : id % 3 == 0 ? AT_TOKEN_INSIDE : 0;
    return 0;
}

/* [CLS] words [SEP] */
static void sequence(int number, int32_t *ids, int len) {
    for (int i = 0; i < len; i++) ids[i] = SPECIALS + (int32_t)at_random_below(at_random_key(9, 9, (uint64_t)number), (uint64_t)i, VOCAB - SPECIALS);
    ids[0] = 2;
    ids[len - 1] = 3;
}

static void shares_are_those_of_the_paper(void **state) {
    (void)state;
    double hidden = 0, masked = 0, same = 0, all = 0, at[LEN] = {0};
    for (int s = 0; s < SEQUENCES; s++) {
        int32_t ids[LEN], before[LEN], place[LEN], label[LEN];
        sequence(s, before, LEN);
        memcpy(ids, before, sizeof ids);
        int n = at_masking_count(&M, ids, LEN);
        assert_int_equal(n, 9); /* 15% of 62 */
        at_masking_draw(&M, at_random_key(1, AT_SITE_MASK, (uint64_t)s), 0, ids, LEN, place, label, n);
        for (int k = 0; k < n; k++) {
            assert_true(place[k] > (k ? place[k - 1] : 0) && place[k] < LEN - 1);
            assert_int_equal(label[k], before[place[k]]);
            masked += ids[place[k]] == MASK;
            same += ids[place[k]] == label[k];
            at[place[k]]++;
        }
        for (int i = 0, k = 0; i < LEN; i++) {
            if (k < n && place[k] == i) k++;
            else assert_int_equal(ids[i], before[i]);
        }
        hidden += n;
        all += LEN - 2;
    }
    assert_true(fabs(hidden / all - 0.15) < 0.006);
    assert_true(fabs(masked / hidden - 0.8) < 5 * sqrt(0.8 * 0.2 / hidden));
    assert_true(fabs(same / hidden - 0.1) < 5 * sqrt(0.1 * 0.9 / hidden) + 0.1 / VOCAB);
    for (int i = 1; i < LEN - 1; i++) /* every place alike */
        assert_true(fabs(at[i] / SEQUENCES - 9.0 / 62) < 5 * sqrt(0.145 * 0.855 / SEQUENCES));
}

static void the_key_decides(void **state) {
    (void)state;
    int32_t one[LEN], two[LEN], other[LEN], place[LEN], label[LEN];
    sequence(7, one, LEN);
    memcpy(two, one, sizeof two);
    memcpy(other, one, sizeof other);
    int n = at_masking_count(&M, one, LEN);
    at_masking_draw(&M, 11, 0, one, LEN, place, label, n);
    at_masking_draw(&M, 11, 0, two, LEN, place, label, n);
    at_masking_draw(&M, 12, 0, other, LEN, place, label, n);
    assert_memory_equal(one, two, sizeof one);
    assert_true(memcmp(one, other, sizeof one) != 0);
}

static void short_texts_hide_one_and_empty_ones_none(void **state) {
    (void)state;
    const int32_t one[] = {2, 100, 3}, none[] = {2, 3}, unknown[] = {2, 1, 1, 3};
    assert_int_equal(at_masking_count(&M, one, 3), 1);
    assert_int_equal(at_masking_count(&M, none, 2), 0);
    assert_int_equal(at_masking_count(&M, unknown, 4), 0);
}

/* A word is hidden whole or not at all, but where nothing else could meet the number. */
static void words_stay_together(void **state) {
    (void)state;
    double cut = 0, words = 0, pieces = 0;
    for (int s = 0; s < SEQUENCES; s++) {
        int32_t ids[LEN], before[LEN], place[LEN], label[LEN];
        char hidden[LEN] = {0};
        sequence(s, before, LEN);
        memcpy(ids, before, sizeof ids);
        int n = at_masking_count(&M, ids, LEN);
        at_masking_draw(&M, at_random_key(1, AT_SITE_MASK, (uint64_t)s), 1, ids, LEN, place, label, n);
        for (int k = 0; k < n; k++) hidden[place[k]] = 1;
        for (int i = 1, end; i < LEN - 1; i = end) {
            int count = hidden[i];
            for (end = i + 1; end < LEN - 1 && kinds[before[end]] & AT_TOKEN_INSIDE; end++) count += hidden[end];
            words += count > 0;
            pieces += count;
            cut += count > 0 && count < end - i;
        }
        assert_int_equal((int)pieces, 9 * (s + 1));
    }
    print_message("%.0f of %.0f words cut\n", cut, words);
    assert_true(cut < 0.05 * words);
    assert_true(pieces > 1.2 * words);
}

/* ---- the loss ---- */

typedef struct losses {
    at_params params;
    at_weight *table, *linear, *bias;
    at_gradients gradients;
    at_arena memory, arena, pool, scratch, objects;
    at_real *x;
} losses;

enum { WORDS = 6500, WIDTH = 8, ROWS = 150 }; /* three blocks of words, two of rows */

static void over_many_words_it_is_the_plain_loss(void **state) {
    (void)state;
    losses l = {0};
    at_error err = {0};
    check_ok(at_params_init(&l.params, &l.memory, 3, &err), &err);
    check_ok(at_params_add(&l.params, &l.memory, "table", AT_WEIGHT_MATRIX, WORDS, WIDTH, 0, 1, &l.table, &err), &err);
    check_ok(at_params_add(&l.params, &l.memory, "linear", AT_WEIGHT_LINEAR, WORDS, WIDTH, 0, 1, &l.linear, &err), &err);
    check_ok(at_params_add(&l.params, &l.memory, "bias", AT_WEIGHT_VECTOR, WORDS, 1, 0, 0, &l.bias, &err), &err);
    check_ok(at_params_allocate(&l.params, &err), &err);
    at_params_set_trainable(&l.params, (const unsigned char[]){1, 1, 1});
    at_weight_init_normal(&l.params, l.bias, 1, 3);
    float *values = AT_NEW_ARRAY(&l.memory, float, WORDS * WIDTH);
    for (int i = 0; i < WORDS * WIDTH; i++) values[i] = (float)at_random_normal(5, (uint64_t)i);
    at_weight_put(&l.params, l.table, values);
    at_weight_put(&l.params, l.linear, values);
    check_ok(at_gradients_make(&l.gradients, &l.memory, &l.params, 1, &err), &err);
    l.x = AT_NEW_ARRAY(&l.memory, at_real, ROWS * WIDTH);
    int32_t target[ROWS];
    for (int i = 0; i < ROWS * WIDTH; i++) l.x[i] = (at_real)at_random_normal(6, (uint64_t)i);
    for (int r = 0; r < ROWS; r++) target[r] = r % 7 ? (int32_t)at_random_below(7, (uint64_t)r, WORDS) : -1;
    double loss[2];
    float *dx[2], *dw[2], *db[2];
    for (int plain = 0; plain < 2; plain++) {
        at_tape t = {.params = &l.params, .gradients = &l.gradients, .arena = &l.arena, .pool = &l.pool, .scratch = &l.scratch, .objects = &l.objects, .err = &err};
        check_ok(at_backend_choose(NULL, &t.backend, &err), &err);
        at_gradients_clear(&l.gradients);
        at_tape_begin(&t);
        at_tensor *x = at_tape_constant(&t, AT_SPACE_SEQUENCES, ROWS, WIDTH, l.x);
        x->needs_grad = 1;
        at_tensor *y = plain ? at_op_cross_entropy(&t, at_op_linear(&t, x, &l.linear, &l.bias, 1, AT_ACT_NONE), target, NULL, 0, 40)
                             : at_op_tied_cross_entropy(&t, x, l.table, l.bias, target, 40);
        check_ok(at_tape_status(&t), &err);
        loss[plain] = (double)y->data[0];
        check_ok(at_tape_backward(&t, y), &err);
        at_params view = l.params;
        at_weight w = plain ? *l.linear : *l.table, b = *l.bias;
        view.values = l.gradients.dense;
        w.offset = w.gradient;
        b.offset = b.gradient;
        dx[plain] = AT_NEW_ARRAY(&l.memory, float, ROWS * WIDTH);
        dw[plain] = AT_NEW_ARRAY(&l.memory, float, WORDS * WIDTH);
        db[plain] = AT_NEW_ARRAY(&l.memory, float, WORDS);
        for (int i = 0; i < ROWS * WIDTH; i++) dx[plain][i] = (float)x->grad[i];
        at_weight_get(&view, &w, dw[plain]);
        at_weight_get(&view, &b, db[plain]);
    }
    assert_true(loss[0] > 1 && fabs(loss[0] - loss[1]) < 1e-5 * loss[1]);
    for (int i = 0; i < ROWS * WIDTH; i++) assert_true(fabs((double)dx[0][i] - (double)dx[1][i]) < 1e-5);
    for (int i = 0; i < WORDS * WIDTH; i++) assert_true(fabs((double)dw[0][i] - (double)dw[1][i]) < 1e-5);
    for (int i = 0; i < WORDS; i++) assert_true(fabs((double)db[0][i] - (double)db[1][i]) < 1e-5);
    at_params_free(&l.params);
    at_arena *arenas[] = {&l.memory, &l.arena, &l.pool, &l.scratch, &l.objects};
    for (int i = 0; i < 5; i++) at_arena_free(arenas[i]);
}

/* ---- the memory of a loss ---- */

enum { FEW_WORDS = 70, MOST_AT_ONCE = 600 };

typedef at_tensor *loss_of_rows(at_tape *t, const losses *l, at_tensor *x, const int32_t *target);

static at_tensor *untied(at_tape *t, const losses *l, at_tensor *x, const int32_t *target) {
    const at_classifier c = {l->linear, l->bias, 0};
    return at_op_vocabulary_cross_entropy(t, x, &c, target, 40);
}

static at_tensor *answered(at_tape *t, const losses *l, at_tensor *x, const int32_t *target) {
    const at_classifier c = {l->linear, l->bias, 0};
    return at_vocabulary_answers(t, x, &c, target);
}

static at_tensor *tied(at_tape *t, const losses *l, at_tensor *x, const int32_t *target) {
    return at_op_tied_cross_entropy(t, x, l->table, l->bias, target, 40);
}

/* One pass over so many rows with this scratch; its peak. */
static size_t scratch_of(losses *l, loss_of_rows *op, int rows, int dry, at_arena *scratch) {
    static int32_t target[MOST_AT_ONCE];
    at_error err = {0};
    at_tape t = {.params = &l->params, .gradients = &l->gradients, .arena = &l->arena, .pool = &l->pool, .scratch = scratch, .objects = &l->objects,
                 .dry = dry, .err = &err};
    check_ok(at_backend_choose(NULL, &t.backend, &err), &err);
    at_tape_begin(&t);
    at_tensor *x = at_tape_constant(&t, AT_SPACE_SEQUENCES, rows, WIDTH, l->x);
    x->needs_grad = op != answered;
    at_tensor *y = op(&t, l, x, target);
    if (y && op != answered) at_tape_backward(&t, y);
    if (at_tape_status(&t)) fail_msg("%d rows: %s", rows, err.text);
    return at_arena_peak(scratch);
}

/* What a dry run over the most rows asks for is enough for every step with fewer, in however many blocks each is worked on. */
static void the_most_rows_have_room_for_fewer(void **state) {
    (void)state;
    losses l = {0};
    at_error err = {0};
    check_ok(at_params_init(&l.params, &l.memory, 3, &err), &err);
    check_ok(at_params_add(&l.params, &l.memory, "table", AT_WEIGHT_MATRIX, FEW_WORDS, WIDTH, 0, 1, &l.table, &err), &err);
    check_ok(at_params_add(&l.params, &l.memory, "linear", AT_WEIGHT_LINEAR, FEW_WORDS, WIDTH, 0, 1, &l.linear, &err), &err);
    check_ok(at_params_add(&l.params, &l.memory, "bias", AT_WEIGHT_VECTOR, FEW_WORDS, 1, 0, 0, &l.bias, &err), &err);
    check_ok(at_params_allocate(&l.params, &err), &err);
    at_params_set_trainable(&l.params, (const unsigned char[]){1, 1, 1});
    check_ok(at_gradients_make(&l.gradients, &l.memory, &l.params, 1, &err), &err);
    l.x = AT_NEW_ARRAY(&l.memory, at_real, MOST_AT_ONCE * WIDTH);
    loss_of_rows *const ops[] = {untied, answered, tied};
    for (int op = 0; op < 3; op++)
        for (int most = MOST_AT_ONCE; most > 200; most -= 43) {
            at_arena measure, room;
            check_ok(at_arena_measure(&measure, &err), &err);
            check_ok(at_arena_fixed(&room, scratch_of(&l, ops[op], most, 1, &measure), &err), &err);
            for (int rows = most; rows > 0; rows -= 7) scratch_of(&l, ops[op], rows, 0, &room);
            at_arena_free(&measure);
            at_arena_free(&room);
        }
    at_params_free(&l.params);
    at_arena *arenas[] = {&l.memory, &l.arena, &l.pool, &l.objects};
    for (int i = 0; i < 4; i++) at_arena_free(arenas[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_those_of_the_paper), cmocka_unit_test(the_key_decides), cmocka_unit_test(short_texts_hide_one_and_empty_ones_none),
        cmocka_unit_test(words_stay_together),           cmocka_unit_test(over_many_words_it_is_the_plain_loss),
        cmocka_unit_test(the_most_rows_have_room_for_fewer),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
