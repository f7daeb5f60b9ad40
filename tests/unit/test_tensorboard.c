#include "check.h"

#include <math.h>
#include <time.h>

#include "base/file.h"
#include "io/tensorboard.h"

static char folder[64];
static at_error err;
static at_arena arena;

static int setup(void **state) {
    (void)state;
    strcpy(folder, "/tmp/attune-tb-XXXXXX");
    return !mkdtemp(folder);
}

static int teardown(void **state) {
    (void)state;
    at_arena_free(&arena);
    return at_folder_remove(folder, &err) != AT_OK;
}

/* A reader that shares nothing with the writer: CRC-32C by its table, messages by their fields. */
static uint32_t crc_by_table(const unsigned char *p, size_t n) {
    uint32_t table[256], crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0x82F63B78u ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
    while (n--) crc = table[(crc ^ *p++) & 255] ^ (crc >> 8);
    return ~crc;
}

static uint32_t unmask(uint32_t masked) {
    uint32_t rotated = masked - 0xa282ead8u;
    return rotated >> 17 | rotated << 15;
}

typedef struct event {
    double wall_time, value;
    int64_t step;
    char version[32], tag[64];
    int session_status;
} event;

static uint64_t read_varint(at_reader *r) {
    uint64_t value = 0;
    const unsigned char *b;
    for (int shift = 0;; shift += 7) {
        assert_true(shift < 64 && at_read_bytes(r, 1, &b));
        value |= (uint64_t)(*b & 127) << shift;
        if (*b < 128) return value;
    }
}

static at_reader read_part(at_reader *r) {
    at_reader part = {.len = (size_t)read_varint(r)};
    assert_true(at_read_bytes(r, part.len, &part.ptr));
    return part;
}

static void read_value(at_reader r, event *e) {
    while (r.pos < r.len) {
        uint64_t key = read_varint(&r);
        uint32_t bits;
        float value;
        if (key == (1 << 3 | 2)) {
            at_reader tag = read_part(&r);
            snprintf(e->tag, sizeof e->tag, "%.*s", (int)tag.len, (const char *)tag.ptr);
        } else if (key == (2 << 3 | 5)) {
            assert_true(at_read_u32(&r, &bits));
            memcpy(&value, &bits, 4);
            e->value = (double)value;
        } else fail_msg("unknown field %d of a value", (int)key);
    }
}

static event read_event(at_reader r) {
    event e = {0};
    while (r.pos < r.len) {
        uint64_t key = read_varint(&r), bits;
        if (key == (1 << 3 | 1)) {
            assert_true(at_read_u64(&r, &bits));
            memcpy(&e.wall_time, &bits, 8);
        } else if (key == (2 << 3 | 0)) e.step = (int64_t)read_varint(&r);
        else if (key == (3 << 3 | 2)) {
            at_reader text = read_part(&r);
            snprintf(e.version, sizeof e.version, "%.*s", (int)text.len, (const char *)text.ptr);
        } else if (key == (5 << 3 | 2)) {
            at_reader summary = read_part(&r);
            assert_int_equal(read_varint(&summary), 1 << 3 | 2);
            read_value(read_part(&summary), &e);
            assert_int_equal(summary.pos, summary.len);
        } else if (key == (7 << 3 | 2)) {
            at_reader log = read_part(&r);
            assert_int_equal(read_varint(&log), 1 << 3 | 0);
            e.session_status = (int)read_varint(&log);
        } else fail_msg("unknown field %d of an event", (int)key);
    }
    return e;
}

static int read_file(const char *path, event *events, int room) {
    char *text;
    size_t len;
    int n = 0;
    check_ok(at_file_read(&arena, path, 1 << 20, AT_BAD_DATA, &text, &len, &err), &err);
    at_reader r = {(unsigned char *)text, len, 0};
    while (r.pos < r.len) {
        uint64_t size = 0;
        uint32_t crc = 0;
        const unsigned char *head = r.ptr + r.pos, *data;
        assert_true(n < room && at_read_u64(&r, &size) && at_read_u32(&r, &crc));
        assert_int_equal(unmask(crc), crc_by_table(head, 8));
        assert_true(at_read_bytes(&r, (size_t)size, &data) && at_read_u32(&r, &crc));
        assert_int_equal(unmask(crc), crc_by_table(data, (size_t)size));
        events[n++] = read_event((at_reader){data, (size_t)size, 0});
    }
    return n;
}

static void scalars_come_back(void **state) {
    (void)state;
    assert_int_equal(crc_by_table((const unsigned char *)"123456789", 9), 0xE3069283u);
    at_tensorboard *board;
    event events[8];
    char inner[128];
    snprintf(inner, sizeof inner, "%s/a/b", folder);
    check_ok(at_tensorboard_open(inner, 0, &board, &err), &err);
    assert_non_null(strstr(at_tensorboard_path(board), "/a/b/events.out.tfevents."));
    const double values[] = {0.5, -1e-3, NAN, INFINITY};
    const int64_t steps[] = {0, 1, 300, (int64_t)1 << 40};
    for (int i = 0; i < 4; i++) {
        check_ok(at_tensorboard_scalar(board, i ? "train/loss" : "eval/loss", steps[i], values[i], &err), &err);
        assert_int_equal(read_file(at_tensorboard_path(board), events, 8), i + 2); /* in the file before the call returns */
    }
    assert_string_equal(events[0].version, "brain.Event:2");
    assert_true(fabs(events[0].wall_time - (double)time(NULL)) < 100);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(events[i + 1].tag, i ? "train/loss" : "eval/loss");
        assert_true(events[i + 1].step == steps[i]);
        if (i != 2) assert_true(events[i + 1].value == (double)(float)values[i]);
        else assert_true(isnan(events[i + 1].value));
    }
    char tag[600];
    memset(tag, 'x', sizeof tag);
    tag[599] = '\0';
    check_fails(at_tensorboard_scalar(board, tag, 1, 1, &err), AT_BUG, &err, "longer than");
    at_tensorboard_close(board);
}

/* The first bytes of every file that TensorFlow and PyTorch write. */
static void the_head_is_the_known_one(void **state) {
    (void)state;
    static const unsigned char HEAD[] = {0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22, 0x09};
    at_tensorboard *board;
    char *text;
    size_t len;
    check_ok(at_tensorboard_open(folder, 0, &board, &err), &err);
    check_ok(at_file_read(&arena, at_tensorboard_path(board), 1 << 20, AT_BAD_DATA, &text, &len, &err), &err);
    assert_int_equal(len, 8 + 4 + 24 + 4);
    assert_memory_equal(text, HEAD, sizeof HEAD);
    assert_memory_equal(text + 21, "\x1a\x0d" "brain.Event:2", 15);
    at_tensorboard_close(board);
}

static void a_run_that_goes_on_starts_a_file(void **state) {
    (void)state;
    at_tensorboard *first, *second;
    event events[4];
    check_ok(at_tensorboard_open(folder, 0, &first, &err), &err);
    check_ok(at_tensorboard_scalar(first, "loss", 7, 1, &err), &err);
    check_ok(at_tensorboard_open(folder, 5, &second, &err), &err);
    assert_string_not_equal(at_tensorboard_path(first), at_tensorboard_path(second));
    assert_int_equal(read_file(at_tensorboard_path(second), events, 4), 2);
    assert_int_equal(events[1].session_status, 1);
    assert_true(events[1].step == 5);
    assert_int_equal(read_file(at_tensorboard_path(first), events, 4), 2);
    at_tensorboard_close(first);
    at_tensorboard_close(second);
}

static void trouble_is_told(void **state) {
    (void)state;
    at_tensorboard *board;
    const char *file = at_path_join(&arena, folder, "file");
    check_write(file, "x", 1);
    check_fails(at_tensorboard_open(file, 0, &board, &err), AT_DISK, &err, "file");
    assert_null(board);
    check_fails(at_tensorboard_open("/proc/none/x", 0, &board, &err), AT_DISK, &err, "/proc/none");
    at_tensorboard_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(scalars_come_back),
        TEST(the_head_is_the_known_one),
        TEST(a_run_that_goes_on_starts_a_file),
        TEST(trouble_is_told),
    };
    return check_run(tests);
}
