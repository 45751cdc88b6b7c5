/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, signed by themselves, as PEM. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

/* Appends one that ends at end_s (seconds since 1970). */
void certificate_make(struct buf *out, int64_t end_s);
