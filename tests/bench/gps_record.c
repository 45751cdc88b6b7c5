/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/gps_record.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"

enum { VEHICLES = 5000 };

#define RECEIVED_NS INT64_C(1779278400000000000)

void gps_record_make(struct packet_scratch *scratch, int number, struct gps_record *out)
{
    int len = snprintf(out->json, sizeof out->json,
                       "{\"obuid\":%llu,\"lat\":%.6f,\"lon\":%.6f,\"time\":%lld,\"speed\":%.1f,"
                       "\"heading\":%d,\"altitude\":%.1f,\"accuracy\":%d,\"occupied\":%s}",
                       8674665223082153551ull + (unsigned)(number % VEHICLES),
                       37.7 + number % 1000 * 1e-4, -122.4 - number % 777 * 1e-4,
                       1779278400000ll + number, number % 300 / 10.0, number % 360,
                       number % 90 / 2.0, number % 12, number % 2 ? "true" : "false");
    struct packet packet;
    struct reject reject;
    must(dialect_decode(scratch, bytes_of(out->json, (size_t)len), &packet, &reject));
    packet_identify(&packet, RECEIVED_NS + number, 1);
    struct mc mc = {.dialect = packet.dialect,
                    .has_event_time = true,
                    .received_ns = packet.received_ns,
                    .identity = packet.identity};
    memcpy(out->key, packet.vehicle.ptr, packet.vehicle.len);
    out->record = (struct record){.key = bytes_of(out->key, packet.vehicle.len),
                                  .value = bytes_of(out->json, (size_t)len),
                                  .mc = bytes_of((char *)out->mc, mc_encode(&mc, out->mc)),
                                  .timestamp_ns = packet.received_ns};
}
