/* The trainer: optimiser steps over a dataset, evaluation, best state, checkpoints, resume.
 *
 * A step: its examples are dealt to a fixed number of logical lanes; a thread walks a lane's sequences in chunks through the whole
 * model, forward and backward, with its own tape, arenas and gradients. Then two passes over flat arrays: reduce the lanes in a
 * fixed tree with the sum of squares in double; clip, AdamW. Bits depend on plan and kernel table, never on threads.
 *
 * The caller owns model, datasets and state; the trainer changes model->params only. */
#ifndef AT_TRAIN_TRAINER_H
#define AT_TRAIN_TRAINER_H

#include "train/task.h"

typedef enum at_schedule_kind { AT_SCHEDULE_LINEAR, AT_SCHEDULE_COSINE, AT_SCHEDULE_CONSTANT } at_schedule_kind;

typedef struct at_hyper {
    double learning_rate;       /* of the top of the body */
    double head_learning_rate;  /* of the new network; 0: learning_rate */
    double layer_decay;         /* each block nearer to the input has its rate multiplied by this; 1: none */
    double weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm;
    double warmup_ratio;
    int warmup_steps;           /* > 0 wins over the ratio */
    at_schedule_kind schedule;
    double num_train_epochs;
    int max_steps;              /* > 0 wins over epochs */
    int batch_size;             /* examples of an optimiser step: per-device batch x accumulation */
    int eval_steps;             /* 0: at the end of every epoch */
    int patience;               /* evaluations without a better main score before stopping; 0: never */
    int keep_best;              /* the best evaluated state is what is left in the model */
    double average;             /* above 0: what is left is the mean of the weights over this share of the steps, the last ones; evaluations are of the mean
                                 * once there is one, none of them is the best, keep_best and patience count as 0 */
    double unfreeze_epochs;     /* gradual: a further block from the top joins every so many epochs; 0: all at once */
    const unsigned char *frozen;/* [params.n] weights never trained, or NULL */
    double hidden_dropout, attention_dropout; /* < 0: as the model's config */
    uint64_t seed;
    int lanes;                  /* 0: chosen from the sizes of model and step */
    double save_seconds;        /* a checkpoint at least so often; 0: only at evaluations; < 0: never */
    int save_total_limit;       /* checkpoints kept; 0: 2 */
    int logging_steps;
    int replay;                 /* a coupled task's forward passes are always done twice (lanes.h); changes no bit */
} at_hyper;
at_hyper at_hyper_default(void);

typedef struct at_progress {
    int step, n_steps;
    double epoch, loss, learning_rate, gradient_norm, tokens_per_second, seconds_left;
} at_progress;

/* What the trainer tells its caller. `score` is set after an evaluation, `sentence` for notes and warnings. stop: ask it before every
 * step and between the chunks of an evaluation; returning 1 ends with AT_STOPPED after a checkpoint. Any member may be NULL. */
typedef struct at_listener_hooks {
    void *context;
    void (*progress)(void *context, const at_progress *progress);
    void (*evaluated)(void *context, const at_progress *progress, const at_score *score, int is_best);
    void (*note)(void *context, int warning, const char *sentence);
    int (*stop)(void *context);
} at_listener_hooks;

typedef struct at_trainer_setup {
    at_model *model;
    const at_task_state *state;
    const at_dataset *train;
    const at_dataset *eval;     /* or NULL: no evaluation, no best state */
    const at_hyper *hyper;
    const at_backend *backend;
    at_pool *pool;
    const char *folder;         /* run folder: checkpoints live in folder/checkpoint-STEP; NULL: none are kept */
    const char *fingerprint;    /* configuration as text: a checkpoint of another one is not resumed */
    at_listener_hooks hooks;
} at_trainer_setup;

typedef struct at_train_result {
    int steps, best_step, resumed_from; /* resumed_from -1: started new */
    double seconds, train_loss;         /* mean loss of the last epoch */
    double best_main;
    at_score best;                      /* of eval, if any; owned: at_score_free */
    json_t *history;                    /* array for trainer_state.json's log_history; owned */
} at_train_result;

/* What a run would take, from a dry run of the same code: bytes at the peak, per part. */
typedef struct at_memory_plan {
    size_t weights;     /* the masters, and their bf16 copies */
    size_t best;        /* the best state of what is trained */
    size_t gradients, moments, activations, data, total;
    int lanes, chunk_rows;
    int threads;        /* more than lanes work in teams */
} at_memory_plan;
at_status at_trainer_plan(const at_trainer_setup *setup, at_memory_plan *plan, at_error *err);

at_status at_trainer_run(const at_trainer_setup *setup, at_train_result *result, at_error *err);

#endif
