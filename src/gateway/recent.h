/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded memory of identities published lately, so that a resend is seen
 * before it costs a second record. Only a saving: the store is the guarantee.
 * Direct-mapped: a newer identity may push out an older one. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vehicle/packet.h"

struct recent_entry;

struct recent {
    struct recent_entry *entries;
    uint16_t *marks;
    size_t mask; /* entries - 1; entries NULL = remembers nothing */
};

/* `count` is rounded up to a power of two; 0 = remember nothing. -1 without memory. */
int recent_init(struct recent *recent, size_t count);
void recent_deinit(struct recent *recent);

/* The publish sequence under which this identity was remembered; 0 = unknown. */
uint64_t recent_find(const struct recent *recent, const struct packet_identity *identity);
void recent_forget_all(struct recent *recent);
/* sequence > 0 */
void recent_remember(struct recent *recent, const struct packet_identity *identity,
                     uint64_t sequence);
