/* log_history as transformers' trainer_state.json has it. Wall-clock figures stand only in the last entry, so that the history of a resumed
 * run equals that of one that was never stopped. */
#include <math.h>
#include <string.h>

#include "train/training.h"

json_t *at_log_number(double value) {
    if (isnan(value)) return json_string("NaN");
    if (isinf(value)) return json_string(value > 0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

double at_log_value(const json_t *number) {
    const char *text = json_string_value(number);
    if (!text) return json_number_value(number);
    return !strcmp(text, "Infinity") ? (double)INFINITY : !strcmp(text, "-Infinity") ? -(double)INFINITY : (double)NAN;
}

static json_t *entry(const at_training *r) {
    return json_pack("{s:o, s:i}", "epoch", at_log_number(at_training_epoch(r)), "step", r->now.step);
}

/* now.step counts the step that was just done. */
void at_log_step(at_training *r, double loss) {
    at_counters *c = &r->now;
    c->window_loss += loss;
    c->window_steps++;
    c->epoch_loss += loss;
    c->epoch_steps++;
    if (r->h.logging_steps <= 0 || c->step % r->h.logging_steps) return;
    json_t *e = entry(r);
    json_object_set_new(e, "loss", at_log_number(c->window_loss / c->window_steps));
    json_object_set_new(e, "grad_norm", at_log_number(r->progress.gradient_norm));
    json_object_set_new(e, "learning_rate", at_log_number(r->progress.learning_rate));
    json_array_append_new(r->history, e);
    c->window_loss = c->window_steps = 0;
}

void at_log_bad_step(at_training *r, double loss, double norm) {
    json_t *e = entry(r);
    json_object_set_new(e, "loss", at_log_number(loss));
    json_object_set_new(e, "grad_norm", at_log_number(norm));
    json_object_set_new(e, "learning_rate", at_log_number(r->progress.learning_rate));
    json_object_set_new(e, "skipped", json_true());
    json_array_append_new(r->history, e);
}

void at_log_evaluation(at_training *r, const at_score *score) {
    const char *name;
    json_t *value, *e = entry(r);
    json_object_set_new(e, "eval_loss", at_log_number(score->loss));
    json_object_foreach(score->values, name, value) {
        char key[128];
        if (!json_is_number(value)) continue;
        snprintf(key, sizeof key, "eval_%s", name);
        json_object_set(e, key, value);
    }
    json_array_append_new(r->history, e);
}

void at_log_end(at_training *r, double seconds, double train_loss) {
    json_t *e = entry(r);
    double examples = (double)r->now.step * r->sampler.batch_size;
    json_object_set_new(e, "train_loss", at_log_number(train_loss));
    json_object_set_new(e, "train_runtime", at_log_number(seconds));
    json_object_set_new(e, "train_samples_per_second", at_log_number(seconds > 0 ? examples / seconds : 0));
    json_object_set_new(e, "train_steps_per_second", at_log_number(seconds > 0 ? r->now.step / seconds : 0));
    json_array_append_new(r->history, e);
}
