/* SPDX-License-Identifier: Apache-2.0 */
/* What sender.c and sender_answer.c share. Nobody else includes this. */
#pragma once

#include "base/list.h"
#include "base/random.h"
#include "simulate/sender.h"
#include "simulate/window.h"

struct link {
    struct sender *sender;
    struct client *client; /* NULL while waiting */
    struct window window;
    struct loop_timer *retry; /* made when first needed */
    struct list queue_node;   /* in sender->queue */
    uint32_t index;
    uint32_t attempts; /* failed in a row */
    bool is_open;
    bool was_open;    /* at least once */
    bool is_pausing;  /* HTTP: the server asked to wait */
    bool was_refused; /* push said full: on_room is owed */
};

struct sender {
    struct loop *loop;
    struct sender_options options;
    sender_room_fn on_room;
    void *context;
    struct stats *stats;
    struct client_pool *pool;
    struct reply_reader *reader;
    struct random_source random;
    struct list queue; /* links whose turn to connect comes */
    uint32_t connecting;
    bool is_finishing;
    bool is_closing;
    struct buf message; /* the one being made */
    struct buf notes;   /* of the acks being read */
    struct link links[];
};

/* Send what is unsent, as far as it goes now. */
void link_pump(struct link *link);
/* Only from an event's own callback: on_room may push, and push must not meet
 * itself. */
void link_offer_room(struct link *link);
void link_retry_after(struct link *link, int64_t after_ns);
int64_t link_backoff_ns(struct link *link);

/* sender_answer.c: what the gateway says (struct client_handler). */
void link_on_message(void *context, struct client *client, struct bytes message);
void link_on_response(void *context, struct client *client, const struct http1_response *response,
                      struct bytes body);
