/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop (libuv) and the thread that runs it. Everything here but
 * loop_wake() is called on the loop's own thread, or before it runs. */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct loop;
struct loop_timer;
struct loop_waker;

/* `name` names the thread and the metric series. */
struct loop *loop_new(const char *name, struct error *err);
/* Everything on it must be stopped before. NULL is fine. */
void loop_free(struct loop *loop);

/* Run on the calling thread until loop_stop(). */
void loop_run(struct loop *loop);
/* Run on a thread of its own; loop_join waits for its end. */
int loop_start(struct loop *loop, struct error *err);
void loop_join(struct loop *loop);
/* Any thread: ask it to end after the current turn. */
void loop_stop(struct loop *loop);

/* Any thread: run fn on the loop's thread soon (a heap note; never fails short
 * of memory, which is a bug). In order of calls. */
void loop_post(struct loop *loop, void (*fn)(void *context), void *context);

/* Monotonic ns, read once a turn. */
int64_t loop_now_ns(const struct loop *loop);

/* At the end of each turn, after all callbacks of this turn's events: the place
 * to flush what was gathered. Called in order of registration. */
void loop_on_turn_end(struct loop *loop, void (*fn)(void *context), void *context);

/* Coalescing wake-up: many wakes before the loop gets to it are one call. */
struct loop_waker *loop_waker_new(struct loop *loop, void (*fn)(void *context), void *context,
                                  struct error *err);
void loop_wake(struct loop_waker *waker);       /* any thread; async-signal-safe */
void loop_waker_free(struct loop_waker *waker); /* no call of fn after it */

/* A one-shot or repeating timer on the monotonic clock. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *context), void *context);
void loop_timer_start(struct loop_timer *timer, int64_t after_ns, int64_t repeat_ns);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* SIGINT, SIGTERM, SIGHUP, … delivered on the loop. */
int loop_on_signal(struct loop *loop, int signal_number, void (*fn)(void *context, int number),
                   void *context, struct error *err);
