/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway that does as told, on the test's own loop: it acks, rejects, stalls,
 * dies and comes back. Its packets are whole numbers, so that it can tell which
 * came, how often and in which order. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/text.h"
#include "net/server.h"

enum { FAKE_PACKETS_MAX = 100000 };

struct fake_gateway {
    struct loop *loop;
    struct server *server;
    char address[64];
    char url[96]; /* ws:// */
    char post_url[96];
    /* orders */
    unsigned reject_every; /* numbers that it divides are rejected; 0: none */
    unsigned ack_up_to;    /* packets of a connection that are acked at most; 0: all */
    unsigned busy_times;   /* so many POSTs are answered 503 */
    uint64_t lie;          /* ack this number instead */
    bool is_stalled;       /* does not read */
    bool is_json;          /* packets are OBU objects: counted, not told apart */
    /* observations */
    unsigned connections;
    unsigned connections_with_acks;
    unsigned messages;
    unsigned largest_message; /* in packets */
    unsigned received;
    unsigned disorders; /* within one connection */
    unsigned char seen[FAKE_PACKETS_MAX];
    struct fake_conn *conns;
};

struct fake_conn {
    struct fake_gateway *gateway;
    struct conn *conn;
    struct fake_conn *next;
    uint64_t count; /* packets received on it */
    uint64_t last;
    bool wants_acks;
};

static inline bool fake_on_upgrade(void *context, struct conn *conn,
                                   const struct http1_request *request, const char **subprotocol)
{
    struct fake_gateway *gateway = context;
    struct fake_conn *fake = calloc(1, sizeof *fake);
    must(fake != NULL);
    fake->gateway = gateway;
    fake->conn = conn;
    fake->next = gateway->conns;
    gateway->conns = fake;
    fake->wants_acks = http1_has_token(request->headers, request->header_count,
                                       "sec-websocket-protocol", "motorcade.v1");
    *subprotocol = fake->wants_acks ? "motorcade.v1" : NULL;
    gateway->connections++;
    gateway->connections_with_acks += fake->wants_acks;
    conn_set_user(conn, fake);
    if (gateway->is_stalled)
        conn_pause(conn);
    return true;
}

/* Counts the packets of a message and calls `reject` for those to be rejected. */
static inline unsigned fake_take(struct fake_gateway *gateway, struct bytes message, uint64_t *last,
                                 void (*reject)(void *context, unsigned index), void *context)
{
    unsigned count = 0;
    size_t i = 0;
    for (const char *at = message.ptr; gateway->is_json; at++, count++) {
        at = memmem(at, message.len - (size_t)(at - message.ptr), "\"obuid\"", 7);
        if (at == NULL) {
            gateway->received += count;
            i = message.len;
            break;
        }
    }
    while (i < message.len) {
        size_t end = i;
        while (end < message.len && message.ptr[end] >= '0' && message.ptr[end] <= '9')
            end++;
        if (end == i) {
            i++;
            continue;
        }
        uint64_t number;
        must(text_to_u64(bytes_of(message.ptr + i, end - i), &number));
        must(number < FAKE_PACKETS_MAX);
        gateway->seen[number]++;
        gateway->received++;
        gateway->disorders += number <= *last;
        *last = number;
        if (gateway->reject_every > 0 && number % gateway->reject_every == 0)
            reject(context, count);
        count++;
        i = end;
    }
    gateway->messages++;
    if (count > gateway->largest_message)
        gateway->largest_message = count;
    return count;
}

static inline void fake_send(struct conn *conn, const char *text)
{
    conn_send(conn, WS_TEXT, bytes_from_text(text));
}

static inline void fake_reject(void *context, unsigned index)
{
    struct fake_conn *fake = context;
    char text[128];
    snprintf(text, sizeof text, "{\"reject\":%llu,\"reason\":\"range\",\"detail\":\"told so\"}",
             (unsigned long long)fake->count + index + 1);
    fake_send(fake->conn, text);
}

static inline void fake_on_message(void *context, struct conn *conn, enum ws_opcode opcode,
                                   struct bytes message)
{
    struct fake_gateway *gateway = context;
    struct fake_conn *fake = conn_user(conn);
    (void)opcode;
    fake->count += fake_take(gateway, message, &fake->last, fake_reject, fake);
    if (!fake->wants_acks)
        return;
    uint64_t n = fake->count;
    if (gateway->ack_up_to > 0 && n > gateway->ack_up_to)
        n = gateway->ack_up_to;
    if (gateway->lie > 0) {
        n = gateway->lie;
        gateway->lie = 0;
    }
    char text[64];
    snprintf(text, sizeof text, "{\"ack\":%llu}", (unsigned long long)n);
    fake_send(conn, text);
}

struct fake_list {
    char text[8192];
    unsigned count;
};

static inline void fake_list_reject(void *context, unsigned index)
{
    struct fake_list *list = context;
    size_t len = strlen(list->text);
    snprintf(list->text + len, sizeof list->text - len,
             "%s{\"index\":%u,\"reason\":\"range\",\"detail\":\"told so\"}",
             list->count > 0 ? "," : "", index);
    list->count++;
}

static inline void fake_on_request(void *context, struct conn *conn,
                                   const struct http1_request *request, struct bytes body)
{
    struct fake_gateway *gateway = context;
    (void)request;
    struct server_reply reply = {.status = 200, .content_type = "application/json"};
    if (gateway->busy_times > 0) {
        gateway->busy_times--;
        reply.status = 503;
        reply.extra_headers = "Retry-After: 0\r\n";
        conn_reply(conn, &reply);
        return;
    }
    struct fake_list rejects = {.count = 0};
    uint64_t last = 0;
    unsigned count = fake_take(gateway, body, &last, fake_list_reject, &rejects);
    char text[9000];
    int len = snprintf(text, sizeof text, "{\"accepted\":%u,\"duplicate\":0,\"rejected\":[%s]}",
                       count - rejects.count, rejects.text);
    reply.status = count == rejects.count ? 400 : 200;
    reply.body = bytes_of(text, (size_t)len);
    conn_reply(conn, &reply);
}

static inline void fake_on_close(void *context, struct conn *conn)
{
    struct fake_gateway *gateway = context;
    struct fake_conn *fake = conn_user(conn);
    for (struct fake_conn **at = &gateway->conns; *at != NULL; at = &(*at)->next) {
        if (*at != fake)
            continue;
        *at = fake->next;
        break;
    }
    free(fake);
}

/* Opens, or comes back at the address it had. */
static inline void fake_gateway_open(struct fake_gateway *gateway)
{
    static const struct server_handler handler = {
        .on_request = fake_on_request,
        .on_upgrade = fake_on_upgrade,
        .on_message = fake_on_message,
        .on_close = fake_on_close,
    };
    struct server_limits limits;
    server_limits_defaults(&limits);
    struct error err;
    const char *listen = gateway->address[0] != '\0' ? gateway->address : "127.0.0.1:0";
    if (server_open(&gateway->server, gateway->loop, listen, &handler, gateway, &limits, &err) !=
        0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    snprintf(gateway->address, sizeof gateway->address, "%s", server_address(gateway->server));
    snprintf(gateway->url, sizeof gateway->url, "ws://%s/ws", gateway->address);
    snprintf(gateway->post_url, sizeof gateway->post_url, "http://%s/packets", gateway->address);
}

static inline void fake_gateway_kill(struct fake_gateway *gateway)
{
    if (gateway->server != NULL)
        server_close(gateway->server);
    gateway->server = NULL;
}

static inline void fake_gateway_resume(struct fake_gateway *gateway)
{
    gateway->is_stalled = false;
    for (struct fake_conn *fake = gateway->conns; fake != NULL; fake = fake->next)
        conn_resume(fake->conn);
}
