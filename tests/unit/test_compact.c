/* Weights kept as bf16 and Q8_0: what is packed comes back, blocks of ggml stay what they are, and products with them against sums in double of
 * the very numbers that were kept, in any shape, on every instruction set of this machine. */
#include <float.h>

#include "../backend_check.h"
#include "backend/compact.h"
#include "base/half.h"
#include "io/gguf.h"

static const int row_counts[] = {0, 1, 2, 3, 5, 8, 9, 17};
static const int sizes[] = {1, 2, 3, 16, 31, 32, 33, 47, 48, 49, 64, 97, 131};
static const at_form forms[] = {AT_FORM_BF16, AT_FORM_Q8_0};
static const int outs[] = {1, 16, 47, 48, 49, 131};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])
enum { GAP = 3 };

typedef struct arrays {
    check_memory m;
    at_form form;
    int rows, in, out, ldx, ldy;
    float *x, *w, *kept, *bias, *y;
    void *packed, *narrow;
} arrays;

static arrays make(const at_compact *compact, at_form form, int rows, int in, int out) {
    arrays t = {.form = form, .rows = rows, .in = in, .out = out, .ldx = in + GAP, .ldy = out + GAP};
    t.x = check_normal(&t.m, (size_t)rows * (size_t)t.ldx, 1);
    t.w = check_normal(&t.m, (size_t)out * (size_t)in, 2);
    t.kept = check_zeros(&t.m, (size_t)out * (size_t)in);
    t.bias = check_normal(&t.m, (size_t)out, 3);
    t.y = check_normal(&t.m, (size_t)rows * (size_t)t.ldy, 4);
    t.packed = check_bytes(&t.m, at_compact_bytes(form, out, in));
    t.narrow = check_bytes(&t.m, (compact->narrow_bytes(form, rows, in) + 63) / 64 * 64);
    at_compact_pack(form, t.w, out, in, t.packed);
    for (int n = 0; n < out; n++) at_compact_row(form, t.packed, in, n, t.kept + (size_t)n * (size_t)in);
    return t;
}

static void run(const at_compact *compact, arrays *t, const float *bias, at_activation act) {
    compact->narrow(t->form, t->x, t->ldx, t->rows, t->in, t->narrow);
    compact->linear(t->form, t->x, t->ldx, t->narrow, t->packed, bias, act, t->y, t->ldy, t->rows, t->in, t->out);
}

/* Q8_0: every step of depth may be wrong by half a step of 1/32767 of the largest of its block, every sum by its rounding. */
static void check_product(const char *table, const arrays *t, const float *bias) {
    for (int r = 0; r < t->rows; r++)
        for (int n = 0; n < t->out; n++) {
            double sum = bias ? (double)bias[n] : 0, size = fabs(sum), bound = 0;
            for (int k = 0; k < t->in; k++) {
                double w = (double)t->kept[n * t->in + k], x = (double)t->x[r * t->ldx + k], most = 0;
                int block = k / 32 * 32;
                for (int i = block; i < block + 32 && i < t->in; i++) most = fmax(most, fabs((double)t->x[r * t->ldx + i]));
                sum += w * x;
                size += fabs(w * x);
                bound += t->form == AT_FORM_Q8_0 ? fabs(w) * most * 0.51 / 32767 : 0;
            }
            bound += size * (t->in + 8) * (double)FLT_EPSILON / 2;
            check_near(table, at_form_name(t->form), (size_t)(r * t->out + n), (double)t->y[r * t->ldy + n], sum, bound);
        }
    for (int r = 0; r < t->rows; r++)
        for (int n = t->out; n < t->ldy; n++)
            assert_true(t->y[r * t->ldy + n] == (float)at_random_normal(4, (uint64_t)(r * t->ldy + n))); /* nothing beyond the columns */
}

static void products_in_any_shape(void **state) {
    (void)state;
    FOR_EACH_TABLE(table)
        for (size_t f = 0; f < COUNT(forms); f++)
            for (size_t r = 0; r < COUNT(row_counts); r++)
                for (size_t i = 0; i < COUNT(sizes); i++)
                    for (size_t o = 0; o < COUNT(outs); o++) {
                        arrays t = make(table->compact, forms[f], row_counts[r], sizes[i], outs[o]);
                        const float *bias = (i + o) % 2 ? t.bias : NULL;
                        run(table->compact, &t, bias, AT_ACT_NONE);
                        check_product(table->name, &t, bias);
                        check_free(&t.m);
                    }
}

/* bf16: bit by bit what the product of the widened weight gives. */
static void bf16_is_the_fp32_product_of_its_numbers(void **state) {
    (void)state;
    FOR_EACH_TABLE(table)
        for (size_t r = 1; r < COUNT(row_counts); r++)
            for (size_t i = 0; i < COUNT(sizes); i++) {
                arrays t = make(table->compact, AT_FORM_BF16, row_counts[r], sizes[i], 97);
                float *packed = check_zeros(&t.m, at_packed_size(t.out, t.in)), *y = check_zeros(&t.m, (size_t)t.rows * (size_t)t.ldy);
                at_pack(t.kept, packed, t.out, t.in);
                run(table->compact, &t, t.bias, AT_ACT_SILU);
                table->linear(t.x, t.ldx, packed, t.bias, AT_ACT_SILU, NULL, y, t.ldy, t.rows, t.in, t.out);
                for (int row = 0; row < t.rows; row++)
                    assert_memory_equal(y + row * t.ldy, t.y + row * t.ldy, (size_t)t.out * sizeof *y);
                check_free(&t.m);
            }
}

/* A row's results are the same alone and among others, and a panel's alone and among others. */
static void results_depend_on_the_row_alone(void **state) {
    (void)state;
    FOR_EACH_TABLE(table)
        for (size_t f = 0; f < COUNT(forms); f++) {
            arrays t = make(table->compact, forms[f], 17, 131, 131);
            float one[131];
            run(table->compact, &t, t.bias, AT_ACT_NONE);
            for (int r = 0; r < t.rows; r++) {
                table->compact->narrow(t.form, t.x + r * t.ldx, t.ldx, 1, 131, t.narrow);
                table->compact->linear(t.form, t.x + r * t.ldx, t.ldx, t.narrow, t.packed, t.bias, AT_ACT_NONE, one, 131, 1, 131, 131);
                assert_memory_equal(one, t.y + r * t.ldy, sizeof one);
            }
            const char *second = (const char *)t.packed + at_compact_panel_bytes(t.form, t.in);
            table->compact->narrow(t.form, t.x, t.ldx, 1, 131, t.narrow);
            table->compact->linear(t.form, t.x, t.ldx, t.narrow, second, t.bias + AT_PANEL, AT_ACT_NONE, one, 83, 1, 131, 83);
            assert_memory_equal(one, t.y + AT_PANEL, 83 * sizeof *one);
            check_free(&t.m);
        }
}

/* Sums of whole numbers have no error: every table gives the same. */
static void q8_0_is_exact_on_whole_numbers(void **state) {
    (void)state;
    FOR_EACH_TABLE(table) {
        arrays t = make(table->compact, AT_FORM_Q8_0, 5, 64, 49);
        for (int i = 0; i < t.out * t.in; i++) t.w[i] = (float)(i % 32 ? (i * 37) % 255 - 127 : 127);
        for (int i = 0; i < t.rows * t.ldx; i++) t.x[i] = (float)(i % t.ldx % 32 ? (i * 131) % 65535 - 32767 : 32767);
        at_compact_pack(t.form, t.w, t.out, t.in, t.packed);
        run(table->compact, &t, NULL, AT_ACT_NONE);
        for (int r = 0; r < t.rows; r++)
            for (int n = 0; n < t.out; n++) {
                double sum = 0;
                for (int block = 0; block < 2; block++) {
                    long long whole = 0;
                    for (int k = block * 32; k < block * 32 + 32; k++) whole += (long long)t.w[n * t.in + k] * (long long)t.x[r * t.ldx + k];
                    sum = (double)(float)(sum + (double)(float)whole);
                }
                check_near(table->name, "whole", (size_t)n, (double)t.y[r * t.ldy + n], sum, fabs(sum) * 1e-6 + 64);
            }
        check_free(&t.m);
    }
}

static void blocks_of_ggml_stay_what_they_are(void **state) {
    (void)state;
    enum { OUT = 50, IN = 96 };
    static float w[OUT * IN], read[OUT * IN], row[IN];
    static unsigned char blocks[OUT * IN / 32 * 34], packed[2 * 3 * AT_COMPACT_BLOCK_BYTES];
    for (int i = 0; i < OUT * IN; i++) w[i] = (float)(at_random_normal(9, (uint64_t)i) * pow(10, i / 32 % 12 - 7)); /* tiny scales too */
    for (int i = 0; i < 32; i++) w[i] = 0;
    at_gguf_pack(AT_GGUF_Q8_0, w, blocks, OUT * IN);
    at_gguf_unpack(AT_GGUF_Q8_0, blocks, read, OUT * IN);
    at_compact_pack(AT_FORM_Q8_0, read, OUT, IN, packed);
    for (int n = 0; n < OUT; n++) {
        at_compact_row(AT_FORM_Q8_0, packed, IN, n, row);
        for (int k = 0; k < IN; k++) assert_true(row[k] == read[n * IN + k]);
    }
    for (int i = 0; i < OUT * IN; i++) read[i] = at_from_bf16(at_to_bf16(w[i]));
    static unsigned char bf16[2 * 96 * AT_PANEL * 2];
    at_compact_pack(AT_FORM_BF16, read, OUT, IN, bf16);
    for (int n = 0; n < OUT; n++) {
        at_compact_row(AT_FORM_BF16, bf16, IN, n, row);
        assert_memory_equal(row, read + n * IN, sizeof row);
    }
}

/* Nothing strange becomes a number: what is not finite in x is not finite in y; zeros and the smallest numbers give what they are. */
static void strange_numbers(void **state) {
    (void)state;
    static const float odd[] = {INFINITY, -INFINITY, NAN};
    FOR_EACH_TABLE(table)
        for (size_t f = 0; f < COUNT(forms); f++) {
            arrays t = make(table->compact, forms[f], 1, 70, 50);
            for (size_t i = 0; i < COUNT(odd); i++) {
                float was = t.x[40];
                t.x[40] = odd[i];
                run(table->compact, &t, NULL, AT_ACT_NONE);
                for (int n = 0; n < t.out; n++) assert_false(fabsf(t.y[n]) <= FLT_MAX);
                t.x[40] = was;
            }
            for (int k = 0; k < t.in; k++) t.x[k] = k % 2 ? FLT_MIN / 1024 : 0;
            run(table->compact, &t, NULL, AT_ACT_NONE);
            for (int n = 0; n < t.out; n++) assert_true(fabsf(t.y[n]) < FLT_MIN);
            memset(t.x, 0, (size_t)t.in * sizeof *t.x);
            run(table->compact, &t, NULL, AT_ACT_NONE);
            for (int n = 0; n < t.out; n++) assert_true(t.y[n] == 0);
            check_free(&t.m);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_in_any_shape),
        cmocka_unit_test(bf16_is_the_fp32_product_of_its_numbers),
        cmocka_unit_test(results_depend_on_the_row_alone),
        cmocka_unit_test(q8_0_is_exact_on_whole_numbers),
        cmocka_unit_test(blocks_of_ggml_stay_what_they_are),
        cmocka_unit_test(strange_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
