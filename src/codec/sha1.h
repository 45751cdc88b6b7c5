/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-1 (FIPS 180-4), for Sec-WebSocket-Accept alone: private to codec/. It
 * protects nothing there; never use it where a collision matters. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

enum { SHA1_LEN = 20 };

/* The digest of a followed by b. */
void sha1_of_two(struct bytes a, struct bytes b, uint8_t out[SHA1_LEN]);
