/* SPDX-License-Identifier: Apache-2.0 */
/* A one-shot alarm that is on time to some tens of microseconds, where a
 * loop_timer is to a millisecond: for load that must leave evenly. Linux:
 * timerfd; elsewhere a loop_timer, with its milliseconds. On the loop's thread. */
#pragma once

#include <stdint.h>

#include "net/loop.h"

struct pacer;

struct pacer *pacer_new(struct loop *loop, void (*fn)(void *context), void *context,
                        struct error *err);
/* Call fn once at `when_ns` (clock_monotonic_ns), or soon if that is past. Asking
 * again moves it. */
void pacer_at(struct pacer *pacer, int64_t when_ns);
void pacer_stop(struct pacer *pacer);
/* No call of fn after it. NULL is fine. */
void pacer_free(struct pacer *pacer);
