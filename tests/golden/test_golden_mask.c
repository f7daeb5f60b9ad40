/* Masked language against what transformers' BertForMaskedLM computed in float64 (tests/oracle/make_golden_mask.py): logits at the hidden
 * tokens, loss, every gradient, that of the tied table among them; and the answers of evaluation against these logits. */
#include "golden/reference.h"

/* What the classifier reads, times the table of words. */
static void logits_are_the_reference(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "golden/mask", AT_HEAD_MASK);
    const at_tensor *x = golden_forward(&g, 1);
    const at_model *m = g.h.model;
    size_t words = (size_t)m->arch.vocab_size, width = (size_t)x->cols, n = (size_t)g.n_outputs;
    const at_real *table = at_weight_values(&m->params, m->body.token), *bias = at_weight_values(&m->params, m->head.classifier_bias);
    float *got = AT_NEW_ARRAY(&g.h.memory, float, n * words);
    for (size_t r = 0; r < n; r++)
        for (size_t w = 0; w < words; w++) {
            double sum = (double)bias[w];
            for (size_t k = 0; k < width; k++) sum += (double)x->data[r * width + k] * (double)table[w * width + k];
            got[r * words + w] = (float)sum;
        }
    golden_near("logits", got, golden_expected(&g, "logits", n * words), n * words, 0);
    golden_close(&g);
}

static void loss_and_gradients_are_the_reference(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "golden/mask", AT_HEAD_MASK);
    at_tensor *x = golden_forward(&g, 1);
    const at_model *m = g.h.model;
    at_tensor *loss = at_op_tied_cross_entropy(&g.h.tape, x, m->body.token, m->head.classifier_bias, g.h.batch.label, g.n_outputs);
    check_ok(at_tape_status(&g.h.tape), &g.err);
    float value = (float)loss->data[0];
    golden_near("loss", &value, golden_expected(&g, "loss", 1), 1, 0);
    golden_gradients(&g, loss);
    golden_close(&g);
}

static void answers_follow_from_the_logits(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "golden/mask", AT_HEAD_MASK);
    const at_tensor *answers = golden_forward(&g, 0);
    size_t words = (size_t)g.h.model->arch.vocab_size;
    const float *logits = golden_expected(&g, "logits", (size_t)g.n_outputs * words);
    assert_int_equal(answers->cols, AT_MASK_ANSWERS);
    for (int r = 0; r < g.n_outputs; r++) {
        const float *row = logits + (size_t)r * words;
        const at_real *answer = answers->data + (size_t)r * AT_MASK_ANSWERS;
        double sum = 0;
        for (size_t w = 0; w < words; w++) sum += exp((double)row[w]);
        assert_true(fabs((double)answer[0] - (log(sum) - (double)row[g.label[r]])) < 1e-3);
        for (int k = 0; k < AT_MASK_BEST; k++) {
            int word = (int)answer[1 + k], larger = 0;
            for (size_t w = 0; w < words; w++) larger += row[w] > row[word];
            assert_int_equal(larger, k);
            assert_true(fabs((double)answer[1 + AT_MASK_BEST + k] - exp((double)row[word]) / sum) < 1e-4);
        }
    }
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(logits_are_the_reference), cmocka_unit_test(loss_and_gradients_are_the_reference),
                                       cmocka_unit_test(answers_follow_from_the_logits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
