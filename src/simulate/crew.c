/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/crew.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "observe/log.h"
#include "simulate/report.h"

static const int64_t STOP_GRACE_NS = 5 * NS_PER_S;
static const int64_t TTY_PROGRESS_NS = NS_PER_S;
static const int64_t LOG_PROGRESS_NS = 5 * NS_PER_S;

struct crew {
    const struct crew_options *options;
    struct loop *loop; /* the main thread's */
    struct loop_timer *timer;
    uint32_t playing;
    int64_t shown_ns;
    uint64_t shown_sent;
    bool is_tty;
    struct stats *sum;
};

uint64_t crew_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 256;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static double seconds_played(const struct stats *sum)
{
    if (sum->began_ns == 0)
        return 0;
    uint64_t until_ns = sum->ended_ns != 0 ? sum->ended_ns : (uint64_t)clock_monotonic_ns();
    return until_ns > sum->began_ns ? (double)(until_ns - sum->began_ns) / 1e9 : 0;
}

/* The sum of the moment; the players go on counting. */
static struct report make_report(struct crew *crew)
{
    const struct crew_options *options = crew->options;
    stats_free(crew->sum);
    crew->sum = stats_new();
    for (uint32_t i = 0; i < options->count && crew->sum != NULL; i++)
        stats_merge(crew->sum, options->stats[i]);
    double seconds = crew->sum == NULL ? 0 : seconds_played(crew->sum);
    return (struct report){
        .stats = crew->sum,
        .vehicles = options->vehicles,
        .connections = options->connections,
        .seconds = seconds,
        .cpu_seconds = cpu_seconds(),
        .wants_acks = options->wants_acks,
        .share_done = options->share_done != NULL ? options->share_done(options->context) : -1,
    };
}

static void print_line(struct crew *crew, const char *end)
{
    struct report report = make_report(crew);
    if (report.stats == NULL)
        return;
    int64_t now_ns = clock_monotonic_ns();
    struct buf line;
    buf_init(&line, 0);
    buf_append_text(&line, crew->is_tty ? "\r" : "");
    report_print_progress(&line, &report, crew->shown_sent,
                          (double)(now_ns - crew->shown_ns) / 1e9);
    buf_append_text(&line, crew->is_tty ? "\x1b[K" : "");
    buf_append_text(&line, end);
    crew->shown_ns = now_ns;
    crew->shown_sent = report.stats->sent;
    fwrite(line.ptr, 1, line.len, stderr);
    buf_deinit(&line);
}

/* Connections fail by the thousand: one line tells of the last one. */
static void print_trouble(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->options->count; i++) {
        char trouble[256];
        stats_take_trouble(crew->options->stats[i], trouble);
        if (trouble[0] == '\0')
            continue;
        if (crew->is_tty)
            fputs("\r\x1b[K", stderr);
        log_event(LOG_WARN, "simulate", "trouble with a connection; it is tried again",
                  LOG_T("why", trouble),
                  LOG_I("open", counter_get(&crew->options->stats[i]->is_open)));
        return;
    }
}

static void on_timer(void *context)
{
    struct crew *crew = context;
    print_trouble(crew);
    if (!crew->options->is_quiet)
        print_line(crew, crew->is_tty ? "" : "\n");
}

static void stop_players(struct crew *crew, int64_t grace_ns)
{
    for (uint32_t i = 0; i < crew->options->count; i++)
        player_stop(crew->options->players[i], grace_ns);
}

static void on_signal(void *context, int number)
{
    (void)number;
    stop_players(context, STOP_GRACE_NS);
}

static void on_player_ended(void *context)
{
    struct crew *crew = context;
    if (--crew->playing == 0)
        loop_stop(crew->loop);
}

/* On the player's thread. */
static void on_end(void *context)
{
    struct crew *crew = context;
    loop_post(crew->loop, on_player_ended, crew);
}

static int print_report(struct crew *crew, struct error *err)
{
    struct report report = make_report(crew);
    if (report.stats == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the report");
    for (uint32_t i = 0; i < crew->options->count; i++)
        stats_merge_examples(crew->sum, crew->options->stats[i]);
    struct buf text;
    buf_init(&text, 0);
    if (crew->options->is_json)
        report_print_json(&text, &report);
    else
        report_print_text(&text, &report);
    if (!crew->options->is_quiet && crew->is_tty)
        fputs("\r\x1b[K", stderr);
    bool is_written = fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    buf_deinit(&text);
    if (!is_written)
        return error_set(err, ERROR_IO, "write the report to standard output");
    if (report_is_success(&report))
        return 0;
    if (report.stats->sent == 0 && report.stats->unsettled == 0)
        return error_set(err, ERROR_REMOTE, "nothing was sent");
    return error_set(err, ERROR_REMOTE, "%llu packets were neither acked nor rejected",
                     (unsigned long long)report.stats->unsettled);
}

static int start_players(struct crew *crew, struct error *err)
{
    for (uint32_t i = 0; i < crew->options->count; i++) {
        if (player_start(crew->options->players[i], on_end, crew, err) != 0)
            return -1;
        crew->playing++;
    }
    return 0;
}

static int watch_signals(struct crew *crew, struct error *err)
{
    if (loop_on_signal(crew->loop, SIGINT, on_signal, crew, err) != 0)
        return -1;
    return loop_on_signal(crew->loop, SIGTERM, on_signal, crew, err);
}

static int play(struct crew *crew, struct error *err)
{
    int64_t every_ns = crew->is_tty ? TTY_PROGRESS_NS : LOG_PROGRESS_NS;
    crew->shown_ns = clock_monotonic_ns();
    int result = watch_signals(crew, err);
    if (result == 0)
        result = start_players(crew, err);
    if (result != 0)
        stop_players(crew, 0); /* those that did start */
    crew->timer = loop_timer_new(crew->loop, on_timer, crew);
    loop_timer_start(crew->timer, every_ns, every_ns);
    if (crew->playing > 0)
        loop_run(crew->loop);
    for (uint32_t i = 0; i < crew->options->count; i++)
        player_join(crew->options->players[i]);
    loop_timer_free(crew->timer);
    return result;
}

int crew_run(const struct crew_options *options, struct error *err)
{
    struct crew crew = {.options = options, .is_tty = isatty(STDERR_FILENO) == 1};
    crew.loop = loop_new("watch", err);
    if (crew.loop == NULL)
        return -1;
    int result = play(&crew, err);
    if (result == 0) {
        print_trouble(&crew);
        result = print_report(&crew, err);
    }
    loop_free(crew.loop);
    stats_free(crew.sum);
    return result;
}
