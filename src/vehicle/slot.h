/* SPDX-License-Identifier: Apache-2.0 */
/* A slot: what one value of a packet means, and the one place where each meaning
 * is checked, for every dialect and for the canonical packet. Private to
 * vehicle/. */
#pragma once

#include "base/decimal.h"
#include "vehicle/document.h"
#include "vehicle/packet.h"

enum slot_kind {
    SLOT_SKIP,   /* a value that nobody reads */
    SLOT_SIGNAL, /* nothing but a signal */
    SLOT_VEHICLE,
    SLOT_TIME,
    SLOT_TYPE,
    SLOT_ID,
    SLOT_SEQ,
    SLOT_EPOCH,
    SLOT_LAT, /* from here to SLOT_ACCURACY: doubles, in the order of enum packet_field */
    SLOT_LON,
    SLOT_SPEED,
    SLOT_HEADING,
    SLOT_ALTITUDE,
    SLOT_ACCURACY,
    SLOT_OBJECT, /* an object whose members have slots of their own; null and {} say nothing */
    /* Only in the canonical packet: */
    SLOT_IDENTITY,
    SLOT_RECEIVED,
    SLOT_FLAG,
    SLOT_CATEGORY,
    SLOT_DIALECT,
};

struct slot {
    enum slot_kind kind;
    bool is_signal;  /* a signal, and a number also fills the field when it is still absent */
    uint8_t content; /* 1-4: part of an envelope's content, for the identity; else 0 */
};

/* Parts of an envelope's content. */
enum { CONTENT_SOURCE = 1, CONTENT_ID, CONTENT_TIMESTAMP, CONTENT_PAYLOAD, CONTENT_PARTS = 4 };

/* A packet while it is being filled. */
struct filling {
    struct packet *packet;
    struct arena *arena;
    struct signal *signals; /* where the next ones go; PACKET_SIGNALS_MAX fit */
    size_t signal_count;
    struct bytes content[CONTENT_PARTS];
    bool has_identity, has_received; /* canonical only */
};

/* What is set before the first value. */
void filling_init(struct filling *filling, struct packet *packet, struct arena *arena,
                  struct signal *signals);
/* Back to that, after an attempt that failed. */
void filling_reset(struct filling *filling);
/* One value into the packet; false with *reject filled. */
bool slot_fill(struct filling *filling, const struct slot *slot, const struct signal *value,
               struct reject *reject);
/* The same without the signal: only the field that the slot fills. */
bool slot_fill_field(struct filling *filling, const struct slot *slot, const struct signal *value,
                     struct reject *reject);
/* Order from seq or time. */
void filling_finish(struct filling *filling);

/* Event time of a number: magnitudes below 10^11 are seconds since 1970 UTC
 * (years up to 5138), others milliseconds (from March 1973 on, and before
 * November 1966); what is finer than a millisecond is cut toward the past. false
 * outside the years 0000-9999. */
bool slot_time_from_decimal_any(const struct decimal *decimal, int64_t *time_ms);
static inline bool slot_time_from_decimal(const struct decimal *decimal, int64_t *time_ms)
{
    const uint64_t seconds_end = UINT64_C(100000000000);
    if (decimal->exp10 != 0 || decimal->is_negative || decimal->is_cut ||
        decimal->digits >= 2000 * seconds_end)
        return slot_time_from_decimal_any(decimal, time_ms);
    bool is_seconds = decimal->digits < seconds_end;
    *time_ms = (int64_t)(is_seconds ? decimal->digits * 1000 : decimal->digits);
    return true;
}

/* The same of a text (RFC 3339). */
bool slot_time_from_text(struct bytes text, int64_t *time_ms);

/* Where a double goes. */
static inline double *slot_double(struct packet *packet, enum slot_kind kind)
{
    static const size_t offsets[] = {
        offsetof(struct packet, lat),        offsetof(struct packet, lon),
        offsetof(struct packet, speed_ms),   offsetof(struct packet, heading_deg),
        offsetof(struct packet, altitude_m), offsetof(struct packet, accuracy_m),
    };
    return (double *)(void *)((char *)packet + offsets[kind - SLOT_LAT]);
}

static inline uint32_t slot_field(enum slot_kind kind)
{
    return (uint32_t)PACKET_HAS_LAT << (kind - SLOT_LAT);
}
