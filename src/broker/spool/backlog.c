/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/spool/backlog.h"

#include <stdlib.h>
#include <string.h>

int backlog_init(struct backlog *backlog)
{
    memset(backlog, 0, sizeof *backlog);
    backlog->counts = calloc(BACKLOG_SLOTS, sizeof *backlog->counts);
    return backlog->counts == NULL ? -1 : 0;
}

void backlog_deinit(struct backlog *backlog)
{
    free(backlog->counts);
    backlog->counts = NULL;
}

void backlog_add(struct backlog *backlog, const struct record *record)
{
    if (record->key.len > 0)
        atomic_fetch_add(backlog_slot(backlog, record->key), 1);
    atomic_fetch_add(&backlog->bytes, backlog_size_of(record));
    atomic_fetch_add(&backlog->records, 1);
}

void backlog_remove(struct backlog *backlog, const struct record *record)
{
    if (record->key.len > 0)
        atomic_fetch_sub(backlog_slot(backlog, record->key), 1);
    atomic_fetch_sub(&backlog->bytes, backlog_size_of(record));
    atomic_fetch_sub(&backlog->records, 1);
}

static void reduce(_Atomic uint64_t *estimate, uint64_t by)
{
    uint64_t now = atomic_load(estimate);
    atomic_store(estimate, now > by ? now - by : 0);
}

/* Only the thread that drains. */
void backlog_remove_old(struct backlog *backlog, const struct record *record)
{
    reduce(&backlog->old_records, 1);
    reduce(&backlog->old_bytes, backlog_size_of(record));
}

void backlog_forget_old(struct backlog *backlog)
{
    atomic_store(&backlog->old_records, 0);
    atomic_store(&backlog->old_bytes, 0);
    atomic_store(&backlog->has_old, false);
}
