/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/process.h"

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* Where the figures go. */
struct sink {
    void (*fn)(void *context, const struct process_figure *figure);
    void *context;
};

static void give(const struct sink *sink, const char *name, bool is_counter, const char *help,
                 double value)
{
    sink->fn(sink->context, &(struct process_figure){name, help, is_counter, value});
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void give_cpu(const struct sink *sink)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    give(sink, "process_cpu_seconds_total", true, "User and system CPU time spent in seconds.",
         seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
}

static void give_memory(const struct sink *sink)
{
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return;
    unsigned long total_pages, resident_pages;
    int fields = fscanf(file, "%lu %lu", &total_pages, &resident_pages);
    fclose(file);
    if (fields != 2)
        return;
    double page_bytes = (double)sysconf(_SC_PAGESIZE);
    give(sink, "process_resident_memory_bytes", false, "Resident memory size in bytes.",
         (double)resident_pages * page_bytes);
    give(sink, "process_virtual_memory_bytes", false, "Virtual memory size in bytes.",
         (double)total_pages * page_bytes);
}

static void give_fds(const struct sink *sink)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        give(sink, "process_max_fds", false, "Maximum number of open file descriptors.",
             (double)limit.rlim_cur);
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    int count = -1; /* the directory itself is open, too */
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    give(sink, "process_open_fds", false, "Number of open file descriptors.", count);
}

static double start_seconds;
static pthread_once_t start_once = PTHREAD_ONCE_INIT;

#ifdef CLOCK_BOOTTIME
/* Field 22 of /proc/self/stat (proc(5)): ticks since boot. The command name
 * before it may hold spaces and parentheses: count from its last ')'. */
static bool read_start_ticks(unsigned long long *ticks)
{
    char line[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return false;
    size_t len = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[len] = '\0';
    const char *p = strrchr(line, ')');
    for (int field = 2; p != NULL && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p != NULL && sscanf(p, " %llu", ticks) == 1;
}
#endif

static void find_start(void)
{
    double now = (double)clock_wall_ns() / 1e9;
    start_seconds = now;
#ifdef CLOCK_BOOTTIME
    unsigned long long ticks;
    struct timespec since_boot;
    if (clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0 || !read_start_ticks(&ticks))
        return;
    double age = (double)since_boot.tv_sec + (double)since_boot.tv_nsec / 1e9 -
                 (double)ticks / (double)sysconf(_SC_CLK_TCK);
    start_seconds = now - age;
#endif
}

void process_read(void (*fn)(void *context, const struct process_figure *figure), void *context)
{
    const struct sink sink = {fn, context};
    pthread_once(&start_once, find_start);
    give_cpu(&sink);
    give_memory(&sink);
    give_fds(&sink);
    give(&sink, "process_start_time_seconds", false,
         "Start time of the process since the Unix epoch in seconds.", start_seconds);
}
