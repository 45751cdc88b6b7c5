/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket as one atomic time ("virtual scheduling", ITU-T I.371 annex A):
 * what is taken moves `due_ns` on by its share of a second, and may be taken while
 * that is not further ahead of now than ahead_ns. So two threads that take at once
 * need no lock. Zero = full. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Any thread. Monotonic ns. */
static inline bool bucket_take(_Atomic int64_t *due_ns, int64_t now_ns, int64_t share_ns,
                               int64_t ahead_ns)
{
    int64_t due = atomic_load(due_ns);
    int64_t next;
    do {
        int64_t from = due > now_ns ? due : now_ns;
        if (from - now_ns > ahead_ns)
            return false;
        next = from + share_ns;
    } while (!atomic_compare_exchange_weak(due_ns, &due, next));
    return true;
}
