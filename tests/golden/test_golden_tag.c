/* Labels of tokens against what transformers' ...ForTokenClassification of the families computed in float64, text by text
 * (tests/oracle/make_golden_tag.py). */
#include "check.h"

#include "golden/heads.h"

/* The third token of each text has no label. */
static void aim(harness *h, const int32_t *tags, int n) {
    assert_int_equal(n, h->batch.rows);
    h->target = AT_NEW_ARRAY(&h->memory, int32_t, n);
    memcpy(h->target, tags, (size_t)n * sizeof *tags);
}

static at_tensor *loss(harness *h) {
    int asked = 0;
    for (int i = 0; i < h->batch.rows; i++) asked += h->target[i] >= 0;
    return at_op_cross_entropy(&h->tape, h->logits, h->target, NULL, 0, asked);
}

static const head_case HEAD = {AT_HEAD_TOKEN, AT_HEAD_EMBED, 3, 18, "tags", aim, loss};
static golden_folders folders = {.root = "golden/tag"};

int main(void) {
    const struct CMUnitTest tests[] = {HEAD_TESTS};
    return cmocka_run_group_tests(tests, find_folders, NULL);
}
