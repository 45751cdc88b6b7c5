/* SPDX-License-Identifier: Apache-2.0 */
/* What a tool says: results on standard output, what went wrong on standard
 * error, an exit code (0 ok, 1 failed, 2 usage, 78 bad configuration). */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"

/* Writes the text and frees the buffer. The exit code: 1 with a message when
 * the text is not whole or standard output does not take it. */
int output_take(struct buf *text);
/* "motorcade <tool>: <error>" on standard error; returns the exit code. */
int output_error(const char *tool, const struct error *err);
/* Bytes of a stranger for a terminal: control characters as \x1b. */
void output_put_safe(struct buf *out, struct bytes bytes);
