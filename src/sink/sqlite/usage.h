/* SPDX-License-Identifier: Apache-2.0 */
/* How large the store is, as metrics: bytes on disk, rows. On the merging
 * thread. Private to sink/sqlite/. */
#pragma once

#include "sink/sqlite/writer.h"

/* Looks once a second at most. */
void usage_observe(struct writer *writer, int64_t now_ns);
/* The store is closed: no longer shown. */
void usage_end(void);
