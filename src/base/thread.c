#define _GNU_SOURCE
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cgroup.h"

struct at_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    void (*task)(void *, int);
    void *context;
    int n, next, running;      /* tasks of this run, next to take, taken and not finished */
    unsigned long generation;  /* counts runs */
    int closing, n_threads, n_started;
    pthread_t threads[];
};

static int affinity_count(void) {
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

static double quota_of(const char *folder) {
    char path[4352], line[128];
    double quota, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    int n = fgets(line, sizeof line, f) ? sscanf(line, "%lf %lf", &quota, &period) : 0;
    fclose(f);
    return n == 2 && quota > 0 && period > 0 ? quota / period : 0;
}

static void visit_group(void *context, const char *folder) {
    double *tightest = context, quota = quota_of(folder);
    if (quota > 0 && (*tightest == 0 || quota < *tightest)) *tightest = quota;
}

int at_cpu_count(void) {
    int n = affinity_count();
    double quota = 0; /* the tightest cpu.max between this process's cgroup and the root */
    at_cgroup_walk(visit_group, &quota);
    if (quota > 0 && quota < n) n = (int)(quota + 0.999);
    return n > 0 ? n : 1;
}

/* Called with the lock held; returns with it held when no task is left to take. */
static void take_tasks(at_pool *pool) {
    while (pool->next < pool->n) {
        int i = pool->next++;
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        pool->task(pool->context, i);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
    }
    if (!pool->running) pthread_cond_broadcast(&pool->done);
}

static void *worker(void *argument) {
    at_pool *pool = argument;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->closing && pool->generation == seen) pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->closing) break;
        seen = pool->generation;
        take_tasks(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

at_status at_pool_open(at_pool **out, int n_threads, at_error *err) {
    if (n_threads < 1) n_threads = 1;
    at_pool *pool = calloc(1, sizeof *pool + (size_t)n_threads * sizeof(pthread_t));
    if (!pool) return at_fail_memory(err, sizeof *pool);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->n_threads = n_threads;
    for (; pool->n_started < n_threads - 1; pool->n_started++) {
        if (!pthread_create(&pool->threads[pool->n_started], NULL, worker, pool)) continue;
        at_pool_close(pool);
        return at_fail(err, AT_NO_MEMORY, "cannot start %d threads", n_threads);
    }
    *out = pool;
    return AT_OK;
}

void at_pool_close(at_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->n_started; i++) pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    free(pool);
}

int at_pool_threads(const at_pool *pool) { return pool ? pool->n_threads : 1; }

void at_pool_run(at_pool *pool, void (*task)(void *, int), void *context, int n) {
    if (!pool || !pool->n_started) {
        for (int i = 0; i < n; i++) task(context, i);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->context = context;
    pool->n = n;
    pool->next = 0;
    pool->generation++;
    pthread_cond_broadcast(&pool->work);
    take_tasks(pool);
    while (pool->running) pthread_cond_wait(&pool->done, &pool->lock);
    pool->n = 0;
    pthread_mutex_unlock(&pool->lock);
}
