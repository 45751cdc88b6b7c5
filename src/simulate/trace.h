/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded packets: bytes of a CSV or NDJSON file in, packets out. A file whose
 * first character is '{' or '[' is NDJSON, any other is CSV with a first line of
 * column names. Streaming; pure; one thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum { TRACE_NOTE_MAX = 512 };

struct trace;

struct trace_packet {
    struct bytes packet;   /* JSON; of an NDJSON line the line as it is */
    struct bytes note;     /* "vehicle,seq,time in ms\n", what is known of it */
    uint64_t vehicle_hash; /* equal for packets of one vehicle */
    int64_t time_ms;
    bool has_time;
};

/* `map`: see simulate/columns.h; must outlive it. NULL without memory. */
struct trace *trace_new(const char *map);
void trace_free(struct trace *trace);

enum trace_step {
    TRACE_MORE,   /* all of the input is taken */
    TRACE_PACKET, /* its views are valid until the next call */
    TRACE_BAD,    /* one line is no packet: trace_line(), trace_problem() */
    TRACE_FAILED, /* the first line makes no sense: *err */
};

/* Take from the front of *in. */
enum trace_step trace_next(struct trace *trace, struct bytes *in, struct trace_packet *packet,
                           struct error *err);
/* The input is over: TRACE_MORE when nothing is left to say. */
enum trace_step trace_finish(struct trace *trace, struct trace_packet *packet, struct error *err);

uint64_t trace_line(const struct trace *trace);
const char *trace_problem(const struct trace *trace);
/* Are its packets lines rather than objects that are known to be well-formed? */
bool trace_is_ndjson(const struct trace *trace);
