/* A training as a person asks for it, in parts that follow each other: data, plan, step 1 (head), step 2 (tune), finish.
 * Each part is a file; this is what they hand on. */
#ifndef AT_RUN_TRAIN_RUN_H
#define AT_RUN_TRAIN_RUN_H

#include "backend/half.h"
#include "base/thread.h"
#include "io/tensorboard.h"
#include "run/events.h"
#include "run/run_folder.h"
#include "run/settings.h"
#include "task/tasks.h"
#include "train/headfit.h"
#include "train/recipe.h"

enum { AT_TRAIN_HEADS = 2 }; /* kinds of heads that step 1 compares at most */

typedef struct at_train_run {
    const at_options *options;
    const at_listener *listener;
    at_arena arena;
    at_pool *pool;
    at_kernels kernels;
    const at_backend *backend;    /* kernels.table */
    at_run_folder folder;
    at_arena folder_arena;
    const char *model_folder;
    const char *why_task;         /* why it was recognised; NULL: named by the user */

    at_table *train_table, *eval_table, *test_table;
    at_tokenizer *tokenizer;
    int max_tokens;
    at_task_state state;
    at_dataset *all;              /* the whole training file */
    at_dataset *train, *eval;     /* what is trained on and chosen by; train is `all` where nothing was cut off; eval may be NULL */
    at_dataset *test;             /* or NULL */

    at_model *model;
    at_head_kind head;
    at_method method;             /* as asked for, or what the task can do */
    int goes_on;                  /* the folder's own trained head is kept */
    int new_head;                 /* the body itself is what is trained, and all of the head that it is trained through is made anew */
    at_recipe recipe;
    at_hyper hyper;
    double softening;             /* of step 1's penalty, for the head that step 2 starts from */
    double mix;                   /* share of step 2 in what is kept */
    unsigned char *frozen;        /* [params.n] or NULL: what --freeze names */
    double forward_rate;          /* tokens a second of the frozen body, 0 before it ran */

    int8_t *fold;                 /* [all->n], judging by folds */
    at_head_choice head_choice;   /* of step 1 (n_folds 0: the head was not fitted) */
    const float *features;        /* [outputs of all or train, hidden] of the chosen kind, mapped */
    at_mapped cache[AT_TRAIN_HEADS]; /* of the kinds that were compared */
    at_dataset *held;             /* judged by folds: what the kept state was judged on (all or a part of it), and its answers there */
    float *held_logits;           /* [outputs of held, n_out] */
    double head_seconds, tune_seconds;
    at_score step1, step2;        /* on the evaluation data or out of fold; values NULL: not judged */
    int tuned;                    /* step 2 is what is kept */
    at_train_result result;       /* of the final training, if any */
    at_score test_score;
    at_tensorboard *board;        /* of --tensorboard, opened with the first figure of the final training */
    int final;                    /* what trains now is the model that is kept, not a fold's */
    int board_failed;             /* a disk that is full ends the curves, not the training */
    json_t *notes;                /* array of sentences worth keeping in the results */
} at_train_run;

at_status at_train_data_read(at_train_run *run, at_error *err); /* files -> tables, tokenizer; takes nothing from run->arena */
at_status at_train_data(at_train_run *run, at_error *err);   /* tables -> datasets */
/* The tokens go to the run's folder, once that is there, and are mapped from there: after at_run_folder_begin. */
at_status at_train_data_keep(at_train_run *run, at_error *err);
at_status at_train_plan_make(at_train_run *run, at_error *err); /* recipe + options -> hyper */
/* What will be done, before anything is; `sizes` from at_train_open_sizes. */
at_status at_train_plan_tell(at_train_run *run, at_model *sizes, at_error *err);
void at_train_tell_tensors(at_train_run *run); /* which tensors of the folder were used, dropped, made anew */
void at_train_tell_time(at_train_run *run);    /* what step 2 will take, once the body's speed is known from step 1 */
double at_train_guess_rate(const at_train_run *run, const at_arch *a, int threads); /* tokens a second through the frozen body; 0: unknown */
/* What training this model takes, with all that stands beside it. */
at_status at_train_memory(const at_train_run *run, at_model *model, const at_hyper *hyper, at_pool *pool,
                          at_memory_plan *plan, at_error *err);
/* AT_NO_MEMORY, with what would fit, where the training is more than there is; before anything of it is done. */
at_status at_train_memory_check(at_train_run *run, at_model *sizes, at_error *err);
at_status at_train_open_model(at_train_run *run, at_head_kind head, at_model **model, at_error *err);
at_status
at_train_open_body(at_train_run *run,
                   at_error *err); /* run->model, with the folder's own head; without values where none are used */
at_status at_train_open_sizes(at_train_run *run, at_model **model,
                              at_error *err);                /* no values, with the largest head that may be trained */
at_status at_train_head(at_train_run *run, at_error *err);   /* step 1 */
at_status at_train_tune(at_train_run *run, at_error *err);   /* step 2 */
at_status at_train_finish(at_train_run *run, at_error *err); /* test, files */
at_status at_train_check_score(const at_train_run *run, const char *metric, double main, at_error *err); /* AT_BELOW where --min-score is more */
at_status at_train_diagnose(at_train_run *run, at_error *err); /* plain words about what looks wrong, as warnings and notes */
const char *at_train_next_command(const at_train_run *run);    /* "predict", ... */
const char *at_train_new_text(at_train_run *run);              /* what stands for a text that it answers to, in examples */
at_status at_train_card(at_train_run *run, at_error *err);   /* README.md */

/* Scores the model as it is on a dataset. */
at_status at_train_judge(at_train_run *run, const at_dataset *d, at_score *score, at_error *err);
const at_dataset *at_train_fitted(const at_train_run *run);  /* the data that the final model is trained on */
at_listener_hooks at_train_hooks(at_train_run *run);
void at_train_draw_score(at_train_run *run, int step, const at_score *score); /* into --tensorboard, of the final training */
double at_train_epochs_done(const at_train_run *run);        /* of the final training; 0 where there was none */
int at_train_watch(void *run, int done);                     /* at_train_stop between the chunks of a pass */
int at_train_stop(void *run);                                /* 1: the listener asks to stop */

#endif
