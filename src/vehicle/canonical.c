/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/canonical.h"

#include <math.h>

#include "base/block.h"
#include "base/text.h"
#include "vehicle/dialect.h"
#include "vehicle/dialect/field.h"
#include "vehicle/scratch.h"

/* ---- writing ---- */

/* buf_append, but for the usual case that there is room already. */
static inline void put(struct buf *out, const void *ptr, size_t len)
{
    if (__builtin_expect(out->cap - out->len < len, 0)) {
        buf_append(out, ptr, len);
        return;
    }
    memcpy(out->ptr + out->len, ptr, len);
    out->len += len;
}

#define PUT_LITERAL(out, literal) put(out, "" literal, sizeof(literal) - 1)

static inline bool is_plain_word(uint64_t word)
{
    return (word_below(word, 0x20) | word_equal(word, '"') | word_equal(word, '\\') |
            word_equal(word, 0x7F) | (word & WORD_REPEAT(0x80))) == 0;
}

/* Copy a text that needs no escapes; false: it does. The last word or block may
 * overlap the one before. */
static bool copy_plain(char *out, struct bytes text)
{
    const char *p = text.ptr;
    size_t len = text.len;
    if (len >= BLOCK) {
        for (size_t i = 0; i + BLOCK <= len; i += BLOCK)
            if (block_not_plain(p + i) != 0)
                return false;
        memcpy(out, p, len);
        return block_not_plain(p + len - BLOCK) == 0;
    }
    if (len >= 8) {
        uint64_t first = word_load(p), last = word_load(p + len - 8);
        word_store(out, first);
        word_store(out + len - 8, last);
        return is_plain_word(first) && is_plain_word(last);
    }
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x20 || p[i] == 0x7F || p[i] == '"' || p[i] == '\\')
            return false;
        out[i] = p[i];
    }
    return true;
}

static void put_string(struct buf *out, struct bytes text)
{
    if (out->cap - out->len < text.len + 2 || !copy_plain(out->ptr + out->len + 1, text)) {
        buf_append_json(out, text);
        return;
    }
    out->ptr[out->len] = '"';
    out->ptr[out->len + text.len + 1] = '"';
    out->len += text.len + 2;
}

static void put_head(struct buf *out, const struct packet *packet)
{
    char hex[2 * PACKET_IDENTITY_LEN];
    char text[TEXT_TIME_MAX];
    PUT_LITERAL(out, "{\"vehicle\":");
    put_string(out, packet->vehicle);
    PUT_LITERAL(out, ",\"identity\":\"");
    put(out, hex, text_from_hex(hex, packet->identity.bytes, PACKET_IDENTITY_LEN));
    if ((packet->fields & PACKET_HAS_TIME) != 0) {
        PUT_LITERAL(out, "\",\"time\":\"");
        put(out, text, text_from_time_ms(text, packet->time_ms));
    }
    PUT_LITERAL(out, "\",\"received\":\"");
    put(out, text, text_from_time_ns(text, packet->received_ns));
    PUT_LITERAL(out, "\"");
}

static inline void put_double(struct buf *out, const struct packet *packet, uint32_t field,
                              struct bytes key, double value)
{
    /* Decoding lets no other numbers in; JSON could not hold them. */
    if ((packet->fields & field) == 0 || !isfinite(value))
        return;
    char text[TEXT_DOUBLE_MAX];
    put(out, key.ptr, key.len);
    put(out, text, text_from_double(text, value));
}

static void put_doubles(struct buf *out, const struct packet *packet)
{
    put_double(out, packet, PACKET_HAS_LAT, BYTES(",\"lat\":"), packet->lat);
    put_double(out, packet, PACKET_HAS_LON, BYTES(",\"lon\":"), packet->lon);
    put_double(out, packet, PACKET_HAS_SPEED, BYTES(",\"speed\":"), packet->speed_ms);
    put_double(out, packet, PACKET_HAS_HEADING, BYTES(",\"heading\":"), packet->heading_deg);
    put_double(out, packet, PACKET_HAS_ALTITUDE, BYTES(",\"altitude\":"), packet->altitude_m);
    put_double(out, packet, PACKET_HAS_ACCURACY, BYTES(",\"accuracy\":"), packet->accuracy_m);
}

static void put_signals(struct buf *out, const struct packet *packet)
{
    if (packet->signal_count == 0)
        return;
    PUT_LITERAL(out, ",\"signals\":{");
    for (size_t i = 0; i < packet->signal_count; i++) {
        if (i > 0)
            PUT_LITERAL(out, ",");
        put_string(out, packet->signals[i].path);
        PUT_LITERAL(out, ":");
        put(out, packet->signals[i].raw.ptr, packet->signals[i].raw.len);
    }
    PUT_LITERAL(out, "}");
}

static void put_flags(struct buf *out, const struct packet *packet)
{
    if (packet->flag_count == 0)
        return;
    PUT_LITERAL(out, ",\"flags\":[");
    for (size_t i = 0; i < packet->flag_count; i++) {
        if (i > 0)
            PUT_LITERAL(out, ",");
        put_string(out, packet->flags[i]);
    }
    PUT_LITERAL(out, "]");
}

static void put_text(struct buf *out, struct bytes key, struct bytes text)
{
    if (text.len == 0)
        return;
    put(out, key.ptr, key.len);
    put_string(out, text);
}

int canonical_encode(const struct packet *packet, struct buf *out)
{
    size_t start = out->len;
    const struct dialect *dialect = dialect_by_id(packet->dialect);
    put_head(out, packet);
    put_doubles(out, packet);
    put_signals(out, packet);
    put_flags(out, packet);
    put_text(out, BYTES(",\"category\":"), packet->category);
    if (dialect != NULL)
        put_text(out, BYTES(",\"dialect\":"), bytes_from_text(dialect->name));
    put_text(out, BYTES(",\"type\":"), packet->type);
    put_text(out, BYTES(",\"id\":"), packet->id);
    PUT_LITERAL(out, "}");
    if (!out->has_failed)
        return 0;
    out->len = start;
    return -1;
}

/* ---- reading ---- */

static const struct dialect_field fields[] = {
    {FIELD("vehicle"), {.kind = SLOT_VEHICLE}},
    {FIELD("identity"), {.kind = SLOT_IDENTITY}},
    {FIELD("time"), {.kind = SLOT_TIME}},
    {FIELD("received"), {.kind = SLOT_RECEIVED}},
    {FIELD("lat"), {.kind = SLOT_LAT}},
    {FIELD("lon"), {.kind = SLOT_LON}},
    {FIELD("speed"), {.kind = SLOT_SPEED}},
    {FIELD("heading"), {.kind = SLOT_HEADING}},
    {FIELD("altitude"), {.kind = SLOT_ALTITUDE}},
    {FIELD("accuracy"), {.kind = SLOT_ACCURACY}},
    {FIELD("category"), {.kind = SLOT_CATEGORY}},
    {FIELD("dialect"), {.kind = SLOT_DIALECT}},
    {FIELD("type"), {.kind = SLOT_TYPE}},
    {FIELD("id"), {.kind = SLOT_ID}},
    {{NULL, 0}, {.kind = SLOT_SKIP}},
};

static const struct slot skip_slot = {.kind = SLOT_SKIP};
static const struct slot signal_slot = {.kind = SLOT_SIGNAL};
static const struct slot flag_slot = {.kind = SLOT_FLAG};

static const struct slot *find_slot(const struct document *document, const struct leaf *leaf)
{
    struct bytes key = document->members[leaf->member].key;
    if (leaf->depth == 2 && bytes_equal_text(key, "signals"))
        return &signal_slot;
    if (leaf->depth == 2 && bytes_equal_text(key, "flags"))
        return &flag_slot;
    if (leaf->depth > 1)
        return &skip_slot;
    for (const struct dialect_field *field = fields; field->path.len > 0; field++)
        if (bytes_equal(key, field->path))
            return &field->slot;
    return &skip_slot;
}

static bool finish(struct filling *filling, struct reject *reject)
{
    struct packet *packet = filling->packet;
    if (packet->vehicle.len == 0 || !filling->has_identity || !filling->has_received)
        return reject_set(reject, REASON_UNDECODABLE,
                          "a canonical packet has vehicle, identity and received");
    filling_finish(filling);
    if ((packet->fields & PACKET_HAS_TIME) == 0)
        packet->time_ms = packet_floor_ms(packet->received_ns);
    packet->order = 0;
    for (int i = 8; i < 16; i++)
        packet->order = packet->order << 8 | packet->identity.bytes[i];
    return true;
}

static bool decode_general(struct packet_scratch *scratch, struct bytes value,
                           struct packet *packet, struct reject *reject)
{
    struct document *document = &scratch->document;
    if (!document_read(document, value, DOCUMENT_KEYS, reject))
        return false;
    struct filling filling;
    filling_init(&filling, packet, &scratch->texts, scratch->signals);
    packet->dialect = DIALECT_NONE;
    for (size_t i = 0; i < document->leaf_count; i++) {
        struct leaf *leaf = &document->leaves[i];
        leaf->slot = find_slot(document, leaf);
        if (!slot_fill(&filling, leaf->slot, &leaf->value, reject))
            return false;
    }
    if (!finish(&filling, reject))
        return false;
    layout_learn(scratch->canonicals, value, document, DIALECT_NONE, bytes_of("", 0));
    return true;
}

bool canonical_decode(struct packet_scratch *scratch, struct bytes value, struct packet *packet,
                      struct reject *reject)
{
    struct filling filling;
    enum packet_dialect unused;
    packet_scratch_reset(scratch);
    packet->original = value;
    packet->content = bytes_of("", 0);
    packet->dialect = DIALECT_NONE;
    filling_init(&filling, packet, &scratch->texts, scratch->signals);
    if (!scratch->is_general_only && layout_match(scratch->canonicals, value, &filling, &unused) &&
        finish(&filling, reject))
        return true;
    packet_scratch_reset(scratch);
    return decode_general(scratch, value, packet, reject);
}
