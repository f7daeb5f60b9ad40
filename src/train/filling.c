#include "train/filling.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/machine.h"
#include "base/str.h"

/* A part stays in the second cache between its write and its hash; a task is long against the handing out of tasks. */
enum { PART_BYTES = 1 << 17, TASK_BYTES = 1 << 19, PACE_BYTES = 1 << 20 };

/* ---- layout ---- */

/* The header of a safetensors file with its length before it, padded to 8 bytes with spaces. */
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
    unsigned char length[8] = {0};
    json_decref(root);
    *header = (at_str){.arena = arena};
    at_str_add_bytes(header, (const char *)length, sizeof length);
    if (text) at_str_add(header, text);
    free(text);
    while (header->len % 8 && !header->failed) at_str_add(header, " ");
    if (header->failed || header->len <= sizeof length) return at_fail_memory(err, 0);
    for (int i = 0; i < 8; i++) header->text[i] = (char)((uint64_t)(header->len - sizeof length) >> (8 * i));
    return AT_OK;
}

static const at_saved_range *ranges_of(const at_saved_array *a, at_saved_range *whole, int *n) {
    *whole = (at_saved_range){0, a->count};
    *n = a->range ? a->n_ranges : 1;
    return a->range ? a->range : whole;
}

static int count_parts(const at_saved_file *file, size_t header) {
    size_t n = header / PART_BYTES + 1;
    for (int i = 0; i < file->n; i++) {
        at_saved_range whole;
        int n_ranges;
        const at_saved_range *range = ranges_of(&file->arrays[i], &whole, &n_ranges);
        for (int k = 0; k < n_ranges; k++) n += 4 * range[k].n / PART_BYTES + 1;
    }
    return n < INT32_MAX ? (int)n : INT32_MAX;
}

static void cut(at_part *parts, int *n, const void *data, const char *finite, uint64_t at, size_t bytes) {
    for (size_t done = 0; done < bytes; done += PART_BYTES) {
        size_t rest = bytes - done;
        parts[(*n)++] = (at_part){(const char *)data + done, finite, at + done, rest < PART_BYTES ? rest : PART_BYTES, 0};
    }
}

at_status at_filling_lay_bytes(const void *bytes, size_t len, at_arena *arena, at_part **parts, int *n, at_error *err) {
    *n = 0;
    *parts = AT_NEW_ARRAY(arena, at_part, len / PART_BYTES + 1);
    if (!*parts) return at_fail_memory(err, len / PART_BYTES * sizeof **parts);
    cut(*parts, n, bytes, NULL, 0, len);
    return AT_OK;
}

at_status at_filling_lay(const at_saved_file *file, at_arena *arena, uint64_t *bytes, at_part **parts, int *n, at_error *err) {
    at_str header;
    AT_TRY(make_header(file, arena, &header, err));
    *bytes = header.len;
    if (parts) {
        int most = count_parts(file, header.len);
        *n = 0;
        *parts = AT_NEW_ARRAY(arena, at_part, most);
        if (!*parts) return at_fail_memory(err, (size_t)most * sizeof **parts);
        cut(*parts, n, header.text, NULL, 0, header.len);
    }
    for (int i = 0; i < file->n; i++) {
        const at_saved_array *a = &file->arrays[i];
        at_saved_range whole;
        int n_ranges;
        const at_saved_range *range = ranges_of(a, &whole, &n_ranges);
        for (int k = 0; parts && k < n_ranges; k++)
            cut(*parts, n, (const char *)a->data + 4 * range[k].start, a->is_int ? NULL : a->name, *bytes + 4 * range[k].start,
                4 * range[k].n);
        *bytes += 4 * a->count;
    }
    return AT_OK;
}

/* ---- in the background ---- */

typedef struct pace {
    const atomic_int *hurry;
    double began;
    size_t bytes;
} pace;

static pace pace_start(const atomic_int *hurry) { return (pace){hurry, at_seconds(), 0}; }

/* After so many bytes: rests four times as long as they took (but no longer than where others held the core). */
static void pace_add(pace *p, size_t bytes) {
    static const double WORK = 4, LONGEST = 0.005;
    p->bytes += bytes;
    if (p->bytes < PACE_BYTES || atomic_load(p->hurry)) return;
    double rest = WORK * (at_seconds() - p->began);
    const struct timespec t = {0, (long)(1e9 * (rest < LONGEST ? rest : LONGEST))};
    nanosleep(&t, NULL);
    *p = pace_start(p->hurry);
}

/* ---- files ---- */

at_status at_filling_open(at_filling *f, const char *path, uint64_t bytes, at_error *err) {
    *f = (at_filling){.fd = -1, .bytes = bytes};
    if (snprintf(f->path, sizeof f->path, "%s", path) >= (int)sizeof f->path)
        return at_fail(err, AT_DISK, "the path is too long: %.100s...", path);
    f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd >= 0 && !ftruncate(f->fd, (off_t)bytes)) return AT_OK;
    at_status st = at_fail_errno(err, AT_DISK, path, "cannot write");
    at_filling_close(f);
    return st;
}

void at_filling_close(at_filling *f) {
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
}

/* All bytes, or an errno. */
static int read_at(int fd, char *to, size_t bytes, uint64_t at) {
    while (bytes) {
        ssize_t n = pread(fd, to, bytes, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n ? errno : EIO;
        to += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int write_at(int fd, const char *from, size_t bytes, uint64_t at) {
    while (bytes) {
        ssize_t n = pwrite(fd, from, bytes, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        from += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

void at_filling_warm(const at_filling *f, const atomic_int *hurry) {
    char *buffer = malloc(PART_BYTES);
    pace p = pace_start(hurry);
    for (uint64_t at = 0; buffer && at < f->bytes && !atomic_load(hurry); at += PART_BYTES) {
        size_t n = f->bytes - at < PART_BYTES ? (size_t)(f->bytes - at) : PART_BYTES;
        if (read_at(f->fd, buffer, n, at)) break;
        pace_add(&p, n);
    }
    free(buffer);
}

/* ---- filling ---- */

typedef struct filling_task {
    at_filling *file;
    int first, end;          /* parts */
    int failed;              /* errno */
    const char *not_finite;
} filling_task;

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

static void fill_part(filling_task *task, at_part *part) {
    part->hash = XXH3_64bits(part->data, part->bytes);
    if (part->finite && !all_finite(part->data, part->bytes / 4)) task->not_finite = part->finite;
    else task->failed = write_at(task->file->fd, part->data, part->bytes, part->at);
}

static void fill(void *context, int number) {
    filling_task *task = (filling_task *)context + number;
    for (int i = task->first; i < task->end && !task->failed && !task->not_finite; i++) fill_part(task, &task->file->part[i]);
}

static at_status outcome(const filling_task *task, at_error *err) {
    if (task->not_finite) return at_fail(err, AT_DIVERGED, "%s is not finite any more", task->not_finite);
    if (!task->failed) return AT_OK;
    errno = task->failed;
    return at_fail_errno(err, AT_DISK, task->file->path, "cannot write");
}

/* The next task of a file from a part on. */
static int end_of_task(const at_filling *f, int first) {
    size_t bytes = 0;
    int end = first;
    while (end < f->n && bytes < TASK_BYTES) bytes += f->part[end++].bytes;
    return end;
}

/* Tasks take turns between the files: two threads write one file one after the other, two files at once. */
static int deal(at_filling *files, int n, filling_task *tasks, int *next) {
    int count = 0, more = 1;
    memset(next, 0, (size_t)n * sizeof *next);
    while (more) {
        more = 0;
        for (int f = 0; f < n; f++) {
            if (next[f] == files[f].n) continue;
            int end = end_of_task(&files[f], next[f]);
            if (tasks) tasks[count] = (filling_task){&files[f], next[f], end, 0, NULL};
            next[f] = end;
            count++;
            more = 1;
        }
    }
    return count;
}

at_status at_fillings_write(at_filling *files, int n, at_pool *pool, at_arena *scratch, at_error *err) {
    int *next = AT_NEW_ARRAY(scratch, int, n);
    int count = next ? deal(files, n, NULL, next) : 0;
    filling_task *tasks = AT_NEW_ARRAY(scratch, filling_task, count);
    if (!next || !tasks) return at_fail_memory(err, (size_t)count * sizeof *tasks);
    deal(files, n, tasks, next);
    at_pool_run(pool, fill, tasks, count);
    for (int i = 0; i < count; i++) AT_TRY(outcome(&tasks[i], err));
    return AT_OK;
}

at_status at_filling_write_slowly(at_filling *f, const atomic_int *hurry, at_error *err) {
    filling_task task = {.file = f};
    pace p = pace_start(hurry);
    for (int i = 0; i < f->n && !task.failed && !task.not_finite; i++) {
        fill_part(&task, &f->part[i]);
        pace_add(&p, f->part[i].bytes);
    }
    return outcome(&task, err);
}

/* ---- checking ---- */

static int is_zero(const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bytes[i]) return 0;
    return 1;
}

typedef struct checking {
    const at_filling *file;
    char *buffer;            /* [PART_BYTES] */
    XXH3_state_t *hash;
    pace pace;
} checking;

/* Bytes from `at` on, which must be zero, or have the part's hash. */
static at_status check_bytes(checking *c, const at_part *part, uint64_t at, size_t n, at_error *err) {
    errno = read_at(c->file->fd, c->buffer, n, at);
    if (errno) return at_fail_errno(err, AT_DISK, c->file->path, "cannot read");
    XXH3_128bits_update(c->hash, c->buffer, n);
    pace_add(&c->pace, n);
    if (part ? XXH3_64bits(c->buffer, n) == part->hash : is_zero(c->buffer, n)) return AT_OK;
    return at_fail(err, AT_DISK, "%s: what was read back is not what was written", c->file->path);
}

static at_status check_zeros(checking *c, uint64_t from, uint64_t end, at_error *err) {
    while (from < end) {
        size_t n = end - from < PART_BYTES ? (size_t)(end - from) : PART_BYTES;
        AT_TRY(check_bytes(c, NULL, from, n, err));
        from += n;
    }
    return AT_OK;
}

static at_status check_all(checking *c, at_error *err) {
    uint64_t at = 0;
    XXH3_128bits_reset(c->hash);
    for (int i = 0; i < c->file->n; i++) {
        const at_part *part = &c->file->part[i];
        AT_TRY(check_zeros(c, at, part->at, err));
        AT_TRY(check_bytes(c, part, part->at, part->bytes, err));
        at = part->at + part->bytes;
    }
    return check_zeros(c, at, c->file->bytes, err);
}

at_status at_filling_check(at_filling *f, const atomic_int *hurry, XXH128_hash_t *hash, at_error *err) {
    checking c = {f, malloc(PART_BYTES), XXH3_createState(), pace_start(hurry)};
    at_status st = c.buffer && c.hash ? AT_OK : at_fail_memory(err, PART_BYTES);
    if (!st && fsync(f->fd)) st = at_fail_errno(err, AT_DISK, f->path, "cannot write");
    if (!st) st = check_all(&c, err);
    if (!st) *hash = XXH3_128bits_digest(c.hash);
    XXH3_freeState(c.hash);
    free(c.buffer);
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) && !st) st = at_fail_errno(err, AT_DISK, f->path, "cannot write");
    return st;
}
