#include "train/schedule.h"

#include <limits.h>
#include <math.h>

double at_schedule_factor(at_schedule_kind kind, int step, int warmup_steps, int n_steps) {
    if (step < warmup_steps) return (double)step / (warmup_steps > 1 ? warmup_steps : 1);
    if (kind == AT_SCHEDULE_CONSTANT) return 1;
    double span = n_steps - warmup_steps > 1 ? n_steps - warmup_steps : 1;
    double factor = (double)(n_steps - step) / span;
    if (kind == AT_SCHEDULE_COSINE) factor = 0.5 * (1 + cos(3.141592653589793 * ((step - warmup_steps) / span)));
    return factor > 0 ? factor : 0;
}

int at_schedule_warmup(const at_hyper *h, int n_steps) {
    return h->warmup_steps > 0 ? h->warmup_steps : (int)ceil(h->warmup_ratio * n_steps);
}

int at_schedule_steps(const at_hyper *h, int steps_per_epoch) {
    if (h->max_steps > 0) return h->max_steps;
    double steps = ceil(h->num_train_epochs * steps_per_epoch);
    return steps < INT_MAX ? (int)steps : INT_MAX;
}

double at_schedule_rate(const at_hyper *h, const at_weight *w, int layers) {
    if (w->is_head) return (h->head_learning_rate > 0 ? h->head_learning_rate : h->learning_rate) * (double)w->rate_scale;
    int below = layers > w->depth ? layers - w->depth : 0;
    return h->learning_rate * pow(h->layer_decay, below) * (double)w->rate_scale;
}

int at_schedule_lowest_depth(const at_hyper *h, int step, int steps_per_epoch, int layers) {
    if (!(h->unfreeze_epochs > 0)) return 0;
    double joined = floor(step / (h->unfreeze_epochs * steps_per_epoch));
    return joined > layers ? 0 : layers + 1 - (int)joined;
}
