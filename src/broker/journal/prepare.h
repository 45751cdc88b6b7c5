/* SPDX-License-Identifier: Apache-2.0 */
/* The next segments' files, made ahead by a thread of their own: blocks
 * reserved, and filled with zeros so that syncs into them write no metadata
 * (halves the time of a sync: bench_journal shows it). Filling is held to a
 * quarter of the time, so that it never stands in the way of the log; a file
 * that is needed before it is full of zeros is taken as it is. */
#pragma once

#include "broker/journal/seglog.h"

struct preparer;

int preparer_start(struct preparer **out, const struct journal_io *io, struct error *err);
void preparer_stop(struct preparer *preparer);
/* As seglog_hooks.want_spare and take_spare; context: the preparer. */
void preparer_want(void *context, const struct seglog *log, uint64_t size);
int preparer_take(void *context, const struct seglog *log, uint64_t *size);
