/* Which weight moves at which rate at which step. */
#ifndef AT_TRAIN_SCHEDULE_H
#define AT_TRAIN_SCHEDULE_H

#include "model/model.h"
#include "train/trainer.h"

/* The factor of the learning rate at a step (counted from 0) of n_steps, exactly as transformers' get_scheduler has it for "linear",
 * "cosine" and "constant_with_warmup" (so the first step of a warm-up has rate 0). */
double at_schedule_factor(at_schedule_kind kind, int step, int warmup_steps, int n_steps);
/* warmup_steps where given, else the ratio of all steps, rounded up. */
int at_schedule_warmup(const at_hyper *h, int n_steps);
/* Optimiser steps of the whole training. */
int at_schedule_steps(const at_hyper *h, int steps_per_epoch);

/* The rate of a weight before the schedule's factor: the head's own, or the body's with layer_decay a block below the top. */
double at_schedule_rate(const at_hyper *h, const at_weight *w, int layers);

/* Gradual unfreezing (Howard, Ruder 2018): the lowest depth that trains at a step. The new network trains from the start; a block
 * joins from the top after every unfreeze_epochs. 0: everything. */
int at_schedule_lowest_depth(const at_hyper *h, int step, int steps_per_epoch, int layers);

#endif
