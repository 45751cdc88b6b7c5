/* SPDX-License-Identifier: Apache-2.0 */
/* MurmurHash2, 32 bits, seed 0x9747b28c, as Kafka's Java client hashes keys to
 * choose a partition (org.apache.kafka.common.utils.Utils.murmur2; algorithm by
 * Austin Appleby, public domain). The same key lies in the same partition here
 * and there. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

uint32_t murmur2(struct bytes key);

/* The partition of a key: hash with the sign bit off, modulo the partitions. */
static inline int murmur2_partition(struct bytes key, int partitions)
{
    return (int)((murmur2(key) & UINT32_C(0x7fffffff)) % (uint32_t)partitions);
}
