/* Answers in a text against what transformers' ...ForQuestionAnswering of every family that has one computed in float64, text by text
 * (tests/oracle/make_golden_answer.py). */
#include "check.h"

#include "golden/heads.h"

/* The target of a text is where its answer begins and ends, as rows of the batch. */
static void aim(harness *h, const int32_t *spans, int n) {
    const at_batch *b = &h->batch;
    assert_int_equal(n, 2 * h->n_seq);
    h->target = AT_NEW_ARRAY(&h->memory, int32_t, 2 * b->n_seq);
    for (int i = 0; i < 2 * b->n_seq; i++) h->target[i] = b->cu_seqlens[i / 2] + spans[i];
}

static at_tensor *loss(harness *h) {
    return at_op_span_cross_entropy(&h->tape, h->logits, h->batch.cu_seqlens, h->batch.n_seq, h->target, 0, h->batch.n_seq);
}

static const head_case HEAD = {AT_HEAD_SPAN, AT_HEAD_POOLER, 2, 16, "spans", aim, loss};
static golden_folders folders = {.root = "golden/answer"};

int main(void) {
    const struct CMUnitTest tests[] = {HEAD_TESTS};
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
