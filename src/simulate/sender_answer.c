/* SPDX-License-Identifier: Apache-2.0 */
/* A sender's other half: acks and rejects of a WebSocket, responses of HTTP. */
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "simulate/sender_private.h"

enum { RETRY_AFTER_MAX_S = 60 };

/* The oldest packet of the window is durable or rejected. */
static void settle(struct link *link, int64_t now_ns)
{
    struct sender *sender = link->sender;
    const struct window_entry *entry = window_at(&link->window, 0);
    counter_set(&sender->stats->unsettled, sender->stats->unsettled - 1);
    if (entry->reason != 0) {
        counter_add(&sender->stats->rejected[entry->reason], 1);
    } else {
        counter_add(&sender->stats->acked, 1);
        histogram_add(&sender->stats->latency, now_ns - entry->intended_ns);
        if (sender->options.ack_log != NULL)
            buf_append_bytes(&sender->notes, window_note(&link->window, entry));
    }
    window_pop(&link->window);
}

static void settle_up_to(struct link *link, uint64_t number)
{
    struct sender *sender = link->sender;
    int64_t now_ns = clock_monotonic_ns();
    link->attempts = 0;
    while (link->window.sent > 0 && link->window.first_number <= number)
        settle(link, now_ns);
    if (sender->notes.len > 0)
        ack_log_append(sender->options.ack_log, buf_bytes(&sender->notes));
    buf_clear(&sender->notes);
}

void link_offer_room(struct link *link)
{
    bool is_roomy = link->window.count <= link->window.packets_max / 2;
    if (!link->was_refused || !is_roomy)
        return;
    link->was_refused = false;
    link->sender->on_room(link->sender->context, link->index);
}

static void mark_rejected(struct link *link, const struct reply *reply)
{
    struct window_entry *entry = window_by_number(&link->window, reply->number);
    if (entry == NULL) {
        client_abort(link->client, "the server rejected a packet that was not sent");
        return;
    }
    entry->reason = reply->reason;
    stats_set_example(link->sender->stats, reply->reason, reply->detail);
}

void link_on_message(void *context, struct client *client, struct bytes message)
{
    struct sender *sender = context;
    struct link *link = client_user(client);
    struct reply reply;
    switch (reply_read_message(sender->reader, message, &reply)) {
    case REPLY_ACK:
        if (reply.number >= link->window.first_number + link->window.sent) {
            client_abort(client, "the server acked a packet that was not sent");
            return;
        }
        settle_up_to(link, reply.number);
        link_offer_room(link);
        link_pump(link);
        break;
    case REPLY_REJECT:
        mark_rejected(link, &reply);
        break;
    case REPLY_OTHER:
        break;
    }
}

/* ---- HTTP ---- */

static void on_listed_reject(void *context, const struct reply *reply)
{
    struct link *link = context;
    if (reply->number >= link->window.sent)
        return; /* the totals won't agree either */
    window_at(&link->window, (size_t)reply->number)->reason = reply->reason;
    stats_set_example(link->sender->stats, reply->reason, reply->detail);
}

/* The whole request was refused for what it says. */
static void reject_all(struct link *link, struct bytes body)
{
    for (size_t i = 0; i < link->window.sent; i++)
        window_at(&link->window, i)->reason = REPLY_REASON_OTHER;
    stats_set_example(link->sender->stats, REPLY_REASON_OTHER, body);
}

static int64_t asked_pause_ns(struct link *link, const struct http1_response *response)
{
    struct bytes value;
    uint64_t seconds;
    if (!http1_find_header(response->headers, response->header_count, "retry-after", &value) ||
        !text_to_u64(value, &seconds))
        return link_backoff_ns(link);
    if (seconds > RETRY_AFTER_MAX_S)
        seconds = RETRY_AFTER_MAX_S;
    /* A second more at most, at random: not all at once. */
    return (int64_t)seconds * NS_PER_S + random_below(&link->sender->random, 1000) * NS_PER_MS;
}

static bool is_settled_by(struct link *link, const struct http1_response *response,
                          struct bytes body)
{
    struct reply_totals totals;
    if (response->status != 200 && response->status != 400 && response->status != 413 &&
        response->status != 415)
        return false;
    if (!reply_read_body(link->sender->reader, body, &totals, on_listed_reject, link)) {
        if (response->status == 200)
            return false;
        reject_all(link, body);
        return true;
    }
    return totals.accepted + totals.duplicate + totals.rejected == link->window.sent;
}

void link_on_response(void *context, struct client *client, const struct http1_response *response,
                      struct bytes body)
{
    (void)context;
    struct link *link = client_user(client);
    if (is_settled_by(link, response, body)) {
        settle_up_to(link, link->window.first_number + link->window.sent - 1);
        link_offer_room(link);
    } else if (response->status == 503 || response->status == 429) {
        window_rewind(&link->window);
        link->is_pausing = true;
        link_retry_after(link, asked_pause_ns(link, response));
        stats_set_trouble(link->sender->stats, "the server is busy (503 or 429)");
    } else {
        char why[96];
        snprintf(why, sizeof why, "the server answered %u %s", response->status,
                 http1_reason(response->status));
        client_abort(client, why);
        return;
    }
    link_pump(link);
}
