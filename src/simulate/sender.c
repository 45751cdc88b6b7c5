/* SPDX-License-Identifier: Apache-2.0 */
/* Each link is a window of packets and, at times, a connection:
 *
 *   waiting -> connecting -> open -> waiting …     (back-off in between)
 *
 * While open, link_pump() sends the window's unsent packets in order; acks pop them
 * from its front. When the connection is lost the window is rewound: all in it is
 * unsent again and numbers restart at 1. A packet leaves the window only by an ack
 * (or, without acks, by being written). HTTP: one request at a time, which holds
 * all the sent packets of the window; the response settles them. */
#include "simulate/sender_private.h"

#include <stdlib.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/must.h"

enum {
    CONNECTING_MAX = 128, /* at once: more would overflow a server's backlog */
    MESSAGE_BYTES_MAX = 512 * 1024,
};

void sender_options_defaults(struct sender_options *options)
{
    *options = (struct sender_options){
        .links = 1,
        .wants_acks = true,
        .batch = 1,
        .window_packets = 256,
        .window_bytes = 1024 * 1024,
        .backoff_first_ns = 100 * NS_PER_MS,
        .backoff_max_ns = 5 * NS_PER_S,
        .seed = 1,
    };
}

/* ---- connecting ---- */

static void connect_queued(struct sender *sender);

static void enqueue(struct link *link)
{
    list_remove(&link->queue_node);
    list_append(&link->sender->queue, &link->queue_node);
    connect_queued(link->sender);
}

static void on_retry(void *context)
{
    struct link *link = context;
    link->is_pausing = false;
    if (link->client == NULL)
        enqueue(link);
    else
        link_pump(link);
}

void link_retry_after(struct link *link, int64_t after_ns)
{
    if (link->retry == NULL)
        link->retry = loop_timer_new(link->sender->loop, on_retry, link);
    loop_timer_start(link->retry, after_ns, 0);
}

int64_t link_backoff_ns(struct link *link)
{
    const struct sender_options *options = &link->sender->options;
    return backoff_ns(&link->sender->random, options->backoff_first_ns, options->backoff_max_ns,
                      link->attempts++);
}

static void back_off(struct link *link, const struct error *why)
{
    stats_set_trouble(link->sender->stats, why->text);
    link_retry_after(link, link_backoff_ns(link));
}

static void connect_queued(struct sender *sender)
{
    while (sender->connecting < CONNECTING_MAX && !list_is_empty(&sender->queue)) {
        struct link *link = list_item(sender->queue.next, struct link, queue_node);
        list_remove(&link->queue_node);
        struct error err;
        link->client = client_open(sender->pool, &sender->options.target, link, &err);
        if (link->client != NULL) {
            sender->connecting++;
            continue;
        }
        counter_add(&sender->stats->refusals, 1);
        back_off(link, &err);
    }
}

static void on_open(void *context, struct client *client)
{
    struct sender *sender = context;
    struct link *link = client_user(client);
    link->is_open = true;
    sender->connecting--;
    counter_add(&sender->stats->is_open, 1);
    if (link->was_open)
        counter_add(&sender->stats->reconnects, 1);
    link->was_open = true;
    if (!sender->options.wants_acks)
        link->attempts = 0;
    window_rewind(&link->window);
    link_pump(link);
    link_offer_room(link);
    connect_queued(sender);
}

static void on_close(void *context, struct client *client, const struct error *why)
{
    struct sender *sender = context;
    struct link *link = client_user(client);
    link->client = NULL;
    if (link->is_open) {
        counter_set(&sender->stats->is_open, sender->stats->is_open - 1);
    } else {
        sender->connecting--;
        counter_add(&sender->stats->refusals, 1);
    }
    link->is_open = false;
    window_rewind(&link->window);
    if (sender->is_closing)
        return;
    back_off(link, why);
    connect_queued(sender);
}

/* ---- sending ---- */

static struct bytes make_message(struct link *link, size_t count)
{
    struct window *window = &link->window;
    struct buf *out = &link->sender->message;
    if (count == 1)
        return window_packet(window, window_at(window, window->sent));
    bool is_array = link->sender->options.framing == SENDER_ARRAYS;
    buf_clear(out);
    for (size_t i = 0; i < count; i++) {
        if (is_array)
            buf_append_char(out, i == 0 ? '[' : ',');
        else if (i > 0)
            buf_append_char(out, '\n');
        buf_append_bytes(out, window_packet(window, window_at(window, window->sent + i)));
    }
    if (is_array)
        buf_append_char(out, ']');
    return buf_bytes(out);
}

/* Packets of the next message; 0: nothing, or it waits for its batch. */
static size_t next_count(const struct link *link)
{
    const struct window *window = &link->window;
    const struct sender *sender = link->sender;
    size_t unsent = window_unsent(window);
    size_t batch = sender->options.batch;
    bool must_go = sender->is_finishing || link->was_refused;
    if (unsent < batch && !must_go)
        return 0;
    size_t most = unsent < batch ? unsent : batch;
    size_t bytes = 0;
    for (size_t i = 0; i < most; i++) {
        bytes += window_at(window, window->sent + i)->packet_len + 1;
        if (i > 0 && bytes > MESSAGE_BYTES_MAX)
            return i;
    }
    return most;
}

/* A message is due when the last of its packets is. */
static void mark_sent(struct link *link, size_t count)
{
    struct window *window = &link->window;
    struct stats *stats = link->sender->stats;
    int64_t due_ns = window_at(window, window->sent + count - 1)->intended_ns;
    for (size_t i = 0; i < count; i++) {
        struct window_entry *entry = window_at(window, window->sent + i);
        counter_add(entry->was_sent ? &stats->resent : &stats->sent, 1);
        if (!entry->was_sent)
            entry->intended_ns = due_ns;
        entry->was_sent = true;
    }
    window->sent += count;
}

static void settle_written(struct link *link)
{
    struct stats *stats = link->sender->stats;
    for (; link->window.sent > 0; window_pop(&link->window))
        counter_set(&stats->unsettled, stats->unsettled - 1);
}

static enum client_verdict send_message(struct link *link, struct bytes message)
{
    if (link->sender->options.target.is_websocket)
        return client_send(link->client, WS_TEXT, message);
    bool is_ndjson = link->sender->options.framing == SENDER_LINES;
    return client_post(link->client, is_ndjson ? "application/x-ndjson" : "application/json",
                       message);
}

void link_pump(struct link *link)
{
    size_t count;
    while (link->is_open && !link->is_pausing && (count = next_count(link)) > 0) {
        if (send_message(link, make_message(link, count)) != CLIENT_TAKEN)
            return; /* on_writable, on_response or on_close follows */
        mark_sent(link, count);
        if (!link->sender->options.wants_acks)
            settle_written(link);
    }
}

static void on_writable(void *context, struct client *client)
{
    (void)context;
    struct link *link = client_user(client);
    link_pump(link);
    link_offer_room(link);
}

/* ---- the whole ---- */

static const struct client_handler client_handler = {
    .on_open = on_open,
    .on_message = link_on_message,
    .on_response = link_on_response,
    .on_writable = on_writable,
    .on_close = on_close,
};

static int make_pool(struct sender *sender, struct error *err)
{
    struct client_options options;
    client_options_defaults(&options);
    options.subprotocol = sender->options.wants_acks ? "motorcade.v1" : NULL;
    options.is_frame_per_write = sender->options.is_frame_per_write;
    options.seed = sender->options.seed;
    return client_pool_new(&sender->pool, sender->loop, &client_handler, sender, &options, err);
}

int sender_new(struct sender **out, struct loop *loop, const struct sender_options *options,
               sender_room_fn on_room, void *context, struct stats *stats, struct error *err)
{
    must(options->links > 0 && options->batch > 0 && options->window_packets >= options->batch);
    struct sender *sender = calloc(1, sizeof *sender + options->links * sizeof sender->links[0]);
    if (sender == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %u connections", options->links);
    sender->loop = loop;
    sender->options = *options;
    sender->on_room = on_room;
    sender->context = context;
    sender->stats = stats;
    sender->random.state = random_mix(options->seed + 1);
    sender->reader = reply_reader_new();
    buf_init(&sender->message, 0);
    buf_init(&sender->notes, 0);
    list_init(&sender->queue);
    for (uint32_t i = 0; i < options->links; i++) {
        struct link *link = &sender->links[i];
        *link = (struct link){.sender = sender, .index = i};
        window_init(&link->window, options->window_packets, options->window_bytes);
        list_init(&link->queue_node);
        list_append(&sender->queue, &link->queue_node);
    }
    if (sender->reader == NULL || make_pool(sender, err) != 0) {
        sender_free(sender);
        return error_set(err, ERROR_MEMORY, "no memory for connections");
    }
    connect_queued(sender);
    *out = sender;
    return 0;
}

void sender_free(struct sender *sender)
{
    if (sender == NULL)
        return;
    client_pool_free(sender->pool);
    reply_reader_free(sender->reader);
    buf_deinit(&sender->message);
    buf_deinit(&sender->notes);
    for (uint32_t i = 0; i < sender->options.links; i++) {
        window_deinit(&sender->links[i].window);
        loop_timer_free(sender->links[i].retry);
    }
    free(sender);
}

bool sender_has_room(struct sender *sender, uint32_t link_index, size_t bytes)
{
    struct link *link = &sender->links[link_index];
    if (window_has_room(&link->window, bytes))
        return true;
    if (!link->was_refused) {
        link->was_refused = true;
        link_pump(link); /* a window full of less than a batch must not wait for more */
    }
    return false;
}

bool sender_push(struct sender *sender, uint32_t link_index, struct bytes packet, struct bytes note,
                 int64_t intended_ns)
{
    must(!sender->is_finishing);
    struct link *link = &sender->links[link_index];
    if (!sender_has_room(sender, link_index, packet.len + note.len) ||
        !window_push(&link->window, packet, note, intended_ns))
        return false;
    counter_add(&sender->stats->taken, 1);
    counter_add(&sender->stats->unsettled, 1);
    link_pump(link);
    return true;
}

void sender_finish(struct sender *sender)
{
    sender->is_finishing = true;
    for (uint32_t i = 0; i < sender->options.links; i++)
        link_pump(&sender->links[i]);
}

void sender_close(struct sender *sender)
{
    sender->is_closing = true;
    for (uint32_t i = 0; i < sender->options.links; i++) {
        struct link *link = &sender->links[i];
        list_remove(&link->queue_node);
        if (link->retry != NULL)
            loop_timer_stop(link->retry);
        if (link->client != NULL)
            client_close(link->client);
    }
}

uint32_t sender_open_links(const struct sender *sender)
{
    return (uint32_t)sender->stats->is_open;
}

uint64_t sender_unsettled(const struct sender *sender)
{
    return sender->stats->unsettled;
}
