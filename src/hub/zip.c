#include "hub/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/file.h"

enum { END_BYTES = 22, DIRECTORY_BYTES = 46, LOCAL_BYTES = 30, COMMENT_BYTES = 65535, PIECE = 1 << 16 };
static const uint64_t UNPACKED_BYTES = (uint64_t)8 << 30;

static at_status read_at(const at_zip *zip, void *bytes, size_t len, uint64_t offset, at_error *err) {
    char *to = bytes;
    if (offset > zip->bytes || len > zip->bytes - offset)
        return at_fail(err, AT_BAD_MODEL, "%s: byte %llu: the zip file is truncated; fetch it again", zip->path,
                       (unsigned long long)offset);
    while (len) {
        ssize_t n = pread(zip->fd, to, len, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return at_fail_errno(err, AT_DISK, zip->path, "cannot read");
        if (n == 0) return at_fail(err, AT_BAD_MODEL, "%s: became shorter while it was read", zip->path);
        to += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return AT_OK;
}

static uint32_t u16(const unsigned char *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const unsigned char *p) { return u16(p) | u16(p + 2) << 16; }

/* --- the directory --------------------------------------------------------------------------------- */

typedef struct directory {
    uint64_t offset, bytes;
    uint32_t count;
} directory;

/* The end record stands in the last 22 bytes, or earlier where the file has a comment. */
static at_status find_end(const at_zip *zip, directory *d, at_error *err) {
    size_t len = zip->bytes < END_BYTES + COMMENT_BYTES ? (size_t)zip->bytes : (size_t)(END_BYTES + COMMENT_BYTES);
    unsigned char *tail = malloc(len ? len : 1);
    if (!tail) return at_fail_memory(err, len);
    at_status st = read_at(zip, tail, len, zip->bytes - len, err);
    const unsigned char *end = NULL;
    for (size_t i = len; !st && !end && i >= END_BYTES; i--) {
        const unsigned char *p = tail + i - END_BYTES;
        if (!memcmp(p, "PK\5\6", 4) && u16(p + 20) == len - i) end = p;
    }
    if (!st && !end)
        st = at_fail(err, AT_BAD_MODEL, "%s: byte %llu: no zip directory at the end: truncated, or not a zip file", zip->path,
                     (unsigned long long)zip->bytes);
    if (end) {
        *d = (directory){u32(end + 16), u32(end + 12), u16(end + 10)};
        uint64_t end_offset = zip->bytes - len + (uint64_t)(end - tail);
        if (u16(end + 4) || u16(end + 6) || u16(end + 8) != d->count || d->offset == UINT32_MAX || d->count == 65535)
            st = at_fail(err, AT_BAD_MODEL, "%s: byte %llu: a zip file of several parts or of more than 4 GB", zip->path,
                         (unsigned long long)end_offset);
        else if (d->offset > end_offset || d->bytes > end_offset - d->offset || (uint64_t)d->count * DIRECTORY_BYTES > d->bytes)
            st = at_fail(err, AT_BAD_MODEL, "%s: byte %llu: the zip directory does not fit into the file", zip->path,
                         (unsigned long long)end_offset);
    }
    free(tail);
    return st;
}

static at_status check_entry(const at_zip *zip, const at_zip_entry *e, unsigned flags, uint64_t at, at_error *err) {
    const char *why = !at_name_is_safe(e->name)           ? "its name could lead out of the folder"
                      : flags & 1u                        ? "it is encrypted"
                      : e->method != 0 && e->method != 8  ? "it is compressed in a way that attune does not know"
                      : e->method == 0 && e->packed != e->size ? "its two sizes differ although it is not compressed"
                      : e->packed > zip->bytes            ? "it claims to be larger than the zip file"
                      : e->size / 1100 > e->packed        ? "it claims to unpack to more than deflate can hold"
                                                          : NULL;
    return why ? at_fail(err, AT_BAD_MODEL, "%s: byte %llu: '%.200s' is refused: %s", zip->path, (unsigned long long)at, e->name, why)
               : AT_OK;
}

/* One record at r->pos. A folder (its name ends with a slash) is left out. */
static at_status read_entry(at_arena *arena, at_zip *zip, at_reader *r, uint64_t base, uint64_t *total, at_error *err) {
    const unsigned char *p, *name;
    uint64_t at = base + r->pos;
    if (!at_read_bytes(r, DIRECTORY_BYTES, &p) || memcmp(p, "PK\1\2", 4))
        return at_fail(err, AT_BAD_MODEL, "%s: byte %llu: the zip directory is damaged", zip->path, (unsigned long long)at);
    size_t n_name = u16(p + 28), n_rest = u16(p + 30) + u16(p + 32);
    const unsigned char *rest;
    if (!at_read_bytes(r, n_name, &name) || !at_read_bytes(r, n_rest, &rest) || !n_name || memchr(name, 0, n_name))
        return at_fail(err, AT_BAD_MODEL, "%s: byte %llu: the zip directory is damaged", zip->path, (unsigned long long)at);
    at_zip_entry *e = &zip->entries[zip->n];
    *e = (at_zip_entry){at_strndup(arena, (const char *)name, n_name), u16(p + 10), u32(p + 16), u32(p + 20), u32(p + 24), u32(p + 42)};
    if (!e->name) return at_fail_memory(err, n_name);
    AT_TRY(check_entry(zip, e, u16(p + 8), at, err));
    *total += e->size;
    if (*total > UNPACKED_BYTES)
        return at_fail(err, AT_BAD_MODEL, "%s: unpacks to more than the limit of 8 GiB", zip->path);
    if (name[n_name - 1] != '/') zip->n++;
    return AT_OK;
}

static at_status read_directory(at_arena *arena, at_zip *zip, const directory *d, at_error *err) {
    zip->entries = AT_NEW_ARRAY(arena, at_zip_entry, d->count + 1);
    unsigned char *bytes = malloc((size_t)d->bytes + 1);
    at_status st = zip->entries && bytes ? read_at(zip, bytes, (size_t)d->bytes, d->offset, err) : at_fail_memory(err, (size_t)d->bytes);
    at_reader r = {bytes, (size_t)d->bytes, 0};
    uint64_t total = 0;
    for (uint32_t i = 0; !st && i < d->count; i++) st = read_entry(arena, zip, &r, d->offset, &total, err);
    free(bytes);
    return st;
}

at_status at_zip_open(at_arena *arena, const char *path, at_zip *zip, at_error *err) {
    struct stat info;
    directory d = {0};
    *zip = (at_zip){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (zip->fd < 0) return at_fail_errno(err, AT_BAD_MODEL, path, "cannot open");
    at_status st = AT_OK;
    if (fstat(zip->fd, &info) || !S_ISREG(info.st_mode)) st = at_fail(err, AT_BAD_MODEL, "%s: not a regular file", path);
    else zip->bytes = (uint64_t)info.st_size;
    if (!st) st = find_end(zip, &d, err);
    if (!st) st = read_directory(arena, zip, &d, err);
    if (st) at_zip_close(zip);
    return st;
}

void at_zip_close(at_zip *zip) {
    if (zip->fd >= 0) close(zip->fd);
    zip->fd = -1;
}

/* --- unpacking ------------------------------------------------------------------------------------- */

typedef struct unpacking {
    const at_zip *zip;
    const at_zip_entry *entry;
    at_zip_take *take;
    void *context;
    uint64_t at, left; /* of the packed bytes */
    uint64_t done;     /* unpacked */
    uint32_t crc;
    unsigned char in[PIECE], out[PIECE];
} unpacking;

static at_status damaged(const unpacking *u, const char *why, at_error *err) {
    return at_fail(err, AT_BAD_MODEL, "%s: byte %llu: '%.200s' is damaged: %s; fetch the file again", u->zip->path,
                   (unsigned long long)u->at, u->entry->name, why);
}

static at_status find_data(unpacking *u, at_error *err) {
    unsigned char head[LOCAL_BYTES];
    const at_zip_entry *e = u->entry;
    u->at = e->header;
    AT_TRY(read_at(u->zip, head, sizeof head, e->header, err));
    size_t n_name = strlen(e->name);
    if (memcmp(head, "PK\3\4", 4) || u16(head + 8) != e->method || u16(head + 26) != n_name)
        return damaged(u, "its header disagrees with the directory", err);
    AT_TRY(read_at(u->zip, u->in, n_name, e->header + LOCAL_BYTES, err)); /* at most 65535 bytes */
    if (memcmp(u->in, e->name, n_name)) return damaged(u, "its name disagrees with the directory", err);
    u->at = e->header + LOCAL_BYTES + n_name + u16(head + 28);
    u->left = e->packed;
    return AT_OK;
}

static at_status read_piece(unpacking *u, size_t *len, at_error *err) {
    *len = u->left < PIECE ? (size_t)u->left : PIECE;
    AT_TRY(read_at(u->zip, u->in, *len, u->at, err));
    u->at += *len;
    u->left -= *len;
    return AT_OK;
}

static at_status give(unpacking *u, const unsigned char *bytes, size_t len, at_error *err) {
    if (len > u->entry->size - u->done) return damaged(u, "it is longer than the directory says", err);
    u->done += len;
    u->crc = (uint32_t)crc32(u->crc, bytes, (uInt)len);
    return u->take(u->context, bytes, len, err);
}

static at_status copy_stored(unpacking *u, at_error *err) {
    while (u->left) {
        size_t len;
        AT_TRY(read_piece(u, &len, err));
        AT_TRY(give(u, u->in, len, err));
    }
    return AT_OK;
}

static at_status inflate_with(unpacking *u, z_stream *z, at_error *err) {
    for (int end = Z_OK; end != Z_STREAM_END;) {
        if (!z->avail_in) {
            size_t len;
            if (!u->left) return damaged(u, "its data end too early", err);
            AT_TRY(read_piece(u, &len, err));
            z->next_in = u->in;
            z->avail_in = (uInt)len;
        }
        z->next_out = u->out;
        z->avail_out = PIECE;
        end = inflate(z, Z_NO_FLUSH);
        if (end == Z_MEM_ERROR) return at_fail_memory(err, PIECE);
        if (end != Z_OK && end != Z_STREAM_END && end != Z_BUF_ERROR) return damaged(u, "its data cannot be unpacked", err);
        AT_TRY(give(u, u->out, PIECE - z->avail_out, err));
    }
    return u->left || z->avail_in ? damaged(u, "its data end too early", err) : AT_OK;
}

static at_status inflate_all(unpacking *u, at_error *err) {
    z_stream z = {0};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return at_fail_memory(err, PIECE);
    at_status st = inflate_with(u, &z, err);
    inflateEnd(&z);
    return st;
}

static at_status unpack(unpacking *u, at_error *err) {
    AT_TRY(find_data(u, err));
    AT_TRY(u->entry->method == 8 ? inflate_all(u, err) : copy_stored(u, err));
    if (u->done != u->entry->size) return damaged(u, "it is shorter than the directory says", err);
    if (u->crc != u->entry->crc) return damaged(u, "its checksum (CRC-32) is wrong", err);
    return AT_OK;
}

at_status at_zip_unpack(const at_zip *zip, const at_zip_entry *entry, at_zip_take *take, void *context, at_error *err) {
    unpacking *u = calloc(1, sizeof *u);
    if (!u) return at_fail_memory(err, sizeof *u);
    u->zip = zip;
    u->entry = entry;
    u->take = take;
    u->context = context;
    at_status st = unpack(u, err);
    free(u);
    return st;
}
