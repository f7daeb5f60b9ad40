/* What the golden tests of heads at tokens (answers, labels of words) share: logits, loss and every gradient of each folder under a root against what
 * transformers computed in float64, the folder saved and opened again, bodies that go from class to class, and flipped switches. Include it behind
 * check.h, define HEAD and folders, and list HEAD_TESTS. */
#ifndef AT_TESTS_HEADS_H
#define AT_TESTS_HEADS_H

#include <stdlib.h>

#include "base/file.h"
#include "golden/compare.h"
#include "golden/folders.h"

typedef struct head_case {
    at_head_kind kind, between; /* between: another head of the same bodies */
    int n_out, at_least;        /* at_least: so many folders */
    const char *asked;          /* what is asked for, in batch.safetensors */
    void (*aim)(harness *h, const int32_t *asked, int n); /* sets h->target */
    at_tensor *(*loss)(harness *h);
} head_case;

static const head_case HEAD;
static golden_folders folders;

typedef struct golden {
    harness h;
    at_safetensors *expected;
    at_error err;
    char folder[4096];
} golden;

static const char *path_in(const char *folder, const char *name) { return golden_path(&folders, folder, name); }

static int find_folders(void **state) {
    (void)state;
    return golden_find(&folders, HEAD.at_least);
}

/* Every row is a place. */
static void ask_everywhere(golden *g) {
    harness *h = &g->h;
    at_batch *b = &h->batch;
    int32_t *place = AT_NEW_ARRAY(&h->memory, int32_t, b->rows);
    for (int r = 0; r < b->rows; r++) place[r] = r;
    b->place = b->output = place;
    b->output_row = b->row_id;
    b->n_outputs = b->rows;
}

static void open_folder(golden *g, const char *folder, const char *name, const at_model_options *options) {
    char batch[4096];
    void *asked = NULL;
    int n;
    at_safetensors *file;
    snprintf(g->folder, sizeof g->folder, "%s", folder);
    snprintf(batch, sizeof batch, "%s", path_in(name, "batch.safetensors"));
    check_ok(harness_open(&g->h, g->folder, options, batch, &g->err), &g->err);
    assert_int_equal(g->h.model->head.kind, HEAD.kind);
    check_ok(at_safetensors_open(path_in(name, "expected.safetensors"), &g->expected, &g->err), &g->err);
    check_ok(at_safetensors_open(batch, &file, &g->err), &g->err);
    check_ok(harness_read(&g->h.memory, file, HEAD.asked, &asked, &n, &g->err), &g->err);
    at_safetensors_close(file);
    harness_pack(&g->h, 0, 1);
    ask_everywhere(g);
    HEAD.aim(&g->h, asked, n);
}

static void open_golden(golden *g, const char *name) {
    static const at_model_options options = {.keep_head = 1};
    char folder[4096];
    snprintf(folder, sizeof folder, "%.4000s", path_in(name, ""));
    open_folder(g, folder, name, &options);
    assert_true(g->h.model->trained_head);
    assert_int_equal(g->h.model->report.n_dropped + g->h.model->report.n_fresh, 0);
}

static void close_golden(golden *g) {
    harness_close(&g->h);
    at_safetensors_close(g->expected);
}

/* The worst of logits, loss and gradients, in bounds; `say` names what is beyond. */
static double from_reference(golden *g, int say) {
    static const char *const what[3] = {"logits", "loss", "gradients"};
    harness *h = &g->h;
    harness_forward(h, 1);
    h->loss = HEAD.loss(h);
    check_ok(at_tape_status(&h->tape), &g->err);
    check_ok(at_tape_backward(&h->tape, h->loss), &g->err);
    float loss = (float)h->loss->data[0];
    double d[3] = {tensor_distance(h, g->expected, "logits", h->logits),
                   distance(&loss, expected_values(h, g->expected, at_safetensors_find(g->expected, "loss")), 1, 0),
                   gradients_distance(h, g->expected, 0, say)};
    return worst_distance(h, what, d, 3, say);
}

static void models_equal_the_reference(void **state) {
    (void)state;
    int bad = 0;
    for (int i = 0; i < folders.n; i++) {
        golden g = {0};
        open_golden(&g, folders.name[i]);
        double worst = from_reference(&g, 1);
        print_message("%s: %.3g of the bound\n", folders.name[i], worst);
        bad += !(worst < 1);
        close_golden(&g);
    }
    assert_int_equal(bad, 0);
}

#ifndef AT_DOUBLE /* its library has no tokenizers, which saving copies */
static void a_saved_model_is_the_same(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        static const at_model_options options = {.keep_head = 1};
        golden g = {0}, again = {0};
        char folder[] = "/tmp/attune-head-XXXXXX";
        assert_non_null(mkdtemp(folder));
        open_golden(&g, folders.name[i]);
        check_ok(at_model_save(g.h.model, NULL, folder, &g.err), &g.err);
        open_folder(&again, folder, folders.name[i], &options);
        golden_same_tensors(g.folder, folder);
        assert_true(from_reference(&again, 1) < 1);
        close_golden(&g);
        close_golden(&again);
        at_folder_remove(folder, NULL);
    }
}

/* From the head comes another and from that the head again, whatever the classes call the body; its weights stay. */
static void a_body_goes_from_class_to_class(void **state) {
    (void)state;
    for (int i = 0; i < folders.n; i++) {
        const at_model_options other = {.head = HEAD.between, .n_out = HEAD.between == AT_HEAD_EMBED ? 0 : 2}, back = {.head = HEAD.kind, .n_out = HEAD.n_out};
        char first[] = "/tmp/attune-head-XXXXXX", second[] = "/tmp/attune-head-XXXXXX";
        at_model *model = NULL;
        at_error err;
        assert_non_null(mkdtemp(first));
        assert_non_null(mkdtemp(second));
        check_ok(at_model_open(path_in(folders.name[i], ""), &other, &model, &err), &err);
        check_ok(at_model_save(model, NULL, first, &err), &err);
        at_model_close(model);
        check_ok(at_model_open(first, &back, &model, &err), &err);
        check_ok(at_model_save(model, NULL, second, &err), &err);
        at_model_close(model);
        at_safetensors *before, *after;
        check_ok(at_safetensors_open_folder(path_in(folders.name[i], ""), &before, &err), &err);
        check_ok(at_safetensors_open_folder(second, &after, &err), &err);
        assert_int_equal(at_safetensors_count(before), at_safetensors_count(after));
        for (int t = 0; t < at_safetensors_count(before); t++) {
            const at_stored_tensor *a = at_safetensors_at(before, t), *b = at_safetensors_find(after, a->name);
            if (!b) fail_msg("%s: there is no %s", folders.name[i], a->name);
            int is_body = strncmp(a->name, "qa_outputs", 10) && strncmp(a->name, "classifier", 10) && strncmp(a->name, "head", 4) && strncmp(a->name, "score", 5);
            void *x = malloc(a->bytes), *y = malloc(b->bytes);
            check_ok(at_safetensors_read_raw(before, a, x, &err), &err);
            check_ok(at_safetensors_read_raw(after, b, y, &err), &err);
            if (is_body) assert_memory_equal(x, y, a->bytes);
            free(x);
            free(y);
        }
        at_safetensors_close(before);
        at_safetensors_close(after);
        at_folder_remove(first, NULL);
        at_folder_remove(second, NULL);
    }
}
#endif

/* --- switches: each returns 0 where the model has nothing to flip --- */

static int flip_epsilon(at_model *m) {
    m->arch.norm_epsilon = 4 * m->arch.norm_epsilon + 1e-4;
    return 1;
}
static int flip_layers(at_model *m) { return m->arch.layers--; }
static int flip_causal(at_model *m) { return m->arch.causal ? m->arch.causal-- : 0; }
static int flip_bias(at_model *m) {
    int had = m->head.classifier_bias != NULL;
    m->head.classifier_bias = NULL;
    return had;
}

static const struct {
    const char *name;
    int (*flip)(at_model *m);
} SWITCHES[] = {
    {"activation", flip_activation}, {"epsilon of the norms", flip_epsilon}, {"kind of the norms", flip_norm}, {"order of the norms", flip_block},
    {"layers", flip_layers}, {"bias of the head", flip_bias}, {"positions", flip_positions}, {"offset of the positions", flip_offset},
    {"scale", flip_scale}, {"what follows is not seen", flip_causal},
};

static void every_flipped_switch_is_noticed(void **state) {
    (void)state;
    int unnoticed = 0;
    for (int i = 0; i < folders.n; i++)
        for (size_t s = 0; s < sizeof SWITCHES / sizeof *SWITCHES; s++) {
            golden g = {0};
            open_golden(&g, folders.name[i]);
            if (SWITCHES[s].flip(g.h.model)) {
                double d = from_reference(&g, 0);
                if (d <= 2) print_error("%s: flipping %s goes unnoticed: %.3g of the bound\n", folders.name[i], SWITCHES[s].name, d);
                unnoticed += d <= 2;
            }
            close_golden(&g);
        }
    assert_int_equal(unnoticed, 0);
}

#ifndef AT_DOUBLE
#define HEAD_TESTS                                                                                                     \
    cmocka_unit_test(models_equal_the_reference), cmocka_unit_test(every_flipped_switch_is_noticed),                   \
        cmocka_unit_test(a_saved_model_is_the_same), cmocka_unit_test(a_body_goes_from_class_to_class)
#else
#define HEAD_TESTS cmocka_unit_test(models_equal_the_reference), cmocka_unit_test(every_flipped_switch_is_noticed)
#endif

#endif
