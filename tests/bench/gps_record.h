/* SPDX-License-Identifier: Apache-2.0 */
/* Records as the gateway leaves them: some 148 bytes of JSON, key, header. */
#pragma once

#include "broker/broker.h"
#include "vehicle/dialect.h"
#include "vehicle/mc.h"

struct gps_record {
    char json[192], key[24];
    uint8_t mc[MC_MAX];
    struct record record; /* points into the above */
};

void gps_record_make(struct packet_scratch *scratch, int number, struct gps_record *out);
