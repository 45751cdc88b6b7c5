/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/encode.h"

#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "codec/json.h"
#include "sink/mongodb/nest.h"
#include "vehicle/canonical.h"
#include "vehicle/dialect.h"

/* A character of canonical text never becomes more bytes of BSON than this: the
 * dearest is a signal {path, value} of six characters ("a":1,). */
enum { BYTES_A_CHAR = 10, HEAD_BYTES = 2048 };

struct encoder {
    struct packet_scratch *scratch;
    struct packet packet;
    struct nest nest;
    struct buf text;  /* what the fields give back */
    struct buf plain; /* a string without its escapes */
    bool is_exact;    /* the fields give every byte back */
};

struct encoder *encoder_new(void)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL)
        return NULL;
    buf_init(&encoder->text, 0);
    buf_init(&encoder->plain, 0);
    encoder->scratch = packet_scratch_new();
    if (encoder->scratch != NULL && nest_init(&encoder->nest) == 0)
        return encoder;
    encoder_free(encoder);
    return NULL;
}

void encoder_free(struct encoder *encoder)
{
    if (encoder == NULL)
        return;
    packet_scratch_free(encoder->scratch);
    nest_deinit(&encoder->nest);
    buf_deinit(&encoder->text);
    buf_deinit(&encoder->plain);
    free(encoder);
}

/* ---- values of signals ---- */

static bool is_integer(struct bytes raw)
{
    for (size_t i = 0; i < raw.len; i++)
        if (raw.ptr[i] == '.' || raw.ptr[i] == 'e' || raw.ptr[i] == 'E')
            return false;
    return !bytes_equal(raw, BYTES("-0"));
}

struct number {
    enum bson_kind kind;
    int64_t integer;
    double real;
};

/* A number that neither int64 nor double can hold stays text. */
static struct number read_number(struct encoder *encoder, struct bytes raw)
{
    struct number number = {.kind = KIND_INT64};
    char text[TEXT_DOUBLE_MAX];
    if (is_integer(raw) && text_to_i64(raw, &number.integer))
        return number;
    number.kind = KIND_DOUBLE;
    if (is_integer(raw) || !text_to_double(raw, &number.real) || !isfinite(number.real)) {
        number.kind = KIND_STRING;
        encoder->is_exact = false;
        return number;
    }
    encoder->is_exact &= bytes_equal(raw, bytes_of(text, text_from_double(text, number.real)));
    return number;
}

/* Without memory for it the document fails: the buffer says so. */
static struct bytes read_string(struct encoder *encoder, struct bytes raw)
{
    struct bytes inner = bytes_of(raw.ptr + 1, raw.len - 2);
    if (memchr(raw.ptr, '\\', raw.len) == NULL && memchr(raw.ptr, 0x7F, raw.len) == NULL)
        return inner;
    buf_clear(&encoder->plain);
    buf_clear(&encoder->text);
    if (buf_reserve(&encoder->plain, raw.len) != 0)
        return bytes_of("", 0);
    encoder->plain.len = json_unescape(raw, encoder->plain.ptr);
    buf_append_json(&encoder->text, buf_bytes(&encoder->plain));
    encoder->is_exact &= bytes_equal(buf_bytes(&encoder->text), raw);
    return buf_bytes(&encoder->plain);
}

struct value {
    enum bson_kind kind;
    struct number number;
    struct bytes text;
    bool is_true;
};

static struct value read_value(struct encoder *encoder, const struct signal *signal)
{
    struct value value = {.text = signal->raw};
    switch (signal->type) {
    case SIGNAL_NULL:
        value.kind = KIND_NULL;
        break;
    case SIGNAL_BOOL:
        value.kind = KIND_BOOL;
        value.is_true = signal->raw.ptr[0] == 't';
        break;
    case SIGNAL_NUMBER:
        value.number = read_number(encoder, signal->raw);
        value.kind = value.number.kind;
        break;
    case SIGNAL_STRING:
        value.kind = KIND_STRING;
        value.text = read_string(encoder, signal->raw);
        break;
    case SIGNAL_EMPTY:
        value.kind = signal->raw.ptr[0] == '[' ? KIND_ARRAY : KIND_DOCUMENT;
        break;
    }
    return value;
}

static char *put_value(char *p, const struct value *value)
{
    char *start = p;
    switch (value->kind) {
    case KIND_STRING:
        return put_text(p, value->text);
    case KIND_DOUBLE:
        return put_bits(p, value->number.real);
    case KIND_INT64:
        return put_u64(p, (uint64_t)value->number.integer);
    case KIND_BOOL:
        *p = (char)value->is_true;
        return p + 1;
    case KIND_DOCUMENT:
    case KIND_ARRAY:
        return put_end(p + 4, start);
    case KIND_NULL:
    case KIND_DATE:
    case KIND_INT32:
        break;
    }
    return p;
}

/* ---- signals ---- */

static bool is_below(struct bytes path, struct bytes name)
{
    return path.len >= name.len && memcmp(path.ptr, name.ptr, name.len) == 0 &&
           (path.len == name.len || path.ptr[name.len] == '.');
}

/* What an envelope's event keeps at the top, as it came. */
static struct bytes holder_of(const struct packet *packet, struct bytes path)
{
    if (packet->dialect == DIALECT_ENVELOPE &&
        (is_below(path, BYTES("payload")) || is_below(path, BYTES("metadata"))))
        return bytes_of("", 0);
    return BYTES("signals");
}

static char *put_nested(struct encoder *encoder, char *p)
{
    const struct packet *packet = &encoder->packet;
    nest_begin(&encoder->nest);
    for (size_t i = 0; i < packet->signal_count; i++) {
        const struct signal *signal = &packet->signals[i];
        struct value value = read_value(encoder, signal);
        p = nest_put(&encoder->nest, p, holder_of(packet, signal->path), signal->path, value.kind);
        if (p == NULL)
            return NULL;
        p = put_value(p, &value);
    }
    return nest_end(&encoder->nest, p);
}

static char *put_pairs(struct encoder *encoder, char *p)
{
    const struct packet *packet = &encoder->packet;
    p = put_name(p, KIND_ARRAY, BYTES("signals"));
    char *list = p;
    p += 4;
    for (size_t i = 0; i < packet->signal_count; i++) {
        char index[TEXT_U64_MAX];
        struct value value = read_value(encoder, &packet->signals[i]);
        p = put_name(p, KIND_DOCUMENT, bytes_of(index, text_from_u64(index, i)));
        char *pair = p;
        p = put_string(p + 4, BYTES("path"), packet->signals[i].path);
        p = put_value(put_name(p, value.kind, BYTES("value")), &value);
        p = put_end(p, pair);
    }
    return put_end(p, list);
}

static char *put_signals(struct encoder *encoder, char *p)
{
    if (encoder->packet.signal_count == 0)
        return p;
    char *nested = put_nested(encoder, p);
    return nested != NULL ? nested : put_pairs(encoder, p);
}

/* ---- the rest ---- */

static char *put_head(char *p, const struct packet *packet)
{
    char hex[2 * PACKET_IDENTITY_LEN];
    text_from_hex(hex, packet->identity.bytes, PACKET_IDENTITY_LEN);
    p = put_string(p, BYTES("_id"), bytes_of(hex, sizeof hex));
    p = put_string(p, BYTES("vehicle"), packet->vehicle);
    p = put_date(p, BYTES("time"), packet->time_ms);
    if ((packet->fields & PACKET_HAS_TIME) == 0) {
        p = put_name(p, KIND_BOOL, BYTES("time_is_received"));
        *p++ = 1;
    }
    int64_t received_ms = packet_floor_ms(packet->received_ns);
    int64_t below_ms = packet->received_ns - received_ms * 1000000;
    p = put_date(p, BYTES("received"), received_ms);
    return below_ms == 0 ? p : put_int32(p, BYTES("received_ns"), (int32_t)below_ms);
}

/* A place that is none on Earth would break the 2dsphere index. */
static bool is_on_earth(const struct packet *packet)
{
    uint32_t both = PACKET_HAS_LAT | PACKET_HAS_LON;
    return (packet->fields & both) == both && packet->lat >= -90 && packet->lat <= 90 &&
           packet->lon >= -180 && packet->lon <= 180;
}

/* {type: "Point", coordinates: [lon, lat]} (RFC 7946, 3.1.2). */
static char *put_point(char *p, double lat, double lon)
{
    p = put_name(p, KIND_DOCUMENT, BYTES("location"));
    char *point = p;
    p = put_string(p + 4, BYTES("type"), BYTES("Point"));
    p = put_name(p, KIND_ARRAY, BYTES("coordinates"));
    char *list = p;
    p = put_double(p + 4, BYTES("0"), lon);
    p = put_double(p, BYTES("1"), lat);
    return put_end(put_end(p, list), point);
}

static char *put_field(char *p, const struct packet *packet, uint32_t field, struct bytes name,
                       double value)
{
    return (packet->fields & field) == 0 ? p : put_double(p, name, value);
}

static char *put_doubles(char *p, const struct packet *packet)
{
    if (is_on_earth(packet)) {
        p = put_point(p, packet->lat, packet->lon);
    } else {
        p = put_field(p, packet, PACKET_HAS_LAT, BYTES("lat"), packet->lat);
        p = put_field(p, packet, PACKET_HAS_LON, BYTES("lon"), packet->lon);
    }
    p = put_field(p, packet, PACKET_HAS_SPEED, BYTES("speed"), packet->speed_ms);
    p = put_field(p, packet, PACKET_HAS_HEADING, BYTES("heading"), packet->heading_deg);
    p = put_field(p, packet, PACKET_HAS_ALTITUDE, BYTES("altitude"), packet->altitude_m);
    return put_field(p, packet, PACKET_HAS_ACCURACY, BYTES("accuracy"), packet->accuracy_m);
}

static char *put_flags(char *p, const struct packet *packet)
{
    if (packet->flag_count == 0)
        return p;
    p = put_name(p, KIND_ARRAY, BYTES("flags"));
    char *list = p;
    p += 4;
    for (size_t i = 0; i < packet->flag_count; i++) {
        char index[TEXT_U64_MAX];
        p = put_string(p, bytes_of(index, text_from_u64(index, i)), packet->flags[i]);
    }
    return put_end(p, list);
}

static char *put_optional(char *p, struct bytes name, struct bytes text)
{
    return text.len == 0 ? p : put_string(p, name, text);
}

static char *put_tail(char *p, const struct packet *packet, const struct sink_source *source)
{
    const struct dialect *dialect = dialect_by_id(packet->dialect);
    p = put_optional(p, BYTES("category"), packet->category);
    if (dialect != NULL)
        p = put_string(p, BYTES("dialect"), bytes_from_text(dialect->name));
    p = put_optional(p, BYTES("type"), packet->type);
    p = put_optional(p, BYTES("id"), packet->id);
    if (source->topic.len == 0)
        return p;
    p = put_name(p, KIND_DOCUMENT, BYTES("source"));
    char *start = p;
    p = put_string(p + 4, BYTES("topic"), source->topic);
    p = put_int32(p, BYTES("partition"), source->partition);
    return put_end(put_int64(p, BYTES("offset"), source->offset), start);
}

/* ---- a document ---- */

/* The row's packet; is_exact: encoding it again gives the same bytes. */
static enum encode_verdict read_packet(struct encoder *encoder, const struct sink_row *row)
{
    struct reject reject;
    struct packet *packet = &encoder->packet;
    if (!canonical_decode(encoder->scratch, row->canonical, packet, &reject))
        return ENCODE_UNDECODABLE;
    buf_clear(&encoder->text);
    encoder->is_exact = canonical_encode(packet, &encoder->text) == 0 &&
                        bytes_equal(buf_bytes(&encoder->text), row->canonical);
    packet->vehicle = row->packet.vehicle;
    packet->identity = row->packet.identity;
    packet->time_ms = row->packet.time_ms;
    return ENCODE_DONE;
}

enum encode_verdict encoder_put(struct encoder *encoder, const struct sink_row *row,
                                struct buf *out, struct bytes *category)
{
    enum encode_verdict verdict = read_packet(encoder, row);
    if (verdict != ENCODE_DONE)
        return verdict;
    const struct packet *packet = &encoder->packet;
    size_t bound = BYTES_A_CHAR * row->canonical.len + row->source.topic.len + HEAD_BYTES;
    if (buf_reserve(out, bound) != 0) {
        out->has_failed = false;
        return ENCODE_NO_MEMORY;
    }
    char *start = out->ptr + out->len;
    char *p = put_doubles(put_head(start + 4, packet), packet);
    p = put_flags(put_signals(encoder, p), packet);
    p = put_tail(p, packet, &row->source);
    if (encoder->plain.has_failed || encoder->text.has_failed)
        return ENCODE_NO_MEMORY;
    if (!encoder->is_exact)
        p = put_string(p, BYTES("canonical"), row->canonical);
    p = put_end(p, start);
    if (p - start > BSON_MAX)
        return ENCODE_TOO_LARGE;
    out->len += (size_t)(p - start);
    *category = packet->category;
    return ENCODE_DONE;
}
