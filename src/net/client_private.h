/* SPDX-License-Identifier: Apache-2.0 */
/* What client.c and client_read.c share. Nobody else includes this. */
#pragma once

#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/random.h"
#include "net/client.h"
#include "net/loop_uv.h"

enum client_state {
    CLIENT_CONNECTING,
    CLIENT_UPGRADING,
    CLIENT_OPEN,
    CLIENT_CLOSING, /* our part of the close is queued */
    CLIENT_CLOSED,  /* waits for the loop to let go of its socket */
};

enum { CLIENT_KEY_LEN = 24 };

struct client_pool {
    struct loop *loop;
    struct client_handler handler;
    void *context;
    struct client_options options;
    struct loop_hook flush;
    struct loop_timer *tick; /* looks for expired deadlines */
    size_t open_handles;     /* of libuv; a freed pool's memory goes with the last */
    bool is_freed;
    struct list clients;
    struct list dirty;   /* with bytes to flush at the end of the turn */
    struct list opening; /* each of these three in order of deadline: */
    struct list answering;
    struct list closing;
    struct random_source random;
};

struct client {
    struct client_pool *pool;
    const struct client_target *target;
    void *user;
    uv_poll_t poll;
    int fd;
    enum client_state state;
    int polled_events;
    bool wants_room;    /* client_send() said full */
    bool is_answer_due; /* a POST is under way */
    char key[CLIENT_KEY_LEN];
    struct list all_node;
    struct list dirty_node;
    struct list deadline_node; /* in one of opening, answering, closing */
    int64_t deadline_ns;
    struct buf in;      /* an unfinished frame or response */
    struct buf message; /* fragments so far */
    bool is_fragmented;
    struct buf out;
    size_t out_sent;   /* bytes at its front that the kernel has */
    size_t frame_left; /* of the frame under way, with is_frame_per_write */
};

/* client.c */
void client_fail(struct client *client, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void client_set_open(struct client *client);
void client_set_answered(struct client *client);
/* Queue a control frame; never refused for want of room. */
void client_send_control(struct client *client, enum ws_opcode opcode, struct bytes payload);
/* Write what the kernel takes now. */
void client_flush(struct client *client);

/* client_read.c */
int client_write_upgrade(struct client *client);
/* The server sent these bytes. */
void client_received(struct client *client, struct bytes received);
