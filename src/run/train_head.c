/* Step 1: the body frozen, its features computed once, the head fitted on them. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/machine.h"
#include "base/str.h"
#include "infer/predict.h"
#include "run/score_text.h"
#include "run/train_run.h"

/* Features beyond this many bytes are computed on a seeded subset only: the head has converged long before. */
static const size_t FEATURE_BYTES = (size_t)256 << 20;
enum {
    FIT_PLACES = 40000,     /* of answers at tokens, so many at most are fitted on: neighbours say much the same */
    SLICE_EXAMPLES = 8192,  /* features are kept after so many: what was computed is not computed again */
    CHOOSE_OUTPUTS = 3000,  /* cross-validation looks at so many at most */
    CHOOSE_PLACES = 6000,
    FEW_EXAMPLES = 100      /* of fewer it cannot tell the heads apart: the folder's own pooling decides */
};

typedef struct feature_progress {
    at_train_run *run;
    int total, first, before; /* examples: all, the first of this pass, those of earlier slices */
    double last, began;
} feature_progress;

static int features_done(void *context, int done) {
    feature_progress *p = context;
    double now = at_seconds();
    done += p->before;
    if (now - p->last > 0.5 && done < p->total) {
        p->last = now;
        at_event_progress e = {.step = done, .n_steps = p->total, .loss = NAN, .learning_rate = NAN, .tokens_per_second = NAN,
                               .seconds_left = (now - p->began) / (done > p->first ? done - p->first : 1) * (p->total - done)};
        at_tell_progress(p->run->listener, &e);
    }
    return at_asked_to_stop(p->run->listener);
}

/* The kinds of heads to compare: the one asked for, or all of the task. */
typedef struct candidates {
    at_feature_set set[AT_TRAIN_HEADS];
    int n;
} candidates;

static candidates list_candidates(const at_train_run *run) {
    candidates c = {0};
    int asked = at_options_choice(run->options, "head");
    const at_head_kind *kind = run->state.task->heads;
    if (asked) c.set[c.n++].kind = (at_head_kind)asked;
    else
        for (; c.n < AT_TRAIN_HEADS && *kind; kind++)
            if (!at_head_check(&run->model->arch, *kind, NULL)) c.set[c.n++].kind = *kind;
    return c;
}

static at_status open_caches(at_train_run *run, const at_dataset *d, candidates *c, at_error *err) {
    size_t count = at_dataset_outputs(d) * (size_t)run->model->arch.hidden;
    for (int i = 0; i < c->n; i++) {
        char name[64];
        snprintf(name, sizeof name, "features-%s", at_head_name(c->set[i].kind));
        AT_TRY(at_mapped_open(&run->cache[i], &run->folder, name, count, err));
        c->set[i].features = run->cache[i].values;
    }
    return AT_OK;
}

/* The first example of the first slice that is not whole in every cache; d->n: there is none. */
static int first_missing(const at_train_run *run, const at_dataset *d, const candidates *c) {
    size_t hidden = (size_t)run->model->arch.hidden, done = SIZE_MAX;
    int first = 0;
    for (int i = 0; i < c->n; i++)
        if (run->cache[i].done < done) done = run->cache[i].done;
    while (first < d->n) {
        int end = first + SLICE_EXAMPLES < d->n ? first + SLICE_EXAMPLES : d->n;
        if (at_dataset_output_at(d, end) * hidden > done) break;
        first = end;
    }
    return first;
}

/* A number that is none would end the fit without a word about where it came from. */
static at_status check_features(const at_dataset *slice, const candidates *c, size_t hidden, at_error *err) {
    for (int k = 0; k < c->n; k++)
        for (int i = 0; i < slice->n; i++)
            for (size_t j = at_dataset_output_at(slice, i) * hidden; j < at_dataset_output_at(slice, i + 1) * hidden; j++)
                if (!isfinite(c->set[k].features[j]))
                    return at_fail(
                        err, AT_DIVERGED,
                        "%s:%u: the model's answer to this text is not a finite number; its weights are damaged",
                        slice->path, slice->line[i]);
    return AT_OK;
}

/* Slices are cut by the data alone, so that the bits do not depend on where a run was stopped. */
static at_status compute_slice(at_train_run *run, const at_dataset *d, const candidates *c, int first, int end,
                               feature_progress *p, at_error *err) {
    at_arena scratch = {0};
    at_dataset *part = NULL;
    candidates at = *c;
    size_t hidden = (size_t)run->model->arch.hidden, done = at_dataset_output_at(d, end) * hidden;
    uint32_t *index = AT_NEW_ARRAY(&scratch, uint32_t, end - first);
    at_status st = index ? AT_OK : at_fail_memory(err, (size_t)(end - first) * sizeof *index);
    for (int i = first; i < end && !st; i++) index[i - first] = (uint32_t)i;
    if (!st) st = at_dataset_subset(d, index, end - first, &part, err);
    for (int i = 0; i < c->n; i++) at.set[i].features += at_dataset_output_at(d, first) * hidden;
    p->before = first;
    if (!st) st = at_predict_features(run->model, part, run->backend, run->pool, at.set, at.n, features_done, p, err);
    if (!st) st = check_features(part, &at, hidden, err);
    for (int i = 0; i < c->n && !st; i++) st = at_mapped_keep(&run->cache[i], done, err);
    at_dataset_close(part);
    at_arena_free(&scratch);
    return st;
}

static at_status compute_features(at_train_run *run, const at_dataset *d, candidates *c, at_error *err) {
    AT_TRY(open_caches(run, d, c, err));
    int first = first_missing(run, d, c), began_at = first;
    double began = at_seconds();
    if (first == d->n) return AT_OK;
    if (first) at_tell_note(run->listener, "The features of the first %d of %d examples are there already.", first, d->n);
    feature_progress p = {.run = run, .total = d->n, .first = first, .last = began, .began = began};
    for (int end; first < d->n; first = end) {
        end = first + SLICE_EXAMPLES < d->n ? first + SLICE_EXAMPLES : d->n;
        AT_TRY(compute_slice(run, d, c, first, end, &p, err));
    }
    double seconds = at_seconds() - began;
    run->forward_rate = seconds > 0 ? (double)(d->token_at[d->n] - d->token_at[began_at]) / seconds : 0;
    return AT_OK;
}

/* Where all tokens of an example are one choice, more of them are needed. */
static size_t places_weigh(const at_train_run *run) { return run->state.task->whole ? 4 : 1; }

/* A stratified subset of about `most` outputs by folds: the examples of fold 0 of enough folds. */
static at_status subset_of(const at_dataset *d, size_t most, uint64_t seed, at_arena *arena, at_dataset **part,
                           uint32_t **index, at_error *err) {
    int parts = (int)((at_dataset_outputs(d) + most - 1) / most), n = 0;
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

static double mean_of(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

static at_status choose_one(at_train_run *run, head_work *w, const at_feature_set *set, at_head_choice *choice, at_error *err) {
    w->problem.kind = set->kind;
    w->problem.features = set->features;
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

/* Pooler or mean: by their losses in cross-validation. The burden of proof lies on the head that the body was not made for. */
static at_status compare_heads(at_train_run *run, head_work *w, const at_feature_set *first, const at_feature_set *mean, at_error *err) {
    at_head_choice pooler, average;
    AT_TRY(choose_one(run, w, first, &pooler, err));
    AT_TRY(choose_one(run, w, mean, &average, err));
    double gain, error, a = mean_of(average.fold_main, w->n_folds), p = mean_of(pooler.fold_main, w->n_folds);
    int n = (int)at_dataset_outputs(w->problem.data), take_mean = at_head_compare(&pooler, &average, n, &gain, &error);
    if (made_for_mean(run)) take_mean = gain >= -error;
    run->head = take_mean ? AT_HEAD_MEAN : AT_HEAD_POOLER;
    run->head_choice = take_mean ? average : pooler;
    at_tell(run->listener, "head",
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "head", at_head_name(run->head), "pooler", at_json_number(p), "mean",
                      at_json_number(a), "pooler_loss", at_json_number(pooler.loss), "mean_loss", at_json_number(average.loss), "gain",
                      at_json_number(gain), "standard_error", at_json_number(error)),
            "Head: %s; in cross-validation on the frozen features mean has a loss of %.4f (score %.4f), pooler %.4f "
            "(%.4f); the difference is %.1f standard errors.%s",
            at_head_name(run->head), average.loss, a, pooler.loss, p, error > 0 ? gain / error : 0.0,
            take_mean ? "" : " Pooler opens in more programs.");
    return AT_OK;
}

static at_status choose_head(at_train_run *run, head_work *w, const candidates *c, at_error *err) {
    if (c->n == 1) {
        run->head = c->set[0].kind;
        return choose_one(run, w, &c->set[0], &run->head_choice, err);
    }
    if (w->problem.data->n < FEW_EXAMPLES && made_for_mean(run)) {
        run->head = AT_HEAD_MEAN;
        at_tell(run->listener, "head", json_pack("{s:s}", "head", "mean"),
                "Head: mean; the body was trained with the mean of its tokens, and %d examples are "
                "too few to compare heads by.",
                w->problem.data->n);
        return choose_one(run, w, &c->set[1], &run->head_choice, err);
    }
    return compare_heads(run, w, &c->set[0], &c->set[1], err);
}

/* The features of a part of the data. */
static at_status take_features(const at_dataset *d, const uint32_t *index, const at_dataset *part, size_t hidden,
                               at_arena *arena, candidates *c, at_error *err) {
    size_t count = at_dataset_outputs(part) * hidden;
    for (int k = 0; k < c->n; k++) {
        float *some = AT_NEW_ARRAY(arena, float, count);
        if (!some) return at_fail_memory(err, count * sizeof(float));
        at_dataset_take_outputs(d, index, part->n, hidden, c->set[k].features, some);
        c->set[k].features = some;
    }
    return AT_OK;
}

static at_status choose_on(at_train_run *run, const at_dataset *d, candidates c, at_error *err) {
    int n_folds = run->fold ? run->recipe.folds : 3;
    size_t most = d->place_at ? (size_t)CHOOSE_PLACES * places_weigh(run) : CHOOSE_OUTPUTS, n = at_dataset_outputs(d);
    at_arena scratch = {0};
    at_dataset *part = NULL;
    uint32_t *index;
    head_work w = {.problem = {.arch = &run->model->arch, .state = &run->state, .data = d, .backend = run->backend, .seed = run->hyper.seed,
                               .stop = at_train_stop, .stop_context = run},
                   .fold = run->fold, .n_folds = n_folds};
    at_status st = AT_OK;
    if (n > most && !run->fold) { /* folds judge every example */
        st = subset_of(d, most, run->hyper.seed, &scratch, &part, &index, err);
        if (!st) st = take_features(d, index, part, (size_t)run->model->arch.hidden, &scratch, &c, err);
        w.problem.data = part;
    }
    if (!st && !w.fold) {
        int8_t *fold = AT_NEW_ARRAY(&scratch, int8_t, w.problem.data->n);
        if (fold) at_folds(w.problem.data, n_folds, run->hyper.seed, fold);
        else st = at_fail_memory(err, (size_t)d->n);
        w.fold = fold;
    }
    if (!st) st = choose_head(run, &w, &c, err);
    /* A penalty is per output: on more of them the same strength is a smaller lambda. */
    if (!st) run->head_choice.penalty *= (double)at_dataset_outputs(w.problem.data) / (double)n;
    at_dataset_close(part);
    at_arena_free(&scratch);
    return st;
}

/* ---- the step ---- */

static at_status fit_chosen(at_train_run *run, const at_dataset *d, const candidates *c, at_error *err) {
    double loss;
    for (int i = 0; i < c->n; i++)
        if (c->set[i].kind == run->head) run->features = c->set[i].features;
    at_model_close(run->model);
    run->model = NULL;
    AT_TRY(at_train_open_model(run, run->head, &run->model, err));
    at_head_problem p = {.arch = &run->model->arch, .kind = run->head, .state = &run->state, .data = d, .features = run->features,
                         .backend = run->backend, .seed = run->hyper.seed, .stop = at_train_stop, .stop_context = run};
    AT_TRY(at_head_fit(&p, run->head_choice.penalty, run->model, &loss, err));
    if (run->recipe.judging != AT_JUDGE_FOLDS) return AT_OK;
    run->held = run->all;
    run->held_logits = run->head_choice.logits;
    return run->state.task->score(&run->state, run->all, run->head_choice.logits, &run->step1, err);
}

static void tell_step1(at_train_run *run) {
    char words[AT_SCORE_LINE];
    at_score_line(&run->step1, 1, words);
    at_tell(run->listener, "phase",
            json_pack("{s:s, s:s, s:o, s:o, s:f, s:f}", "phase", "head", "metric", run->step1.main_name, "main",
                      at_json_number(run->step1.main), "loss", at_json_number(run->step1.loss), "penalty", run->head_choice.penalty, "seconds",
                      run->head_seconds),
            "Step 1, head on the frozen body: %s (%.1f s).", words, run->head_seconds);
}

at_status at_train_head(at_train_run *run, at_error *err) {
    at_tell_note(run->listener, "Step 1: the body is frozen; its features are computed once and the head is fitted on them.");
    double began = at_seconds();
    at_dataset *part = NULL;
    const at_dataset *d = run->train;
    uint32_t *index;
    candidates c = list_candidates(run);
    size_t most = FEATURE_BYTES / (size_t)c.n / ((size_t)run->model->arch.hidden * sizeof(float));
    if (d->place_at && most > FIT_PLACES * places_weigh(run)) most = FIT_PLACES * places_weigh(run);
    if (at_dataset_outputs(d) > most && !run->fold) {
        AT_TRY(subset_of(d, most, run->hyper.seed, &run->arena, &part, &index, err));
        d = part;
        run->softening = 1; /* these are no longer few examples, and the features of the rest are not kept */
    }
    at_status st = compute_features(run, d, &c, err);
    if (!st) st = choose_on(run, d, c, err);
    if (!st) st = fit_chosen(run, d, &c, err);
    if (!st && run->eval) st = at_train_judge(run, run->eval, &run->step1, err);
    run->head_seconds = at_seconds() - began;
    if (!st) tell_step1(run);
    at_dataset_close(part);
    return st;
}
