/* SPDX-License-Identifier: Apache-2.0 */
/* Values as rules compare and show them (field.h). */
#include <math.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/text.h"
#include "codec/json.h"
#include "vehicle/rule/field.h"

int value_from_yaml(const struct yaml_node *node, const char *what, struct value *out,
                    struct error *err)
{
    if (yaml_kind(node) != YAML_SCALAR)
        return yaml_error(node, err, "%s: a value is text, a number, true, false or null", what);
    struct bytes text = yaml_text(node);
    if (text.len > VALUE_TEXT_MAX)
        return yaml_error(node, err, "%s: a value has at most %d bytes", what, VALUE_TEXT_MAX);
    *out = (struct value){.type = VALUE_TEXT, .text = text};
    if (yaml_is_quoted(node))
        return 0;
    bool is_true = bytes_equal_text(text, "true");
    if (yaml_is_null(node))
        *out = (struct value){.type = VALUE_NULL};
    else if (is_true || bytes_equal_text(text, "false"))
        *out = (struct value){.type = VALUE_BOOL, .is_true = is_true};
    else if (text_to_double(text, &out->number))
        out->type = VALUE_NUMBER;
    return 0;
}

/* Each byte of a JSON string may be written with up to six ("\u0041"). */
static bool json_equal(struct bytes raw, struct bytes plain)
{
    char text[6 * VALUE_TEXT_MAX + 2];
    if (raw.len > sizeof text)
        return false;
    return bytes_equal(bytes_of(text, json_unescape(raw, text)), plain);
}

static bool text_equal(const struct value *wanted, const struct value *found)
{
    if (found->raw.len > 0 && memchr(found->raw.ptr, '\\', found->raw.len) != NULL)
        return json_equal(found->raw, wanted->text);
    return bytes_equal(wanted->text, found->text);
}

/* Beyond 2^53 integers that differ may be equal as doubles. */
static bool number_equal(const struct value *wanted, const struct value *found)
{
    if (wanted->number != found->number)
        return false;
    bool is_exact = fabs(wanted->number) < 9007199254740992.0;
    return is_exact || found->text.len == 0 || bytes_equal(wanted->text, found->text);
}

bool value_equal(const struct value *wanted, const struct value *found)
{
    if (wanted->type != found->type)
        return false;
    switch (wanted->type) {
    case VALUE_BOOL:
        return wanted->is_true == found->is_true;
    case VALUE_NUMBER:
        return number_equal(wanted, found);
    case VALUE_TEXT:
        return text_equal(wanted, found);
    case VALUE_NONE:
    case VALUE_NULL:
    case VALUE_EMPTY:
        return true;
    }
    return false;
}

/* ---- two values of packets ---- */

enum { PLAIN_MAX = 1024 };

bool value_plain_text(const struct value *value, char *room, size_t room_bytes, struct bytes *out)
{
    *out = value->text;
    if (value->raw.len == 0 || memchr(value->raw.ptr, '\\', value->raw.len) == NULL)
        return true;
    if (value->raw.len > room_bytes)
        return false;
    *out = bytes_of(room, json_unescape(value->raw, room));
    return true;
}

static bool texts_equal(const struct value *a, const struct value *b)
{
    if (bytes_equal(a->text, b->text))
        return true;
    char rooms[2][PLAIN_MAX];
    struct bytes left, right;
    return value_plain_text(a, rooms[0], PLAIN_MAX, &left) &&
           value_plain_text(b, rooms[1], PLAIN_MAX, &right) && bytes_equal(left, right);
}

bool values_equal(const struct value *a, const struct value *b)
{
    if (a->type == VALUE_TEXT && b->type == VALUE_TEXT)
        return texts_equal(a, b);
    return value_equal(a, b);
}

/* Beyond 2^53 a number is its digits, below what it is worth. */
static struct bytes hashed_part(const struct value *value, double *number)
{
    if (value->type != VALUE_NUMBER)
        return value->text;
    if (value->text.len > 0 && !(fabs(value->number) < 9007199254740992.0))
        return value->text;
    *number = value->number == 0 ? 0 : value->number; /* -0 is 0 */
    return bytes_of((const char *)number, sizeof *number);
}

uint64_t value_hash(const struct value *value, uint64_t seed)
{
    char room[PLAIN_MAX];
    double number;
    struct bytes part = hashed_part(value, &number);
    if (value->type == VALUE_TEXT)
        value_plain_text(value, room, sizeof room, &part); /* else as it was sent */
    uint64_t parts[3] = {seed, (uint64_t)value->type, value->is_true};
    if (part.len > 0)
        parts[2] = hash64_local(part);
    return hash64_local(bytes_of((const char *)parts, sizeof parts));
}

/* ---- for people ---- */

/* Not in the middle of a character. */
static size_t cut_utf8(struct bytes text, size_t room)
{
    if (text.len <= room)
        return text.len;
    while (room > 0 && ((unsigned char)text.ptr[room] & 0xC0) == 0x80)
        room--;
    return room;
}

static void print_text(struct bytes text, char *out, size_t cap)
{
    enum { SHOWN = 40 };
    size_t shown = cut_utf8(text, SHOWN);
    snprintf(out, cap, "'%.*s%s'", (int)shown, text.len == 0 ? "" : text.ptr,
             shown < text.len ? "..." : "");
    for (char *p = out; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = '?';
}

void value_print(const struct value *value, char *out, size_t cap)
{
    char digits[TEXT_DOUBLE_MAX];
    switch (value->type) {
    case VALUE_NONE:
        snprintf(out, cap, "nothing");
        return;
    case VALUE_NULL:
        snprintf(out, cap, "null");
        return;
    case VALUE_BOOL:
        snprintf(out, cap, "%s", value->is_true ? "true" : "false");
        return;
    case VALUE_EMPTY:
        snprintf(out, cap, "an empty object or array");
        return;
    case VALUE_TEXT:
        print_text(value->text, out, cap);
        return;
    case VALUE_NUMBER:
        if (value->text.len > 0 && value->text.len < TEXT_DOUBLE_MAX)
            snprintf(out, cap, "%.*s", (int)value->text.len, value->text.ptr);
        else
            snprintf(out, cap, "%.*s", (int)text_from_double(digits, value->number), digits);
        return;
    }
}
