/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/reply.h"

#include <stdlib.h>

#include "base/text.h"
#include "codec/json.h"
#include "vehicle/reason.h"

enum { KEYS_MAX = 64, KEY_TEXT_MAX = 1024 };

_Static_assert((int)REASON_COUNT < (int)REPLY_REASON_OTHER, "a reason fits a byte");

struct reply_reader {
    struct json_reader *json;
};

struct reply_reader *reply_reader_new(void)
{
    struct reply_reader *reader = malloc(sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->json = json_reader_new(KEYS_MAX, KEY_TEXT_MAX);
    if (reader->json != NULL)
        return reader;
    free(reader);
    return NULL;
}

void reply_reader_free(struct reply_reader *reader)
{
    if (reader == NULL)
        return;
    json_reader_free(reader->json);
    free(reader);
}

static struct bytes unquoted(struct bytes raw)
{
    return raw.len >= 2 ? bytes_of(raw.ptr + 1, raw.len - 2) : raw;
}

static uint8_t reason_number(struct bytes code)
{
    enum reason reason = reason_from_code(code);
    return reason == REASON_COUNT || reason == REASON_NONE ? REPLY_REASON_OTHER : (uint8_t)reason;
}

/* Nearly every message is exactly {"ack":n}. */
static bool read_plain_ack(struct bytes message, uint64_t *number)
{
    static const char head[] = "{\"ack\":";
    enum { HEAD_LEN = sizeof head - 1 };
    if (message.len <= HEAD_LEN + 1 || memcmp(message.ptr, head, HEAD_LEN) != 0 ||
        message.ptr[message.len - 1] != '}')
        return false;
    return text_to_u64(bytes_of(message.ptr + HEAD_LEN, message.len - HEAD_LEN - 1), number);
}

static void take_member(struct bytes key, enum json_event event, struct bytes raw,
                        struct reply *reply)
{
    if (event == JSON_STRING && bytes_equal(key, BYTES("reason")))
        reply->reason = reason_number(unquoted(raw));
    else if (event == JSON_STRING && bytes_equal(key, BYTES("detail")))
        reply->detail = unquoted(raw);
}

enum reply_kind reply_read_message(struct reply_reader *reader, struct bytes message,
                                   struct reply *reply)
{
    *reply = (struct reply){.reason = REPLY_REASON_OTHER};
    if (read_plain_ack(message, &reply->number))
        return REPLY_ACK;
    enum reply_kind kind = REPLY_OTHER;
    struct bytes key = bytes_of(NULL, 0);
    struct json_token token;
    unsigned depth = 0;
    json_reader_start(reader->json, message);
    for (;;) {
        enum json_event event = json_reader_next(reader->json, &token);
        if (event == JSON_END || event == JSON_FAULT)
            return event == JSON_END ? kind : REPLY_OTHER;
        depth += event == JSON_OBJECT || event == JSON_ARRAY;
        depth -= event == JSON_OBJECT_END || event == JSON_ARRAY_END;
        if (depth != 1)
            continue;
        if (event == JSON_KEY)
            key = token.text;
        bool is_number = event == JSON_NUMBER && text_to_u64(token.raw, &reply->number);
        if (is_number && bytes_equal(key, BYTES("ack")))
            kind = REPLY_ACK;
        else if (is_number && bytes_equal(key, BYTES("reject")))
            kind = REPLY_REJECT;
        take_member(key, event, token.raw, reply);
    }
}

/* {"accepted":n,"duplicate":n,"rejected":[{"index":i,"reason":…,"detail":…}]};
 * depth 1 is the body, 3 an element of "rejected". */
struct body {
    struct reply_totals *totals;
    struct reply reply;
    struct bytes key;
    unsigned depth;
    bool has_accepted;
    bool has_index;
};

static void take_total(struct body *body, uint64_t number)
{
    if (bytes_equal(body->key, BYTES("accepted"))) {
        body->totals->accepted = number;
        body->has_accepted = true;
    } else if (bytes_equal(body->key, BYTES("duplicate"))) {
        body->totals->duplicate = number;
    } else if (bytes_equal(body->key, BYTES("rejected_unlisted"))) {
        body->totals->rejected += number;
    }
}

static void take_value(struct body *body, enum json_event event, struct bytes raw)
{
    uint64_t number;
    if (body->depth == 3)
        take_member(body->key, event, raw, &body->reply);
    if (event != JSON_NUMBER || !text_to_u64(raw, &number))
        return;
    if (body->depth == 1)
        take_total(body, number);
    if (body->depth == 3 && bytes_equal(body->key, BYTES("index"))) {
        body->reply.number = number;
        body->has_index = true;
    }
}

bool reply_read_body(struct reply_reader *reader, struct bytes text, struct reply_totals *totals,
                     void (*on_reject)(void *context, const struct reply *reply), void *context)
{
    *totals = (struct reply_totals){0};
    struct body body = {.totals = totals};
    struct json_token token;
    json_reader_start(reader->json, text);
    for (;;) {
        enum json_event event = json_reader_next(reader->json, &token);
        if (event == JSON_END || event == JSON_FAULT)
            return event == JSON_END && body.has_accepted;
        if (event == JSON_KEY)
            body.key = token.text;
        if (event == JSON_OBJECT || event == JSON_ARRAY) {
            if (++body.depth == 3) {
                body.reply = (struct reply){.reason = REPLY_REASON_OTHER};
                body.has_index = false;
            }
        } else if (event == JSON_OBJECT_END || event == JSON_ARRAY_END) {
            if (body.depth-- == 3 && body.has_index) {
                totals->rejected++;
                on_reject(context, &body.reply);
            }
        } else {
            take_value(&body, event, token.raw);
        }
    }
}
