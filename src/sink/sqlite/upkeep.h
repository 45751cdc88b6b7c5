/* SPDX-License-Identifier: Apache-2.0 */
/* The merging thread and what it does besides: it shortens the logs, deletes the
 * pages of runs that are gone, enforces retention and sets damaged files aside. */
#pragma once

#include "sink/sqlite/writer.h"

/* The thread's function, with the writer; until is_stopping. */
void *upkeep_thread(void *writer);

/* On that thread: */
bool upkeep_is_stopping(struct writer *writer);
/* Its connection to the span's file; one is open at a time. */
struct db *upkeep_db(struct writer *writer, struct span *span, struct error *err);
/* If the file's log has become long. */
int upkeep_checkpoint(struct writer *writer, struct span *span, struct error *err);
