/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sha1.h"

#include <string.h>

enum { BLOCK_LEN = 64 };

struct sha1 {
    uint32_t h[5];
    uint8_t block[BLOCK_LEN];
    size_t fill;
    uint64_t total;
};

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

/* FIPS 180-4 sections 4.1.1 and 4.2.1: function and constant of round t. */
static uint32_t mix(unsigned t, uint32_t b, uint32_t c, uint32_t d)
{
    if (t < 20)
        return ((b & c) | (~b & d)) + 0x5A827999;
    if (t < 40)
        return (b ^ c ^ d) + 0x6ED9EBA1;
    if (t < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
    return (b ^ c ^ d) + 0xCA62C1D6;
}

static void compress(uint32_t h[5], const uint8_t block[BLOCK_LEN])
{
    uint32_t w[80];
    for (unsigned t = 0; t < 16; t++)
        w[t] = load_be32(block + 4 * (size_t)t);
    for (unsigned t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned t = 0; t < 80; t++) {
        uint32_t next = rotate(a, 5) + mix(t, b, c, d) + e + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

static void add_byte(struct sha1 *sha1, uint8_t byte)
{
    sha1->block[sha1->fill++] = byte;
    if (sha1->fill == BLOCK_LEN) {
        compress(sha1->h, sha1->block);
        sha1->fill = 0;
    }
}

static void add(struct sha1 *sha1, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        add_byte(sha1, (uint8_t)bytes.ptr[i]);
    sha1->total += bytes.len;
}

static void finish(struct sha1 *sha1, uint8_t out[SHA1_LEN])
{
    add_byte(sha1, 0x80);
    while (sha1->fill != BLOCK_LEN - 8)
        add_byte(sha1, 0);
    for (int shift = 56; shift >= 0; shift -= 8)
        add_byte(sha1, (uint8_t)(sha1->total * 8 >> shift));
    for (size_t i = 0; i < 5; i++)
        store_be32(out + 4 * i, sha1->h[i]);
}

void sha1_of_two(struct bytes a, struct bytes b, uint8_t out[SHA1_LEN])
{
    struct sha1 sha1 = {.h = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}};
    add(&sha1, a);
    add(&sha1, b);
    finish(&sha1, out);
}
