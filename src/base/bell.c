/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bell.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/must.h"

#ifdef __linux__
#define now_ns clock_monotonic_ns
#else
#define now_ns clock_wall_ns /* what a condition variable knows everywhere */
#endif

void bell_init(struct bell *bell)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
#ifdef __linux__
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
    must(pthread_mutex_init(&bell->lock, NULL) == 0);
    must(pthread_cond_init(&bell->cond, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    atomic_init(&bell->is_rung, false);
}

void bell_deinit(struct bell *bell)
{
    pthread_cond_destroy(&bell->cond);
    pthread_mutex_destroy(&bell->lock);
}

void bell_ring(struct bell *bell)
{
    if (atomic_exchange(&bell->is_rung, true))
        return;
    /* The lock: a waiter that saw "not rung" is then inside its wait. */
    pthread_mutex_lock(&bell->lock);
    pthread_cond_signal(&bell->cond);
    pthread_mutex_unlock(&bell->lock);
}

bool bell_wait(struct bell *bell, int64_t timeout_ns)
{
    int64_t at = now_ns() + timeout_ns;
    struct timespec deadline = {at / NS_PER_S, at % NS_PER_S};
    pthread_mutex_lock(&bell->lock);
    int result = 0;
    while (!atomic_load(&bell->is_rung) && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&bell->cond, &bell->lock, &deadline);
    bool was_rung = atomic_exchange(&bell->is_rung, false);
    pthread_mutex_unlock(&bell->lock);
    return was_rung;
}
