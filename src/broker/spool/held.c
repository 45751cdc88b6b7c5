/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/spool/held.h"

#include <stdlib.h>
#include <string.h>

static size_t size_of(const struct record *r)
{
    return sizeof(struct held_record) + r->key.len + r->value.len + r->mc.len + r->traceparent.len;
}

static struct bytes copy(char **at, struct bytes from)
{
    struct bytes to = {*at, from.len};
    if (from.len > 0)
        memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return to;
}

int held_append(struct held *held, uint64_t tag, int topic, const struct record *record)
{
    struct held_record *item = malloc(size_of(record));
    if (item == NULL)
        return -1;
    char *at = item->bytes;
    item->next = NULL;
    item->tag = tag;
    item->topic = topic;
    item->record.key = copy(&at, record->key);
    item->record.value = copy(&at, record->value);
    item->record.mc = copy(&at, record->mc);
    item->record.traceparent = copy(&at, record->traceparent);
    item->record.timestamp_ns = record->timestamp_ns;
    if (held->first == NULL)
        held->end = &held->first;
    *held->end = item;
    held->end = &item->next;
    held->count++;
    held->bytes += size_of(record);
    return 0;
}

struct held_record *held_take(struct held *held)
{
    struct held_record *item = held->first;
    held->first = item->next;
    held->count--;
    held->bytes -= size_of(&item->record);
    return item;
}
