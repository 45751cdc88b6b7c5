/* SPDX-License-Identifier: Apache-2.0 */
/* Wakes one waiting thread. A ring before the wait is not lost; many rings are
 * one. Ringing costs a load when the bell has been rung already. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    atomic_bool is_rung;
};

void bell_init(struct bell *bell);
void bell_deinit(struct bell *bell);

/* Any thread; takes a lock for a moment, never waits. */
void bell_ring(struct bell *bell);
/* The owner: until rung or timeout_ns passed, by the monotonic clock. True when
 * rung; the ring is used up. */
bool bell_wait(struct bell *bell, int64_t timeout_ns);
