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
#include "base/text.h"

static void print_figure(struct buf *out, const char *name, const char *type, const char *help,
                         double value)
{
    char number[TEXT_DOUBLE_MAX];
    size_t len = text_from_double(number, value);
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.*s\n", name, help, name, type, name, (int)len,
               number);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void print_cpu(struct buf *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    print_figure(out, "process_cpu_seconds_total", "counter",
                 "User and system CPU time spent in seconds.",
                 seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
}

static void print_memory(struct buf *out)
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
    print_figure(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                 (double)resident_pages * page_bytes);
    print_figure(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
                 (double)total_pages * page_bytes);
}

static void print_fds(struct buf *out)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        print_figure(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
                     (double)limit.rlim_cur);
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    int count = -1; /* the directory itself is open, too */
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    print_figure(out, "process_open_fds", "gauge", "Number of open file descriptors.", count);
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

int process_print_prometheus(struct buf *out)
{
    pthread_once(&start_once, find_start);
    print_cpu(out);
    print_memory(out);
    print_fds(out);
    print_figure(out, "process_start_time_seconds", "gauge",
                 "Start time of the process since the Unix epoch in seconds.", start_seconds);
    return out->has_failed ? -1 : 0;
}
