/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* In the order in which they stand in the packet. */
enum field {
    FIELD_VEHICLE,
    FIELD_SEQ,
    FIELD_EPOCH,
    FIELD_TIME,
    FIELD_LAT,
    FIELD_LON,
    FIELD_SPEED,
    FIELD_HEADING,
    FIELD_ALTITUDE,
    FIELD_ACCURACY,
    FIELD_SIGNAL,
    FIELD_SKIP,
};

enum { FIELD_COUNT = FIELD_SIGNAL, WHY_MAX = 160 };

static const struct {
    const char *name;
    const char *key;
    const char *also; /* column names that mean it, the likeliest first */
    bool is_required;
} fields[FIELD_COUNT] = {
    [FIELD_VEHICLE] = {"vehicle", "obuid",
                       "vehicle vehicle_id vehicleid obuid obu_id id device device_id deviceid "
                       "unit unit_id cab cab_id taxi taxi_id bus_id car car_id trip_id vin imei",
                       true},
    [FIELD_SEQ] = {"seq", "seq", "seq sequence sequence_number", false},
    [FIELD_EPOCH] = {"epoch", "epoch", "epoch", false},
    [FIELD_TIME] = {"time", "time",
                    "time unix_time unixtime timestamp ts datetime date_time event_time "
                    "gps_time recorded_at epoch_time",
                    false},
    [FIELD_LAT] = {"lat", "lat", "lat latitude gps_lat y", true},
    [FIELD_LON] = {"lon", "lon", "lon lng long longitude gps_lon x", true},
    [FIELD_SPEED] = {"speed", "speed", "speed speed_ms velocity", false},
    [FIELD_HEADING] = {"heading", "heading", "heading bearing course direction", false},
    [FIELD_ALTITUDE] = {"altitude", "altitude", "altitude alt elevation ele", false},
    [FIELD_ACCURACY] = {"accuracy", "accuracy", "accuracy horizontal_accuracy", false},
};

struct columns {
    size_t count;
    struct column {
        enum field field;
        bool is_pinned; /* the map says so: no guessing */
        char *key;      /* JSON text with the colon: "lat": */
    } items[CSV_FIELDS_MAX];
    size_t order[CSV_FIELDS_MAX]; /* column numbers as they stand in the packet */
    char why[WHY_MAX];
};

void columns_free(struct columns *columns)
{
    if (columns == NULL)
        return;
    for (size_t i = 0; i < columns->count; i++)
        free(columns->items[i].key);
    free(columns);
}

/* ---- the header ---- */

static bool find_column(const struct csv *header, struct bytes name, size_t *out)
{
    for (size_t i = 0; i < header->field_count; i++) {
        if (!bytes_equal(csv_field(header, i), name))
            continue;
        *out = i;
        return true;
    }
    return false;
}

static enum field find_field(struct bytes name)
{
    for (int f = 0; f < FIELD_COUNT; f++)
        if (bytes_equal_text(name, fields[f].name))
            return (enum field)f;
    return FIELD_SKIP;
}

/* One "left=right" of the map. */
static int apply_pair(struct columns *columns, const struct csv *header, struct bytes left,
                      struct bytes right, struct error *err)
{
    size_t column;
    enum field field = find_field(left);
    if (field != FIELD_SKIP && find_column(header, right, &column)) {
        columns->items[column].field = field;
        return 0;
    }
    bool is_signal = bytes_equal(right, BYTES("signal"));
    if ((is_signal || bytes_equal(right, BYTES("skip"))) && find_column(header, left, &column)) {
        columns->items[column].field = is_signal ? FIELD_SIGNAL : FIELD_SKIP;
        columns->items[column].is_pinned = true;
        return 0;
    }
    if (field == FIELD_SKIP)
        return error_set(err, ERROR_USAGE,
                         "--map: \"%.*s\" is no field (vehicle, time, lat, lon, speed, heading, "
                         "altitude, accuracy, seq, epoch)",
                         (int)left.len, left.ptr);
    return error_set(err, ERROR_USAGE, "--map: the trace has no column \"%.*s\"", (int)right.len,
                     right.ptr);
}

static int apply_map(struct columns *columns, const struct csv *header, const char *map,
                     struct error *err)
{
    while (*map != '\0') {
        size_t len = strcspn(map, ",");
        size_t equals = strcspn(map, "=");
        if (equals >= len)
            return error_set(err, ERROR_USAGE, "--map: \"%.*s\" is not field=column", (int)len,
                             map);
        if (apply_pair(columns, header, bytes_of(map, equals),
                       bytes_of(map + equals + 1, len - equals - 1), err) != 0)
            return -1;
        map += len + (map[len] == ',');
    }
    return 0;
}

static bool is_mapped(const struct columns *columns, enum field field)
{
    for (size_t i = 0; i < columns->count; i++)
        if (columns->items[i].field == field)
            return true;
    return false;
}

/* Where in the list the column's name stands (any case), or NULL. */
static const char *find_alias(struct bytes name, const char *aliases)
{
    for (const char *at = aliases; *at != '\0'; at += strcspn(at, " "), at += *at == ' ')
        if (bytes_equal_nocase(bytes_of(at, strcspn(at, " ")), name))
            return at;
    return NULL;
}

/* Of the columns that may be meant the one whose name comes first in the list is:
 * "vehicle" before "id". */
static void guess(struct columns *columns, const struct csv *header, enum field field)
{
    struct column *best = NULL;
    const char *best_at = NULL;
    for (size_t i = 0; i < header->field_count; i++) {
        const char *at = find_alias(bytes_trim(csv_field(header, i)), fields[field].also);
        bool is_free = columns->items[i].field == FIELD_SIGNAL && !columns->items[i].is_pinned;
        if (!is_free || at == NULL || (best_at != NULL && at >= best_at))
            continue;
        best = &columns->items[i];
        best_at = at;
    }
    if (best != NULL)
        best->field = field;
}

static int set_keys(struct columns *columns, const struct csv *header, struct error *err)
{
    for (size_t i = 0; i < columns->count; i++) {
        enum field field = columns->items[i].field;
        struct bytes name = (int)field < FIELD_COUNT ? bytes_from_text(fields[field].key)
                                                     : bytes_trim(csv_field(header, i));
        struct buf key;
        buf_init(&key, 0);
        buf_append_json(&key, name);
        buf_append(&key, ":", 2);
        if (key.has_failed)
            return error_set(err, ERROR_MEMORY, "no memory for the columns' names");
        columns->items[i].key = key.ptr;
    }
    return 0;
}

/* The same key twice would be refused by every gateway. */
static int check_keys(const struct columns *columns, struct error *err)
{
    for (size_t i = 0; i < columns->count; i++)
        for (size_t j = 0; j < i; j++)
            if (columns->items[i].field != FIELD_SKIP && columns->items[j].field != FIELD_SKIP &&
                strcmp(columns->items[i].key, columns->items[j].key) == 0)
                return error_set(err, ERROR_CORRUPT,
                                 "columns %zu and %zu would both become %.80s leave one out with "
                                 "--map COLUMN=skip",
                                 j + 1, i + 1, columns->items[i].key);
    return 0;
}

static void set_order(struct columns *columns)
{
    size_t n = 0;
    for (int field = 0; field <= FIELD_SKIP; field++)
        for (size_t i = 0; i < columns->count; i++)
            if (columns->items[i].field == (enum field)field)
                columns->order[n++] = i;
}

static int check_required(const struct columns *columns, struct error *err)
{
    for (int f = 0; f < FIELD_COUNT; f++)
        if (fields[f].is_required && !is_mapped(columns, (enum field)f))
            return error_set(err, ERROR_CORRUPT,
                             "the first line names no column for \"%s\"; say --map %s=COLUMN",
                             fields[f].name, fields[f].name);
    return 0;
}

int columns_new(struct columns **out, const struct csv *header, const char *map, struct error *err)
{
    struct columns *columns = calloc(1, sizeof *columns);
    if (columns == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the columns");
    columns->count = header->field_count;
    for (size_t i = 0; i < columns->count; i++)
        columns->items[i].field = FIELD_SIGNAL;
    int result = map == NULL ? 0 : apply_map(columns, header, map, err);
    for (int f = 0; f < FIELD_COUNT; f++)
        if (!is_mapped(columns, (enum field)f))
            guess(columns, header, (enum field)f);
    if (result == 0)
        result = check_required(columns, err);
    if (result == 0)
        result = set_keys(columns, header, err);
    if (result == 0)
        result = check_keys(columns, err);
    if (result != 0) {
        columns_free(columns);
        return -1;
    }
    set_order(columns);
    *out = columns;
    return 0;
}

/* ---- records ---- */

static const char *complain(struct columns *columns, const char *name, struct bytes value,
                            const char *problem)
{
    snprintf(columns->why, sizeof columns->why, "%s \"%.*s\" %s", name,
             (int)(value.len < 40 ? value.len : 40), value.ptr, problem);
    return columns->why;
}

int64_t columns_number_to_ms(double number)
{
    return number < 1e11 ? (int64_t)(number * 1000) : (int64_t)number;
}

/* A number stays one; a date must be RFC 3339, and is taken as UTC when it does
 * not say. */
static bool put_time(struct buf *out, struct bytes value, struct columns_packet *packet)
{
    double number;
    packet->has_time = true;
    if (text_to_double(value, &number)) {
        if (!(number >= 0 && number < 1e15))
            return false;
        packet->time_ms = columns_number_to_ms(number);
        buf_append_bytes(out, value);
        return true;
    }
    char text[64];
    if (value.len + 1 > sizeof text)
        return false;
    memcpy(text, value.ptr, value.len);
    text[value.len] = 'Z';
    if (!text_to_time_ms(value, &packet->time_ms)) {
        value = bytes_of(text, value.len + 1);
        if (!text_to_time_ms(value, &packet->time_ms))
            return false;
    }
    buf_append_json(out, value);
    return true;
}

static void put_signal(struct buf *out, struct bytes value)
{
    double number;
    if (text_to_double(value, &number))
        buf_append_bytes(out, value);
    else
        buf_append_json(out, value);
}

static const char *put_value(struct columns *columns, enum field field, struct bytes value,
                             struct buf *out, struct columns_packet *packet)
{
    double number;
    switch (field) {
    case FIELD_VEHICLE:
        packet->vehicle = value;
        buf_append_json(out, value);
        return NULL;
    case FIELD_TIME:
        return put_time(out, value, packet) ? NULL : complain(columns, "time", value, "is no time");
    case FIELD_SEQ:
        packet->seq = value;
        __attribute__((fallthrough));
    case FIELD_EPOCH:
    case FIELD_LAT:
    case FIELD_LON:
    case FIELD_SPEED:
    case FIELD_HEADING:
    case FIELD_ALTITUDE:
    case FIELD_ACCURACY:
        if (!text_to_double(value, &number))
            return complain(columns, fields[field].name, value, "is no number");
        buf_append_bytes(out, value);
        return NULL;
    case FIELD_SIGNAL:
    case FIELD_SKIP:
        put_signal(out, value);
        return NULL;
    }
    return NULL;
}

const char *columns_convert(struct columns *columns, const struct csv *record, struct buf *out,
                            struct columns_packet *packet)
{
    *packet = (struct columns_packet){.has_time = false};
    buf_clear(out);
    if (record->field_count != columns->count) {
        snprintf(columns->why, sizeof columns->why, "%zu fields where the first line has %zu",
                 record->field_count, columns->count);
        return columns->why;
    }
    for (size_t n = 0; n < columns->count; n++) {
        size_t i = columns->order[n];
        enum field field = columns->items[i].field;
        struct bytes value = bytes_trim(csv_field(record, i));
        if (field == FIELD_SKIP)
            break; /* they are the last */
        if (value.len == 0 && (int)field < FIELD_COUNT && fields[field].is_required)
            return complain(columns, fields[field].name, value, "is empty");
        if (value.len == 0)
            continue;
        buf_append_char(out, out->len == 0 ? '{' : ',');
        buf_append_text(out, columns->items[i].key);
        const char *why = put_value(columns, field, value, out, packet);
        if (why != NULL)
            return why;
    }
    buf_append_char(out, '}');
    return out->has_failed ? "no memory" : NULL;
}
