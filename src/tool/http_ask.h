/* SPDX-License-Identifier: Apache-2.0 */
/* One question to a process of ours, for tools: blocks until its answer. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* POST without a body. -1: nobody answered (the text names the address). */
int http_ask(const char *url, unsigned *status, struct buf *body, struct error *err);
