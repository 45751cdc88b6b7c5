/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected; RFC 3720 appendix B.4).
 * By the processor's instruction where there is one, else by table. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* crc = crc32c(0, a, n); crc = crc32c(crc, b, m); the CRC of a then b. */
uint32_t crc32c(uint32_t crc, const void *ptr, size_t len);
