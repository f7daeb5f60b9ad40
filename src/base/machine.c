#include "base/machine.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cgroup.h"

static size_t mem_available(void) {
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
    fclose(f);
    return (size_t)kib * 1024;
}

static int read_number(const char *folder, const char *name, unsigned long long *value) {
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    int n = fscanf(f, "%llu", value);
    fclose(f);
    return n == 1;
}

static void visit_group(void *context, const char *folder) {
    size_t *least = context;
    unsigned long long most, used;
    if (!read_number(folder, "memory.max", &most) || !read_number(folder, "memory.current", &used)) return;
    size_t room = most > used ? (size_t)(most - used) : 1;
    if (!*least || room < *least) *least = room;
}

/* Room below the tightest memory.max between this process's cgroup and the root; 0: no limit found. */
static size_t cgroup_room(void) {
    size_t least = 0;
    at_cgroup_walk(visit_group, &least);
    return least;
}

/* Room below the limit on the addresses of this process (ulimit -v); 0: none. */
static size_t address_room(void) {
    struct rlimit limit;
    unsigned long long pages;
    FILE *f;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY || !(f = fopen("/proc/self/statm", "re"))) return 0;
    int n = fscanf(f, "%llu", &pages);
    fclose(f);
    unsigned long long used = n == 1 ? pages * (unsigned long long)sysconf(_SC_PAGESIZE) : 0;
    return limit.rlim_cur > used ? (size_t)(limit.rlim_cur - used) : 1;
}

/* The smaller of two amounts of which 0 is not known. */
static size_t tighter(size_t a, size_t b) { return !a || (b && b < a) ? b : a; }

size_t at_memory_available(void) { return tighter(tighter(mem_available(), cgroup_room()), address_room()); }

double at_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
