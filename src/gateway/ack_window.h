/* SPDX-License-Identifier: Apache-2.0 */
/* Which packets of one numbered stream are settled (durable or rejected): they
 * settle in any order, the acknowledgement is cumulative (contracts: ack
 * protocol). Numbers count from 1. Costs nothing while they settle in order;
 * out of order it keeps one bit a packet. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ack_window {
    uint64_t settled;  /* every number up to here is settled */
    uint64_t *ahead;   /* ring of bits for settled + 1 … settled + capacity; NULL = none set */
    uint32_t capacity; /* bits, a power of two, at least 64; 0 without ring */
    uint32_t ahead_count;
};

void ack_window_deinit(struct ack_window *window);

/* Number n (> settled, each once) is settled. -1 without memory: the window is
 * then unusable for the numbers behind it and the stream must end. */
int ack_window_settle(struct ack_window *window, uint64_t n);
