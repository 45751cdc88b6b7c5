/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical packet: JSON in a fixed order, what category topics carry and
 * stores keep (contracts: record). {"vehicle","identity","time","received",
 * "lat","lon","speed","heading","altitude","accuracy","signals":{path:value},
 * "flags":[…],"category","dialect"}; absent fields are left out, and "time" is
 * left out when the car gave none. For envelopes "type" and "id" follow
 * "dialect". Times are RFC 3339 UTC: time with ms, received with ns. */
#pragma once

#include "vehicle/packet.h"

/* Append to out: 0, or -1 when out is full. */
int canonical_encode(const struct packet *packet, struct buf *out);
/* The inverse: every field of the packet but order-derived ones come back equal
 * (order is read from the identity; original is `value`). Unknown members are
 * skipped, so that older readers read newer records. */
bool canonical_decode(struct packet_scratch *scratch, struct bytes value, struct packet *packet,
                      struct reject *reject);
/* Only where it is, for who needs no more: true when `value` begins as
 * canonical_encode writes it, is of this vehicle, and has lat and lon. False says
 * nothing: decode it. What follows the position is not looked at. */
bool canonical_place(struct bytes value, struct bytes vehicle, double *lat, double *lon);
