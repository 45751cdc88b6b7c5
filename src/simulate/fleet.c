/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* One cache line: at 200,000 packets a second each packet is a cache miss. */
struct vehicle {
    struct drive drive;
    int64_t time_ms; /* of the last packet; 0 before the first */
    uint32_t seq;
};
_Static_assert(sizeof(struct vehicle) <= 64, "a vehicle fits one cache line");

struct fleet {
    struct fleet_options options;
    struct street_grid grid;
    struct vehicle *vehicles;
    char epoch_text[40]; /* ,"epoch":N,"time": */
    size_t epoch_len;
};

int fleet_new(struct fleet **out, const struct fleet_options *options, struct error *err)
{
    struct street_grid grid;
    if (!street_grid_init(&grid, &options->box))
        return error_set(err, ERROR_USAGE,
                         "the box must be minlat,minlon,maxlat,maxlon in degrees, and not empty");
    struct fleet *fleet = calloc(1, sizeof *fleet);
    struct vehicle *vehicles =
        fleet == NULL ? NULL : aligned_alloc(64, (size_t)options->count * 64 + 64);
    if (vehicles == NULL) {
        free(fleet);
        return error_set(err, ERROR_MEMORY, "no memory for %u vehicles", options->count);
    }
    *fleet = (struct fleet){.options = *options, .grid = grid, .vehicles = vehicles};
    for (uint32_t i = 0; i < options->count; i++) {
        uint64_t seed = options->seed * FLEET_VEHICLES_MAX + options->first + i;
        vehicles[i] = (struct vehicle){.seq = 0};
        drive_init(&vehicles[i].drive, &grid, seed);
    }
    static const char before[] = ",\"epoch\":";
    static const char behind[] = ",\"time\":";
    memcpy(fleet->epoch_text, before, sizeof before - 1);
    size_t len = sizeof before - 1;
    len += text_from_u64(fleet->epoch_text + len, options->epoch_s);
    memcpy(fleet->epoch_text + len, behind, sizeof behind - 1);
    fleet->epoch_len = len + sizeof behind - 1;
    *out = fleet;
    return 0;
}

void fleet_free(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    free(fleet->vehicles);
    free(fleet);
}

#define PUT(out, literal) \
    (memcpy((out), (literal), sizeof(literal) - 1), (out) + sizeof(literal) - 1)

static char *put_u64(char *out, uint64_t value)
{
    return out + text_from_u64(out, value);
}

/* value / 10^digits with all its decimals. */
static char *put_decimal(char *out, int64_t value, unsigned digits)
{
    static const uint32_t scales[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    uint64_t size = value < 0 ? (uint64_t)-value : (uint64_t)value;
    if (value < 0)
        *out++ = '-';
    uint32_t fraction = (uint32_t)(size % scales[digits]);
    out = put_u64(out, size / scales[digits]);
    *out++ = '.';
    for (unsigned i = digits; i-- > 0; fraction /= 10)
        out[i] = (char)('0' + fraction % 10);
    return out + digits;
}

static char *put_drive(const struct fleet *fleet, const struct vehicle *vehicle, char *out)
{
    struct drive_fix fix = drive_fix(&vehicle->drive, &fleet->grid);
    out = PUT(out, ",\"seq\":");
    out = put_u64(out, vehicle->seq);
    memcpy(out, fleet->epoch_text, fleet->epoch_len);
    out = put_u64(out + fleet->epoch_len, (uint64_t)vehicle->time_ms);
    out = PUT(out, ",\"lat\":");
    out = put_decimal(out, fix.lat_udeg, 6);
    out = PUT(out, ",\"lon\":");
    out = put_decimal(out, fix.lon_udeg, 6);
    out = PUT(out, ",\"speed\":");
    out = put_decimal(out, fix.speed_cms, 2);
    out = PUT(out, ",\"heading\":");
    out = put_decimal(out, fix.heading_ddeg, 1);
    out = PUT(out, ",\"accuracy\":");
    return put_decimal(out, fix.accuracy_dm, 1);
}

/* Uniform in 1.0000 .. 100.0000: latitudes above 90 are invalid on purpose. */
static char *put_plain(struct vehicle *vehicle, char *out)
{
    out = PUT(out, ",\"lat\":");
    out = put_decimal(out, 10000 + random_below(&vehicle->drive.random, 990001), 4);
    out = PUT(out, ",\"lon\":");
    return put_decimal(out, 10000 + random_below(&vehicle->drive.random, 990001), 4);
}

static uint64_t vehicle_name(const struct fleet *fleet, uint32_t i)
{
    uint64_t index = fleet->options.seed * FLEET_VEHICLES_MAX + fleet->options.first + i;
    return fleet->options.is_obu ? random_mix(index) >> 1 : index;
}

struct fleet_packet fleet_next_packet(struct fleet *fleet, uint32_t i, int64_t time_ms, char *out)
{
    struct vehicle *vehicle = &fleet->vehicles[i];
    bool is_obu = fleet->options.is_obu;
    struct fleet_packet packet = {.vehicle = vehicle_name(fleet, i), .time_ms = time_ms};
    char *end = PUT(out, "{\"obuid\":");
    end = put_u64(end, packet.vehicle);
    if (is_obu) {
        end = put_plain(vehicle, end);
    } else {
        if (vehicle->seq > 0 && time_ms > vehicle->time_ms)
            drive_step(&vehicle->drive, &fleet->grid, (float)(time_ms - vehicle->time_ms) * 1e-3F);
        vehicle->time_ms = time_ms;
        packet.seq = ++vehicle->seq;
        end = put_drive(fleet, vehicle, end);
    }
    *end++ = '}';
    packet.len = (size_t)(end - out);
    return packet;
}
