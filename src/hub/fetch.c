/* Downloads by libcurl. Redirects are followed by hand, so that every URL is checked and the token goes to one host only. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "hub/cache.h"

enum { REDIRECTS = 6, ATTEMPTS = 4, FILES_MAX = 10000, LIST_BYTES = 4 << 20 };

typedef struct session {
    CURL *curl;
    at_arena *arena;
    const at_hub *hub;
    const at_hub_request *request;
    at_error *err;
    char reason[CURL_ERROR_SIZE];
} session;

/* One request and its answer. */
typedef struct exchange {
    int head_only;
    at_str *text;          /* the body as text, or */
    int fd;                /* into this file, from offset `done` */
    const char *path, *file;
    uint64_t done, total;
    session *session;
    long status;           /* 0: no answer */
    char etag[128], linked_etag[128];
    uint64_t length, linked_length, range_start;
    int begun;             /* the body's first bytes came */
    int hopeless;          /* there is no way to the host: asking again at once is no use */
    at_status failure;     /* of our own, while writing */
} exchange;

/* --- URLs ------------------------------------------------------------------------------------------ */

typedef struct origin {
    char scheme[16], host[256], port[16];
} origin;

static int get_part(CURLU *u, CURLUPart part, char *to, size_t size) {
    char *text;
    if (curl_url_get(u, part, &text, CURLU_DEFAULT_PORT)) return 0;
    int n = snprintf(to, size, "%s", text);
    curl_free(text);
    for (char *p = to; *p; p++) *p = (char)tolower((unsigned char)*p);
    return n >= 0 && (size_t)n < size;
}

static int get_origin(const char *url, origin *o) {
    CURLU *u = curl_url();
    int ok = u && !curl_url_set(u, CURLUPART_URL, url, 0) && get_part(u, CURLUPART_SCHEME, o->scheme, sizeof o->scheme) &&
             get_part(u, CURLUPART_HOST, o->host, sizeof o->host) && get_part(u, CURLUPART_PORT, o->port, sizeof o->port);
    curl_url_cleanup(u);
    return ok;
}

static int same_origin(const origin *a, const origin *b) {
    return !strcmp(a->scheme, b->scheme) && !strcmp(a->host, b->host) && !strcmp(a->port, b->port);
}

static int is_this_machine(const origin *o) {
    return !strcmp(o->host, "127.0.0.1") || !strcmp(o->host, "localhost") || !strcmp(o->host, "[::1]");
}

/* https; http only from this machine to itself. */
static at_status check_url(const session *s, const char *url, int *to_endpoint) {
    origin o, endpoint;
    if (!get_origin(s->hub->endpoint, &endpoint))
        return at_fail(s->err, AT_USAGE, "HF_ENDPOINT: '%.200s' is not a URL", s->hub->endpoint);
    if (!get_origin(url, &o)) return at_fail(s->err, AT_NETWORK, "'%.200s' is not a URL", url);
    *to_endpoint = same_origin(&o, &endpoint);
    int local = !strcmp(o.scheme, "http") && is_this_machine(&o) && is_this_machine(&endpoint);
    if (strcmp(o.scheme, "https") && !local)
        return at_fail(s->err, *to_endpoint ? AT_USAGE : AT_NETWORK, "%.300s: only https is used to fetch models", url);
    return AT_OK;
}

static void add_escaped(at_str *url, const char *path) {
    for (const unsigned char *p = (const unsigned char *)path; *p; p++)
        if (isalnum(*p) || strchr("-._~/", *p)) at_str_addf(url, "%c", *p);
        else at_str_addf(url, "%%%02X", *p);
}

/* --- one exchange ---------------------------------------------------------------------------------- */

static int header_is(const char *line, size_t len, const char *name, const char **value, size_t *n_value) {
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) || line[n] != ':') return 0;
    const char *p = line + n + 1, *end = line + len;
    while (p < end && isspace((unsigned char)*p)) p++;
    while (end > p && isspace((unsigned char)end[-1])) end--;
    *value = p;
    *n_value = (size_t)(end - p);
    return 1;
}

/* An ETag without W/ and quotes; only what can be the name of a blob is kept. */
static void copy_etag(const char *value, size_t n, char etag[128]) {
    if (n > 2 && !memcmp(value, "W/", 2)) value += 2, n -= 2;
    if (n >= 2 && *value == '"' && value[n - 1] == '"') value++, n -= 2;
    if (n == 0 || n >= 128) return;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)value[i]) && value[i] != '-' && value[i] != '_') return;
    memcpy(etag, value, n);
    etag[n] = '\0';
}

static uint64_t number_of(const char *value, size_t n) {
    uint64_t x = 0;
    for (size_t i = 0; i < n && isdigit((unsigned char)value[i]) && x < UINT64_MAX / 16; i++) x = 10 * x + (uint64_t)(value[i] - '0');
    return x;
}

static size_t on_header(char *line, size_t size, size_t n, void *context) {
    exchange *x = context;
    const char *value;
    size_t len = size * n, n_value;
    if (header_is(line, len, "ETag", &value, &n_value)) copy_etag(value, n_value, x->etag);
    else if (header_is(line, len, "X-Linked-Etag", &value, &n_value)) copy_etag(value, n_value, x->linked_etag);
    else if (header_is(line, len, "X-Linked-Size", &value, &n_value)) x->linked_length = number_of(value, n_value);
    else if (header_is(line, len, "Content-Length", &value, &n_value)) x->length = number_of(value, n_value);
    else if (header_is(line, len, "Content-Range", &value, &n_value) && n_value > 6 && !strncasecmp(value, "bytes ", 6))
        x->range_start = number_of(value + 6, n_value - 6);
    return len;
}

static int begin_file(exchange *x) {
    at_error *err = x->session->err;
    if (x->status == 200) x->done = 0; /* the server does not continue: from the start */
    else if (x->range_start != x->done) {
        x->failure = at_fail(err, AT_NETWORK, "%s: the server sent another part than was asked for", x->file);
        return 0;
    }
    if (ftruncate(x->fd, (off_t)x->done) || lseek(x->fd, (off_t)x->done, SEEK_SET) < 0) {
        x->failure = at_fail_errno(err, AT_DISK, x->path, "cannot write");
        return 0;
    }
    return 1;
}

static size_t to_file(exchange *x, const char *bytes, size_t len) {
    for (size_t left = len; left;) {
        ssize_t n = write(x->fd, bytes, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            x->failure = at_fail_errno(x->session->err, AT_DISK, x->path, "cannot write");
            return 0;
        }
        bytes += n;
        left -= (size_t)n;
        x->done += (uint64_t)n;
    }
    if (x->total && x->done > x->total) {
        x->failure = at_fail(x->session->err, AT_NETWORK, "%s: the server sent more than the %llu bytes it announced", x->file,
                             (unsigned long long)x->total);
        return 0;
    }
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *context) {
    exchange *x = context;
    size_t len = size * n;
    if (!x->begun) {
        x->begun = 1;
        curl_easy_getinfo(x->session->curl, CURLINFO_RESPONSE_CODE, &x->status);
        if (x->status / 100 == 2 && x->fd >= 0 && !begin_file(x)) return 0;
    }
    if (x->status / 100 != 2) return len; /* the page that explains an error */
    if (x->fd >= 0) return to_file(x, bytes, len);
    if (x->text->len + len > LIST_BYTES) {
        x->failure = at_fail(x->session->err, AT_NETWORK, "the server's list of files is longer than 4 MB");
        return 0;
    }
    at_str_add_bytes(x->text, bytes, len);
    return len;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    exchange *x = context;
    const at_hub_request *request = x->session->request;
    (void)a, (void)b, (void)c, (void)d;
    if (x->fd < 0 || !request->progress || !request->progress(request->context, x->file, x->done, x->total)) return 0;
    x->failure = at_fail(x->session->err, AT_STOPPED, "%s: stopped after %.1f MB; the same command goes on from there", x->file,
                         (double)x->done / 1e6);
    return 1;
}

static at_status set_options(session *s, exchange *x, const char *url, struct curl_slist **headers) {
    CURL *c = s->curl;
    int to_endpoint;
    char range[32], agent[32];
    snprintf(agent, sizeof agent, "attune/%s", at_version());
    AT_TRY(check_url(s, url, &to_endpoint));
    curl_easy_reset(c);
    if (s->hub->token && to_endpoint) {
        char *line = at_format(s->arena, "Authorization: Bearer %s", s->hub->token);
        if (!line || strpbrk(line, "\r\n")) return at_fail(s->err, AT_USAGE, "HF_TOKEN: not a token");
        *headers = curl_slist_append(NULL, line);
    }
    int bad = curl_easy_setopt(c, CURLOPT_URL, url) != CURLE_OK;
    bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK; /* which of them: check_url */
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_NOBODY, (long)x->head_only);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->reason);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 100L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    if (x->fd >= 0 && x->done) {
        snprintf(range, sizeof range, "%llu-", (unsigned long long)x->done);
        bad |= curl_easy_setopt(c, CURLOPT_RANGE, range) != CURLE_OK;
    }
    return bad ? at_fail(s->err, AT_NETWORK, "%.300s: cannot be asked for", url) : AT_OK;
}

/* One hop. x->status 0 with AT_OK: no answer, s->reason says why, it may be tried again. */
static at_status hop(session *s, exchange *x, const char *url, const char **next) {
    struct curl_slist *headers = NULL;
    char *target = NULL;
    x->begun = 0;
    x->status = 0;
    x->length = x->range_start = 0;
    x->etag[0] = '\0';
    s->reason[0] = '\0';
    at_status st = set_options(s, x, url, &headers);
    CURLcode code = st ? CURLE_OK : curl_easy_perform(s->curl);
    curl_slist_free_all(headers);
    if (st || x->failure) return st ? st : x->failure;
    curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &x->status);
    curl_easy_getinfo(s->curl, CURLINFO_REDIRECT_URL, &target);
    if (code) {
        x->hopeless = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_PEER_FAILED_VERIFICATION;
        if (!s->reason[0]) snprintf(s->reason, sizeof s->reason, "%s", curl_easy_strerror(code));
        x->status = 0;
    }
    *next = x->status / 100 == 3 && target ? at_strdup(s->arena, target) : NULL;
    return AT_OK;
}

static at_status exchange_once(session *s, exchange *x, const char *url) {
    for (int i = 0; i < REDIRECTS; i++) {
        const char *next;
        AT_TRY(hop(s, x, url, &next));
        if (!next || (x->head_only && x->linked_etag[0])) return AT_OK; /* what was asked for stands in the first answer */
        url = next;
    }
    return at_fail(s->err, AT_NETWORK, "%.300s: redirected more than %d times", url, REDIRECTS);
}

static int may_pass(long status) { return status == 0 || status == 408 || status == 429 || status >= 500; }

static at_status run_exchange(session *s, exchange *x, const char *url) {
    for (int attempt = 1;; attempt++) {
        AT_TRY(exchange_once(s, x, url));
        if (!may_pass(x->status) || x->hopeless || attempt == ATTEMPTS) return AT_OK;
        struct timespec pause = {attempt - 1, 300000000};
        nanosleep(&pause, NULL);
    }
}

static at_status explain(const session *s, const exchange *x, const char *what) {
    const char *name = s->request->name;
    if (x->status == 0)
        return at_fail(s->err, AT_NETWORK, "%s: %s cannot be fetched from %s: %s; what came already is kept, the same command goes on",
                       name, what, s->hub->endpoint, s->reason);
    if (x->status == 401 || x->status == 403)
        return at_fail(s->err, AT_NETWORK, "%s: no access to %s (HTTP %ld): the name may be wrong, or the model is private or gated; "
                                           "then HF_TOKEN must hold a token that may read it",
                       name, what, x->status);
    if (x->status == 404)
        return at_fail(s->err, AT_NETWORK, "%s: %s is not there (HTTP 404 from %s); is the name right?", name, what,
                       s->hub->endpoint);
    return at_fail(s->err, AT_NETWORK, "%s: HTTP %ld from %s for %s", name, x->status, s->hub->endpoint, what);
}

/* --- what to fetch --------------------------------------------------------------------------------- */

typedef struct listing {
    const char *commit;
    at_cached_file *files;
    int n;
} listing;

static int ends_with(const char *name, const char *end) {
    size_t n = strlen(name), e = strlen(end);
    return n >= e && !strcmp(name + n - e, end);
}

/* "2_Dense/model.safetensors": the folders of sentence-transformers. */
static int is_module(const char *name) {
    const char *slash = strchr(name, '/');
    return isdigit((unsigned char)*name) && slash && !strchr(slash + 1, '/') &&
           (!strcmp(slash, "/config.json") || !strcmp(slash, "/model.safetensors"));
}

static int is_weights(const char *name) { return !strchr(name, '/') && ends_with(name, ".safetensors"); }

static int is_wanted(const char *name, int single) {
    static const char *const WANTED[] = {"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                         "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "generation_config.json",
                                         "chat_template.jinja", "modules.json", "config_sentence_transformers.json",
                                         "sentence_bert_config.json", "adapter_config.json", "adapter_model.safetensors",
                                         "README.md", "LICENSE", NULL};
    if (at_word_index(name, WANTED) >= 0 || is_module(name)) return 1;
    if (single) return !strcmp(name, "model.safetensors");
    return !strcmp(name, "model.safetensors.index.json") || (is_weights(name) && !strncmp(name, "model-", 6));
}

static at_status choose_files(session *s, const json_t *siblings, listing *list) {
    size_t i;
    json_t *item;
    int single = 0, weights = 0;
    if (json_array_size(siblings) > FILES_MAX)
        return at_fail(s->err, AT_NETWORK, "%s: more than %d files", s->request->name, FILES_MAX);
    list->files = AT_NEW_ARRAY(s->arena, at_cached_file, json_array_size(siblings) + 1);
    if (!list->files) return at_fail_memory(s->err, sizeof *list->files);
    json_array_foreach(siblings, i, item) {
        const char *name = json_string_value(json_object_get(item, "rfilename"));
        if (name && !strcmp(name, "model.safetensors")) single = 1;
    }
    json_array_foreach(siblings, i, item) {
        const char *name = json_string_value(json_object_get(item, "rfilename"));
        if (!name || !is_wanted(name, single)) continue;
        if (!at_name_is_safe(name) || strlen(name) > 255)
            return at_fail(s->err, AT_NETWORK, "%s: the server names an unsafe file: '%.100s'", s->request->name, name);
        weights |= is_weights(name);
        at_cached_file *file = &list->files[list->n++];
        file->name = at_strdup(s->arena, name);
        if (!file->name) return at_fail_memory(s->err, strlen(name));
    }
    if (!weights)
        return at_fail(s->err, AT_BAD_MODEL, "%s has no safetensors weights on the hub (pickles are not fetched, they can run code); "
                                             "convert it to safetensors elsewhere and give its folder",
                       s->request->name);
    return AT_OK;
}

static at_status read_listing(session *s, const at_str *text, listing *list) {
    json_t *root;
    AT_TRY(at_json_parse(text->text ? text->text : "", text->len, "the server's list of files", AT_NETWORK, &root, s->err));
    const char *commit = json_string_value(json_object_get(root, "sha"));
    at_status st = AT_OK;
    if (!commit || !at_is_hex(commit, 40)) st = at_fail(s->err, AT_NETWORK, "%s: the server names no commit", s->request->name);
    else if (!(list->commit = at_strdup(s->arena, commit))) st = at_fail_memory(s->err, 41);
    if (!st) st = choose_files(s, json_object_get(root, "siblings"), list);
    json_decref(root);
    return st;
}

static at_status fetch_listing(session *s, listing *list) {
    at_str url = {.arena = s->arena}, text = {.arena = s->arena};
    exchange x = {.text = &text, .fd = -1, .session = s};
    at_str_addf(&url, "%s/api/models/%s/revision/", s->hub->endpoint, s->request->name);
    add_escaped(&url, s->request->revision ? s->request->revision : "main");
    if (url.failed) return at_fail_memory(s->err, url.len);
    AT_TRY(run_exchange(s, &x, url.text));
    if (x.status != 200) return explain(s, &x, "the model");
    if (text.failed) return at_fail_memory(s->err, LIST_BYTES);
    return read_listing(s, &text, list);
}

/* --- one file -------------------------------------------------------------------------------------- */

static at_status check_blob(const session *s, const exchange *x, const char *etag) {
    at_hashes hashes = {0};
    AT_TRY(at_hash_file(x->path, &hashes, s->err));
    const char *got = at_is_hex(etag, 64) ? hashes.sha256 : at_is_hex(etag, 40) ? hashes.git : etag;
    const char *pinned = !strcmp(x->file, "model.safetensors") ? s->request->sha256 : NULL;
    if (x->total && hashes.bytes != x->total)
        return at_fail(s->err, AT_NETWORK, "%s: %llu bytes came, %llu were announced; run the same command again", x->file,
                       (unsigned long long)hashes.bytes, (unsigned long long)x->total);
    if (strcmp(got, etag))
        return at_fail(s->err, AT_NETWORK, "%s: the hash of what came is %s, announced was %s; it was thrown away, run the same command again",
                       x->file, got, etag);
    if (pinned && strcmp(pinned, hashes.sha256))
        return at_fail(s->err, AT_BAD_MODEL, "%s: its SHA-256 is %s, expected was %s; it was thrown away", x->file, hashes.sha256, pinned);
    return AT_OK;
}

/* Brings the rest of the file; the part that a broken connection left is gone on with. */
static at_status fetch_rest(session *s, exchange *x, const char *url) {
    if (x->total && x->done > x->total) x->done = 0;
    if (x->total && x->done == x->total) return AT_OK;
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        uint64_t before = x->done;
        AT_TRY(exchange_once(s, x, url));
        if (x->status / 100 == 2 && (!x->total || x->done == x->total)) return AT_OK;
        if (x->status == 416) x->done = 0; /* what is there is longer than the file */
        else if (x->status / 100 != 2 && !may_pass(x->status)) break;
        if (x->done > before) attempt = 0; /* it moves */
        else {
            struct timespec pause = {attempt - 1, 300000000};
            nanosleep(&pause, NULL);
        }
    }
    return explain(s, x, x->file);
}

static at_status fetch_blob(session *s, const char *model, const char *url, exchange *x, const char *etag) {
    AT_TRY(at_blob_open(s->arena, model, etag, &x->path, &x->fd, &x->done, s->err));
    if (at_file_exists(at_blob_path(s->arena, model, etag))) { /* another process was faster */
        unlink(x->path);
        close(x->fd);
        return AT_OK;
    }
    if (!x->total) x->done = 0; /* nothing says where the file ends: no going on */
    at_status st = fetch_rest(s, x, url);
    if (!st) {
        st = ftruncate(x->fd, (off_t)x->done) ? at_fail_errno(s->err, AT_DISK, x->path, "cannot write") : check_blob(s, x, etag);
        if (st) unlink(x->path);
    }
    if (!st) return at_blob_keep(s->arena, model, x->path, x->fd, etag, s->err);
    close(x->fd);
    return st;
}

static at_status fetch_file(session *s, const char *model, const char *commit, at_cached_file *file) {
    at_str url = {.arena = s->arena};
    exchange head = {.head_only = 1, .fd = -1, .session = s, .file = file->name};
    at_str_addf(&url, "%s/%s/resolve/%s/", s->hub->endpoint, s->request->name, commit);
    add_escaped(&url, file->name);
    if (url.failed) return at_fail_memory(s->err, url.len);
    AT_TRY(run_exchange(s, &head, url.text));
    if (head.status / 100 != 2 && !(head.status / 100 == 3 && head.linked_etag[0])) return explain(s, &head, file->name);
    const char *etag = head.linked_etag[0] ? head.linked_etag : head.etag;
    if (!*etag) return at_fail(s->err, AT_NETWORK, "%s: the server gives no ETag for it", file->name);
    if (is_weights(file->name) && !at_is_hex(etag, 64))
        return at_fail(s->err, AT_NETWORK, "%s: the server gives no SHA-256 for it", file->name);
    file->blob = at_strdup(s->arena, etag);
    if (!file->blob) return at_fail_memory(s->err, sizeof head.etag);
    if (at_file_exists(at_blob_path(s->arena, model, file->blob))) return AT_OK;
    exchange body = {.fd = -1, .session = s, .file = file->name,
                     .total = head.linked_etag[0] ? head.linked_length : head.length};
    return fetch_blob(s, model, url.text, &body, file->blob);
}

static at_status fetch_model(session *s, const char *model, const char **folder) {
    listing list = {0};
    AT_TRY(fetch_listing(s, &list));
    for (int i = 0; i < list.n; i++) AT_TRY(fetch_file(s, model, list.commit, &list.files[i]));
    return at_cache_publish(s->arena, model, list.commit, s->request->revision, list.files, list.n, folder, s->err);
}

at_status at_hub_fetch(at_arena *arena, const at_hub *hub, const at_hub_request *request, const char **folder, at_error *err) {
    const char *model;
    at_error own;
    session s = {.arena = arena, .hub = hub, .request = request, .err = err ? err : &own};
    int unused;
    AT_TRY(at_cache_model(arena, hub, request->name, &model, err));
    if (request->revision && !at_cache_revision_is_safe(request->revision))
        return at_fail(err, AT_USAGE, "'%.200s' is not the name of a revision", request->revision);
    *folder = at_cache_have(arena, hub, request);
    if (*folder) return AT_OK;
    if (hub->offline) return at_fail(err, AT_NETWORK, "%s is not in the cache (%s), and HF_HUB_OFFLINE is set", request->name, hub->cache);
    AT_TRY(check_url(&s, hub->endpoint, &unused));
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) return at_fail(err, AT_NETWORK, "libcurl cannot be started");
    s.curl = curl_easy_init();
    at_status st = s.curl ? fetch_model(&s, model, folder) : at_fail_memory(err, 0);
    curl_easy_cleanup(s.curl);
    curl_global_cleanup();
    return st;
}
