/* A training under way: private to trainer.c, best_state.c, average.c, log.c and checkpoint.c. */
#ifndef AT_TRAIN_TRAINING_H
#define AT_TRAIN_TRAINING_H

#include <stdint.h>

#include "train/lanes.h"
#include "train/optimizer.h"
#include "train/saver.h"
#include "train/schedule.h"

/* The best evaluated state. */
typedef struct at_best {
    int step;               /* -1: nothing was evaluated yet */
    double main, loss, low, high;
    json_t *values;         /* of at_score */
    const char *main_name;  /* NULL after a resume, until the next evaluation */
    int no_better;          /* evaluations since main rose */
    at_real *copy;          /* [n_moments] the weights of `copied`, or the mean up to it (average.c), laid out as the moments */
    int copied;             /* the best step, or the first one where nothing was evaluated; -1: none yet, the weights are those of the start */
} at_best;

/* Numbers that a checkpoint holds beside the arrays. */
typedef struct at_counters {
    int step;               /* optimiser steps done (or skipped) */
    double window_loss, epoch_loss; /* sums since the last log line, since the epoch began */
    int window_steps, epoch_steps;
    double last_epoch_loss; /* mean of the last whole epoch */
    int bad;                /* steps in a row that were not finite */
    int rolled_back;        /* the one return to a healthy state was used */
    double rate_factor;     /* 1, or 1/2 after that */
    int averaged;           /* steps whose weights are in the mean (average.c) */
    int owes_evaluation;    /* stopped in the evaluation of this step: it comes before the next one */
} at_counters;

typedef struct at_training {
    const at_trainer_setup *setup;
    at_hyper h;
    at_params *params;
    at_model view;          /* the model with the run's dropout */
    at_arena arena, flat;
    int n_lanes, n_steps, warmup;
    double *rate, *rate_now;/* [params->n] before and with the schedule */
    at_sampler sampler;
    at_lanes_setup lanes_setup;
    at_lanes *lanes;
    at_optimizer optimizer;
    uint64_t data_hash;
    at_counters now;
    at_best best;
    json_t *history;
    at_saver *saver;        /* NULL: no checkpoints */
    double began;           /* at_clock */
    double save_ended, save_cost; /* when the last save returned and how long it held the training up */
    int save_prepared;      /* the files of the next checkpoint are made already */
    int saved_step;         /* of the newest checkpoint, -1: none */
    double train_seconds;   /* in steps, since this process began */
    uint64_t tokens;        /* the same */
    int resumed_from;       /* -1: started new */
    at_progress progress;
} at_training;

/* setup.c: everything that can be known before step 1; the dry run; then the memory. */
at_status at_training_plan(at_training *r, const at_trainer_setup *setup, at_error *err);
at_status at_training_open(at_training *r, const at_trainer_setup *setup, at_error *err);
void at_training_close(at_training *r);

double at_clock(void); /* monotonic seconds */
void at_training_note(const at_training *r, int warning, const char *fmt, ...) AT_PRINTF(3, 4);
double at_training_epoch(const at_training *r);

/* Copies the trainable weights to and from best.copy; nothing is copied back where nothing was kept. */
void at_training_keep_weights(at_training *r);
void at_training_restore_weights(at_training *r);

/* Of a training whose weights are averaged (at_hyper.average), in best.copy: after every step; whether there is a mean yet; it and the present weights
 * change places. */
void at_training_average(at_training *r);
int at_training_has_mean(const at_training *r);
void at_training_swap_mean(at_training *r);

/* Evaluates, logs, and keeps the state where it is the best. AT_STOPPED: the hook asked to stop, nothing has changed. */
at_status at_training_evaluate(at_training *r, at_error *err);
/* The best score as the caller gets it. */
at_status at_training_best_score(at_training *r, at_score *score, at_error *err);

/* log_history, as transformers' trainer_state.json has it. Numbers that are not finite are the texts "NaN", "Infinity", "-Infinity". */
json_t *at_log_number(double value);
double at_log_value(const json_t *number);
void at_log_step(at_training *r, double loss);
void at_log_bad_step(at_training *r, double loss, double norm);
void at_log_evaluation(at_training *r, const at_score *score);
void at_log_end(at_training *r, double seconds, double train_loss);

/* Begins to write checkpoint-STEP (see saver.h); a failure is a warning to the user, never the end of the training. */
void at_training_save(at_training *r);
/* Some time before the next one is due, so that it takes less (at_saver_prepare). */
void at_training_prepare_save(at_training *r);
/* Loads the newest whole checkpoint of this configuration and data. *found 0: there is none. */
at_status at_training_load(at_training *r, int *found, at_error *err);

#endif
