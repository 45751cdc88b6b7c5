/* SPDX-License-Identifier: Apache-2.0 */
/* Merging runs of one file into a larger one; on the merging thread. */
#pragma once

#include "sink/sqlite/writer.h"

/* The next merge that is due; false when there is none. A failure is logged, and
 * everything stays as it was. */
bool merge_next(struct writer *writer);
/* Before the thread starts: what was merged already, into a new latest.db. */
int merge_fill_latest(struct writer *writer, struct error *err);
