/* SPDX-License-Identifier: Apache-2.0 */
/* Packets to a gateway over many connections of one loop, until each is acked or
 * rejected: bounded windows, acks, resends after a reconnect with full-jitter
 * back-off, counts and latencies. What simulate and replay have in common. All
 * on the loop's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "net/client.h"
#include "simulate/ack_log.h"
#include "simulate/stats.h"

struct sender;

enum sender_framing {
    SENDER_ARRAYS, /* many packets of one message: a JSON array */
    SENDER_LINES,  /* … lines of packets: a broken one does not hide the others */
};

struct sender_options {
    struct client_target target;
    uint32_t links; /* connections */
    bool wants_acks;
    bool is_frame_per_write;
    enum sender_framing framing;
    uint32_t batch;        /* packets of a message: it leaves when they are together */
    size_t window_packets; /* of each link; at least batch */
    size_t window_bytes;
    int64_t backoff_first_ns; /* the n-th attempt comes within 0 .. first * 2^n, */
    int64_t backoff_max_ns;   /* at most max */
    uint64_t seed;
    struct ack_log *ack_log; /* gets the notes of acked packets; or NULL */
};
/* One link, acks, one packet a message, 256 packets and 1 MiB, 100 ms to 5 s. */
void sender_options_defaults(struct sender_options *options);

/* A link that had no room has some again. */
typedef void (*sender_room_fn)(void *context, uint32_t link);

/* Starts to connect at once. `stats` and options->ack_log must outlive it. */
int sender_new(struct sender **out, struct loop *loop, const struct sender_options *options,
               sender_room_fn on_room, void *context, struct stats *stats, struct error *err);
/* Cuts what is still connected. NULL is fine. */
void sender_free(struct sender *sender);

/* Take a packet that was due at intended_ns (clock_monotonic_ns). `note` is what
 * the ack log shall say once it is acked. false: this link's window is full; the
 * caller keeps the packet and on_room follows. */
bool sender_push(struct sender *sender, uint32_t link, struct bytes packet, struct bytes note,
                 int64_t intended_ns);
/* Would it take that many bytes (packet and note)? If not, on_room follows. */
bool sender_has_room(struct sender *sender, uint32_t link, size_t bytes);

/* No more packets will come: messages of less than a batch leave, too. */
void sender_finish(struct sender *sender);
/* Close the connections in order; sender_open_links() falls to 0. */
void sender_close(struct sender *sender);

uint32_t sender_open_links(const struct sender *sender);
/* Packets taken and not settled. Without acks: not yet written. */
uint64_t sender_unsettled(const struct sender *sender);
