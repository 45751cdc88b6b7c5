/* SPDX-License-Identifier: Apache-2.0 */
/* The front of all sinks: arguments checked once, metrics counted once. */
#include "base/clock.h"
#include "base/must.h"
#include "observe/metrics.h"
#include "sink/driver.h"
#include "sink/key.h"

int sink_open(struct sink **out, const struct sink_config *config, bool is_read_only,
              struct error *err)
{
    *out = NULL;
    return sink_registry[config->kind]->open(out, config, is_read_only, err);
}

void sink_close(struct sink *sink)
{
    if (sink != NULL)
        sink->driver->close(sink);
}

/* What can never be stored; NULL when the row is fine. */
static const char *row_fault(const struct sink_row *row)
{
    const struct packet *packet = &row->packet;
    if (packet->vehicle.len == 0 || packet->vehicle.len > PACKET_VEHICLE_MAX)
        return "the vehicle must have 1 to 64 bytes";
    if (row->canonical.len == 0 || row->canonical.len > SINK_CANONICAL_MAX)
        return "the canonical packet is empty or longer than 16 MiB";
    if (key_load_be64(packet->identity.bytes) != hash64(packet->vehicle))
        return "the identity does not belong to the vehicle";
    if (key_load_be64(packet->identity.bytes + 8) != packet->order)
        return "the identity does not hold the order";
    if (memchr(packet->vehicle.ptr, '\0', packet->vehicle.len) != NULL)
        return "the vehicle holds a NUL";
    return NULL;
}

static enum sink_verdict check_rows(const struct sink_row *rows, size_t count,
                                    struct sink_write_result *result, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *fault = row_fault(&rows[i]);
        if (fault != NULL) {
            result->poison_index = i;
            error_set(err, ERROR_REMOTE, "row %zu can't be stored: %s", i, fault);
            return SINK_POISON;
        }
    }
    return SINK_STORED;
}

static void observe_write(enum sink_verdict verdict, const struct sink_write_result *result,
                          size_t count, int64_t duration_ns)
{
    metrics_add(METRIC_SINK_WRITES, verdict, 1);
    if (verdict != SINK_STORED && verdict != SINK_PARTIAL)
        return;
    metrics_add(METRIC_SINK_ROWS, 0, (int64_t)result->stored);
    metrics_add(METRIC_SINK_DUPLICATES, 0, (int64_t)result->duplicates);
    metrics_add(METRIC_SINK_CONFLICTS, 0, (int64_t)result->conflicts);
    metrics_observe(METRIC_SINK_BATCH_ROWS, 0, (int64_t)count);
    metrics_observe(METRIC_SINK_WRITE_SECONDS, 0, duration_ns);
}

enum sink_verdict sink_write(struct sink *sink, const struct sink_row *rows, size_t count,
                             struct sink_write_result *result, struct error *err)
{
    int64_t start_ns = clock_monotonic_ns();
    *result = (struct sink_write_result){0};
    enum sink_verdict verdict = check_rows(rows, count, result, err);
    if (verdict == SINK_STORED && count > 0)
        verdict = sink->driver->write(sink, rows, count, result, err);
    observe_write(verdict, result, count, clock_monotonic_ns() - start_ns);
    return verdict;
}

static size_t page_limit(size_t limit)
{
    return limit < SINK_PAGE_MAX ? limit : SINK_PAGE_MAX;
}

int sink_find(struct sink *sink, const struct sink_query *query, struct sink_cursor *cursor,
              size_t limit, sink_row_fn fn, void *context, struct error *err)
{
    must(limit > 0);
    if (cursor->is_end)
        return 0;
    return sink->driver->find(sink, query, cursor, page_limit(limit), fn, context, err);
}

int sink_latest(struct sink *sink, struct sink_cursor *cursor, size_t limit, sink_row_fn fn,
                void *context, struct error *err)
{
    must(limit > 0);
    if (cursor->is_end)
        return 0;
    return sink->driver->latest(sink, cursor, page_limit(limit), fn, context, err);
}

int sink_count(struct sink *sink, const struct sink_query *query, uint64_t *out, struct error *err)
{
    *out = 0;
    return sink->driver->count(sink, query, out, err);
}

int sink_verify(const struct sink_config *config, const struct sink_report *report,
                struct error *err)
{
    const struct sink_driver *driver = sink_registry[config->kind];
    return driver->verify == NULL ? 0 : driver->verify(config, report, err);
}

int sink_plan(const struct sink_config *config, const struct sink_report *report, struct error *err)
{
    const struct sink_driver *driver = sink_registry[config->kind];
    return driver->plan == NULL ? 0 : driver->plan(config, report, err);
}
