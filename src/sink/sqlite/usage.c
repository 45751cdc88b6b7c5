/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "observe/metrics.h"

enum { STAT_BLOCK = 512 }; /* stat(2): the unit of st_blocks */

static void set(enum metric id, int64_t value)
{
    metric_series_set(metrics_series(id, ""), value);
}

/* Logs and files set aside count as well. METRIC_ABSENT when it can't be read. */
static int64_t bytes_in(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return METRIC_ABSENT;
    int64_t bytes = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct stat file;
        if (fstatat(dirfd(folder), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(file.st_mode))
            bytes += (int64_t)file.st_blocks * STAT_BLOCK;
    }
    closedir(folder);
    return bytes;
}

static int64_t rows_in(struct writer *writer)
{
    int64_t rows = 0;
    pthread_mutex_lock(&writer->mutex);
    for (size_t i = 0; i < writer->directory.count; i++) {
        const struct span *span = writer->directory.spans[i];
        for (size_t j = 0; j < span->run_count; j++)
            rows += span->runs[j].run.rows;
    }
    pthread_mutex_unlock(&writer->mutex);
    return rows;
}

void usage_observe(struct writer *writer, int64_t now_ns)
{
    if (now_ns < writer->usage_at_ns)
        return;
    writer->usage_at_ns = now_ns + NS_PER_S;
    set(METRIC_SINK_STORED_ROWS, rows_in(writer));
    set(METRIC_SINK_DISK_BYTES, bytes_in(writer->directory.path));
}

void usage_end(void)
{
    set(METRIC_SINK_STORED_ROWS, METRIC_ABSENT);
    set(METRIC_SINK_DISK_BYTES, METRIC_ABSENT);
}
