/* SPDX-License-Identifier: Apache-2.0 */
/* Which vehicles have records in the spool: counts by the hash of the key. Two
 * vehicles that share a count are taken for one: the other one's records go
 * through the spool needlessly, never past it. So the table is of one size
 * whatever comes, and needs no lock.
 *
 * Records of an earlier run are not in the counts: while there are any,
 * everything has a backlog. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "broker/broker.h"

enum { BACKLOG_SLOTS = 1 << 20 };

struct backlog {
    _Atomic uint32_t *counts;
    _Atomic uint64_t records; /* of this run */
    _Atomic uint64_t bytes;
    _Atomic uint64_t old_records, old_bytes; /* estimated */
    atomic_bool has_old;
};

int backlog_init(struct backlog *backlog);
void backlog_deinit(struct backlog *backlog);

static inline uint64_t backlog_size_of(const struct record *record)
{
    return record->key.len + record->value.len + record->mc.len + record->traceparent.len;
}

static inline _Atomic uint32_t *backlog_slot(struct backlog *backlog, struct bytes key)
{
    return &backlog->counts[hash64_local(key) & (BACKLOG_SLOTS - 1)];
}

/* Before it goes into the spool, so that no thread misses it. */
void backlog_add(struct backlog *backlog, const struct record *record);
/* It is out again, or did not go in. */
void backlog_remove(struct backlog *backlog, const struct record *record);
void backlog_remove_old(struct backlog *backlog, const struct record *record);
/* Nothing of an earlier run is left. */
void backlog_forget_old(struct backlog *backlog);

static inline bool backlog_is_empty(const struct backlog *backlog)
{
    return atomic_load(&backlog->records) == 0 && !atomic_load(&backlog->has_old);
}

/* Must this key's next record go through the spool? No order without key. */
static inline bool backlog_has(struct backlog *backlog, struct bytes key)
{
    if (backlog_is_empty(backlog))
        return false;
    return atomic_load(&backlog->has_old) ||
           (key.len > 0 && atomic_load(backlog_slot(backlog, key)) > 0);
}
