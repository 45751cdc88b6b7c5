/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads: one makes messages when they are due and publishes them, the main
 * one shows progress, takes signals and serves /metrics. Message k = 0, 1, 2 … is
 * due at start + k / rate, whatever the broker does (open loop): when there was
 * no room, what is overdue is made as soon as there is. */
#include "simulate/produce.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "broker/topics.h"
#include "net/admin.h"
#include "net/loop.h"
#include "net/server.h"
#include "observe/metrics.h"
#include "simulate/generator.h"
#include "simulate/produce_report.h"

#define STOP_GRACE_NS (5 * NS_PER_S)
#define TTY_PROGRESS_NS NS_PER_S
#define LOG_PROGRESS_NS (5 * NS_PER_S)
#define LOOK_NS (100 * NS_PER_MS) /* without a bell, at least this often */

enum { DIALECT_NUMBERS = 16 };

const char produce_template[] =
    "{\"id\":\"{{uuid}}\",\"timestamp\":\"{{timestamp}}\",\"source\":\"car-{{int 1 500}}\","
    "\"type\":\"{{choice position status event}}\",\"payload\":{\"seq\":{{counter}},"
    "\"lat\":{{float 37.70 37.82}},\"lon\":{{float -122.52 -122.36}},"
    "\"speed\":{{float 0 30 1}},\"heading\":{{int 0 359}},\"charging\":{{bool}},"
    "\"door\":{{choice \"open\" \"closed\"}},\"note\":\"{{string 4 12}}\","
    "\"battery\":{\"level\":{{int 0 100}},\"celsius\":{{float -10 45 1}}}}}";

struct produce {
    const struct produce_options *options;
    struct broker *broker;
    struct generator *generator;
    struct publisher publisher;
    struct letter_file letters;
    struct produce_stats *stats;
    int topic;                   /* -1: by dialect */
    int topics[DIALECT_NUMBERS]; /* -1: not asked yet */
    char topic_name[TOPIC_NAME_MAX + 1];
    enum packet_dialect first_dialect;
    uint64_t next; /* message to be made */
    int64_t start_ns;
    struct error failure;          /* of the thread */
    _Atomic int64_t stop_grace_ns; /* -1: go on */
    atomic_bool has_broker_failed;
    pthread_t thread;
    struct loop *loop;
    struct loop_timer *timer;
    struct server *admin;
    bool is_tty;
    int64_t shown_ns;
    struct produce_stats *shown;
};

void produce_options_defaults(struct produce_options *options)
{
    *options = (struct produce_options){
        .rate = 28,
        .batch = 100,
        .publisher = {.messages_max = 100000,
                      .bytes_max = UINT64_C(256) << 20,
                      .attempts = 8,
                      .backoff_first_ns = 100 * NS_PER_MS,
                      .backoff_max_ns = 10 * NS_PER_S},
        .dead_letters = "motorcade-produce.dead-letters.jsonl",
        .grace_ns = 30 * NS_PER_S,
    };
}

/* ---- where a message goes ---- */

static int topic_by_dialect(struct produce *produce, enum packet_dialect id, struct error *err)
{
    char name[TOPIC_NAME_MAX + 1];
    if (produce->topics[id] >= 0)
        return produce->topics[id];
    struct bytes topic = topics_of_dialect(produce->options->topics, dialect_by_id(id));
    snprintf(name, sizeof name, "%.*s", (int)topic.len, topic.ptr);
    produce->topics[id] = broker_topic(produce->broker, name, 0, err);
    return produce->topics[id];
}

static void divert(struct produce *produce, const struct generated *made, const char *reason,
                   const char *detail)
{
    publisher_divert(&produce->publisher, produce->topic_name, &made->record, reason, detail);
}

static int send_one(struct produce *produce, const struct generated *made, int64_t due_ns,
                    struct error *err)
{
    char detail[120];
    if (made->lacks_key) {
        snprintf(detail, sizeof detail, "there is no text or number at \"%.80s\"",
                 produce->options->key);
        divert(produce, made, "no_key", detail);
        return 0;
    }
    int topic = produce->topic;
    if (topic < 0 && made->dialect == DIALECT_NONE) {
        divert(produce, made, reason_code(made->reject.reason), made->reject.detail);
        return 0;
    }
    if (topic < 0)
        topic = topic_by_dialect(produce, made->dialect, err);
    if (topic >= 0 && publisher_add(&produce->publisher, topic, &made->record, due_ns, err) == 0)
        return 0;
    divert(produce, made, topic < 0 ? "no_topic" : "no_memory", err->text);
    return -1;
}

/* ---- when ---- */

static int64_t due_ns(const struct produce *produce, uint64_t k)
{
    double rate = produce->options->rate;
    return rate > 0 ? produce->start_ns + llrint((double)k * (1e9 / rate)) : 0;
}

static int64_t end_ns(const struct produce *produce)
{
    int64_t duration_ns = produce->options->duration_ns;
    return duration_ns > 0 ? produce->start_ns + duration_ns : INT64_MAX;
}

static bool has_next(const struct produce *produce, int64_t now_ns)
{
    uint64_t count = produce->options->count;
    return (count == 0 || produce->next < count) && now_ns < end_ns(produce) &&
           due_ns(produce, produce->next) < end_ns(produce);
}

static void count_undue(struct produce *produce, int64_t now_ns)
{
    const struct produce_options *options = produce->options;
    if (options->rate <= 0)
        return;
    int64_t until_ns = now_ns < end_ns(produce) ? now_ns : end_ns(produce);
    uint64_t due = (uint64_t)((double)(until_ns - produce->start_ns) * options->rate / 1e9);
    if (options->count > 0 && due > options->count)
        due = options->count;
    if (due > produce->next)
        counter_set(&produce->stats->undue, due - produce->next);
}

/* ---- the thread ---- */

static int make_one(struct produce *produce, int64_t now_ns, struct error *err)
{
    struct generated made;
    int64_t due = produce->options->rate > 0 ? due_ns(produce, produce->next) : now_ns;
    if (generator_next(produce->generator, clock_wall_ns(), &made, err) != 0)
        return -1;
    counter_raise(&produce->stats->behind_ns, (uint64_t)(now_ns - due));
    produce->next++;
    counter_add(&produce->stats->generated, 1);
    counter_add(&produce->stats->generated_bytes, made.record.value.len);
    metrics_add(METRIC_PRODUCE_GENERATED, 0, 1);
    metrics_add(METRIC_PRODUCE_GENERATED_BYTES, 0, (int64_t)made.record.value.len);
    return send_one(produce, &made, due, err);
}

/* How many were made, at most a batch; -1: can't go on. */
static int make_due(struct produce *produce, int64_t now_ns)
{
    int made = 0;
    while (made < (int)produce->options->batch && has_next(produce, now_ns) &&
           due_ns(produce, produce->next) <= now_ns && publisher_has_room(&produce->publisher)) {
        if (make_one(produce, now_ns, &produce->failure) != 0)
            return -1;
        made++;
    }
    return made;
}

static bool must_end(const struct produce *produce)
{
    return atomic_load(&produce->has_broker_failed) ||
           produce->publisher.failure.kind != ERROR_NONE;
}

static int64_t stop_grace(const struct produce *produce)
{
    return atomic_load(&produce->stop_grace_ns);
}

static void rest_until(struct produce *produce, int64_t when_ns)
{
    int64_t now_ns = clock_monotonic_ns();
    int64_t rest_ns = when_ns - now_ns;
    if (rest_ns > 0)
        bell_wait(&produce->publisher.bell, rest_ns < LOOK_NS ? rest_ns : LOOK_NS);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void generate(struct produce *produce)
{
    int64_t now_ns = produce->start_ns;
    while (!must_end(produce) && stop_grace(produce) < 0 && has_next(produce, now_ns)) {
        int made = make_due(produce, now_ns);
        if (made < 0)
            break;
        publisher_pump(&produce->publisher, clock_monotonic_ns());
        int64_t next_ns =
            publisher_has_room(&produce->publisher) ? due_ns(produce, produce->next) : INT64_MAX;
        next_ns = earlier(next_ns, publisher_next_ns(&produce->publisher));
        rest_until(produce, earlier(next_ns, end_ns(produce)));
        now_ns = clock_monotonic_ns();
    }
    count_undue(produce, clock_monotonic_ns());
}

static bool is_settled(const struct produce *produce)
{
    return produce->publisher.count == 0;
}

/* Wait for reports and further attempts, as long as the grace lasts. */
static void settle(struct produce *produce)
{
    int64_t began_ns = clock_monotonic_ns(), now_ns = began_ns;
    while (!is_settled(produce) && !must_end(produce)) {
        int64_t grace_ns =
            stop_grace(produce) < 0 ? produce->options->grace_ns : stop_grace(produce);
        if (now_ns - began_ns >= grace_ns)
            break;
        publisher_pump(&produce->publisher, now_ns);
        if (!is_settled(produce))
            rest_until(produce,
                       earlier(publisher_next_ns(&produce->publisher), began_ns + grace_ns));
        now_ns = clock_monotonic_ns();
    }
    counter_set(&produce->stats->ended_ns, (uint64_t)clock_monotonic_ns());
}

static void on_thread_ended(void *context)
{
    struct produce *produce = context;
    loop_stop(produce->loop);
}

static void *thread_main(void *context)
{
    struct produce *produce = context;
    produce->start_ns = clock_monotonic_ns();
    counter_set(&produce->stats->began_ns, (uint64_t)produce->start_ns);
    generate(produce);
    settle(produce);
    publisher_close(&produce->publisher);
    if (produce->failure.kind == ERROR_NONE)
        produce->failure = produce->publisher.failure;
    loop_post(produce->loop, on_thread_ended, produce);
    return NULL;
}

/* ---- the main thread ---- */

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/* Of the moment: the thread goes on counting. */
static void take_stats(const struct produce_stats *from, struct produce_stats *to)
{
    memset(to, 0, sizeof *to);
    to->generated = counter_get(&from->generated);
    to->generated_bytes = counter_get(&from->generated_bytes);
    to->durable = counter_get(&from->durable);
    to->dead_letters = counter_get(&from->dead_letters);
    to->failed_attempts = counter_get(&from->failed_attempts);
    to->full = counter_get(&from->full);
    to->in_flight = counter_get(&from->in_flight);
    to->behind_ns = counter_get(&from->behind_ns);
    to->undue = counter_get(&from->undue);
    to->began_ns = counter_get(&from->began_ns);
    to->ended_ns = counter_get(&from->ended_ns);
    histogram_merge(&to->latency, &from->latency);
}

static struct produce_report make_report(const struct produce *produce,
                                         const struct produce_stats *stats)
{
    uint64_t until_ns = stats->ended_ns != 0 ? stats->ended_ns : (uint64_t)clock_monotonic_ns();
    return (struct produce_report){
        .stats = stats,
        .topic = produce->topic_name,
        .dead_letters = produce->options->dead_letters,
        .seconds = stats->began_ns == 0 ? 0 : (double)(until_ns - stats->began_ns) / 1e9,
        .cpu_seconds = cpu_seconds(),
    };
}

static void on_timer(void *context)
{
    struct produce *produce = context;
    struct produce_stats *stats = malloc(sizeof *stats);
    if (stats == NULL)
        return;
    take_stats(produce->stats, stats);
    struct produce_report report = make_report(produce, stats);
    int64_t now_ns = clock_monotonic_ns();
    struct buf line;
    buf_init(&line, 0);
    buf_append_text(&line, produce->is_tty ? "\r" : "");
    produce_print_progress(&line, &report, produce->shown,
                           (double)(now_ns - produce->shown_ns) / 1e9);
    buf_append_text(&line, produce->is_tty ? "\x1b[K" : "\n");
    fwrite(line.ptr, 1, line.len, stderr);
    buf_deinit(&line);
    free(produce->shown);
    produce->shown = stats;
    produce->shown_ns = now_ns;
}

static void on_signal(void *context, int number)
{
    (void)number;
    struct produce *produce = context;
    atomic_store(&produce->stop_grace_ns, stop_grace(produce) < 0 ? STOP_GRACE_NS : 0);
    bell_ring(&produce->publisher.bell);
}

/* Any thread. */
static void on_broker_failure(void *context, const struct error *err)
{
    (void)err; /* the broker has logged it */
    struct produce *produce = context;
    atomic_store(&produce->has_broker_failed, true);
    bell_ring(&produce->publisher.bell);
}

static int print_report(const struct produce *produce)
{
    struct produce_report report = make_report(produce, produce->stats);
    struct buf text;
    buf_init(&text, 0);
    if (produce->options->is_json)
        produce_print_json(&text, &report);
    else
        produce_print_text(&text, &report);
    if (!produce->options->is_quiet && produce->is_tty)
        fputs("\r\x1b[K", stderr);
    bool is_written = !text.has_failed && fwrite(text.ptr, 1, text.len, stdout) == text.len &&
                      fflush(stdout) == 0;
    buf_deinit(&text);
    return is_written ? 0 : -1;
}

static int conclude(struct produce *produce, struct error *err)
{
    if (print_report(produce) != 0)
        return error_set(err, ERROR_IO, "write the report to standard output");
    if (produce->failure.kind != ERROR_NONE) {
        if (err != NULL)
            *err = produce->failure;
        return -1;
    }
    const struct produce_stats *stats = produce->stats;
    if (stats->dead_letters > 0)
        return error_set(err, ERROR_REMOTE, "%llu of %llu messages were not published: see %s",
                         (unsigned long long)stats->dead_letters,
                         (unsigned long long)stats->generated, produce->options->dead_letters);
    return 0;
}

/* ---- beginning and end ---- */

/* A first message, made by a generator of its own so that counters begin where
 * they should: does it fit what was asked? */
static int check_template(struct produce *produce, const struct generator_options *options,
                          struct error *err)
{
    struct generator *generator;
    struct generated made = {.dialect = DIALECT_NONE};
    if (generator_new(&generator, options, err) != 0)
        return -1;
    int result = generator_next(generator, clock_wall_ns(), &made, err);
    if (result == 0 && made.lacks_key)
        result = error_set(err, ERROR_CONFIG,
                           "a message of the template has no text or number at \"%.80s\" for its "
                           "key: name another field with --key",
                           produce->options->key);
    else if (result == 0 && produce->options->topic == NULL && made.dialect == DIALECT_NONE)
        result = error_set(err, ERROR_CONFIG,
                           "a message of the template is no packet (%s: %s): mend it, or name a "
                           "topic with --topic",
                           reason_code(made.reject.reason), made.reject.detail);
    produce->first_dialect = made.dialect;
    generator_free(generator);
    return result;
}

static int prepare_generator(struct produce *produce, struct error *err)
{
    const struct produce_options *options = produce->options;
    const struct generator_options generator = {
        .text = options->template,
        .key = options->key,
        .message_bytes = (size_t)options->broker->record_bytes_max,
        .seed = options->seed,
    };
    if (check_template(produce, &generator, err) != 0)
        return -1;
    return generator_new(&produce->generator, &generator, err);
}

static int prepare_broker(struct produce *produce, struct error *err)
{
    const struct produce_options *options = produce->options;
    if (broker_open(&produce->broker, options->broker, err) != 0) {
        struct error cause = *err;
        if (cause.kind == ERROR_BUSY)
            error_set(err, ERROR_BUSY,
                      "%s; or pipe produce --print into motorcade replay, which sends to its "
                      "gateway",
                      cause.text);
        return -1;
    }
    produce->topic = -1;
    for (int i = 0; i < DIALECT_NUMBERS; i++)
        produce->topics[i] = -1;
    snprintf(produce->topic_name, sizeof produce->topic_name, "%s",
             options->topic != NULL ? options->topic : "the packets' own topics");
    /* Now, so that a missing topic is told before anything is made. */
    int topic = options->topic != NULL ? broker_topic(produce->broker, options->topic, 0, err)
                                       : topic_by_dialect(produce, produce->first_dialect, err);
    if (topic < 0)
        return -1;
    if (options->topic != NULL)
        produce->topic = topic;
    return 0;
}

static int prepare(struct produce *produce, struct error *err)
{
    const struct produce_options *options = produce->options;
    produce->stats = calloc(1, sizeof *produce->stats);
    produce->shown = calloc(1, sizeof *produce->shown);
    if (produce->stats == NULL || produce->shown == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to count");
    if (prepare_generator(produce, err) != 0 || prepare_broker(produce, err) != 0 ||
        letter_file_open(&produce->letters, options->dead_letters, err) != 0)
        return -1;
    if (publisher_open(&produce->publisher, produce->broker, &options->publisher, &produce->letters,
                       produce->stats, err) != 0)
        return -1;
    broker_on_failure(produce->broker, on_broker_failure, produce);
    return 0;
}

static int open_loop(struct produce *produce, struct error *err)
{
    produce->loop = loop_new("watch", err);
    if (produce->loop == NULL ||
        loop_on_signal(produce->loop, SIGINT, on_signal, produce, err) != 0 ||
        loop_on_signal(produce->loop, SIGTERM, on_signal, produce, err) != 0)
        return -1;
    if (produce->options->admin != NULL &&
        admin_open(&produce->admin, produce->loop, produce->options->admin, err) != 0)
        return -1;
    produce->timer = loop_timer_new(produce->loop, on_timer, produce);
    if (produce->timer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a timer");
    int64_t every_ns = produce->is_tty ? TTY_PROGRESS_NS : LOG_PROGRESS_NS;
    produce->shown_ns = clock_monotonic_ns();
    if (!produce->options->is_quiet)
        loop_timer_start(produce->timer, every_ns, every_ns);
    return 0;
}

static int run(struct produce *produce, struct error *err)
{
    int failure = pthread_create(&produce->thread, NULL, thread_main, produce);
    if (failure != 0)
        return error_set_errno(err, ERROR_IO, failure, "can't start a thread");
    loop_run(produce->loop);
    pthread_join(produce->thread, NULL);
    /* The report names the file: it must be whole by then. */
    if (letter_file_close(&produce->letters, err) != 0)
        return -1;
    return conclude(produce, err);
}

static void clean_up(struct produce *produce)
{
    if (produce->timer != NULL)
        loop_timer_free(produce->timer);
    if (produce->admin != NULL)
        server_close(produce->admin);
    loop_free(produce->loop);
    publisher_close(&produce->publisher);
    letter_file_close(&produce->letters, NULL);
    if (produce->broker != NULL)
        broker_close(produce->broker);
    generator_free(produce->generator);
    free(produce->shown);
    free(produce->stats);
}

int produce_run(const struct produce_options *options, struct error *err)
{
    struct produce produce = {.options = options,
                              .letters = {.fd = -1},
                              .stop_grace_ns = -1,
                              .is_tty = isatty(STDERR_FILENO) == 1};
    int result = topics_check(options->topics, err);
    if (result == 0)
        result = prepare(&produce, err);
    if (result == 0)
        result = open_loop(&produce, err);
    if (result == 0)
        result = run(&produce, err);
    clean_up(&produce);
    return result;
}
