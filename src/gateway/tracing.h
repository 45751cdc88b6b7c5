/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's spans: from the turn in which a packet was read to its record
 * being durable. Spans of records under way are kept here, bounded, by sequence;
 * a flight entry says which records have one, so that all others cost nothing.
 * One per loop. */
#pragma once

#include "base/bytes.h"
#include "observe/trace.h"
#include "vehicle/packet.h"

enum { TRACING_MAX = 256 }; /* traced records under way; more are not traced */

struct traced {
    uint64_t sequence;
    struct span span;
};

struct tracing {
    struct trace_sampler sampler;
    struct traced *items; /* TRACING_MAX, from the first traced packet on */
    size_t count;
};

void tracing_deinit(struct tracing *tracing);

/* Is this packet to be traced? `parent`: what the HTTP request said, or NULL.
 * True: *out is its context. now_ns: monotonic. */
bool tracing_begin(struct tracing *tracing, const struct trace_context *parent, int64_t now_ns,
                   struct trace_context *out);
/* Its record is under way as `sequence`. */
void tracing_published(struct tracing *tracing, uint64_t sequence,
                       const struct trace_context *context, const struct trace_context *parent,
                       const struct packet *packet, const char *topic, int64_t begin_ns);
/* The broker reported on a traced record. */
void tracing_delivered(struct tracing *tracing, uint64_t sequence, bool is_durable, int64_t offset);

/* Spans that need no record: a packet that was rejected, records that waited
 * longer than tracing.slow. Wall clock ns. */
void tracing_rejected(const struct trace_context *parent, const char *reason, int64_t begin_ns,
                      int64_t now_ns);
void tracing_slow(int64_t waited_ns);
