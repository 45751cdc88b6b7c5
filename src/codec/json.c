/* SPDX-License-Identifier: Apache-2.0 */
/* Idea: a machine with one bit per open container (object or array) in a 64-bit
 * word instead of a call stack, and one state: what may come next. Strings are
 * passed eight bytes at a time. */
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"
#include "base/text.h"
#include "base/word.h"
#include "codec/json_keys.h"

enum state {
    STATE_VALUE,
    STATE_FIRST_VALUE, /* behind '[': a value or ']' */
    STATE_FIRST_KEY,   /* behind '{': a key or '}' */
    STATE_COLON,
    STATE_AFTER, /* behind a value inside a container */
    STATE_TRAIL, /* behind the whole text */
    STATE_ENDED,
    STATE_FAULT,
};

struct json_reader {
    const char *start;
    const char *p;
    const char *end;
    enum state state;
    unsigned depth;
    uint64_t objects; /* bit depth-1: that container is an object */
    struct json_fault fault;
    struct json_keys *keys;
    char *text; /* unescaped keys */
    size_t text_len;
    size_t text_max;
};

struct json_reader *json_reader_new(size_t keys_max, size_t text_max)
{
    struct json_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->keys = json_keys_new(keys_max);
    reader->text = malloc(text_max);
    reader->text_max = text_max;
    if (reader->keys == NULL || reader->text == NULL) {
        json_reader_free(reader);
        return NULL;
    }
    return reader;
}

void json_reader_free(struct json_reader *reader)
{
    if (reader == NULL)
        return;
    json_keys_free(reader->keys);
    free(reader->text);
    free(reader);
}

void json_reader_start(struct json_reader *reader, struct bytes text)
{
    reader->start = text.ptr;
    reader->p = text.ptr;
    reader->end = text.ptr + text.len;
    reader->state = STATE_VALUE;
    reader->depth = 0;
    reader->objects = 0;
    reader->fault = (struct json_fault){0};
    reader->text_len = 0;
    json_keys_reset(reader->keys);
}

const struct json_fault *json_reader_fault(const struct json_reader *reader)
{
    return &reader->fault;
}

size_t json_reader_offset(const struct json_reader *reader)
{
    return (size_t)(reader->p - reader->start);
}

static enum json_event fail(struct json_reader *reader, enum json_fault_kind kind, const char *at,
                            const char *expected)
{
    reader->fault = (struct json_fault){kind, (size_t)(at - reader->start), expected};
    reader->state = STATE_FAULT;
    return JSON_FAULT;
}

/* ---- strings ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char folded = (char)(c | 0x20);
    return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

/* Four hex digits: the code unit, or -1. */
static int32_t scan_unit(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* p behind a "\u": what follows the whole character; *code is set. */
static const char *scan_code(const char *p, const char *end, uint32_t *code,
                             enum json_fault_kind *kind)
{
    *kind = JSON_FAULT_SYNTAX;
    int32_t unit = scan_unit(p, end);
    if (unit < 0)
        return NULL;
    p += 4;
    *code = (uint32_t)unit;
    if (unit < 0xD800 || unit > 0xDFFF)
        return p;
    *kind = JSON_FAULT_UTF8;
    if (unit > 0xDBFF || end - p < 2 || p[0] != '\\' || p[1] != 'u')
        return NULL;
    int32_t low = scan_unit(p + 2, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return NULL;
    *code = 0x10000 + (((uint32_t)unit & 0x3FF) << 10 | ((uint32_t)low & 0x3FF));
    return p + 6;
}

/* p at a backslash: what follows the escape, NULL with *kind when malformed. */
static const char *scan_escape(const char *p, const char *end, enum json_fault_kind *kind)
{
    *kind = JSON_FAULT_SYNTAX;
    if (end - p < 2)
        return NULL;
    uint32_t code;
    if (p[1] == 'u')
        return scan_code(p + 2, end, &code, kind);
    return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
}

/* The next byte from p that is a quote, a backslash or a control character, or
 * `end`. *high collects the top bits of what was passed. */
static const char *find_special(const char *p, const char *end, uint64_t *high)
{
    for (; end - p >= 8; p += 8) {
        uint64_t word = word_load(p);
        uint64_t special = word_equal(word, '"') | word_equal(word, '\\') | word_below(word, 0x20);
        if (special == 0) {
            *high |= word;
            continue;
        }
        unsigned passed = word_first(special);
        *high |= passed == 0 ? 0 : word << (64 - 8 * passed);
        return p + passed;
    }
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        *high |= c;
    }
    return p;
}

static const char *string_fault(struct json_fault *fault, enum json_fault_kind kind, size_t offset,
                                const char *expected)
{
    *fault = (struct json_fault){kind, offset, expected};
    return NULL;
}

static const char *check_utf8(const char *start, const char *end, struct json_fault *fault)
{
    struct bytes rest = bytes_of(start, (size_t)(end - start));
    if (text_is_utf8(rest))
        return end;
    for (size_t len; (len = text_utf8_len(rest)) != 0;)
        rest = bytes_of(rest.ptr + len, rest.len - len);
    return string_fault(fault, JSON_FAULT_UTF8, (size_t)(rest.ptr - start), "UTF-8");
}

const char *json_scan_string(const char *p, const char *end, bool *has_escapes,
                             struct json_fault *fault)
{
    const char *start = p++;
    uint64_t high = 0;
    *has_escapes = false;
    for (;;) {
        p = find_special(p, end, &high);
        size_t offset = (size_t)(p - start);
        if (p == end)
            return string_fault(fault, JSON_FAULT_SYNTAX, offset, "the closing '\"' of a string");
        if (*p == '"')
            break;
        if (*p != '\\')
            return string_fault(fault, JSON_FAULT_SYNTAX, offset,
                                "no control character in a string");
        enum json_fault_kind kind;
        *has_escapes = true;
        p = scan_escape(p, end, &kind);
        if (p == NULL)
            return string_fault(fault, kind, offset,
                                kind == JSON_FAULT_UTF8 ? "both halves of a surrogate pair"
                                                        : "an escape of RFC 8259");
    }
    if ((high & WORD_REPEAT(0x80)) != 0 && check_utf8(start, p, fault) == NULL)
        return NULL;
    return p + 1;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(leads[more] | code >> (6 * more));
    while (more-- > 0)
        *out++ = (char)(0x80 | (code >> (6 * more) & 0x3F));
    return out;
}

static char unescape_short(char c)
{
    static const char plain[128] = {
        ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
    };
    char mapped = plain[c & 0x7F];
    return mapped != 0 ? mapped : c;
}

size_t json_unescape(struct bytes raw, char *out)
{
    const char *p = raw.ptr + 1;
    const char *end = raw.ptr + raw.len - 1;
    char *start = out;
    while (p < end) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((stop == NULL ? end : stop) - p);
        memcpy(out, p, run);
        out += run;
        p += run;
        if (p == end)
            break;
        if (p[1] != 'u') {
            *out++ = unescape_short(p[1]);
            p += 2;
            continue;
        }
        uint32_t code;
        enum json_fault_kind kind;
        p = scan_code(p + 2, end, &code, &kind);
        if (p == NULL)
            break;
        out = put_utf8(out, code);
    }
    return (size_t)(out - start);
}

/* ---- the machine ---- */

static enum json_event take_string(struct json_reader *reader, struct json_token *token)
{
    struct json_fault fault;
    const char *next = json_scan_string(reader->p, reader->end, &token->has_escapes, &fault);
    if (next == NULL)
        return fail(reader, fault.kind, reader->p + fault.offset, fault.expected);
    token->raw = bytes_of(reader->p, (size_t)(next - reader->p));
    reader->p = next;
    return JSON_STRING;
}

static enum json_event after_value(struct json_reader *reader, enum json_event event)
{
    reader->state = reader->depth == 0 ? STATE_TRAIL : STATE_AFTER;
    return event;
}

static enum json_event take_word(struct json_reader *reader, struct json_token *token,
                                 struct bytes word, enum json_event event)
{
    size_t left = (size_t)(reader->end - reader->p);
    if (left < word.len || memcmp(reader->p, word.ptr, word.len) != 0)
        return fail(reader, JSON_FAULT_SYNTAX, reader->p, "a value");
    token->raw = bytes_of(reader->p, word.len);
    reader->p += word.len;
    return after_value(reader, event);
}

static enum json_event take_number(struct json_reader *reader, struct json_token *token)
{
    const char *next = decimal_scan(reader->p, reader->end, NULL);
    if (next == NULL)
        return fail(reader, JSON_FAULT_SYNTAX, reader->p, "a number as in RFC 8259");
    token->raw = bytes_of(reader->p, (size_t)(next - reader->p));
    reader->p = next;
    return after_value(reader, JSON_NUMBER);
}

static enum json_event open_container(struct json_reader *reader, struct json_token *token,
                                      bool is_object)
{
    if (reader->depth == JSON_DEPTH_MAX)
        return fail(reader, JSON_FAULT_DEPTH, reader->p, "no deeper nesting");
    uint64_t bit = UINT64_C(1) << reader->depth++;
    reader->objects = is_object ? reader->objects | bit : reader->objects & ~bit;
    reader->state = is_object ? STATE_FIRST_KEY : STATE_FIRST_VALUE;
    if (is_object)
        json_keys_open(reader->keys);
    token->raw = bytes_of(reader->p++, 1);
    return is_object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_event close_container(struct json_reader *reader, struct json_token *token,
                                       bool is_object)
{
    reader->depth--;
    if (is_object)
        json_keys_close(reader->keys);
    token->raw = bytes_of(reader->p++, 1);
    return after_value(reader, is_object ? JSON_OBJECT_END : JSON_ARRAY_END);
}

static enum json_event take_value(struct json_reader *reader, struct json_token *token)
{
    if (reader->p == reader->end)
        return fail(reader, JSON_FAULT_SYNTAX, reader->p, "a value");
    char c = *reader->p;
    if (c == '"') {
        enum json_event event = take_string(reader, token);
        return event == JSON_FAULT ? event : after_value(reader, event);
    }
    if (c == '{' || c == '[')
        return open_container(reader, token, c == '{');
    if (c == 't')
        return take_word(reader, token, BYTES("true"), JSON_TRUE);
    if (c == 'f')
        return take_word(reader, token, BYTES("false"), JSON_FALSE);
    if (c == 'n')
        return take_word(reader, token, BYTES("null"), JSON_NULL);
    if (c == '-' || (c >= '0' && c <= '9'))
        return take_number(reader, token);
    return fail(reader, JSON_FAULT_SYNTAX, reader->p, "a value");
}

static enum json_event take_key(struct json_reader *reader, struct json_token *token,
                                const char *expected)
{
    if (reader->p == reader->end || *reader->p != '"')
        return fail(reader, JSON_FAULT_SYNTAX, reader->p, expected);
    const char *start = reader->p;
    if (take_string(reader, token) == JSON_FAULT)
        return JSON_FAULT;
    token->text = bytes_of(token->raw.ptr + 1, token->raw.len - 2);
    if (token->has_escapes) {
        if (token->raw.len > reader->text_max - reader->text_len)
            return fail(reader, JSON_FAULT_KEYS, start, "fewer escaped keys");
        char *text = reader->text + reader->text_len;
        token->text = bytes_of(text, json_unescape(token->raw, text));
        reader->text_len += token->text.len;
    }
    reader->state = STATE_COLON;
    switch (json_keys_add(reader->keys, token->text)) {
    case JSON_KEYS_NEW:
        return JSON_KEY;
    case JSON_KEYS_TWICE:
        return fail(reader, JSON_FAULT_DUPLICATE, start, "another key than before");
    case JSON_KEYS_FULL:
        return fail(reader, JSON_FAULT_KEYS, start, "fewer keys");
    }
    return JSON_FAULT;
}

/* Behind a value inside a container: its end, or a comma and what follows. */
static enum json_event take_after(struct json_reader *reader, struct json_token *token)
{
    bool is_object = reader->objects >> (reader->depth - 1) & 1;
    const char *expected = is_object ? "',' or '}'" : "',' or ']'";
    if (reader->p == reader->end)
        return fail(reader, JSON_FAULT_SYNTAX, reader->p, expected);
    if (*reader->p == (is_object ? '}' : ']'))
        return close_container(reader, token, is_object);
    if (*reader->p != ',')
        return fail(reader, JSON_FAULT_SYNTAX, reader->p, expected);
    reader->p = json_skip_blanks(reader->p + 1, reader->end);
    return is_object ? take_key(reader, token, "a key in quotes") : take_value(reader, token);
}

enum json_event json_reader_next(struct json_reader *reader, struct json_token *token)
{
    if (reader->state == STATE_FAULT)
        return JSON_FAULT;
    reader->p = json_skip_blanks(reader->p, reader->end);
    char c = reader->p < reader->end ? *reader->p : '\0';
    switch (reader->state) {
    case STATE_COLON:
        if (c != ':')
            return fail(reader, JSON_FAULT_SYNTAX, reader->p, "':'");
        reader->p = json_skip_blanks(reader->p + 1, reader->end);
        return take_value(reader, token);
    case STATE_VALUE:
        return take_value(reader, token);
    case STATE_FIRST_VALUE:
        return c == ']' ? close_container(reader, token, false) : take_value(reader, token);
    case STATE_FIRST_KEY:
        return c == '}' ? close_container(reader, token, true)
                        : take_key(reader, token, "a key in quotes or '}'");
    case STATE_AFTER:
        return take_after(reader, token);
    case STATE_TRAIL:
        if (reader->p != reader->end)
            return fail(reader, JSON_FAULT_SYNTAX, reader->p, "the end");
        reader->state = STATE_ENDED;
        return JSON_END;
    case STATE_ENDED:
        return JSON_END;
    case STATE_FAULT:
        break;
    }
    return JSON_FAULT;
}

/* ---- around it ---- */

const char *json_skip_value(const char *p, const char *end, size_t *depth)
{
    size_t level = 0;
    *depth = 0;
    for (; p < end; p++) {
        switch (*p) {
        case '"':
            for (p++; p < end && *p != '"'; p++)
                if (*p == '\\' && ++p == end)
                    break;
            if (p == end)
                return NULL;
            break;
        case '{':
        case '[':
            if (++level > *depth)
                *depth = level;
            continue;
        case '}':
        case ']':
            if (level == 0)
                return p;
            level--;
            break;
        case ',':
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            if (level == 0)
                return p;
            continue;
        default:
            continue;
        }
        if (level == 0)
            return p + 1;
    }
    return level == 0 ? p : NULL;
}

void json_fault_text(const struct json_fault *fault, struct bytes text, char *out, size_t size)
{
    if (fault->offset >= text.len) {
        snprintf(out, size, "byte %zu: expected %s, found the end", fault->offset, fault->expected);
        return;
    }
    unsigned char c = (unsigned char)text.ptr[fault->offset];
    int len = snprintf(out, size, "byte %zu: expected %s, found ", fault->offset, fault->expected);
    if (len < 0 || (size_t)len >= size)
        return;
    if (c > 0x20 && c < 0x7F)
        snprintf(out + len, size - (size_t)len, "'%c'", c);
    else
        snprintf(out + len, size - (size_t)len, "byte 0x%02x", c);
}
