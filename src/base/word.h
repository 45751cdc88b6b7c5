/* SPDX-License-Identifier: Apache-2.0 */
/* Text eight bytes at a time, as one 64-bit word whose lowest byte is the first
 * character on every machine. The tricks with carries are those of Henry
 * Warren, "Hacker's Delight", 6-1, and Daniel Lemire's eight-digit parser. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD_REPEAT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight bytes at p, all readable. */
static inline uint64_t word_load(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void word_store(char *p, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(p, &word, sizeof word);
}

/* The bytes at p up to `end`, zero behind it. At least eight bytes must be
 * readable before `end` (the text is that long), and p <= end. */
static inline uint64_t word_load_until(const char *p, const char *end)
{
    size_t left = (size_t)(end - p);
    if (__builtin_expect(left >= 8, 1))
        return word_load(p);
    return left == 0 ? 0 : word_load(end - 8) >> (64 - 8 * left);
}

/* How many of its first bytes are ASCII digits: 0-8. */
static inline unsigned word_count_digits(uint64_t word)
{
    uint64_t value = word ^ WORD_REPEAT('0');
    uint64_t other = ((value + WORD_REPEAT(0x76)) | value) & WORD_REPEAT(0x80);
    return other == 0 ? 8 : (unsigned)__builtin_ctzll(other) / 8;
}

/* Value of its first `count` bytes, all digits; 1 <= count <= 8. */
static inline uint64_t word_parse_digits(uint64_t word, unsigned count)
{
    uint64_t value = (word ^ WORD_REPEAT('0')) << (64 - 8 * count);
    value = (value * 10 + (value >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
    value = (value * 100 + (value >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
    return (value * 10000 + (value >> 32)) & UINT64_C(0xFFFFFFFF);
}

/* The high bit of each byte below `limit` (<= 0x80); exact up to the first one. */
static inline uint64_t word_below(uint64_t word, unsigned char limit)
{
    return (word - WORD_REPEAT(limit)) & ~word & WORD_REPEAT(0x80);
}

/* The high bit of each byte equal to c; exact up to the first one. */
static inline uint64_t word_equal(uint64_t word, char c)
{
    return word_below(word ^ WORD_REPEAT((unsigned char)c), 1);
}

/* Bytes before the first one marked by word_below or word_equal; mark != 0. */
static inline unsigned word_first(uint64_t mark)
{
    return (unsigned)__builtin_ctzll(mark) / 8;
}
