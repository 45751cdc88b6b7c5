/* SPDX-License-Identifier: Apache-2.0 */
/* A file that says which packets were acked, one line each, for checkers that
 * join it with what is stored. Lines reach the disk (fdatasync) in groups, on a
 * thread of its own; what is in the file was acked, never the other way round. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

struct ack_log;

/* Appends to the file; makes it if need be. */
int ack_log_open(struct ack_log **out, const char *path, struct error *err);
/* Whole lines; any thread. Waits when the disk is 16 MiB behind: a gap in the log
 * would be worse than a pause in the load. */
void ack_log_append(struct ack_log *log, struct bytes lines);
/* All of it is on disk, or an error says why not. NULL is fine. */
int ack_log_close(struct ack_log *log, struct error *err);
