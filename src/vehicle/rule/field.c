/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/rule/field.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "vehicle/dialect.h"

#define NUMBER(name, member, mask, help)                                \
    {                                                                   \
        name, FIELD_NUMBER, offsetof(struct packet, member), mask, help \
    }
#define TEXT(name, member, help)                                   \
    {                                                              \
        name, FIELD_TEXT, offsetof(struct packet, member), 0, help \
    }

const struct field_info field_table[] = {
    NUMBER("lat", lat, PACKET_HAS_LAT, "latitude, degrees WGS84"),
    NUMBER("lon", lon, PACKET_HAS_LON, "longitude, degrees WGS84"),
    NUMBER("speed", speed_ms, PACKET_HAS_SPEED, "m/s"),
    NUMBER("heading", heading_deg, PACKET_HAS_HEADING, "degrees clockwise from north"),
    NUMBER("altitude", altitude_m, PACKET_HAS_ALTITUDE, "metres"),
    NUMBER("accuracy", accuracy_m, PACKET_HAS_ACCURACY, "metres"),
    {"time", FIELD_TIME, 0, PACKET_HAS_TIME, "event time, by the vehicle's clock"},
    TEXT("vehicle", vehicle, "who sent it"),
    TEXT("type", type, "the envelope's type"),
    TEXT("id", id, "the envelope's id"),
    {"dialect", FIELD_DIALECT, 0, 0, "how the vehicle writes: obu, envelope"},
    {0},
};

static const struct field_info *find(struct bytes name)
{
    for (const struct field_info *info = field_table; info->name != NULL; info++)
        if (bytes_equal_text(name, info->name))
            return info;
    return NULL;
}

/* A signal may have any name, so a slip can't be told from one, except when a
 * single letter makes it a field; then the writer must say which is meant. */
static const char *near_field(const char *written)
{
    for (const struct field_info *info = field_table; info->name != NULL; info++)
        if (info->name[0] == (written[0] | 0x20) && text_distance(written, info->name) == 1)
            return info->name;
    return NULL;
}

static int check_slip(const struct yaml_node *node, const char *written, const char *what,
                      struct error *err)
{
    const char *near = near_field(written);
    if (near == NULL)
        return 0;
    return yaml_error(node, err,
                      "%s: there is no field \"%s\"; did you mean \"%s\"? (a signal of that name "
                      "is written \"signals.%s\")",
                      what, written, near, written);
}

static int compile_signal(const struct yaml_node *node, struct bytes path, const char *what,
                          struct field *out, struct error *err)
{
    static const struct bytes prefix = {"signals.", 8};
    bool is_explicit = path.len > prefix.len && bytes_equal(bytes_of(path.ptr, prefix.len), prefix);
    if (is_explicit)
        path = bytes_of(path.ptr + prefix.len, path.len - prefix.len);
    else if (check_slip(node, path.ptr, what, err) != 0)
        return -1;
    *out = (struct field){.name = path, .type = FIELD_SIGNAL};
    return 0;
}

int field_compile_name(const struct yaml_node *node, struct bytes name, const char *what,
                       struct field *out, struct error *err)
{
    const struct field_info *info = find(name);
    if (info == NULL)
        return compile_signal(node, name, what, out, err);
    *out = (struct field){
        .name = name, .type = info->type, .offset = info->offset, .mask = info->mask};
    return 0;
}

int field_compile(const struct yaml_node *node, const char *what, struct field *out,
                  struct error *err)
{
    if (yaml_kind(node) != YAML_SCALAR || yaml_text(node).len == 0)
        return yaml_error(node, err, "%s must be the name of a field", what);
    return field_compile_name(node, yaml_text(node), what, out, err);
}

static struct bytes text_of(const struct field *field, const struct packet *packet)
{
    return *(const struct bytes *)(const void *)((const char *)packet + field->offset);
}

bool field_is_present(const struct field *field, const struct packet *packet)
{
    if (field->mask != 0)
        return (packet->fields & field->mask) != 0;
    if (field->type == FIELD_TEXT)
        return text_of(field, packet).len > 0;
    if (field->type == FIELD_DIALECT)
        return packet->dialect != DIALECT_NONE;
    return packet_find_signal(packet, field->name) != NULL;
}

static struct value text_value(struct bytes text)
{
    return (struct value){.type = text.len == 0 ? VALUE_NONE : VALUE_TEXT, .text = text};
}

static struct value signal_value(const struct signal *signal)
{
    switch (signal->type) {
    case SIGNAL_NULL:
        return (struct value){.type = VALUE_NULL};
    case SIGNAL_BOOL:
        return (struct value){.type = VALUE_BOOL, .is_true = signal->raw.ptr[0] == 't'};
    case SIGNAL_NUMBER: {
        struct value value = {.type = VALUE_NUMBER, .text = signal->raw};
        if (!signal_number(signal, &value.number))
            value.number = NAN;
        return value;
    }
    case SIGNAL_STRING:
        return (struct value){.type = VALUE_TEXT,
                              .text = bytes_of(signal->raw.ptr + 1, signal->raw.len - 2),
                              .raw = signal->raw};
    case SIGNAL_EMPTY:
        return (struct value){.type = VALUE_EMPTY};
    }
    return (struct value){0};
}

struct value field_read(const struct field *field, const struct packet *packet)
{
    if (field->mask != 0 && (packet->fields & field->mask) == 0)
        return (struct value){0};
    switch (field->type) {
    case FIELD_NUMBER:
        return (struct value){
            .type = VALUE_NUMBER,
            .number = *(const double *)(const void *)((const char *)packet + field->offset)};
    case FIELD_TIME:
        return (struct value){.type = VALUE_NUMBER, .number = (double)packet->time_ms};
    case FIELD_TEXT:
        return text_value(text_of(field, packet));
    case FIELD_DIALECT: {
        const struct dialect *dialect = dialect_by_id(packet->dialect);
        return dialect == NULL ? (struct value){0} : text_value(bytes_from_text(dialect->name));
    }
    case FIELD_SIGNAL: {
        const struct signal *signal = packet_find_signal(packet, field->name);
        return signal == NULL ? (struct value){0} : signal_value(signal);
    }
    }
    return (struct value){0};
}
