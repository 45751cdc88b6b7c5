/* SPDX-License-Identifier: Apache-2.0 */
/* Is this process alive, and can it do its job? Each part of the program owns a
 * named check and sets it from any thread; /readyz is the conjunction. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct health_check;

/* A check starts as not ready with the reason "starting". At most 32; the
 * pointer lives until the end of the process. Same name, same check. */
struct health_check *health_check(const char *name);
void health_set_ready(struct health_check *check);
/* The reason is copied (cut at 127 bytes). */
void health_set_unready(struct health_check *check, const char *reason);
/* The part is gone (its role stopped): no longer counted. */
void health_retire(struct health_check *check);

/* All checks ready? Appends {"ready":…,"checks":{"name":"ok"|"reason",…}}. */
bool health_print(struct buf *out);

/* ---- is it alive? ----
 * Each event loop beats about once a second. One that has not for
 * HEALTH_DEAD_NS hangs: /healthz says so, and the supervisor's watchdog is not
 * fed any more. */

#define HEALTH_DEAD_NS INT64_C(10000000000)

struct health_pulse;

/* At most 128; NULL beyond that, and the calls below do nothing then. A fresh
 * pulse counts as beaten. */
struct health_pulse *health_pulse_new(const char *name);
void health_pulse_free(struct health_pulse *pulse);
/* From the owner's thread; a store. Monotonic ns. */
void health_beat(struct health_pulse *pulse, int64_t now_ns);
/* Have all beaten lately? Appends {"alive":…,"loops":{"gateway-0":0.3,…}}:
 * seconds since each beat. */
bool health_print_alive(struct buf *out, int64_t now_ns);
