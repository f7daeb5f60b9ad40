/* The output folder of a training: is it empty, an interrupted run of the same command (go on), a finished one (done), the
 * run of another command (differences, --restart), or something else (refused).
 *
 * attune_run.json holds the status, the settings and the hashes of what was read. What a setting does to the bits decides whether it is
 * part of the comparison: threads, display and paths of reports are not. */
#ifndef AT_RUN_RUN_FOLDER_H
#define AT_RUN_RUN_FOLDER_H

#include "base/json.h"

typedef struct at_run_folder {
    const char *path;
    json_t *record;       /* of this run: settings and hashes */
    const char *fingerprint; /* the record's text: what a checkpoint belongs to */
    json_t *score;        /* of the same run that is done: metric and main, what it was judged by; NULL: not known */
    int finished;         /* the same run is already done */
    int resumed;          /* it was begun before */
    int replaces;         /* --restart, and there is a run to be replaced */
    int lock; /* the folder itself, opened and locked: this training alone writes here; 0: not yet, or where locks are
                 not known */
} at_run_folder;

/* Looks and compares, and changes nothing. Files and the model are told apart by what is in them, not by where they lie; AT_USAGE where the model lies in
 * the folder itself, AT_BAD_MODEL where the same run is done and its model has been taken away. AT_USAGE where another training is at work there. model: the folder that
 * --model names, for the hashes. precision: what the run really computes with, which `auto` leaves to the machine. With --dry-run the path is NULL after it. */
at_status at_run_folder_open(at_run_folder *folder, const at_options *options, const char *model, const char *precision, at_arena *arena,
                             at_error *err);
/* The run begins, its data and model are known to be good: makes the folder, with --restart removes the run before, writes the record. */
at_status at_run_folder_begin(at_run_folder *folder, at_arena *arena, at_error *err);
at_status at_run_folder_finish(at_run_folder *folder, at_error *err); /* status: done; tidies */
at_status at_run_folder_tidy(at_run_folder *folder, at_error *err);   /* removes checkpoints, work files, what a cut-off write left */
void at_run_folder_close(at_run_folder *folder);

/* A file of floats that is mapped and shared with the disk, so that it is no private memory; it is made in the run folder
 * (work/NAME) or, where the folder is NULL, without a name in /var/tmp. */
typedef struct at_mapped {
    float *values;
    size_t count;
    size_t done; /* the first so many values are complete: by an earlier run, or as at_mapped_keep was told */
    char marker[4200];
} at_mapped;
at_status at_mapped_open(at_mapped *m, const at_run_folder *folder, const char *name, size_t count, at_error *err);
/* The first `done` values are complete and stay so, whatever becomes of this process. */
at_status at_mapped_keep(at_mapped *m, size_t done, at_error *err);
static inline int at_mapped_is_whole(const at_mapped *m) { return m->done == m->count; }
void at_mapped_close(at_mapped *m);

#endif
