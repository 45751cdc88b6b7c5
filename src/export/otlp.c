/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "export/protobuf.h"

/* Field numbers of the .proto files. */
enum { REQUEST_RESOURCE_SPANS = 1 };
enum { RESOURCE_SPANS_RESOURCE = 1, RESOURCE_SPANS_SCOPE_SPANS = 2 };
enum { RESOURCE_ATTRIBUTES = 1 };
enum { SCOPE_SPANS_SCOPE = 1, SCOPE_SPANS_SPANS = 2 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum {
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_PARENT_SPAN_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_STATUS = 15,
};
enum { STATUS_MESSAGE = 2, STATUS_CODE = 3, STATUS_CODE_ERROR = 2 };
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2 };
enum { ANY_VALUE_STRING = 1, ANY_VALUE_INT = 3 };

static unsigned kind_number(enum span_kind kind)
{
    switch (kind) {
    case SPAN_SERVER:
        return 2;
    case SPAN_PRODUCER:
        return 4;
    case SPAN_CONSUMER:
        return 5;
    }
    return 0;
}

static size_t begin_attribute(struct buf *out, unsigned field, const char *key)
{
    size_t attribute = protobuf_begin(out, field);
    protobuf_bytes(out, KEY_VALUE_KEY, bytes_from_text(key));
    return attribute;
}

static void put_text(struct buf *out, unsigned field, const char *key, const char *value)
{
    if (value[0] == '\0')
        return;
    size_t attribute = begin_attribute(out, field, key);
    size_t any = protobuf_begin(out, KEY_VALUE_VALUE);
    protobuf_bytes(out, ANY_VALUE_STRING, bytes_from_text(value));
    protobuf_end(out, any);
    protobuf_end(out, attribute);
}

static void put_integer(struct buf *out, unsigned field, const char *key, int64_t value)
{
    size_t attribute = begin_attribute(out, field, key);
    size_t any = protobuf_begin(out, KEY_VALUE_VALUE);
    protobuf_varint(out, ANY_VALUE_INT, (uint64_t)value);
    protobuf_end(out, any);
    protobuf_end(out, attribute);
}

/* "send gpscoords": operation and destination, as the conventions want names. */
static void put_name(struct buf *out, const struct span *span)
{
    char name[2 * SPAN_TEXT_MAX];
    int len = snprintf(name, sizeof name, "%s%s%s", span->operation,
                       span->topic[0] == '\0' ? "" : " ", span->topic);
    protobuf_bytes(out, SPAN_NAME, bytes_of(name, (size_t)len));
}

/* https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ */
static void put_attributes(struct buf *out, const struct otlp_resource *resource,
                           const struct span *span)
{
    char partition[TEXT_U64_MAX + 1];
    put_text(out, SPAN_ATTRIBUTES, "messaging.system", resource->messaging_system);
    put_text(out, SPAN_ATTRIBUTES, "messaging.operation.name", span->operation);
    put_text(out, SPAN_ATTRIBUTES, "messaging.operation.type",
             span->kind == SPAN_CONSUMER ? "process" : "send");
    put_text(out, SPAN_ATTRIBUTES, "messaging.destination.name", span->topic);
    if (span->partition >= 0) {
        partition[text_from_i64(partition, span->partition)] = '\0';
        put_text(out, SPAN_ATTRIBUTES, "messaging.destination.partition.id", partition);
    }
    if (span->offset >= 0)
        put_integer(out, SPAN_ATTRIBUTES, "messaging.kafka.offset", span->offset);
    put_text(out, SPAN_ATTRIBUTES, "messaging.message.id", span->identity);
    put_text(out, SPAN_ATTRIBUTES, "motorcade.vehicle", span->vehicle);
    put_text(out, SPAN_ATTRIBUTES, "error.type", span->error);
}

static bool has_parent(const struct span *span)
{
    static const uint8_t none[SPAN_ID_BYTES];
    return memcmp(span->parent_id, none, sizeof none) != 0;
}

static void put_span(struct buf *out, const struct otlp_resource *resource, const struct span *span)
{
    size_t message = protobuf_begin(out, SCOPE_SPANS_SPANS);
    protobuf_bytes(out, SPAN_TRACE_ID,
                   bytes_of((const char *)span->context.trace_id, TRACE_ID_BYTES));
    protobuf_bytes(out, SPAN_SPAN_ID, bytes_of((const char *)span->context.span_id, SPAN_ID_BYTES));
    if (has_parent(span))
        protobuf_bytes(out, SPAN_PARENT_SPAN_ID,
                       bytes_of((const char *)span->parent_id, SPAN_ID_BYTES));
    put_name(out, span);
    protobuf_varint(out, SPAN_KIND, kind_number(span->kind));
    protobuf_fixed64(out, SPAN_START, (uint64_t)span->begin_ns);
    protobuf_fixed64(out, SPAN_END, (uint64_t)span->end_ns);
    put_attributes(out, resource, span);
    if (span->error[0] != '\0') {
        size_t status = protobuf_begin(out, SPAN_STATUS);
        protobuf_bytes(out, STATUS_MESSAGE, bytes_from_text(span->error));
        protobuf_varint(out, STATUS_CODE, STATUS_CODE_ERROR);
        protobuf_end(out, status);
    }
    protobuf_end(out, message);
}

static void put_resource(struct buf *out, const struct otlp_resource *resource)
{
    size_t message = protobuf_begin(out, RESOURCE_SPANS_RESOURCE);
    put_text(out, RESOURCE_ATTRIBUTES, "service.name", "motorcade");
    put_text(out, RESOURCE_ATTRIBUTES, "service.version", resource->version);
    put_text(out, RESOURCE_ATTRIBUTES, "service.instance.id", resource->instance_id);
    put_text(out, RESOURCE_ATTRIBUTES, "host.name", resource->host);
    put_text(out, RESOURCE_ATTRIBUTES, "motorcade.role", resource->role);
    protobuf_end(out, message);
}

void otlp_encode(struct buf *out, const struct otlp_resource *resource, const struct span *spans,
                 size_t count)
{
    size_t resource_spans = protobuf_begin(out, REQUEST_RESOURCE_SPANS);
    put_resource(out, resource);
    size_t scope_spans = protobuf_begin(out, RESOURCE_SPANS_SCOPE_SPANS);
    size_t scope = protobuf_begin(out, SCOPE_SPANS_SCOPE);
    protobuf_bytes(out, SCOPE_NAME, BYTES("motorcade"));
    protobuf_bytes(out, SCOPE_VERSION, bytes_from_text(resource->version));
    protobuf_end(out, scope);
    for (size_t i = 0; i < count; i++)
        put_span(out, resource, &spans[i]);
    protobuf_end(out, scope_spans);
    protobuf_end(out, resource_spans);
}
