/* SPDX-License-Identifier: Apache-2.0 */
/* Text sixteen bytes at a time: questions whose answer is one bit a byte, the
 * lowest bit for the first. SSE2 where there is (every x86-64), else two words.
 * All need sixteen readable bytes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/word.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK = 16 };

#ifdef __SSE2__
static inline __m128i block_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline uint32_t block_bits(__m128i marks)
{
    return (uint32_t)_mm_movemask_epi8(marks);
}
#else
/* The high bits of eight bytes, gathered. */
static inline uint32_t block_gather(uint64_t marks)
{
    return (uint32_t)(((marks & WORD_REPEAT(0x80)) >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

static inline uint32_t block_not_digits_in(uint64_t word)
{
    uint64_t value = word ^ WORD_REPEAT('0');
    return block_gather(((value & WORD_REPEAT(0x7F)) + WORD_REPEAT(0x76)) | value);
}

static inline uint32_t block_not_plain_in(uint64_t word)
{
    uint64_t low = word & WORD_REPEAT(0x7F);
    uint64_t at_least_space = low + WORD_REPEAT(0x60);
    uint64_t not_quote = (low ^ WORD_REPEAT('"')) + WORD_REPEAT(0x7F);
    uint64_t not_backslash = (low ^ WORD_REPEAT('\\')) + WORD_REPEAT(0x7F);
    uint64_t not_delete = (low ^ WORD_REPEAT(0x7F)) + WORD_REPEAT(0x7F);
    return block_gather(word | ~(at_least_space & not_quote & not_backslash & not_delete));
}
#endif

/* Which are no ASCII digits. */
static inline uint32_t block_not_digits(const char *p)
{
#ifdef __SSE2__
    __m128i value = _mm_sub_epi8(block_load(p), _mm_set1_epi8('0'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
    return block_bits(is_digit) ^ 0xFFFF;
#else
    return block_not_digits_in(word_load(p)) | block_not_digits_in(word_load(p + 8)) << 8;
#endif
}

/* Which end a run of plain text in a JSON string: quotes, backslashes, control
 * characters, DEL and all that is not ASCII. */
static inline uint32_t block_not_plain(const char *p)
{
#ifdef __SSE2__
    __m128i text = block_load(p);
    __m128i is_quote = _mm_cmpeq_epi8(text, _mm_set1_epi8('"'));
    __m128i is_backslash = _mm_cmpeq_epi8(text, _mm_set1_epi8('\\'));
    __m128i is_delete = _mm_cmpeq_epi8(text, _mm_set1_epi8(0x7F));
    /* Signed: below the space are the control characters and all from 0x80. */
    __m128i is_low = _mm_cmplt_epi8(text, _mm_set1_epi8(' '));
    return block_bits(
        _mm_or_si128(_mm_or_si128(is_quote, is_backslash), _mm_or_si128(is_delete, is_low)));
#else
    return block_not_plain_in(word_load(p)) | block_not_plain_in(word_load(p + 8)) << 8;
#endif
}

/* Do the bytes whose bits are set in `mask` agree? */
static inline bool block_equal(const char *p, const char *other, uint32_t mask)
{
#ifdef __SSE2__
    return (block_bits(_mm_cmpeq_epi8(block_load(p), block_load(other))) & mask) == mask;
#else
    uint64_t head = word_load(p) ^ word_load(other);
    uint64_t tail = word_load(p + 8) ^ word_load(other + 8);
    head |= (head & WORD_REPEAT(0x7F)) + WORD_REPEAT(0x7F);
    tail |= (tail & WORD_REPEAT(0x7F)) + WORD_REPEAT(0x7F);
    return ((block_gather(head) | block_gather(tail) << 8) & mask) == 0;
#endif
}

/* Sixteen hex digits, any case, into eight bytes; false: one of them is none. */
static inline bool block_read_hex(const char *p, unsigned char *out)
{
#ifdef __SSE2__
    __m128i text = block_load(p);
    __m128i digit = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(text, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
    __m128i value = _mm_or_si128(_mm_and_si128(digit, is_digit),
                                 _mm_and_si128(_mm_add_epi8(letter, _mm_set1_epi8(10)), is_letter));
    __m128i pairs = _mm_or_si128(_mm_slli_epi16(value, 4), _mm_srli_epi16(value, 8));
    __m128i bytes = _mm_packus_epi16(_mm_and_si128(pairs, _mm_set1_epi16(0xFF)), pairs);
    _mm_storel_epi64((__m128i *)(void *)out, bytes);
    return block_bits(_mm_or_si128(is_digit, is_letter)) == 0xFFFF;
#else
    for (int i = 0; i < 8; i++) {
        unsigned value = 0;
        for (int j = 0; j < 2; j++) {
            unsigned digit = (unsigned char)p[2 * i + j] - '0';
            unsigned letter = ((unsigned char)p[2 * i + j] | 0x20u) - 'a';
            if (digit > 9 && letter > 5)
                return false;
            value = value << 4 | (digit <= 9 ? digit : letter + 10);
        }
        out[i] = (unsigned char)value;
    }
    return true;
#endif
}
