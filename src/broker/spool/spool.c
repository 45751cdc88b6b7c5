/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/spool/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/must.h"
#include "broker/journal/journal.h"
#include "broker/spool/parts.h"
#include "observe/metrics.h"

static const struct broker_driver spool_driver;

/* ---- what is seen ---- */

void spool_status(struct broker *broker, struct spool_status *out)
{
    struct spool *spool = as_spool(broker);
    const struct journal *journal = as_journal(spool->journal);
    const struct backlog *backlog = &spool->backlog;
    int64_t room = atomic_load(&journal->source_room_bytes);
    *out = (struct spool_status){
        .mode = spool_mode(spool),
        .records = atomic_load(&backlog->records) + atomic_load(&backlog->old_records),
        .bytes = atomic_load(&backlog->bytes) + atomic_load(&backlog->old_bytes),
        .drained = atomic_load(&spool->drained),
        .oldest_ns = atomic_load(&spool->oldest_ns),
        .room_bytes = room > 0 ? room : 0,
    };
}

static void refresh(void *context)
{
    struct spool_status status;
    spool_status(context, &status);
    int64_t age_ns = status.oldest_ns > 0 ? clock_wall_ns() - status.oldest_ns : 0;
    metric_series_set(metrics_series(METRIC_SPOOL_STATE, ""), (int64_t)status.mode);
    metric_series_set(metrics_series(METRIC_SPOOL_RECORDS, ""), (int64_t)status.records);
    metric_series_set(metrics_series(METRIC_SPOOL_BYTES, ""), (int64_t)status.bytes);
    metric_series_set(metrics_series(METRIC_SPOOL_ROOM, ""), status.room_bytes);
    metric_series_set(metrics_series(METRIC_SPOOL_OLDEST, ""), age_ns > 0 ? age_ns / NS_PER_S : 0);
}

/* Nothing that was not acked will be: an ack means the disk (delivery). */
static void on_journal_failure(void *context, const struct error *err)
{
    struct spool *spool = context;
    struct error failure = *err;
    error_prefix(&failure, "spool");
    broker_fail(&spool->base, &failure);
}

/* ---- open, close ---- */

static void init(struct spool *spool, struct broker *upstream,
                 const struct broker_config *broker_config, const struct spool_config *config)
{
    broker_init(&spool->base, &spool_driver, broker_config);
    spool->base.config.partitions = upstream->config.partitions;
    spool->upstream = upstream;
    spool->config = *config;
    spool->health = health_check("spool");
    must(pthread_mutex_init(&spool->lock, NULL) == 0);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
#ifdef __linux__
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
    must(pthread_cond_init(&spool->changed, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
}

static void deinit(struct spool *spool)
{
    if (spool->journal != NULL)
        broker_close(spool->journal);
    health_retire(spool->health);
    backlog_deinit(&spool->backlog);
    pthread_cond_destroy(&spool->changed);
    pthread_mutex_destroy(&spool->lock);
    broker_deinit(&spool->base);
    free(spool);
}

static int open_journal(struct spool *spool, struct error *err)
{
    char folder[4096];
    struct broker_config config = spool->base.config;
    int len = spool->config.folder != NULL && spool->config.folder[0] != 0
                  ? snprintf(folder, sizeof folder, "%s", spool->config.folder)
                  : snprintf(folder, sizeof folder, "%s/spool", config.data_dir);
    if (len >= (int)sizeof folder)
        return error_set(err, ERROR_CONFIG, "the folder's name is too long");
    if (mkdir(folder, 0750) != 0 && errno != EEXIST)
        return error_set_errno(err, ERROR_IO, errno,
                               "can't make %s (name another with spool.folder, or do without: "
                               "spool.enabled=false)",
                               folder);
    config.kind = BROKER_JOURNAL;
    config.data_dir = folder;
    config.cap_bytes = spool->config.cap_bytes;
    config.retention_ns = 0; /* what was sent on may go */
    if (broker_open(&spool->journal, &config, err) != 0)
        return -1;
    spool->journal->config.data_dir = NULL; /* was borrowed from here */
    spool->journal->is_inner = true;
    broker_on_failure(spool->journal, on_journal_failure, spool);
    return 0;
}

int spool_open(struct broker **out, struct broker *upstream,
               const struct broker_config *broker_config, const struct spool_config *config,
               struct error *err)
{
    struct spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the spool");
    init(spool, upstream, broker_config, config);
    if (backlog_init(&spool->backlog) != 0) {
        deinit(spool);
        return error_set(err, ERROR_MEMORY, "no memory for the spool");
    }
    if (open_journal(spool, err) != 0 || spool_learn_topics(spool, err) != 0 ||
        keeper_start(spool, err) != 0) {
        deinit(spool);
        return error_prefix(err, "spool");
    }
    metrics_on_scrape(refresh, spool);
    *out = &spool->base;
    return 0;
}

static int open_never(struct broker **out, const struct broker_config *config, struct error *err)
{
    (void)out, (void)config;
    return error_set(err, ERROR_USAGE, "the spool is opened over another broker");
}

static void spool_close(struct broker *broker)
{
    struct spool *spool = as_spool(broker);
    metrics_off_scrape(refresh, spool);
    keeper_stop(spool);
    deinit(spool);
}

static const struct broker_driver spool_driver = {
    .name = "spool",
    .open = open_never,
    .close = spool_close,
    .add_topic = spool_add_topic,
    .offsets = spool_offsets,
    .committed = spool_committed,
    .producer_open = spool_producer_open,
    .publish = spool_publish,
    .flush = spool_flush,
    .poll = spool_poll,
    .wait = spool_wait,
    .recall = spool_recall,
    .producer_close = spool_producer_close,
    .consumer_open = spool_consumer_open,
    .fetch = spool_fetch,
    .idle = spool_idle,
    .commit = spool_commit,
    .seek = spool_seek,
    .next_offset = spool_next_offset,
    .lag = spool_lag,
    .owned = spool_owned,
    .consumer_close = spool_consumer_close,
};
