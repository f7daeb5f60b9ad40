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
} member;

/* Parts of a call are not tied to members: whoever is free takes the next one. A member that the system has put aside is waited for only where it
 * is in the middle of a part; else the caller does its part too.
 * `turn` holds the number of the call and, in its low half, the next part: taking a part is one exchange that fails where the call is over. */
struct at_team {
    atomic_ullong turn; /* call << 32 | next part */
    atomic_int done;    /* parts of the call that are finished */
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

static unsigned long long call_of(unsigned long long turn) { return turn >> 32; }
static int part_of(unsigned long long turn) { return (int)(turn & 0xffffffffu); }

/* Returns once there is a call after `seen`, or the team closes. */
static void wait_for_call(at_team *t, unsigned long long seen) {
    for (int i = 0; i < WATCHED; i++) {
        if (call_of(atomic_load_explicit(&t->turn, memory_order_acquire)) != seen) return;
        breathe();
    }
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->asleep, 1);
    while (call_of(atomic_load(&t->turn)) == seen) pthread_cond_wait(&t->wake, &t->lock);
    atomic_fetch_sub(&t->asleep, 1);
    pthread_mutex_unlock(&t->lock);
}

/* Does parts of this call until none is left. The call cannot end, and task and context cannot change, before a part that was taken is done. */
static void take_parts(at_team *t, unsigned long long call) {
    unsigned long long turn = atomic_load_explicit(&t->turn, memory_order_acquire);
    while (call_of(turn) == call && part_of(turn) < t->n) {
        if (!atomic_compare_exchange_weak_explicit(&t->turn, &turn, turn + 1, memory_order_acq_rel, memory_order_acquire)) continue;
        t->task(t->context, part_of(turn), t->n);
        atomic_fetch_add_explicit(&t->done, 1, memory_order_release);
        turn = atomic_load_explicit(&t->turn, memory_order_acquire);
    }
}

static void *work(void *argument) {
    at_team *t = ((member *)argument)->team;
    for (unsigned long long seen = 0;;) {
        wait_for_call(t, seen);
        seen = call_of(atomic_load(&t->turn));
        if (atomic_load(&t->closing)) return NULL; /* after the call was read: it may be the one that closes, behind which nothing comes */
        take_parts(t, seen);
    }
}

/* The call is counted before sleepers are looked for, and a sleeper counts itself before it looks for the call: one sees the other. */
static unsigned long long begin_call(at_team *t, int first_part) {
    unsigned long long call = (call_of(atomic_load(&t->turn)) + 1) & 0xffffffffu;
    atomic_store(&t->turn, call << 32 | (unsigned)first_part);
    if (!atomic_load(&t->asleep)) return call;
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    return call;
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
        m->team = t;
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
    begin_call(t, t->n); /* without parts: a member that has not yet seen `closing` finds none */
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
    atomic_store(&t->done, 0);
    take_parts(t, begin_call(t, 0));
    for (int i = 0; atomic_load_explicit(&t->done, memory_order_acquire) < t->n; i++) {
        if (i < PATIENT) breathe();
        else sched_yield();
    }
}
