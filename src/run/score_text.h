/* A score in words for a person: tables of plain text from the numbers that at_task.score gives. All text lies in the
 * arena; NULL: no memory. */
#ifndef AT_RUN_SCORE_TEXT_H
#define AT_RUN_SCORE_TEXT_H

#include "base/str.h"
#include "train/task.h"

/* One line a number, with its 95% interval where there is one, then one line a label (or type) of per_class. */
char *at_score_metrics_text(at_arena *arena, const at_score *score);
/* Rows: the right label, columns: the answer. NULL also where there is no matrix or more than 20 labels. */
char *at_score_confusion_text(at_arena *arena, const at_score *score, const at_labels *labels);
/* At most `chars` characters of a text on one line; cut texts end in "...". */
char *at_shortened(at_arena *arena, const char *text, size_t len, int chars);

/* The main score as its metric has it: a loss is positive, though selection turns it round. */
double at_score_shown(const at_score *score);
enum { AT_SCORE_LINE = 200 };
/* "accuracy 0.8123 [0.770, 0.850], loss 0.4211", the interval where one is known and wanted; "loss 0.4211" where that is the score. */
void at_score_line(const at_score *score, int with_interval, char text[AT_SCORE_LINE]);

/* Plain words where the figures look wrong: one class answered, no better than the most frequent label, labels in another
 * order. Calls `tell` for each. */
void at_score_doubts(const at_score *score, const at_labels *labels, void (*tell)(void *context, const char *sentence), void *context);

#endif
