/* What the backend's tests share: the tables this machine can run, arrays that end at a page nobody may touch, numbers. */
#ifndef AT_TESTS_BACKEND_CHECK_H
#define AT_TESTS_BACKEND_CHECK_H

#include <math.h>
#include <sys/mman.h>

#include "backend/backend.h"
#include "base/random.h"
#include "check.h"

enum { CHECK_TABLES = 3, CHECK_ARRAYS = 64 };

/* Fills `tables`; returns how many this machine has. */
static inline int check_tables(const at_backend *tables[CHECK_TABLES]) {
    const char *names[CHECK_TABLES] = {"portable", "avx2", "avx512"};
    int n = 0;
    for (int i = 0; i < CHECK_TABLES; i++)
        if (at_backend_choose(names[i], &tables[n], NULL) == AT_OK) n++;
    return n;
}

#define FOR_EACH_TABLE(table)                                                                                    \
    for (const at_backend *tables_[CHECK_TABLES], **at_ = tables_, **end_ = tables_ + check_tables(tables_), *table; \
         at_ < end_ && (table = *at_, 1); at_++)

/* Arrays whose last element touches a page that may not be read or written: a load or store beyond the end is fatal. */
typedef struct check_memory {
    void *base[CHECK_ARRAYS];
    size_t bytes[CHECK_ARRAYS];
    int n;
} check_memory;

static inline void *check_bytes(check_memory *m, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
    assert_true(m->n < CHECK_ARRAYS);
    char *base = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + whole, page, PROT_NONE), 0);
    m->base[m->n] = base;
    m->bytes[m->n++] = whole + page;
    return base + whole - bytes;
}

static inline at_real *check_zeros(check_memory *m, size_t n) { return check_bytes(m, n * sizeof(at_real)); }

/* Standard normal numbers that depend on the seed alone. */
static inline at_real *check_normal(check_memory *m, size_t n, uint64_t seed) {
    at_real *x = check_zeros(m, n);
    for (size_t i = 0; i < n; i++) x[i] = (at_real)at_random_normal(seed, i);
    return x;
}

static inline at_real *check_copy(check_memory *m, const at_real *x, size_t n) {
    at_real *copy = check_zeros(m, n);
    if (n) memcpy(copy, x, n * sizeof *x);
    return copy;
}

static inline void check_free(check_memory *m) {
    while (m->n) {
        m->n--;
        munmap(m->base[m->n], m->bytes[m->n]);
    }
}

/* Fails with the name of the table where got is further from expected than `bound`. */
static inline void check_near(const char *table, const char *what, size_t at, double got, double expected, double bound) {
    if (!(fabs(got - expected) <= bound))
        fail_msg("%s: %s[%zu] is %.9g, expected %.9g within %.3g", table, what, at, got, expected, bound);
}

#endif
