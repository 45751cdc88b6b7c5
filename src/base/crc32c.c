/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLYNOMIAL UINT32_C(0x82F63B78) /* 0x1EDC6F41, bits reflected */

static uint32_t by_byte[256];

/* Three streams hide the instruction's latency of 3 cycles. After LANE bytes of
 * each they are joined: shift_lane[k] tells what a CRC becomes when LANE zero
 * bytes follow it, by its four bytes (the same linear map, tabled). */
enum { LANE = 1024 };
static uint32_t shift_lane[4][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static uint32_t step_zero_bytes(uint32_t crc, size_t count)
{
    while (count-- > 0)
        crc = by_byte[crc & 0xff] ^ (crc >> 8);
    return crc;
}

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        by_byte[i] = crc;
    }
    for (unsigned k = 0; k < 4; k++)
        for (uint32_t i = 0; i < 256; i++)
            shift_lane[k][i] = step_zero_bytes(i << (8 * k), LANE);
}

static uint32_t crc_by_table(uint32_t crc, const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        crc = by_byte[(crc ^ p[i]) & 0xff] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)
static uint64_t load64(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static uint32_t shifted(uint32_t crc)
{
    return shift_lane[0][crc & 0xff] ^ shift_lane[1][(crc >> 8) & 0xff] ^
           shift_lane[2][(crc >> 16) & 0xff] ^ shift_lane[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(uint32_t crc,
                                                                     const unsigned char *p,
                                                                     size_t len)
{
    while (len >= 3 * (size_t)LANE) {
        uint64_t a = crc;
        uint64_t b = 0;
        uint64_t c = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            a = _mm_crc32_u64(a, load64(p + i));
            b = _mm_crc32_u64(b, load64(p + LANE + i));
            c = _mm_crc32_u64(c, load64(p + 2 * (size_t)LANE + i));
        }
        crc = shifted(shifted((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
        p += 3 * (size_t)LANE;
        len -= 3 * (size_t)LANE;
    }
    uint64_t wide = crc;
    for (; len >= 8; p += 8, len -= 8)
        wide = _mm_crc32_u64(wide, load64(p));
    crc = (uint32_t)wide;
    for (; len > 0; p++, len--)
        crc = _mm_crc32_u8(crc, *p);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *ptr, size_t len)
{
    pthread_once(&tables_once, make_tables);
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_by_instruction(crc, ptr, len);
#endif
    return ~crc_by_table(crc, ptr, len);
}
