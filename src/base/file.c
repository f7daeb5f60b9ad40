#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int at_read_bytes(at_reader *r, size_t n, const unsigned char **bytes) {
    if (n > r->len - r->pos) return 0;
    *bytes = r->ptr + r->pos;
    r->pos += n;
    return 1;
}

static int read_little_endian(at_reader *r, size_t n, uint64_t *value) {
    const unsigned char *b;
    if (!at_read_bytes(r, n, &b)) return 0;
    *value = 0;
    for (size_t i = n; i-- > 0;) *value = *value << 8 | b[i];
    return 1;
}

int at_read_u64(at_reader *r, uint64_t *value) { return read_little_endian(r, 8, value); }

int at_read_u32(at_reader *r, uint32_t *value) {
    uint64_t wide;
    if (!read_little_endian(r, 4, &wide)) return 0;
    *value = (uint32_t)wide;
    return 1;
}

static at_status read_open(at_arena *arena, int fd, const char *path, size_t max_bytes, at_status code, char **text,
                           size_t *len, at_error *err) {
    struct stat info;
    if (fstat(fd, &info)) return at_fail_errno(err, code, path, "cannot read");
    if (S_ISDIR(info.st_mode)) return at_fail(err, code, "%s: is a folder, a file was expected", path);
    if (info.st_size < 0 || (size_t)info.st_size > max_bytes)
        return at_fail(err, code, "%s: %.1f MB, more than the limit of %.1f MB for such a file", path,
                       (double)info.st_size / 1e6, (double)max_bytes / 1e6);
    size_t size = (size_t)info.st_size, done = 0;
    char *buffer = at_alloc_raw(arena, size + 1, 1);
    if (!buffer) return at_fail_memory(err, size);
    while (done < size) {
        ssize_t n = read(fd, buffer + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return at_fail_errno(err, code, path, "cannot read");
        if (n == 0) break;
        done += (size_t)n;
    }
    buffer[done] = '\0';
    *text = buffer;
    *len = done;
    return AT_OK;
}

at_status at_file_read(at_arena *arena, const char *path, size_t max_bytes, at_status code, char **text, size_t *len,
                       at_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return at_fail_errno(err, code, path, "cannot open");
    at_status st = read_open(arena, fd, path, max_bytes, code, text, len, err);
    close(fd);
    return st;
}

at_status at_writer_open(at_writer *w, const char *path, at_error *err) {
    char folder[4096], name[4096];
    w->fd = -1;
    w->buffered = 0;
    w->bytes = 0;
    if (snprintf(w->path, sizeof w->path, "%s", path) >= (int)sizeof w->path)
        return at_fail(err, AT_DISK, "the path is too long: %.100s...", path);
    memcpy(folder, w->path, sizeof folder);
    memcpy(name, w->path, sizeof name);
    int n = snprintf(w->temporary, sizeof w->temporary, "%s/.%s.tmp.%ld", dirname(folder), basename(name), (long)getpid());
    if (n >= (int)sizeof w->temporary) return at_fail(err, AT_DISK, "the path is too long: %.100s...", path);
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) return at_fail_errno(err, AT_DISK, path, "cannot write");
    return AT_OK;
}

void at_writer_abandon(at_writer *w) {
    if (w->fd < 0) return;
    close(w->fd);
    unlink(w->temporary);
    w->fd = -1;
}

static at_status write_all(at_writer *w, const char *bytes, size_t len, at_error *err) {
    while (len) {
        ssize_t n = write(w->fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            at_status st = at_fail_errno(err, AT_DISK, w->path, "cannot write");
            at_writer_abandon(w);
            return st;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return AT_OK;
}

static at_status flush(at_writer *w, at_error *err) {
    size_t n = w->buffered;
    w->buffered = 0;
    return write_all(w, w->buffer, n, err);
}

at_status at_writer_add(at_writer *w, const void *bytes, size_t len, at_error *err) {
    w->bytes += len;
    if (len > sizeof w->buffer - w->buffered) AT_TRY(flush(w, err));
    if (len >= sizeof w->buffer) return write_all(w, bytes, len, err);
    if (len) memcpy(w->buffer + w->buffered, bytes, len);
    w->buffered += len;
    return AT_OK;
}

at_status at_writer_commit(at_writer *w, at_error *err) {
    char folder[4096];
    AT_TRY(flush(w, err));
    int failed = fsync(w->fd);
    failed = close(w->fd) || failed;
    w->fd = -1;
    if (failed || rename(w->temporary, w->path)) {
        at_status st = at_fail_errno(err, AT_DISK, w->path, "cannot write");
        unlink(w->temporary);
        return st;
    }
    memcpy(folder, w->path, sizeof folder);
    return at_folder_sync(dirname(folder), err);
}

at_status at_file_write(const char *path, const void *bytes, size_t len, at_error *err) {
    at_writer *w = malloc(sizeof *w);
    if (!w) return at_fail_memory(err, sizeof *w);
    at_status st = at_writer_open(w, path, err);
    if (!st) st = at_writer_add(w, bytes, len, err);
    if (!st) st = at_writer_commit(w, err);
    free(w);
    return st;
}

static at_status copy_open(int fd, const char *from, at_writer *w, at_error *err) {
    char piece[1 << 14];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            at_writer_abandon(w);
            return at_fail_errno(err, AT_DISK, from, "cannot read");
        }
        if (n == 0) return at_writer_commit(w, err);
        AT_TRY(at_writer_add(w, piece, (size_t)n, err));
    }
}

at_status at_file_copy(const char *from, const char *to, at_error *err) {
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return at_fail_errno(err, AT_DISK, from, "cannot open");
    at_writer *w = malloc(sizeof *w);
    at_status st = w ? at_writer_open(w, to, err) : at_fail_memory(err, sizeof *w);
    if (!st) st = copy_open(fd, from, w, err);
    free(w);
    close(fd);
    return st;
}

int at_file_exists(const char *path) { return access(path, F_OK) == 0; }

int at_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

at_status at_folder_make(const char *path, at_error *err) {
    char part[4096];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return at_fail(err, AT_DISK, "the path is too long: %.100s...", path);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/') continue;
        char was = *p;
        *p = '\0';
        if (mkdir(part, 0777) && errno != EEXIST) return at_fail_errno(err, AT_DISK, path, "cannot make the folder");
        *p = was;
        if (!was) break;
    }
    if (!at_is_folder(path)) return at_fail(err, AT_DISK, "%s: is a file, a folder was expected", path);
    return AT_OK;
}

at_status at_folder_sync(const char *path, at_error *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return at_fail_errno(err, AT_DISK, path, "cannot open");
    int failed = fsync(fd) && errno != EINVAL;
    close(fd);
    return failed ? at_fail_errno(err, AT_DISK, path, "cannot sync") : AT_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

at_status at_folder_list(at_arena *arena, const char *path, char ***names, int *n, at_error *err) {
    DIR *folder = opendir(path);
    if (!folder) return at_fail_errno(err, AT_DISK, path, "cannot list");
    int count = 0, cap = 16;
    char **list = AT_NEW_ARRAY(arena, char *, cap);
    struct dirent *entry;
    while (list && (entry = readdir(folder))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (count + 1 == cap) {
            char **more = AT_NEW_ARRAY(arena, char *, 2 * cap);
            if (more) memcpy(more, list, (size_t)count * sizeof *list);
            list = more;
            cap *= 2;
            if (!list) break;
        }
        list[count] = at_strdup(arena, entry->d_name);
        if (!list[count++]) list = NULL;
    }
    closedir(folder);
    if (!list) return at_fail_memory(err, 0);
    qsort(list, (size_t)count, sizeof *list, by_name);
    *names = list;
    *n = count;
    return AT_OK;
}

at_status at_folder_remove(const char *path, at_error *err) {
    at_arena arena = {0};
    char **names;
    int n;
    at_status st = at_folder_list(&arena, path, &names, &n, err);
    for (int i = 0; !st && i < n; i++) {
        char *inside = at_path_join(&arena, path, names[i]);
        struct stat info;
        if (!inside) st = at_fail_memory(err, 0);
        else if (lstat(inside, &info)) st = at_fail_errno(err, AT_DISK, inside, "cannot remove");
        else if (S_ISDIR(info.st_mode)) st = at_folder_remove(inside, err);
        else if (unlink(inside)) st = at_fail_errno(err, AT_DISK, inside, "cannot remove");
    }
    at_arena_free(&arena);
    if (!st && rmdir(path)) st = at_fail_errno(err, AT_DISK, path, "cannot remove");
    return st;
}

char *at_path_join(at_arena *arena, const char *folder, const char *name) {
    size_t len = strlen(folder);
    return at_format(arena, len && folder[len - 1] == '/' ? "%s%s" : "%s/%s", folder, name);
}

int at_name_is_safe(const char *name) {
    if (!*name || *name == '/') return 0;
    for (const char *p = name; *p; p++)
        if (*p == '\\' || (unsigned char)*p < 0x20) return 0;
    for (const char *p = name; *p;) {
        size_t part = strcspn(p, "/");
        if (part == 2 && p[0] == '.' && p[1] == '.') return 0;
        p += part + (p[part] == '/');
    }
    return 1;
}
