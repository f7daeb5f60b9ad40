/* Step 1: the body frozen, its features computed once, the head fitted on them. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/machine.h"
#include "base/str.h"
#include "infer/predict.h"
#include "run/train_run.h"

/* Features beyond this many bytes are computed on a seeded subset only: the head has converged long before. */
static const size_t FEATURE_BYTES = (size_t)256 << 20;
enum {
    CHOOSE_EXAMPLES = 3000, /* cross-validation looks at so many at most */
    FEW_EXAMPLES = 100      /* of fewer it cannot tell the heads apart: the folder's own pooling decides */
};

typedef struct feature_progress {
    at_train_run *run;
    int total;
    double last, began;
} feature_progress;

static int features_done(void *context, int done) {
    feature_progress *p = context;
    double now = at_seconds();
    if (now - p->last > 0.5 && done < p->total) {
        p->last = now;
        at_event_progress e = {.step = done, .n_steps = p->total, .loss = NAN, .learning_rate = NAN, .tokens_per_second = NAN,
                               .seconds_left = (now - p->began) / (done ? done : 1) * (p->total - done)};
        at_tell_progress(p->run->listener, &e);
    }
    return at_asked_to_stop(p->run->listener);
}

static at_status compute_features(at_train_run *run, const at_dataset *d, at_error *err) {
    size_t count = (size_t)d->n * (size_t)run->model->arch.hidden;
    AT_TRY(at_mapped_open(&run->cache[0], &run->folder, "features-first", count, err));
    AT_TRY(at_mapped_open(&run->cache[1], &run->folder, "features-mean", count, err));
    if (run->cache[0].ready && run->cache[1].ready) return AT_OK;
    double began = at_seconds();
    feature_progress p = {run, d->n, began, began};
    AT_TRY(at_predict_features(run->model, d, run->backend, run->pool, run->cache[0].values, run->cache[1].values, features_done, &p, err));
    double seconds = at_seconds() - began;
    run->forward_rate = seconds > 0 ? (double)d->token_at[d->n] / seconds : 0;
    AT_TRY(at_mapped_ready(&run->cache[0], err));
    return at_mapped_ready(&run->cache[1], err);
}

/* A stratified subset by folds: those of fold 0 of enough folds. */
static at_status subset_of(const at_dataset *d, int most, uint64_t seed, at_arena *arena, at_dataset **part, uint32_t **index, at_error *err) {
    int parts = (d->n + most - 1) / most, n = 0;
    if (parts > 127) parts = 127;
    int8_t *fold = AT_NEW_ARRAY(arena, int8_t, d->n);
    *index = AT_NEW_ARRAY(arena, uint32_t, d->n);
    if (!fold || !*index) return at_fail_memory(err, (size_t)d->n * 5);
    at_folds(d, parts, seed + 1, fold);
    for (int i = 0; i < d->n; i++)
        if (!fold[i]) (*index)[n++] = (uint32_t)i;
    return at_dataset_subset(d, *index, n, part, err);
}

/* ---- which head, which penalty ---- */

typedef struct head_work {
    at_head_problem problem;
    const int8_t *fold;
    int n_folds;
} head_work;

static const char *head_name(at_head_kind kind) { return kind == AT_HEAD_MEAN ? "mean" : "pooler"; }

static double mean_of(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

static at_status choose_one(at_train_run *run, head_work *w, const float *features, at_head_kind kind, at_head_choice *choice, at_error *err) {
    w->problem.kind = kind;
    w->problem.features = features;
    return at_head_choose(&w->problem, w->fold, w->n_folds, run->pool, &run->arena, choice, err);
}

/* 1 where the folder's sentence-transformers modules say that its body was trained with the mean of the tokens. */
static int made_for_mean(const at_train_run *run) {
    at_arena scratch = {0};
    json_t *config = NULL;
    char *path = at_path_join(&scratch, run->model_folder, "1_Pooling/config.json");
    int yes = path && at_file_exists(path) && !at_json_load(path, AT_JSON_CONFIG_BYTES, AT_BAD_MODEL, &config, NULL) &&
              json_is_true(json_object_get(config, "pooling_mode_mean_tokens"));
    json_decref(config);
    at_arena_free(&scratch);
    return yes;
}

static at_status choose_head(at_train_run *run, head_work *w, const float *first, const float *mean, at_error *err) {
    at_head_choice pooler, average;
    int asked = at_options_choice(run->options, "head");
    if (asked) {
        run->head = (at_head_kind)asked;
        return choose_one(run, w, asked == AT_HEAD_MEAN ? mean : first, run->head, &run->head_choice, err);
    }
    if (w->problem.data->n < FEW_EXAMPLES && made_for_mean(run)) {
        run->head = AT_HEAD_MEAN;
        at_tell(run->listener, "head", json_pack("{s:s}", "head", "mean"), "Head: mean; the body was trained with the mean of its tokens, and %d examples are "
                "too few to compare heads by.", w->problem.data->n);
        return choose_one(run, w, mean, AT_HEAD_MEAN, &run->head_choice, err);
    }
    AT_TRY(choose_one(run, w, first, AT_HEAD_POOLER, &pooler, err));
    AT_TRY(choose_one(run, w, mean, AT_HEAD_MEAN, &average, err));
    double gain, error, a = mean_of(average.fold_main, w->n_folds), p = mean_of(pooler.fold_main, w->n_folds);
    int take_mean = at_head_compare(&pooler, &average, w->problem.data->n, &gain, &error);
    run->head = take_mean ? AT_HEAD_MEAN : AT_HEAD_POOLER;
    run->head_choice = take_mean ? average : pooler;
    at_tell(run->listener, "head", json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "head", head_name(run->head), "pooler", p, "mean", a, "pooler_loss", pooler.loss,
            "mean_loss", average.loss, "gain", gain, "standard_error", error),
            "Head: %s; in cross-validation on the frozen features mean has a loss of %.4f (score %.4f), pooler %.4f (%.4f); the difference is %.1f standard errors.%s",
            head_name(run->head), average.loss, a, pooler.loss, p, error > 0 ? gain / error : 0.0, take_mean ? "" : " Pooler opens in more programs.");
    return AT_OK;
}

static at_status choose_on(at_train_run *run, const at_dataset *d, const float *first, const float *mean, at_error *err) {
    int hidden = run->model->arch.hidden, n_folds = run->fold ? run->recipe.folds : 3;
    at_arena scratch = {0};
    at_dataset *part = NULL;
    uint32_t *index;
    head_work w = {.problem = {.arch = &run->model->arch, .state = &run->state, .data = d, .backend = run->backend, .seed = run->hyper.seed},
                   .fold = run->fold, .n_folds = n_folds};
    at_status st = AT_OK;
    if (d->n > CHOOSE_EXAMPLES) {
        st = subset_of(d, CHOOSE_EXAMPLES, run->hyper.seed, &scratch, &part, &index, err);
        float *sub[2] = {NULL, NULL};
        for (int k = 0; k < 2 && !st; k++) {
            sub[k] = AT_NEW_ARRAY(&scratch, float, (size_t)part->n * (size_t)hidden);
            if (!sub[k]) st = at_fail_memory(err, (size_t)part->n * (size_t)hidden * sizeof(float));
            for (int i = 0; i < part->n && !st; i++)
                memcpy(sub[k] + (size_t)i * (size_t)hidden, (k ? mean : first) + (size_t)index[i] * (size_t)hidden, (size_t)hidden * sizeof(float));
        }
        w.problem.data = part;
        first = sub[0];
        mean = sub[1];
    }
    if (!st && !w.fold) {
        int8_t *fold = AT_NEW_ARRAY(&scratch, int8_t, w.problem.data->n);
        if (fold) at_folds(w.problem.data, n_folds, run->hyper.seed, fold);
        else st = at_fail_memory(err, (size_t)d->n);
        w.fold = fold;
    }
    if (!st) st = choose_head(run, &w, first, mean, err);
    /* A penalty is per example: on more of them the same strength is a smaller lambda. */
    if (!st) run->head_choice.penalty *= (double)w.problem.data->n / d->n;
    at_dataset_close(part);
    at_arena_free(&scratch);
    return st;
}

/* ---- the step ---- */

static at_status fit_and_tell(at_train_run *run, const at_dataset *d, at_error *err) {
    double loss;
    run->features = run->cache[run->head == AT_HEAD_MEAN].values;
    at_model_close(run->model);
    run->model = NULL;
    AT_TRY(at_train_open_model(run, run->head, &run->model, err));
    at_head_problem p = {.arch = &run->model->arch, .kind = run->head, .state = &run->state, .data = d, .features = run->features,
                         .backend = run->backend, .seed = run->hyper.seed};
    AT_TRY(at_head_fit(&p, run->head_choice.penalty, run->model, &loss, err));
    if (run->recipe.judging != AT_JUDGE_FOLDS) return AT_OK;
    return run->state.task->score(&run->state, run->all, run->head_choice.logits, &run->step1, err);
}

static at_status judge_on_eval(at_train_run *run, at_error *err) {
    size_t cells = (size_t)run->eval->n * (size_t)run->state.labels.n;
    at_arena scratch = {0};
    float *logits = AT_NEW_ARRAY(&scratch, float, cells);
    at_status st = logits ? at_predict_logits(run->model, run->eval, run->backend, run->pool, logits, err) : at_fail_memory(err, cells * sizeof(float));
    if (!st) st = run->state.task->score(&run->state, run->eval, logits, &run->step1, err);
    at_arena_free(&scratch);
    return st;
}

static void tell_step1(at_train_run *run) {
    at_tell(run->listener, "phase", json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "phase", "head", "metric", run->step1.main_name, "main", run->step1.main, "loss",
            run->step1.loss, "penalty", run->head_choice.penalty, "seconds", run->head_seconds),
            "Step 1, head on the frozen body: %s %.4f%s, loss %.4f (%.1f s).", run->step1.main_name, run->step1.main,
            isfinite(run->step1.low) ? at_format(&run->arena, " [%.3f, %.3f]", run->step1.low, run->step1.high) : "", run->step1.loss, run->head_seconds);
}

at_status at_train_head(at_train_run *run, at_error *err) {
    at_tell(run->listener, "note", NULL, "Step 1: the body is frozen; its features are computed once and the head is fitted on them.");
    double began = at_seconds();
    at_dataset *part = NULL;
    const at_dataset *d = run->train;
    uint32_t *index;
    int most = (int)(FEATURE_BYTES / 2 / ((size_t)run->model->arch.hidden * sizeof(float)));
    if (d->n > most) {
        AT_TRY(subset_of(d, most, run->hyper.seed, &run->arena, &part, &index, err));
        d = part;
    }
    at_status st = compute_features(run, d, err);
    if (!st) st = choose_on(run, d, run->cache[0].values, run->cache[1].values, err);
    if (!st) st = fit_and_tell(run, d, err);
    if (!st && run->eval) st = judge_on_eval(run, err);
    run->head_seconds = at_seconds() - began;
    if (!st) tell_step1(run);
    at_dataset_close(part);
    return st;
}
