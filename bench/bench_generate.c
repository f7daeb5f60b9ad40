/* Greedy generation beside the memory's bandwidth, one JSON object on standard output:
 *
 *     bench_generate FOLDER|FILE.gguf [--threads 2] [--prompt 16] [--tokens 128] [--rounds 3] [--probe-mib 512]
 *
 * For each form of the weights (fp32, bf16, q8_0): tokens a second of --tokens single steps behind --prompt tokens, the best of --rounds, and
 * `share`, a round's speed divided by what the bandwidth would allow if reading every weight once were all there is, the median of the rounds. The
 * probe reads an array of --probe-mib with as many threads right before and after each round, since what a memory gives changes where neighbours use
 * it too. bench/peers/generate_side_by_side.py runs this beside other programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/machine.h"
#include "base/str.h"
#include "base/team.h"
#include "infer/generator.h"

enum { STREAMS = 8, MOST_ROUNDS = 99 };

typedef struct options {
    double threads, prompt, tokens, rounds, probe;
} options;

static int parse(int argc, char **argv, options *o) {
    *o = (options){.threads = 2, .prompt = 16, .tokens = 128, .rounds = 3, .probe = 512};
    const struct { const char *name; double *value; } known[] = {
        {"--threads", &o->threads}, {"--prompt", &o->prompt}, {"--tokens", &o->tokens}, {"--rounds", &o->rounds}, {"--probe-mib", &o->probe}};
    for (int i = 2; i < argc; i += 2) {
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(argv[i], known[k].name)) k++;
        if (k == sizeof known / sizeof *known || i + 1 == argc || !at_parse_double(argv[i + 1], known[k].value) || !(*known[k].value >= 1)) return 0;
    }
    return argc >= 2 && o->rounds <= MOST_ROUNDS;
}

/* ---- the probe ---- */

typedef struct probe {
    const uint64_t *words;
    size_t n;
    uint64_t sum[64]; /* of each thread, so that the reading is not dropped */
} probe;

static void read_part(void *context, int part, int parts) {
    probe *p = context;
    size_t from = p->n / STREAMS * (size_t)part / (size_t)parts * STREAMS, to = p->n / STREAMS * ((size_t)part + 1) / (size_t)parts * STREAMS;
    uint64_t sum[STREAMS] = {0};
    for (size_t i = from; i < to; i += STREAMS)
        for (size_t s = 0; s < STREAMS; s++) sum[s] += p->words[i + s];
    for (size_t s = 1; s < STREAMS; s++) sum[0] += sum[s];
    p->sum[part % 64] = sum[0];
}

static double bytes_a_second(at_team *team, probe *p) {
    double started = at_seconds();
    at_team_run(team, read_part, p);
    return (double)p->n * sizeof *p->words / (at_seconds() - started);
}

/* ---- generation ---- */

static int best_of(const at_real *logits, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* Seconds of the single steps; *last is the last token. */
static at_status generate(const at_model *m, const at_backend *backend, const options *o, double *seconds, int *last, at_error *err) {
    at_generator *g;
    at_real *logits;
    int n = (int)o->prompt, vocab = m->arch.vocab_size;
    int32_t *ids = malloc((size_t)n * sizeof *ids), id;
    if (!ids) return at_fail_memory(err, (size_t)n * sizeof *ids);
    for (int i = 0; i < n; i++) ids[i] = (int32_t)(((long long)i * 2654435761) % vocab);
    at_status st = at_generator_open(m, backend, (int)o->threads, n + (int)o->tokens, &g, err);
    if (!st) st = at_generator_feed(g, ids, n, &logits, err);
    free(ids);
    double started = at_seconds();
    for (int i = 0; i < (int)o->tokens && !st; i++) {
        id = best_of(logits, vocab);
        st = at_generator_feed(g, &id, 1, &logits, err);
    }
    *seconds = at_seconds() - started;
    *last = st ? -1 : best_of(logits, vocab);
    at_generator_close(g);
    return st;
}

typedef struct rounds {
    double fastest;            /* tokens a second */
    double share[MOST_ROUNDS]; /* of what the bandwidth beside the round allows */
    double lowest, highest;    /* bytes a second */
    int n, last;
} rounds;

static at_status run_round(const at_model *m, const at_backend *backend, const options *o, at_team *team, probe *p, rounds *r, at_error *err) {
    double seconds = 1, before = bytes_a_second(team, p);
    AT_TRY(generate(m, backend, o, &seconds, &r->last, err));
    double after = bytes_a_second(team, p), bandwidth = (before + after) / 2, speed = o->tokens / seconds;
    r->share[r->n++] = speed * (double)at_params_bytes(&m->params) / bandwidth;
    if (speed > r->fastest) r->fastest = speed;
    if (r->n == 1 || bandwidth < r->lowest) r->lowest = bandwidth;
    if (bandwidth > r->highest) r->highest = bandwidth;
    return AT_OK;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static at_status bench_form(const char *path, at_weights form, const at_backend *backend, const options *o, at_team *team, probe *p, json_t *results,
                            at_error *err) {
    static const char *const NAMES[] = {[AT_WEIGHTS_FP32] = "fp32", [AT_WEIGHTS_BF16] = "bf16", [AT_WEIGHTS_Q8_0] = "q8_0"};
    const at_model_options how = {.head = AT_HEAD_LM, .keep_head = 1, .weights = form};
    at_model *m;
    rounds all = {0};
    AT_TRY(at_model_open(path, &how, &m, err));
    at_status st = AT_OK;
    for (int r = 0; r < (int)o->rounds && !st; r++) st = run_round(m, backend, o, team, p, &all, err);
    qsort(all.share, (size_t)all.n, sizeof *all.share, ascending);
    if (!st)
        json_array_append_new(results, json_pack("{s:s, s:I, s:f, s:f, s:[f, f], s:[f, f], s:i}", "weights", NAMES[form], "bytes",
                                                 (json_int_t)at_params_bytes(&m->params), "tokens_per_second", all.fastest, "share",
                                                 all.share[all.n / 2], "shares", all.share[0], all.share[all.n - 1], "bytes_per_second", all.lowest,
                                                 all.highest, "last", all.last));
    at_model_close(m);
    return st;
}

static at_status bench(const char *path, const options *o, at_error *err) {
    static const at_weights FORMS[] = {AT_WEIGHTS_FP32, AT_WEIGHTS_BF16, AT_WEIGHTS_Q8_0};
    const at_backend *backend;
    at_team *team;
    size_t bytes = (size_t)o->probe << 20;
    probe p = {.n = bytes / sizeof(uint64_t)};
    json_t *results = json_array();
    AT_TRY(at_backend_choose(getenv("ATTUNE_CPU"), &backend, err));
    AT_TRY(at_team_open(&team, (int)o->threads, err));
    uint64_t *words = at_pages_take(bytes);
    at_status st = words ? AT_OK : at_fail_memory(err, bytes);
    for (size_t i = 0; i < p.n && !st; i++) words[i] = i;
    p.words = words;
    for (size_t f = 0; f < sizeof FORMS / sizeof *FORMS && !st; f++)
        st = bench_form(path, FORMS[f], backend, o, team, &p, results, err);
    json_t *all = json_pack("{s:s, s:i, s:i, s:i, s:o}", "kernels", backend->name, "threads", (int)o->threads, "prompt", (int)o->prompt, "tokens",
                            (int)o->tokens, "forms", results);
    if (!st) json_dumpf(all, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(5));
    if (!st) putchar('\n');
    json_decref(all);
    at_pages_return(words, bytes);
    at_team_close(team);
    return st;
}

int main(int argc, char **argv) {
    options o;
    at_error err;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_generate FOLDER|FILE.gguf [--threads N] [--prompt N] [--tokens N] [--rounds N] [--probe-mib N]\n");
        return 2;
    }
    at_status st = bench(argv[1], &o, &err);
    if (st) fprintf(stderr, "error: %s\n", err.text);
    return st ? 1 : 0;
}
