#include "io/tensorboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

enum { TAG_BYTES = 512, EVENT_BYTES = 1024 };

struct at_tensorboard {
    int fd;
    uint64_t bytes; /* of whole records */
    char path[4500];
};

/* --- protocol buffers ------------------------------------------------------------------------------ */

typedef struct message {
    unsigned char bytes[EVENT_BYTES];
    size_t len;
} message;

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */

static void add_varint(message *m, uint64_t value) {
    for (; value >= 128; value >>= 7) m->bytes[m->len++] = (unsigned char)(value | 128);
    m->bytes[m->len++] = (unsigned char)value;
}

static void add_key(message *m, unsigned field, unsigned wire_type) { add_varint(m, field << 3 | wire_type); }

static void add_little_endian(message *m, uint64_t value, int n) {
    for (int i = 0; i < n; i++) m->bytes[m->len++] = (unsigned char)(value >> 8 * i);
}

static void add_bytes(message *m, unsigned field, const void *bytes, size_t len) {
    add_key(m, field, BYTES);
    add_varint(m, len);
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

/* Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; SessionLog session_log = 7 } */
static message begin_event(int64_t step) {
    message m = {.len = 0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    add_key(&m, 1, FIXED64);
    add_little_endian(&m, bits, 8);
    if (step) {
        add_key(&m, 2, VARINT);
        add_varint(&m, (uint64_t)step);
    }
    return m;
}

/* Summary { repeated Value value = 1 }, Value { string tag = 1; float simple_value = 2 } */
static void add_summary(message *event, const char *tag, double value) {
    message one = {.len = 0}, summary = {.len = 0};
    float number = (float)value;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    add_bytes(&one, 1, tag, strlen(tag));
    add_key(&one, 2, FIXED32);
    add_little_endian(&one, bits, 4);
    add_bytes(&summary, 1, one.bytes, one.len);
    add_bytes(event, 5, summary.bytes, summary.len);
}

/* --- records --------------------------------------------------------------------------------------- */

/* CRC-32C (Castagnoli), bit by bit: an event has some sixty bytes. */
static uint32_t crc32c(const unsigned char *bytes, size_t len) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static uint32_t masked_crc(const unsigned char *bytes, size_t len) {
    uint32_t crc = crc32c(bytes, len);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static at_status write_record(at_tensorboard *b, const message *event, at_error *err) {
    message record = {.len = 0};
    add_little_endian(&record, event->len, 8);
    add_little_endian(&record, masked_crc(record.bytes, 8), 4);
    memcpy(record.bytes + record.len, event->bytes, event->len);
    record.len += event->len;
    add_little_endian(&record, masked_crc(event->bytes, event->len), 4);
    for (size_t done = 0; done < record.len;) {
        ssize_t n = write(b->fd, record.bytes + done, record.len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            at_status st = at_fail_errno(err, AT_DISK, b->path, "cannot write");
            if (ftruncate(b->fd, (off_t)b->bytes) == 0) lseek(b->fd, (off_t)b->bytes, SEEK_SET);
            return st;
        }
        done += (size_t)n;
    }
    b->bytes += record.len;
    return AT_OK;
}

static at_status write_start(at_tensorboard *b, int64_t first_step, at_error *err) {
    static const char VERSION[] = "brain.Event:2";
    static const unsigned char START[] = {1 << 3 | VARINT, 1}; /* SessionLog { status = 1: START } */
    message event = begin_event(0);
    add_bytes(&event, 3, VERSION, sizeof VERSION - 1);
    AT_TRY(write_record(b, &event, err));
    if (first_step <= 0) return AT_OK;
    event = begin_event(first_step);
    add_bytes(&event, 7, START, sizeof START);
    return write_record(b, &event, err);
}

/* --- files ----------------------------------------------------------------------------------------- */

static at_status open_file(at_tensorboard *b, const char *folder, at_error *err) {
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) || !at_name_is_safe(host) || strchr(host, '/')) snprintf(host, sizeof host, "localhost");
    for (int n = 0; n < 1000; n++) {
        int len = snprintf(b->path, sizeof b->path, "%s/events.out.tfevents.%lld.%s.%ld.%d", folder, (long long)time(NULL), host,
                           (long)getpid(), n);
        if (len >= (int)sizeof b->path) return at_fail(err, AT_DISK, "the path is too long: %.100s...", folder);
        b->fd = open(b->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (b->fd >= 0) return AT_OK;
        if (errno != EEXIST) break;
    }
    return at_fail_errno(err, AT_DISK, b->path, "cannot write");
}

at_status at_tensorboard_open(const char *folder, int64_t first_step, at_tensorboard **board, at_error *err) {
    *board = NULL;
    AT_TRY(at_folder_make(folder, err));
    at_tensorboard *b = calloc(1, sizeof *b);
    if (!b) return at_fail_memory(err, sizeof *b);
    b->fd = -1;
    at_status st = open_file(b, folder, err);
    if (!st) st = write_start(b, first_step, err);
    if (st) at_tensorboard_close(b);
    else *board = b;
    return st;
}

at_status at_tensorboard_scalar(at_tensorboard *b, const char *tag, int64_t step, double value, at_error *err) {
    if (strlen(tag) > TAG_BYTES) return at_fail(err, AT_BUG, "the tag '%.40s...' is longer than %d bytes", tag, TAG_BYTES);
    message event = begin_event(step);
    add_summary(&event, tag, value);
    return write_record(b, &event, err);
}

const char *at_tensorboard_path(const at_tensorboard *b) { return b->path; }

void at_tensorboard_close(at_tensorboard *b) {
    if (!b) return;
    if (b->fd >= 0) close(b->fd);
    free(b);
}
