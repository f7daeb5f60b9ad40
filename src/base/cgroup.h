/* The control group (version 2) that this process is in. */
#ifndef AT_BASE_CGROUP_H
#define AT_BASE_CGROUP_H

/* Calls `visit` with the folder of this process's group and then with every one above it, up to the root. Nothing where there is none. */
void at_cgroup_walk(void (*visit)(void *context, const char *folder), void *context);

#endif
