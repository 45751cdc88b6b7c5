/* SPDX-License-Identifier: Apache-2.0 */
/* A client's life: connecting -> (upgrading ->) open -> (closing ->) closed.
 * Bytes to send are gathered in client->out and leave at the end of the turn.
 * The only way to closed is end(): it tells the owner, takes the client out of
 * every list and lets libuv close the handle; the memory goes in its callback. */
#include "net/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "net/client_private.h"

enum { TICK_MS = 50, OUT_KEPT_BYTES = 16384 };

void client_options_defaults(struct client_options *options)
{
    *options = (struct client_options){
        .send_buffer_bytes = 64 * 1024,
        .message_bytes = 1024 * 1024,
        .open_deadline_ns = 5 * NS_PER_S,
        .response_deadline_ns = 30 * NS_PER_S,
        .close_deadline_ns = NS_PER_S,
        .seed = 1,
    };
}

void *client_user(const struct client *client)
{
    return client->user;
}

size_t client_unsent_bytes(const struct client *client)
{
    return client->out.len - client->out_sent;
}

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct client_pool *pool = client->pool;
    free(client);
    pool->open_handles--;
    if (pool->is_freed && pool->open_handles == 0)
        free(pool);
}

static void end(struct client *client, const struct error *why)
{
    if (client->state == CLIENT_CLOSED)
        return;
    client->state = CLIENT_CLOSED;
    list_remove(&client->all_node);
    list_remove(&client->dirty_node);
    list_remove(&client->deadline_node);
    buf_deinit(&client->out);
    uv_poll_stop(&client->poll);
    uv_close((uv_handle_t *)&client->poll, on_handle_closed);
    close(client->fd);
    if (why != NULL)
        client->pool->handler.on_close(client->pool->context, client, why);
    /* Only now: what is being read may lie in them. */
    buf_deinit(&client->in);
    buf_deinit(&client->message);
}

void client_fail(struct client *client, enum error_kind kind, const char *format, ...)
{
    struct error why = {.kind = kind, .is_transient = true};
    va_list args;
    va_start(args, format);
    vsnprintf(why.text, sizeof why.text, format, args);
    va_end(args);
    end(client, &why);
}

void client_abort(struct client *client, const char *reason)
{
    client_fail(client, ERROR_NONE, "%s", reason);
}

static void fail_errno(struct client *client, int number, const char *what)
{
    struct error why;
    error_set_errno(&why, ERROR_IO, number, "%s %s", what, client->target->authority);
    why.is_transient = true;
    end(client, &why);
}

/* ---- deadlines ---- */

static void set_deadline(struct client *client, struct list *list, int64_t after_ns)
{
    list_remove(&client->deadline_node);
    if (after_ns <= 0)
        return;
    client->deadline_ns = loop_now_ns(client->pool->loop) + after_ns;
    list_append(list, &client->deadline_node);
}

static void expire(struct list *list, int64_t now_ns, const char *what)
{
    while (!list_is_empty(list)) {
        struct client *client = list_item(list->next, struct client, deadline_node);
        if (client->deadline_ns > now_ns)
            return;
        client_fail(client, ERROR_REMOTE, "%s", what);
    }
}

static void on_tick(void *context)
{
    struct client_pool *pool = context;
    int64_t now_ns = loop_now_ns(pool->loop);
    expire(&pool->opening, now_ns, "the server did not answer the connection in time");
    expire(&pool->answering, now_ns, "the server did not answer a request in time");
    expire(&pool->closing, now_ns, "the server did not close in time");
}

/* ---- writing ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct client *client, int events)
{
    if (client->polled_events == events)
        return;
    client->polled_events = events;
    uv_poll_start(&client->poll, events, on_poll);
}

static void mark_dirty(struct client *client)
{
    list_remove(&client->dirty_node);
    list_append(&client->pool->dirty, &client->dirty_node);
    loop_touch(client->pool->loop);
}

/* How much may go out in one write: all, or what is left of one frame. */
static size_t piece_length(struct client *client, size_t unsent)
{
    bool is_framed = client->pool->options.is_frame_per_write && client->target->is_websocket &&
                     client->state >= CLIENT_OPEN;
    if (!is_framed)
        return unsent;
    if (client->frame_left == 0) {
        struct ws_frame frame;
        struct bytes head = bytes_of(client->out.ptr + client->out_sent, unsent);
        must(ws_parse_header(head, &frame) == WS_OK); /* we wrote it */
        client->frame_left = frame.header_len + (size_t)frame.payload_len;
    }
    return client->frame_left;
}

static void forget_sent(struct client *client)
{
    size_t unsent = client_unsent_bytes(client);
    if (unsent == 0) {
        client->out_sent = 0;
        buf_clear(&client->out);
        if (client->out.cap > OUT_KEPT_BYTES)
            buf_deinit(&client->out);
    } else if (client->out_sent >= unsent) {
        buf_consume(&client->out, client->out_sent);
        client->out_sent = 0;
    }
}

static void tell_room(struct client *client)
{
    size_t low_mark = client->pool->options.send_buffer_bytes / 2;
    if (!client->wants_room || client_unsent_bytes(client) > low_mark)
        return;
    client->wants_room = false;
    client->pool->handler.on_writable(client->pool->context, client);
}

void client_flush(struct client *client)
{
    size_t unsent;
    while ((unsent = client_unsent_bytes(client)) > 0) {
        size_t piece = piece_length(client, unsent);
        ssize_t sent = send(client->fd, client->out.ptr + client->out_sent, piece,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) {
            fail_errno(client, errno, "write to");
            return;
        }
        if (sent < 0)
            break;
        client->out_sent += (size_t)sent;
        client->frame_left -= client->frame_left > 0 ? (size_t)sent : 0;
    }
    forget_sent(client);
    bool is_blocked = client_unsent_bytes(client) > 0;
    watch(client, is_blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE);
    tell_room(client);
}

static void flush_dirty(void *context)
{
    struct client_pool *pool = context;
    while (!list_is_empty(&pool->dirty)) {
        struct client *client = list_item(pool->dirty.next, struct client, dirty_node);
        list_remove(&client->dirty_node);
        client_flush(client);
    }
}

static void append_frame(struct client *client, enum ws_opcode opcode, struct bytes payload)
{
    uint64_t random = random_u64(&client->pool->random);
    uint8_t mask[4];
    memcpy(mask, &random, sizeof mask);
    char head[WS_HEADER_MAX];
    size_t head_len = ws_write_header(head, opcode, true, payload.len, mask);
    if (buf_reserve(&client->out, head_len + payload.len) != 0) {
        client_fail(client, ERROR_MEMORY, "no memory to send");
        return;
    }
    buf_append(&client->out, head, head_len);
    size_t start = client->out.len;
    buf_append_bytes(&client->out, payload);
    ws_mask(client->out.ptr + start, payload.len, mask, 0);
    mark_dirty(client);
}

void client_send_control(struct client *client, enum ws_opcode opcode, struct bytes payload)
{
    /* A server that pings and does not read: its pongs are not hoarded. */
    bool is_hoarding = client_unsent_bytes(client) > 2 * client->pool->options.send_buffer_bytes;
    if (client->state != CLIENT_OPEN || (is_hoarding && opcode == WS_PONG))
        return;
    append_frame(client, opcode, payload);
}

static bool is_full(struct client *client, size_t more)
{
    size_t unsent = client_unsent_bytes(client);
    return unsent > 0 && unsent + more > client->pool->options.send_buffer_bytes;
}

enum client_verdict client_send(struct client *client, enum ws_opcode opcode, struct bytes message)
{
    if (client->state != CLIENT_OPEN)
        return CLIENT_GONE;
    if (is_full(client, message.len)) {
        client->wants_room = true;
        mark_dirty(client); /* on_writable comes from a flush */
        return CLIENT_FULL;
    }
    append_frame(client, opcode, message);
    return client->state == CLIENT_OPEN ? CLIENT_TAKEN : CLIENT_GONE;
}

enum client_verdict client_post(struct client *client, const char *content_type, struct bytes body)
{
    if (client->state != CLIENT_OPEN)
        return CLIENT_GONE;
    if (client->is_answer_due)
        return CLIENT_FULL;
    buf_printf(&client->out,
               "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
               client->target->path, client->target->authority, content_type, body.len);
    if (buf_append_bytes(&client->out, body) != 0 || client->out.has_failed) {
        client_fail(client, ERROR_MEMORY, "no memory to send");
        return CLIENT_GONE;
    }
    client->is_answer_due = true;
    set_deadline(client, &client->pool->answering, client->pool->options.response_deadline_ns);
    mark_dirty(client);
    return CLIENT_TAKEN;
}

void client_set_answered(struct client *client)
{
    client->is_answer_due = false;
    list_remove(&client->deadline_node);
}

void client_close(struct client *client)
{
    if (client->state == CLIENT_CLOSED || client->state == CLIENT_CLOSING)
        return;
    if (client->state != CLIENT_OPEN || !client->target->is_websocket) {
        client_abort(client, "closed");
        return;
    }
    static const char code[2] = {(char)(WS_CLOSE_NORMAL >> 8), (char)(WS_CLOSE_NORMAL & 0xff)};
    append_frame(client, WS_CLOSE, bytes_of(code, sizeof code));
    if (client->state != CLIENT_OPEN)
        return;
    client->state = CLIENT_CLOSING;
    set_deadline(client, &client->pool->closing, client->pool->options.close_deadline_ns);
}

/* ---- connecting ---- */

void client_set_open(struct client *client)
{
    list_remove(&client->deadline_node);
    client->state = CLIENT_OPEN;
    client->pool->handler.on_open(client->pool->context, client);
}

static void on_connected(struct client *client)
{
    int number = 0;
    socklen_t len = sizeof number;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &number, &len);
    if (number != 0) {
        fail_errno(client, number, "connect to");
        return;
    }
    watch(client, UV_READABLE);
    if (!client->target->is_websocket) {
        client_set_open(client);
        return;
    }
    client->state = CLIENT_UPGRADING;
    if (client_write_upgrade(client) != 0)
        client_fail(client, ERROR_MEMORY, "no memory to connect");
    else
        mark_dirty(client);
}

static void on_readable(struct client *client)
{
    char *buffer = loop_read_buffer(client->pool->loop);
    ssize_t got = recv(client->fd, buffer, LOOP_READ_BYTES, MSG_DONTWAIT);
    if (got > 0)
        client_received(client, bytes_of(buffer, (size_t)got));
    else if (got == 0)
        client_fail(client, ERROR_REMOTE, "the server closed the connection");
    else if (errno != EAGAIN && errno != EINTR)
        fail_errno(client, errno, "read from");
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct client *client = poll->data;
    if (client->state == CLIENT_CONNECTING) {
        on_connected(client);
        return;
    }
    if (status < 0) {
        fail_errno(client, -status, "wait for");
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        client_flush(client);
    if ((events & UV_READABLE) != 0 && client->state != CLIENT_CLOSED)
        on_readable(client);
}

static int open_socket(const struct client_target *target, struct error *err)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "a socket to %s", target->authority);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const struct sockaddr *address = (const struct sockaddr *)&target->address;
    if (connect(fd, address, target->address_len) != 0 && errno != EINPROGRESS) {
        error_set_errno(err, ERROR_IO, errno, "connect to %s", target->authority);
        if (err != NULL)
            err->is_transient = true;
        close(fd);
        return -1;
    }
    return fd;
}

struct client *client_open(struct client_pool *pool, const struct client_target *target, void *user,
                           struct error *err)
{
    int fd = open_socket(target, err);
    if (fd < 0)
        return NULL;
    struct client *client = calloc(1, sizeof *client);
    int rc = client == NULL ? UV_ENOMEM : uv_poll_init(loop_uv(pool->loop), &client->poll, fd);
    if (rc != 0) {
        error_set(err, ERROR_IO, "a connection to %s: %s", target->authority, uv_strerror(rc));
        close(fd);
        free(client);
        return NULL;
    }
    client->pool = pool;
    client->target = target;
    client->user = user;
    client->fd = fd;
    client->poll.data = client;
    list_init(&client->dirty_node);
    list_init(&client->deadline_node);
    list_append(&pool->clients, &client->all_node);
    buf_init(&client->in, pool->options.message_bytes + LOOP_READ_BYTES);
    buf_init(&client->message, pool->options.message_bytes);
    pool->open_handles++;
    set_deadline(client, &pool->opening, pool->options.open_deadline_ns);
    watch(client, UV_WRITABLE);
    return client;
}

/* ---- the pool ---- */

int client_pool_new(struct client_pool **out, struct loop *loop,
                    const struct client_handler *handler, void *context,
                    const struct client_options *options, struct error *err)
{
    struct client_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for connections");
    *pool = (struct client_pool){
        .loop = loop,
        .handler = *handler,
        .context = context,
        .options = *options,
        .flush = {.fn = flush_dirty, .context = pool},
        .random = {random_mix(options->seed)},
    };
    list_init(&pool->clients);
    list_init(&pool->dirty);
    list_init(&pool->opening);
    list_init(&pool->answering);
    list_init(&pool->closing);
    loop_hook_add(loop, LOOP_PHASE_FLUSH, &pool->flush);
    pool->tick = loop_timer_new(loop, on_tick, pool);
    loop_timer_start(pool->tick, TICK_MS * NS_PER_MS, TICK_MS * NS_PER_MS);
    *out = pool;
    return 0;
}

void client_pool_free(struct client_pool *pool)
{
    if (pool == NULL)
        return;
    while (!list_is_empty(&pool->clients))
        end(list_item(pool->clients.next, struct client, all_node), NULL);
    loop_hook_remove(pool->loop, &pool->flush);
    loop_timer_free(pool->tick);
    pool->is_freed = true;
    if (pool->open_handles == 0)
        free(pool);
}
