/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/rows.h"

#include "base/text.h"

static const char *const format_names[] = {
    [ROWS_TABLE] = "table", [ROWS_CSV] = "csv", [ROWS_JSON] = "json"};

bool rows_format_from(const char *name, enum rows_format *format)
{
    for (unsigned i = 0; i < sizeof format_names / sizeof format_names[0]; i++) {
        if (strcmp(format_names[i], name) != 0)
            continue;
        *format = (enum rows_format)i;
        return true;
    }
    return false;
}

enum column {
    COLUMN_VEHICLE,
    COLUMN_TIME,
    COLUMN_LAT,
    COLUMN_LON,
    COLUMN_SPEED,
    COLUMN_HEADING,
    COLUMN_ALTITUDE,
    COLUMN_ACCURACY,
    COLUMN_CATEGORY,
    COLUMN_TABLE_COUNT,
    COLUMN_RECEIVED = COLUMN_TABLE_COUNT,
    COLUMN_IDENTITY,
    COLUMN_SIGNALS,
    COLUMN_COUNT
};

static const struct {
    const char *name;
    unsigned width; /* in a table */
} columns[COLUMN_COUNT] = {
    [COLUMN_VEHICLE] = {"vehicle", 20},  [COLUMN_TIME] = {"time", 24},
    [COLUMN_LAT] = {"lat", 12},          [COLUMN_LON] = {"lon", 13},
    [COLUMN_SPEED] = {"speed", 8},       [COLUMN_HEADING] = {"heading", 8},
    [COLUMN_ALTITUDE] = {"altitude", 9}, [COLUMN_ACCURACY] = {"accuracy", 9},
    [COLUMN_CATEGORY] = {"category", 0}, [COLUMN_RECEIVED] = {"received", 0},
    [COLUMN_IDENTITY] = {"identity", 0}, [COLUMN_SIGNALS] = {"signals", 0},
};

static void put_number(const struct packet *packet, uint32_t field, double value, struct buf *out)
{
    char text[TEXT_DOUBLE_MAX];
    if ((packet->fields & field) != 0)
        buf_append(out, text, text_from_double(text, value));
}

static void put_signals(const struct packet *packet, struct buf *out)
{
    for (size_t i = 0; i < packet->signal_count; i++) {
        buf_append_char(out, i == 0 ? '{' : ',');
        buf_append_json(out, packet->signals[i].path);
        buf_append_char(out, ':');
        buf_append_bytes(out, packet->signals[i].raw);
    }
    if (packet->signal_count > 0)
        buf_append_char(out, '}');
}

static void put_value(enum column column, const struct packet *packet, struct buf *out)
{
    char text[2 * PACKET_IDENTITY_LEN];
    switch (column) {
    case COLUMN_VEHICLE:
        buf_append_bytes(out, packet->vehicle);
        return;
    case COLUMN_TIME:
        buf_append(out, text, text_from_time_ms(text, packet->time_ms));
        return;
    case COLUMN_LAT:
        put_number(packet, PACKET_HAS_LAT, packet->lat, out);
        return;
    case COLUMN_LON:
        put_number(packet, PACKET_HAS_LON, packet->lon, out);
        return;
    case COLUMN_SPEED:
        put_number(packet, PACKET_HAS_SPEED, packet->speed_ms, out);
        return;
    case COLUMN_HEADING:
        put_number(packet, PACKET_HAS_HEADING, packet->heading_deg, out);
        return;
    case COLUMN_ALTITUDE:
        put_number(packet, PACKET_HAS_ALTITUDE, packet->altitude_m, out);
        return;
    case COLUMN_ACCURACY:
        put_number(packet, PACKET_HAS_ACCURACY, packet->accuracy_m, out);
        return;
    case COLUMN_CATEGORY:
        buf_append_bytes(out, packet->category);
        return;
    case COLUMN_RECEIVED:
        buf_append(out, text, text_from_time_ns(text, packet->received_ns));
        return;
    case COLUMN_IDENTITY:
        buf_append(out, text, text_from_hex(text, packet->identity.bytes, PACKET_IDENTITY_LEN));
        return;
    case COLUMN_SIGNALS:
        put_signals(packet, out);
        return;
    case COLUMN_COUNT:
        return;
    }
}

/* RFC 4180, section 2: quoted when needed, quotes doubled. */
static void put_csv_value(enum column column, const struct packet *packet, struct buf *out)
{
    size_t start = out->len;
    put_value(column, packet, out);
    if (out->has_failed)
        return;
    struct bytes value = bytes_of(out->ptr + start, out->len - start);
    bool is_plain = true;
    for (size_t i = 0; i < value.len && is_plain; i++)
        is_plain = strchr(",\"\r\n", value.ptr[i]) == NULL;
    if (is_plain)
        return;
    struct buf copy;
    buf_init(&copy, 0);
    buf_append_bytes(&copy, value);
    out->len = start;
    buf_append_char(out, '"');
    for (size_t i = 0; i < copy.len; i++) {
        if (copy.ptr[i] == '"')
            buf_append_char(out, '"');
        buf_append_char(out, copy.ptr[i]);
    }
    buf_append_char(out, '"');
    out->has_failed |= copy.has_failed;
    buf_deinit(&copy);
}

/* Pads with spaces; by characters, not bytes. */
static void pad(struct buf *out, size_t start, unsigned width)
{
    size_t used = 0;
    for (size_t i = start; i < out->len; i++)
        used += ((unsigned char)out->ptr[i] & 0xc0) != 0x80;
    for (; used < width; used++)
        buf_append_char(out, ' ');
}

void rows_put_header(enum rows_format format, struct buf *out)
{
    unsigned count = format == ROWS_TABLE ? COLUMN_TABLE_COUNT : COLUMN_COUNT;
    if (format == ROWS_JSON)
        return;
    for (unsigned c = 0; c < count; c++) {
        size_t start = out->len;
        if (c > 0)
            buf_append_char(out, format == ROWS_CSV ? ',' : ' ');
        buf_append_text(out, columns[c].name);
        if (format == ROWS_TABLE)
            pad(out, start, columns[c].width + (c > 0));
    }
    buf_append_char(out, '\n');
}

void rows_put(enum rows_format format, const struct packet *packet, struct bytes canonical,
              struct buf *out)
{
    switch (format) {
    case ROWS_JSON:
        buf_append_bytes(out, canonical);
        break;
    case ROWS_CSV:
        for (unsigned c = 0; c < COLUMN_COUNT; c++) {
            if (c > 0)
                buf_append_char(out, ',');
            put_csv_value((enum column)c, packet, out);
        }
        break;
    case ROWS_TABLE:
        for (unsigned c = 0; c < COLUMN_TABLE_COUNT; c++) {
            size_t start = out->len;
            if (c > 0)
                buf_append_char(out, ' ');
            put_value((enum column)c, packet, out);
            pad(out, start, columns[c].width + (c > 0));
        }
        break;
    }
    buf_append_char(out, '\n');
}
