/* SPDX-License-Identifier: Apache-2.0 */
/* The packet: what a car sent, decoded. A value of borrowed views: they point
 * into the bytes it was decoded from and into the scratch that decoded it, and
 * live until either is used again. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "vehicle/reason.h"

enum {
    PACKET_VEHICLE_MAX = 64,  /* bytes (contracts: identity) */
    PACKET_IDENTITY_LEN = 24, /* H64(vehicle) | order64 | H64(content), big-endian */
    PACKET_SIGNALS_MAX = 4096,
    PACKET_DEPTH_MAX = 64,
};

struct packet_identity {
    uint8_t bytes[PACKET_IDENTITY_LEN];
};

/* Which of the optional fields are there. */
enum packet_field {
    PACKET_HAS_TIME = 1 << 0, /* event time, by the car's clock */
    PACKET_HAS_LAT = 1 << 1,
    PACKET_HAS_LON = 1 << 2,
    PACKET_HAS_SPEED = 1 << 3,
    PACKET_HAS_HEADING = 1 << 4,
    PACKET_HAS_ALTITUDE = 1 << 5,
    PACKET_HAS_ACCURACY = 1 << 6,
    PACKET_HAS_SEQ = 1 << 7, /* order holds (epoch, seq) */
};

enum packet_dialect { DIALECT_NONE = 0, DIALECT_OBU = 1, DIALECT_ENVELOPE = 2 };

enum signal_type { SIGNAL_NULL, SIGNAL_BOOL, SIGNAL_NUMBER, SIGNAL_STRING, SIGNAL_EMPTY };

/* A signal: a value found at a path. Object keys are joined by '.', array
 * elements by their index; a '.' or '\\' inside a key is written with a '\\'
 * before it, so that paths are unique. `raw` is the value's JSON text as sent
 * (a string with its quotes and escapes): numbers keep every digit.
 * SIGNAL_EMPTY is {} or []. */
struct signal {
    struct bytes path;
    struct bytes raw;
    enum signal_type type;
};

/* order64 of an event time, and back. */
static inline uint64_t packet_order_from_time(int64_t time_ms)
{
    return (uint64_t)time_ms ^ (UINT64_C(1) << 63);
}

static inline int64_t packet_order_to_time(uint64_t order)
{
    return (int64_t)(order ^ (UINT64_C(1) << 63));
}

struct packet {
    struct bytes vehicle;
    struct packet_identity identity;
    /* identity's order64: epoch << 32 | seq; else the event time in ms + 2^63, so
     * that times before 1970 sort first; else what the gateway assigned */
    uint64_t order;
    int64_t time_ms;     /* event time, ms since 1970 UTC; the received time when !HAS_TIME */
    int64_t received_ns; /* at the gateway */
    uint32_t fields;     /* enum packet_field */
    uint32_t epoch, seq; /* when PACKET_HAS_SEQ */
    double lat, lon;     /* degrees WGS84; as sent, maybe out of range */
    double speed_ms;     /* m/s */
    double heading_deg;  /* clockwise from north */
    double altitude_m;
    double accuracy_m;
    struct bytes type; /* envelope's type, the category hint; else empty */
    struct bytes id;   /* envelope's id; else empty */
    enum packet_dialect dialect;
    struct bytes category;  /* set by the handler; else empty */
    struct bytes flags[16]; /* names set by rules */
    size_t flag_count;
    const struct signal *signals;
    size_t signal_count;
    struct bytes original; /* the single packet's bytes */
    /* What the identity hashes: the original bytes; of an envelope the raw JSON
     * of source, id, timestamp and payload, each followed by a NUL (one that is
     * absent is empty). */
    struct bytes content;
};

/* Why decoding failed: `detail` is one sentence for the sender. */
struct reject {
    enum reason reason;
    char detail[160];
};

/* Fill *reject; returns false. */
bool reject_set(struct reject *reject, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#ifdef STATIC_ANALYSIS /* see base/error.h */
static inline bool reject_failed(bool result)
{
    (void)result;
    return false;
}
#define reject_set(...) reject_failed((reject_set)(__VA_ARGS__))
#endif

/* Scratch of one thread that decodes: owns the signals' array, unescaped text
 * and the templates learnt. Reused for each packet; decoding takes no other memory.
 * NULL without memory. */
struct packet_scratch;
struct packet_scratch *packet_scratch_new(void);
void packet_scratch_free(struct packet_scratch *scratch);

/* Nanoseconds to milliseconds, toward the past. */
int64_t packet_floor_ms(int64_t ns);

/* A number signal as double (inf when beyond); false when it is no number. */
bool signal_number(const struct signal *signal, double *out);
const struct signal *packet_find_signal(const struct packet *packet, struct bytes path);
