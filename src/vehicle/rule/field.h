/* SPDX-License-Identifier: Apache-2.0 */
/* A field that a rule or a predicate names, resolved when the ruleset is
 * compiled: the packet's own fields become typed offsets, anything else is a
 * signal's path. `signals.` in front says that a signal is meant, whatever its
 * name. Pure; compiled fields are immutable. */
#pragma once

#include "config/yaml.h"
#include "vehicle/packet.h"

enum field_type {
    FIELD_NUMBER,  /* a double of the packet: lat, lon, speed, heading, altitude, accuracy */
    FIELD_TIME,    /* time_ms */
    FIELD_TEXT,    /* struct bytes of the packet: vehicle, type, id */
    FIELD_DIALECT, /* the dialect's name */
    FIELD_SIGNAL,
};

struct field {
    struct bytes name; /* as written; of a signal its path. Lives with the YAML document */
    enum field_type type;
    uint16_t offset; /* in struct packet, for NUMBER and TEXT */
    uint32_t mask;   /* PACKET_HAS_*; 0: presence is found by looking */
};

/* A value as rules see it. */
enum value_type { VALUE_NONE, VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_EMPTY };

enum { VALUE_TEXT_MAX = 256 }; /* bytes of a ruleset's own values */

struct value {
    enum value_type type;
    bool is_true;
    double number;     /* of NUMBER */
    struct bytes text; /* of TEXT; of NUMBER its digits as sent, when it is a signal */
    struct bytes raw;  /* of a signal's TEXT: the JSON string, of which text is the inside */
};

/* An unknown name that is one slip away from a known one is an error. */
int field_compile(const struct yaml_node *node, const char *what, struct field *out,
                  struct error *err);
/* The same of a name that stands in a larger text at `node`; NUL-terminated, lives
 * as long as the field. */
int field_compile_name(const struct yaml_node *node, struct bytes name, const char *what,
                       struct field *out, struct error *err);

bool field_is_present(const struct field *field, const struct packet *packet);
/* VALUE_NONE when it is absent. */
struct value field_read(const struct field *field, const struct packet *packet);
/* A scalar of the ruleset: quoted is text; plain null, true, false and numbers
 * are what they look like; other plain words are text. */
int value_from_yaml(const struct yaml_node *node, const char *what, struct value *out,
                    struct error *err);
/* Equal in type and content. Numbers: as sent when both are written the same,
 * else as doubles. `wanted` comes from the ruleset. */
bool value_equal(const struct value *wanted, const struct value *found);
/* The same of two values of a packet. */
bool values_equal(const struct value *a, const struct value *b);
/* Of type and content, as value_equal sees them, after `seed`. Of this process:
 * not to be stored or sent. */
uint64_t value_hash(const struct value *value, uint64_t seed);
/* What a text says, without JSON's escapes: in `room` when it has any, else where
 * it lies. false: there is not room enough. */
bool value_plain_text(const struct value *value, char *room, size_t room_bytes, struct bytes *out);
/* For people: cut to fit, control characters replaced; NUL-terminated. */
void value_print(const struct value *value, char *out, size_t cap);

/* Names for the reference page: one row each. */
struct field_info {
    const char *name;
    enum field_type type;
    uint16_t offset;
    uint32_t mask;
    const char *help;
};
extern const struct field_info field_table[]; /* ends with name NULL */
