/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways for a message. The common one: a final, unfragmented frame that lies
 * whole in the buffer is unmasked in place and handed to the role, without a
 * copy. The other: anything that comes in parts is unmasked and checked part by
 * part as it comes, and gathered in a struct ws_message, which lives only as long
 * as its message is unfinished. Broken UTF-8 and oversize are thus told at the
 * first byte that proves them. */
#include "net/ws.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "net/http.h"
#include "net/server_private.h"
#include "observe/metrics.h"

struct ws_message {
    enum ws_opcode opcode; /* of the first frame */
    bool is_final;         /* the frame at hand is the last */
    int64_t fragments;
    uint64_t frame_len;  /* of the frame at hand */
    uint64_t frame_left; /* of it, bytes that have not come yet */
    uint8_t mask[4];
    struct ws_utf8 utf8;
    struct buf payload;
};

void ws_free_message(struct conn *conn)
{
    if (conn->message != NULL)
        buf_deinit(&conn->message->payload);
    free(conn->message);
    conn->message = NULL;
}

/* ---- sending ---- */

static bool send_frame(struct conn *conn, enum ws_opcode opcode, struct bytes payload)
{
    char *room = conn_out_reserve(conn, WS_HEADER_MAX + payload.len);
    if (room == NULL)
        return false;
    size_t len = ws_write_header(room, opcode, true, payload.len, NULL);
    if (payload.len > 0)
        memcpy(room + len, payload.ptr, payload.len);
    conn_out_commit(conn, len + payload.len);
    return true;
}

bool conn_send(struct conn *conn, enum ws_opcode opcode, struct bytes message)
{
    if (conn->state != CONN_WEBSOCKET || !conn_make_room(conn, WS_HEADER_MAX + message.len))
        return false;
    conn->server->counts.messages_out++;
    return send_frame(conn, opcode, message);
}

void ws_ping(struct conn *conn)
{
    conn->is_pinged = true;
    send_frame(conn, WS_PING, bytes_of("", 0));
}

static bool send_close(struct conn *conn, unsigned code, struct bytes reason)
{
    char payload[WS_CONTROL_MAX];
    if (code == WS_CLOSE_NO_STATUS)
        return send_frame(conn, WS_CLOSE, bytes_of("", 0));
    size_t len = reason.len > sizeof payload - 2 ? sizeof payload - 2 : reason.len;
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    if (len > 0)
        memcpy(payload + 2, reason.ptr, len);
    return send_frame(conn, WS_CLOSE, bytes_of(payload, 2 + len));
}

void conn_close(struct conn *conn, unsigned code, const char *reason)
{
    if (conn->state == CONN_WEBSOCKET) {
        struct bytes text = bytes_from_text(reason != NULL ? reason : "");
        if (send_close(conn, code, text))
            conn_begin_phase(conn, CONN_WS_CLOSING);
        conn_update(conn);
    } else if (conn->state != CONN_WS_CLOSING) {
        conn_finish(conn);
    }
}

static void count_fail(unsigned code)
{
    static const unsigned codes[] = {1002, 1007, 1008, 1009};
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == code)
            metrics_add(METRIC_WS_ERRORS, i, 1);
}

void ws_fail(struct conn *conn, unsigned code, const char *reason)
{
    count_fail(code);
    if (conn->state == CONN_WEBSOCKET && !send_close(conn, code, bytes_from_text(reason)))
        return;
    conn_finish(conn);
}

/* For the step functions: the rest of the input is of no interest. */
static size_t fail(struct conn *conn, unsigned code, const char *reason, size_t len)
{
    ws_fail(conn, code, reason);
    return len;
}

/* ---- control frames ---- */

static bool is_within_rate(struct conn *conn)
{
    uint32_t second = (uint32_t)(loop_now_ns(conn->server->loop) / NS_PER_S);
    if (conn->control_second != second) {
        conn->control_second = second;
        conn->control_count = 0;
    }
    if (conn->control_count >= conn->server->limits.control_frames_per_s)
        return false;
    if (conn->control_count < UINT16_MAX)
        conn->control_count++;
    return true;
}

static void on_close_frame(struct conn *conn, struct bytes payload)
{
    unsigned code;
    struct bytes reason;
    if (conn->state == CONN_WS_CLOSING) { /* the answer to ours */
        conn_finish(conn);
        return;
    }
    if (!ws_parse_close(payload, &code, &reason)) {
        ws_fail(conn, WS_CLOSE_PROTOCOL, "malformed close frame");
        return;
    }
    if (send_close(conn, code, bytes_of("", 0)))
        conn_finish(conn);
}

static size_t take_control(struct conn *conn, const struct ws_frame *frame, char *data, size_t len)
{
    size_t end = frame->header_len + (size_t)frame->payload_len;
    if (len < end)
        return 0;
    char *payload = data + frame->header_len;
    ws_mask(payload, (size_t)frame->payload_len, frame->mask, 0);
    struct bytes view = bytes_of(payload, (size_t)frame->payload_len);
    if (frame->opcode == WS_CLOSE) {
        on_close_frame(conn, view);
        return end;
    }
    if (!is_within_rate(conn))
        return fail(conn, WS_CLOSE_POLICY, "too many control frames", len);
    if (frame->opcode == WS_PING && conn->state == CONN_WEBSOCKET)
        send_frame(conn, WS_PONG, view);
    return end;
}

/* ---- messages ---- */

static void deliver(struct conn *conn, enum ws_opcode opcode, struct bytes message)
{
    struct server *server = conn->server;
    if (conn->state != CONN_WEBSOCKET)
        return; /* we said goodbye already */
    server->counts.messages_in++;
    if (server->handler.on_message != NULL)
        server->handler.on_message(server->context, conn, opcode, message);
}

static bool is_valid_text(struct bytes text)
{
    struct ws_utf8 utf8 = {0};
    return ws_utf8_feed(&utf8, text) && ws_utf8_is_complete(&utf8);
}

/* The common case: the frame is a message and lies whole at data. */
static size_t take_whole(struct conn *conn, const struct ws_frame *frame, char *data, size_t len)
{
    char *payload = data + frame->header_len;
    struct bytes message = bytes_of(payload, (size_t)frame->payload_len);
    ws_mask(payload, message.len, frame->mask, 0);
    if (frame->opcode == WS_TEXT && !is_valid_text(message))
        return fail(conn, WS_CLOSE_BAD_DATA, "invalid UTF-8", len);
    deliver(conn, frame->opcode, message);
    return frame->header_len + message.len;
}

/* The last byte of a frame of a gathered message is here. */
static bool end_frame(struct conn *conn)
{
    struct ws_message *message = conn->message;
    if (!message->is_final)
        return true;
    if (message->opcode == WS_TEXT && !ws_utf8_is_complete(&message->utf8)) {
        ws_fail(conn, WS_CLOSE_BAD_DATA, "invalid UTF-8");
        return false;
    }
    conn->message = NULL; /* ours now: the role may close the connection */
    deliver(conn, message->opcode, buf_bytes(&message->payload));
    buf_deinit(&message->payload);
    free(message);
    return true;
}

/* Payload of the frame at hand, as much as is there. */
static size_t take_payload(struct conn *conn, char *data, size_t len)
{
    struct ws_message *message = conn->message;
    size_t part = len < message->frame_left ? len : (size_t)message->frame_left;
    size_t offset = (size_t)(message->frame_len - message->frame_left);
    message->frame_left -= part;
    if (conn->state == CONN_WEBSOCKET) { /* else it is thrown away */
        struct bytes view = bytes_of(data, part);
        ws_mask(data, part, message->mask, offset);
        if (message->opcode == WS_TEXT && !ws_utf8_feed(&message->utf8, view))
            return fail(conn, WS_CLOSE_BAD_DATA, "invalid UTF-8", len);
        if (buf_append_bytes(&message->payload, view) != 0)
            return fail(conn, WS_CLOSE_INTERNAL, "out of memory", len);
    }
    if (message->frame_left == 0 && !end_frame(conn))
        return len;
    return part;
}

/* A data frame's place in the sequence of frames (RFC 6455 section 5.4). */
static const char *sequence_error(const struct conn *conn, const struct ws_frame *frame)
{
    bool is_continuation = frame->opcode == WS_CONTINUATION;
    if (is_continuation && conn->message == NULL)
        return "continuation of nothing";
    if (!is_continuation && conn->message != NULL)
        return "new message within a message";
    return NULL;
}

static struct ws_message *message_of(struct conn *conn, enum ws_opcode opcode)
{
    if (conn->message != NULL)
        return conn->message;
    struct ws_message *message = calloc(1, sizeof *message);
    if (message == NULL)
        return NULL;
    message->opcode = opcode;
    buf_init(&message->payload, (size_t)conn->server->limits.message_bytes);
    conn->message = message;
    return message;
}

/* A frame of a message that comes in parts: its header is used up here, its
 * payload by take_payload(). */
static size_t begin_part(struct conn *conn, const struct ws_frame *frame, size_t len)
{
    struct ws_message *message = message_of(conn, frame->opcode);
    if (message == NULL)
        return fail(conn, WS_CLOSE_INTERNAL, "out of memory", len);
    if (++message->fragments > conn->server->limits.message_fragments)
        return fail(conn, WS_CLOSE_POLICY, "too many fragments", len);
    message->is_final = frame->is_final;
    message->frame_len = message->frame_left = frame->payload_len;
    memcpy(message->mask, frame->mask, sizeof message->mask);
    if (frame->payload_len == 0 && !end_frame(conn))
        return len;
    return frame->header_len;
}

static size_t take_data(struct conn *conn, const struct ws_frame *frame, char *data, size_t len)
{
    const char *error = sequence_error(conn, frame);
    if (error != NULL)
        return fail(conn, WS_CLOSE_PROTOCOL, error, len);
    size_t before = conn->message != NULL ? conn->message->payload.len : 0;
    uint64_t most = (uint64_t)conn->server->limits.message_bytes;
    if (frame->payload_len > most || before > most - frame->payload_len)
        return fail(conn, WS_CLOSE_TOO_BIG, "message too big", len);
    bool is_whole = len - frame->header_len >= frame->payload_len;
    if (frame->is_final && conn->message == NULL && is_whole)
        return take_whole(conn, frame, data, len);
    return begin_part(conn, frame, len);
}

size_t ws_step(struct conn *conn, char *data, size_t len)
{
    if (conn->message != NULL && conn->message->frame_left > 0)
        return take_payload(conn, data, len);
    struct ws_frame frame;
    switch (ws_parse_header(bytes_of(data, len), &frame)) {
    case WS_MORE:
        return 0;
    case WS_BAD:
        return fail(conn, WS_CLOSE_PROTOCOL, "malformed frame", len);
    case WS_OK:
        break;
    }
    if (!frame.is_masked)
        return fail(conn, WS_CLOSE_PROTOCOL, "frame without a mask", len);
    if (frame.opcode >= WS_CLOSE)
        return take_control(conn, &frame, data, len);
    return take_data(conn, &frame, data, len);
}

/* ---- handshake (RFC 6455 section 4.2) ---- */

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* 16 bytes in base64: 22 digits and "==". */
static bool is_key(struct bytes key)
{
    if (key.len != 24 || key.ptr[22] != '=' || key.ptr[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!is_base64(key.ptr[i]))
            return false;
    return true;
}

static void switch_protocol(struct conn *conn, struct bytes key, const char *subprotocol)
{
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
                               "Upgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: ";
    static const char protocol[] = "\r\nSec-WebSocket-Protocol: ";
    size_t name_len = subprotocol != NULL ? strlen(subprotocol) : 0;
    char *room =
        conn_out_reserve(conn, sizeof head + WS_ACCEPT_LEN + sizeof protocol + name_len + 4);
    if (room == NULL)
        return;
    char *at = memcpy(room, head, sizeof head - 1);
    at += sizeof head - 1;
    ws_accept_key(key, at);
    at += WS_ACCEPT_LEN;
    if (subprotocol != NULL) {
        memcpy(at, protocol, sizeof protocol - 1);
        memcpy(at + sizeof protocol - 1, subprotocol, name_len);
        at += sizeof protocol - 1 + name_len;
    }
    memcpy(at, "\r\n\r\n", 4);
    conn_out_commit(conn, (size_t)(at + 4 - room));
    metrics_add(METRIC_HTTP_RESPONSES, 0, 1);
    metrics_add(METRIC_CONNECTIONS_OPEN, 0, -1);
    metrics_add(METRIC_CONNECTIONS_OPEN, 1, 1);
    conn->is_counted_ws = true;
    conn_begin_phase(conn, CONN_WEBSOCKET);
}

void ws_upgrade(struct conn *conn, const struct http1_request *request)
{
    struct server *server = conn->server;
    struct bytes version = {0}, key = {0};
    http1_find_header(request->headers, request->header_count, "Sec-WebSocket-Version", &version);
    http1_find_header(request->headers, request->header_count, "Sec-WebSocket-Key", &key);
    if (!bytes_equal(version, BYTES("13"))) {
        http_fail(conn, 426, "websocket_version", "WebSocket version 13 is spoken here",
                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
        return;
    }
    if (!is_key(key)) {
        http_fail(conn, 400, "bad_handshake", "Sec-WebSocket-Key is not 16 bytes in base64", NULL);
        return;
    }
    if (server->is_draining) {
        http_fail(conn, 503, "draining", "the server is shutting down", "Retry-After: 1\r\n");
        return;
    }
    const char *subprotocol = NULL;
    http_free_pending(conn);
    conn->state = CONN_ANSWER;
    conn->is_known = true;
    if (server->handler.on_upgrade(server->context, conn, request, &subprotocol) &&
        conn->state == CONN_ANSWER)
        switch_protocol(conn, key, subprotocol);
}
