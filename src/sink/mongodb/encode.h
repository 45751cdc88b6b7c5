/* SPDX-License-Identifier: Apache-2.0 */
/* A packet as a MongoDB document: BSON straight from the canonical bytes
 * (bsonspec.org, version 1.1), and back, byte for byte.
 *
 * {_id: identity as 48 hex digits, vehicle, time, received, received_ns,
 *  location: {type: "Point", coordinates: [lon, lat]}, speed, heading, altitude,
 *  accuracy, signals: {…}, flags: […], category, dialect, type, id,
 *  source: {topic, partition, offset}, canonical}
 *
 * Numbers without fraction and exponent are int64, others double. Signals nest
 * as the client sent them, since their paths are those of MongoDB's queries
 * (signals.driver.name); an envelope's payload and metadata stand at the top.
 * Keys that MongoDB can't hold, or that don't nest, make signals an array of
 * {path, value}. `canonical` keeps the packet's text where the fields would not
 * give it back exactly: a number of more digits than a double holds, 12.50, an
 * unusual escape, members of a newer version. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "sink/sink.h"

struct encoder;

enum encode_verdict {
    ENCODE_DONE,
    ENCODE_UNDECODABLE, /* no canonical packet */
    ENCODE_TOO_LARGE,   /* beyond BSON_MAX */
    ENCODE_NO_MEMORY,
};

enum { BSON_MAX = 16 << 20 /* what MongoDB takes as one document */ };

/* One thread each. NULL without memory. */
struct encoder *encoder_new(void);
void encoder_free(struct encoder *encoder);

/* Append the document to out. *category (may be empty) is valid until the next
 * call. On anything but DONE out is as before. */
enum encode_verdict encoder_put(struct encoder *encoder, const struct sink_row *row,
                                struct buf *out, struct bytes *category);
