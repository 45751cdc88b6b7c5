/* SPDX-License-Identifier: Apache-2.0 */
/* Values as rules compare and show them (field.h). */
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "vehicle/rule/field.h"

struct value value_from_yaml(const struct yaml_node *node)
{
    struct bytes text = yaml_text(node);
    struct value value = {.type = VALUE_TEXT, .text = text};
    if (yaml_is_quoted(node))
        return value;
    if (yaml_is_null(node))
        return (struct value){.type = VALUE_NULL};
    bool is_true = bytes_equal_text(text, "true");
    if (is_true || bytes_equal_text(text, "false"))
        return (struct value){.type = VALUE_BOOL, .is_true = is_true};
    if (text_to_double(text, &value.number))
        value.type = VALUE_NUMBER;
    return value;
}

/* ---- text as sent in JSON against plain text ---- */

static unsigned hex4(const char *p)
{
    uint8_t two[2] = {0, 0};
    text_to_hex_bytes(bytes_of(p, 4), two, 2);
    return (unsigned)two[0] << 8 | two[1];
}

static size_t put_utf8(char out[4], unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(first[len] | code);
    return len;
}

/* The \\uDC00-DFFF at i, or 0: half a pair alone is valid JSON. */
static unsigned low_surrogate(struct bytes text, size_t i)
{
    if (text.len - i < 6 || text.ptr[i] != '\\' || text.ptr[i + 1] != 'u')
        return 0;
    unsigned code = hex4(text.ptr + i + 2);
    return code >= 0xDC00 && code < 0xE000 ? code : 0;
}

/* One character of a JSON string's inside, which the parser found valid. */
static size_t take_char(struct bytes text, size_t *i, char out[4])
{
    if (text.ptr[*i] != '\\') {
        out[0] = text.ptr[(*i)++];
        return 1;
    }
    static const char letters[] = "bfnrt";
    static const char controls[] = "\b\f\n\r\t";
    char letter = text.ptr[*i + 1];
    if (letter != 'u') {
        const char *at = strchr(letters, letter);
        out[0] = at == NULL ? letter : controls[at - letters];
        *i += 2;
        return 1;
    }
    unsigned code = hex4(text.ptr + *i + 2);
    *i += 6;
    unsigned low = code >= 0xD800 && code < 0xDC00 ? low_surrogate(text, *i) : 0;
    if (low != 0) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        *i += 6;
    }
    return put_utf8(out, code);
}

static bool json_equal(struct bytes json, struct bytes plain)
{
    size_t at = 0;
    for (size_t i = 0; i < json.len;) {
        char one[4];
        size_t len = take_char(json, &i, one);
        if (plain.len - at < len || memcmp(plain.ptr + at, one, len) != 0)
            return false;
        at += len;
    }
    return at == plain.len;
}

static bool text_equal(const struct value *wanted, const struct value *found)
{
    if (found->is_json && memchr(found->text.ptr, '\\', found->text.len) != NULL)
        return json_equal(found->text, wanted->text);
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
