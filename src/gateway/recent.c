/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/recent.h"

#include <stdlib.h>
#include <string.h>

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
    if (recent->entries == NULL)
        return -1;
    recent->mask = slots - 1;
    return 0;
}

void recent_deinit(struct recent *recent)
{
    free(recent->entries);
    *recent = (struct recent){0};
}

void recent_forget_all(struct recent *recent)
{
    if (recent->entries != NULL)
        memset(recent->entries, 0, (recent->mask + 1) * sizeof *recent->entries);
}

/* The content's hash ends the identity; the vehicle's hash and the order are
 * mixed in, so that equal contents of two vehicles do not share a place. */
static struct recent_entry *place(const struct recent *recent,
                                  const struct packet_identity *identity)
{
    uint64_t words[3];
    memcpy(words, identity->bytes, sizeof words);
    uint64_t mixed = words[2] ^ (words[0] * UINT64_C(0x9E3779B97F4A7C15)) ^ words[1];
    return &recent->entries[mixed & recent->mask];
}

uint64_t recent_find(const struct recent *recent, const struct packet_identity *identity)
{
    if (recent->entries == NULL)
        return 0;
    const struct recent_entry *entry = place(recent, identity);
    if (memcmp(&entry->identity, identity, sizeof *identity) != 0)
        return 0;
    return entry->sequence;
}

void recent_remember(struct recent *recent, const struct packet_identity *identity,
                     uint64_t sequence)
{
    if (recent->entries != NULL)
        *place(recent, identity) = (struct recent_entry){*identity, sequence};
}
