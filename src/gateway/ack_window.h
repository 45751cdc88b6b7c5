/* SPDX-License-Identifier: Apache-2.0 */
/* Which packets of one numbered stream are settled (durable or rejected): they
 * settle in any order, the acknowledgement is cumulative (contracts: ack
 * protocol). Numbers count from 1. Costs nothing while they settle in order;
 * out of order it keeps one bit a packet. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ack_ring;

struct ack_window {
    uint64_t settled;       /* every number up to here is settled */
    struct ack_ring *ahead; /* which numbers behind a gap are, too; NULL = none */
};

void ack_window_deinit(struct ack_window *window);

/* Number n (> settled, each once) is settled. -1 without memory: the window is
 * then unusable for the numbers behind it and the stream must end. */
int ack_window_settle(struct ack_window *window, uint64_t n);
