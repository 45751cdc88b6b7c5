/* SPDX-License-Identifier: Apache-2.0 */
/* One coarse clock for all connections of a server: a wheel of lists, one slot a
 * tick. A connection moves only when its slot comes or when its deadline gets
 * nearer; activity is a store of the tick's number. The tick is counted, not
 * measured: a loop that was stalled expires nobody whom it could not read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "net/loop.h"

enum { DEADLINE_SLOTS = 128 };
#define DEADLINE_NEVER UINT32_MAX

struct deadlines {
    struct list slots[DEADLINE_SLOTS];
    uint32_t tick; /* now */
    int64_t tick_ns;
    struct loop_timer *timer;
    bool is_running;
    void (*on_due)(void *context, struct list *node);
    void *context;
};

/* on_due is called for a node whose slot came; it must set it again, or remove
 * it for good. */
void deadlines_init(struct deadlines *deadlines, struct loop *loop, int64_t tick_ns,
                    void (*on_due)(void *context, struct list *node), void *context);
void deadlines_deinit(struct deadlines *deadlines);

/* Ticks that are at least ns. */
uint32_t deadlines_ticks(const struct deadlines *deadlines, int64_t ns);
/* Put the node where it comes up at `due` (a tick), or earlier when that is
 * beyond the wheel. */
void deadlines_set(struct deadlines *deadlines, struct list *node, uint32_t due);
/* No node left: the timer rests. */
void deadlines_rest(struct deadlines *deadlines);
