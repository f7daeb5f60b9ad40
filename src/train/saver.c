#include "train/saver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "train/filling.h"
#include "train/manifest.h"

_Static_assert(sizeof(float) == 4, "arrays are stored as they are");

enum { MAX_FILES = 5, KEPT = 2 };

struct at_saver {
    at_arena arena;             /* folder and owner */
    const char *folder;
    at_checkpoint_owner owner;
    int keep; /* checkpoints that stay */
    /* The checkpoint that is being written. */
    at_arena current;
    at_filling *file;           /* [MAX_FILES] */
    at_saved_entry entry[MAX_FILES];
    int n_files, n_filled, step;/* the first n_filled have their bytes */
    char *temporary, *target;
    /* The files of the next one, made beforehand in a folder of their own. */
    char *waiting;              /* the folder */
    at_filling *next;           /* [MAX_FILES] */
    int n_next;
    atomic_int hurry;           /* somebody waits for the thread */
    pthread_t thread;
    int running;
    atomic_int done;            /* the thread has nothing left to do */
    at_status status;
    at_error why;
};

/* ---- opening ---- */

static at_status remove_half_written(at_saver *s, at_error *err) {
    at_arena arena = {0};
    char **names;
    int n;
    at_status st = at_folder_list(&arena, s->folder, &names, &n, err);
    for (int i = 0; i < n && !st; i++) {
        size_t len = strlen(names[i]);
        if (strncmp(names[i], ".checkpoint-", 12) || len < 4 || strcmp(names[i] + len - 4, ".tmp")) continue;
        char *path = at_path_join(&arena, s->folder, names[i]);
        st = path ? at_folder_remove(path, err) : at_fail_memory(err, 0);
    }
    at_arena_free(&arena);
    return st;
}

static at_status prepare(at_saver *s, const char *folder, const at_checkpoint_owner *owner, at_error *err) {
    s->keep = KEPT;
    s->folder = at_strdup(&s->arena, folder);
    s->owner = *owner;
    s->owner.fingerprint = at_strdup(&s->arena, owner->fingerprint ? owner->fingerprint : "");
    s->waiting = at_format(&s->arena, "%s/.checkpoint-next.tmp", folder);
    s->file = AT_NEW_ARRAY(&s->arena, at_filling, MAX_FILES);
    s->next = AT_NEW_ARRAY(&s->arena, at_filling, MAX_FILES);
    if (!s->folder || !s->owner.fingerprint || !s->waiting || !s->file || !s->next)
        return at_fail_memory(err, 2 * sizeof *s->file * MAX_FILES);
    AT_TRY(at_folder_make(folder, err));
    return remove_half_written(s, err);
}

at_status at_saver_open(const char *folder, const at_checkpoint_owner *owner, at_saver **out, at_error *err) {
    at_saver *s = calloc(1, sizeof *s);
    if (!s) return at_fail_memory(err, sizeof *s);
    at_status st = prepare(s, folder, owner, err);
    if (st) at_saver_close(s);
    else *out = s;
    return st;
}

static void forget_next(at_saver *s) {
    for (int i = 0; i < s->n_next; i++) at_filling_close(&s->next[i]);
    s->n_next = 0;
}

static void drop_next(at_saver *s) {
    forget_next(s);
    if (at_file_exists(s->waiting)) at_folder_remove(s->waiting, NULL);
}

static void start(at_saver *s, void *(*part)(void *saver)) {
    atomic_store(&s->done, 0);
    atomic_store(&s->hurry, 0);
    s->running = !pthread_create(&s->thread, NULL, part, s);
    if (!s->running) atomic_store(&s->hurry, 1);
}

void at_saver_keep(at_saver *s, int n) { s->keep = n > 1 ? n : 1; }

void at_saver_close(at_saver *s) {
    if (!s) return;
    at_saver_wait(s, NULL);
    drop_next(s);
    at_arena_free(&s->current);
    at_arena_free(&s->arena);
    free(s);
}

/* ---- the caller's part ---- */

/* Takes a file that was made beforehand, or makes it. */
static at_status take_file(at_saver *s, const char *path, const char *name, at_filling *f, uint64_t bytes, at_error *err) {
    for (int i = 0; i < s->n_next; i++) {
        at_filling *made = &s->next[i];
        const char *its = strrchr(made->path, '/');
        if (made->fd < 0 || !its || strcmp(its + 1, name) || made->bytes != bytes) continue;
        *f = *made;
        made->fd = -1;
        snprintf(f->path, sizeof f->path, "%s", path);
        return AT_OK;
    }
    return at_filling_open(f, path, bytes, err);
}

static at_status add_file(at_saver *s, const char *name, uint64_t bytes, at_part *parts, int n, at_error *err) {
    at_filling *f = &s->file[s->n_files];
    at_saved_entry *entry = &s->entry[s->n_files];
    char *path = at_path_join(&s->current, s->temporary, name);
    *entry = (at_saved_entry){.name = at_strdup(&s->current, name), .bytes = bytes};
    if (!path || !entry->name) return at_fail_memory(err, 0);
    AT_TRY(take_file(s, path, name, f, bytes, err));
    f->part = parts;
    f->n = n;
    s->n_files++;
    return AT_OK;
}

static at_status add_arrays(at_saver *s, const at_saved_file *files, int n_files, int stays, at_error *err) {
    for (int i = 0; i < n_files; i++) {
        uint64_t bytes;
        at_part *parts;
        int n;
        if (!files[i].stays != !stays) continue;
        AT_TRY(at_filling_lay(&files[i], &s->current, &bytes, &parts, &n, err));
        AT_TRY(add_file(s, files[i].name, bytes, parts, n, err));
    }
    return AT_OK;
}

static at_status add_state(at_saver *s, const json_t *state, at_error *err) {
    at_part *parts;
    int n;
    char *text = json_dumps(state, JSON_COMPACT), *kept = text ? at_strdup(&s->current, text) : NULL;
    free(text);
    if (!text) return at_fail(err, AT_BUG, "the state of the training cannot be written as JSON");
    if (!kept) return at_fail_memory(err, 0);
    AT_TRY(at_filling_lay_bytes(kept, strlen(kept), &s->current, &parts, &n, err));
    return add_file(s, "state.json", strlen(kept), parts, n, err);
}

/* What changes first: it is written at once. */
static at_status fill_files(at_saver *s, const at_saved_file *files, int n_files, const json_t *state, at_pool *pool, at_error *err) {
    AT_TRY(add_arrays(s, files, n_files, 0, err));
    AT_TRY(add_state(s, state, err));
    s->n_filled = s->n_files;
    AT_TRY(add_arrays(s, files, n_files, 1, err));
    return at_fillings_write(s->file, s->n_filled, pool, &s->current, err);
}

static void abandon(at_saver *s) {
    for (int i = 0; i < s->n_files; i++) at_filling_close(&s->file[i]);
    s->n_files = 0;
    if (s->temporary) at_folder_remove(s->temporary, NULL);
}

/* The folder of the files that were made beforehand, or a new one. */
static at_status begin(at_saver *s, int step, at_error *err) {
    at_arena_free(&s->current);
    s->step = step;
    s->n_files = 0;
    s->temporary = at_format(&s->current, "%s/.checkpoint-%d.tmp", s->folder, step);
    s->target = at_format(&s->current, "%s/checkpoint-%d", s->folder, step);
    if (!s->temporary || !s->target) return at_fail_memory(err, 0);
    if (at_file_exists(s->temporary)) AT_TRY(at_folder_remove(s->temporary, err));
    if (s->n_next && !rename(s->waiting, s->temporary)) return AT_OK;
    drop_next(s);
    return at_folder_make(s->temporary, err);
}

/* ---- the thread's part ---- */

static at_status finish_file(at_saver *s, int i, at_error *err) {
    XXH128_hash_t hash;
    if (i >= s->n_filled) AT_TRY(at_filling_write_slowly(&s->file[i], &s->hurry, err));
    AT_TRY(at_filling_check(&s->file[i], &s->hurry, &hash, err));
    at_hash_text(hash, s->entry[i].hash);
    return AT_OK;
}

static at_status publish(at_saver *s, at_error *err) {
    char *path = at_path_join(&s->current, s->temporary, "manifest.json");
    if (!path) return at_fail_memory(err, 0);
    AT_TRY(at_manifest_write(path, s->step, &s->owner, s->entry, s->n_files, err));
    if (at_file_exists(s->target)) AT_TRY(at_folder_remove(s->target, err)); /* was found broken, or belongs to another run */
    if (rename(s->temporary, s->target)) return at_fail_errno(err, AT_DISK, s->target, "cannot rename the checkpoint");
    return at_folder_sync(s->folder, err);
}

/* Older checkpoints of this run go, all but the newest of them. */
static at_status rotate(at_saver *s, at_error *err) {
    at_arena *arena = &s->current;
    int *steps, n, kept = 0;
    AT_TRY(at_checkpoint_list(s->folder, arena, &steps, &n, err));
    for (int i = 0; i < n; i++) {
        if (steps[i] > s->step) continue;
        char *path = at_format(arena, "%s/checkpoint-%d", s->folder, steps[i]);
        if (!path) return at_fail_memory(err, 0);
        if (!at_manifest_is_ours(path, &s->owner) || ++kept <= s->keep) continue;
        AT_TRY(at_folder_remove(path, err));
    }
    return AT_OK;
}

static void finish(at_saver *s) {
    for (int i = 0; i < s->n_files && !s->status; i++) s->status = finish_file(s, i, &s->why);
    if (!s->status) s->status = at_folder_sync(s->temporary, &s->why);
    if (!s->status) s->status = publish(s, &s->why);
    if (s->status) abandon(s);
    else s->status = rotate(s, &s->why);
}

static void *finish_thread(void *argument) {
    at_saver *s = argument;
    finish(s);
    atomic_store(&s->done, 1);
    return NULL;
}

at_status at_saver_write(at_saver *s, int step, const at_saved_file *files, int n_files, const json_t *state, at_pool *pool,
                         at_error *err) {
    AT_TRY(at_saver_wait(s, err));
    if (n_files >= MAX_FILES) return at_fail(err, AT_BUG, "a checkpoint of %d files", n_files);
    at_status st = begin(s, step, err);
    if (!st) st = fill_files(s, files, n_files, state, pool, err);
    forget_next(s);
    if (st) {
        abandon(s);
        return st;
    }
    start(s, finish_thread);
    if (!s->running) finish(s);
    return AT_OK;
}

void at_saver_settle(at_saver *s) {
    atomic_store(&s->hurry, 1);
    if (s->running) pthread_join(s->thread, NULL);
    s->running = 0;
}

at_status at_saver_wait(at_saver *s, at_error *err) {
    at_saver_settle(s);
    at_status st = s->status;
    s->status = AT_OK;
    return st ? at_fail(err, st, "%s", s->why.text) : AT_OK;
}

/* ---- the next one's files ---- */

static void *warm_thread(void *argument) {
    at_saver *s = argument;
    for (int i = 0; i < s->n_next; i++) at_filling_warm(&s->next[i], &s->hurry);
    atomic_store(&s->done, 1);
    return NULL;
}

static at_status make_next(at_saver *s, const at_saved_file *files, int n_files, at_error *err) {
    at_arena scratch = {0};
    at_status st = at_folder_make(s->waiting, err);
    for (int i = 0; i < n_files && !st; i++) {
        uint64_t bytes;
        if (files[i].stays) continue;
        char *path = at_path_join(&scratch, s->waiting, files[i].name);
        st = path ? at_filling_lay(&files[i], &scratch, &bytes, NULL, NULL, err) : at_fail_memory(err, 0);
        if (!st) st = at_filling_open(&s->next[s->n_next], path, bytes, err);
        s->n_next += !st;
    }
    at_arena_free(&scratch);
    return st;
}

int at_saver_prepare(at_saver *s, const at_saved_file *files, int n_files) {
    at_error why;
    if (s->running && !atomic_load(&s->done)) return 0;
    at_saver_settle(s);
    if (s->n_next || n_files >= MAX_FILES) return 1;
    if (make_next(s, files, n_files, &why)) drop_next(s);
    else start(s, warm_thread);
    return 1;
}

/* ---- finding ---- */

at_status at_saver_find(at_saver *s, at_arena *arena, const char **path, json_t **manifest,
                        void (*note)(void *context, const char *sentence), void *context, at_error *err) {
    int *steps, n;
    *path = NULL;
    *manifest = NULL;
    AT_TRY(at_saver_wait(s, err));
    AT_TRY(at_checkpoint_list(s->folder, arena, &steps, &n, err));
    for (int i = 0; i < n; i++) {
        at_error why;
        const char *candidate = at_format(arena, "%s/checkpoint-%d", s->folder, steps[i]);
        if (!candidate) return at_fail_memory(err, 0);
        at_status st = at_manifest_check(candidate, &s->owner, manifest, &why);
        if (!st) {
            *path = candidate;
            return AT_OK;
        }
        if (st == AT_NO_MEMORY) return at_fail(err, st, "%s", why.text);
        note(context, why.text);
    }
    return AT_OK;
}
