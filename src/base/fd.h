/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors. */
#pragma once

#include "base/bytes.h"

/* Everything, whatever a signal or a full pipe cuts it into. -1: errno says why; some of it may
 * have been written. Blocks. */
int fd_write_all(int fd, struct bytes bytes);
