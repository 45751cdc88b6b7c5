/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sink/config.h"
#include "sink/sink.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/rows.h"

enum { PAGE = 1000, FLUSH_BYTES = 1 << 16 };

static const char *vehicle, *from, *to, *format_name, *limit_text;
static bool wants_count, wants_vehicles;

static const struct option own_options[] = {
    {.name = "vehicle",
     .letter = 'v',
     .argument = "VEHICLE",
     .text = &vehicle,
     .help = "packets of this vehicle only"},
    {.name = "from",
     .argument = "TIME",
     .text = &from,
     .help = "event time at or after this: RFC 3339, or seconds since 1970"},
    {.name = "to", .argument = "TIME", .text = &to, .help = "event time before this"},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .text = &format_name,
     .help = "table (default), csv, or json: one packet a line"},
    {.name = "limit",
     .letter = 'n',
     .argument = "N",
     .text = &limit_text,
     .help = "at most so many packets"},
    {.name = "count", .flag = &wants_count, .help = "print only how many there are"},
    {.name = "vehicles", .flag = &wants_vehicles, .help = "each vehicle's newest packet"},
};

static const struct command command = {
    .name = "query",
    .help = "Prints stored packets, a vehicle's in order of time. Works while the store writes.",
    .options = own_options,
    .option_count = sizeof own_options / sizeof own_options[0],
    .takes_config = true,
};

struct query {
    struct sink *sink;
    struct sink_query what;
    enum rows_format format;
    uint64_t limit; /* 0 = none */
    uint64_t given;
    struct buf out;
    bool has_failed; /* standard output */
};

/* ---- arguments ---- */

static int read_time(const char *option, const char *text, int64_t *out, struct error *err)
{
    double seconds;
    struct bytes bytes = bytes_from_text(text);
    if (text_to_time_ms(bytes, out))
        return 0;
    if (text_to_double(bytes, &seconds) && seconds > -1e11 && seconds < 1e12) {
        double ms = seconds * 1000;
        *out = (int64_t)(ms < 0 ? ms - 0.5 : ms + 0.5);
        return 0;
    }
    return error_set(err, ERROR_USAGE,
                     "--%s %.60s: wants a time like 2008-05-20T07:00:00Z or seconds since 1970",
                     option, text);
}

static int read_limit(struct query *query, struct error *err)
{
    if (limit_text != NULL &&
        (!text_to_u64(bytes_from_text(limit_text), &query->limit) || query->limit == 0))
        return error_set(err, ERROR_USAGE, "--limit %.40s: wants a number from 1", limit_text);
    return 0;
}

static int read_arguments(struct query *query, struct error *err)
{
    query->what = (struct sink_query){.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    if (vehicle != NULL)
        query->what.vehicle = bytes_from_text(vehicle);
    if (vehicle != NULL &&
        (query->what.vehicle.len == 0 || query->what.vehicle.len > PACKET_VEHICLE_MAX))
        return error_set(err, ERROR_USAGE, "--vehicle: wants 1 to %d bytes", PACKET_VEHICLE_MAX);
    if (format_name != NULL && !rows_format_from(format_name, &query->format))
        return error_set(err, ERROR_USAGE, "--format %.40s: wants table, csv or json", format_name);
    if (wants_vehicles && (vehicle != NULL || from != NULL || to != NULL))
        return error_set(err, ERROR_USAGE,
                         "--vehicles lists all vehicles: leave --vehicle, --from and --to out");
    if ((from != NULL && read_time("from", from, &query->what.from_ms, err) != 0) ||
        (to != NULL && read_time("to", to, &query->what.to_ms, err) != 0))
        return -1;
    return read_limit(query, err);
}

/* ---- printing ---- */

static bool flush(struct query *query)
{
    if (query->out.has_failed ||
        fwrite(query->out.ptr, 1, query->out.len, stdout) != query->out.len)
        query->has_failed = true;
    buf_clear(&query->out);
    return !query->has_failed;
}

static bool print_row(void *context, const struct sink_row *row)
{
    struct query *query = context;
    query->given++;
    if (!wants_count)
        rows_put(query->format, &row->packet, row->canonical, &query->out);
    if (query->out.len >= FLUSH_BYTES && !flush(query))
        return false;
    return query->limit == 0 || query->given < query->limit;
}

static int print_rows(struct query *query, struct error *err)
{
    struct sink_cursor cursor = {0};
    if (!wants_count)
        rows_put_header(query->format, &query->out);
    while (!cursor.is_end && !query->has_failed &&
           (query->limit == 0 || query->given < query->limit)) {
        int rc = wants_vehicles
                     ? sink_latest(query->sink, &cursor, PAGE, print_row, query, err)
                     : sink_find(query->sink, &query->what, &cursor, PAGE, print_row, query, err);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int print_count(struct query *query, struct error *err)
{
    int rc = wants_vehicles ? print_rows(query, err)
                            : sink_count(query->sink, &query->what, &query->given, err);
    buf_append_u64(&query->out, query->given);
    buf_append_char(&query->out, '\n');
    return rc;
}

/* What was found until an error is printed, too. */
static int print(struct query *query, struct error *err)
{
    buf_init(&query->out, 0);
    int rc = wants_count ? print_count(query, err) : print_rows(query, err);
    flush(query);
    if (fflush(stdout) != 0)
        query->has_failed = true;
    buf_deinit(&query->out);
    if (rc == 0 && query->has_failed)
        rc = error_set_errno(err, ERROR_IO, errno, "standard output");
    return rc;
}

/* ---- the store ---- */

static int open_store(struct query *query, const struct options *options,
                      const struct config *config, struct error *err)
{
    const struct sink_config *settings = config_get(config, &sink_module);
    struct sink_config own = *settings;
    if (own.data_dir == NULL || own.data_dir[0] == '\0')
        own.data_dir = options->data_dir;
    if (sink_open(&query->sink, &own, true, err) == 0)
        return 0;
    if (err->kind == ERROR_NOT_FOUND)
        error_set(err, ERROR_NOT_FOUND,
                  "no store in %.300s: start motorcade run, or name the folder with --data",
                  own.data_dir);
    return -1;
}

static int run(struct options *options, struct error *err)
{
    struct query query = {0};
    struct config *config;
    if (read_arguments(&query, err) != 0 || options_load(options, &config, err) != 0)
        return -1;
    int rc = open_store(&query, options, config, err);
    if (rc == 0) {
        rc = print(&query, err);
        sink_close(query.sink);
    }
    config_unref(config);
    return rc;
}

int query_tool(int argc, char **argv)
{
    struct options options;
    struct error err = {0};
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    code = run(&options, &err) == 0 ? 0 : output_error(command.name, &err);
    options_deinit(&options);
    return code;
}
