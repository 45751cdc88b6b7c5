/* SPDX-License-Identifier: Apache-2.0 */
/* What a database back end implements: one const table, one line in
 * registry.c. sink.c calls it, checks the arguments and does the metrics, so
 * that back ends stay small. The functions mean what sink.h says. */
#pragma once

#include "sink/config.h"
#include "sink/sink.h"

struct sink_driver {
    const char *name; /* "sqlite": what settings call it */
    int (*open)(struct sink **out, const struct sink_config *config, bool is_read_only,
                struct error *err);
    void (*close)(struct sink *sink);
    /* Rows were checked against the rules of poison that sink.h names. */
    enum sink_verdict (*write)(struct sink *sink, const struct sink_row *rows, size_t count,
                               struct sink_write_result *result, struct error *err);
    int (*find)(struct sink *sink, const struct sink_query *query, struct sink_cursor *cursor,
                size_t limit, sink_row_fn fn, void *context, struct error *err);
    int (*latest)(struct sink *sink, struct sink_cursor *cursor, size_t limit, sink_row_fn fn,
                  void *context, struct error *err);
    int (*count)(struct sink *sink, const struct sink_query *query, uint64_t *out,
                 struct error *err);
    /* NULL: nothing to report. */
    int (*verify)(const struct sink_config *config, const struct sink_report *report,
                  struct error *err);
    int (*plan)(const struct sink_config *config, const struct sink_report *report,
                struct error *err);
};

/* The first member of each back end's own struct. */
struct sink {
    const struct sink_driver *driver;
};

/* In order of enum sink_kind. */
extern const struct sink_driver *const sink_registry[];

extern const struct sink_driver sqlite_sink_driver;
extern const struct sink_driver memory_sink_driver;
extern const struct sink_driver mongodb_sink_driver;
