/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as OTLP 1.x: the body of a POST to /v1/traces, an
 * ExportTraceServiceRequest (github.com/open-telemetry/opentelemetry-proto,
 * collector/trace/v1, trace/v1, common/v1, resource/v1). Attributes follow
 * OpenTelemetry's semantic conventions for messaging spans; what they have no
 * name for stands under "motorcade.". Pure. */
#pragma once

#include "base/buf.h"
#include "observe/trace.h"

struct otlp_resource {
    const char *version;
    const char *host;
    const char *role;             /* "gateway" */
    const char *instance_id;      /* unique per process */
    const char *messaging_system; /* "kafka", "motorcade" */
};

/* Appends the request. */
void otlp_encode(struct buf *out, const struct otlp_resource *resource, const struct span *spans,
                 size_t count);
