/* Step 2: everything is trained from the fitted head on; and, on small data, the same on folds first, to learn whether it pays. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/machine.h"
#include "base/str.h"
#include "infer/predict.h"
#include "run/score_text.h"
#include "run/train_run.h"

/* ---- curves ---- */

static void draw(at_train_run *run, const char *tag, int step, double value) {
    const char *folder = at_options_text(run->options, "tensorboard", NULL);
    at_error err;
    if (!folder || !run->final || run->board_failed) return;
    at_status st = run->board ? AT_OK : at_tensorboard_open(folder, step, &run->board, &err);
    if (!st) st = at_tensorboard_scalar(run->board, tag, step, value, &err);
    if (!st) return;
    run->board_failed = 1;
    at_tell_warning(run->listener, "no more TensorBoard figures: %s", err.text);
}

void at_train_draw_score(at_train_run *run, int step, const at_score *score) {
    const char *key;
    json_t *value;
    char tag[128];
    json_object_foreach(score->values, key, value) {
        snprintf(tag, sizeof tag, "eval/%s", key);
        if (json_is_number(value)) draw(run, tag, step, json_number_value(value));
    }
}

/* ---- what the trainer says ---- */

static void on_progress(void *context, const at_progress *p) {
    at_train_run *run = context;
    at_event_progress e = {p->step, p->n_steps, p->epoch, p->loss, p->learning_rate, p->tokens_per_second, p->seconds_left};
    at_tell_progress(run->listener, &e);
    draw(run, "train/loss", p->step, p->loss);
    draw(run, "train/learning_rate", p->step, p->learning_rate);
    draw(run, "train/grad_norm", p->step, p->gradient_norm);
}

static void on_evaluated(void *context, const at_progress *p, const at_score *s, int is_best) {
    at_train_run *run = context;
    json_t *values = json_deep_copy(s->values);
    char words[AT_SCORE_LINE];
    at_score_line(s, 0, words);
    at_train_draw_score(run, p->step, s);
    json_object_del(values, "per_class");
    json_object_del(values, "confusion_matrix");
    at_tell(run->listener, "eval",
            json_pack("{s:i, s:f, s:b, s:o}", "step", p->step, "epoch", p->epoch, "best", is_best, "values", values),
            "  step %d, epoch %.2f: %s%s", p->step, p->epoch, words,
            is_best ? " (best so far)" : "");
}

static void on_note(void *context, int warning, const char *sentence) {
    at_train_run *run = context;
    if (warning) json_array_append_new(run->notes, json_string(sentence));
    if (warning) at_tell_warning(run->listener, "%s", sentence);
    else at_tell_note(run->listener, "%s", sentence);
}

int at_train_stop(void *run) { return at_asked_to_stop(((at_train_run *)run)->listener); }

int at_train_watch(void *run, int done) {
    (void)done;
    return at_train_stop(run);
}

at_listener_hooks at_train_hooks(at_train_run *run) { return (at_listener_hooks){run, on_progress, on_evaluated, on_note, at_train_stop}; }

/* ---- training, and the mean with where it began ---- */

/* *start: NULL where nothing of it will be wanted; the caller frees it. */
static at_status keep_start(const at_train_run *run, const at_params *p, at_real **start, at_error *err) {
    *start = NULL;
    if (run->mix == 1) return AT_OK;
    *start = malloc(p->total * sizeof **start);
    if (!*start) return at_fail_memory(err, p->total * sizeof **start);
    memcpy(*start, p->values, p->total * sizeof **start);
    return AT_OK;
}

static void mix_in(at_params *p, const at_real *start, double mix) {
    for (size_t i = 0; i < p->total; i++) p->values[i] = (at_real)(mix * (double)p->values[i] + (1 - mix) * (double)start[i]);
}

static at_status train_and_mix(at_train_run *run, const at_trainer_setup *setup, at_train_result *result, at_error *err) {
    at_real *start;
    AT_TRY(keep_start(run, &setup->model->params, &start, err));
    at_status st = at_trainer_run(setup, result, err);
    if (!st && start) mix_in(&setup->model->params, start, run->mix);
    free(start);
    return st;
}

/* ---- folds ---- */

typedef struct fold_data {
    at_dataset *inside, *outside;
    float *features; /* of inside */
    uint32_t *index_in, *index_out;
    int n_in, n_out;
} fold_data;

static at_status take_fold(const at_train_run *run, int f, at_arena *arena, fold_data *d, at_error *err) {
    int n = run->all->n;
    size_t hidden = (size_t)run->model->arch.hidden, outputs = at_dataset_outputs(run->all);
    d->index_in = AT_NEW_ARRAY(arena, uint32_t, n);
    d->index_out = AT_NEW_ARRAY(arena, uint32_t, n);
    d->features = AT_NEW_ARRAY(arena, float, outputs * hidden);
    if (!d->index_in || !d->index_out || !d->features) return at_fail_memory(err, (size_t)n * 8 + outputs * hidden * 4);
    for (int i = 0; i < n; i++) {
        if (run->fold[i] == f) d->index_out[d->n_out++] = (uint32_t)i;
        else d->index_in[d->n_in++] = (uint32_t)i;
    }
    if (run->features) at_dataset_take_outputs(run->all, d->index_in, d->n_in, hidden, run->features, d->features);
    AT_TRY(at_dataset_subset(run->all, d->index_in, d->n_in, &d->inside, err));
    return at_dataset_subset(run->all, d->index_out, d->n_out, &d->outside, err);
}

static at_status fit_head(at_train_run *run, const at_dataset *d, const float *features, double penalty, at_model *model, at_error *err) {
    at_head_problem p = {.arch = &model->arch, .kind = run->head, .state = &run->state, .data = d, .features = features,
                         .backend = run->backend, .seed = run->hyper.seed, .stop = at_train_stop, .stop_context = run};
    return at_head_fit(&p, penalty, model, NULL, err);
}

/* The head from which step 2 starts. A penalty is per output: on fewer of them the same strength is a larger lambda. */
static at_status fit_start(at_train_run *run, const at_dataset *d, const float *features, at_model *model, at_error *err) {
    double share = (double)at_dataset_outputs(run->train) / (double)at_dataset_outputs(d);
    return fit_head(run, d, features, run->softening * run->head_choice.penalty * share, model, err);
}

/* The model of a fold: the pre-trained body, and the head fitted on the fold's examples. */
static at_status fold_model(at_train_run *run, const fold_data *d, at_model **model, at_error *err) {
    AT_TRY(at_train_open_model(run, run->head, model, err));
    return run->head_choice.n_folds ? fit_start(run, d->inside, d->features, *model, err) : AT_OK;
}

static size_t fold_cells(const at_train_run *run, const at_dataset *d) { return at_dataset_outputs(d) * (size_t)run->state.n_out; }

/* answers: of step 2 as the share to keep has it, then of all of it. */
static at_status train_fold(at_train_run *run, const fold_data *d, float *answers, at_error *err) {
    at_model *model = NULL;
    at_real *start = NULL;
    at_train_result result = {0};
    float *whole = answers + fold_cells(run, d->outside);
    at_status st = fold_model(run, d, &model, err);
    if (!st) st = keep_start(run, &model->params, &start, err);
    at_trainer_setup setup = {.model = model, .state = &run->state, .train = d->inside, .hyper = &run->hyper, .backend = run->backend,
                              .pool = run->pool, .hooks = at_train_hooks(run)};
    if (!st) st = at_trainer_run(&setup, &result, err);
    if (!st) st = at_predict_logits_watched(model, d->outside, run->backend, run->pool, whole, at_train_watch, run, err);
    if (!st && start) {
        mix_in(&model->params, start, run->mix);
        st = at_predict_logits_watched(model, d->outside, run->backend, run->pool, answers, at_train_watch, run, err);
    } else if (!st) memcpy(answers, whole, fold_cells(run, d->outside) * sizeof *answers);
    free(start);
    at_score_free(&result.best);
    json_decref(result.history);
    at_model_close(model);
    return st;
}

static at_status run_fold(at_train_run *run, int f, float *mixed, float *whole, at_error *err) {
    at_arena scratch = {0};
    fold_data d = {0};
    size_t k = (size_t)run->state.n_out;
    char name[32];
    at_mapped answer;
    snprintf(name, sizeof name, "fold-%d", f);
    at_status st = take_fold(run, f, &scratch, &d, err);
    if (!st) st = at_mapped_open(&answer, &run->folder, name, 2 * fold_cells(run, d.outside), err);
    if (!st) {
        if (!at_mapped_is_whole(&answer)) {
            at_tell(run->listener, "fold", json_pack("{s:i, s:i}", "fold", f + 1, "folds", run->recipe.tuned_folds),
                    run->step1.values ? "Step 2 on fold %d of %d, to learn whether it pays:" : "On fold %d of %d, to learn how good it is:", f + 1, run->recipe.tuned_folds);
            st = train_fold(run, &d, answer.values, err);
            if (!st) st = at_mapped_keep(&answer, answer.count, err);
        }
        if (!st) at_dataset_put_outputs(run->all, d.index_out, d.n_out, k, answer.values, mixed);
        if (!st) at_dataset_put_outputs(run->all, d.index_out, d.n_out, k, answer.values + fold_cells(run, d.outside), whole);
        at_mapped_close(&answer);
    }
    at_dataset_close(d.inside);
    at_dataset_close(d.outside);
    at_arena_free(&scratch);
    return st;
}

/* Both steps on the same held-out examples: those of the folds on which step 2 was run. */
/* All of step 2 instead of the mean with its beginning, where that leaves little of what step 1 gets wrong. */
static at_status look_at_whole(at_train_run *run, float *whole, at_error *err) {
    at_score score = {0};
    if (run->mix == 1 || !at_options_is_auto(run->options, "mix")) return AT_OK;
    AT_TRY(run->state.task->score(&run->state, run->held, whole, &score, err));
    if (!at_recipe_takes_whole(&run->step1, &score)) {
        at_score_free(&score);
        return AT_OK;
    }
    run->mix = 1;
    run->held_logits = whole;
    at_score_free(&run->step2);
    run->step2 = score;
    at_tell(run->listener, "choice", json_pack("{s:f}", "mix", run->mix),
            "Kept: all of step 2 (%s %.4f on unseen data): the frozen body of step 1 (%.4f) has little of this task.", score.main_name, score.main,
            run->step1.main);
    return AT_OK;
}

static at_status compare_on_folds(at_train_run *run, const float *mixed, const float *whole, at_arena *scratch, at_error *err) {
    int n = 0;
    size_t k = (size_t)run->state.n_out;
    const at_task *task = run->state.task;
    uint32_t *index = AT_NEW_ARRAY(scratch, uint32_t, run->all->n);
    if (!index) return at_fail_memory(err, (size_t)run->all->n * sizeof *index);
    for (int i = 0; i < run->all->n; i++)
        if (run->fold[i] < run->recipe.tuned_folds) index[n++] = (uint32_t)i;
    AT_TRY(at_dataset_subset(run->all, index, n, &run->held, err));
    size_t cells = fold_cells(run, run->held);
    float *tuned = AT_NEW_ARRAY(&run->arena, float, cells), *head = AT_NEW_ARRAY(&run->arena, float, cells),
          *all = AT_NEW_ARRAY(&run->arena, float, cells);
    if (!tuned || !head || !all) return at_fail_memory(err, cells * sizeof(float));
    at_dataset_take_outputs(run->all, index, n, k, mixed, tuned);
    at_dataset_take_outputs(run->all, index, n, k, whole, all);
    run->held_logits = tuned;
    AT_TRY(task->score(&run->state, run->held, tuned, &run->step2, err));
    if (!run->head_choice.n_folds) return AT_OK;
    at_score_free(&run->step1);
    at_dataset_take_outputs(run->all, index, n, k, run->head_choice.logits, head);
    AT_TRY(task->score(&run->state, run->held, head, &run->step1, err));
    AT_TRY(look_at_whole(run, all, err));
    if (!at_recipe_keeps_step2(&run->step1, &run->step2)) run->held_logits = head;
    return AT_OK;
}

static at_status judge_by_folds(at_train_run *run, at_error *err) {
    at_arena scratch = {0};
    size_t cells = fold_cells(run, run->all);
    float *mixed = AT_NEW_ARRAY(&scratch, float, cells), *whole = AT_NEW_ARRAY(&scratch, float, cells);
    at_status st = mixed && whole ? AT_OK : at_fail_memory(err, 2 * cells * sizeof(float));
    for (int f = 0; f < run->recipe.tuned_folds && !st; f++) st = run_fold(run, f, mixed, whole, err);
    if (!st) st = compare_on_folds(run, mixed, whole, &scratch, err);
    at_arena_free(&scratch);
    return st;
}

/* ---- the final training ---- */

static at_status train_all(at_train_run *run, at_error *err) {
    run->final = 1;
    at_trainer_setup setup = {.model = run->model,
                              .state = &run->state,
                              .train = run->train,
                              .eval = run->eval,
                              .hyper = &run->hyper,
                              .backend = run->backend,
                              .pool = run->pool,
                              .folder = run->folder.path,
                              .fingerprint = run->folder.fingerprint,
                              .hooks = at_train_hooks(run)};
    return train_and_mix(run, &setup, &run->result, err);
}

static void tell_decision(at_train_run *run) {
    const at_score *a = &run->step1, *b = &run->step2;
    if (!a->values || !b->values) return;
    const char *words =
        !run->tuned ? a->main > b->main ? "Step 1 is better on unseen data: it, the fitted head on the body as it came, is kept"
                                        : "Step 2 is not better than step 1 on unseen data: step 1, the fitted head on the body as it came, is kept"
        : b->main > a->main
            ? "Step 2 beats step 1 on unseen data: it is kept"
            : "Step 2 is kept: step 1 is not better on unseen data by more than the noise of so few examples";
    at_tell(run->listener, "decision",
            json_pack("{s:s, s:o, s:o}", "kept", run->tuned ? "tuned" : "head", "head", at_json_number(a->main), "tuned", at_json_number(b->main)),
            "%s (%s: step 1 %.4f, step 2 %.4f).", words, b->main_name, at_score_shown(a), at_score_shown(b));
}

/* Whether or not it is what is kept. */
static void tell_step2(at_train_run *run) {
    const at_score *s = &run->step2;
    char words[AT_SCORE_LINE];
    if (!s->values) return;
    at_score_line(s, 1, words);
    at_tell(run->listener, "phase",
            json_pack("{s:s, s:s, s:o, s:o, s:f}", "phase", "tuned", "metric", s->main_name, "main", at_json_number(s->main), "loss", at_json_number(s->loss), "seconds",
                      run->tune_seconds),
            "%s%s: %s (%.1f s).", run->step1.values ? "Step 2" : "Trained", run->recipe.judging == AT_JUDGE_FOLDS ? ", out of fold" : "", words, run->tune_seconds);
}

/* Between the model's head and `kept`, which has room for it. */
static void copy_head(const at_params *p, at_real *kept, int restore) {
    for (int i = 0; i < p->n; i++) {
        const at_weight *w = &p->weights[i];
        if (!w->is_head) continue;
        at_real *live = at_weight_values(p, w);
        memcpy(restore ? live : kept, restore ? kept : live, w->size * sizeof *kept);
        kept += w->size;
    }
}

/* What step 1 left beside the body, which it leaves as it came. */
static at_status keep_head(at_train_run *run, at_real **kept, at_error *err) {
    const at_params *p = &run->model->params;
    size_t size = 0;
    for (int i = 0; i < p->n; i++) size += p->weights[i].is_head ? p->weights[i].size : 0;
    *kept = AT_NEW_ARRAY(&run->arena, at_real, size + 1);
    if (!*kept) return at_fail_memory(err, size * sizeof **kept);
    copy_head(p, *kept, 0);
    return AT_OK;
}

/* Step 1's result again, where step 2 began elsewhere and came to nothing better. It is not fitted again: of large data the features of some
 * examples are all that is left. */
static at_status return_to_step1(at_train_run *run, at_real *head, at_error *err) {
    at_model_close(run->model);
    run->model = NULL;
    AT_TRY(at_train_open_model(run, run->head, &run->model, err));
    copy_head(&run->model->params, head, 1);
    return AT_OK;
}

/* The evaluated steps of the final training include step 0, which is step 1's result unless its head was softened: the
 * best state is it where nothing was better. A mean with where it began is none of the states that were evaluated: it is judged by itself. */
static at_status tune_by_eval(at_train_run *run, at_error *err) {
    int softened = run->head_choice.n_folds && run->softening != 1, elsewhere = softened || run->mix < 1 || run->hyper.average > 0;
    at_real *head = NULL;
    if (elsewhere && run->step1.values) AT_TRY(keep_head(run, &head, err)); /* a classifier over words would be large */
    if (softened) AT_TRY(fit_start(run, run->train, run->features, run->model, err));
    AT_TRY(train_all(run, err));
    if (!run->result.best.values) return AT_OK;
    if (run->mix < 1) {
        AT_TRY(at_train_judge(run, run->eval, &run->step2, err));
    } else {
        run->step2 = run->result.best;
        json_incref(run->step2.values);
    }
    run->tuned = !run->step1.values || (elsewhere ? run->step2.main > run->step1.main : run->result.best_step > 0);
    return elsewhere && !run->tuned ? return_to_step1(run, head, err) : AT_OK;
}

static at_status tune_by_folds(at_train_run *run, at_error *err) {
    run->tuned = 1;
    if (run->recipe.tuned_folds) {
        AT_TRY(judge_by_folds(run, err));
        run->tuned = !run->step1.values || at_recipe_keeps_step2(&run->step1, &run->step2);
    }
    if (!run->tuned) return AT_OK;
    at_tell_note(run->listener, "%s all %d examples:", run->step1.values ? "Step 2 on" : "On", at_dataset_units(run->train));
    if (run->head_choice.n_folds && run->softening != 1) AT_TRY(fit_start(run, run->all, run->features, run->model, err));
    return train_all(run, err);
}

at_status at_train_tune(at_train_run *run, at_error *err) {
    double began = at_seconds();
    static const char *const WORDS[2][3] = {
        {"Everything is trained.", "Everything but what is frozen is trained.", "Block after block is trained, from the top."},
        {"Step 2: everything is trained from there.", "Step 2: everything but what is frozen is trained from there.",
         "Step 2: from there block after block is trained, from the top."}};
    at_tell_note(run->listener, "%s", WORDS[run->step1.values != NULL][run->method == AT_METHOD_GRADUAL ? 2 : run->frozen ? 1 : 0]);
    at_status st = run->recipe.judging == AT_JUDGE_FOLDS ? tune_by_folds(run, err) : tune_by_eval(run, err);
    run->tune_seconds = at_seconds() - began;
    if (!st) tell_step2(run);
    if (!st) tell_decision(run);
    return st;
}
