#include "base/cgroup.h"

#include <stdio.h>
#include <string.h>

void at_cgroup_walk(void (*visit)(void *context, const char *folder), void *context) {
    char line[4096], folder[4200], *group = NULL;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return;
    while (!group && fgets(line, sizeof line, f))
        if (!strncmp(line, "0::", 3)) group = line + 3;
    fclose(f);
    if (!group) return;
    group[strcspn(group, "\n")] = '\0';
    for (char *slash = group; slash;) {
        snprintf(folder, sizeof folder, "/sys/fs/cgroup%s", group);
        visit(context, folder);
        slash = strrchr(group, '/');
        if (slash) *slash = '\0';
    }
}
