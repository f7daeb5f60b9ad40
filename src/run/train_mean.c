/* The mean of the weights that step 2 ends with on the folds and on all examples. Of the folds only the running sum is kept, in a mapped file of
 * the run's folder: it is no private memory, and a run that was stopped ends with the same bits. */
#include <stdio.h>

#include "base/file.h"
#include "run/train_run.h"

static at_status open_sum(const at_train_run *run, int fold, size_t count, at_mapped *sum, at_error *err) {
    char name[32];
    snprintf(name, sizeof name, "sum-%d", fold);
    return at_mapped_open(sum, &run->folder, name, count, err);
}

static at_status open_kept_sum(const at_train_run *run, int fold, size_t count, at_mapped *sum, at_error *err) {
    AT_TRY(open_sum(run, fold, count, sum, err));
    if (at_mapped_is_whole(sum)) return AT_OK;
    at_mapped_close(sum);
    return at_fail(err, AT_BAD_DATA, "%s/work: the weights of fold %d are not there any more; start anew with --restart", run->folder.path, fold + 1);
}

at_status at_train_mean_add(const at_train_run *run, int fold, const at_params *p, at_error *err) {
    at_mapped sum, before = {0};
    AT_TRY(open_sum(run, fold, p->total, &sum, err));
    at_status st = fold ? open_kept_sum(run, fold - 1, p->total, &before, err) : AT_OK;
    for (size_t i = 0; i < p->total && !st; i++) sum.values[i] = (float)p->values[i] + (fold ? before.values[i] : 0);
    if (!st) st = at_mapped_keep(&sum, sum.count, err);
    at_mapped_close(&before);
    at_mapped_close(&sum);
    return st;
}

void at_train_mean_forget(const at_train_run *run, int fold) {
    static const char *const KINDS[] = {"f32", "done"};
    char path[4300];
    for (int i = 0; i < 2 && fold >= 0; i++) {
        snprintf(path, sizeof path, "%s/work/sum-%d.%s", run->folder.path, fold, KINDS[i]);
        remove(path);
    }
}

at_status at_train_mean_take(const at_train_run *run, int folds, at_params *p, at_error *err) {
    at_mapped sum;
    AT_TRY(open_kept_sum(run, folds - 1, p->total, &sum, err));
    for (size_t i = 0; i < p->total; i++) p->values[i] = (at_real)(((double)sum.values[i] + (double)p->values[i]) / (folds + 1));
    at_mapped_close(&sum);
    return AT_OK;
}
