/* Answers in a text against what transformers' BertForQuestionAnswering computed in float64, sequence by sequence (tests/oracle/make_golden_answer.py):
 * logits of begin and end at every token, loss, every gradient. */
#include "golden/reference.h"

static void logits_are_the_reference(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "golden/answer", AT_HEAD_SPAN);
    const at_tensor *x = golden_forward(&g, 1);
    size_t n = (size_t)g.n_outputs * 2;
    float *got = AT_NEW_ARRAY(&g.h.memory, float, n);
    assert_int_equal(x->cols, 2);
    assert_int_equal(g.n_outputs, g.rows);
    for (size_t i = 0; i < n; i++) got[i] = (float)x->data[i];
    golden_near("logits", got, golden_expected(&g, "logits", n), n, 0);
    golden_close(&g);
}

/* Bits of the labels: 1 begin, 2 end. */
static void loss_and_gradients_are_the_reference(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "golden/answer", AT_HEAD_SPAN);
    at_tensor *x = golden_forward(&g, 1);
    int32_t *target = AT_NEW_ARRAY(&g.h.memory, int32_t, 2 * g.h.n_seq);
    for (int s = 0; s < g.h.n_seq; s++)
        for (int32_t r = g.h.cu[s]; r < g.h.cu[s + 1]; r++) {
            if (g.label[r] & 1) target[2 * s] = r;
            if (g.label[r] & 2) target[2 * s + 1] = r;
        }
    at_tensor *loss = at_op_span_cross_entropy(&g.h.tape, x, g.h.cu, g.h.n_seq, target, 0, g.h.n_seq);
    check_ok(at_tape_status(&g.h.tape), &g.err);
    float value = (float)loss->data[0];
    golden_near("loss", &value, golden_expected(&g, "loss", 1), 1, 0);
    golden_gradients(&g, loss);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(logits_are_the_reference), cmocka_unit_test(loss_and_gradients_are_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
