/* SPDX-License-Identifier: Apache-2.0 */
/* Envelope JSON: {"id","timestamp","source","type","payload":{…},"metadata":{…}}.
 * The source is the vehicle. payload and metadata become signals under their
 * paths; what names a position in the payload fills the packet's fields as well
 * (of two spellings the first that stands there). metadata is no part of the
 * identity: a resend may carry another send time there. */
#include "vehicle/dialect.h"
#include "vehicle/dialect/field.h"
#include "vehicle/dialect/registry.h"

static const struct dialect_field fields[] = {
    {FIELD("source"), {.kind = SLOT_VEHICLE, .content = CONTENT_SOURCE}},
    {FIELD("id"), {.kind = SLOT_ID, .content = CONTENT_ID}},
    {FIELD("timestamp"), {.kind = SLOT_TIME, .content = CONTENT_TIMESTAMP}},
    {FIELD("type"), {.kind = SLOT_TYPE}},
    {FIELD("payload"), {.kind = SLOT_OBJECT}},
    {FIELD("metadata"), {.kind = SLOT_OBJECT}},
    {FIELD("payload.lat"), {.kind = SLOT_LAT, .is_signal = true}},
    {FIELD("payload.latitude"), {.kind = SLOT_LAT, .is_signal = true}},
    {FIELD("payload.lon"), {.kind = SLOT_LON, .is_signal = true}},
    {FIELD("payload.lng"), {.kind = SLOT_LON, .is_signal = true}},
    {FIELD("payload.longitude"), {.kind = SLOT_LON, .is_signal = true}},
    {FIELD("payload.speed"), {.kind = SLOT_SPEED, .is_signal = true}},
    {FIELD("payload.heading"), {.kind = SLOT_HEADING, .is_signal = true}},
    {FIELD("payload.altitude"), {.kind = SLOT_ALTITUDE, .is_signal = true}},
    {FIELD("payload.accuracy"), {.kind = SLOT_ACCURACY, .is_signal = true}},
    {{NULL, 0}, {.kind = SLOT_SKIP}},
};

static unsigned sniff(const struct document *document)
{
    if (document_find(document, BYTES("source")) != NULL)
        return 2;
    return document_find(document, BYTES("payload")) != NULL;
}

const struct dialect dialect_envelope = {
    .id = DIALECT_ENVELOPE,
    .name = "envelope",
    .ingest_topic = "data-topic",
    .sniff = sniff,
    .fields = fields,
};
