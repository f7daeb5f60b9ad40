#include "train/saver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/file.h"
#include "base/str.h"
#include "train/manifest.h"

_Static_assert(sizeof(float) == 4, "arrays are stored as they are");

enum { MAX_FILES = 4, KEPT = 2 };

typedef struct written {
    at_writer writer;
    char path[4096];
    int open;
    XXH128_hash_t hash;
} written;

struct at_saver {
    at_arena arena;             /* folder and owner */
    const char *folder;
    at_checkpoint_owner owner;
    int keep; /* checkpoints that stay */
    /* The checkpoint that is being written. */
    at_arena current;
    written *file;              /* [MAX_FILES] */
    at_saved_entry entry[MAX_FILES];
    int n_files, step;
    char *temporary, *target;
    pthread_t thread;
    int running;
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
    s->file = calloc(MAX_FILES, sizeof *s->file);
    if (!s->folder || !s->owner.fingerprint || !s->file) return at_fail_memory(err, sizeof *s->file * MAX_FILES);
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

void at_saver_keep(at_saver *s, int n) { s->keep = n > 1 ? n : 1; }

void at_saver_close(at_saver *s) {
    if (!s) return;
    at_saver_wait(s, NULL);
    free(s->file);
    at_arena_free(&s->current);
    at_arena_free(&s->arena);
    free(s);
}

/* ---- the caller's part ---- */

static int all_finite(const void *data, size_t count) {
    const unsigned char *bytes = data;
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, bytes + 4 * i, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

static at_status check_finite(const at_saved_file *files, int n_files, at_error *err) {
    for (int f = 0; f < n_files; f++)
        for (int i = 0; i < files[f].n; i++) {
            const at_saved_array *a = &files[f].arrays[i];
            if (!a->is_int && !all_finite(a->data, a->count))
                return at_fail(err, AT_DIVERGED, "%s is not finite any more", a->name);
        }
    return AT_OK;
}

/* The header of a safetensors file, padded to 8 bytes with spaces. */
static at_status make_header(const at_saved_file *file, at_arena *arena, at_str *header, at_error *err) {
    json_t *root = json_object();
    size_t at = 0;
    for (int i = 0; i < file->n; i++) {
        const at_saved_array *a = &file->arrays[i];
        json_t *entry = json_pack("{s:s, s:[I], s:[I, I]}", "dtype", a->is_int ? "I32" : "F32", "shape", (json_int_t)a->count,
                                  "data_offsets", (json_int_t)at, (json_int_t)(at + 4 * a->count));
        json_object_set_new(root, a->name, entry);
        at += 4 * a->count;
    }
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    *header = (at_str){.arena = arena};
    if (text) at_str_add(header, text);
    free(text);
    while (header->len % 8 && !header->failed) at_str_add(header, " ");
    return header->failed || !header->text ? at_fail_memory(err, 0) : AT_OK;
}

/* `total` bytes of the file are hashed as they are written. */
typedef struct stream {
    written *file;
    XXH3_state_t *hash;
} stream;

static at_status put(stream *s, const void *bytes, size_t len, at_error *err) {
    XXH3_128bits_update(s->hash, bytes, len);
    return at_writer_add(&s->file->writer, bytes, len, err);
}

static at_status put_arrays(stream *s, const at_saved_file *file, const at_str *header, at_error *err) {
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header->len >> (8 * i));
    AT_TRY(put(s, length, sizeof length, err));
    AT_TRY(put(s, header->text, header->len, err));
    for (int i = 0; i < file->n; i++) AT_TRY(put(s, file->arrays[i].data, 4 * file->arrays[i].count, err));
    return AT_OK;
}

/* Opens the next file of the checkpoint, lets it be filled, and notes size and hash. It is not synced yet. */
static at_status begin_file(at_saver *s, const char *name, stream *out, at_error *err) {
    written *file = &s->file[s->n_files];
    char *path = at_path_join(&s->current, s->temporary, name);
    char *kept = at_strdup(&s->current, name);
    if (!path || !kept) return at_fail_memory(err, 0);
    snprintf(file->path, sizeof file->path, "%s", path);
    AT_TRY(at_writer_open(&file->writer, path, err));
    s->entry[s->n_files].name = kept;
    s->n_files++;
    *out = (stream){file, XXH3_createState()};
    if (!out->hash) return at_fail_memory(err, 0);
    XXH3_128bits_reset(out->hash);
    file->open = 1;
    return AT_OK;
}

static void end_file(at_saver *s, stream *out) {
    if (!out->hash) return;
    at_saved_entry *entry = &s->entry[s->n_files - 1];
    entry->bytes = out->file->writer.bytes;
    out->file->hash = XXH3_128bits_digest(out->hash);
    at_hash_text(out->file->hash, entry->hash);
    XXH3_freeState(out->hash);
}

static at_status write_arrays(at_saver *s, const at_saved_file *file, at_error *err) {
    at_str header;
    stream out = {0};
    AT_TRY(make_header(file, &s->current, &header, err));
    at_status st = begin_file(s, file->name, &out, err);
    if (!st) st = put_arrays(&out, file, &header, err);
    end_file(s, &out);
    return st;
}

static at_status write_state(at_saver *s, const json_t *state, at_error *err) {
    char *text = json_dumps(state, JSON_COMPACT);
    stream out = {0};
    if (!text) return at_fail(err, AT_BUG, "the state of the training cannot be written as JSON");
    at_status st = begin_file(s, "state.json", &out, err);
    if (!st) st = put(&out, text, strlen(text), err);
    end_file(s, &out);
    free(text);
    return st;
}

static void abandon(at_saver *s) {
    for (int i = 0; i < s->n_files; i++)
        if (s->file[i].open) at_writer_abandon(&s->file[i].writer);
    s->n_files = 0;
    if (s->temporary) at_folder_remove(s->temporary, NULL);
}

static at_status begin(at_saver *s, int step, at_error *err) {
    at_arena_free(&s->current);
    s->step = step;
    s->n_files = 0;
    s->temporary = at_format(&s->current, "%s/.checkpoint-%d.tmp", s->folder, step);
    s->target = at_format(&s->current, "%s/checkpoint-%d", s->folder, step);
    if (!s->temporary || !s->target) return at_fail_memory(err, 0);
    if (at_file_exists(s->temporary)) AT_TRY(at_folder_remove(s->temporary, err));
    return at_folder_make(s->temporary, err);
}

/* ---- the thread's part ---- */

static at_status finish_file(written *file, at_error *err) {
    XXH128_hash_t now;
    uint64_t bytes;
    file->open = 0;
    AT_TRY(at_writer_commit(&file->writer, err));
    AT_TRY(at_file_hash(file->path, &now, &bytes, err));
    if (!XXH128_isEqual(now, file->hash) || bytes != file->writer.bytes)
        return at_fail(err, AT_DISK, "%s: what was read back is not what was written", file->path);
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

static void *finish(void *argument) {
    at_saver *s = argument;
    for (int i = 0; i < s->n_files && !s->status; i++) s->status = finish_file(&s->file[i], &s->why);
    if (!s->status) s->status = publish(s, &s->why);
    if (s->status) abandon(s);
    else s->status = rotate(s, &s->why);
    return NULL;
}

at_status at_saver_write(at_saver *s, int step, const at_saved_file *files, int n_files, const json_t *state, at_error *err) {
    AT_TRY(at_saver_wait(s, err));
    AT_TRY(check_finite(files, n_files, err));
    if (n_files >= MAX_FILES) return at_fail(err, AT_BUG, "a checkpoint of %d files", n_files);
    at_status st = begin(s, step, err);
    for (int f = 0; f < n_files && !st; f++) st = write_arrays(s, &files[f], err);
    if (!st) st = write_state(s, state, err);
    if (st) {
        abandon(s);
        return st;
    }
    s->running = !pthread_create(&s->thread, NULL, finish, s);
    if (!s->running) finish(s);
    return AT_OK;
}

at_status at_saver_wait(at_saver *s, at_error *err) {
    if (s->running) pthread_join(s->thread, NULL);
    s->running = 0;
    at_status st = s->status;
    s->status = AT_OK;
    return st ? at_fail(err, st, "%s", s->why.text) : AT_OK;
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
