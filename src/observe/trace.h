/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: what one packet went through, as spans (OpenTelemetry's model). Few
 * packets are traced; for the others the cost is one decrement at the gateway
 * and the look at an empty header elsewhere. Spans go into a bounded queue from
 * which an exporter takes them; when it is full they are dropped and counted,
 * never in the way of packets.
 *
 * The context travels in the record's `traceparent` header in the form of W3C
 * Trace Context (https://www.w3.org/TR/trace-context/), and comes in by the
 * HTTP header of that name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8, TRACEPARENT_LEN = 55, SPAN_TEXT_MAX = 96 };

struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[SPAN_ID_BYTES];
    bool is_sampled;
};

/* Strict: version 00 (or later, read as 00), lower-case hex, no zero ids. */
bool trace_parse(struct bytes traceparent, struct trace_context *out);
/* out is not NUL-terminated. */
void trace_format(const struct trace_context *context, char out[TRACEPARENT_LEN]);
/* A new trace: random ids, sampled. */
void trace_begin(struct trace_context *out);
/* A child of `parent`: its trace, a new span. */
void trace_child(const struct trace_context *parent, struct trace_context *out);

/* ---- settings: any thread ---- */

/* ratio: of packets, 0..1. slow_ns: what takes longer is traced anyway; 0 =
 * never. per_s: new traces a second at most, so that nobody can make all packets
 * traced. Off until called. */
void trace_configure(double ratio, int64_t slow_ns, int64_t per_s);
void trace_off(void);
bool trace_is_on(void);
int64_t trace_slow_ns(void);
/* May one more trace begin now (monotonic ns)? */
bool trace_take(int64_t now_ns);

/* Which packet next? One per thread; zeroed at first. */
struct trace_sampler {
    uint64_t random;
    uint32_t left; /* packets to pass by */
    bool is_due;   /* the one behind them is to be traced; else it is time to look again */
};
/* The slow part, about once in 1/ratio packets: draws the next gap (geometric, so
 * that each packet has the same chance). True: trace this one. */
bool trace_sampler_draw(struct trace_sampler *sampler);
static inline bool trace_sample(struct trace_sampler *sampler)
{
    return sampler->left > 0 ? (sampler->left--, false) : trace_sampler_draw(sampler);
}

/* ---- spans ---- */

enum span_kind { SPAN_SERVER, SPAN_PRODUCER, SPAN_CONSUMER };

struct span {
    struct trace_context context;
    uint8_t parent_id[SPAN_ID_BYTES]; /* zeros: a root */
    enum span_kind kind;
    const char *operation;     /* "send", "process", "store": a constant */
    char topic[SPAN_TEXT_MAX]; /* "" = none */
    int32_t partition;         /* -1 = none */
    int64_t offset;            /* -1 = none */
    int64_t begin_ns, end_ns;  /* wall clock */
    char identity[49];         /* 48 hex digits, or "" */
    char vehicle[65];          /* or "" */
    char error[SPAN_TEXT_MAX]; /* "" = fine; else error.type */
};

/* A span of this context with no fields; parent may be NULL. */
void span_init(struct span *span, enum span_kind kind, const char *operation,
               const struct trace_context *context, const struct trace_context *parent);
void span_set_topic(struct span *span, const char *topic, int partition, int64_t offset);
void span_set_packet(struct span *span, struct bytes vehicle, const uint8_t identity[24]);
void span_set_error(struct span *span, const char *type);
/* Any thread. Copied. */
void span_finish(const struct span *span, int64_t end_ns);

/* ---- for the exporter: one thread ---- */

/* Up to max spans, oldest first. */
size_t trace_drain(struct span *out, size_t max);
/* Called (any thread) when half the queue is filled; must not block. */
void trace_on_many(void (*wake)(void *context), void *context);
