#include "daemon/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAST (UINT64_C(64) << 20)

/* A number in a file; UINT64_MAX where there is none ("max"). */
static uint64_t number_in(const char *path)
{
    char text[32], *end = text;
    uint64_t number = UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (file) {
        if (fgets(text, sizeof text, file) != NULL) {
            number = strtoull(text, &end, 10);
        }
        fclose(file);
    }
    return end == text ? UINT64_MAX : number;
}

/* The smallest limit of our control group and of those above it. */
static uint64_t of_groups(char *group)
{
    uint64_t least = UINT64_MAX;
    for (char *end = group + strlen(group); end > group; *end = '\0') {
        char path[4200];
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
        const uint64_t limit = number_in(path);
        least = limit < least ? limit : least;
        end = strrchr(group, '/');
    }
    return least;
}

/* "0::/system.slice/edxd.service" */
static uint64_t of_control_group(void)
{
    char line[4096];
    uint64_t least = UINT64_MAX;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) == 0) {
            least = of_groups(line + 3);
        }
    }
    if (file) {
        fclose(file);
    }
    const uint64_t root = number_in("/sys/fs/cgroup/memory.max"); /* in a container */
    return root < least ? root : least;
}

uint64_t edx_memory_of_machine(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page = sysconf(_SC_PAGESIZE);
    const uint64_t group = of_control_group();
    uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    bytes = (group < bytes ? group : bytes) / 3 * 2;
    return bytes > LEAST ? bytes : LEAST;
}
