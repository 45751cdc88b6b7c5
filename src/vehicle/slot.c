/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/slot.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "vehicle/dialect.h"

static const int64_t TIME_MIN_MS = INT64_C(-62167219200000); /* 0000-01-01T00:00:00.000Z */
static const int64_t TIME_MAX_MS = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */

void filling_init(struct filling *filling, struct packet *packet, struct arena *arena,
                  struct signal *signals)
{
    filling->packet = packet;
    filling->arena = arena;
    filling->signals = signals;
    filling_reset(filling);
}

void filling_reset(struct filling *filling)
{
    struct packet *packet = filling->packet;
    filling->signal_count = 0;
    filling->has_identity = false;
    filling->has_received = false;
    for (size_t i = 0; i < CONTENT_PARTS; i++)
        filling->content[i] = bytes_of("", 0);
    packet->vehicle = bytes_of("", 0);
    packet->order = 0;
    packet->time_ms = 0;
    packet->received_ns = 0;
    packet->fields = 0;
    packet->epoch = 0;
    packet->seq = 0;
    packet->lat = packet->lon = 0;
    packet->speed_ms = packet->heading_deg = packet->altitude_m = packet->accuracy_m = 0;
    packet->type = bytes_of("", 0);
    packet->id = bytes_of("", 0);
    packet->category = bytes_of("", 0);
    packet->dialect = DIALECT_NONE;
    packet->flag_count = 0;
}

void filling_finish(struct filling *filling)
{
    struct packet *packet = filling->packet;
    if ((packet->fields & PACKET_HAS_SEQ) != 0)
        packet->order = (uint64_t)packet->epoch << 32 | packet->seq;
    else if ((packet->fields & PACKET_HAS_TIME) != 0)
        packet->order = packet_order_from_time(packet->time_ms);
    packet->signals = filling->signals;
    packet->signal_count = filling->signal_count;
}

/* ---- refusals ---- */

/* Parenthesised: the name is a macro for analysers (base/error.h). */
bool(reject_set)(struct reject *reject, enum reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reject->reason = reason;
    vsnprintf(reject->detail, sizeof reject->detail, format, args);
    va_end(args);
    return false;
}

static const char *type_name(enum signal_type type)
{
    switch (type) {
    case SIGNAL_NULL:
        return "null";
    case SIGNAL_BOOL:
        return "a boolean";
    case SIGNAL_NUMBER:
        return "a number";
    case SIGNAL_STRING:
        return "a string";
    case SIGNAL_EMPTY:
        return "an empty object or array";
    }
    return "?";
}

static int shown_len(struct bytes text)
{
    return text.len < 60 ? (int)text.len : 60;
}

static bool wrong_type(const struct signal *value, const char *expected, struct reject *reject)
{
    return reject_set(reject, REASON_WRONG_TYPE, "%.*s: expected %s, found %s",
                      shown_len(value->path), value->path.ptr, expected, type_name(value->type));
}

static bool refuse(const struct signal *value, enum reason reason, const char *what,
                   struct reject *reject)
{
    return reject_set(reject, reason, "%.*s: %s", shown_len(value->path), value->path.ptr, what);
}

/* ---- pieces ---- */

/* What a string says: in place, or unescaped into the arena. */
static bool string_text(struct filling *filling, const struct signal *value, struct bytes *out,
                        struct reject *reject)
{
    struct bytes inside = bytes_of(value->raw.ptr + 1, value->raw.len - 2);
    if (memchr(inside.ptr, '\\', inside.len) == NULL) {
        *out = inside;
        return true;
    }
    char *text = arena_take(filling->arena, value->raw.len);
    if (text == NULL)
        return refuse(value, REASON_TOO_LARGE, "the texts with escapes are too long", reject);
    *out = bytes_of(text, json_unescape(value->raw, text));
    return true;
}

static bool number_decimal(const struct signal *value, struct decimal *decimal)
{
    return decimal_scan(value->raw.ptr, value->raw.ptr + value->raw.len, decimal) != NULL;
}

static bool fill_text(struct filling *filling, const struct signal *value, struct bytes *out,
                      struct reject *reject)
{
    if (value->type != SIGNAL_STRING)
        return wrong_type(value, "a string", reject);
    return string_text(filling, value, out, reject);
}

/* ---- the meanings ---- */

/* Unicode's Cc: C0, DEL and C1. The text is UTF-8. */
static bool has_control(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7F)
            return true;
        if (c == 0xC2 && (unsigned char)text.ptr[i + 1] < 0xA0)
            return true;
    }
    return false;
}

static bool is_integer_text(struct bytes raw)
{
    int64_t as_signed;
    uint64_t as_unsigned;
    return text_to_u64(raw, &as_unsigned) || text_to_i64(raw, &as_signed);
}

static bool fill_vehicle(struct filling *filling, const struct signal *value, struct reject *reject)
{
    struct bytes *vehicle = &filling->packet->vehicle;
    if (value->type == SIGNAL_NUMBER) {
        if (!is_integer_text(value->raw))
            return refuse(value, REASON_BAD_VEHICLE, "not an integer of 64 bits", reject);
        *vehicle = bytes_equal_text(value->raw, "-0") ? BYTES("0") : value->raw;
        return true;
    }
    if (value->type != SIGNAL_STRING)
        return refuse(value, REASON_BAD_VEHICLE, "neither an integer nor a string", reject);
    if (!string_text(filling, value, vehicle, reject))
        return false;
    if (vehicle->len == 0 || vehicle->len > PACKET_VEHICLE_MAX)
        return refuse(value, REASON_BAD_VEHICLE, "must have 1-64 bytes", reject);
    if (has_control(*vehicle))
        return refuse(value, REASON_BAD_VEHICLE, "holds a control character", reject);
    return true;
}

static bool is_negative_zero(const struct decimal *decimal)
{
    return decimal->is_negative && decimal->digits == 0;
}

static bool fill_count(struct filling *filling, const struct signal *value, bool is_seq,
                       struct reject *reject)
{
    if (value->type != SIGNAL_NUMBER)
        return wrong_type(value, "an integer", reject);
    struct decimal decimal;
    if (!number_decimal(value, &decimal) || !decimal.is_integer || decimal.exp10 != 0 ||
        decimal.digits > UINT32_MAX || (decimal.is_negative && !is_negative_zero(&decimal)))
        return refuse(value, REASON_BAD_NUMBER, "must be an integer from 0 to 4294967295", reject);
    if (is_seq) {
        filling->packet->seq = (uint32_t)decimal.digits;
        filling->packet->fields |= PACKET_HAS_SEQ;
    } else {
        filling->packet->epoch = (uint32_t)decimal.digits;
    }
    return true;
}

static unsigned count_digits(uint64_t value)
{
    unsigned count = 0;
    for (; value != 0; value /= 10)
        count++;
    return count;
}

/* |decimal| * 10^shift as an integer, cut; *is_cut when something was lost.
 * false when it exceeds 64 bits. */
static bool scaled_integer(const struct decimal *decimal, int32_t shift, uint64_t *out,
                           bool *is_cut)
{
    uint64_t value = decimal->digits;
    *is_cut = decimal->is_cut;
    int32_t exp10 = decimal->exp10 + shift;
    for (; exp10 > 0 && value != 0; exp10--)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    for (; exp10 < 0 && value != 0; exp10++) {
        *is_cut |= value % 10 != 0;
        value /= 10;
    }
    *out = value;
    return true;
}

bool slot_time_from_decimal_any(const struct decimal *decimal, int64_t *time_ms)
{
    int64_t whole_digits = (int64_t)count_digits(decimal->digits) + decimal->exp10;
    bool is_seconds = decimal->digits == 0 || whole_digits <= 11;
    uint64_t magnitude;
    bool is_cut;
    if (!scaled_integer(decimal, is_seconds ? 3 : 0, &magnitude, &is_cut) ||
        magnitude > (uint64_t)TIME_MAX_MS)
        return false;
    *time_ms = (int64_t)magnitude;
    if (decimal->is_negative)
        *time_ms = -*time_ms - is_cut;
    return *time_ms >= TIME_MIN_MS;
}

bool slot_time_from_text(struct bytes text, int64_t *time_ms)
{
    return text_to_time_ms(text, time_ms) && *time_ms >= TIME_MIN_MS && *time_ms <= TIME_MAX_MS;
}

static bool fill_time(struct filling *filling, const struct signal *value, struct reject *reject)
{
    int64_t *time_ms = &filling->packet->time_ms;
    struct decimal decimal;
    struct bytes text;
    bool is_time = false;
    if (value->type == SIGNAL_NUMBER) {
        is_time = number_decimal(value, &decimal) && slot_time_from_decimal(&decimal, time_ms);
    } else if (value->type == SIGNAL_STRING) {
        if (!string_text(filling, value, &text, reject))
            return false;
        is_time =
            text_to_time_ms(text, time_ms) && *time_ms >= TIME_MIN_MS && *time_ms <= TIME_MAX_MS;
    } else {
        return wrong_type(value, "a number or a string", reject);
    }
    if (!is_time)
        return refuse(value, REASON_BAD_TIME,
                      "neither epoch seconds or milliseconds nor RFC 3339, in the years 0000-9999",
                      reject);
    filling->packet->fields |= PACKET_HAS_TIME;
    return true;
}

static bool fill_double(struct filling *filling, const struct slot *slot,
                        const struct signal *value, struct reject *reject)
{
    if (value->type != SIGNAL_NUMBER)
        return slot->is_signal || wrong_type(value, "a number", reject);
    struct decimal decimal;
    double number = number_decimal(value, &decimal) ? decimal_to_double(&decimal, value->raw) : NAN;
    if (!isfinite(number))
        return slot->is_signal ||
               refuse(value, REASON_BAD_NUMBER, "the number is too large", reject);
    struct packet *packet = filling->packet;
    if ((packet->fields & slot_field(slot->kind)) != 0)
        return true;
    packet->fields |= slot_field(slot->kind);
    *slot_double(packet, slot->kind) = number;
    return true;
}

static bool fill_id(struct filling *filling, const struct signal *value, struct reject *reject)
{
    if (value->type == SIGNAL_NUMBER) {
        filling->packet->id = value->raw;
        return true;
    }
    if (value->type != SIGNAL_STRING)
        return wrong_type(value, "a string or a number", reject);
    return string_text(filling, value, &filling->packet->id, reject);
}

static bool fill_object(const struct signal *value, struct reject *reject)
{
    bool is_object = value->type == SIGNAL_EMPTY && value->raw.ptr[0] == '{';
    return is_object || wrong_type(value, "an object", reject);
}

/* ---- the canonical packet's own ---- */

static bool fill_identity(struct filling *filling, const struct signal *value,
                          struct reject *reject)
{
    struct bytes text;
    if (!fill_text(filling, value, &text, reject))
        return false;
    filling->has_identity =
        text_to_hex_bytes(text, filling->packet->identity.bytes, PACKET_IDENTITY_LEN);
    return filling->has_identity ||
           refuse(value, REASON_UNDECODABLE, "not 48 hexadecimal digits", reject);
}

static bool fill_received(struct filling *filling, const struct signal *value,
                          struct reject *reject)
{
    struct bytes text;
    if (!fill_text(filling, value, &text, reject))
        return false;
    filling->has_received = text_to_time_ns(text, &filling->packet->received_ns);
    return filling->has_received ||
           refuse(value, REASON_UNDECODABLE, "not a time of RFC 3339", reject);
}

static bool fill_flag(struct filling *filling, const struct signal *value, struct reject *reject)
{
    struct packet *packet = filling->packet;
    struct bytes flag;
    if (!fill_text(filling, value, &flag, reject))
        return false;
    if (packet->flag_count == sizeof packet->flags / sizeof packet->flags[0])
        return refuse(value, REASON_UNDECODABLE, "more than 16 flags", reject);
    packet->flags[packet->flag_count++] = flag;
    return true;
}

static bool fill_dialect(struct filling *filling, const struct signal *value, struct reject *reject)
{
    struct bytes name;
    if (!fill_text(filling, value, &name, reject))
        return false;
    const struct dialect *dialect = dialect_by_name(name);
    if (dialect == NULL)
        return refuse(value, REASON_UNDECODABLE, "no dialect has this name", reject);
    filling->packet->dialect = dialect->id;
    return true;
}

/* ---- */

static bool fill_signal(struct filling *filling, const struct signal *value, struct reject *reject)
{
    if (filling->signal_count == PACKET_SIGNALS_MAX)
        return reject_set(reject, REASON_TOO_MANY_SIGNALS, "more than %d signals",
                          PACKET_SIGNALS_MAX);
    filling->signals[filling->signal_count++] = *value;
    return true;
}

bool slot_fill_field(struct filling *filling, const struct slot *slot, const struct signal *value,
                     struct reject *reject)
{
    if (value->type == SIGNAL_NULL)
        return true;
    switch (slot->kind) {
    case SLOT_SKIP:
    case SLOT_SIGNAL:
        return true;
    case SLOT_VEHICLE:
        return fill_vehicle(filling, value, reject);
    case SLOT_TIME:
        return fill_time(filling, value, reject);
    case SLOT_TYPE:
        return fill_text(filling, value, &filling->packet->type, reject);
    case SLOT_ID:
        return fill_id(filling, value, reject);
    case SLOT_SEQ:
    case SLOT_EPOCH:
        return fill_count(filling, value, slot->kind == SLOT_SEQ, reject);
    case SLOT_LAT:
    case SLOT_LON:
    case SLOT_SPEED:
    case SLOT_HEADING:
    case SLOT_ALTITUDE:
    case SLOT_ACCURACY:
        return fill_double(filling, slot, value, reject);
    case SLOT_OBJECT:
        return fill_object(value, reject);
    case SLOT_IDENTITY:
        return fill_identity(filling, value, reject);
    case SLOT_RECEIVED:
        return fill_received(filling, value, reject);
    case SLOT_FLAG:
        return fill_flag(filling, value, reject);
    case SLOT_CATEGORY:
        return fill_text(filling, value, &filling->packet->category, reject);
    case SLOT_DIALECT:
        return fill_dialect(filling, value, reject);
    }
    return false;
}

bool slot_fill(struct filling *filling, const struct slot *slot, const struct signal *value,
               struct reject *reject)
{
    if (slot->content != 0)
        filling->content[slot->content - 1] = value->raw;
    if ((slot->kind == SLOT_SIGNAL || slot->is_signal) && !fill_signal(filling, value, reject))
        return false;
    return slot_fill_field(filling, slot, value, reject);
}
