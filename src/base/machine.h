/* What this process may use of the machine it runs on. */
#ifndef AT_BASE_MACHINE_H
#define AT_BASE_MACHINE_H

#include <stddef.h>

/* Bytes that can still be taken without swapping: MemAvailable, lowered by the cgroup's limit (version 2). 0: unknown. */
size_t at_memory_available(void);
/* Seconds since some start, for intervals. */
double at_seconds(void);

#endif
