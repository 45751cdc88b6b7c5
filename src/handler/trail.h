/* SPDX-License-Identifier: Apache-2.0 */
/* The handler's span of a traced record, from taking it up to its output being
 * given to the broker; the output carries the trace on. Dead letters are traced
 * even when the packet was not. */
#pragma once

#include "broker/broker.h"
#include "handler/judge.h"
#include "observe/trace.h"

struct trail {
    struct trace_context own, parent;
    bool has_parent;
    bool is_on;
    int64_t begun_ns; /* wall clock */
    char text[TRACEPARENT_LEN];
};

/* After the judgement; sets the output's traceparent, which borrows from trail. */
void trail_begin(struct trail *trail, const struct consumed *in, struct judgement *judgement);
/* The output was accepted by the broker. */
void trail_end(const struct trail *trail, const struct consumed *in, const char *topic,
               const struct judgement *judgement);
