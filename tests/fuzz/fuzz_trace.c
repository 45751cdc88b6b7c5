/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: whatever a CSV file holds, what comes out is one JSON object each, with
 * keys that differ; whatever an NDJSON file holds, a packet is one line. */
#include <string.h>

#include "base/must.h"
#include "codec/json.h"
#include "simulate/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(struct json_reader *json, struct bytes packet)
{
    struct json_token token;
    enum json_event event;
    json_reader_start(json, packet);
    must(json_reader_next(json, &token) == JSON_OBJECT);
    do
        event = json_reader_next(json, &token);
    while (event != JSON_END && event != JSON_FAULT);
    must(event == JSON_END);
}

static void check(struct trace *trace, struct json_reader *json, const struct trace_packet *packet)
{
    must(packet->packet.len > 0 && packet->packet.ptr[0] == '{');
    must(packet->note.len <= TRACE_NOTE_MAX);
    if (trace_is_ndjson(trace))
        must(memchr(packet->packet.ptr, '\n', packet->packet.len) == NULL);
    else
        check_json(json, packet->packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace *trace = trace_new(NULL);
    struct json_reader *json = json_reader_new(1024, 65536);
    must(trace != NULL && json != NULL);
    struct bytes in = bytes_of((const char *)data, size);
    struct trace_packet packet;
    struct error err;
    enum trace_step step;
    do {
        step =
            in.len > 0 ? trace_next(trace, &in, &packet, &err) : trace_finish(trace, &packet, &err);
        if (step == TRACE_PACKET)
            check(trace, json, &packet);
    } while (step != TRACE_FAILED && (step != TRACE_MORE || in.len > 0));
    while (step != TRACE_FAILED && (step = trace_finish(trace, &packet, &err)) != TRACE_MORE)
        if (step == TRACE_PACKET)
            check(trace, json, &packet);
    json_reader_free(json);
    trace_free(trace);
    return 0;
}
