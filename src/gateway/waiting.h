/* SPDX-License-Identifier: Apache-2.0 */
/* Messages whose rest waits: for room in the broker, or for a vehicle's pace.
 * Each belongs to a session whose connection is paused; together they are
 * bounded in bytes. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "vehicle/dialect.h"

struct session;

struct held {
    struct list node;
    struct session *session;
    bool is_waiting;  /* in the list; false while it is being taken in */
    int64_t until_ns; /* monotonic; 0 = until the broker has room */
    size_t size_bytes;
    struct message_iter iter; /* points into bytes */
    char bytes[];
};

struct waiting {
    struct list list;
    size_t bytes;
    size_t bytes_max;
};

void waiting_init(struct waiting *waiting, size_t bytes_max);

/* Keep what stands from *from on (copied the first time) and pause the
 * connection. -1: over the bound, or no memory; nothing is kept. */
int waiting_hold(struct waiting *waiting, struct session *session, const struct message_iter *from,
                 int64_t until_ns);
/* Forget the session's message, if it has one. */
void waiting_drop(struct waiting *waiting, struct session *session);

/* Take those out whose time has come, or, when has_room, that wait for room,
 * and hand each to `resume`, in the order in which they came. */
void waiting_resume(struct waiting *waiting, bool has_room, int64_t now_ns,
                    void (*resume)(struct session *session));
/* When the next one is due by time; INT64_MAX for never. */
int64_t waiting_next_ns(const struct waiting *waiting);
