/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/journal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "broker/journal/meta.h"
#include "broker/journal/producer.h"
#include "broker/readonly.h"
#include "observe/log.h"
#include "observe/metrics.h"

/* ---- waking ---- */

bool journal_wait_progress(struct journal *journal, int64_t deadline_ns)
{
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns >= deadline_ns)
        return false;
#ifndef __linux__
    deadline_ns += clock_wall_ns() - now_ns;
#endif
    struct timespec until = {deadline_ns / NS_PER_S, deadline_ns % NS_PER_S};
    journal->waiters++;
    int result = pthread_cond_timedwait(&journal->progress, &journal->wake_lock, &until);
    journal->waiters--;
    return result != ETIMEDOUT;
}

void journal_wake_waiters(struct journal *journal)
{
    if (journal->waiters > 0)
        pthread_cond_broadcast(&journal->progress);
}

/* ---- open ---- */

static int64_t cap_of(const struct journal_io *io, const struct broker_config *config)
{
    if (config->cap_bytes > 0)
        return config->cap_bytes;
    int64_t disk = io->disk_bytes(io->context, config->data_dir);
    return disk > 0 ? disk / 10 : INT64_C(1) << 30;
}

/* At least eight segments under the cap, or it could not be kept. */
static uint64_t segment_bytes_for(int64_t wanted, int64_t cap, int64_t parts)
{
    int64_t bytes = cap / parts < wanted ? cap / parts : wanted;
    return (uint64_t)(bytes < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : bytes);
}

static int64_t reserve_of(const struct journal *journal, uint64_t segment_bytes)
{
    int64_t reserve = journal->cap_bytes / 8;
    int64_t least = 2 * (int64_t)segment_bytes;
    return reserve < least ? least : reserve;
}

static void init(struct journal *journal, const struct broker_config *config)
{
    broker_init(&journal->base, &journal_driver, config);
    journal->io = &journal_io_posix;
    queue_init(&journal->queue);
    list_init(&journal->consumers);
    pthread_condattr_t monotonic;
    must(pthread_mutex_init(&journal->wake_lock, NULL) == 0);
    pthread_condattr_init(&monotonic);
#ifdef __linux__
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
    must(pthread_cond_init(&journal->progress, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
}

static void deinit(struct journal *journal)
{
    preparer_stop(journal->preparer);
    journal_files_close(&journal->files);
    queue_deinit(&journal->queue);
    pthread_mutex_destroy(&journal->wake_lock);
    pthread_cond_destroy(&journal->progress);
    broker_deinit(&journal->base);
    free(journal);
}

static int open_files(struct journal *journal, struct error *err)
{
    const struct broker_config *config = &journal->base.config;
    journal->cap_bytes = cap_of(journal->io, config);
    struct journal_files_options options = {
        .data_dir = config->data_dir,
        .segment_bytes = segment_bytes_for(config->segment_bytes, journal->cap_bytes, 16),
        .dead_segment_bytes =
            segment_bytes_for(config->segment_bytes, config->dead_letter_cap_bytes, 8),
        .is_readonly = journal->base.is_readonly,
    };
    journal->reserve_bytes = reserve_of(journal, options.segment_bytes);
    if (config->durability != DURABILITY_FSYNC)
        options.reserve = options.segment_bytes / RECORD_BYTES_MIN;
    if (!options.is_readonly && journal->io == &journal_io_posix) {
        if (preparer_start(&journal->preparer, journal->io, err) != 0)
            return -1;
        options.spare_hooks = (struct seglog_hooks){.spare_context = journal->preparer,
                                                    .take_spare = preparer_take,
                                                    .want_spare = preparer_want};
    }
    return journal_files_open(&journal->files, journal->io, &options, &journal->base.topics,
                              &journal->base.groups, err);
}

static void announce(const struct journal *journal)
{
    static const char *const names[] = {"fsync", "interval", "none"};
    int durability = journal->base.config.durability;
    log_event(durability == DURABILITY_FSYNC ? LOG_INFO : LOG_WARN, "journal",
              durability == DURABILITY_FSYNC
                  ? "an ack means: on disk"
                  : "an ack means: written, not yet on disk; a power cut can lose acked packets",
              LOG_T("durability", names[durability]), LOG_T("folder", journal->files.dir),
              LOG_I("cap_bytes", journal->cap_bytes));
    for (int i = 0; i < 3; i++)
        metrics_add(METRIC_JOURNAL_DURABILITY, (unsigned)i,
                    (i == durability) - metrics_value(METRIC_JOURNAL_DURABILITY, (unsigned)i));
}

int journal_open_over(struct broker **out, const struct broker_config *config,
                      const struct journal_io *io, struct error *err)
{
    if (config->data_dir == NULL || config->data_dir[0] == 0)
        return error_set(err, ERROR_CONFIG, "the journal needs a data folder: set --data");
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a broker");
    init(journal, config);
    journal->io = io;
    if (open_files(journal, err) != 0) {
        deinit(journal);
        return -1;
    }
    retention_run(journal);
    if (writer_start(journal, err) != 0) {
        deinit(journal);
        return -1;
    }
    announce(journal);
    *out = &journal->base;
    return 0;
}

static int journal_open(struct broker **out, const struct broker_config *config, struct error *err)
{
    return journal_open_over(out, config, &journal_io_posix, err);
}

int broker_open_readonly(struct broker **out, const char *data_dir, struct error *err)
{
    struct broker_config config = {.kind = BROKER_JOURNAL,
                                   .data_dir = data_dir,
                                   .segment_bytes = SEGMENT_BYTES_MIN,
                                   .cap_bytes = 1,
                                   .partitions = 1};
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a broker");
    init(journal, &config);
    journal->base.is_readonly = true;
    if (open_files(journal, err) != 0) {
        deinit(journal);
        return -1;
    }
    *out = &journal->base;
    return 0;
}

/* ---- close ---- */

static void journal_close(struct broker *broker)
{
    struct journal *journal = as_journal(broker);
    writer_stop(journal);
    struct error err = {0};
    if (!broker->is_readonly && !broker_has_failed(broker) &&
        journal_files_finish(&journal->files, &err) != 0)
        log_error("journal", "not closed in order: the next start recovers", &err);
    while (journal->zombies != NULL) {
        struct journal_producer *producer = journal->zombies;
        journal->zombies = producer->next_zombie;
        journal_producer_free(producer);
    }
    deinit(journal);
}

/* ---- small functions of the table ---- */

static int journal_add_topic(struct broker *broker, int number, struct error *err)
{
    struct journal *journal = as_journal(broker);
    if (journal_files_add_topic(&journal->files, number, err) != 0)
        return -1;
    atomic_fetch_add(&journal->files.watermark->generation, 1);
    return 0;
}

static int journal_offsets(struct broker *broker, int topic, int partition,
                           struct broker_offsets *out, struct error *err)
{
    (void)err;
    struct journal *journal = as_journal(broker);
    out->end = atomic_load(&journal_partition(journal, topic, partition)->end);
    out->earliest =
        seglog_earliest(journal_files_log(&journal->files, topic), topic, partition, out->end);
    if (out->earliest > out->end) /* written, not yet durable */
        out->earliest = out->end;
    return 0;
}

const struct broker_driver journal_driver = {
    .name = "journal",
    .open = journal_open,
    .close = journal_close,
    .add_topic = journal_add_topic,
    .offsets = journal_offsets,
    .producer_open = journal_producer_open,
    .publish = journal_publish,
    .flush = journal_flush,
    .poll = journal_poll,
    .wait = journal_wait,
    .recall = journal_recall,
    .producer_close = journal_producer_close,
    .consumer_open = journal_consumer_open,
    .fetch = journal_fetch,
    .commit = journal_commit,
    .seek = journal_seek,
    .next_offset = journal_next_offset,
    .owned = journal_owned,
    .consumer_close = journal_consumer_close,
};
