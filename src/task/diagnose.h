/* Plain words when something is wrong: from the figures of a training and an evaluation to sentences that say what it looks like and
 * what to do. Only what the figures bear out is said: where an evaluation is small, a difference must exceed its noise. */
#ifndef AT_TASK_DIAGNOSE_H
#define AT_TASK_DIAGNOSE_H

#include <math.h>

#include <jansson.h>

#include "base/arena.h"

typedef struct at_evidence {
    /* Of data that was not trained on: confusion_matrix (rows: right label, columns: answer), and loss, as at_score.values has them. May be
     * NULL. */
    const json_t *values;
    const char *const *label;  /* [n_labels] in id order */
    int n_labels;
    /* Of the training; what is not known is NaN, 0 or NULL. */
    double train_score;        /* share of right answers on the data trained on */
    double train_loss;         /* mean loss of the last epoch */
    const double *loss;        /* [n_losses] training losses in the order of the steps, at equal distances; not finite is allowed */
    int n_losses;
    int n_train;
    double learning_rate;
} at_evidence;

/* An evidence without any figure. */
#define AT_EVIDENCE_INIT {.train_score = NAN, .train_loss = NAN}

typedef struct at_symptom {
    const char *kind; /* "one_class" "labels_mixed_up" "labels_shuffled" "no_better_than_guessing" "never_answered" "overfitted" "loss_flat"
                         "loss_exploded" */
    const char *text; /* what it looks like; what to do */
} at_symptom;

enum { AT_SYMPTOMS = 8 };

/* At most AT_SYMPTOMS, the gravest first, texts in the arena. Fails with AT_NO_MEMORY only. */
at_status at_diagnose(const at_evidence *evidence, at_arena *arena, at_symptom symptom[AT_SYMPTOMS], int *n, at_error *err);

#endif
