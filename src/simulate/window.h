/* SPDX-License-Identifier: Apache-2.0 */
/* The packets that a connection took and that are not acked yet, oldest first:
 * sent ones, then unsent ones. They stay, byte for byte, until they are settled,
 * so that a new connection can send them again. Bounded in packets and bytes.
 *
 * Numbers are those of the ack protocol: 1, 2, 3 … per connection in the order
 * sent; after window_rewind() all are unsent and numbering begins at 1 again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

struct window_entry {
    int64_t intended_ns; /* when it was due, monotonic */
    uint64_t start;      /* private: of its packet, in bytes ever pushed */
    uint32_t packet_len;
    uint16_t note_len; /* the owner's words about it, behind the packet */
    bool was_sent;     /* at least once */
    uint8_t reason;    /* 0, or why it was rejected, in the owner's numbers */
};

struct window {
    struct window_entry *entries; /* private: a ring of mask + 1 */
    size_t mask;
    size_t first; /* ring index of the oldest */
    size_t count;
    size_t sent; /* of them on the present connection */
    size_t packets_max;
    uint64_t first_number; /* of the oldest */
    size_t bytes_max;
    struct buf bytes; /* private: from byte `base` on */
    uint64_t base;
    size_t dead; /* settled bytes at the front of `bytes` */
};

void window_init(struct window *window, size_t packets_max, size_t bytes_max);
void window_deinit(struct window *window);

/* Copies both. false: full (or no memory); try again when something is settled.
 * An empty window takes anything that fits bytes_max. */
bool window_push(struct window *window, struct bytes packet, struct bytes note,
                 int64_t intended_ns);
bool window_has_room(const struct window *window, size_t bytes);

/* The i-th of the `count` unsettled ones, i = 0 the oldest. */
struct window_entry *window_at(const struct window *window, size_t i);
/* Borrowed until the next push. */
struct bytes window_packet(const struct window *window, const struct window_entry *entry);
struct bytes window_note(const struct window *window, const struct window_entry *entry);

/* The one with this number, if it was sent and is not settled; else NULL. */
struct window_entry *window_by_number(const struct window *window, uint64_t number);
/* The oldest is settled: out with it. */
void window_pop(struct window *window);
void window_rewind(struct window *window);

static inline size_t window_unsent(const struct window *window)
{
    return window->count - window->sent;
}
