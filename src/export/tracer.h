/* SPDX-License-Identifier: Apache-2.0 */
/* Sends finished spans to an OpenTelemetry collector by OTLP/HTTP (protobuf),
 * from a thread of its own: in batches, a few seconds late at most. While the
 * collector is away it tries again with growing pauses; the queue of spans is
 * bounded (observe/trace.h), and what does not fit is dropped and counted. */
#pragma once

#include "base/error.h"
#include "export/config.h"

struct tracer;

/* Starts nothing when no endpoint is set (*out NULL). `role`: "gateway";
 * `messaging_system`: "kafka" or "motorcade". The config must stay. */
int tracer_start(struct tracer **out, const struct tracing_config *config, const char *role,
                 const char *messaging_system, struct error *err);
/* Tries once more to send what is there. NULL is fine. */
void tracer_stop(struct tracer *tracer);
