/* SPDX-License-Identifier: Apache-2.0 */
#include "live/subscription.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "codec/http1.h"
#include "live/params.h"
#include "vehicle/packet.h"

void subscription_init(struct subscription *subscription, size_t max_names)
{
    *subscription = (struct subscription){.max_names = max_names};
    buf_init(&subscription->names, max_names * (PACKET_VEHICLE_MAX + 1));
}

void subscription_deinit(struct subscription *subscription)
{
    buf_deinit(&subscription->names);
}

static void begin(struct subscription *subscription)
{
    struct buf names = subscription->names;
    buf_clear(&names);
    *subscription = (struct subscription){.max_names = subscription->max_names, .names = names};
}

__attribute__((format(printf, 2, 3))) static bool refuse(struct subscription *subscription,
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(subscription->problem, sizeof subscription->problem, format, args);
    va_end(args);
    return false;
}

bool subscription_is_vehicle(struct bytes name)
{
    if (name.len == 0 || name.len > PACKET_VEHICLE_MAX || !text_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
            return false;
    return true;
}

static bool add_name(struct subscription *subscription, struct bytes name)
{
    if (!subscription_is_vehicle(name))
        return refuse(subscription,
                      "a vehicle is 1 to %d bytes of UTF-8 text without control characters",
                      PACKET_VEHICLE_MAX);
    if (subscription->name_count >= subscription->max_names)
        return refuse(subscription, "more than %zu vehicles by name; a bbox has no such bound",
                      subscription->max_names);
    buf_append_char(&subscription->names, (char)name.len);
    if (buf_append_bytes(&subscription->names, name) != 0)
        return refuse(subscription, "out of memory; try again later");
    subscription->name_count++;
    return true;
}

bool subscription_name(const struct subscription *subscription, size_t *at, struct bytes *name)
{
    if (*at >= subscription->names.len)
        return false;
    size_t len = (unsigned char)subscription->names.ptr[*at];
    *name = bytes_of(subscription->names.ptr + *at + 1, len);
    *at += 1 + len;
    return true;
}

/* ---- a URL ---- */

static bool add_list(struct subscription *subscription, struct bytes list)
{
    for (;;) {
        const char *comma = list.len == 0 ? NULL : memchr(list.ptr, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.ptr);
        if (!add_name(subscription, bytes_of(list.ptr, len)))
            return false;
        if (comma == NULL)
            return true;
        list = bytes_of(comma + 1, list.len - len - 1);
    }
}

static bool set_area(struct subscription *subscription, struct bytes text)
{
    subscription->has_area = true;
    return area_parse(&subscription->area, text, subscription->problem);
}

bool subscription_parse_query(struct subscription *subscription, struct bytes query)
{
    static const char *const known[] = {"vehicles", "bbox", NULL};
    begin(subscription);
    if (!params_check(query, known, subscription->problem, sizeof subscription->problem))
        return false;
    char *text = malloc(query.len + 1);
    if (text == NULL)
        return refuse(subscription, "out of memory; try again later");
    bool is_good = true;
    if (http1_query_value(query, "vehicles", text, query.len + 1))
        is_good = add_list(subscription, bytes_from_text(text));
    if (is_good && http1_query_value(query, "bbox", text, query.len + 1))
        is_good = set_area(subscription, bytes_from_text(text));
    free(text);
    return is_good;
}

/* ---- a message ---- */

static bool refuse_event(struct subscription *subscription, struct json_reader *reader,
                         enum json_event event, struct bytes message, const char *wanted)
{
    if (event != JSON_FAULT)
        return refuse(subscription, "%s", wanted);
    char fault[120];
    json_fault_text(json_reader_fault(reader), message, fault, sizeof fault);
    return refuse(subscription, "not JSON: %s", fault);
}

/* 17 and "17" are one vehicle; other numbers are none. */
static bool add_json_name(struct subscription *subscription, enum json_event event,
                          const struct json_token *token)
{
    char name[PACKET_VEHICLE_MAX * 6 + 2]; /* each byte as \u00xx at the most */
    int64_t signed_value;
    uint64_t value;
    if (event == JSON_NUMBER &&
        (text_to_i64(token->raw, &signed_value) || text_to_u64(token->raw, &value)))
        return add_name(subscription, token->raw);
    if (event != JSON_STRING)
        return refuse(subscription, "vehicles is an array of strings or whole numbers");
    if (token->raw.len > sizeof name)
        return add_name(subscription, bytes_of(NULL, 0));
    return add_name(subscription, bytes_of(name, json_unescape(token->raw, name)));
}

/* Take one event; is it the one wanted? */
static bool take(struct json_reader *reader, struct json_token *token, enum json_event wanted,
                 enum json_event *event)
{
    *event = json_reader_next(reader, token);
    return *event == wanted;
}

static bool read_vehicles(struct subscription *subscription, struct json_reader *reader,
                          struct bytes message)
{
    struct json_token token;
    enum json_event event = json_reader_next(reader, &token);
    if (event != JSON_ARRAY)
        return refuse_event(subscription, reader, event, message,
                            "vehicles is an array of strings or whole numbers");
    while ((event = json_reader_next(reader, &token)) != JSON_ARRAY_END) {
        if (event == JSON_FAULT)
            return refuse_event(subscription, reader, event, message, "");
        if (!add_json_name(subscription, event, &token))
            return false;
    }
    return true;
}

static bool read_area(struct subscription *subscription, struct json_reader *reader,
                      struct bytes message)
{
    static const char wanted[] = "bbox is an array of four numbers: [west,south,east,north]";
    struct json_token token;
    enum json_event event = json_reader_next(reader, &token);
    subscription->has_area = true;
    if (subscription->is_end && event == JSON_TRUE)
        return true;
    if (event != JSON_ARRAY)
        return refuse_event(subscription, reader, event, message, wanted);
    double corners[4];
    for (int i = 0; i < 4; i++) {
        event = json_reader_next(reader, &token);
        if (event != JSON_NUMBER || !text_to_double(token.raw, &corners[i]))
            return refuse_event(subscription, reader, event, message, wanted);
    }
    if ((event = json_reader_next(reader, &token)) != JSON_ARRAY_END)
        return refuse_event(subscription, reader, event, message, wanted);
    return area_set(&subscription->area, corners, subscription->problem);
}

static bool read_members(struct subscription *subscription, struct json_reader *reader,
                         struct bytes message)
{
    static const char wanted[] = "follow what? {\"vehicles\":[\"…\"]} or "
                                 "{\"bbox\":[west,south,east,north]}";
    struct json_token token;
    enum json_event event;
    while ((event = json_reader_next(reader, &token)) == JSON_KEY) {
        bool is_good = bytes_equal_text(token.text, "vehicles")
                           ? read_vehicles(subscription, reader, message)
                       : bytes_equal_text(token.text, "bbox")
                           ? read_area(subscription, reader, message)
                           : refuse(subscription,
                                    "unknown member \"%.*s\"; known are \"vehicles\" "
                                    "and \"bbox\"",
                                    token.text.len > 40 ? 40 : (int)token.text.len, token.text.ptr);
        if (!is_good)
            return false;
    }
    if (event != JSON_OBJECT_END)
        return refuse_event(subscription, reader, event, message, wanted);
    if (subscription->name_count == 0 && !subscription->has_area)
        return refuse(subscription, "%s", wanted);
    return true;
}

static bool read_body(struct subscription *subscription, struct json_reader *reader,
                      struct bytes message)
{
    struct json_token token;
    enum json_event event = json_reader_next(reader, &token);
    if (event == JSON_OBJECT)
        return read_members(subscription, reader, message);
    if (subscription->is_end && event == JSON_STRING && bytes_equal(token.raw, BYTES("\"all\""))) {
        subscription->is_all = true;
        return true;
    }
    return refuse_event(subscription, reader, event, message,
                        subscription->is_end ? "unsubscribe takes an object or \"all\""
                                             : "subscribe takes an object");
}

bool subscription_parse_message(struct subscription *subscription, struct json_reader *reader,
                                struct bytes message)
{
    static const char wanted[] = "a message is {\"subscribe\":{…}} or {\"unsubscribe\":{…}}";
    struct json_token token;
    enum json_event event;
    begin(subscription);
    json_reader_start(reader, message);
    if (!take(reader, &token, JSON_OBJECT, &event) || !take(reader, &token, JSON_KEY, &event))
        return refuse_event(subscription, reader, event, message, wanted);
    subscription->is_end = bytes_equal_text(token.text, "unsubscribe");
    if (!subscription->is_end && !bytes_equal_text(token.text, "subscribe"))
        return refuse(subscription, "unknown member \"%.*s\"; %s",
                      token.text.len > 40 ? 40 : (int)token.text.len, token.text.ptr, wanted);
    if (!read_body(subscription, reader, message))
        return false;
    if (!take(reader, &token, JSON_OBJECT_END, &event) || !take(reader, &token, JSON_END, &event))
        return refuse_event(subscription, reader, event, message, wanted);
    return true;
}
