#include "check.h"

#include <math.h>
#include <sys/stat.h>

#include "base/file.h"
#include "io/safetensors.h"

static char folder[64], path[128];
static at_error err;
static at_arena arena;

static int setup(void **state) {
    (void)state;
    strcpy(folder, "/tmp/attune-st-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    at_arena_free(&arena);
    return at_folder_remove(folder, &err) != AT_OK;
}

static char *in_folder(const char *name) { return at_path_join(&arena, folder, name); }

/* A file with this header, whatever it says, and data_bytes zero bytes behind it. */
static void write_raw(const char *to, const char *header, uint64_t claimed_len, size_t data_bytes) {
    FILE *f = fopen(to, "wb");
    assert_non_null(f);
    fwrite(&claimed_len, 8, 1, f);
    fwrite(header, 1, strlen(header), f);
    for (size_t i = 0; i < data_bytes; i++) fputc(0, f);
    fclose(f);
}

static void write_header(const char *header, size_t data_bytes) { write_raw(path, header, strlen(header), data_bytes); }

static void refuses(const char *words) {
    at_safetensors *file = (at_safetensors *)1;
    check_fails(at_safetensors_open(path, &file, &err), AT_BAD_MODEL, &err, words);
    assert_null(file);
    if (!strstr(err.text, "model.safetensors")) fail_msg("the file is not named: %s", err.text);
    if (strchr(err.text, '\n')) fail_msg("more than one line: %s", err.text);
}

static void refuses_header(const char *header, size_t data_bytes, const char *words) {
    write_header(header, data_bytes);
    refuses(words);
}

/* --- values --------------------------------------------------------------------------------------- */

static const float VALUES[] = {0, -0.0f, 1, -2.5f, 0.333251953125f, 65504, 6.103515625e-05f, 5.9604644775390625e-08f};
enum { N_VALUES = 8 };

static at_status fill_value(void *context, int i, void *bytes, at_error *e) {
    (void)e;
    const at_tensor_out *t = context;
    double *f64 = bytes;
    float *f32 = bytes;
    uint16_t *half = bytes;
    for (int k = 0; k < N_VALUES; k++) {
        if (t[i].dtype == AT_F64) f64[k] = (double)VALUES[k];
        else if (t[i].dtype == AT_F32) f32[k] = VALUES[k];
        else if (t[i].dtype == AT_F16) half[k] = at_to_f16(VALUES[k]);
        else if (t[i].dtype == AT_BF16) half[k] = at_to_bf16(VALUES[k]);
        else if (t[i].dtype == AT_I64) ((int64_t *)bytes)[k] = -k;
        else if (t[i].dtype == AT_I32) ((int32_t *)bytes)[k] = -k;
        else if (t[i].dtype == AT_I16) ((int16_t *)bytes)[k] = (int16_t)-k;
        else ((unsigned char *)bytes)[k] = (unsigned char)k;
    }
    return AT_OK;
}

static void every_type_comes_back(void **state) {
    (void)state;
    static const char *const NAMES[] = {"z.f64", "f32", "f16", "bf16", "f8_e4m3", "f8_e5m2", "i64", "i32", "i16", "i8", "u8", "bool"};
    enum { N_TYPES = sizeof NAMES / sizeof *NAMES };
    at_tensor_out out[N_TYPES];
    for (int i = 0; i < N_TYPES; i++) out[i] = (at_tensor_out){NAMES[i], (at_dtype)i, 2, {2, 4}};
    const char *metadata[] = {"format", "pt", "note", "a \"quoted\" w\xc3\xb6rd", NULL};
    check_ok(at_safetensors_write(path, out, N_TYPES, metadata, fill_value, out, &err), &err);
    at_safetensors *file;
    check_ok(at_safetensors_open_folder(folder, &file, &err), &err);
    assert_int_equal(at_safetensors_count(file), N_TYPES);
    assert_string_equal(at_safetensors_metadata(file, "format"), "pt");
    assert_string_equal(at_safetensors_metadata(file, "note"), "a \"quoted\" w\xc3\xb6rd");
    assert_null(at_safetensors_metadata(file, "none"));
    assert_string_equal(at_safetensors_at(file, 0)->name, "bf16");
    assert_string_equal(at_safetensors_at(file, N_TYPES - 1)->name, "z.f64");
    assert_null(at_safetensors_find(file, "f3"));
    for (int i = 0; i < N_TYPES; i++) {
        const at_stored_tensor *t = at_safetensors_find(file, NAMES[i]);
        assert_non_null(t);
        assert_int_equal(t->dtype, i);
        assert_int_equal(t->n_dims, 2);
        assert_int_equal(t->shape[1], 4);
        assert_string_equal(at_safetensors_path(file, t), path);
        double expected[N_VALUES], raw[N_VALUES];
        fill_value(out, i, expected, &err);
        check_ok(at_safetensors_read_raw(file, t, raw, &err), &err);
        assert_memory_equal(raw, expected, t->bytes);
        float values[N_VALUES];
        if (i > AT_F8_E5M2) {
            check_fails(at_safetensors_read_f32(file, t, values, 0, &err), AT_BAD_MODEL, &err, NAMES[i]);
            continue;
        }
        check_ok(at_safetensors_read_f32(file, t, values, 0, &err), &err);
        for (int k = 0; k < N_VALUES; k++) {
            float want = i == AT_F8_E4M3 ? at_from_f8_e4m3((uint8_t)k) : i == AT_F8_E5M2 ? at_from_f8_e5m2((uint8_t)k) : i == AT_BF16 ? at_from_bf16(at_to_bf16(VALUES[k])) : VALUES[k];
            assert_memory_equal(&values[k], &want, 4);
        }
    }
    at_safetensors_close(file);
    char *text;
    size_t len;
    check_ok(at_file_read(&arena, path, 1 << 20, AT_BAD_MODEL, &text, &len, &err), &err);
    uint64_t header_len;
    memcpy(&header_len, text, 8);
    assert_int_equal(header_len % 8, 0);
}

/* The specification's own table of special values; the rest by the definition, (-1)^s 2^(e - bias) (1 + f / 2^m). */
static void eighths_convert_exactly(void **state) {
    (void)state;
    assert_true(at_from_f8_e4m3(0x7e) == 448 && at_from_f8_e4m3(0xfe) == -448 && at_from_f8_e4m3(0x08) == 0x1p-6f && at_from_f8_e4m3(0x01) == 0x1p-9f);
    assert_true(at_from_f8_e5m2(0x7b) == 57344 && at_from_f8_e5m2(0x04) == 0x1p-14f && at_from_f8_e5m2(0x81) == -0x1p-16f);
    assert_true(isnan(at_from_f8_e4m3(0x7f)) && isnan(at_from_f8_e4m3(0xff)) && isinf(at_from_f8_e5m2(0x7c)) && isnan(at_from_f8_e5m2(0x7d)));
    for (unsigned x = 0; x < 256; x++) {
        int e = (int)(x >> 3 & 15), f = (int)(x & 7), s = x & 128 ? -1 : 1;
        float want = (float)s * (e ? ldexpf(1 + (float)f / 8, e - 7) : ldexpf((float)f / 8, -6));
        if ((x & 127) != 127) assert_true(at_from_f8_e4m3((uint8_t)x) == want);
        e = (int)(x >> 2 & 31);
        f = (int)(x & 3);
        want = (float)s * (e ? ldexpf(1 + (float)f / 4, e - 15) : ldexpf((float)f / 4, -14));
        if (e != 31) assert_true(at_from_f8_e5m2((uint8_t)x) == want);
    }
}

static at_status fill_scaled(void *context, int i, void *bytes, at_error *e) {
    (void)e;
    const at_tensor_out *t = context;
    int64_t n = t[i].shape[0] * (t[i].n_dims > 1 ? t[i].shape[1] : 1);
    for (int64_t k = 0; k < n; k++) {
        if (t[i].dtype == AT_F32) ((float *)bytes)[k] = (float)(k + 2);
        else ((uint8_t *)bytes)[k] = 0x38; /* 1 */
    }
    return AT_OK;
}

/* One number, one a row, one a block of 2 x 2 with edges. */
static void eighths_have_scales(void **state) {
    (void)state;
    const at_tensor_out scales[] = {{"w_scale", AT_F32, 1, {1}}, {"w_scale", AT_F32, 2, {3, 1}}, {"w_scale_inv", AT_F32, 2, {2, 3}}, {"w_scale", AT_F32, 2, {2, 2}}};
    const float want[][15] = {{2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, {2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4}, {2, 2, 3, 3, 4, 2, 2, 3, 3, 4, 5, 5, 6, 6, 7}};
    for (int i = 0; i < 4; i++) {
        at_tensor_out out[] = {{"w", AT_F8_E4M3, 2, {3, 5}}, scales[i], {"v_scale", AT_F32, 1, {1}}};
        check_ok(at_safetensors_write(path, out, 3, NULL, fill_scaled, out, &err), &err);
        at_safetensors *file;
        check_ok(at_safetensors_open_folder(folder, &file, &err), &err);
        float values[15];
        const at_stored_tensor *w = at_safetensors_find(file, "w");
        if (i == 3) check_fails(at_safetensors_read_f32(file, w, values, 0, &err), AT_BAD_MODEL, &err, "neither one number");
        else {
            check_ok(at_safetensors_read_f32(file, w, values, 0, &err), &err);
            assert_memory_equal(values, want[i], sizeof values);
        }
        assert_int_equal(at_safetensors_is_scale(file, at_safetensors_find(file, scales[i].name)), 1);
        assert_int_equal(at_safetensors_is_scale(file, at_safetensors_find(file, "v_scale")), 0);
        at_safetensors_close(file);
    }
}

static void halves_convert_exactly(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = at_from_f16((uint16_t)h), b = at_from_bf16((uint16_t)h);
        if (!isnan(f)) assert_int_equal(at_to_f16(f), h);
        else assert_true(isnan(at_from_f16(at_to_f16(f))));
        if (!isnan(b)) assert_int_equal(at_to_bf16(b), h);
        else assert_true(isnan(at_from_bf16(at_to_bf16(b))));
    }
    assert_float_equal(at_from_f16(0x3c00), 1, 0);
    assert_float_equal(at_from_f16(0xc100), -2.5, 0);
    assert_float_equal(at_from_f16(0x0001), 0x1p-24, 0);
    assert_int_equal(at_to_f16(65520), 0x7c00);
    assert_int_equal(at_to_f16(nextafterf(65520, 0)), 0x7bff);
    assert_int_equal(at_to_f16(0x1p-25f), 0);
    assert_int_equal(at_to_f16(0x1.8p-24f), 2);
}

/* Between two neighbours: the nearer one; in the middle: the even one. */
static void halves_round_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float low = at_from_f16((uint16_t)h), high = at_from_f16((uint16_t)(h + 1)), middle = low + (high - low) / 2;
        assert_int_equal(at_to_f16(middle), h & 1 ? h + 1 : h);
        assert_int_equal(at_to_f16(nextafterf(middle, low)), h);
        assert_int_equal(at_to_f16(nextafterf(middle, high)), h + 1);
        assert_int_equal(at_to_f16(-nextafterf(middle, high)), 0x8000 | (h + 1));
    }
    for (uint32_t h = 0; h < 0x7f7f; h++) {
        uint32_t middle_bits = h << 16 | 0x8000;
        float middle;
        memcpy(&middle, &middle_bits, 4);
        assert_int_equal(at_to_bf16(middle), h & 1 ? h + 1 : h);
        assert_int_equal(at_to_bf16(nextafterf(middle, 0)), h);
        assert_int_equal(at_to_bf16(nextafterf(middle, INFINITY)), h + 1);
    }
}

typedef struct big_fill {
    size_t count, bad;
    float value;
} big_fill;

static at_status fill_big(void *context, int i, void *bytes, at_error *e) {
    (void)i, (void)e;
    const big_fill *big = context;
    uint16_t *to = bytes;
    for (size_t k = 0; k < big->count; k++) to[k] = at_to_bf16(k == big->bad ? big->value : (float)k);
    return AT_OK;
}

static void nonfinite_values_are_named(void **state) {
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const char *words[] = {"tensor 'w': element 19999 is not a number (NaN)", "element 19999 is infinite", "infinite"};
    float *values = malloc(20000 * sizeof *values);
    for (int i = 0; i < 3; i++) {
        big_fill big = {20000, 19999, bad[i]};
        at_tensor_out out = {"w", AT_BF16, 1, {20000}};
        check_ok(at_safetensors_write(path, &out, 1, NULL, fill_big, &big, &err), &err);
        at_safetensors *file;
        check_ok(at_safetensors_open(path, &file, &err), &err);
        const at_stored_tensor *t = at_safetensors_at(file, 0);
        check_fails(at_safetensors_read_f32(file, t, values, 0, &err), AT_BAD_MODEL, &err, words[i]);
        check_ok(at_safetensors_read_f32(file, t, values, 1, &err), &err);
        assert_float_equal(values[8200], at_from_bf16(at_to_bf16(8200)), 0);
        at_safetensors_close(file);
    }
    free(values);
}

static void a_file_that_shrinks_is_an_error(void **state) {
    (void)state;
    at_tensor_out out = {"w", AT_BF16, 1, {20000}};
    big_fill big = {20000, 30000, 0};
    check_ok(at_safetensors_write(path, &out, 1, NULL, fill_big, &big, &err), &err);
    at_safetensors *file;
    check_ok(at_safetensors_open(path, &file, &err), &err);
    assert_int_equal(truncate(path, 1000), 0);
    float *values = malloc(20000 * sizeof *values);
    check_fails(at_safetensors_read_f32(file, at_safetensors_at(file, 0), values, 0, &err), AT_BAD_MODEL, &err,
                "byte 1000: the file ends here");
    free(values);
    at_safetensors_close(file);
}

static at_status fill_fails(void *context, int i, void *bytes, at_error *e) {
    (void)context, (void)i, (void)bytes;
    return at_fail(e, AT_DIVERGED, "no");
}

static void a_failed_write_leaves_the_old_file(void **state) {
    (void)state;
    at_tensor_out out[2] = {{"w", AT_F32, 1, {8}}, {"w", AT_F32, 1, {8}}};
    check_ok(at_safetensors_write(path, out, 1, NULL, fill_value, out, &err), &err);
    check_fails(at_safetensors_write(path, out, 1, NULL, fill_fails, out, &err), AT_DIVERGED, &err, "no");
    check_fails(at_safetensors_write(path, out, 2, NULL, fill_value, out, &err), AT_BUG, &err, "twice");
    char **names;
    int n;
    check_ok(at_folder_list(&arena, folder, &names, &n, &err), &err);
    assert_int_equal(n, 1);
    at_safetensors *file;
    check_ok(at_safetensors_open(path, &file, &err), &err);
    at_safetensors_close(file);
    check_fails(at_safetensors_write(in_folder("none/x.safetensors"), out, 1, NULL, fill_value, out, &err), AT_DISK, &err,
                "No such file");
}

/* --- damaged files -------------------------------------------------------------------------------- */

#define F32_4 "{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":"

static void bad_headers_are_refused(void **state) {
    (void)state;
    refuses_header("{\"a\":" F32_4 "[0,16]}", 16, "not valid JSON");
    refuses_header(" {}", 0, "byte 8");
    refuses_header("[]", 0, "byte 8");
    refuses_header("{\"a\":1}", 0, "tensor 'a': an object");
    refuses_header("{\"a\":{}}", 0, "tensor 'a': no dtype");
    refuses_header("{\"a\":{\"dtype\":\"F4_E2M1\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "tensor 'a': dtype 'F4_E2M1'");
    refuses_header("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor 'a': no shape");
    refuses_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "dimension 0");
    refuses_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1.5],\"data_offsets\":[0,4]}}", 4, "dimension 1");
    refuses_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, "9 dimensions");
    refuses_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", 16, "data_offsets");
    refuses_header("{\"a\":" F32_4 "[16,0]}}", 16, "begin <= end");
    refuses_header("{\"a\":" F32_4 "[-16,0]}}", 16, "begin <= end");
    refuses_header("{\"a\":" F32_4 "[0,16,32]}}", 16, "data_offsets");
    refuses_header("{\"a\":" F32_4 "[0,12]}}", 12, "span 12 bytes, 4 elements of F32 need 16");
    refuses_header("{\"a\":" F32_4 "[0,16]},\"a\":" F32_4 "[16,32]}}", 32, "uplicate");
    refuses_header("{\"a\\nb\":" F32_4 "[0,16]}}", 16, "control character");
    refuses_header("{\"\":" F32_4 "[0,16]}}", 16, "0 bytes long");
    refuses_header("{\"\xff\":" F32_4 "[0,16]}}", 16, "not valid JSON");
    refuses_header("{\"__metadata__\":{\"x\":1}}", 0, "'x' is not a string");
    refuses_header("{\"__metadata__\":[]}", 0, "__metadata__ is not an object");
}

static void absurd_sizes_are_refused(void **state) {
    (void)state;
    refuses_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "too large");
    refuses_header("{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "need more than");
    refuses_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]}}", 0, "dimension 0 is not a whole number");
    refuses_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]}}", 1,
                   "truncated: tensor 'a'");
    write_raw(path, "{}", UINT64_MAX, 0);
    refuses("byte 0: the header claims 18446744073709551615 bytes");
    write_raw(path, "{}", (16 << 20) + 1, 0);
    refuses("limit of 16 MiB");
    write_raw(path, "{}", 16 << 20, 0);
    refuses("truncated: the header claims 16777216 bytes, the file has 10");
}

static void data_must_tile_the_file(void **state) {
    (void)state;
    refuses_header("{\"a\":" F32_4 "[0,16]},\"b\":" F32_4 "[20,36]}}", 36, "a hole of 4 bytes before tensor 'b'");
    refuses_header("{\"a\":" F32_4 "[4,20]}}", 20, "a hole of 4 bytes before tensor 'a'");
    refuses_header("{\"a\":" F32_4 "[0,16]},\"b\":" F32_4 "[12,28]}}", 28, "tensor 'b' overlaps tensor 'a'");
    refuses_header("{\"a\":" F32_4 "[0,16]},\"b\":" F32_4 "[0,16]}}", 16, "tensor 'b' overlaps tensor 'a'");
    refuses_header("{\"a\":" F32_4 "[0,16]}}", 15, "truncated: tensor 'a' ends at byte");
    refuses_header("{\"a\":" F32_4 "[0,16]}}", 19, "the file is 3 bytes longer than its header says");
    write_header("{\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[16,16]},\"a\":" F32_4 "[0,16]},"
                 "\"s\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[16,17]}}   ", 17);
    at_safetensors *file;
    check_ok(at_safetensors_open(path, &file, &err), &err);
    assert_int_equal(at_safetensors_find(file, "e")->count, 0);
    assert_int_equal(at_safetensors_find(file, "s")->count, 1);
    at_safetensors_close(file);
    write_header("{}", 0);
    check_ok(at_safetensors_open(path, &file, &err), &err);
    assert_int_equal(at_safetensors_count(file), 0);
    at_safetensors_close(file);
}

static char *many_tensors(int n) {
    size_t cap = (size_t)n * 80 + 16, len = 1;
    char *text = malloc(cap);
    text[0] = '{';
    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, cap - len, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                                i ? "," : "", i);
    snprintf(text + len, cap - len, "}");
    return text;
}

static void too_many_tensors_are_refused(void **state) {
    (void)state;
    char *text = many_tensors(65537);
    refuses_header(text, 0, "65537 tensors");
    free(text);
    text = many_tensors(65536);
    write_header(text, 0);
    free(text);
    at_safetensors *file;
    check_ok(at_safetensors_open(path, &file, &err), &err);
    at_safetensors_close(file);
}

static void deep_headers_are_refused(void **state) {
    (void)state;
    char deep[4000] = "{\"a\":", *end = deep + 5;
    memset(end, '[', 1500);
    refuses_header(deep, 0, "64 deep");
}

static void every_cut_of_a_file_is_refused(void **state) {
    (void)state;
    at_tensor_out out[2] = {{"a", AT_F32, 1, {8}}, {"b", AT_F16, 2, {2, 4}}};
    check_ok(at_safetensors_write(path, out, 2, NULL, fill_value, out, &err), &err);
    char *text;
    size_t len;
    check_ok(at_file_read(&arena, path, 1 << 20, AT_BAD_MODEL, &text, &len, &err), &err);
    for (size_t cut = 0; cut < len; cut++) {
        check_write(path, text, cut);
        refuses("truncated");
    }
}

static void other_files_are_named(void **state) {
    (void)state;
    check_write(path, "PK\3\4aaaaaaaaaaaaaaaa", 20);
    refuses("PyTorch pickle");
    check_write(path, "\x80\2}q\1aaaaaaaa", 12);
    refuses("pickle, which can run code");
    check_write(path, "version https://git-lfs", 23);
    refuses("Git LFS pointer");
    unlink(path);
    assert_int_equal(mkdir(path, 0777), 0);
    refuses("not a regular file");
    rmdir(path);
    assert_int_equal(mkfifo(path, 0666), 0);
    refuses("not a regular file");
    unlink(path);
    refuses("No such file");
}

static void a_folder_without_weights_says_what_is_there(void **state) {
    (void)state;
    at_safetensors *file;
    check_fails(at_safetensors_open_folder(in_folder("none"), &file, &err), AT_BAD_MODEL, &err, "no such folder");
    check_fails(at_safetensors_open_folder(folder, &file, &err), AT_BAD_MODEL, &err, "no weights");
    check_write(in_folder("tf_model.h5"), "x", 1);
    check_fails(at_safetensors_open_folder(folder, &file, &err), AT_BAD_MODEL, &err, "tf_model.h5");
    check_write(in_folder("pytorch_model.bin"), "x", 1);
    check_fails(at_safetensors_open_folder(folder, &file, &err), AT_BAD_MODEL, &err, "pickle pytorch_model.bin");
    assert_non_null(strstr(err.text, "torch.load('pytorch_model.bin'"));
    assert_non_null(strstr(err.text, "format"));
    check_fails(at_safetensors_open_folder(in_folder("tf_model.h5"), &file, &err), AT_BAD_MODEL, &err, "is a file");
}

/* --- shards --------------------------------------------------------------------------------------- */

static void write_index(const char *text) {
    check_write(in_folder("model.safetensors.index.json"), text, strlen(text));
}

static void write_shards(void) {
    at_tensor_out out[3] = {{"b", AT_F32, 1, {8}}, {"a", AT_F16, 1, {8}}, {"c", AT_F64, 1, {8}}};
    check_ok(at_safetensors_write(in_folder("model-00001-of-00002.safetensors"), out, 2, NULL, fill_value, out, &err), &err);
    check_ok(at_safetensors_write(in_folder("model-00002-of-00002.safetensors"), out + 2, 1, NULL, fill_value, out + 2, &err),
             &err);
}

static void refuses_folder(const char *words) {
    at_safetensors *file;
    check_fails(at_safetensors_open_folder(folder, &file, &err), AT_BAD_MODEL, &err, words);
    assert_null(file);
}

#define ONE "\"model-00001-of-00002.safetensors\""
#define TWO "\"model-00002-of-00002.safetensors\""

static void shards_read_as_one(void **state) {
    (void)state;
    write_shards();
    write_index("{\"metadata\":{\"total_size\":112},\"weight_map\":{\"a\":" ONE ",\"c\":" TWO ",\"b\":" ONE "}}");
    at_safetensors *file;
    check_ok(at_safetensors_open_folder(folder, &file, &err), &err);
    assert_int_equal(at_safetensors_count(file), 3);
    for (int i = 0; i < 3; i++) {
        const at_stored_tensor *t = at_safetensors_at(file, i);
        float values[N_VALUES];
        assert_int_equal(t->name[0], 'a' + i);
        check_ok(at_safetensors_read_f32(file, t, values, 0, &err), &err);
        assert_memory_equal(values, VALUES, sizeof VALUES);
    }
    assert_non_null(strstr(at_safetensors_path(file, at_safetensors_find(file, "c")), "00002-of"));
    at_safetensors_close(file);
}

static void an_index_that_disagrees_is_refused(void **state) {
    (void)state;
    write_shards();
    write_index("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE "}}");
    at_safetensors *file;
    check_ok(at_safetensors_open_folder(folder, &file, &err), &err); /* a shard that nothing points to is not opened */
    at_safetensors_close(file);
    write_index("{\"weight_map\":{\"a\":" ONE ",\"c\":" TWO "}}");
    refuses_folder("does not name tensor 'b'");
    write_index("{\"weight_map\":{\"a\":" TWO ",\"b\":" ONE ",\"c\":" TWO "}}");
    refuses_folder("tensor 'a' is in model-00002-of-00002.safetensors, but it is in model-00001-of-00002.safetensors");
    write_index("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE ",\"c\":" TWO ",\"d\":" TWO "}}");
    refuses_folder("tensor 'd' is in model-00002-of-00002.safetensors, but it is not there");
    write_index("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE ",\"c\":" TWO "}");
    refuses_folder("not valid JSON");
    write_index("{\"weight_map\":{}}");
    refuses_folder("no weight_map");
    write_index("{\"weight_map\":{\"a\":" ONE ",\"a\":" TWO "}}");
    refuses_folder("uplicate");
    write_index("[1]");
    refuses_folder("no weight_map");
    write_index("{\"weight_map\":{\"a\":3}}");
    refuses_folder("'a' is not mapped to a file name");
    unlink(in_folder("model-00002-of-00002.safetensors"));
    write_index("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE ",\"c\":" TWO "}}");
    refuses_folder("the shard model-00002-of-00002.safetensors is missing");
}

static void unsafe_shard_names_are_refused(void **state) {
    (void)state;
    static const char *const NAMES[] = {"../x.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "x.bin",
                                        ".safetensors", "a\\\\b.safetensors", ""};
    char text[256];
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        snprintf(text, sizeof text, "{\"weight_map\":{\"a\":\"%s\"}}", NAMES[i]);
        write_index(text);
        refuses_folder("not a safe name");
    }
}

static void a_model_of_the_hub_opens(void **state) {
    (void)state;
    const char *data = check_data("weights/tiny_random_bert");
    if (!data) check_skip("weights/tiny_random_bert is not in ATTUNE_TEST_DATA");
    at_safetensors *file;
    check_ok(at_safetensors_open_folder(data, &file, &err), &err);
    const at_stored_tensor *t = at_safetensors_find(file, "embeddings.word_embeddings.weight");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 2);
    int64_t total = 0;
    for (int i = 0; i < at_safetensors_count(file); i++) {
        t = at_safetensors_at(file, i);
        float *values = malloc((size_t)t->count * sizeof *values + 1);
        if (t->dtype == AT_F32) check_ok(at_safetensors_read_f32(file, t, values, 0, &err), &err);
        free(values);
        total += (int64_t)t->bytes;
    }
    assert_true(total > 100000 && total < 121808);
    at_safetensors_close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_type_comes_back),
        TEST(halves_convert_exactly),
        TEST(eighths_convert_exactly),
        TEST(eighths_have_scales),
        TEST(halves_round_to_nearest_even),
        TEST(nonfinite_values_are_named),
        TEST(a_file_that_shrinks_is_an_error),
        TEST(a_failed_write_leaves_the_old_file),
        TEST(bad_headers_are_refused),
        TEST(absurd_sizes_are_refused),
        TEST(data_must_tile_the_file),
        TEST(too_many_tensors_are_refused),
        TEST(deep_headers_are_refused),
        TEST(every_cut_of_a_file_is_refused),
        TEST(other_files_are_named),
        TEST(a_folder_without_weights_says_what_is_there),
        TEST(shards_read_as_one),
        TEST(an_index_that_disagrees_is_refused),
        TEST(unsafe_shard_names_are_refused),
        TEST(a_model_of_the_hub_opens),
    };
    return check_run(tests);
}
