#include "train/recipe.h"

#include <math.h>

enum { SMALL = 1000, MIDDLING = 6000, LARGE = 20000, MANY_OUTPUTS = 20000, FEWEST_STEPS = 60, NEW_HEAD_STEPS = 1000 };

static double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/* Up to some thousand examples a tenth cut off is missed more than the time that a second training on all of them takes; to train everything at once
 * from a new head, where nothing is compared on the folds, is not worth it. */
static int is_judged_by_folds(const at_recipe_facts *f) {
    int steps_compared = f->method == AT_METHOD_TWO_STEP || f->method == AT_METHOD_HEAD;
    return f->n_outputs < MANY_OUTPUTS && f->n_train < (steps_compared ? MIDDLING : SMALL);
}

static void choose_judging(const at_recipe_facts *f, at_arena *arena, at_recipe *r) {
    r->folds = f->n_train >= SMALL && f->smallest_class >= 10 ? 10 : f->smallest_class >= 5 ? 5 : f->smallest_class >= 2 ? f->smallest_class : 2;
    if (f->has_eval) {
        r->judging = AT_JUDGE_FILE;
        r->why_judging = "choices are made on the evaluation file";
    } else if (is_judged_by_folds(f)) {
        r->judging = AT_JUDGE_FOLDS;
        r->tuned_folds = f->n_train <= 150 ? r->folds : 1; /* a fold costs nearly a training */
        r->why_judging = at_format(arena, "%d examples are too few to cut a part off for good: choices and scores are out-of-fold, and the "
                                   "final model sees every example", f->n_train);
    } else {
        r->judging = AT_JUDGE_SPLIT;
        r->eval_share = clamp(fmin(1000.0 / f->n_train, 5000.0 / f->n_answers), 0.02, 0.1); /* answers of one text go together: five count as one */
        r->why_judging = at_format(arena, "no evaluation file: %.0f%% of the training data, evenly from every label, is cut off to "
                                   "choose by", 100 * r->eval_share);
    }
}

/* Narrow bodies take larger rates than BERT-base's 2e-5 to 5e-5. */
static void choose_rate(const at_recipe_facts *f, at_arena *arena, at_recipe *r) {
    double rate = 3e-5 * 768 / f->hidden;
    rate = clamp(rate * (f->hidden < 768 ? 1.6 : 1), 1e-5, 1.5e-4) * (f->rate_share > 0 ? f->rate_share : 1);
    r->hyper.learning_rate = rate;
    r->hyper.head_learning_rate = rate;
    int few = f->n_train < SMALL && f->method != AT_METHOD_FULL; /* many can say what the lower blocks should learn */
    r->hyper.layer_decay = few ? 0.9 : 1;
    r->why_rate = at_format(arena, "%.1e suits a body of width %d%s", rate, f->hidden,
                            few ? "; each block nearer to the input learns 0.9 times as fast" : "");
}

/* Fewer examples are seen more often: at least 110 steps where that takes no more than 12 rounds, never fewer than 3. Tokens and scores take more: 300 sentences of
 * CoNLL-2003, 993 others of its training file held out: F1 73.0 after 114 steps, 76.1 after 228, 75.7 after 380; 500 pairs of STS-B, 1,000 held out: Pearson
 * 78.0 after 128, 80.7 after 256. What tokens are is not learnt in three rounds of middling data either: all 14,000 sentences of CoNLL-2003, its eng.testa: F1 90.9
 * after three, 91.3 after five. */
static void choose_length(const at_recipe_facts *f, at_arena *arena, at_recipe *r) {
    at_hyper *h = &r->hyper;
    h->batch_size = f->n_train < 2000 ? 16 : 32;
    double steps_an_epoch = ceil((double)f->n_train / h->batch_size), least = 110 * (f->steps_share > 0 ? f->steps_share : 1);
    int fewest = f->fewest_epochs > 0 && f->n_train < LARGE ? f->fewest_epochs : 3;
    double usual = clamp(ceil(least / steps_an_epoch), fewest, 12);
    h->num_train_epochs = f->new_head ? clamp(ceil(NEW_HEAD_STEPS / steps_an_epoch), usual, 12) : usual;
    r->why_length = at_format(arena, "%d examples in batches of %d: %.0f epochs, %.0f steps%s", f->n_train, h->batch_size, h->num_train_epochs,
                              h->num_train_epochs * steps_an_epoch, h->num_train_epochs > usual ? "; more than usual, for the head is new and learns first" : "");
}

static void choose_stopping(at_arena *arena, at_recipe *r) {
    at_hyper *h = &r->hyper;
    h->keep_best = r->judging != AT_JUDGE_FOLDS;
    h->patience = r->judging == AT_JUDGE_FOLDS ? 0 : 3;
    r->why_stop = r->judging == AT_JUDGE_FOLDS
                      ? "a fixed number of steps, as the folds had"
                      : at_format(arena, "the best evaluated state is kept; %d evaluations without a better one end the training",
                                  h->patience);
}

/* SST-2, 41,632 phrases, judged by 3,000 whole sentences none of whose phrases are trained on: accuracy 89.8 with the mean over four fifths of the steps, 89.6 over
 * half of them, 89.1 without; the loss falls with the share, too. CLINC150, 5,250 of 150 intents, has nothing of it: 97.4, 97.5 and 97.6 (docs/results.md). */
static void choose_average(const at_recipe_facts *f, at_arena *arena, at_recipe *r) {
    r->hyper.average = f->averages && f->n_train >= LARGE && f->method == AT_METHOD_TWO_STEP ? 0.8 : 0; /* step 1 is what it must be better than */
    r->why_average = at_format(arena, "all steps are taken; the mean of the weights over the last %.0f%% of them is what is kept: of many examples it is better than the "
                               "last or the best state", 100 * r->hyper.average);
}

/* A head fitted to the end leaves little loss to learn from: step 2 would hardly move the body (Ren et al. 2023, "How to prepare your task head
 * for finetuning"). A smaller head of the same direction leaves some; on held-out rows of SST-2 it gained 1.5 points at 100 examples with the mean and
 * 4.6 with the pooler, 0.8 at 500 and, with equal rates for all blocks, 1.3 at 5,000; at 24, where the steps are too few to make up for it, it lost. */
static void choose_softening(const at_recipe_facts *f, at_arena *arena, at_recipe *r) {
    double steps = ceil((double)f->n_train / r->hyper.batch_size) * r->hyper.num_train_epochs;
    int pays = f->method == AT_METHOD_TWO_STEP && steps >= FEWEST_STEPS;
    r->softening = pays ? 30 : 1;
    r->why_soft = at_format(arena, "step 2 starts from a head fitted with %.0f times step 1's penalty: one fitted to the end leaves the body "
                            "little to learn", r->softening);
}

/* The mean of the weights before and after fine-tuning is better than either where examples are few (Wortsman et al. 2022, "Robust
 * fine-tuning of zero-shot models"; docs/results.md). It needs a start that already answers: not a random head. */
static void choose_mix(const at_recipe_facts *f, at_arena *arena, at_recipe *r) {
    r->mix = r->judging == AT_JUDGE_FOLDS && f->n_train < SMALL && f->method == AT_METHOD_TWO_STEP ? 0.7 : 1;
    r->why_mix = at_format(arena, "%.0f%% of step 2 and %.0f%% of where it began: on few examples the mean of both weights is better than either, "
                           "unless step 2 mends most of what step 1 gets wrong",
                           100 * r->mix, 100 * (1 - r->mix));
}

at_status at_recipe_choose(const at_recipe_facts *f, at_arena *arena, at_recipe *r, at_error *err) {
    *r = (at_recipe){.hyper = at_hyper_default()};
    choose_judging(f, arena, r);
    choose_rate(f, arena, r);
    choose_length(f, arena, r);
    choose_stopping(arena, r);
    choose_average(f, arena, r);
    choose_softening(f, arena, r);
    choose_mix(f, arena, r);
    return r->why_average && r->why_mix && r->why_soft && r->why_judging && r->why_rate && r->why_length && r->why_stop ? AT_OK : at_fail_memory(err, 0);
}

/* The standard error behind a 95% interval; 0 where none is known. */
static double noise_of(const at_score *s) { return isfinite(s->low) && isfinite(s->high) ? (s->high - s->low) / (2 * 1.96) : 0; }

int at_recipe_keeps_step2(const at_score *step1, const at_score *step2) { return step2->main > step1->main - noise_of(step1); }

/* The mean with its beginning holds on to what the frozen body knows. That is of use where the body has the task nearly by itself: SST-2 at 500 examples
 * 79.6 with it, 78.7 without (whole sentences that training has no part of). Where it has not, the mean takes from the task: 300 sentences of
 * CoNLL-2003 70.1 with it and 73.4 without, 500 pairs of STS-B 73.9 and 78.8 (two subsets each, rows of the training files held out). */
int at_recipe_takes_whole(const at_score *step1, const at_score *whole) {
    const double left = 2.0 / 3; /* at most, of what step 1 lacks */
    return step1->main <= 1 && whole->main <= 1 && 1 - whole->main < left * (1 - step1->main);
}
