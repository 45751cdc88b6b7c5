/* SPDX-License-Identifier: Apache-2.0 */
/* Two clocks. Monotonic: deadlines, latencies, timers; never jumps. Wall: times
 * that are stored and shown; may jump. Pure code takes time as a parameter. */
#pragma once

#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t clock_monotonic_ns(void);
/* Nanoseconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall_ns(void);
/* Block this thread; for ends and starts, never on a loop that serves. */
void clock_sleep_ns(int64_t ns);
