/* Threads take text after text; what is written to one depends on it alone. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "infer/writing.h"

typedef struct job {
    const at_write_setup *s;
    const at_dataset *d;
    at_writing writing;
    at_written *written;
    at_arena *arena;      /* of the texts */
    int longest, most_new; /* tokens of a source; of a text, within the model's positions */
    atomic_int next, stop;
    pthread_mutex_t lock; /* guards what follows, the arena, and calls of progress */
    int done;
    at_status status;
    at_error *err;
} job;

/* What a thread has for itself. */
typedef struct writer {
    at_generator *generator;
    at_chooser sampler;
    at_arena arena;
} writer;

static at_status open_writer(const job *j, writer *w, at_error *err) {
    const at_model *m = j->s->model;
    const at_sampling how = at_sampling_greedy();
    AT_TRY(at_chooser_make(&w->sampler, &w->arena, &how, m->arch.vocab_size, err));
    at_generator_room room = {j->longest, 1 + j->most_new, j->writing.beams.n > 1 ? j->writing.beams.n : 1};
    return at_generator_open_room(m, j->s->backend, 1, room, &w->generator, err);
}

static at_status keep(job *j, int i, const at_continuation *c, at_error *err) {
    pthread_mutex_lock(&j->lock);
    char *text = at_strndup(j->arena, c->text, c->len);
    int done = ++j->done, stop = j->s->progress && j->s->progress(j->s->context, done);
    pthread_mutex_unlock(&j->lock);
    if (!text) return at_fail_memory(err, c->len);
    j->written[i] = (at_written){text, c->len, c->n};
    return stop ? at_fail(err, AT_STOPPED, "stopped after %d of %d texts", done, j->d->n) : AT_OK;
}

/* Asked between tokens, so that a long text does not hold up who wants to stop. */
static int has_enough(void *context, const char *text, size_t len) {
    job *j = context;
    (void)text;
    (void)len;
    pthread_mutex_lock(&j->lock);
    int stop = j->s->progress && j->s->progress(j->s->context, j->done);
    pthread_mutex_unlock(&j->lock);
    return stop || atomic_load(&j->stop);
}

static at_status write_one(job *j, writer *w, int i, at_error *err) {
    at_continuation c;
    at_continuation_options o = {.most_new = j->most_new, .listen = has_enough, .context = j};
    at_mark mark = at_arena_mark(&w->arena);
    at_writing_apply(&j->writing, &o);
    AT_TRY(at_generator_read(w->generator, j->d->ids + j->d->token_at[i], at_dataset_source_length(j->d, i), err));
    AT_TRY(at_continue(w->generator, &w->sampler, j->s->tokenizer, &j->writing.start, 1, &o, &w->arena, &c, err));
    if (c.finish == AT_FINISH_ASKED) return at_fail(err, AT_STOPPED, "stopped after %d of %d texts", j->done, j->d->n);
    AT_TRY(keep(j, i, &c, err));
    at_arena_rewind(&w->arena, mark);
    return AT_OK;
}

static void fail(job *j, at_status status, const at_error *why) {
    pthread_mutex_lock(&j->lock);
    if (!j->status) {
        j->status = status;
        if (j->err) *j->err = *why;
    }
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->stop, 1);
}

static void work(void *context, int part) {
    (void)part;
    job *j = context;
    writer w = {0};
    at_error why = {0};
    at_status st = open_writer(j, &w, &why);
    for (int i; !st && !atomic_load(&j->stop) && (i = atomic_fetch_add(&j->next, 1)) < j->d->n;) st = write_one(j, &w, i, &why);
    if (st) fail(j, st, &why);
    at_generator_close(w.generator);
    at_arena_free(&w.arena);
}

at_status at_write_all(const at_write_setup *s, const at_dataset *d, at_arena *arena, at_written *written, at_error *err) {
    job j = {.s = s, .d = d, .written = written, .arena = arena, .err = err};
    const at_arch *a = &s->model->arch;
    if (!a->decoder.layers) return at_fail(err, AT_BUG, "a %s has no encoder to read with", a->family);
    AT_TRY(at_dataset_fits(d, a->vocab_size, a->type_vocab, a->max_positions, err));
    AT_TRY(at_writing_read(s->model, s->tokenizer, &s->wishes, &j.writing, err));
    j.most_new = j.writing.most_new < a->max_positions - 1 ? j.writing.most_new : a->max_positions - 1;
    for (int i = 0; i < d->n; i++)
        if (at_dataset_source_length(d, i) > j.longest) j.longest = at_dataset_source_length(d, i);
    int threads = at_pool_threads(s->pool) < d->n ? at_pool_threads(s->pool) : d->n;
    pthread_mutex_init(&j.lock, NULL);
    at_pool_run(s->pool, work, &j, threads);
    pthread_mutex_destroy(&j.lock);
    return j.status;
}
