#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/training.h"

enum { BAD_IN_A_ROW = 3, NAMED_ROWS = 6 };
static const double LARGEST_GRADIENT = 1e19; /* the square of an element beyond it is infinite in the optimiser */

/* ---- trouble ---- */

/* The lines of the sequences whose loss is not finite; of all of the step where each loss is finite and the gradient is not. */
static void name_rows(const at_training *r, const at_step_plan *plan, const at_lanes_result *result, char *text, size_t size) {
    int all = isfinite(result->loss) != 0, named = 0;
    size_t len = 0;
    text[0] = '\0';
    for (int c = 0; c < plan->n_chunks; c++) {
        if (!all && isfinite(result->chunk_loss[c])) continue;
        for (int i = 0; i < plan->chunk[c].n; i++, named++) {
            uint32_t line = r->setup->train->line[plan->dealt[plan->chunk[c].start + i]];
            if (named < NAMED_ROWS)
                len += (size_t)snprintf(text + len, size - len, "%s%u", named ? ", " : "", (unsigned)line);
        }
    }
    if (named > NAMED_ROWS) snprintf(text + len, size - len, " and %d more", named - NAMED_ROWS);
}

static void tell_bad_step(at_training *r, const at_step_plan *plan, const at_lanes_result *result, double norm) {
    char rows[256];
    name_rows(r, plan, result, rows, sizeof rows);
    at_training_note(r, 1, "step %d was not taken: loss %g, gradient norm %g; it had the examples at %s:%s", r->now.step, result->loss,
                norm, r->setup->train->path, rows);
}

/* Without a checkpoint the healthy state is the best one, or that of the first step; its moments are not known and begin anew. */
static void return_to_kept_weights(at_training *r) {
    at_training_restore_weights(r);
    at_optimizer_reset(&r->optimizer);
    r->now = (at_counters){.step = r->best.copied > 0 ? r->best.copied : 0, .rate_factor = 1, .averaged = r->now.averaged};
}

static at_status roll_back(at_training *r, at_error *err) {
    int found, from = r->now.step;
    json_t *history = json_incref(r->history);
    at_status st = at_training_load(r, &found, err);
    json_decref(r->history);
    r->history = history; /* what went wrong stays in it */
    if (st) return st;
    if (!found) return_to_kept_weights(r);
    r->now.bad = 0;
    r->now.rolled_back = 1;
    r->now.rate_factor = 0.5;
    at_training_note(r, 1, "%d steps in a row were not finite: from step %d back to step %d, on with half the learning rate", BAD_IN_A_ROW,
                from, r->now.step);
    return AT_OK;
}

static at_status after_bad_steps(at_training *r, at_error *err) {
    if (!r->now.rolled_back) return roll_back(r, err);
    at_training_restore_weights(r);
    return at_fail(err, AT_DIVERGED, "the training diverged: %d steps in a row were not finite, again after going on with half the "
                   "learning rate; try a learning rate of %g instead of %g, and look at the examples named above", BAD_IN_A_ROW,
                   r->h.learning_rate / 10, r->h.learning_rate);
}

/* ---- one step ---- */

static void set_rates(at_training *r) {
    double factor = r->now.rate_factor * at_schedule_factor(r->h.schedule, r->now.step, r->warmup, r->n_steps);
    for (int i = 0; i < r->params->n; i++) r->rate_now[i] = r->rate[i] * factor;
    r->progress.learning_rate = r->h.learning_rate * factor;
}

/* As torch.nn.utils.clip_grad_norm_. */
static double clip_factor(const at_hyper *h, double norm) {
    if (!(h->max_grad_norm > 0)) return 1;
    double factor = h->max_grad_norm / (norm + 1e-6);
    return factor < 1 ? factor : 1;
}

static void count_epoch(at_training *r) {
    at_counters *c = &r->now;
    if (c->step % r->sampler.steps_per_epoch) return;
    if (c->epoch_steps) c->last_epoch_loss = c->epoch_loss / c->epoch_steps;
    c->epoch_loss = c->epoch_steps = 0;
}

static void tell_progress(at_training *r, double loss, double norm, int tokens, double seconds) {
    at_progress *p = &r->progress;
    const at_listener_hooks *hooks = &r->setup->hooks;
    r->tokens += (uint64_t)tokens;
    r->train_seconds += seconds;
    p->step = r->now.step;
    p->n_steps = r->n_steps;
    p->epoch = at_training_epoch(r);
    p->loss = loss;
    p->gradient_norm = norm;
    p->tokens_per_second = r->train_seconds > 0 ? (double)r->tokens / r->train_seconds : 0;
    double mean = (double)r->setup->train->token_at[r->setup->train->n] / r->sampler.steps_per_epoch;
    p->seconds_left = p->tokens_per_second > 0 ? (r->n_steps - p->step) * mean / p->tokens_per_second : 0;
    if (hooks->progress) hooks->progress(hooks->context, p);
}

static at_status take_step(at_training *r, at_error *err) {
    double began = at_clock();
    at_lanes_result result;
    const at_step_plan *plan = at_sampler_step(&r->sampler, r->now.step);
    at_optimizer_activate(&r->optimizer, at_schedule_lowest_depth(&r->h, r->now.step, r->sampler.steps_per_epoch, at_arch_depth(&r->view.arch)));
    AT_TRY(at_lanes_run(r->lanes, plan, r->now.step, &result, err));
    double norm = at_optimizer_reduce(&r->optimizer, at_lanes_gradients(r->lanes));
    double clip = clip_factor(&r->h, norm);
    int finite = isfinite(result.loss) && isfinite(norm) && norm * clip < LARGEST_GRADIENT;
    set_rates(r);
    if (finite) at_optimizer_update(&r->optimizer, &r->h, r->rate_now, clip);
    else at_optimizer_discard(&r->optimizer, at_lanes_gradients(r->lanes));
    r->now.step++;
    r->now.bad = finite ? 0 : r->now.bad + 1;
    tell_progress(r, result.loss, norm, plan->tokens, at_clock() - began);
    if (finite && r->best.copied < 0) at_training_keep_weights(r); /* not before: a copy of all weights would delay the first step */
    if (finite) at_log_step(r, result.loss);
    else {
        at_log_bad_step(r, result.loss, norm);
        tell_bad_step(r, plan, &result, norm);
    }
    count_epoch(r);
    return r->now.bad < BAD_IN_A_ROW ? AT_OK : after_bad_steps(r, err);
}

/* ---- the loop ---- */

static int evaluation_is_due(const at_training *r) {
    if (!r->setup->eval) return 0;
    int every = r->h.eval_steps > 0 ? r->h.eval_steps : r->sampler.steps_per_epoch;
    return r->now.step == r->n_steps || (r->now.step > 0 && r->now.step % every == 0);
}

/* After an evaluation, as long as saving takes at most a twentieth of the time; in any case once in save_seconds. */
static int save_is_due(const at_training *r, int evaluated) {
    double since = at_clock() - r->save_ended;
    if (!r->saver || r->now.bad) return 0;
    return (evaluated && since >= 20 * r->save_cost) || (r->h.save_seconds > 0 && since >= r->h.save_seconds);
}

/* Half way to the next one. */
static int preparation_is_due(const at_training *r) {
    return r->saver && !r->save_prepared && r->h.save_seconds > 0 && at_clock() - r->save_ended >= r->h.save_seconds / 2;
}

static int is_finished(const at_training *r) {
    return r->now.step >= r->n_steps || (r->h.patience > 0 && r->best.no_better >= r->h.patience);
}

static at_status stop(at_training *r, at_error *err) {
    at_error why;
    at_training_save(r);
    if (r->saver && at_saver_wait(r->saver, &why))
        return at_fail(err, AT_DISK, "stopped after step %d of %d, which could not be saved: %s", r->now.step, r->n_steps, why.text);
    return at_fail(err, AT_STOPPED, "stopped after step %d of %d%s", r->now.step, r->n_steps,
                   r->saver && r->saved_step == r->now.step ? "; the same call goes on from there" : "");
}

/* A stop in an evaluation is a stop after its step; a training that goes on from there evaluates first. */
static at_status evaluate(at_training *r, at_error *err) {
    r->now.owes_evaluation = 1;
    at_status st = at_training_evaluate(r, err);
    if (st == AT_STOPPED) return stop(r, err);
    r->now.owes_evaluation = 0;
    return st;
}

static at_status train(at_training *r, at_error *err) {
    const at_listener_hooks *hooks = &r->setup->hooks;
    while (!is_finished(r)) {
        if (hooks->stop && hooks->stop(hooks->context)) return stop(r, err);
        int before = r->now.step;
        AT_TRY(take_step(r, err));
        if (r->now.step > before) at_training_average(r);
        int due = r->now.step > before && evaluation_is_due(r);
        if (due) AT_TRY(evaluate(r, err));
        if (save_is_due(r, due)) at_training_save(r);
        else if (preparation_is_due(r)) at_training_prepare_save(r);
    }
    return AT_OK;
}

/* The state at the start competes for the best one: a training never leaves less than it was given. */
static at_status start(at_training *r, at_error *err) {
    int found;
    AT_TRY(at_training_load(r, &found, err));
    r->began = r->save_ended = at_clock();
    if (found) {
        r->resumed_from = r->now.step;
        at_training_note(r, 0, "going on from checkpoint-%d of %s", r->now.step, r->setup->folder);
        return r->now.owes_evaluation ? evaluate(r, err) : AT_OK;
    }
    r->progress.n_steps = r->n_steps;
    return r->setup->eval && r->h.keep_best ? evaluate(r, err) : AT_OK;
}

static at_status finish(at_training *r, at_train_result *result, at_error *err) {
    at_error why;
    if (r->saver && at_saver_wait(r->saver, &why)) at_training_note(r, 1, "the last checkpoint could not be kept: %s", why.text);
    int best = r->h.keep_best && r->best.step >= 0 && r->best.step != r->now.step;
    if (best || at_training_has_mean(r)) at_training_restore_weights(r);
    const at_counters *c = &r->now;
    result->steps = c->step;
    result->best_step = r->best.step;
    result->resumed_from = r->resumed_from;
    result->seconds = at_clock() - r->began;
    result->train_loss = c->epoch_steps ? c->epoch_loss / c->epoch_steps : c->last_epoch_loss;
    result->best_main = r->best.main;
    at_log_end(r, result->seconds, result->train_loss);
    AT_TRY(at_training_best_score(r, &result->best, err));
    result->history = json_incref(r->history);
    return AT_OK;
}

at_status at_trainer_run(const at_trainer_setup *setup, at_train_result *result, at_error *err) {
    at_training r;
    *result = (at_train_result){.best_step = -1, .resumed_from = -1};
    AT_TRY(at_training_open(&r, setup, err));
    at_status st = start(&r, err);
    if (!st) st = train(&r, err);
    if (!st) st = finish(&r, result, err);
    at_training_close(&r);
    return st;
}
