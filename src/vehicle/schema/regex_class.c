/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/schema/regex_class.h"

#include <stddef.h>

#include "base/bytes.h"
#include "base/text.h"

enum { POINT_MAX = 0x10FFFF };

static const char too_many[] = "a class of too many ranges";
static const char bad_escape[] = "an escape that is not known here";

static const char *add(struct regex_class *class, int32_t from, int32_t to)
{
    if (class->count == REGEX_RANGES_MAX)
        return too_many;
    class->ranges[class->count].from = from;
    class->ranges[class->count++].to = to;
    return NULL;
}

/* Sorted pairs (ECMA-262 sections 22.2.2.9, CharacterClassEscape; 12.2, 12.3). */
static const int32_t digits[] = {'0', '9', -1};
static const int32_t words[] = {'0', '9', 'A', 'Z', '_', '_', 'a', 'z', -1};
static const int32_t spaces[] = {0x09,   0x0D,   0x20,   0x20,   0xA0,   0xA0,   0x1680,
                                 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x202F,
                                 0x205F, 0x205F, 0x3000, 0x3000, 0xFEFF, 0xFEFF, -1};
static const int32_t line_ends[] = {'\n', '\n', '\r', '\r', 0x2028, 0x2029, -1};

static const char *add_pairs(struct regex_class *class, const int32_t *pairs, bool is_negated)
{
    int32_t from = 0;
    const char *why = NULL;
    for (; *pairs >= 0 && why == NULL; pairs += 2) {
        why = is_negated ? add(class, from, pairs[0] - 1) : add(class, pairs[0], pairs[1]);
        from = pairs[1] + 1;
    }
    return is_negated && why == NULL ? add(class, from, POINT_MAX) : why;
}

/* \d and its like; false: c is no such letter. */
static bool add_named(struct regex_class *class, char c, const char **why)
{
    switch (c) {
    case 'd':
    case 'D':
        *why = add_pairs(class, digits, c == 'D');
        return true;
    case 'w':
    case 'W':
        *why = add_pairs(class, words, c == 'W');
        return true;
    case 's':
    case 'S':
        *why = add_pairs(class, spaces, c == 'S');
        return true;
    default:
        return false;
    }
}

/* ---- characters ---- */

static int32_t hex_digits(const char **p, const char *end, int count)
{
    uint8_t bytes[2] = {0, 0};
    if (end - *p < count ||
        !text_to_hex_bytes(bytes_of(*p, (size_t)count), bytes, (size_t)count / 2))
        return -1;
    *p += count;
    return count == 2 ? bytes[0] : bytes[0] << 8 | bytes[1];
}

static int32_t braced_hex(const char **p, const char *end)
{
    int32_t value = 0;
    const char *q = *p + 1;
    for (; q < end && *q != '}'; q++) {
        int digit = *q >= '0' && *q <= '9'   ? *q - '0'
                    : *q >= 'a' && *q <= 'f' ? *q - 'a' + 10
                    : *q >= 'A' && *q <= 'F' ? *q - 'A' + 10
                                             : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
        if (value > POINT_MAX)
            return -1;
    }
    if (q == end || q == *p + 1)
        return -1;
    *p = q + 1;
    return value;
}

static int32_t unicode_escape(const char **p, const char *end)
{
    if (*p < end && **p == '{')
        return braced_hex(p, end);
    int32_t unit = hex_digits(p, end, 4);
    bool has_low = end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u';
    if ((unit & 0xFC00) != 0xD800 || !has_low)
        return unit;
    *p += 2;
    int32_t low = hex_digits(p, end, 4);
    return (low & 0xFC00) != 0xDC00 ? -1 : 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF);
}

/* Behind a backslash; -1: not known. */
static int32_t escaped_char(const char **p, const char *end)
{
    static const char letters[] = "tnvfr", values[] = "\t\n\v\f\r";
    char c = *(*p)++;
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    if (letter != NULL)
        return values[letter - letters];
    if (c == 'c' && *p < end && (**p | 0x20) >= 'a' && (**p | 0x20) <= 'z')
        return *(*p)++ & 0x1F;
    if (c == 'x')
        return hex_digits(p, end, 2);
    if (c == 'u')
        return unicode_escape(p, end);
    if (c == '0' && (*p == end || **p < '0' || **p > '9'))
        return 0;
    /* SyntaxCharacter, '/' and, in classes, '-'. */
    return c != '\0' && strchr("^$\\.*+?()[]{}|/-", c) != NULL ? c : -1;
}

static int32_t plain_char(const char **p, const char *end)
{
    size_t len = text_utf8_len(bytes_of(*p, (size_t)(end - *p)));
    const unsigned char *c = (const unsigned char *)*p;
    *p += len;
    switch (len) {
    case 1:
        return c[0];
    case 2:
        return (c[0] & 0x1F) << 6 | (c[1] & 0x3F);
    case 3:
        return (c[0] & 0x0F) << 12 | (c[1] & 0x3F) << 6 | (c[2] & 0x3F);
    case 4:
        return (c[0] & 0x07) << 18 | (c[1] & 0x3F) << 12 | (c[2] & 0x3F) << 6 | (c[3] & 0x3F);
    default:
        return -1;
    }
}

static const char *one_char(const char **p, const char *end, int32_t *out)
{
    if (**p == '\\') {
        if (++*p == end)
            return "a \\ at the end";
        *out = escaped_char(p, end);
        return *out < 0 ? bad_escape : NULL;
    }
    *out = plain_char(p, end);
    return *out < 0 ? "not UTF-8" : NULL;
}

/* ---- classes ---- */

static bool is_named(const char *p, const char *end)
{
    return end - p >= 2 && p[0] == '\\' && strchr("dDwWsS", p[1]) != NULL && p[1] != '\0';
}

static const char *parse_member(struct regex_class *class, const char **p, const char *end)
{
    const char *why = NULL;
    if (is_named(*p, end)) {
        add_named(class, (*p)[1], &why);
        *p += 2;
        return why;
    }
    int32_t from, to;
    if ((why = one_char(p, end, &from)) != NULL)
        return why;
    to = from;
    if (end - *p >= 2 && **p == '-' && (*p)[1] != ']') {
        ++*p;
        if (is_named(*p, end))
            return "a range that ends in a class";
        if ((why = one_char(p, end, &to)) != NULL)
            return why;
    }
    return to < from ? "a range whose end is below its beginning" : add(class, from, to);
}

static const char *parse_brackets(struct regex_class *class, const char **p, const char *end)
{
    ++*p;
    class->is_negated = *p < end && **p == '^';
    *p += class->is_negated;
    while (*p < end && **p != ']') {
        const char *why = parse_member(class, p, end);
        if (why != NULL)
            return why;
    }
    if (*p == end)
        return "a class does not end";
    ++*p;
    return NULL;
}

const char *regex_class_parse(struct regex_class *class, const char **p, const char *end)
{
    const char *why = NULL;
    if (**p == '[')
        return parse_brackets(class, p, end);
    if (**p == '.') {
        ++*p;
        class->is_negated = true;
        return add_pairs(class, line_ends, false);
    }
    if (is_named(*p, end)) {
        add_named(class, (*p)[1], &why);
        *p += 2;
        return why;
    }
    int32_t c;
    why = one_char(p, end, &c);
    return why != NULL ? why : add(class, c, c);
}
