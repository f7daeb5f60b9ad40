#include "base/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    WATCHED = 4000, /* looks before a member sleeps: some tens of microseconds */
    PATIENT = 2000  /* looks before one who waits for others lets them have its core */
};

typedef struct member {
    at_team *team;
    pthread_t thread;
    int part;
} member;

struct at_team {
    atomic_ulong call; /* counts calls */
    atomic_int busy;   /* members that have not finished the call */
    atomic_int asleep, closing;
    void (*task)(void *, int, int);
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int n, n_started;
    member members[];
};

static void breathe(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Returns once there is a call after `seen`, or the team closes. */
static void wait_for_call(at_team *t, unsigned long seen) {
    for (int i = 0; i < WATCHED; i++) {
        if (atomic_load_explicit(&t->call, memory_order_acquire) != seen) return;
        breathe();
    }
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->asleep, 1);
    while (atomic_load(&t->call) == seen) pthread_cond_wait(&t->wake, &t->lock);
    atomic_fetch_sub(&t->asleep, 1);
    pthread_mutex_unlock(&t->lock);
}

static void *work(void *argument) {
    member *m = argument;
    at_team *t = m->team;
    for (unsigned long seen = 0;;) {
        wait_for_call(t, seen);
        seen = atomic_load_explicit(&t->call, memory_order_acquire);
        if (atomic_load(&t->closing)) return NULL;
        t->task(t->context, m->part, t->n);
        atomic_fetch_sub_explicit(&t->busy, 1, memory_order_release);
    }
}

/* The call is counted before sleepers are looked for, and a sleeper counts itself before it looks for the call: one sees the other. */
static void call(at_team *t) {
    atomic_fetch_add(&t->call, 1);
    if (!atomic_load(&t->asleep)) return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

at_status at_team_open(at_team **team, int n_threads, at_error *err) {
    int n = n_threads < 1 ? 1 : n_threads;
    at_team *t = calloc(1, sizeof *t + (size_t)n * sizeof(member));
    *team = NULL;
    if (!t) return at_fail_memory(err, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    t->n = n;
    for (; t->n_started < n - 1; t->n_started++) {
        member *m = &t->members[t->n_started];
        *m = (member){.team = t, .part = t->n_started + 1};
        if (!pthread_create(&m->thread, NULL, work, m)) continue;
        at_team_close(t);
        return at_fail(err, AT_NO_MEMORY, "cannot start %d threads", n);
    }
    *team = t;
    return AT_OK;
}

void at_team_close(at_team *t) {
    if (!t) return;
    atomic_store(&t->closing, 1);
    call(t);
    for (int i = 0; i < t->n_started; i++) pthread_join(t->members[i].thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->wake);
    free(t);
}

int at_team_parts(const at_team *team) { return team ? team->n : 1; }

void at_team_run(at_team *t, void (*task)(void *, int, int), void *context) {
    if (!t || t->n == 1) {
        task(context, 0, 1);
        return;
    }
    t->task = task;
    t->context = context;
    atomic_store(&t->busy, t->n - 1);
    call(t);
    task(context, 0, t->n);
    for (int i = 0; atomic_load_explicit(&t->busy, memory_order_acquire); i++) {
        if (i < PATIENT) breathe();
        else sched_yield();
    }
}
