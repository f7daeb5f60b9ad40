/* Threads: a pool that runs numbered tasks. Tasks of one run may execute in any order and on any thread, so
 * what they compute must depend on the task's number alone. */
#ifndef AT_BASE_THREAD_H
#define AT_BASE_THREAD_H

#include "base/err.h"

typedef struct at_pool at_pool;

/* Threads that this process may use: the affinity mask, lowered by the cgroup's quota (rounded up), at least 1. */
int at_cpu_count(void);

/* n_threads counts the caller, who works too; 1 starts no thread. */
at_status at_pool_open(at_pool **pool, int n_threads, at_error *err);
void at_pool_close(at_pool *pool);
int at_pool_threads(const at_pool *pool);

/* Calls task(context, i) for i in 0..n-1 and returns when all are done. Not reentrant. pool NULL: in the caller alone. */
void at_pool_run(at_pool *pool, void (*task)(void *context, int i), void *context, int n);

#endif
