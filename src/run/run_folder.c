#include "run/run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "model/model.h"
#include "run/settings.h"
#include "train/manifest.h"

static const char RECORD[] = "attune_run.json";

/* Settings that change no bit of the result. */
static const char *const FREE[] = {"output",        "restart",   "dry_run", "save_seconds", "save_total_limit",
                                   "tensorboard",   "config",    "threads", "json",         "quiet",
                                   "logging_steps", "min_score", NULL};

/* ---- what this run reads ---- */

static at_status add_hash(json_t *hashes, const char *name, const char *path, at_status code, at_error *err) {
    char text[33];
    XXH128_hash_t hash;
    uint64_t bytes;
    if (at_file_hash(path, &hash, &bytes, err)) return err ? err->code = code : code;
    at_hash_text(hash, text);
    return json_object_set_new(hashes, name, json_string(text)) ? at_fail_memory(err, sizeof text) : AT_OK;
}

static int ends_with(const char *name, const char *ending) {
    size_t len = strlen(name), tail = strlen(ending);
    return len >= tail && !strcmp(name + len - tail, ending);
}

/* What is read of a model's folder: what a model is saved as, and weights in parts. Results, cards and records are none of it. */
static int is_of_a_model(const char *name) {
    return at_model_saves(name) || ends_with(name, ".safetensors") || ends_with(name, ".safetensors.index.json");
}

/* The files below a model's folder, those of its modules (1_Pooling ...) among them, as "model/NAME"; a GGUF file is one of its own. */
static at_status hash_model(json_t *hashes, const char *path, const char *as, int depth, at_arena *arena, at_error *err) {
    char **names;
    int n;
    if (!at_is_folder(path)) return at_file_exists(path) ? add_hash(hashes, as, path, AT_BAD_MODEL, err) : AT_OK; /* opening it will say what is wrong */
    AT_TRY(at_folder_list(arena, path, &names, &n, err));
    for (int i = 0; i < n; i++) {
        if (!is_of_a_model(names[i])) continue;
        const char *below = at_path_join(arena, path, names[i]), *below_as = at_format(arena, "%s/%s", as, names[i]);
        if (!below || !below_as) return at_fail_memory(err, strlen(path));
        if (depth == 0 || !at_is_folder(below)) AT_TRY(hash_model(hashes, below, below_as, depth + 1, arena, err));
    }
    return AT_OK;
}

/* Settings that name what is read: it decides, not where it lies. */
static const char *const READ[] = {"train", "eval", "test", "model", NULL};

/* The record without the places of what was hashed: a folder may be written with a slash at its end, or moved. */
static char *fingerprint_of(const json_t *record, at_arena *arena) {
    json_t *copy = json_deep_copy(record);
    for (int i = 0; READ[i]; i++) json_object_del(json_object_get(copy, "settings"), READ[i]);
    char *text = copy ? json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS) : NULL, *kept = text ? at_strdup(arena, text) : NULL;
    free(text);
    json_decref(copy);
    return kept;
}

static at_status make_record(at_run_folder *f, const at_options *options, const char *model, const char *precision, at_arena *arena,
                             at_error *err) {
    json_t *settings = at_options_json(options), *hashes = json_object();
    f->record = json_pack("{s:s, s:o, s:o}", "version", at_version(), "settings", settings, "hashes", hashes);
    if (!f->record) return at_fail_memory(err, 0);
    for (int i = 0; FREE[i]; i++) json_object_del(settings, FREE[i]);
    if (json_object_set_new(settings, "precision", json_string(precision))) return at_fail_memory(err, 0);
    static const char *const FILES[] = {"train", "eval", "test", NULL};
    for (int i = 0; FILES[i]; i++) {
        const char *path = at_options_text(options, FILES[i], NULL);
        if (path) AT_TRY(add_hash(hashes, FILES[i], path, AT_BAD_DATA, err));
    }
    if (model) AT_TRY(hash_model(hashes, model, "model", 0, arena, err));
    f->fingerprint = fingerprint_of(f->record, arena);
    return f->fingerprint ? AT_OK : at_fail_memory(err, 0);
}

/* ---- what the folder holds ---- */

/* 1 where a hash is that of the file, or of a part of the folder, that the setting names. */
static int is_hash_of(const char *setting, const char *hash) {
    size_t len = strlen(setting);
    return !strncmp(hash, setting, len) && (!hash[len] || hash[len] == '/');
}

/* 1 where all that the setting names has these hashes. */
static int has_hashes(const char *setting, const json_t *hashes, const json_t *others) {
    const char *key;
    json_t *value;
    int n = 0;
    json_object_foreach((json_t *)hashes, key, value) {
        if (!is_hash_of(setting, key)) continue;
        n++;
        if (!json_equal(value, json_object_get(others, key))) return 0;
    }
    return n > 0;
}

static const char *ending_of(const json_t *path) {
    const char *text = json_string_value(path), *dot = text ? strrchr(text, '.') : NULL;
    return dot && !strchr(dot, '/') ? dot : "";
}

/* The same file under another name, read as the same format. */
static int is_moved(const char *setting, const json_t *old, const json_t *value, const json_t *before, const json_t *now) {
    const json_t *hashes = json_object_get(before, "hashes"), *others = json_object_get(now, "hashes");
    return at_word_index(setting, READ) >= 0 && has_hashes(setting, hashes, others) && has_hashes(setting, others, hashes) &&
           (!strcmp(setting, "model") || !strcmp(ending_of(old), ending_of(value)));
}

static void add_setting(at_str *list, const char *key, const json_t *old, const json_t *value) {
    char *was = json_is_null(old) ? NULL : json_dumps(old, JSON_ENCODE_ANY), *is = json_is_null(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    at_str_addf(list, "%s%s: %s -> %s", list->len ? "; " : "", key, was ? was : "none", is ? is : "none");
    free(was);
    free(is);
}

static void add_settings(at_str *list, const json_t *before, const json_t *now) {
    const json_t *old = json_object_get(before, "settings");
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(now, "settings"), key, value) {
        const json_t *was = json_object_get(old, key);
        if (!json_equal(was, value) && !is_moved(key, was, value, before, now)) add_setting(list, key, was, value);
    }
    json_object_foreach((json_t *)old, key, value)
        if (!json_object_get(json_object_get(now, "settings"), key)) at_str_addf(list, "%s%s is not there any more", list->len ? "; " : "", key);
}

/* Another file is told by its name alone. */
static int is_told(const char *hash, const json_t *before, const json_t *now) {
    for (int i = 0; READ[i]; i++)
        if (is_hash_of(READ[i], hash) &&
            !json_equal(json_object_get(json_object_get(before, "settings"), READ[i]), json_object_get(json_object_get(now, "settings"), READ[i])))
            return 1;
    return 0;
}

static void add_contents(at_str *list, const json_t *before, const json_t *now) {
    const json_t *old = json_object_get(before, "hashes"), *new = json_object_get(now, "hashes");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)new, key, value)
        if (!json_equal(json_object_get(old, key), value) && !is_told(key, before, now))
            at_str_addf(list, "%sthe content of %s", list->len ? "; " : "", key);
    json_object_foreach((json_t *)old, key, value)
        if (!json_object_get(new, key) && !is_told(key, before, now)) at_str_addf(list, "%s%s is not there any more", list->len ? "; " : "", key);
}

/* A run that is done has a model, or somebody has taken it away. */
static at_status check_model(const at_run_folder *f, at_arena *arena, at_error *err) {
    static const char *const FILES[] = {"config.json", "model.safetensors", NULL};
    for (int i = 0; FILES[i]; i++) {
        const char *path = at_path_join(arena, f->path, FILES[i]);
        if (!path) return at_fail_memory(err, strlen(f->path));
        if (!at_file_exists(path))
            return at_fail(err, AT_BAD_MODEL, "%s: this very run is done, but its model is not there any more. Use --restart to do it again", path);
    }
    return AT_OK;
}

static at_status compare(at_run_folder *f, const json_t *before, at_arena *arena, at_error *err) {
    at_str list = {.arena = arena};
    add_settings(&list, before, f->record);
    add_contents(&list, before, f->record);
    if (!json_equal(json_object_get(before, "version"), json_object_get(f->record, "version")))
        at_str_addf(&list, "%sthe version of attune", list.len ? "; " : "");
    if (list.len)
        return at_fail(err, AT_USAGE,
                       "%s holds a run of another command (%.700s). Give --restart to replace it, or another --output",
                       f->path, list.text);
    const char *status = json_string_value(json_object_get(before, "status"));
    f->finished = status && !strcmp(status, "done");
    f->resumed = !f->finished;
    f->score = json_incref(json_object_get(before, "score"));
    return f->finished ? check_model(f, arena, err) : AT_OK;
}

static at_status save_record(const at_run_folder *f, const char *status, at_error *err) {
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", f->path, RECORD);
    if (json_object_set_new(f->record, "status", json_string(status))) return at_fail_memory(err, 0);
    at_status st = at_json_save(path, f->record, err);
    json_object_del(f->record, "status");
    return st;
}

/* What a write that was cut off leaves: no content of anybody's. */
static int is_remnant(const char *name) { return name[0] == '.' && strstr(name, ".tmp"); }

/* What a run puts into its folder, apart from the record. */
static int is_of_a_run(const char *name) {
    static const char *const NAMES[] = {"work", "all_results.json", "eval_results.json", "trainer_state.json", "README.md", NULL};
    for (int i = 0; NAMES[i]; i++)
        if (!strcmp(name, NAMES[i])) return 1;
    return !strncmp(name, "checkpoint-", 11) || is_remnant(name) || at_model_saves(name);
}

static int holds_something(char *const *names) {
    for (; *names; names++)
        if (!is_remnant(*names)) return 1;
    return 0;
}

static at_status look_inside(at_run_folder *f, const at_options *options, at_arena *arena, at_error *err) {
    char **names;
    int n;
    json_t *before = NULL;
    char *record = at_path_join(arena, f->path, RECORD);
    AT_TRY(at_folder_list(arena, f->path, &names, &n, err));
    if (!holds_something(names)) return AT_OK;
    if (!record) return at_fail_memory(err, 0);
    if (!at_file_exists(record))
        return at_fail(err, AT_USAGE, "%s: holds something else (%s ...), not a run of attune; choose another --output", f->path, names[0]);
    f->replaces = at_options_flag(options, "restart");
    if (f->replaces) return AT_OK;
    AT_TRY(at_json_load(record, AT_JSON_CONFIG_BYTES, AT_USAGE, &before, err));
    /* A run that ended before it kept anything, for example at a mistake in its options, is in nobody's way. */
    const char *status = json_string_value(json_object_get(before, "status"));
    int kept_nothing = n == 1 && status && !strcmp(status, "running");
    at_status st = kept_nothing ? AT_OK : compare(f, before, arena, err);
    json_decref(before);
    return st;
}

static at_status remove_if(const at_run_folder *f, int (*is)(const char *name), at_error *err) {
    at_arena scratch = {0};
    char **names;
    int n;
    at_status st = at_folder_list(&scratch, f->path, &names, &n, err);
    for (int i = 0; i < n && !st; i++) {
        if (!is(names[i])) continue;
        char *path = at_path_join(&scratch, f->path, names[i]);
        if (!path) st = at_fail_memory(err, 0);
        else if (at_is_folder(path)) st = at_folder_remove(path, err);
        else if (unlink(path)) st = at_fail_errno(err, AT_DISK, path, "cannot remove");
    }
    at_arena_free(&scratch);
    return st;
}

/* The old run goes, and nothing else that a person may have put there. Its record, told to be of no finished run, goes last:
 * whenever this is cut off, the folder is known as a run's. */
static at_status clear(at_run_folder *f, at_arena *arena, at_error *err) {
    json_t *before = NULL;
    char *record = at_path_join(arena, f->path, RECORD);
    if (!record) return at_fail_memory(err, 0);
    if (at_json_load(record, AT_JSON_CONFIG_BYTES, AT_USAGE, &before, err)) before = json_object();
    json_object_set_new(before, "status", json_string("replaced"));
    at_status st = at_json_save(record, before, err);
    json_decref(before);
    return st ? st : remove_if(f, is_of_a_run, err);
}

/* A process that was killed a moment ago may still be on its way out, its locks with it: half a second is waited for that. */
static int take_lock(int fd) {
    for (int left = 25;; left--) {
        if (!flock(fd, LOCK_EX | LOCK_NB)) return 1;
        if (errno != EWOULDBLOCK || !left) return 0;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

/* One training at a time writes into a folder. The lock is on the folder itself, so that nothing is left behind, and ends with the
 * process however that ends. */
static at_status lock_folder(at_run_folder *f, at_error *err) {
    if (f->lock) return AT_OK;
    int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return at_fail_errno(err, AT_DISK, f->path, "cannot open");
    if (take_lock(fd)) {
        f->lock = fd;
        return AT_OK;
    }
    int taken = errno == EWOULDBLOCK;
    close(fd);
    if (!taken) return AT_OK; /* a file system without locks */
    return at_fail(err, AT_USAGE, "%s: another training is at work in this folder; wait for its end, or choose another --output", f->path);
}

/* 1 where a path lies in a folder, or is it. */
static int lies_in(const char *path, const char *folder) {
    char *inner = realpath(path, NULL), *outer = realpath(folder, NULL);
    size_t len = outer ? strlen(outer) : 0;
    int yes = inner && outer && !strncmp(inner, outer, len) && (!inner[len] || inner[len] == '/');
    free(inner);
    free(outer);
    return yes;
}

at_status at_run_folder_open(at_run_folder *f, const at_options *options, const char *model, const char *precision, at_arena *arena,
                             at_error *err) {
    *f = (at_run_folder){.path = at_options_text(options, "output", NULL)};
    AT_TRY(make_record(f, options, model, precision, arena, err));
    if (!f->path) return AT_OK;
    if (at_file_exists(f->path) && !at_is_folder(f->path)) return at_fail(err, AT_USAGE, "%s: is a file; --output names a folder", f->path);
    int dry = at_options_flag(options, "dry_run");
    if (model && lies_in(model, f->path))
        return at_fail(err, AT_USAGE, "%s: holds the model that is to be trained; choose another --output, so that it stays as it is", f->path);
    if (!dry && at_is_folder(f->path)) AT_TRY(lock_folder(f, err));
    if (at_is_folder(f->path)) AT_TRY(look_inside(f, options, arena, err));
    if (!dry) return AT_OK;
    f->path = NULL; /* nothing is written */
    f->finished = f->resumed = 0;
    return AT_OK;
}

at_status at_run_folder_begin(at_run_folder *f, at_arena *arena, at_error *err) {
    if (!f->path) return AT_OK;
    AT_TRY(at_folder_make(f->path, err));
    AT_TRY(lock_folder(f, err));
    if (f->replaces) AT_TRY(clear(f, arena, err));
    return save_record(f, "running", err);
}

static int is_work(const char *name) { return !strcmp(name, "work") || !strncmp(name, "checkpoint-", 11) || is_remnant(name); }

at_status at_run_folder_tidy(at_run_folder *f, at_error *err) { return f->path ? remove_if(f, is_work, err) : AT_OK; }

at_status at_run_folder_finish(at_run_folder *f, at_error *err) {
    if (!f->path) return AT_OK;
    AT_TRY(save_record(f, "done", err));
    return at_run_folder_tidy(f, err);
}

void at_run_folder_close(at_run_folder *f) {
    if (f->lock) close(f->lock);
    f->lock = 0;
    json_decref(f->record);
    json_decref(f->score);
    f->record = f->score = NULL;
}

/* ---- mapped floats ---- */

/* How many values the marker speaks for; 0 where it is not there or not ours. */
static size_t read_marker(const at_mapped *m) {
    char text[32] = "";
    long long done;
    FILE *f = fopen(m->marker, "re");
    if (!f) return 0;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return at_parse_int(text, &done) && done > 0 && (size_t)done <= m->count ? (size_t)done : 0;
}

static at_status open_named(at_mapped *m, const at_run_folder *folder, const char *name, int *fd, at_error *err) {
    char path[4300];
    snprintf(path, sizeof path, "%s/work", folder->path);
    AT_TRY(at_folder_make(path, err));
    snprintf(path, sizeof path, "%s/work/%s.f32", folder->path, name);
    snprintf(m->marker, sizeof m->marker, "%.4000s/work/%s.done", folder->path, name);
    m->done = at_file_exists(path) ? read_marker(m) : 0;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return *fd < 0 ? at_fail_errno(err, AT_DISK, path, "cannot write") : AT_OK;
}

static at_status open_unnamed(int *fd, at_error *err) {
    char path[] = "/var/tmp/attune-XXXXXX";
    *fd = mkstemp(path);
    if (*fd < 0) return at_fail_errno(err, AT_DISK, path, "cannot write");
    unlink(path);
    return AT_OK;
}

at_status at_mapped_open(at_mapped *m, const at_run_folder *folder, const char *name, size_t count, at_error *err) {
    int fd;
    *m = (at_mapped){.count = count};
    if (folder->path) AT_TRY(open_named(m, folder, name, &fd, err));
    else AT_TRY(open_unnamed(&fd, err));
    size_t bytes = (count ? count : 1) * sizeof(float);
    /* posix_fallocate: a full disk is an error here and not a signal later. */
    if (posix_fallocate(fd, 0, (off_t)bytes)) {
        close(fd);
        return at_fail(err, AT_DISK, "%s: no room for %.0f MB of features", folder->path ? folder->path : "/var/tmp", (double)bytes / 1e6);
    }
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) return at_fail_memory(err, bytes);
    m->values = map;
    return AT_OK;
}

at_status at_mapped_keep(at_mapped *m, size_t done, at_error *err) {
    char text[32];
    m->done = done;
    if (!m->marker[0]) return AT_OK;
    if (done && msync(m->values, done * sizeof(float), MS_SYNC)) return at_fail_errno(err, AT_DISK, m->marker, "cannot write");
    return at_file_write(m->marker, text, (size_t)snprintf(text, sizeof text, "%zu", done), err);
}

void at_mapped_close(at_mapped *m) {
    if (m->values) munmap(m->values, (m->count ? m->count : 1) * sizeof(float));
    m->values = NULL;
}
