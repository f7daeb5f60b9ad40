#include "check.h"

#include <math.h>

#include "backend/half.h"
#include "tiny_training.h"
#include "train/lanes.h"
#include "train/training.h"

static char model_folder[] = "/tmp/attune-trainer-XXXXXX";

static double relative_difference(const float *a, const float *b, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)a[i] * a[i];
    }
    return sqrt(difference / norm);
}

static void a_training_learns(void **state) {
    (void)state;
    tiny_training t = tiny_training_new(model_folder);
    t.hyper.num_train_epochs = 25;
    t.hyper.learning_rate = 5e-3;
    tiny_training_run(&t);
    check_ok(t.status, &t.err);
    assert_int_equal(t.steps, 175);
    assert_int_equal(t.evaluations, 26);
    assert_true(t.losses[t.steps - 1] < 0.5 * t.losses[0]);
    assert_true(t.best_main > 0.6);
    assert_int_equal(t.warnings, 0);
    tiny_training_free(&t);
}

static void threads_do_not_show(void **state) {
    (void)state;
    tiny_training first = tiny_training_new(model_folder), other = first;
    first.hyper.lanes = other.hyper.lanes = 3;
    tiny_training_run(&first);
    static const int threads[] = {2, 3, 4, 8}; /* of 3 lanes: the last two in teams, of 2, 1 and 1 and of 3, 3 and 2 */
    for (int i = 0; i < 4; i++) {
        other.threads = threads[i];
        tiny_training_run(&other);
        tiny_same_training(&first, &other);
    }
    tiny_training_free(&first);
    tiny_training_free(&other);
}

/* Products of bf16 operands: near fp32, better than nothing by far, the same bits whatever the threads; masters keep what bf16 has not. */
static void bf16_is_near_and_repeats(void **state) {
    (void)state;
    static const char *const tables[] = {"amx-model", "avx512-bf16", "amx"};
    tiny_training single = tiny_training_new(model_folder);
    single.hyper.max_steps = 6;
    single.hyper.keep_best = 0;
    single.hyper.adam_epsilon = 1e-3;
    tiny_training_run(&single);
    check_ok(single.status, &single.err);
    for (int i = 0; i < 3; i++) {
        at_kernels kernels;
        tiny_training half = single, again;
        half.history = NULL;
        half.weights = NULL;
        if (!at_half_find(tables[i])) continue;
        check_ok(at_kernels_choose(tables[i], AT_PRECISION_BF16, &kernels, &half.backend, &half.err), &half.err);
        again = half;
        tiny_training_run(&half);
        for (again.threads = 2; again.threads <= 9; again.threads += 7) {
            tiny_training_run(&again);
            tiny_same_training(&half, &again);
        }
        assert_int_equal(half.warnings, 0);
        for (int step = 0; step < 6; step++) {
            double distance = fabs(half.losses[step] - single.losses[step]) / single.losses[step];
            if (distance > 2e-2 || distance == 0) fail_msg("%s, step %d: loss %g, fp32 %g", tables[i], step, half.losses[step], single.losses[step]);
        }
        double far = relative_difference(single.weights, half.weights, single.n_weights);
        if (!(far > 0 && far < 1e-2)) fail_msg("%s: weights %g from those of fp32", tables[i], far);
        tiny_training_free(&half);
        tiny_training_free(&again);
    }
    tiny_training_free(&single);
}

/* Other lanes and chunks are the same mathematics, dropout masks included: only rounding differs. */
static void chunks_and_lanes_change_rounding_only(void **state) {
    (void)state;
    tiny_training one = tiny_training_new(model_folder);
    one.hyper.max_steps = 3;
    one.hyper.keep_best = 0;
    one.no_eval = 1;
    one.hyper.adam_epsilon = 1e-3; /* the sign of a tiny gradient must not decide a whole step */
    tiny_training many = one, undropped = one;
    at_backend small = *one.backend;
    small.chunk_rows = 16;
    one.hyper.lanes = 1;
    many.hyper.lanes = 5;
    many.backend = &small;
    undropped.hyper.hidden_dropout = undropped.hyper.attention_dropout = 0;
    tiny_training_run(&one);
    tiny_training_run(&many);
    tiny_training_run(&undropped);
    check_ok(one.status, &one.err);
    for (int i = 0; i < 3; i++) assert_true(fabs(one.losses[i] - many.losses[i]) < 1e-6 * one.losses[i]);
    assert_true(relative_difference(one.weights, many.weights, one.n_weights) < 1e-6);
    assert_true(fabs(one.losses[0] - undropped.losses[0]) > 1e-4);
    tiny_training_free(&one);
    tiny_training_free(&many);
    tiny_training_free(&undropped);
}

/* A loss of the whole step that is a sum over its sequences is the plain one; whether tapes wait or chunks are walked twice, and by how many
 * threads, changes no bit. */
static void a_coupled_loss_sees_the_whole_step(void **state) {
    (void)state;
    tiny_training plain = tiny_training_new(model_folder);
    plain.hyper.max_steps = 5;
    plain.hyper.lanes = 3;
    plain.hyper.adam_epsilon = 1e-3;
    at_backend small = *plain.backend;
    small.chunk_rows = 16;
    plain.backend = &small;
    plain.task.coupled = 0;
    tiny_training kept = plain, replayed, threads;
    kept.task.coupled = 1;
    replayed = threads = kept;
    replayed.hyper.replay = 1;
    threads.threads = 3;
    tiny_training_run(&plain);
    tiny_training_run(&kept);
    tiny_training_run(&replayed);
    tiny_training_run(&threads);
    tiny_same_training(&kept, &replayed);
    tiny_same_training(&kept, &threads);
    check_ok(plain.status, &plain.err);
    for (int i = 0; i < 5; i++) assert_true(fabs(plain.losses[i] - kept.losses[i]) < 1e-5 * plain.losses[i]);
    assert_true(relative_difference(plain.weights, kept.weights, plain.n_weights) < 1e-6);
    threads.hyper.replay = 1;
    tiny_training_run(&threads);
    tiny_same_training(&kept, &threads);
    tiny_training_free(&plain);
    tiny_training_free(&kept);
    tiny_training_free(&replayed);
    tiny_training_free(&threads);
}

static void frozen_weights_stay_and_unfreezing_joins(void **state) {
    (void)state;
    tiny_training t = tiny_training_new(model_folder);
    at_model *model = tiny_model_open(model_folder, AT_HEAD_POOLER);
    unsigned char frozen[128] = {0};
    for (int i = 0; i < model->params.n; i++) frozen[i] = model->params.weights[i].depth == 1;
    t.hyper.frozen = frozen;
    t.hyper.unfreeze_epochs = 1;
    t.hyper.keep_best = 0;
    for (int epochs = 1; epochs <= 3; epochs++) {
        t.hyper.num_train_epochs = epochs;
        tiny_training_run(&t);
        check_ok(t.status, &t.err);
        for (int i = 0; i < model->params.n; i++) {
            const at_weight *w = &model->params.weights[i];
            int trains = !frozen[i] && (w->is_head || w->depth >= TINY_LAYERS + 2 - epochs);
            int same = !memcmp(model->params.values + w->offset, t.weights + w->offset, w->size * sizeof(float));
            if (same == trains) fail_msg("%s after %d epochs: %s", w->name, epochs, same ? "did not move" : "moved");
        }
    }
    memset(frozen, 1, sizeof frozen);
    tiny_training_run(&t);
    assert_int_equal(t.status, AT_USAGE);
    tiny_training_free(&t);
    at_model_close(model);
}

/* One AdamW step on every weight against the formula in double, with a table's untouched rows and a second, quiet step. */
static void adamw_moves_every_row_as_pytorch_does(void **state) {
    (void)state;
    at_error err;
    at_model *model = tiny_model_open(model_folder, AT_HEAD_MEAN);
    at_params *p = &model->params;
    const at_backend *backend;
    check_ok(at_backend_choose(NULL, &backend, &err), &err);
    unsigned char all[128];
    memset(all, 1, sizeof all);
    at_params_set_trainable(p, all);
    at_optimizer o;
    at_arena arena = {0};
    at_gradients lanes[2];
    check_ok(at_optimizer_open(&o, p, backend, NULL, 2, 20, &err), &err);
    for (int l = 0; l < 2; l++) check_ok(at_gradients_make(&lanes[l], &arena, p, 10, &err), &err);
    const at_weight *token = model->body.token;
    const int t = (int)token->gradient;
    double expected = token->size ? p->values[token->offset + 5 * TINY_HIDDEN] : 0, quiet = p->values[token->offset + 6 * TINY_HIDDEN];
    double m = 0, v = 0;
    const at_hyper h = {.adam_beta1 = 0.9, .adam_beta2 = 0.99, .adam_epsilon = 1e-8, .weight_decay = 0.1};
    double rate[128];
    for (int i = 0; i < p->n; i++) rate[i] = 0.01;
    for (int step = 1; step <= 3; step++) {
        double g = step == 1 ? 0.75 : 0;
        if (step == 1) {
            at_table_gradient_row(&lanes[0].tables[t], 5)[0] += 0.5f;
            at_table_gradient_row(&lanes[1].tables[t], 5)[0] += 0.25f;
        }
        double norm = at_optimizer_reduce(&o, lanes);
        assert_true(fabs(norm - g) < 1e-7);
        at_optimizer_update(&o, &h, rate, 0.5);
        m = 0.9 * m + 0.1 * 0.5 * g;
        v = 0.99 * v + 0.01 * 0.25 * g * g;
        expected *= 1 - 0.01 * 0.1;
        expected -= 0.01 / (1 - pow(0.9, step)) * m / (sqrt(v) / sqrt(1 - pow(0.99, step)) + 1e-8);
        quiet *= 1 - 0.01 * 0.1;
        assert_true(fabs(p->values[token->offset + 5 * TINY_HIDDEN] - expected) < 1e-6);
        assert_true(fabs(p->values[token->offset + 6 * TINY_HIDDEN] - quiet) < 1e-6);
        assert_int_equal(lanes[0].tables[t].n + lanes[1].tables[t].n, 0);
    }
    at_optimizer_close(&o);
    at_arena_free(&arena);
    at_model_close(model);
}

static void patience_ends_and_the_best_state_is_left(void **state) {
    (void)state;
    tiny_training t = tiny_training_new(model_folder), again = t;
    t.hyper.learning_rate = 0.3; /* nothing gets better by such steps */
    t.hyper.num_train_epochs = 20;
    t.hyper.eval_steps = 2;
    t.hyper.patience = 3;
    tiny_training_run(&t);
    check_ok(t.status, &t.err);
    assert_true(t.steps < 140 && t.best_step < t.steps);
    assert_int_equal(t.evaluations, 1 + t.steps / 2);
    again.hyper = t.hyper;
    again.stop_before = t.best_step; /* what stands there is what must be left */
    again.run_folder = NULL;
    tiny_training_run(&again);
    assert_int_equal(again.status, AT_STOPPED);
    assert_memory_equal(t.weights, again.weights, t.n_weights * sizeof *t.weights);
    tiny_training_free(&t);
    tiny_training_free(&again);
}

static double last_eval_loss(const tiny_training *t) {
    double loss = NAN;
    for (size_t i = 0; i < json_array_size(t->history); i++) {
        const json_t *value = json_object_get(json_array_get(t->history, i), "eval_loss");
        if (value) loss = json_real_value(value);
    }
    return loss;
}

/* The weights after each of the last 7 of 21 steps, one by one, against what the trainer leaves; and what it evaluates is that mean. */
static void the_mean_of_the_last_weights_is_left(void **state) {
    (void)state;
    tiny_training mean = tiny_training_new(model_folder), last = mean;
    mean.hyper.average = 1 / 3.;
    last.hyper.keep_best = 0;
    tiny_training_run(&mean);
    tiny_training_run(&last);
    check_ok(mean.status, &mean.err);
    assert_int_equal(mean.steps, 21);
    double *sum = calloc(mean.n_weights, sizeof *sum);
    for (int step = 15; step <= 21; step++) {
        tiny_training at = tiny_training_new(model_folder);
        at.hyper.keep_best = 0;
        at.stop_before = step < 21 ? step : -1;
        tiny_training_run(&at);
        assert_int_equal(at.status, step < 21 ? AT_STOPPED : AT_OK);
        for (size_t i = 0; i < at.n_weights; i++) sum[i] += at.weights[i] / 7.;
        tiny_training_free(&at);
    }
    double off = 0, moved = 0;
    for (size_t i = 0; i < mean.n_weights; i++) {
        off = fmax(off, fabs(mean.weights[i] - sum[i]));
        moved = fmax(moved, fabs((double)mean.weights[i] - last.weights[i]));
    }
    assert_true(off < 1e-6);
    assert_true(moved > 1e-4);
    assert_true(fabs(last_eval_loss(&mean) - last_eval_loss(&last)) > 1e-6);
    assert_int_equal(mean.best_step, 21);
    free(sum);
    tiny_training_free(&mean);
    tiny_training_free(&last);
}

static void history_is_that_of_trainer_state(void **state) {
    (void)state;
    tiny_training t = tiny_training_new(model_folder);
    tiny_training_run(&t);
    check_ok(t.status, &t.err);
    const json_t *first = json_array_get(t.history, 1); /* after the evaluation of the start */
    assert_int_equal(json_integer_value(json_object_get(first, "step")), 3);
    double mean = (t.losses[0] + t.losses[1] + t.losses[2]) / 3;
    assert_true(fabs(json_real_value(json_object_get(first, "loss")) - mean) < 1e-12);
    assert_true(json_real_value(json_object_get(first, "grad_norm")) > 0);
    assert_true(fabs(json_real_value(json_object_get(first, "epoch")) - 3 / 7.) < 1e-12);
    int evaluations = 0;
    for (size_t i = 0; i < json_array_size(t.history); i++) evaluations += json_object_get(json_array_get(t.history, i), "eval_accuracy") != NULL;
    assert_int_equal(evaluations, 4);
    const json_t *last = json_array_get(t.history, json_array_size(t.history) - 1);
    assert_non_null(json_object_get(last, "train_runtime"));
    tiny_training_free(&t);
}

static void the_plan_is_what_is_taken(void **state) {
    (void)state;
    at_error err;
    tiny_training t = tiny_training_new(model_folder);
    at_model *model = tiny_model_open(model_folder, AT_HEAD_POOLER);
    at_dataset *d = tiny_dataset(300, 30, TINY_VOCAB, 3);
    t.state.task = &t.task;
    t.hyper.batch_size = 64;
    const at_trainer_setup setup = {.model = model, .state = &t.state, .train = d, .hyper = &t.hyper, .backend = t.backend};
    at_memory_plan plan;
    at_training r;
    check_ok(at_trainer_plan(&setup, &plan, &err), &err);
    check_ok(at_training_open(&r, &setup, &err), &err);
    size_t gradients = 0;
    for (int step = 0; step < r.n_steps; step++) {
        at_lanes_result result;
        check_ok(at_lanes_run(r.lanes, at_sampler_step(&r.sampler, step), step, &result, &err), &err);
        at_optimizer_discard(&r.optimizer, at_lanes_gradients(r.lanes));
    }
    for (int l = 0; l < r.n_lanes; l++) gradients += at_gradients_bytes(r.params, r.lanes_setup.bounds.lane_rows);
    size_t taken = at_workspace_bytes(at_lanes_peak(r.lanes));
    assert_int_equal(plan.lanes, r.n_lanes);
    assert_int_equal(plan.gradients, gradients);
    assert_int_equal(plan.moments, r.optimizer.flat.size);
    if (taken > plan.activations || (double)taken < 0.8 * (double)plan.activations)
        fail_msg("planned %zu bytes of activations, took %zu", plan.activations, taken);
    at_training_close(&r);
    at_dataset_close(d);
    at_model_close(model);
}

/* ---- numbers that are not finite ---- */

enum { IN_LOGITS, IN_LOSS, IN_DENSE_GRADIENT, IN_TABLE_GRADIENT, IN_WEIGHT, PLACES };
static struct { int place, first, last, once, done; float value; } poison; /* the test's own switch */

static at_tensor *poisoned_loss(const at_task_state *s, at_tape *tape, const at_model *m, at_tensor *logits, const at_batch *b,
                                const at_dataset *d, double norm) {
    int now = !tape->dry && (int)tape->step >= poison.first && (int)tape->step <= poison.last && !(poison.once && poison.done);
    if (now && poison.place == IN_LOGITS) logits->data[0] = poison.value;
    at_tensor *loss = at_task_find("classify")->loss(s, tape, m, logits, b, d, norm);
    if (!now) return loss;
    if (poison.place == IN_LOSS) loss->data[0] = poison.value;
    if (poison.place == IN_DENSE_GRADIENT) tape->gradients->dense[7] = poison.value;
    if (poison.place == IN_TABLE_GRADIENT) at_table_gradient_row(&tape->gradients->tables[0], 30)[1] = poison.value;
    if (poison.place == IN_WEIGHT) tape->params->values[tape->params->weights[5].offset] = poison.value;
    if ((int)tape->step == poison.last) poison.done = 1;
    return loss;
}

static int all_finite(const tiny_training *t) {
    for (size_t i = 0; i < t->n_weights; i++)
        if (!isfinite(t->weights[i])) return 0;
    return 1;
}

static tiny_training poisoned(int place, int first, int last, int once, float value) {
    poison.place = place;
    poison.first = first;
    poison.last = last;
    poison.once = once;
    poison.done = 0;
    poison.value = value;
    tiny_training t = tiny_training_new(model_folder);
    t.task.loss = poisoned_loss;
    t.hyper.lanes = 1;
    return t;
}

static int skipped_entries(const tiny_training *t) {
    int n = 0;
    for (size_t i = 0; i < json_array_size(t->history); i++) n += json_is_true(json_object_get(json_array_get(t->history, i), "skipped"));
    return n;
}

static void a_single_bad_step_is_not_taken(void **state) {
    (void)state;
    for (int place = IN_LOGITS; place < IN_WEIGHT; place++)
        for (int infinite = 0; infinite < 2; infinite++) {
            tiny_training t = poisoned(place, 4, 4, 0, infinite ? INFINITY : NAN);
            tiny_training_run(&t);
            check_ok(t.status, &t.err);
            assert_true(all_finite(&t));
            assert_int_equal(skipped_entries(&t), 1);
            assert_non_null(strstr(t.notes, "step 5 was not taken"));
            assert_non_null(strstr(t.notes, "tiny.csv:"));
            tiny_training_free(&t);
        }
}

static void three_bad_steps_go_back_once(void **state) {
    (void)state;
    char folder[] = "/tmp/attune-bad-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int with_folder = 0; with_folder < 2; with_folder++)
        for (int place = IN_LOGITS; place < PLACES; place++) {
            tiny_training t = poisoned(place, 9, place == IN_WEIGHT ? 9 : 11, 1, NAN);
            if (with_folder) t.run_folder = folder;
            tiny_training_run(&t);
            check_ok(t.status, &t.err);
            assert_true(all_finite(&t));
            assert_non_null(strstr(t.notes, "half the learning rate"));
            assert_int_equal(skipped_entries(&t), 3);
            assert_int_equal(t.steps, 21);
            at_folder_remove(folder, NULL);
            tiny_training_free(&t);
        }
}

/* While a mean of the weights is under way: it goes on from the good ones. */
static void bad_steps_are_not_in_the_mean(void **state) {
    (void)state;
    char folder[] = "/tmp/attune-bad-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int with_folder = 0; with_folder < 2; with_folder++)
        for (int place = IN_LOGITS; place < (with_folder ? PLACES : IN_WEIGHT); place++) {
            tiny_training t = poisoned(place, 16, place == IN_WEIGHT ? 16 : 18, 1, NAN);
            t.hyper.average = 0.5;
            if (with_folder) t.run_folder = folder;
            tiny_training_run(&t);
            check_ok(t.status, &t.err);
            assert_true(all_finite(&t));
            assert_int_equal(skipped_entries(&t), 3);
            assert_int_equal(t.steps, 21);
            at_folder_remove(folder, NULL);
            tiny_training_free(&t);
        }
}

static void a_training_that_stays_bad_diverges(void **state) {
    (void)state;
    char folder[] = "/tmp/attune-bad-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int place = IN_LOGITS; place < PLACES; place++) {
        tiny_training t = poisoned(place, 8, 1000, 0, NAN);
        t.run_folder = folder;
        tiny_training_run(&t);
        assert_int_equal(t.status, AT_DIVERGED);
        assert_true(all_finite(&t));
        at_folder_remove(folder, NULL);
        tiny_training_free(&t);
    }
}

static void an_absurd_rate_diverges_or_stays_finite(void **state) {
    (void)state;
    tiny_training t = tiny_training_new(model_folder);
    t.hyper.learning_rate = 1e6;
    t.hyper.num_train_epochs = 6;
    t.no_eval = 1;
    tiny_training_run(&t);
    assert_true(t.status == AT_OK || t.status == AT_DIVERGED);
    assert_true(all_finite(&t));
    tiny_training_free(&t);
}

/* Elements so large that their squares are infinite: no step may be taken with them, clipped or not. */
static void a_gradient_too_large_for_its_square_is_not_taken(void **state) {
    (void)state;
    char folder[] = "/tmp/attune-large-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int clipped = 0; clipped < 2; clipped++) {
        tiny_training t = poisoned(IN_DENSE_GRADIENT, 4, 4, 0, 1e30f);
        t.hyper.max_grad_norm = clipped;
        t.run_folder = folder;
        tiny_training_run(&t);
        check_ok(t.status, &t.err);
        assert_true(all_finite(&t));
        if (strstr(t.notes, "no checkpoint")) fail_msg("%s", t.notes); /* moments stay finite */
        if (clipped) assert_int_equal(t.warnings, 0);
        else assert_non_null(strstr(t.notes, "step 5 was not taken"));
        at_folder_remove(t.run_folder, NULL);
        tiny_training_free(&t);
    }
}

static at_status poisoned_score(const at_task_state *s, const at_dataset *d, const float *logits, at_score *score, at_error *err) {
    size_t n = (size_t)d->n * (size_t)s->labels.n;
    float *copy = malloc(n * sizeof *copy);
    memcpy(copy, logits, n * sizeof *copy);
    if (poison.first-- == 0) copy[4] = poison.value;
    at_status st = at_task_find("classify")->score(s, d, copy, score, err);
    free(copy);
    return st;
}

/* An evaluation that is not finite is never the best one, and ends nothing. */
static void an_answer_that_is_no_number_is_never_the_best(void **state) {
    (void)state;
    static const float BAD[] = {NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        tiny_training t = poisoned(PLACES, i < 2 ? 0 : 2, 0, 0, BAD[i % 2]);
        t.task.loss = at_task_find("classify")->loss;
        t.task.score = poisoned_score;
        tiny_training_run(&t);
        check_ok(t.status, &t.err);
        assert_true(all_finite(&t));
        assert_true(isfinite(t.best_main));
        assert_int_not_equal(t.best_step, i < 2 ? 0 : 14);
        assert_int_equal(t.evaluations, 4);
        tiny_training_free(&t);
    }
}

int main(void) {
    if (!mkdtemp(model_folder)) return 1;
    tiny_model_write(model_folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_learns),
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(bf16_is_near_and_repeats),
        cmocka_unit_test(chunks_and_lanes_change_rounding_only),
        cmocka_unit_test(a_coupled_loss_sees_the_whole_step),
        cmocka_unit_test(frozen_weights_stay_and_unfreezing_joins),
        cmocka_unit_test(adamw_moves_every_row_as_pytorch_does),
        cmocka_unit_test(patience_ends_and_the_best_state_is_left),
        cmocka_unit_test(the_mean_of_the_last_weights_is_left),
        cmocka_unit_test(history_is_that_of_trainer_state),
        cmocka_unit_test(the_plan_is_what_is_taken),
        cmocka_unit_test(a_single_bad_step_is_not_taken),
        cmocka_unit_test(three_bad_steps_go_back_once),
        cmocka_unit_test(bad_steps_are_not_in_the_mean),
        cmocka_unit_test(a_training_that_stays_bad_diverges),
        cmocka_unit_test(a_gradient_too_large_for_its_square_is_not_taken),
        cmocka_unit_test(an_answer_that_is_no_number_is_never_the_best),
        cmocka_unit_test(an_absurd_rate_diverges_or_stays_finite),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    at_folder_remove(model_folder, NULL);
    return failed;
}
