/* SPDX-License-Identifier: Apache-2.0 */
/* What may go, and whether there is room. Whole sealed segments, and only when
 * every group that reads their topics is done with them:
 *   - by age, of the newest received time in them;
 *   - at the cap, even younger ones, oldest first: a single machine whose
 *     consumers keep up would else stop for ever once it had filled its cap.
 *     Topics that no group reads are not "consumed": those keep their age.
 * Where that does not make room, sources are told FULL; what handlers make of
 * consumed records may use a reserve, so that a full journal can be worked off.
 * A removed segment may leave a hole in the positions: readers step over it.
 * Dead letters have a quota of their own: above it the oldest go. */
#include "base/clock.h"
#include "broker/journal/journal.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum removal { REMOVED_BY_AGE, REMOVED_BY_CAP, REMOVED_BY_QUOTA };

/* With the groups' lock held. */
static bool is_consumed(struct journal *journal, const struct segment *segment, bool by_someone)
{
    for (size_t i = 0; i < segment->entry_count; i++) {
        const struct segment_entry *entry = &segment->entries[i];
        int64_t least = groups_least_durable(&journal->base.groups, entry->topic, entry->partition);
        if (least == INT64_MAX ? by_someone : least < entry->next_offset)
            return false;
    }
    return true;
}

static void drop(struct journal *journal, struct seglog *log, struct segment *segment,
                 enum removal why)
{
    static const char *const reasons[] = {"age", "cap", "quota"};
    log_event(why == REMOVED_BY_AGE ? LOG_DEBUG : LOG_INFO, "journal", "segment removed",
              LOG_T("segment", segment->path), LOG_T("why", reasons[why]),
              LOG_I("bytes", segment->size));
    metrics_add(METRIC_JOURNAL_SEGMENTS_REMOVED, (unsigned)why, 1);
    seglog_drop(log, segment);
    journal_files_publish(&journal->files, true);
}

static void drop_aged(struct journal *journal)
{
    struct seglog *log = &journal->files.data;
    int64_t before = clock_wall_ns() - journal->base.config.retention_ns;
    for (size_t i = 0; i < log->count;) {
        struct segment *segment = log->segments[i];
        if (!segment->is_sealed || segment_time_max(segment) >= before)
            return;
        groups_lock(&journal->base.groups);
        bool may_go = is_consumed(journal, segment, false);
        groups_unlock(&journal->base.groups);
        if (may_go)
            drop(journal, log, segment, REMOVED_BY_AGE);
        else
            i++;
    }
}

/* The spare that waits to be the next segment counts. */
static int64_t used_bytes(const struct seglog *log)
{
    int64_t spare = log->count == 0 ? 0 : (int64_t)log->segments[log->count - 1]->size;
    return atomic_load(&log->bytes_on_disk) + spare;
}

static void drop_consumed(struct journal *journal, int64_t target)
{
    struct seglog *log = &journal->files.data;
    for (size_t i = 0; i < log->count && used_bytes(log) > target;) {
        struct segment *segment = log->segments[i];
        groups_lock(&journal->base.groups);
        bool may_go = segment->is_sealed && is_consumed(journal, segment, true);
        groups_unlock(&journal->base.groups);
        if (may_go)
            drop(journal, log, segment, REMOVED_BY_CAP);
        else
            i++;
    }
}

static int64_t records_in(const struct segment *segment)
{
    int64_t records = 0;
    for (size_t i = 0; i < segment->entry_count; i++)
        records += segment->entries[i].next_offset - segment->entries[i].first_offset;
    return records;
}

static void drop_dead(struct journal *journal)
{
    struct seglog *log = &journal->files.dead;
    while (log->count > 1 && log->segments[0]->is_sealed &&
           used_bytes(log) > journal->base.config.dead_letter_cap_bytes) {
        int64_t records = records_in(log->segments[0]);
        metrics_add(METRIC_JOURNAL_DEAD_LETTERS_DROPPED, 0, records);
        log_event(LOG_WARN, "journal", "dead letters dropped: their quota is used up",
                  LOG_I("records", records),
                  LOG_I("quota_bytes", journal->base.config.dead_letter_cap_bytes));
        drop(journal, log, log->segments[0], REMOVED_BY_QUOTA);
    }
}

void retention_set_room(struct journal *journal)
{
    const struct seglog *log = &journal->files.data;
    int64_t room = journal->cap_bytes - used_bytes(log);
    if (log->active != NULL)
        room += (int64_t)(log->active->size - (log->end - log->active->first));
    atomic_store_explicit(&journal->room_bytes, room, memory_order_relaxed);
    atomic_store_explicit(&journal->source_room_bytes, room - journal->reserve_bytes,
                          memory_order_relaxed);
}

static enum fullness fullness_of(const struct journal *journal)
{
    if (atomic_load(&journal->room_bytes) <= 0)
        return FULL_FOR_ALL;
    return atomic_load(&journal->source_room_bytes) <= (int64_t)journal->files.data.segment_bytes
               ? FULL_FOR_SOURCES
               : FULL_NOT;
}

static void set_fullness(struct journal *journal)
{
    retention_set_room(journal);
    int now = (int)fullness_of(journal);
    int before = atomic_exchange(&journal->fullness, now);
    int64_t used = used_bytes(&journal->files.data);
    if (now > before)
        log_event(LOG_WARN, "journal", "the cap is reached: no acks until consumers catch up",
                  LOG_I("used_bytes", used), LOG_I("cap_bytes", journal->cap_bytes));
    if (now >= before)
        return;
    log_event(LOG_INFO, "journal", "there is room again", LOG_I("used_bytes", used));
    broker_wake_for_room(&journal->base);
    pthread_mutex_lock(&journal->wake_lock);
    journal_wake_waiters(journal);
    pthread_mutex_unlock(&journal->wake_lock);
}

static void set_gauges(struct journal *journal)
{
    metric_series_set(metrics_series(METRIC_JOURNAL_BYTES, "log=\"data\""),
                      atomic_load(&journal->files.data.bytes_on_disk));
    metric_series_set(metrics_series(METRIC_JOURNAL_BYTES, "log=\"dead_letters\""),
                      atomic_load(&journal->files.dead.bytes_on_disk));
    metric_series_set(metrics_series(METRIC_JOURNAL_SEGMENTS, "log=\"data\""),
                      (int64_t)journal->files.data.count);
    metric_series_set(metrics_series(METRIC_JOURNAL_SEGMENTS, "log=\"dead_letters\""),
                      (int64_t)journal->files.dead.count);
    metric_series_set(metrics_series(METRIC_JOURNAL_CAP, "log=\"data\""), journal->cap_bytes);
    metric_series_set(metrics_series(METRIC_JOURNAL_FULL, "log=\"data\""),
                      atomic_load(&journal->fullness));
}

void retention_run(struct journal *journal)
{
    int64_t stop_at = journal->cap_bytes - journal->reserve_bytes;
    drop_aged(journal);
    if (used_bytes(&journal->files.data) > stop_at)
        drop_consumed(journal, stop_at - (int64_t)journal->files.data.segment_bytes);
    drop_dead(journal);
    set_fullness(journal);
    set_gauges(journal);
}
