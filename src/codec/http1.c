/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP/1.1 messages, read in one pass from left to right. The first
 * rule that is broken decides, so that a prefix of the input gives either
 * HTTP1_MORE or the very verdict of the whole: how the bytes were cut into
 * segments never changes what is accepted. Rules that need the whole head
 * (Host, the body's framing) are checked at its blank line. */
#include "codec/http1.h"

#include <string.h>

#include "base/text.h"

enum { METHOD_BYTES_MAX = 32, EMPTY_LINES_MAX = 2 };

/* RFC 9110 section 5.6.2: tchar. */
static const bool is_token_char[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1,  ['~'] = 1, ['0'] = 1,
    ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,  ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,  ['F'] = 1, ['G'] = 1,
    ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1,  ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1,  ['d'] = 1, ['e'] = 1,
    ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1,  ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,  ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

/* What stands between the cursor and the end. */
struct cursor {
    const char *at;
    const char *end;
};

static size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static struct bytes span(const char *from, const char *to)
{
    return bytes_of(from, (size_t)(to - from));
}

static bool is_value_char(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Does none of these eight bytes need a look: no control character, no DEL? A
 * byte above 0x7f may give a false alarm, never a false pass. */
static bool is_plain_word(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones << 7;
    uint64_t control = (word - ones * 0x20) & ~word & tops;
    uint64_t del = word ^ (ones * 0x7f);
    del = (del - ones) & ~del & tops;
    return (control | del) == 0;
}

static const char *skip_value(const char *at, const char *end)
{
    while (end - at >= 8 && is_plain_word(at))
        at += 8;
    while (at < end && is_value_char((unsigned char)*at))
        at++;
    return at;
}

static const char *skip_token(const char *at, const char *end)
{
    while (at < end && is_token_char[(unsigned char)*at])
        at++;
    return at;
}

/* CR LF and nothing else. */
static enum http1_result take_line_end(struct cursor *cursor)
{
    if (left(cursor) == 0)
        return HTTP1_MORE;
    if (cursor->at[0] != '\r')
        return HTTP1_BAD;
    if (left(cursor) == 1)
        return HTTP1_MORE;
    if (cursor->at[1] != '\n')
        return HTTP1_BAD;
    cursor->at += 2;
    return HTTP1_OK;
}

/* RFC 9112 section 2.2: some clients send an empty line behind a body. */
static enum http1_result skip_empty_lines(struct cursor *cursor)
{
    for (int i = 0; i < EMPTY_LINES_MAX && left(cursor) > 0 && cursor->at[0] == '\r'; i++) {
        enum http1_result result = take_line_end(cursor);
        if (result != HTTP1_OK)
            return result;
    }
    return HTTP1_OK;
}

/* One field line; *out is filled on HTTP1_OK. */
static enum http1_result take_field(struct cursor *cursor, struct http1_header *out)
{
    const char *name = cursor->at;
    const char *colon = skip_token(name, cursor->end);
    if (colon == cursor->end)
        return HTTP1_MORE;
    if (colon == name || *colon != ':')
        return HTTP1_BAD; /* a space before the colon and a folded line end here, too */
    const char *value = colon + 1;
    cursor->at = skip_value(value, cursor->end);
    out->name = span(name, colon);
    out->value = bytes_trim(span(value, cursor->at));
    return take_line_end(cursor);
}

static enum http1_result take_fields(struct cursor *cursor, struct http1_header *headers,
                                     size_t *count)
{
    *count = 0;
    for (;;) {
        if (left(cursor) == 0)
            return HTTP1_MORE;
        if (cursor->at[0] == '\r')
            return take_line_end(cursor);
        struct http1_header header;
        enum http1_result result = take_field(cursor, &header);
        if (result != HTTP1_OK)
            return result;
        if (*count == HTTP1_HEADERS_MAX)
            return HTTP1_TOO_MANY;
        headers[(*count)++] = header;
    }
}

/* What the fields say about the message, gathered before it is judged. */
struct framing {
    unsigned hosts, lengths, codings;
    bool is_last_chunked, is_chunked_inside;
    bool is_close, is_keep_alive, is_upgrade, expects_continue;
    uint64_t content_length;
};

/* Next element of a comma-separated list; empty elements are skipped. */
static bool next_element(struct bytes *list, struct bytes *element)
{
    while (list->len > 0) {
        const char *comma = memchr(list->ptr, ',', list->len);
        size_t len = comma == NULL ? list->len : (size_t)(comma - list->ptr);
        size_t taken = comma == NULL ? len : len + 1;
        *element = bytes_trim(bytes_of(list->ptr, len));
        *list = bytes_of(list->ptr + taken, list->len - taken);
        if (element->len > 0)
            return true;
    }
    return false;
}

static void read_connection(struct framing *framing, struct bytes list)
{
    struct bytes token;
    while (next_element(&list, &token)) {
        framing->is_close |= bytes_equal_nocase(token, BYTES("close"));
        framing->is_keep_alive |= bytes_equal_nocase(token, BYTES("keep-alive"));
        framing->is_upgrade |= bytes_equal_nocase(token, BYTES("upgrade"));
    }
}

/* A list without a single coding is malformed: another reader could take it as
 * "no Transfer-Encoding", or not. */
static bool read_codings(struct framing *framing, struct bytes list)
{
    unsigned before = framing->codings;
    struct bytes coding;
    while (next_element(&list, &coding)) {
        if (skip_token(coding.ptr, coding.ptr + coding.len) != coding.ptr + coding.len)
            return false;
        framing->is_chunked_inside |= framing->is_last_chunked;
        framing->is_last_chunked = bytes_equal_nocase(coding, BYTES("chunked"));
        framing->codings++;
    }
    return framing->codings > before;
}

static bool is_host_char(unsigned char c)
{
    if (is_token_char[c])
        return c != '#' && c != '^' && c != '`' && c != '|';
    return c == ':' || c == '[' || c == ']' || c == '(' || c == ')' || c == ';' || c == '=';
}

static bool is_host(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_host_char((unsigned char)value.ptr[i]))
            return false;
    return true;
}

/* false: the field alone is reason enough for 400. */
static bool read_field(struct framing *framing, const struct http1_header *header)
{
    struct bytes name = header->name;
    struct bytes value = header->value;
    switch (name.len) {
    case 4:
        if (!bytes_equal_nocase(name, BYTES("host")))
            return true;
        framing->hosts++;
        return is_host(value);
    case 6:
        if (bytes_equal_nocase(name, BYTES("expect")))
            framing->expects_continue |= bytes_equal_nocase(value, BYTES("100-continue"));
        return true;
    case 10:
        if (bytes_equal_nocase(name, BYTES("connection")))
            read_connection(framing, value);
        return true;
    case 14:
        if (!bytes_equal_nocase(name, BYTES("content-length")))
            return true;
        framing->lengths++;
        return text_to_u64(value, &framing->content_length);
    case 17:
        if (!bytes_equal_nocase(name, BYTES("transfer-encoding")))
            return true;
        return read_codings(framing, value);
    default:
        return true;
    }
}

/* RFC 9112 section 6: what a proxy and we could read differently is refused. */
static enum http1_result judge_framing(const struct framing *framing, unsigned minor)
{
    if (framing->lengths > 1 || (framing->lengths > 0 && framing->codings > 0))
        return HTTP1_BAD;
    if (framing->codings == 0)
        return HTTP1_OK;
    if (minor == 0 || framing->is_chunked_inside)
        return HTTP1_BAD;
    if (framing->codings > 1 || !framing->is_last_chunked)
        return HTTP1_CODING;
    return HTTP1_OK;
}

static enum http1_result read_framing(struct framing *framing, const struct http1_header *headers,
                                      size_t count, unsigned minor)
{
    *framing = (struct framing){0};
    for (size_t i = 0; i < count; i++)
        if (!read_field(framing, &headers[i]))
            return HTTP1_BAD;
    return judge_framing(framing, minor);
}

static bool keeps_alive(const struct framing *framing, unsigned minor)
{
    return !framing->is_close && (minor == 1 || framing->is_keep_alive);
}

static enum http1_method method_of(struct bytes text)
{
    static const struct {
        const char *text;
        enum http1_method method;
    } methods[] = {
        {"GET", HTTP1_GET},     {"POST", HTTP1_POST},     {"HEAD", HTTP1_HEAD},
        {"PUT", HTTP1_PUT},     {"DELETE", HTTP1_DELETE}, {"OPTIONS", HTTP1_OPTIONS},
        {"PATCH", HTTP1_PATCH},
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (bytes_equal_text(text, methods[i].text))
            return methods[i].method;
    return HTTP1_METHOD_OTHER;
}

static enum http1_result take_method(struct cursor *cursor, struct http1_request *out)
{
    const char *end = skip_token(cursor->at, cursor->end);
    out->method_text = span(cursor->at, end);
    if (out->method_text.len > METHOD_BYTES_MAX)
        return HTTP1_BAD;
    if (end == cursor->end)
        return HTTP1_MORE;
    if (out->method_text.len == 0 || *end != ' ')
        return HTTP1_BAD;
    out->method = method_of(out->method_text);
    cursor->at = end + 1;
    return HTTP1_OK;
}

/* `rest` begins with the path of the target. */
static void split_path(struct http1_request *out, struct bytes rest)
{
    const char *mark = rest.len == 0 ? NULL : memchr(rest.ptr, '?', rest.len);
    out->path = mark == NULL ? rest : span(rest.ptr, mark);
    out->query =
        mark == NULL ? bytes_of(rest.ptr + rest.len, 0) : span(mark + 1, rest.ptr + rest.len);
    if (out->path.len == 0)
        out->path = BYTES("/");
}

static bool starts_with_nocase(struct bytes text, struct bytes start)
{
    return text.len >= start.len && bytes_equal_nocase(bytes_of(text.ptr, start.len), start);
}

/* RFC 9112 section 3.2: origin-form, absolute-form, "*" for OPTIONS. */
static bool read_target(struct http1_request *out)
{
    struct bytes target = out->target;
    if (target.len > 0 && target.ptr[0] == '/') {
        split_path(out, target);
        return true;
    }
    if (bytes_equal(target, BYTES("*"))) {
        split_path(out, target);
        return out->method == HTTP1_OPTIONS;
    }
    size_t scheme = starts_with_nocase(target, BYTES("http://"))    ? 7
                    : starts_with_nocase(target, BYTES("https://")) ? 8
                                                                    : 0;
    size_t path = scheme;
    while (path < target.len && target.ptr[path] != '/' && target.ptr[path] != '?')
        path++;
    split_path(out, bytes_of(target.ptr + path, target.len - path));
    return scheme > 0 && path > scheme;
}

static enum http1_result take_target(struct cursor *cursor, struct http1_request *out)
{
    const char *at = cursor->at;
    while (at<cursor->end && * at> ' ' && *at < 0x7f && *at != '#')
        at++;
    out->target = span(cursor->at, at);
    if (at == cursor->end)
        return HTTP1_MORE;
    if (*at != ' ' || !read_target(out))
        return HTTP1_BAD;
    cursor->at = at + 1;
    return HTTP1_OK;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1" */
static enum http1_result take_version(struct cursor *cursor, unsigned *minor)
{
    static const char name[] = "HTTP/";
    size_t len = left(cursor) < 8 ? left(cursor) : 8;
    for (size_t i = 0; i < len; i++) {
        char c = cursor->at[i];
        bool is_good = i < 5 ? c == name[i] : i == 6 ? c == '.' : is_digit(c);
        if (!is_good)
            return HTTP1_BAD;
    }
    if (len < 8)
        return HTTP1_MORE;
    if (cursor->at[5] != '1' || cursor->at[7] > '1')
        return HTTP1_VERSION;
    *minor = (unsigned)(cursor->at[7] - '0');
    cursor->at += 8;
    return HTTP1_OK;
}

static enum http1_result take_request_line(struct cursor *cursor, struct http1_request *out)
{
    enum http1_result result = take_method(cursor, out);
    if (result == HTTP1_OK)
        result = take_target(cursor, out);
    if (result == HTTP1_OK)
        result = take_version(cursor, &out->minor);
    if (result == HTTP1_OK)
        result = take_line_end(cursor);
    return result;
}

enum http1_result http1_parse_request(struct bytes in, struct http1_request *out, size_t *head_len)
{
    struct cursor cursor = {in.ptr, in.ptr + in.len};
    enum http1_result result = skip_empty_lines(&cursor);
    if (result == HTTP1_OK)
        result = take_request_line(&cursor, out);
    if (result == HTTP1_OK)
        result = take_fields(&cursor, out->headers, &out->header_count);
    struct framing framing;
    if (result == HTTP1_OK)
        result = read_framing(&framing, out->headers, out->header_count, out->minor);
    if (result != HTTP1_OK)
        return result;
    if (framing.hosts > 1 || (framing.hosts == 0 && out->minor == 1))
        return HTTP1_BAD;
    out->is_keep_alive = keeps_alive(&framing, out->minor);
    out->is_upgrade = framing.is_upgrade;
    out->expects_continue = framing.expects_continue && out->minor == 1;
    out->is_chunked = framing.codings > 0;
    out->has_length = framing.lengths > 0;
    out->content_length = framing.content_length;
    *head_len = (size_t)(cursor.at - in.ptr);
    return HTTP1_OK;
}

/* " 200 OK": the phrase may be empty, and the space before it missing. */
static enum http1_result take_status(struct cursor *cursor, unsigned *status)
{
    static const char shape[] = " 000";
    for (size_t i = 0; i < 4; i++) {
        if (i == left(cursor))
            return HTTP1_MORE;
        char c = cursor->at[i];
        if (shape[i] == ' ' ? c != ' ' : !is_digit(c))
            return HTTP1_BAD;
    }
    *status = (unsigned)((cursor->at[1] - '0') * 100 + (cursor->at[2] - '0') * 10 +
                         (cursor->at[3] - '0'));
    cursor->at += 4;
    if (*status < 100)
        return HTTP1_BAD;
    if (left(cursor) > 0 && cursor->at[0] == ' ')
        cursor->at = skip_value(cursor->at, cursor->end);
    return take_line_end(cursor);
}

enum http1_result http1_parse_response(struct bytes in, struct http1_response *out,
                                       size_t *head_len)
{
    struct cursor cursor = {in.ptr, in.ptr + in.len};
    enum http1_result result = skip_empty_lines(&cursor);
    if (result == HTTP1_OK)
        result = take_version(&cursor, &out->minor);
    if (result == HTTP1_OK)
        result = take_status(&cursor, &out->status);
    if (result == HTTP1_OK)
        result = take_fields(&cursor, out->headers, &out->header_count);
    struct framing framing;
    if (result == HTTP1_OK)
        result = read_framing(&framing, out->headers, out->header_count, out->minor);
    if (result != HTTP1_OK)
        return result;
    out->is_keep_alive = keeps_alive(&framing, out->minor);
    out->is_chunked = framing.codings > 0;
    out->has_length = framing.lengths > 0;
    out->content_length = framing.content_length;
    *head_len = (size_t)(cursor.at - in.ptr);
    return HTTP1_OK;
}

bool http1_find_header(const struct http1_header *headers, size_t count, const char *name,
                       struct bytes *value)
{
    struct bytes wanted = bytes_from_text(name);
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_nocase(headers[i].name, wanted)) {
            *value = headers[i].value;
            return true;
        }
    }
    return false;
}

bool http1_has_token(const struct http1_header *headers, size_t count, const char *name,
                     const char *token)
{
    struct bytes wanted = bytes_from_text(name);
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal_nocase(headers[i].name, wanted))
            continue;
        struct bytes list = headers[i].value;
        struct bytes element;
        while (next_element(&list, &element))
            if (bytes_equal_nocase(element, bytes_from_text(token)))
                return true;
    }
    return false;
}
