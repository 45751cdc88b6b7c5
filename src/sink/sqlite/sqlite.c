/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded store: <data>/store/ with one SQLite file per span of received
 * time, latest.db and a lock.
 *
 * Writing a row as a row costs an index entry each; at 200,000 vehicles nearly
 * every one is a page of its own. So a batch becomes one chunk: its rows sorted
 * by (H64(vehicle), time, identity), taken apart into columns (page.h), a few
 * dozen pages and as many index entries, in one durable transaction that other
 * processes see at once. A second thread merges chunks into larger runs, where
 * a vehicle's rows lie together (merge.c).
 *
 * Once, in effect: a row newer than the newest of its vehicle is new
 * (newest.h). Anything else is looked up in every run, of all files, whose
 * ranges of time or order can hold it (lookup.h). The identity decides. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sink/driver.h"
#include "sink/sqlite/read.h"
#include "sink/sqlite/writer.h"

struct sqlite_sink {
    struct sink sink;
    struct writer *writer; /* NULL when reading only */
    struct store_reader reader;
};

static int sqlite_open(struct sink **out, const struct sink_config *config, bool is_read_only,
                       struct error *err)
{
    char folder[4000];
    snprintf(folder, sizeof folder, "%s/store", config->data_dir);
    if (is_read_only && access(folder, R_OK | X_OK) != 0)
        return error_set(err, ERROR_NOT_FOUND, "no store in %s", config->data_dir);
    struct sqlite_sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    sink->sink.driver = &sqlite_sink_driver;
    if (store_reader_init(&sink->reader, folder, err) != 0) {
        free(sink);
        return -1;
    }
    if (!is_read_only && writer_open(&sink->writer, config, err) != 0) {
        store_reader_deinit(&sink->reader);
        free(sink);
        return -1;
    }
    *out = &sink->sink;
    return 0;
}

static void sqlite_close(struct sink *base)
{
    struct sqlite_sink *sink = (struct sqlite_sink *)base;
    store_reader_deinit(&sink->reader);
    if (sink->writer != NULL)
        writer_close(sink->writer);
    free(sink);
}

static enum sink_verdict sqlite_write(struct sink *base, const struct sink_row *rows, size_t count,
                                      struct sink_write_result *result, struct error *err)
{
    struct sqlite_sink *sink = (struct sqlite_sink *)base;
    if (sink->writer != NULL)
        return writer_write(sink->writer, rows, count, result, err);
    error_set(err, ERROR_CONFIG, "this store was opened for reading only");
    return SINK_RETRY;
}

static int sqlite_find(struct sink *base, const struct sink_query *query,
                       struct sink_cursor *cursor, size_t limit, sink_row_fn fn, void *context,
                       struct error *err)
{
    struct sqlite_sink *sink = (struct sqlite_sink *)base;
    return read_find(&sink->reader, query, cursor, limit, fn, context, err);
}

static int sqlite_latest(struct sink *base, struct sink_cursor *cursor, size_t limit,
                         sink_row_fn fn, void *context, struct error *err)
{
    struct sqlite_sink *sink = (struct sqlite_sink *)base;
    return read_latest(&sink->reader, cursor, limit, fn, context, err);
}

static int sqlite_count(struct sink *base, const struct sink_query *query, uint64_t *out,
                        struct error *err)
{
    struct sqlite_sink *sink = (struct sqlite_sink *)base;
    return read_count(&sink->reader, query, out, err);
}

const struct sink_driver sqlite_sink_driver = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .write = sqlite_write,
    .find = sqlite_find,
    .latest = sqlite_latest,
    .count = sqlite_count,
};
