/* SPDX-License-Identifier: Apache-2.0 */
/* What the other files of net/ see of a loop. Private to net/: it names libuv.
 * All on the loop's thread. */
#pragma once

#include <uv.h>

#include "base/list.h"
#include "net/loop.h"

uv_loop_t *loop_uv(struct loop *loop);

/* The end of a turn has three parts: what was held back is delivered
 * (RESUME), the roles' own hooks run (loop_on_turn_end), and what all of them
 * gave to send is written (FLUSH). */
enum loop_phase { LOOP_PHASE_RESUME, LOOP_PHASE_FLUSH, LOOP_PHASES };

struct loop_hook {
    struct list node;
    void (*fn)(void *context);
    void *context;
};

/* The hook is the caller's memory until removed. Both may be called from within
 * a hook. */
void loop_hook_add(struct loop *loop, enum loop_phase phase, struct loop_hook *hook);
void loop_hook_remove(struct loop *loop, struct loop_hook *hook);

/* A callback outside the poll phase (timer, deferred write, close) did work:
 * the turn's end runs before the loop sleeps. */
void loop_touch(struct loop *loop);
/* There is work left for the next turn: don't sleep before it. */
void loop_again(struct loop *loop);

/* The one large read buffer. It belongs to the callback that reads, for the
 * call. */
enum { LOOP_READ_BYTES = 128 * 1024 };
char *loop_read_buffer(struct loop *loop);
