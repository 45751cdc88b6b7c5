/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/murmur2.h"

enum { SHIFT = 24 };
#define SEED UINT32_C(0x9747b28c)
#define MULTIPLIER UINT32_C(0x5bd1e995)

static uint32_t load_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t mix_tail(uint32_t hash, const unsigned char *p, size_t len)
{
    if (len == 0)
        return hash;
    uint32_t tail = 0;
    for (size_t i = 0; i < len; i++)
        tail |= (uint32_t)p[i] << (8 * i);
    return (hash ^ tail) * MULTIPLIER;
}

uint32_t murmur2(struct bytes key)
{
    const unsigned char *p = (const unsigned char *)key.ptr;
    size_t len = key.len;
    uint32_t hash = SEED ^ (uint32_t)len;
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t word = load_le32(p) * MULTIPLIER;
        word ^= word >> SHIFT;
        hash = hash * MULTIPLIER ^ word * MULTIPLIER;
    }
    hash = mix_tail(hash, p, len);
    hash ^= hash >> 13;
    hash *= MULTIPLIER;
    return hash ^ hash >> 15;
}
