#include "train/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/room.h"

enum { PIECE = AT_MAPPED_BYTES };

struct at_spool {
    char *memory;     /* all bytes, or those not yet in the file */
    size_t len, cap;  /* of memory */
    size_t limit;     /* beyond it a file is tried, once */
    int fd;           /* -1: in memory */
    size_t in_file;   /* bytes written */
    void *map;
};

at_status at_spool_open(size_t memory_bytes, at_spool **out, at_error *err) {
    at_spool *s = calloc(1, sizeof *s);
    if (!s) return at_fail_memory(err, sizeof *s);
    s->limit = memory_bytes;
    s->fd = -1;
    *out = s;
    return AT_OK;
}

static int open_nameless(void) {
    char path[4096];
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder) folder = "/var/tmp";
    if (snprintf(path, sizeof path, "%s/attune-XXXXXX", folder) >= (int)sizeof path) return -1;
    int fd = mkstemp(path);
    if (fd >= 0) unlink(path);
    return fd;
}

/* 0 where the disk did not take it all; the file is then cut back to what it held. */
static int write_out(at_spool *s) {
    size_t done = 0;
    while (done < s->len) {
        ssize_t n = pwrite(s->fd, s->memory + done, s->len - done, (off_t)(s->in_file + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        done += (size_t)n;
    }
    s->in_file += done;
    s->len = 0;
    return 1;
}

static int grow(at_spool *s, size_t need) {
    size_t cap = s->cap ? s->cap : PIECE;
    while (cap < need) cap *= 2;
    char *memory = realloc(s->memory, cap);
    if (!memory) return 0;
    s->memory = memory;
    s->cap = cap;
    return 1;
}

static int read_back(at_spool *s, char *to) {
    for (size_t done = 0; done < s->in_file;) {
        ssize_t n = pread(s->fd, to + done, s->in_file - done, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        done += (size_t)n;
    }
    return 1;
}

/* The disk is full: what the file holds comes back into memory, and the spool goes on there. */
static at_status give_up_file(at_spool *s, at_error *err) {
    size_t before = s->in_file;
    if (!grow(s, before + s->len)) return at_fail_memory(err, before + s->len);
    memmove(s->memory + before, s->memory, s->len);
    if (!read_back(s, s->memory)) return at_fail_errno(err, AT_DISK, "temporary file", "cannot read back");
    s->len += before;
    s->in_file = 0;
    close(s->fd);
    s->fd = -1;
    return AT_OK;
}

static at_status spill(at_spool *s, at_error *err) {
    if (s->fd < 0) {
        s->fd = open_nameless();
        if (s->fd < 0) s->limit = (size_t)-1;
    }
    if (s->fd < 0 || write_out(s)) return AT_OK;
    s->limit = (size_t)-1;
    return give_up_file(s, err);
}

at_status at_spool_add(at_spool *s, const void *bytes, size_t len, at_error *err) {
    size_t limit = s->fd < 0 ? s->limit : PIECE;
    if (s->len + len > limit) AT_TRY(spill(s, err));
    if (s->len + len > s->cap && !grow(s, s->len + len)) return at_fail_memory(err, s->len + len);
    if (len) memcpy(s->memory + s->len, bytes, len);
    s->len += len;
    return AT_OK;
}

at_status at_spool_seal(at_spool *s, const void **bytes, at_error *err) {
    if (s->fd >= 0 && !write_out(s)) AT_TRY(give_up_file(s, err));
    if (s->fd < 0) {
        if (!s->memory && !grow(s, 1)) return at_fail_memory(err, 1);
        *bytes = s->memory;
        return AT_OK;
    }
    free(s->memory);
    s->memory = NULL;
    s->map = mmap(NULL, s->in_file, PROT_READ, MAP_SHARED, s->fd, 0);
    if (s->map == MAP_FAILED) {
        s->map = NULL;
        return at_fail_memory(err, s->in_file);
    }
    *bytes = s->map;
    return AT_OK;
}

void at_spool_idle(const at_spool *s) {
    if (s->map) madvise(s->map, s->in_file, MADV_DONTNEED);
}

void at_spool_close(at_spool *s) {
    if (!s) return;
    if (s->map) munmap(s->map, s->in_file);
    if (s->fd >= 0) close(s->fd);
    free(s->memory);
    free(s);
}
