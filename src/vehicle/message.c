/* SPDX-License-Identifier: Apache-2.0 */
/* How a message is told apart, cheapest first:
 *   no line break inside: one packet, or an array of them when '[' begins it;
 *   with line breaks: one value when its brackets close exactly at the end (it
 *     was written over several lines), else lines.
 * A broken message is taken as lines only when its first line does not end in
 * '{', '[' or ',' as pretty printers break lines: counting one value's lines as
 * packets would put the sender's count off, and acknowledge what is not here yet.
 * For the same reason an array element whose follower is wrong is refused itself
 * instead of being counted and then an error behind it. */
#include <stdlib.h>

#include "codec/json.h"
#include "vehicle/dialect.h"

enum {
    HAS_ANY = 1,   /* at least one packet or reject was handed out */
    IN_ARRAY = 2,  /* `rest` is behind '[' or ',' of an array */
    IN_LINES = 4,  /* `lines` is what follows the current line */
    IS_SINGLE = 8, /* `rest` is one value */
};

static struct bytes from(const char *p, const char *end)
{
    return bytes_of(p, (size_t)(end - p));
}

static struct bytes trim(struct bytes text)
{
    const char *end = text.ptr + text.len;
    const char *p = json_skip_blanks(text.ptr, end);
    while (end > p && json_is_blank(end[-1]))
        end--;
    return from(p, end);
}

static struct bytes take_line(struct bytes *rest)
{
    const char *end = rest->ptr + rest->len;
    const char *stop = memchr(rest->ptr, '\n', rest->len);
    struct bytes line = from(rest->ptr, stop == NULL ? end : stop);
    *rest = from(stop == NULL ? end : stop + 1, end);
    return trim(line);
}

static bool is_whole_value(struct bytes text)
{
    size_t depth;
    const char *end = text.ptr + text.len;
    return json_skip_value(text.ptr, end, &depth) == end;
}

static bool looks_like_container(struct bytes line)
{
    return line.len > 0 && (line.ptr[0] == '{' || line.ptr[0] == '[');
}

/* The message is trimmed and has a line break inside. */
static bool is_lines(struct bytes message)
{
    if (is_whole_value(message))
        return false;
    struct bytes rest = message;
    struct bytes line = take_line(&rest);
    if (memchr("{[,", line.ptr[line.len - 1], 3) != NULL)
        return false;
    bool has_container = looks_like_container(line);
    while (rest.len > 0 && !has_container)
        has_container = looks_like_container(take_line(&rest));
    return has_container;
}

static void begin_value(struct message_iter *iter, struct bytes value)
{
    iter->rest = value;
    iter->state &= HAS_ANY | IN_LINES;
    if (value.len > 0 && value.ptr[0] == '[') {
        iter->state |= IN_ARRAY;
        iter->rest = trim(from(value.ptr + 1, value.ptr + value.len));
        if (iter->rest.len == 1 && iter->rest.ptr[0] == ']') {
            iter->state &= ~(unsigned)IN_ARRAY;
            iter->rest.len = 0;
        }
    } else if (value.len > 0) {
        iter->state |= IS_SINGLE;
    }
}

void message_iter_init(struct message_iter *iter, struct bytes message)
{
    message = trim(message);
    *iter = (struct message_iter){.lines = bytes_of(message.ptr, 0)};
    if (message.len > 0 && memchr(message.ptr, '\n', message.len) != NULL && is_lines(message)) {
        iter->state = IN_LINES;
        iter->lines = message;
        return;
    }
    begin_value(iter, message);
}

static enum message_step refuse(struct message_iter *iter, enum reason reason, const char *why,
                                struct reject *reject)
{
    iter->state |= HAS_ANY;
    reject_set(reject, reason, "%s", why);
    return MESSAGE_REJECT;
}

static enum message_step break_off(struct message_iter *iter, enum reason reason, const char *why,
                                   struct reject *reject)
{
    iter->state &= ~(unsigned)IN_ARRAY;
    iter->rest.len = 0;
    return refuse(iter, reason, why, reject);
}

/* Behind an element: on to the next one, or out of the array. false: what stands
 * there belongs to no array. */
static bool pass_separator(struct message_iter *iter, const char *p)
{
    const char *end = iter->rest.ptr + iter->rest.len;
    p = json_skip_blanks(p, end);
    if (p == end)
        return false;
    if (*p == ']') {
        iter->state &= ~(unsigned)IN_ARRAY;
        iter->rest = bytes_of(end, 0);
        return p + 1 == end;
    }
    if (*p != ',')
        return false;
    p = json_skip_blanks(p + 1, end);
    iter->rest = from(p, end);
    return p < end && *p != ']' && *p != ',';
}

static enum message_step next_element(struct message_iter *iter, struct bytes *one,
                                      struct reject *reject)
{
    const char *start = iter->rest.ptr;
    *one = iter->rest; /* unless the element's end is found */
    size_t depth;
    const char *stop = json_skip_value(start, start + iter->rest.len, &depth);
    if (depth > PACKET_DEPTH_MAX && stop == NULL)
        return break_off(iter, REASON_TOO_DEEP, "arrays and objects nest deeper than 64", reject);
    if (stop == NULL)
        return break_off(iter, REASON_NOT_JSON, "an element of the array does not end", reject);
    if (stop == start)
        return break_off(iter, REASON_NOT_JSON, "an element of the array is missing", reject);
    if (!pass_separator(iter, stop))
        return break_off(iter, REASON_NOT_JSON,
                         "behind this element the array does not go on with ',' or end with ']'",
                         reject);
    *one = from(start, stop);
    if (depth > PACKET_DEPTH_MAX)
        return refuse(iter, REASON_TOO_DEEP, "arrays and objects nest deeper than 64", reject);
    iter->state |= HAS_ANY;
    return MESSAGE_PACKET;
}

enum message_step message_next(struct message_iter *iter, struct bytes *one, struct reject *reject)
{
    for (;;) {
        if ((iter->state & IS_SINGLE) != 0) {
            *one = iter->rest;
            iter->rest.len = 0;
            iter->state = (iter->state & ~(unsigned)IS_SINGLE) | HAS_ANY;
            return MESSAGE_PACKET;
        }
        if ((iter->state & IN_ARRAY) != 0)
            return next_element(iter, one, reject);
        if ((iter->state & IN_LINES) == 0 || iter->lines.len == 0)
            break;
        begin_value(iter, take_line(&iter->lines));
    }
    *one = iter->rest;
    if ((iter->state & HAS_ANY) != 0)
        return MESSAGE_END;
    return refuse(iter, REASON_EMPTY, "the message holds no packet", reject);
}

struct bytes message_iter_rest(const struct message_iter *iter)
{
    if (iter->lines.len == 0)
        return iter->rest;
    const char *start = iter->rest.len > 0 ? iter->rest.ptr : iter->lines.ptr;
    return from(start, iter->lines.ptr + iter->lines.len);
}

void message_iter_move(struct message_iter *iter, const char *to)
{
    struct bytes rest = message_iter_rest(iter);
    if (iter->rest.len > 0)
        iter->rest.ptr = to + (iter->rest.ptr - rest.ptr);
    else
        iter->rest.ptr = to;
    iter->lines.ptr = iter->lines.len > 0 ? to + (iter->lines.ptr - rest.ptr) : to;
}
