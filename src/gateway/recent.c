/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/recent.h"

#include <stdlib.h>
#include <string.h>

/* Nearly every packet is new: `marks`, a few bits of each identity, tell so from
 * a table small enough for the processor's cache; the entries, sixteen times
 * as large, are only read when a mark agrees. */
struct recent_entry {
    struct packet_identity identity;
    uint64_t sequence; /* 0 = free */
};

int recent_init(struct recent *recent, size_t count)
{
    *recent = (struct recent){0};
    if (count == 0)
        return 0;
    size_t slots = 1;
    while (slots < count)
        slots *= 2;
    recent->entries = calloc(slots, sizeof *recent->entries);
    recent->marks = calloc(slots, sizeof *recent->marks);
    recent->mask = slots - 1;
    if (recent->entries != NULL && recent->marks != NULL)
        return 0;
    recent_deinit(recent);
    return -1;
}

void recent_deinit(struct recent *recent)
{
    free(recent->entries);
    free(recent->marks);
    *recent = (struct recent){0};
}

/* The content's hash ends the identity; the vehicle's hash and the order are
 * mixed in, so that equal contents of two vehicles do not share a place. */
static uint64_t mix(const struct packet_identity *identity)
{
    uint64_t words[3];
    memcpy(words, identity->bytes, sizeof words);
    return words[2] ^ (words[0] * UINT64_C(0x9E3779B97F4A7C15)) ^ words[1];
}

static uint16_t mark_of(uint64_t mixed)
{
    return (uint16_t)(mixed >> 48);
}

uint64_t recent_find(const struct recent *recent, const struct packet_identity *identity)
{
    if (recent->entries == NULL)
        return 0;
    uint64_t mixed = mix(identity);
    if (recent->marks[mixed & recent->mask] != mark_of(mixed))
        return 0;
    const struct recent_entry *entry = &recent->entries[mixed & recent->mask];
    if (memcmp(&entry->identity, identity, sizeof *identity) != 0)
        return 0;
    return entry->sequence;
}

void recent_forget_all(struct recent *recent)
{
    if (recent->entries != NULL)
        memset(recent->entries, 0, (recent->mask + 1) * sizeof *recent->entries);
}

void recent_remember(struct recent *recent, const struct packet_identity *identity,
                     uint64_t sequence)
{
    if (recent->entries == NULL)
        return;
    uint64_t mixed = mix(identity);
    recent->marks[mixed & recent->mask] = mark_of(mixed);
    recent->entries[mixed & recent->mask] = (struct recent_entry){*identity, sequence};
}
