/* SPDX-License-Identifier: Apache-2.0 */
/* From a record of a CSV trace to an OBU packet: which column means what, and how
 * its text becomes JSON. Numbers keep every digit, other text is quoted, empty
 * fields are left out; a column that is no field of the packet becomes a signal
 * of its own name. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "codec/csv.h"

struct columns;

/* What a packet made from a record is, beside its text. */
struct columns_packet {
    struct bytes vehicle; /* borrowed from the record */
    struct bytes seq;
    int64_t time_ms;
    bool has_time;
};

/* The record is the header: the names of the columns. `map` is "name=column,…",
 * where name is a field (vehicle, time, lat, lon, speed, heading, altitude,
 * accuracy, seq, epoch); "column=signal" and "column=skip" are understood as
 * well. Fields that it does not name are found by common names ("longitude",
 * "unix_time"). NULL: by those alone. ERROR_USAGE: a map that does not fit;
 * ERROR_CORRUPT: no column for vehicle, lat or lon. */
int columns_new(struct columns **out, const struct csv *header, const char *map, struct error *err);
void columns_free(struct columns *columns);

/* Append the packet of a record to out (emptied before). NULL, or one sentence
 * that says what is wrong with the record, valid until the next call. */
const char *columns_convert(struct columns *columns, const struct csv *record, struct buf *out,
                            struct columns_packet *packet);

/* Epoch seconds below 10^11, milliseconds from there on: as the OBU dialect. */
int64_t columns_number_to_ms(double number);
