/* SPDX-License-Identifier: Apache-2.0 */
/* OBU JSON: {"obuid":8674665223082153551,"lat":45.23,"lon":67.89}, what the
 * on-board unit of a cab sends. Units are SI; every other key is a signal. */
#include "vehicle/dialect.h"
#include "vehicle/dialect/field.h"
#include "vehicle/dialect/registry.h"

static const struct dialect_field fields[] = {
    {FIELD("obuid"), {.kind = SLOT_VEHICLE}},
    {FIELD("lat"), {.kind = SLOT_LAT}},
    {FIELD("lon"), {.kind = SLOT_LON}},
    {FIELD("time"), {.kind = SLOT_TIME}},
    {FIELD("seq"), {.kind = SLOT_SEQ}},
    {FIELD("epoch"), {.kind = SLOT_EPOCH}},
    {FIELD("speed"), {.kind = SLOT_SPEED}},
    {FIELD("heading"), {.kind = SLOT_HEADING}},
    {FIELD("altitude"), {.kind = SLOT_ALTITUDE}},
    {FIELD("accuracy"), {.kind = SLOT_ACCURACY}},
    {{NULL, 0}, {.kind = SLOT_SKIP}},
};

static unsigned sniff(const struct document *document)
{
    if (document_find(document, BYTES("obuid")) != NULL)
        return 2;
    return document_find(document, BYTES("lat")) != NULL ||
           document_find(document, BYTES("lon")) != NULL;
}

const struct dialect dialect_obu = {
    .id = DIALECT_OBU,
    .name = "obu",
    .ingest_topic = "gpscoords",
    .sniff = sniff,
    .fields = fields,
};
