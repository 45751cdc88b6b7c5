/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors. */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"

/* Everything, whatever a signal or a full pipe cuts it into. -1: errno says why; some of it may
 * have been written. Blocks. */
int fd_write_all(int fd, struct bytes bytes);

/* Appends what is there until its end, or until `out` has more than `enough` bytes: who sees more
 * knows that it is too much. Room that `out` has is used before it grows. -1: errno says why,
 * ENOMEM with out->has_failed. Blocks as the descriptor does. */
int fd_read_all(int fd, size_t enough, struct buf *out);
