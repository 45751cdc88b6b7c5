/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says to a client: the answer to an upgrade, frames, responses.
 * Each step takes a whole thing from the front of the bytes or waits for more;
 * what is left over is kept in client->in. After each callback the client may be
 * closed: nothing of it is used then but its state. */
#include <string.h>

#include "net/client_private.h"

enum { HEAD_BYTES_MAX = 16384 };

enum step { STEP_AGAIN, STEP_WAIT };

static const char upgrade_format[] = "GET %s HTTP/1.1\r\n"
                                     "Host: %s\r\n"
                                     "Upgrade: websocket\r\n"
                                     "Connection: Upgrade\r\n"
                                     "Sec-WebSocket-Key: %.*s\r\n"
                                     "Sec-WebSocket-Version: 13\r\n";

/* 16 random bytes in base64: 21 digits of six bits, one of two, "==". */
static void make_key(struct client *client)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct random_source *random = &client->pool->random;
    for (int i = 0; i < 21; i++)
        client->key[i] = digits[random_below(random, 64)];
    client->key[21] = "AQgw"[random_below(random, 4)];
    client->key[22] = client->key[23] = '=';
}

int client_write_upgrade(struct client *client)
{
    make_key(client);
    const char *subprotocol = client->pool->options.subprotocol;
    buf_printf(&client->out, upgrade_format, client->target->path, client->target->authority,
               CLIENT_KEY_LEN, client->key);
    if (subprotocol != NULL)
        buf_printf(&client->out, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    buf_append_text(&client->out, "\r\n");
    return client->out.has_failed ? -1 : 0;
}

static void refuse_upgrade(struct client *client, const struct http1_response *response)
{
    const char *subprotocol = client->pool->options.subprotocol;
    if (response->status != 101)
        client_fail(client, ERROR_REMOTE, "the server answered %u %s instead of a WebSocket",
                    response->status, http1_reason(response->status));
    else if (subprotocol != NULL)
        client_fail(client, ERROR_PROTOCOL, "the server is no WebSocket that speaks %s",
                    subprotocol);
    else
        client_fail(client, ERROR_PROTOCOL, "the server's handshake is wrong");
}

/* RFC 6455 section 4.1, what a client must check. */
static bool is_upgraded(const struct client *client, const struct http1_response *response)
{
    const struct http1_header *headers = response->headers;
    size_t count = response->header_count;
    char want[WS_ACCEPT_LEN];
    ws_accept_key(bytes_of(client->key, CLIENT_KEY_LEN), want);
    struct bytes value;
    if (response->status != 101 || !http1_has_token(headers, count, "upgrade", "websocket") ||
        !http1_has_token(headers, count, "connection", "upgrade") ||
        !http1_find_header(headers, count, "sec-websocket-accept", &value) ||
        !bytes_equal(value, bytes_of(want, sizeof want)) ||
        http1_find_header(headers, count, "sec-websocket-extensions", &value))
        return false;
    const char *asked = client->pool->options.subprotocol;
    bool has_one = http1_find_header(headers, count, "sec-websocket-protocol", &value);
    return asked == NULL ? !has_one : has_one && bytes_equal_text(value, asked);
}

static void skip(struct bytes *in, size_t len)
{
    in->ptr += len;
    in->len -= len;
}

/* A complete head at the front of `in`? */
static bool take_head(struct client *client, struct bytes in, struct http1_response *response,
                      size_t *head_len)
{
    enum http1_result result = http1_parse_response(in, response, head_len);
    if (result == HTTP1_OK)
        return true;
    if (result != HTTP1_MORE || in.len > HEAD_BYTES_MAX)
        client_fail(client, ERROR_PROTOCOL, "the server's answer is not HTTP/1.1");
    return false;
}

static enum step read_upgrade(struct client *client, struct bytes *in)
{
    struct http1_response response;
    size_t head_len;
    if (!take_head(client, *in, &response, &head_len))
        return STEP_WAIT;
    /* What was asked must be out: behind it the buffer holds whole frames. */
    if (!is_upgraded(client, &response) || client_unsent_bytes(client) > 0) {
        refuse_upgrade(client, &response);
        return STEP_WAIT;
    }
    skip(in, head_len);
    client_set_open(client);
    return STEP_AGAIN;
}

/* ---- responses ---- */

/* The whole chunked body behind the head, joined in client->message. */
static bool take_chunks(struct client *client, struct bytes in, size_t *used)
{
    struct http1_chunked decoder = {0};
    *used = 0;
    buf_clear(&client->message);
    while (*used < in.len) {
        size_t part;
        struct bytes data;
        enum http1_result result =
            http1_chunked_feed(&decoder, bytes_of(in.ptr + *used, in.len - *used), &part, &data);
        *used += part;
        if (result != HTTP1_OK && result != HTTP1_MORE)
            client_fail(client, ERROR_PROTOCOL, "the response's chunks are malformed");
        else if (buf_append_bytes(&client->message, data) != 0)
            client_fail(client, ERROR_PROTOCOL, "the response is too long");
        if (result == HTTP1_OK || client->state == CLIENT_CLOSED)
            return client->state != CLIENT_CLOSED;
    }
    return false;
}

static bool take_body(struct client *client, const struct http1_response *response, struct bytes in,
                      struct bytes *body, size_t *used)
{
    *body = bytes_of(NULL, 0);
    *used = 0;
    if (response->status == 204 || response->status == 304)
        return true;
    if (response->is_chunked) {
        if (!take_chunks(client, in, used))
            return false;
        *body = buf_bytes(&client->message);
        return true;
    }
    if (!response->has_length || response->content_length > client->pool->options.message_bytes) {
        client_fail(client, ERROR_PROTOCOL, "the response has no length, or is too long");
        return false;
    }
    *used = (size_t)response->content_length;
    *body = bytes_of(in.ptr, *used);
    return in.len >= *used;
}

static enum step read_response(struct client *client, struct bytes *in)
{
    struct http1_response response;
    size_t head_len, body_len;
    struct bytes body;
    if (!take_head(client, *in, &response, &head_len))
        return STEP_WAIT;
    if (response.status < 200) { /* 100-continue and the like: the answer follows */
        skip(in, head_len);
        return STEP_AGAIN;
    }
    if (!client->is_answer_due) {
        client_fail(client, ERROR_REMOTE, "the server answered %u without being asked",
                    response.status);
        return STEP_WAIT;
    }
    struct bytes behind = bytes_of(in->ptr + head_len, in->len - head_len);
    if (!take_body(client, &response, behind, &body, &body_len))
        return STEP_WAIT;
    skip(in, head_len + body_len);
    client_set_answered(client);
    client->pool->handler.on_response(client->pool->context, client, &response, body);
    if (!response.is_keep_alive && client->state != CLIENT_CLOSED)
        client_fail(client, ERROR_REMOTE, "the server keeps no connection alive");
    return STEP_AGAIN;
}

/* ---- frames ---- */

static void deliver(struct client *client, struct bytes message)
{
    if (client->state == CLIENT_OPEN)
        client->pool->handler.on_message(client->pool->context, client, message);
}

static void read_data(struct client *client, const struct ws_frame *frame, struct bytes payload)
{
    if ((frame->opcode == WS_CONTINUATION) != client->is_fragmented) {
        client_fail(client, ERROR_PROTOCOL, "the server's fragments are out of order");
        return;
    }
    if (frame->is_final && !client->is_fragmented) {
        deliver(client, payload);
        return;
    }
    client->is_fragmented = !frame->is_final;
    if (buf_append_bytes(&client->message, payload) != 0) {
        client_fail(client, ERROR_PROTOCOL, "the server's message is too long");
        return;
    }
    if (!frame->is_final)
        return;
    deliver(client, buf_bytes(&client->message));
    if (client->state != CLIENT_CLOSED)
        buf_deinit(&client->message);
}

static void read_close(struct client *client, struct bytes payload)
{
    unsigned code = 0;
    struct bytes reason;
    if (client->state == CLIENT_CLOSING) {
        client_fail(client, ERROR_NONE, "closed");
        return;
    }
    if (!ws_parse_close(payload, &code, &reason)) {
        client_fail(client, ERROR_PROTOCOL, "the server's close frame is malformed");
        return;
    }
    client_send_control(client, WS_CLOSE, bytes_of(payload.ptr, payload.len < 2 ? 0 : 2));
    client_flush(client);
    client_fail(client, ERROR_REMOTE, "the server closed the connection: %u %.*s", code,
                (int)reason.len, reason.ptr);
}

static void read_frame_payload(struct client *client, const struct ws_frame *frame,
                               struct bytes payload)
{
    switch (frame->opcode) {
    case WS_PING:
        client_send_control(client, WS_PONG, payload);
        break;
    case WS_PONG:
        break;
    case WS_CLOSE:
        read_close(client, payload);
        break;
    case WS_TEXT:
    case WS_BINARY:
    case WS_CONTINUATION:
        read_data(client, frame, payload);
        break;
    }
}

static enum step read_frame(struct client *client, struct bytes *in)
{
    struct ws_frame frame;
    enum ws_result result = ws_parse_header(*in, &frame);
    if (result == WS_MORE)
        return STEP_WAIT;
    if (result == WS_BAD || frame.is_masked) {
        client_fail(client, ERROR_PROTOCOL, "the server sent a malformed frame");
        return STEP_WAIT;
    }
    if (frame.payload_len > client->pool->options.message_bytes) {
        client_fail(client, ERROR_PROTOCOL, "the server's message is too long");
        return STEP_WAIT;
    }
    if (in->len - frame.header_len < frame.payload_len)
        return STEP_WAIT;
    struct bytes payload = bytes_of(in->ptr + frame.header_len, (size_t)frame.payload_len);
    skip(in, frame.header_len + payload.len);
    read_frame_payload(client, &frame, payload);
    return STEP_AGAIN;
}

static enum step read_one(struct client *client, struct bytes *in)
{
    if (client->state == CLIENT_UPGRADING)
        return read_upgrade(client, in);
    return client->target->is_websocket ? read_frame(client, in) : read_response(client, in);
}

void client_received(struct client *client, struct bytes received)
{
    bool has_rest = client->in.len > 0;
    if (has_rest && buf_append_bytes(&client->in, received) != 0) {
        client_fail(client, ERROR_PROTOCOL, "the server's message is too long");
        return;
    }
    struct bytes in = has_rest ? buf_bytes(&client->in) : received;
    size_t all = in.len;
    while (in.len > 0 && client->state != CLIENT_CLOSED && read_one(client, &in) == STEP_AGAIN)
        ;
    if (client->state == CLIENT_CLOSED)
        return;
    if (has_rest)
        buf_consume(&client->in, all - in.len);
    else if (buf_append_bytes(&client->in, in) != 0)
        client_fail(client, ERROR_MEMORY, "no memory for what the server sent");
    if (client->in.len == 0)
        buf_deinit(&client->in); /* an idle client holds no buffer */
}
