/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/ceilings.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "observe/metrics.h"

static void set(enum metric id, int64_t value)
{
    metric_series_set(metrics_series(id, ""), value);
}

static void look_at_disk(const char *path)
{
    struct statvfs disk;
    if (statvfs(path, &disk) != 0)
        return;
    set(METRIC_DISK_FREE, (int64_t)(disk.f_bavail * disk.f_frsize));
    set(METRIC_DISK_SIZE, (int64_t)(disk.f_blocks * disk.f_frsize));
}

/* The control group's limit where there is one ("max" is none), in version 2 and
 * 1; else what the machine has. */
static int64_t memory_limit(void)
{
    static const char *const paths[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    int64_t least = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    for (unsigned i = 0; i < 2; i++) {
        FILE *file = fopen(paths[i], "re");
        long long limit;
        if (file == NULL)
            continue;
        if (fscanf(file, "%lld", &limit) == 1 && limit > 0 && limit < least)
            least = limit;
        fclose(file);
    }
    return least;
}

static void refresh(void *context)
{
    look_at_disk(context);
    set(METRIC_MEMORY_LIMIT, memory_limit());
    set(METRIC_CLOCK, clock_wall_ns() / NS_PER_S);
}

void ceilings_add(const char *data_dir)
{
    metrics_on_scrape(refresh, (void *)(uintptr_t)data_dir);
}

void ceilings_remove(const char *data_dir)
{
    metrics_off_scrape(refresh, (void *)(uintptr_t)data_dir);
}
